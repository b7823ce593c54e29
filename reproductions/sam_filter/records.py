"""Records that only the report of the SAM filter has."""

from __future__ import annotations

from reports.records import Report
from reports.samples import LabelMapSample
from reports.selections import ScoreHistogram, SelectionStatistics


class SamFilterReport(Report):
    """The report's records, with what only the filter has."""

    histograms: tuple[ScoreHistogram, ...] = ()
    """One a seed, of all pairs."""
    selections: tuple[SelectionStatistics, ...] = ()
    filter_samples: tuple[LabelMapSample, ...] = ()
    """Generated images with the mask from attention and the zero-shot segmenter's, in groups by score."""
    drawn_samples: tuple[LabelMapSample, ...] = ()
    """Drawn training images with their mask, in groups by contour and noise."""

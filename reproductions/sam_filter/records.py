"""Records that only the report of the SAM filter has."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

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

    @model_validator(mode="after")
    def _selections_fit(self) -> Self:
        arms = {arm.id for arm in self.arms}
        for selection in self.selections:
            assert selection.arm in arms, f"SelectionStatistics of unknown arm {selection.arm!r}"
        return self

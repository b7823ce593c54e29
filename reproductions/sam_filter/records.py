"""Records that only the report of the SAM filter has."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from reports.records import Record, Report


class ScoreHistogram(Record):
    """How a score is distributed over all candidates, for one seed."""

    score: str
    """Id of the score, e.g. "S1"."""
    seed: int
    edges: tuple[float, ...]
    """Ascending edges of the bins, one more than counts."""
    counts: tuple[int, ...]
    """The last bin includes its right edge."""
    cut_offs: dict[str, float] = {}
    """Lowest score kept, by name of the selection, e.g. {"10k": 0.71}."""

    @model_validator(mode="after")
    def _bins(self) -> Self:
        assert len(self.edges) == len(self.counts) + 1, f"{len(self.edges)} edges for {len(self.counts)} bins"
        assert all(low < high for low, high in zip(self.edges, self.edges[1:], strict=False)), "edges must ascend"
        return self


class SelectionStatistics(Record):
    """What a selection of images does to the classes, for one seed."""

    arm: str
    """Which arm trains on the selection."""
    seed: int
    classes: tuple[str, ...]
    """Class names, background left out."""
    images_before: tuple[int, ...]
    """Images that name the class among all candidates, same order as ``classes``."""
    images_after: tuple[int, ...]
    """The same among the kept ones."""
    pixels_before: tuple[int, ...]
    """Pixels labelled with the class."""
    pixels_after: tuple[int, ...]
    num_before: int = Field(ge=1)
    """All candidates."""
    num_after: int = Field(ge=1)
    classes_an_image_before: dict[int, int] = {}
    """Number of images by number of classes."""
    classes_an_image_after: dict[int, int] = {}
    zero_share: float | None = None
    """Share of the candidates with score 0, in [0, 1]."""
    cut_off: float | None = None
    """Lowest score kept."""
    quantiles: dict[str, float] = {}
    """Of the score over all candidates, e.g. {"25 %": 0.31}."""

    @model_validator(mode="after")
    def _one_a_class(self) -> Self:
        for counts in (self.images_before, self.images_after, self.pixels_before, self.pixels_after):
            assert len(counts) == len(self.classes), f"{self.arm}: one count a class"
        return self


class FilterSample(Record):
    """One generated image with its mask, and what the zero-shot segmenter says of it."""

    seed: int
    rank: int = Field(ge=1)
    """Place by score, 1 is best."""
    num_ranked: int = Field(ge=1)
    score: float
    kept: bool
    """True when the selection that the report shows keeps it."""
    classes: tuple[str, ...]
    """Classes named in the prompt."""
    path: Path
    """The image, PNG or JPEG."""
    mask_path: Path
    """PNG of labels, same size: 0 background, 255 uncertain."""
    segmented_path: Path
    """The same by the zero-shot segmenter."""


class DrawnSample(Record):
    """One drawn training image with its mask."""

    contour: str
    """How its shapes are drawn, e.g. "VA"."""
    noise: str = ""
    """Noise in the mask, in words; empty for none."""
    path: Path
    mask_path: Path
    """PNG of labels, 0 background."""


class SamFilterReport(Report):
    """The report's records, with what only the filter has."""

    histograms: tuple[ScoreHistogram, ...] = ()
    selections: tuple[SelectionStatistics, ...] = ()
    filter_samples: tuple[FilterSample, ...] = ()
    drawn_samples: tuple[DrawnSample, ...] = ()

    @model_validator(mode="after")
    def _selections_fit(self) -> Self:
        arms = {arm.id for arm in self.arms}
        for selection in self.selections:
            assert selection.arm in arms, f"SelectionStatistics of unknown arm {selection.arm!r}"
        return self

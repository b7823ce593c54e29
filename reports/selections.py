"""Records of selections of generated images by a score. What draws and tells them is in ``selection_plots`` and ``selection_section``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from reports.records import Record


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
    """Lowest score kept, by name of the selection, e.g. {"top 10k": 0.71}."""

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

    @property
    def leaves_out(self) -> bool:
        """Whether it keeps less than everything."""
        return self.num_after < self.num_before


def of_one_arm(selections: Sequence[SelectionStatistics], arm: str) -> list[SelectionStatistics]:
    """Return an arm's selections, one a seed; where it has none, those of the first arm whose selection leaves something out."""
    selecting = [item for item in selections if item.leaves_out]
    chosen = [item for item in selecting if item.arm == arm] or selecting[:1]
    return [item for item in selections if item.arm == chosen[0].arm] if chosen else []

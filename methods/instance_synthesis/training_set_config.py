"""Which frames a segmenter is trained on. Imports nothing heavy, so that plans can be made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.datasets.cityscapes_labels import Segments
from methods.common.growth import Added
from methods.common.stage import Config, Inputs

if TYPE_CHECKING:
    from methods.common.datasets.lvis_records import LvisDataset
    from methods.common.seeds import Seeds


class FramesSource(Config):
    """Real frames, and the samples that were made of them.

    Roles: ``data``; ``samples`` (integration cells) and ``support`` (a support list) where there are some.
    """

    kind: Literal["frames"] = "frames"
    """Which source this is."""
    layout: Literal["cityscapes", "coco"] = "cityscapes"
    """Layout of data and samples."""
    split: str = "train"
    """Of the real frames."""
    percent: int = Field(default=100, ge=1, le=100)
    """Share of the real frames that is kept, drawn by the data seed; samples of the others go with them. Section 10, item 1 [C D2]"""
    synthetic_percent: int | None = Field(default=None, ge=1, le=99)
    """Share of samples among the training images; None adds every sample plainly. Section 10, item 2"""

    segments: Annotated[Segments, Added(neutral="things")] = "things"
    """What each image teaches: its instances, or also one region for each of Cityscapes' classes without instances, which OneFormer
    learns from, too (section 8.3)."""

    novel: Annotated[tuple[str, ...], Added(neutral=())] = ()
    """Classes whose instances are neither learnt nor background, but for those that a support list names (role ``support``), whose frames
    then are all that is trained on. Section 6.1"""

    def open(self, inputs: Inputs, seeds: Seeds) -> LvisDataset:
        """Read the records of all training images.

        Raises:
            InputError: a file is missing or faulty, or there are too few samples for the share.
        """
        from methods.instance_synthesis.novel import NovelClasses
        from methods.instance_synthesis.training_set import Shares, read_training_set

        shares = Shares(self.percent, self.synthetic_percent)
        return read_training_set(
            inputs.folder("data"),
            self.layout,
            self.split,
            inputs.folders("samples"),
            shares,
            seeds,
            self.segments,
            NovelClasses.of(self.novel, inputs.folders("support")),
        )

"""SemSegFDSL, drawn on the fly, as a source of training images. Imports nothing heavy.

Shape legend: H, W pixels; 3 RGB channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from methods.common.stage import Inputs
from methods.common.stages.training_sources import TrainingSource
from methods.sam_filter.semseg_fdsl import SemSegFdslConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.seeds import Seeds


class DrawnSource(TrainingSource):
    """SemSegFDSL, drawn on the fly; which pictures depends on the training seed (section 7)."""

    kind: Literal["drawn"] = "drawn"
    """Which source this is."""
    drawn: SemSegFdslConfig = SemSegFdslConfig()
    """Which pictures."""
    num_images: int = Field(default=20_000, ge=1)
    """How many. [P]"""

    def open(self, inputs: Inputs, seeds: Seeds) -> LabelledImages:
        """Return the pictures that the training seed makes; reads no role."""
        return DrawnImages(self, seeds.derive("training", "drawn pictures"))


class DrawnImages:
    """SemSegFDSL as labelled images."""

    def __init__(self, source: DrawnSource, seed: int) -> None:
        from methods.sam_filter.semseg_fdsl import SemSegFdsl

        self._drawn = SemSegFdsl(source.drawn, source.num_images, seed)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Background, then the categories by number."""
        return ("background", *(f"shape {label}" for label in range(1, self._drawn.config.num_categories + 1)))

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._drawn)

    def name(self, index: int) -> str:
        """Return the number of the picture in six digits."""
        return f"{index:06d}"

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw one picture: uint8 RGB [H, W, 3], labels uint8 [H, W]."""
        return self._drawn[index]

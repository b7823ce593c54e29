"""The idea: training masks that lost their rim, and a training on them."""

from typing import Any

from pydantic import Field

from methods.common.seeds import Seeds
from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import TrainSemanticConfig, train_semantic
from methods.common.stages.training_sources import RealSource


class ThinSource(RealSource):
    """A split whose objects lose their outermost pixels to the background."""

    rim_px: int = Field(ge=0)
    """How many; 0 keeps the masks as they are."""

    def open(self, inputs: Inputs, seeds: Seeds) -> Any:
        """Open the split with thin masks."""
        return ThinImages(super().open(inputs, seeds), self.rim_px)


class ThinImages:
    """Labelled images whose masks are thinned when they are read."""

    def __init__(self, images: Any, rim_px: int) -> None:
        self._images, self._rim_px = images, rim_px
        self.class_names, self.name = images.class_names, images.name

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Any:
        from scipy.ndimage import distance_transform_edt

        image_HW3, label_HW = self._images[index]
        return image_HW3, label_HW * (distance_transform_edt(label_HW > 0) > self._rim_px)


class TrainConfig(TrainSemanticConfig):
    """A training on thin masks."""

    source: ThinSource
    """What it is trained on."""


def train(inputs: Inputs, config: TrainConfig, context: Context) -> Record:
    """Train; see :func:`train_semantic`."""
    return train_semantic(inputs, config, context)


TRAIN = Stage("thin_masks_train", 1, TrainConfig, train, ("training",), uses_gpu=True, kind="train", runs_on_team=True)

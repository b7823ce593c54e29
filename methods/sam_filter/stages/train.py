"""Stage ``sam_filter_train``: the common training of a semantic segmenter, on generated, real or drawn images."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import TrainSegmenterConfig, train_semantic
from methods.common.stages.training_sources import PairsSource, RealSource
from methods.sam_filter.stages.drawn_source import DrawnSource

Source = Annotated[PairsSource | RealSource | DrawnSource, Field(discriminator="kind")]


class TrainConfig(TrainSegmenterConfig):
    """One training of a segmenter."""

    source: Source
    """What it is trained on."""

    @model_validator(mode="after")
    def _classes_fit(self) -> Self:
        if isinstance(self.source, DrawnSource):
            needed = self.source.drawn.num_categories + 1
            if self.segmenter.num_classes != needed:
                raise ValueError(
                    f"segmenter.num_classes is {self.segmenter.num_classes}, the drawn pictures have {needed} classes with "
                    "the background"
                )
        return self


def train(inputs: Inputs, config: TrainConfig, context: Context) -> Record:
    """Train from start to end; see :func:`train_semantic`. The weights are those after the last iteration [? D13]."""
    return train_semantic(inputs, config, context)


TRAIN = Stage("sam_filter_train", 1, TrainConfig, train, ("training",), uses_gpu=True, kind="train", runs_on_team=True)

"""Stage ``robust_train_segmenter``: the common training of any segmenter, on generated or real images (section 10.7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import TrainSegmenterConfig, train_semantic
from methods.common.stages.training_sources import CityscapesSource, RealSource
from methods.diffumask_robust.stages.fold_source import FoldSource
from methods.diffumask_robust.stages.sources import ClassSetSource, LabelledSource


class TrainSegmenter(TrainSegmenterConfig):
    """One training of a segmenter."""

    source: Annotated[
        LabelledSource | FoldSource | RealSource | CityscapesSource | ClassSetSource, Field(discriminator="kind")
    ]
    """What it is trained on."""


def train(inputs: Inputs, config: TrainSegmenter, context: Context) -> Record:
    """Train from start to end; see :func:`train_semantic`."""
    return train_semantic(inputs, config, context)


TRAIN_SEGMENTER: Stage[TrainSegmenter] = Stage(
    "robust_train_segmenter", 1, TrainSegmenter, train, ("training",), uses_gpu=True, kind="train", runs_on_team=True
)

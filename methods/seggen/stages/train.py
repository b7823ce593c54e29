"""Stage ``seggen_train``: the common training of a semantic segmenter, on real images, generated pairs or both (section 7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import TrainSegmenterConfig, train_semantic
from methods.common.stages.training_sources import RealSource
from methods.seggen.mixing_config import ConcatenatedSource, MixedSource


class SegGenTrainConfig(TrainSegmenterConfig):
    """One training of a segmenter: the only one, or one of the two of strategy B."""

    source: Annotated[RealSource | MixedSource | ConcatenatedSource, Field(discriminator="kind")]
    """What it is trained on."""


def train(inputs: Inputs, config: SegGenTrainConfig, context: Context) -> Record:
    """Train from start to end; see :func:`train_semantic`. Strategy B is two such cells: the second has ``start`` "all".

    Returns:
        what :func:`train_semantic` does, and under ``drawn`` what :func:`count_draws` counts of the samples, where some may be generated.
    """
    record = train_semantic(inputs, config, context)
    if isinstance(config.source, RealSource):
        return record
    from methods.seggen.mixing import count_draws

    images = config.source.open(inputs, context.seeds)
    drawn = count_draws(
        config.source.order(images, context.seeds),
        config.samples_before,
        config.recipe.iterations * config.recipe.batch_size,
        images.strategy_of,
    )
    return {**record, "drawn": drawn}


TRAIN = Stage(
    "seggen_train", 1, SegGenTrainConfig, train, ("training",), uses_gpu=True, kind="train", runs_on_team=True
)

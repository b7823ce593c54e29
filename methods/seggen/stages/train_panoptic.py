"""Stage ``seggen_train_panoptic``: the common training of an instance segmenter, on segments of real and generated images (section 7)."""

from __future__ import annotations

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_instances import InstanceTrainingConfig, train_on
from methods.seggen.mixing_config import MixedSegmentsSource


class SegGenTrainPanopticConfig(InstanceTrainingConfig):
    """One training of a segmenter: the only one, or one of the two of strategy B."""

    source: MixedSegmentsSource = MixedSegmentsSource()
    """What it is trained on; ``p_aug`` 0 is real images alone."""


def train_panoptic(inputs: Inputs, config: SegGenTrainPanopticConfig, context: Context) -> Record:
    """Train from start to end; see :func:`train_on`. Strategy B is two such cells: the second has ``start`` "weights".

    Roles: those of the source, ``backbone`` or ``start`` as ``config.start`` asks.

    Returns:
        what :func:`train_on` does, and under ``drawn`` what :func:`count_draws` counts of the samples.
    """
    from methods.seggen.mixing import MixedOrder, count_draws

    mixed = config.source.open(inputs, context.seeds)
    order = MixedOrder(mixed.pool, config.source, context.seeds)
    record = train_on(mixed.dataset, inputs, config, context, order)
    drawn = count_draws(
        order, config.samples_before, config.recipe.iterations * config.recipe.batch_size, mixed.pool.strategy_of
    )
    return {**record, "drawn": drawn}


TRAIN_PANOPTIC = Stage(
    "seggen_train_panoptic",
    1,
    SegGenTrainPanopticConfig,
    train_panoptic,
    ("training",),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)

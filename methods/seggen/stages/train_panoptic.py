"""Stage ``seggen_train_panoptic``: the common training of an instance segmenter, on segments of real and generated images (section 7)."""

from __future__ import annotations

from methods.common.errors import InputError
from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_instances import InstanceTrainingConfig, train_on_images
from methods.seggen.mixing_config import MixedSegmentsSource


class SegGenTrainPanopticConfig(InstanceTrainingConfig):
    """One training of a segmenter: the only one, or one of the two of strategy B."""

    source: MixedSegmentsSource = MixedSegmentsSource()
    """What it is trained on; ``p_aug`` 0 is real images alone."""


def train_panoptic(inputs: Inputs, config: SegGenTrainPanopticConfig, context: Context) -> Record:
    """Train from start to end; see :func:`train_on_images`. Strategy B is two such cells: the second has ``start`` "weights".

    Roles: those of the source, ``backbone`` or ``start`` as ``config.start`` asks.

    Returns:
        what :func:`train_on_images` does, and under ``drawn`` what :func:`count_draws` counts of the samples.

    Raises:
        InputError: data or weights do not fit, or the network holds other classes for stuff than the data.
    """
    from methods.seggen.mixing import MixedOrder, count_draws

    mixed = config.source.open(inputs, context.seeds)
    stuff = getattr(config.segmenter, "stuff_classes", ())
    if tuple(sorted(stuff)) != mixed.stuff_classes:
        raise InputError(
            f"segmenter.stuff_classes is {tuple(sorted(stuff))}, but the classes without instances in {inputs.folder('data')} are "
            f"{mixed.stuff_classes}; set it to these"
        )
    order = MixedOrder(mixed.pool, config.source, context.seeds)
    record = train_on_images(mixed, str(inputs.folder("data")), inputs, config, context, order)
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

"""Stage ``instance_synthesis_train``: the common training of an instance segmenter, on real frames and samples (section 2.8)."""

from __future__ import annotations

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.train_instances import InstanceTrainingConfig, train_on
from methods.instance_synthesis.training_set_config import FramesSource


class TrainConfig(InstanceTrainingConfig):
    """One training of a segmenter."""

    source: FramesSource = FramesSource()
    """What it is trained on."""


def train(inputs: Inputs, config: TrainConfig, context: Context) -> Record:
    """Train from start to end; see :func:`train_on`. The weights are those after the last iteration [C D11].

    Roles: those of the source, ``backbone`` or ``start`` as ``config.start`` asks, and ``tokenizer`` for a text branch.

    Returns:
        what :func:`train_on` does, and ``instances`` that the training images show, by class name and in ``total``, as the companion's Table I
        counts them.
    """
    from methods.instance_synthesis.training_set import instances_by_class

    dataset = config.source.open(inputs, context.seeds)
    counts = instances_by_class(dataset, config.source.segments)
    return {**train_on(dataset, inputs, config, context), "instances": {**counts, "total": sum(counts.values())}}


TRAIN = Stage(
    "instance_synthesis_train",
    1,
    TrainConfig,
    train,
    ("data", "training"),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)

"""Stage ``diffumask_train_affinity``: one AffinityNet, on the pictures of one class or of all (section 10.4).

Inputs: roles ``pairs`` (all shards of the pictures), ``seeds`` (a cell of ``diffumask_seed`` for each shard, in the same order), and
``trunk`` (a file of published weights), where the config asks for it.
Outputs: ``model/`` and ``affinity.json`` (its class, or null); role ``affinity`` of ``diffumask_refine``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import Field

from methods.common.errors import InputError
from methods.common.files import write_atomic
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import training_record
from methods.diffumask_robust.affinity.config import AffinityNetConfig
from methods.diffumask_robust.affinity.crop_config import AffinityCropConfig
from methods.diffumask_robust.affinity.recipe import AffinityRecipe
from methods.diffumask_robust.affinity.start import Start

if TYPE_CHECKING:
    from methods.diffumask_robust.affinity.crops import AffinityCrops
    from methods.diffumask_robust.affinity.network import AffinityNet

AFFINITY_FILE = "affinity.json"


class TrainAffinityConfig(Config):
    """One training of an AffinityNet."""

    class_name: str | None = None
    """Whose pictures; None for all pictures, a network for all classes [C D38]. [code] one network a class"""
    network: AffinityNetConfig = AffinityNetConfig()
    """The network."""
    recipe: AffinityRecipe = AffinityRecipe()
    """Optimiser, schedule and batch."""
    crops: AffinityCropConfig = AffinityCropConfig()
    """What happens to each picture."""
    start: Start = "imagenet"
    """Which weights the trunk starts from, role ``trunk``. [C D29]"""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare crops; the crops do not depend on it."""


def train_affinity(inputs: Inputs, config: TrainAffinityConfig, context: Context) -> Record:
    """Train from start to end; write the weights after the last iteration.

    Returns:
        ``iterations``, ``num_images``, ``loss_first`` and ``loss_last`` (means over a twentieth of the iterations at both ends),
        ``losses`` (means over each twentieth), and ``started_from``, the number of tensors that were not random.

    Raises:
        InputError: pictures, seeds or weights do not fit, or no picture is of the class.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    from methods.diffumask_robust.affinity.network import AffinityNet
    from methods.diffumask_robust.affinity.training import train_affinity_net

    crops, num_images = _open(inputs, config, context)
    model = AffinityNet(config.network, context.seeds.torch("training", "initial weights"))
    started_from = _start(model, inputs, config)
    recipe = config.recipe.with_length(num_images)
    losses = train_affinity_net(model, crops, recipe, context, config.num_workers)
    if context.team.is_first:
        model.save_pretrained(context.out / "model")
        write_atomic(context.out / AFFINITY_FILE, json.dumps({"class_name": config.class_name}).encode())
    context.team.barrier()
    return {**training_record(losses, num_images), "started_from": started_from}


def _open(inputs: Inputs, config: TrainAffinityConfig, context: Context) -> tuple[AffinityCrops, int]:
    """Return the crops of the pictures of the class, and how many pictures there are."""
    from methods.common.generated.pair_reader import list_pairs
    from methods.diffumask_robust.affinity.crops import AffinityCrops
    from methods.diffumask_robust.diffumask.seed_files import list_seeds

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    if config.class_name is not None and config.class_name not in class_names[1:]:
        raise InputError(f"class_name is {config.class_name!r}, but the pictures are of {', '.join(class_names[1:])}")
    listed = [
        one for one in list_seeds(pairs, inputs.folders("seeds")) if config.class_name in (None, *one.pair.classes)
    ]
    if not listed:
        raise InputError(f"no picture is of class {config.class_name!r}; generate some")
    stride = config.network.stride
    crops = AffinityCrops(
        len(listed),
        lambda index: (listed[index].pair.read_image(), listed[index].read()),
        stride,
        config.crops,
        context.seeds,
    )
    return crops, len(listed)


def _start(model: AffinityNet, inputs: Inputs, config: TrainAffinityConfig) -> int:
    if config.start == "scratch":
        return 0
    from methods.diffumask_robust.affinity.official import take_trunk

    if not inputs.folders("trunk"):
        raise InputError(f"start is {config.start!r}, but no weights are given; name them as role 'trunk'")
    return take_trunk(model, inputs.folder("trunk"), config.start)


TRAIN_AFFINITY: Stage[TrainAffinityConfig] = Stage(
    "diffumask_train_affinity",
    1,
    TrainAffinityConfig,
    train_affinity,
    ("training",),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)

"""Stage ``mrca_train``: one stretch of training, with or without pasted objects, from a checkpoint on."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from methods.common.errors import NotFiniteError
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.training.batch_shard import BatchShare, describe_shares
from methods.common.training.recipe import TrainingRecipe
from methods.mrca.stages.pasting import MrcaPasting, NoPasting, XPastePasting

if TYPE_CHECKING:
    from methods.mrca.stages.training_data import TrainingImages
    from methods.mrca.stages.training_state import TrainingState

STATE_FILE = "training.safetensors"
"""Everything that the next stretch of the same training goes on from."""


class TrainConfig(Config):
    """One stretch of training."""

    segmenter: CenterNet2Config
    """The network."""
    recipe: TrainingRecipe = TrainingRecipe()
    """Optimiser, schedule and averaging; ``recipe.iterations`` is the length of the whole schedule."""
    augmentation: AugmentConfig = AugmentConfig()
    """What happens to each real image before pasting."""
    pasting: NoPasting | XPastePasting | MrcaPasting = Field(default=NoPasting(), discriminator="kind")
    """Which objects are pasted, and how."""
    start: Literal["scratch", "weights", "resume"] = "scratch"
    """``scratch``: random heads, and pretrained backbone weights where role ``backbone`` is given; ``weights``: the averaged
    weights of role ``start`` with a new optimiser and schedule; ``resume``: go on with all state of role ``start``."""
    phase: str = "warm_up"
    """Name of the training that this stretch belongs to; arms with the same phase see the same images in the same order."""
    first_iteration: int = Field(default=0, ge=0)
    """Where in the schedule the stretch begins."""
    last_iteration: int = Field(default=90_000, ge=1)
    """Where it ends (exclusive)."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare images. [R] 8 for R50, 16 for Swin-L; the images do not depend on it."""
    num_samples: int = Field(default=0, ge=0)
    """Training images to keep as pictures for the report."""


def train(inputs: Inputs, config: TrainConfig, context: Context) -> Record:
    """Train from ``first_iteration`` to ``last_iteration``; write the averaged network and all state to go on from.

    Roles: ``data``, ``split``, ``start`` (a training cell), ``backbone`` (pretrained weights), ``pool`` (object pools of
    all rounds so far), ``feedback`` (evaluation that steers the object sizes; MRCA from round 3 on).

    Processes of a team share each batch; number of processes and parts change the result by rounding only.

    Raises:
        InputError: an image cannot be read, the pool is empty, there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    from methods.mrca.stages.training_data import TrainingImages

    context.progress(0, config.last_iteration - config.first_iteration, "iterations")
    share = BatchShare.of(context.team, config.recipe.batch_size)
    images = TrainingImages(inputs, config, context.seeds)
    state = _begin(inputs, config, context)
    if context.team.is_first:
        print(describe_shares(context.team, share.batch_size, context.batch_parts), file=sys.stderr)
        _write_samples(images, config, context)
    losses = _run(state, images, config, context, share)
    if context.team.is_first:
        state.average.model.save_pretrained(context.out / "model")
        state.save(context.out / STATE_FILE)
    context.team.barrier()
    return {
        "iterations": config.last_iteration - config.first_iteration,
        "iterations_total": state.iterations_total,
        "loss_every_50": losses[::50],
        "pool_size": images.pool_size,
    }


def _begin(inputs: Inputs, config: TrainConfig, context: Context) -> TrainingState:
    from methods.mrca.stages.training_state import TrainingState

    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    return TrainingState.begin(inputs, config, [c["image_count"] for c in classes], context)


def _run(
    state: TrainingState, images: TrainingImages, config: TrainConfig, context: Context, share: BatchShare
) -> list[float]:
    """Step until the end of the stretch; return the loss of each step."""
    losses = _go_on(state, context)
    first = config.first_iteration + len(losses)
    length = config.last_iteration - config.first_iteration
    for iteration, batch in zip(range(first, config.last_iteration), images.batches(first, share), strict=False):
        try:
            losses.append(state.step(batch, iteration, context))
        except NotFiniteError:
            _save_checkpoint(state, losses, context)
            raise
        if context.checkpoint_due():
            _save_checkpoint(state, losses, context)
        context.progress(len(losses), length, "iterations", loss=losses[-1])
    return losses


def _go_on(state: TrainingState, context: Context) -> list[float]:
    """Go on from the newest checkpoint that the first process finds; return the losses so far."""
    from methods.common.state_file import state_from_bytes, state_to_bytes

    found = context.checkpoints.load() if context.team.is_first else None
    tree: Record | None = None if found is None else found[1]
    if context.team.size > 1:  # a shared file system may show an older folder on another node
        tree = state_from_bytes(context.team.agree_bytes(state_to_bytes(tree)))
    if tree is None:
        return []
    state.load(tree["training"])
    losses: list[float] = tree["losses"]
    return losses


def _save_checkpoint(state: TrainingState, losses: list[float], context: Context) -> None:
    if context.team.is_first:
        context.checkpoints.save(len(losses), {"training": state.to_tree(), "losses": losses})
    context.team.barrier()


def _write_samples(images: TrainingImages, config: TrainConfig, context: Context) -> None:
    """Keep the first training images of the stretch, with their instances, for people to look at."""
    if config.num_samples == 0:
        return
    from PIL import Image

    folder = context.out / "samples"
    folder.mkdir(exist_ok=True)
    notes: list[dict[str, Any]] = []
    for number in range(config.num_samples):
        picture_HW3, instances_HW, note = images.sample(config.first_iteration, number)
        Image.fromarray(picture_HW3).save(folder / f"{number:02d}.png")
        Image.fromarray(instances_HW).save(folder / f"{number:02d}_instances.png")
        notes.append(note)
    (folder / "samples.json").write_text(json.dumps(notes, indent=1))


TRAIN = Stage("mrca_train", 1, TrainConfig, train, ("training",), uses_gpu=True, kind="train", runs_on_team=True)

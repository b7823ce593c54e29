"""Stage ``mrca_train``: one stretch of training, with or without pasted objects, from a checkpoint on."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from methods.common.growth import Added
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.training.batch_shard import BatchShare, describe_shares
from methods.common.training.recipe import TrainingRecipe
from methods.mrca.bsgal import BsgalConfig
from methods.mrca.stages.pasting import MrcaPasting, NoPasting, XPastePasting

if TYPE_CHECKING:
    from methods.common.segmenters.centernet2.model import CenterNet2
    from methods.common.training.loop import Training
    from methods.mrca.stages.gate import Gate
    from methods.mrca.stages.training_data import TrainingImages

STATE_FILE = "training.safetensors"
"""Everything that the next stretch of the same training goes on from: trees of ``model``, ``average``, ``optimizer``,
``scaler`` and, with acceptance, ``gate``, and ``iterations_total``, the steps that the weights have seen since random heads, over all phases."""


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
    acceptance: Annotated[BsgalConfig | None, Added(neutral=None)] = None
    """How BSGAL judges each pasted batch before it is trained on; None: every batch is. [B]"""
    start: Literal["scratch", "weights", "resume"] = "scratch"
    """``scratch``: random heads, pretrained backbone weights where role ``backbone`` is given, all but the classifiers where
    role ``pretrained`` is; ``weights``: the averaged
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

    @model_validator(mode="after")
    def _what_is_judged_is_pasted(self) -> Self:
        if self.acceptance is not None and isinstance(self.pasting, NoPasting):
            raise ValueError(
                "acceptance judges pasted batches, and nothing is pasted; set pasting or leave acceptance out"
            )
        return self


def train(inputs: Inputs, config: TrainConfig, context: Context) -> Record:
    """Train from ``first_iteration`` to ``last_iteration``; write the averaged network and all state to go on from.

    Roles: ``data``, ``split``, ``start`` (a training cell), ``backbone`` or ``pretrained`` (weights to
    start from), ``pool`` (object pools of
    all rounds so far), ``classes`` (where there are extra ones), ``feedback`` (evaluation that steers the object sizes; MRCA from round 3 on).

    Processes of a team share each batch; number of processes and parts change the result by rounding only, which decides of a batch only
    where its score lies on BSGAL's threshold.

    Raises:
        InputError: an image cannot be read, the pool is empty, there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    from methods.common.state_file import save_state
    from methods.common.training.loop import run_training
    from methods.mrca.stages.gated_images import GatedImages
    from methods.mrca.stages.training_data import TrainingImages

    share = BatchShare.of(context.team, config.recipe.batch_size)
    images = TrainingImages(inputs, config, context.seeds)
    before = 0 if config.start == "scratch" else int(inputs.record("start")["iterations_total"])
    training, gate = _begin(inputs, config, context)
    if context.team.is_first:
        print(describe_shares(context.team, share.batch_size, context.batch_parts), file=sys.stderr)
        _write_samples(images, config, context)
    iterations = range(config.first_iteration, config.last_iteration)
    source = images if gate is None else GatedImages(images)
    losses = run_training(training, iterations, lambda first: source.batches(first, share), context)
    total = before + len(losses)
    if context.team.is_first:
        training.averaged.save_pretrained(context.out / "model")
        save_state(context.out / STATE_FILE, {**training.to_tree(), "iterations_total": total})
    context.team.barrier()
    return {
        "iterations": len(losses),
        "iterations_total": total,
        "loss_every_50": losses[::50],
        "pool_size": images.pool_size,
        **({} if gate is None else {"acceptance": gate.record()}),
    }


def _begin(inputs: Inputs, config: TrainConfig, context: Context) -> tuple[Training[CenterNet2, Any], Gate | None]:
    from methods.common.state_file import load_state
    from methods.mrca.stages.split import read_classes
    from methods.mrca.stages.training_state import begin_training

    image_counts = [category["image_count"] for category in read_classes(inputs)]
    training, gate = begin_training(inputs, config, image_counts, context)
    if config.start == "resume":
        training.load(load_state(inputs.folder("start") / STATE_FILE))
    return training, gate


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

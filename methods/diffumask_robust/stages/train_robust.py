"""Stage ``robust_train``: one network plain, or two that train each other (section 6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import training_record
from methods.common.stages.training_sources import CityscapesSource, RealSource
from methods.diffumask_robust.co_training_config import CoTrainingConfig
from methods.diffumask_robust.crop_config import CropConfig
from methods.diffumask_robust.stages.sources import LabelledSource, open_trusted

if TYPE_CHECKING:
    from methods.common.segmenters.semantic.interface import SemanticSegmenter
    from methods.diffumask_robust.trusted_images import TrustedImageCrops


class TrainRobustConfig(Config):
    """One training."""

    segmenter: DeepLabConfig
    """The network, or each of the two."""
    scheme: Literal["plain", "pair"] = "pair"
    """``plain``: one network, all labels; ``pair``: two, as ``training`` says. With ``training.loss.co_training=0`` two networks learn from
    trusted labels alone, the baseline *mask-only* (section 6.5)."""
    training: CoTrainingConfig = CoTrainingConfig()
    """Optimiser, schedule, mixing and losses; of it *plain* has optimiser, schedule and colours."""
    crops: CropConfig = CropConfig()
    """What happens to images before they are mixed."""
    source: Annotated[LabelledSource | RealSource | CityscapesSource, Field(discriminator="kind")]
    """What is trained on."""
    start: Literal["scratch", "backbone", "trained", "trained_backbone"] = "backbone"
    """``backbone``: backbones start from published weights, role ``backbone`` [code]; ``trained``: everything but the class layer from a
    training, role ``start``, and ``trained_backbone``: only the backbone from it (section 8)."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare images; the images do not depend on it."""
    num_samples: int = Field(default=0, ge=0)
    """Training crops to keep as pictures for the report."""


def train_robust(inputs: Inputs, config: TrainRobustConfig, context: Context) -> Record:
    """Train from start to end; write ``model/``.

    Roles: those that the source reads; ``backbone`` (a file of published weights) or ``start`` (a training cell of one network), where the
    config asks for it.

    Returns:
        ``iterations``, ``num_images``, ``loss_first`` and ``loss_last`` (means over a twentieth of the iterations at both ends) and
        ``losses`` (means over each twentieth).

    Raises:
        InputError: images or weights do not fit, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    from methods.diffumask_robust.trusted_images import TrustedImageCrops

    images = open_trusted(config.source, inputs, context.seeds)
    if len(images.class_names) != config.segmenter.num_classes:
        raise InputError(
            f"the training data has {len(images.class_names)} classes, segmenter.num_classes is {config.segmenter.num_classes}; "
            "make them equal"
        )
    crops = TrustedImageCrops(images, config.crops, context.seeds)
    if context.team.is_first:
        _write_samples(crops, config, context)
    model, losses = _train(inputs, config, context, crops, len(images))
    if context.team.is_first:
        model.save_pretrained(context.out / "model")
    context.team.barrier()
    return training_record(losses, len(images))


def _train(
    inputs: Inputs, config: TrainRobustConfig, context: Context, crops: TrustedImageCrops, num_images: int
) -> tuple[SemanticSegmenter, list[float]]:
    from methods.common.segmenters.deeplab.model import DeepLab
    from methods.common.training.batch_shard import BatchShare
    from methods.common.training.loop import run_training
    from methods.diffumask_robust.co_training import begin_plain_training, build_pair, train_pair

    recipe, seeds = config.training.recipe, context.seeds
    share = BatchShare.of(context.team, recipe.batch_size)
    batches: Any = partial(crops.batches, last=recipe.iterations, share=share, num_workers=config.num_workers)
    if config.scheme == "pair":
        pair = build_pair(config.segmenter, seeds)
        for network in pair.each():
            _start(network, inputs, config)
        return pair, train_pair(pair, num_images, batches, config.training, context)
    network = DeepLab(config.segmenter, seeds.torch("training", "initial weights", 1))
    _start(network, inputs, config)
    plain = begin_plain_training(network, recipe, context, config.training.colours)
    return network, run_training(plain, range(recipe.iterations), batches, context)


def _start(network: SemanticSegmenter, inputs: Inputs, config: TrainRobustConfig) -> None:
    """Fill in weights as the config asks."""
    if config.start == "scratch":
        return
    from methods.common.segmenters.semantic.starting import take_published_backbone, take_weights

    if config.start != "backbone":
        what: Literal["backbone", "all_but_classes"] = "all_but_classes" if config.start == "trained" else "backbone"
        take_weights(network, inputs.folder("start") / "model", what)
        return
    if not inputs.folders("backbone"):
        raise InputError("start is 'backbone', but no weights are given; name them as role 'backbone'")
    take_published_backbone(network, inputs.folder("backbone"))


def _write_samples(crops: TrustedImageCrops, config: TrainRobustConfig, context: Context) -> None:
    """Keep the first training crops, their labels and where these are trusted for people to look at."""
    if config.num_samples == 0:
        return
    from PIL import Image

    from methods.common.datasets.voc import write_labels
    from methods.diffumask_robust.label_files import encode_trusted

    folder = context.out / "samples"
    folder.mkdir(exist_ok=True)
    for number in range(config.num_samples):
        image_SS3, label_SS, trusted_SS = crops[number]
        Image.fromarray(image_SS3).save(folder / f"{number:02d}_image.png")
        write_labels(folder / f"{number:02d}_labels.png", label_SS)
        (folder / f"{number:02d}_trusted.png").write_bytes(encode_trusted(trusted_SS))


TRAIN_ROBUST: Stage[TrainRobustConfig] = Stage(
    "robust_train", 1, TrainRobustConfig, train_robust, ("training",), uses_gpu=True, kind="train", runs_on_team=True
)

"""Stage ``train_semantic``: train a semantic segmenter on generated pairs or real images.

A paper with sources of its own has a subclass of :class:`TrainSegmenterConfig` and a stage around :func:`train_semantic`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from methods.common.errors import InputError
from methods.common.growth import Added
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.segmenters import SegmenterConfig, Start
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.stages.training_sources import PairsSource, RealSource, TrainingSource
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.sgd_recipe import SgdRecipe

if TYPE_CHECKING:
    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.segmenters.image_order import ImageOrder
    from methods.common.segmenters.semantic.interface import SemanticSegmenter

NUM_LOSSES = 20
"""Means of the loss in a record. Our choice."""


class TrainSegmenterConfig(Config):
    """One training of a semantic segmenter. Every subclass says which sources ``source`` may be."""

    segmenter: SegmenterConfig
    """The network."""
    recipe: PolyRecipe | SgdRecipe
    """Optimiser, schedule and batch."""
    augmentation: SemanticAugmentConfig = SemanticAugmentConfig()
    """What happens to each training image."""
    source: TrainingSource
    """What it is trained on."""
    start: Start = "scratch"
    """Which weights are not random: none, the ``backbone``'s, ``all_but_classes``, everything but the class layers, or ``all``. They
    come from role ``start``, or the backbone's from role ``backbone``. SAM filter sections 8.1 and 8.2
    [C SAM filter D8, D16]."""
    samples_before: Annotated[int, Added(neutral=0)] = Field(default=0, ge=0)
    """Samples of the training that it goes on from; its own are numbered after them, so that it sees other crops in another order."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare images; the images do not depend on it."""
    num_samples: int = Field(default=0, ge=0)
    """Training crops to keep as pictures for the report."""


class TrainSemanticConfig(TrainSegmenterConfig):
    """One training of a semantic segmenter on what every paper may have."""

    source: Annotated[PairsSource | RealSource, Field(discriminator="kind")]
    """What it is trained on."""


def train_semantic(inputs: Inputs, config: TrainSegmenterConfig, context: Context) -> Record:
    """Train from start to end; write ``model/``, the weights after the last iteration [C SAM filter D13].

    Roles: those that the source reads; ``start`` (a cell with ``model/``) or ``backbone`` (a file of published weights), as
    ``config.start`` asks.

    Returns:
        ``iterations``, ``num_images``, ``loss_first`` and ``loss_last`` (means over a twentieth of the iterations at both
        ends), ``losses`` (means over each twentieth), and ``started_from``, the number of tensors that were not random.

    Raises:
        InputError: images or weights do not fit, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    from methods.common.segmenters.semantic.segmenters import build_segmenter
    from methods.common.segmenters.semantic.training import train_segmenter

    images = config.source.open(inputs, context.seeds)
    if len(images.class_names) != config.segmenter.num_classes:
        raise InputError(
            f"the training data has {len(images.class_names)} classes, segmenter.num_classes is {config.segmenter.num_classes}; "
            "make them equal"
        )
    model = build_segmenter(config.segmenter, context.seeds.torch("training", "initial weights"))
    started_from = _start(model, inputs, config.start)
    order = config.source.order(images, context.seeds)
    if context.team.is_first:
        _write_samples(images, order, config, context)
    losses = train_segmenter(
        model, images, config.augmentation, config.recipe, context, config.num_workers, order, config.samples_before
    )
    if context.team.is_first:
        model.save_pretrained(context.out / "model")
    context.team.barrier()
    return {**training_record(losses, len(images)), "started_from": started_from}


def training_record(losses: list[float], num_images: int, num_parts: int = NUM_LOSSES) -> Record:
    """Return what every training records: how long, on how many images, and its loss from first to last of some parts."""
    means = mean_of_parts(losses, num_parts)
    return {
        "iterations": len(losses),
        "num_images": num_images,
        "losses": means,
        "loss_first": means[0],
        "loss_last": means[-1],
    }


def mean_of_parts(values: list[float], num_parts: int) -> list[float]:
    """Return the mean of each of ``num_parts`` consecutive parts, fewer when there are fewer values."""
    parts = min(num_parts, len(values))
    bounds = [len(values) * part // parts for part in range(parts + 1)]
    return [sum(values[low:high]) / (high - low) for low, high in pairwise(bounds)]


def _start(model: SemanticSegmenter, inputs: Inputs, start: Start) -> int:
    """Fill in weights as the config asks; return how many tensors were filled."""
    if start == "scratch":
        return 0
    from methods.common.segmenters.semantic.starting import take_published_backbone, take_weights

    if inputs.folders("start"):
        return len(take_weights(model, inputs.folder("start") / "model", start))
    if start == "backbone" and inputs.folders("backbone"):
        return take_published_backbone(model, inputs.folder("backbone"))
    raise InputError(
        f"start is {start!r}, but nothing was given to start from; name a training as role 'start'"
        + (", or weights as role 'backbone'" if start == "backbone" else "")
    )


def _write_samples(images: LabelledImages, order: ImageOrder, config: TrainSegmenterConfig, context: Context) -> None:
    """Keep the first training crops and their labels for people to look at."""
    if config.num_samples == 0:
        return
    from PIL import Image

    from methods.common.datasets.voc import write_labels
    from methods.common.segmenters.semantic.training_images import TrainingCrops

    crops, folder = TrainingCrops(images, config.augmentation, context.seeds, order), context.out / "samples"
    folder.mkdir(exist_ok=True)
    for number in range(config.num_samples):
        image_SS3, label_SS = crops[config.samples_before + number]
        Image.fromarray(image_SS3).save(folder / f"{number:02d}_image.png")
        write_labels(folder / f"{number:02d}_labels.png", label_SS)


TRAIN_SEMANTIC: Stage[TrainSemanticConfig] = Stage(
    "train_semantic",
    1,
    TrainSemanticConfig,
    train_semantic,
    ("training",),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)

"""Stage ``sam_filter_train``: train a segmenter on generated, real or drawn images."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from methods.common.errors import InputError
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.segmenters import SegmenterConfig, Start
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.training.poly_recipe import PolyRecipe
from methods.sam_filter.stages.sources import DrawnSource, Source, open_source

if TYPE_CHECKING:
    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.segmenters.semantic.interface import SemanticSegmenter


class TrainSemanticConfig(Config):
    """One training of a segmenter."""

    segmenter: SegmenterConfig
    """The network."""
    recipe: PolyRecipe
    """Optimiser, schedule and batch."""
    augmentation: SemanticAugmentConfig = SemanticAugmentConfig()
    """What happens to each training image."""
    source: Source
    """What it is trained on."""
    start: Start = "scratch"
    """Which weights are not random: none [?] (section 8.1), the ``backbone``'s, or ``all_but_classes``, everything but the class
    layers (section 8.2 [?]). They come from role ``start``, or the backbone's from role ``backbone``."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare images; the images do not depend on it."""
    num_samples: int = Field(default=0, ge=0)
    """Training crops to keep as pictures for the report."""

    @model_validator(mode="after")
    def _classes_fit(self) -> Self:
        if isinstance(self.source, DrawnSource):
            needed = self.source.drawn.num_categories + 1
            if self.segmenter.num_classes != needed:
                raise ValueError(
                    f"segmenter.num_classes is {self.segmenter.num_classes}, the drawn pictures have {needed} classes with "
                    "the background"
                )
        return self


def train_semantic(inputs: Inputs, config: TrainSemanticConfig, context: Context) -> Record:
    """Train from start to end; write ``model/``, the weights after the last iteration (section 10, item 13).

    Roles: ``pairs`` and ``selection``, or ``data``, as the source asks; ``start`` (a cell with ``model/``) or ``backbone``
    (a file of published weights), as ``config.start`` asks.

    Returns:
        ``iterations``, ``num_images``, ``loss_first`` and ``loss_last`` (means over a twentieth of the iterations at both
        ends), ``losses`` (means over each twentieth), and ``started_from``, the number of tensors that were not random.

    Raises:
        InputError: images or weights do not fit, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    from methods.common.segmenters.semantic.segmenters import build_segmenter
    from methods.common.segmenters.semantic.training import train_segmenter

    images = open_source(config.source, inputs, context.seeds)
    if len(images.class_names) != config.segmenter.num_classes:
        raise InputError(
            f"the training data has {len(images.class_names)} classes, segmenter.num_classes is {config.segmenter.num_classes}; "
            "make them equal"
        )
    model = build_segmenter(config.segmenter, context.seeds.torch("training", "initial weights"))
    started_from = _start(model, inputs, config)
    if context.team.is_first:
        _write_samples(images, config, context)
    losses = train_segmenter(model, images, config.augmentation, config.recipe, context, config.num_workers)
    if context.team.is_first:
        model.save_pretrained(context.out / "model")
    context.team.barrier()
    means = mean_of_parts(losses, 20)
    return {
        "iterations": len(losses),
        "num_images": len(images),
        "losses": means,
        "loss_first": means[0],
        "loss_last": means[-1],
        "started_from": started_from,
    }


def mean_of_parts(values: list[float], num_parts: int) -> list[float]:
    """Return the mean of each of ``num_parts`` consecutive parts, fewer when there are fewer values."""
    parts = min(num_parts, len(values))
    bounds = [len(values) * part // parts for part in range(parts + 1)]
    return [sum(values[low:high]) / (high - low) for low, high in pairwise(bounds)]


def _start(model: SemanticSegmenter, inputs: Inputs, config: TrainSemanticConfig) -> int:
    """Fill what is not to start at random; return the number of tensors filled."""
    if config.start == "scratch":
        return 0
    if inputs.folders("start"):
        from methods.common.segmenters.semantic.starting import take_weights

        return len(take_weights(model, inputs.folder("start") / "model", config.start))
    if config.start == "backbone" and inputs.folders("backbone"):
        return _load_external_backbone(model, inputs, config)
    raise InputError(
        f"start is {config.start!r}, but nothing was given to start from; name a training as role 'start'"
        + (", or weights as role 'backbone'" if config.start == "backbone" else "")
    )


def _load_external_backbone(model: SemanticSegmenter, inputs: Inputs, config: TrainSemanticConfig) -> int:
    if config.segmenter.kind != "mask2former":
        raise InputError(
            f"weights from outside fit the backbone of mask2former, not of {config.segmenter.kind}; name a training as role 'start'"
        )
    from methods.common.segmenters.mask2former.backbone_weights import load_backbone_weights
    from methods.common.segmenters.mask2former.model import Mask2Former

    assert isinstance(model, Mask2Former)
    load_backbone_weights(model, inputs.folder("backbone"))
    return len(model.backbone.state_dict())


def _write_samples(images: LabelledImages, config: TrainSemanticConfig, context: Context) -> None:
    """Keep the first training crops and their labels for people to look at."""
    if config.num_samples == 0:
        return
    from PIL import Image

    from methods.common.datasets.voc import write_labels
    from methods.common.segmenters.semantic.training_images import TrainingCrops

    crops, folder = TrainingCrops(images, config.augmentation, context.seeds), context.out / "samples"
    folder.mkdir(exist_ok=True)
    for number in range(config.num_samples):
        image_SS3, label_SS = crops[number]
        Image.fromarray(image_SS3).save(folder / f"{number:02d}_image.png")
        write_labels(folder / f"{number:02d}_labels.png", label_SS)


TRAIN_SEMANTIC: Stage[TrainSemanticConfig] = Stage(
    "sam_filter_train",
    1,
    TrainSemanticConfig,
    train_semantic,
    ("training",),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)

"""Stage ``train_instances``: train an instance segmenter of any kind on an instance data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.errors import InputError
from methods.common.growth import Added
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.instance.segmenters import SegmenterConfig
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig
from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.stages.train_semantic import training_record
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.recipe import TrainingRecipe
from methods.common.training.step_recipe import StepRecipe

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from methods.common.datasets.lvis_records import LvisDataset
    from methods.common.segmenters.image_order import ImageOrder
    from methods.common.segmenters.instance.interface import InstanceSegmenter
    from methods.common.segmenters.instance.training_images import InstanceImages


class InstanceTrainingConfig(Config):
    """One training of an instance segmenter, on whatever a paper's own stage reads."""

    segmenter: SegmenterConfig
    """The network."""
    recipe: TrainingRecipe | StepRecipe | PolyRecipe
    """Optimiser, schedule and batch; a TrainingRecipe also averages the weights and repeats rare classes."""
    augmentation: AugmentConfig | ShortSideAugmentConfig
    """What happens to each training image."""
    start: Literal["scratch", "backbone", "weights", "all_but_classes", "official_all_but_classes"] = "scratch"
    """``scratch``: random weights; ``backbone``: published weights of role ``backbone`` in the backbone, or, where that is a folder, those of
    another segmenter's; ``weights``: all of a
    training of the same config, role ``start``; ``all_but_classes``: of one with other classes, all but what has their number;
    ``official_all_but_classes``: the same of a OneFormer that its authors published, a file of role ``start``."""
    samples_before: Annotated[int, Added(neutral=0)] = Field(default=0, ge=0)
    """Samples of the training that it goes on from; its own are numbered after them, so that it sees other images in another order."""
    frozen: Annotated[tuple[str, ...], Added(neutral=())] = ()
    """Parts of the network that stay as they start, statistics of their batch norms too, such as ``backbone``."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare images; the images do not depend on it."""

    @model_validator(mode="after")
    def _there_are_published_ones(self) -> Self:
        if self.start == "official_all_but_classes" and not isinstance(self.segmenter, OneFormerConfig):
            raise ValueError("start 'official_all_but_classes' is for OneFormer alone; set another start")
        return self


class TrainInstancesConfig(InstanceTrainingConfig):
    """One training of an instance segmenter on data in LVIS v1's layout."""

    split: str = "train"
    """Which images: those of ``<split>.json`` in the data folder."""


def train_instances(inputs: Inputs, config: TrainInstancesConfig, context: Context) -> Record:
    """Train from start to end; write ``model/``, the weights after the last iteration, averaged where the recipe averages.

    Roles: ``data`` (LVIS v1's layout); ``backbone`` (a file of published weights) or ``start`` (a cell with ``model/``, or a published
    file), as ``config.start`` asks; ``tokenizer`` (a folder with CLIP's) where a OneFormer has a text branch in CLIP's tokens; ``features`` (cells
    with a generative backbone's features), which are read instead of computed.

    Returns:
        ``iterations``, ``num_images``, ``losses`` (means over each twentieth of the iterations), ``loss_first`` and ``loss_last``.

    Raises:
        InputError: data or weights do not fit, or there are more processes than images in a batch.
        NotFiniteError: the loss is not finite; the newest checkpoint holds the step before.
    """
    from methods.common.datasets.lvis import read_lvis

    return train_on(
        read_lvis(inputs.folder("data") / f"{config.split}.json", inputs.folder("data"), "none"),
        inputs,
        config,
        context,
    )


def train_on(dataset: LvisDataset, inputs: Inputs, config: InstanceTrainingConfig, context: Context) -> Record:
    """Train on the records of any data set; see :func:`train_instances`.

    Args:
        dataset: images without instances are passed over.
        inputs: ``backbone`` or ``start``, as ``config.start`` asks, and ``tokenizer``.
        config: of the training.
        context: folder, device, seeds, checkpoints, team and progress.
    """
    from methods.common.segmenters.instance.training_images import RealImages

    origin = str(dataset.annotation_file or dataset.image_root)
    images = RealImages(dataset)
    ignored = images.num_ignored
    if ignored and not isinstance(config.segmenter, DiffusionInstConfig):
        raise InputError(
            f"{ignored} objects of {origin} are to be ignored, which of all networks DiffusionInst alone can; set segmenter to one"
        )
    return train_on_images(images, origin, inputs, config, context)


def train_on_images(
    images: InstanceImages,
    origin: str,
    inputs: Inputs,
    config: InstanceTrainingConfig,
    context: Context,
    order: ImageOrder | None = None,
) -> Record:
    """Train on images of any kind; see :func:`train_instances`.

    Args:
        images: with their instances.
        origin: what to call them in a message.
        inputs: ``backbone`` or ``start``, as ``config.start`` asks, and ``tokenizer``.
        config: of the training.
        context: folder, device, seeds, checkpoints, team and progress.
        order: which image each sample shows; None for that of the recipe.
    """
    from methods.common.segmenters.instance.training import train_segmenter

    if images.num_classes != config.segmenter.num_classes:
        raise InputError(
            f"{origin} has {images.num_classes} classes, segmenter.num_classes is "
            f"{config.segmenter.num_classes}; make them equal"
        )
    model = build_to_train(inputs, config, context.seeds.torch("training", "initial weights"))
    trained, losses = train_segmenter(
        model,
        images,
        config.augmentation,
        config.recipe,
        context,
        config.num_workers,
        order,
        config.samples_before,
        config.frozen,
    )
    if context.team.is_first:
        trained.save_pretrained(context.out / "model")
    context.team.barrier()
    return training_record(losses, len(images))


def build_to_train(inputs: Inputs, config: InstanceTrainingConfig, generator: torch.Generator) -> InstanceSegmenter:
    """Build the network with the weights that the config asks for, and with the sentences of its text branch.

    Args:
        inputs: ``backbone``, ``start`` and ``tokenizer``, as the config asks; ``features`` of the images, where there are some.
        config: of the training.
        generator: draws what has no weights to start from.

    Raises:
        InputError: what the config asks for is missing or does not fit.
    """
    from methods.common.segmenters.instance.segmenters import build_segmenter

    model = build_segmenter(config.segmenter, generator)
    role = {"scratch": None, "backbone": "backbone"}.get(config.start, "start")
    if role is not None:
        if not inputs.folders(role):
            raise InputError(
                f"start is {config.start!r}, but nothing was given to start from; name it as role {role!r}"
            )
        _take_weights(model, inputs.folder(role), config)
    if isinstance(config.segmenter, OneFormerConfig):
        _set_sentences(model, inputs)
    if inputs.folders("features"):
        _read_features(model, inputs)
    return model


def _read_features(model: InstanceSegmenter, inputs: Inputs) -> None:
    """Let a generative backbone read what lies on disk of its features instead of computing it.

    Raises:
        InputError: the segmenter has another backbone, or the features are of other weights or choices.
    """
    from methods.common.segmenters.backbones.generative.backbone import GenerativeBackbone

    if not isinstance(model.backbone, GenerativeBackbone):
        raise InputError(
            f"role 'features' is for a generative backbone, the segmenter's is a {type(model.backbone).__name__}; leave the role out"
        )
    model.backbone.use_cache(inputs.folders("features"))


def _take_weights(model: InstanceSegmenter, place: Path, config: InstanceTrainingConfig) -> None:
    """Fill a network from what its start names."""
    from methods.common.segmenters.backbones.weights import load_backbone_weights
    from methods.common.segmenters.instance.starting import copy_all_but_classes, take_all_but_classes, take_backbone
    from methods.common.segmenters.saved import load_weights

    if config.start == "backbone" and (place / "model").is_dir() and not _is_generative(config):
        take_backbone(model, place / "model")
    elif config.start == "backbone":
        load_backbone_weights(model.backbone, place)  # type: ignore[arg-type]
    elif config.start == "all_but_classes":
        take_all_but_classes(model, place / "model")
    elif config.start == "official_all_but_classes":
        from methods.common.segmenters.oneformer.official import official_weights_of_other_classes

        assert isinstance(config.segmenter, OneFormerConfig), "the config says so"
        copy_all_but_classes(model, official_weights_of_other_classes(place, config.segmenter), str(place))
    else:
        load_weights(model, place / "model")


def _is_generative(config: InstanceTrainingConfig) -> bool:
    """Whether the backbone is a generator, whose weights are a folder, too."""
    return getattr(config.segmenter.backbone, "kind", "") == "generative"


def _set_sentences(model: InstanceSegmenter, inputs: Inputs) -> None:
    """Give a OneFormer with a text branch the sentences that it cannot know without CLIP's vocabulary."""
    from methods.common.segmenters.oneformer.model import OneFormer
    from methods.common.segmenters.oneformer.sentences import clip_tokens

    assert isinstance(model, OneFormer), "built from its config"
    if not model.lacks_sentences:
        return
    if not inputs.folders("tokenizer"):
        raise InputError(
            "the text branch of OneFormer needs CLIP's vocabulary; name a folder with its tokenizer as role 'tokenizer', or train "
            "without the text branch (segmenter.text none)"
        )
    model.set_sentences(clip_tokens(model.config, inputs.folder("tokenizer")))


TRAIN_INSTANCES: Stage[TrainInstancesConfig] = Stage(
    "train_instances",
    1,
    TrainInstancesConfig,
    train_instances,
    ("training",),
    uses_gpu=True,
    kind="train",
    runs_on_team=True,
)

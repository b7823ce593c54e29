"""Published OneFormer checkpoints: a loader that says what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.checkpoints import weights_and_origin
from methods.common.segmenters.official_weights import fill
from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.segmenters.oneformer.model import OneFormer
from methods.common.segmenters.oneformer.official_names import NAMES
from methods.common.segmenters.oneformer.presets import (
    CITYSCAPES_CLASSES,
    CITYSCAPES_STUFF,
    oneformer_convnextl,
    oneformer_r50,
    oneformer_swinl,
    without_text,
)

_CLASSIFIER = "sem_seg_head.predictor.class_embed.weight"
_QUERIES = "sem_seg_head.predictor.query_embed.weight"
_FIRST_LAYERS = {
    "backbone.stem.conv1.weight": oneformer_r50,
    "backbone.patch_embed.proj.weight": oneformer_swinl,
    "backbone.downsample_layers.0.0.weight": oneformer_convnextl,
}
_TEXT = "text_encoder.token_embedding.weight"


def infer_config(weights: Mapping[str, Tensor]) -> OneFormerConfig:
    """Tell backbone, number of classes and of queries, and whether there is a text branch, from official names and shapes.

    The backbone is R50, Swin-L or ConvNeXt-L. 19 classes are Cityscapes'; of any other number the names are unknown, and numbers stand for them.

    Raises:
        InputError: no backbone's first layer is there, or classifier or queries are missing.
    """
    for needed in (_CLASSIFIER, _QUERIES):
        if needed not in weights:
            raise InputError(f"the checkpoint has no {needed!r}, so it is no OneFormer")
    num_classes, num_queries = weights[_CLASSIFIER].shape[0] - 1, weights[_QUERIES].shape[0]
    for first_layer, preset in _FIRST_LAYERS.items():
        if first_layer in weights:
            config = preset(CITYSCAPES_CLASSES, CITYSCAPES_STUFF)
            break
    else:
        raise InputError(
            "the checkpoint has no ResNet-50, Swin or ConvNeXt backbone; pass the config it belongs to"
        )  # fmt: skip
    changes: dict[str, Any] = {"num_queries": num_queries}
    if num_classes != len(CITYSCAPES_CLASSES):
        changes |= {"class_names": tuple(f"class {index}" for index in range(num_classes)), "stuff_classes": ()}
    config = config.model_copy(update=changes)
    return config if _TEXT in weights else without_text(config)


def load_official(
    path_or_state_dict: Path | str | Mapping[str, Any], config: OneFormerConfig | None = None
) -> OneFormer:
    """Build a OneFormer with published weights (detectron2's names).

    Args:
        path_or_state_dict: a ``.pkl``, ``.pth`` or ``.safetensors`` file, a loaded checkpoint, or a state dict of tensors or arrays by official
            name.
        config: which network; by default R50, Swin-L or ConvNeXt-L, classes, queries and text branch are told from names and
            shapes. Weights of a text branch that the config does not have are left out.
    Returns:
        The network on the CPU in evaluation mode. To train its text branch further, give it its sentences.
    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    """
    weights, origin = weights_and_origin(path_or_state_dict)
    return _filled(config or infer_config(weights), weights, origin)


def _filled(config: OneFormerConfig, weights: Mapping[str, Tensor], origin: str) -> OneFormer:
    model = OneFormer.without_weights(config)
    fill(model, weights, NAMES, origin, "OneFormer that was asked for", lambda name: _optional(name, config))
    return model.eval()


def official_weights_of_other_classes(path: Path | str, config: OneFormerConfig) -> dict[str, Tensor]:
    """Read a published OneFormer that was trained on other classes, by our names, as far as a network of ``config`` has such entries.

    Args:
        path: as for :func:`load_official`.
        config: the network to start from it; of the checkpoint only the classes are told.

    Raises:
        InputError: as for :func:`load_official`.
    """
    weights, origin = weights_and_origin(path)
    told = infer_config(weights)
    classes = {"class_names": told.class_names, "stuff_classes": told.stuff_classes}
    return _filled(config.model_copy(update=classes), weights, origin).state_dict()


def _optional(name: str, config: OneFormerConfig) -> bool:
    """Whether the network works without an official value: batch counters, sentences, temperature, a text branch that it lacks."""
    known = name.endswith("num_batches_tracked") or name in ("sentence_SL", "text.logit_scale")
    return known or (config.text is None and name.startswith("text."))

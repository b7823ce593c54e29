"""Published Mask2Former checkpoints: a loader that says what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.checkpoints import weights_and_origin
from methods.common.segmenters.mask2former.config import (
    Mask2FormerConfig,
    Mask2FormerNetworkConfig,
    PanopticMask2FormerConfig,
    resnet50,
)
from methods.common.segmenters.mask2former.model import Mask2Former
from methods.common.segmenters.mask2former.official_names import NAMES
from methods.common.segmenters.mask2former.panoptic import PanopticMask2Former
from methods.common.segmenters.mask2former.presets import mask2former_r50, mask2former_swinl
from methods.common.segmenters.mask2former.recipes import COCO_STUFF
from methods.common.segmenters.official_weights import fill

_CLASSIFIER = "sem_seg_head.predictor.class_embed.weight"
_QUERIES = "sem_seg_head.predictor.query_embed.weight"


def infer_config(weights: Mapping[str, Tensor]) -> Mask2FormerConfig:
    """Tell R50 from Swin-L, the number of classes and of queries from official names and shapes.

    An R50 whose batch norms count batches was trained with them (semantic models), others hold frozen ones (COCO models).

    Raises:
        InputError: neither backbone's first layer is there, or classifier or queries are missing.
    """
    for needed in (_CLASSIFIER, _QUERIES):
        if needed not in weights:
            raise InputError(f"the checkpoint has no {needed!r}, so it is no Mask2Former")
    num_classes, num_queries = weights[_CLASSIFIER].shape[0] - 1, weights[_QUERIES].shape[0]
    if "backbone.stem.conv1.weight" in weights:
        frozen = "backbone.stem.conv1.norm.num_batches_tracked" not in weights
        backbone = resnet50("frozen" if frozen else "batch")
        return mask2former_r50(num_classes).model_copy(update={"backbone": backbone, "num_queries": num_queries})
    if "backbone.patch_embed.proj.weight" in weights:
        return mask2former_swinl(num_classes).model_copy(update={"num_queries": num_queries})
    raise InputError("the checkpoint has neither a ResNet-50 nor a Swin backbone; pass the config it belongs to")


def load_official(
    path_or_state_dict: Path | str | Mapping[str, Any], config: Mask2FormerConfig | None = None
) -> Mask2Former:
    """Build a Mask2Former with published weights (detectron2's names).

    Args:
        path_or_state_dict: a ``.pkl``, ``.pth`` or ``.safetensors`` file, a loaded checkpoint, or a state dict of tensors or arrays by official
            name.
        config: which network; by default R50 or Swin-L, classes and queries are told from names and shapes.
    Returns:
        The network on the CPU in evaluation mode.
    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    """
    weights, origin = weights_and_origin(path_or_state_dict)
    model = Mask2Former.without_weights(config or infer_config(weights))
    fill(model, weights, NAMES, origin, "Mask2Former that was asked for", _optional)
    return model.eval()


def infer_panoptic_config(weights: Mapping[str, Tensor]) -> PanopticMask2FormerConfig:
    """Tell the network of a panoptic or instance model; 133 classes are COCO's 80 things and 53 of stuff, others all have instances.

    Raises:
        InputError: as for :func:`infer_config`.
    """
    told = infer_config(weights)
    parts = {name: getattr(told, name) for name in Mask2FormerNetworkConfig.model_fields}
    stuff = COCO_STUFF if told.num_classes == COCO_STUFF[-1] + 1 else ()
    return PanopticMask2FormerConfig(**parts, stuff_classes=stuff)


def load_official_panoptic(
    path_or_state_dict: Path | str | Mapping[str, Any], config: PanopticMask2FormerConfig | None = None
) -> PanopticMask2Former:
    """Build a panoptic or instance Mask2Former with published weights; see :func:`load_official`.

    Args:
        path_or_state_dict: as there.
        config: which network; by default what :func:`infer_panoptic_config` tells. ADE20K's panoptic model needs its stuff classes named.
    """
    weights, origin = weights_and_origin(path_or_state_dict)
    model = PanopticMask2Former.without_weights(config or infer_panoptic_config(weights))
    fill(model, weights, NAMES, origin, "Mask2Former that was asked for", _optional)
    return model.eval()


def _optional(name: str) -> bool:
    """Whether the network works without an official value: batch counters, the per-pixel layer that is ours alone."""
    return name.endswith("num_batches_tracked") or name.startswith("head.dense.")

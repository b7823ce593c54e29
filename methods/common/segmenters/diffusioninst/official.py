"""Published DiffusionInst checkpoints: a loader that says what does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.checkpoints import weights_and_origin
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.segmenters.diffusioninst.model import DiffusionInst
from methods.common.segmenters.diffusioninst.official_names import names_of
from methods.common.segmenters.diffusioninst.presets import ALL_STAGES, diffusioninst_r50
from methods.common.segmenters.official_weights import fill

_CLASSIFIER = "head.head_series.0.class_logits.weight"
_STEM = "backbone.bottom_up.stem.conv1.weight"
_STAGE_BLOCK = re.compile(r"backbone\.bottom_up\.res(\d)\.(\d+)\..*")


def infer_config(weights: Mapping[str, Tensor]) -> DiffusionInstConfig:
    """Tell a ResNet's depth and the number of classes from official names and shapes.

    Raises:
        InputError: the classifier or a known backbone is missing.
    """
    if _CLASSIFIER not in weights:
        raise InputError(f"the checkpoint has no {_CLASSIFIER!r}, so it is no DiffusionInst")
    if _STEM not in weights:
        raise InputError("the checkpoint has no ResNet backbone; pass the config it belongs to")
    config = diffusioninst_r50(weights[_CLASSIFIER].shape[0])
    blocks: dict[int, int] = {}
    for found in map(_STAGE_BLOCK.fullmatch, weights):
        if found:
            blocks[int(found[1])] = max(blocks.get(int(found[1]), 0), int(found[2]) + 1)
    depths = tuple(count for _, count in sorted(blocks.items()))
    backbone = config.backbone.model_copy(update={"blocks": depths, "output_stages": ALL_STAGES})
    return config.model_copy(update={"backbone": backbone})


def load_official(
    path_or_state_dict: Path | str | Mapping[str, Any], config: DiffusionInstConfig | None = None
) -> DiffusionInst:
    """Build a DiffusionInst with published weights (detectron2's names).

    Args:
        path_or_state_dict: a ``.pth``, ``.pkl`` or ``.safetensors`` file, a loaded checkpoint, or a state dict of tensors or arrays by
            official name. How many proposals there are is no part of it.
        config: which network; by default a ResNet of the depth that the names tell.
    Returns:
        The network on the CPU in evaluation mode.
    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    """
    weights, origin = weights_and_origin(path_or_state_dict)
    model = DiffusionInst.without_weights(config or infer_config(weights))
    fill(model, weights, names_of(model.config), origin, "DiffusionInst that was asked for", _optional)
    return model.eval()


def _optional(name: str) -> bool:
    """Whether the network works without an official value: counters of batch norms."""
    return name.endswith("num_batches_tracked")

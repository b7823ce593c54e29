"""Published FastInst checkpoints: a loader that says what does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.checkpoints import weights_and_origin
from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.official_names import DEEP_STEM, names_of
from methods.common.segmenters.fastinst.presets import fastinst_r50_d3, fastinst_r50_d_dcn
from methods.common.segmenters.official_weights import fill

_CLASSIFIER = "sem_seg_head.predictor.query_proposal.conv_proposal_cls_logits.2.weight"
_LAYER = re.compile(r"sem_seg_head\.predictor\.transformer_query_ffn_layers\.(\d+)\..*")
_STAGE_BLOCK = re.compile(r"backbone\.(?:res|layer)(\d)\.(\d+)\..*")


def infer_config(weights: Mapping[str, Tensor]) -> FastInstConfig:
    """Tell backbone, number of decoder layers and number of classes from official names and shapes.

    Raises:
        InputError: the classifier of the proposals, or every known backbone, is missing.
    """
    if _CLASSIFIER not in weights:
        raise InputError(f"the checkpoint has no {_CLASSIFIER!r}, so it is no FastInst")
    num_classes = weights[_CLASSIFIER].shape[0] - 1
    if DEEP_STEM in weights:
        config = fastinst_r50_d_dcn(num_classes)
    elif "backbone.stem.conv1.weight" in weights:
        config = fastinst_r50_d3(num_classes)
    else:
        raise InputError("the checkpoint has neither a ResNet nor a ResNet-vd backbone; pass the config it belongs to")
    layers = {int(found[1]) for found in map(_LAYER.fullmatch, weights) if found}
    backbone = config.backbone.model_copy(update={"blocks": _blocks(weights)})
    return config.model_copy(update={"decoder_layers": max(1, len(layers)), "backbone": backbone})


def _blocks(weights: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Count the blocks of each stage; R50 and R101 differ in the third."""
    blocks: dict[int, int] = {}
    for found in map(_STAGE_BLOCK.fullmatch, weights):
        if found:
            stage, block = int(found[1]), int(found[2])
            blocks[stage] = max(blocks.get(stage, 0), block + 1)
    return tuple(count for _, count in sorted(blocks.items()))


def load_official(path_or_state_dict: Path | str | Mapping[str, Any], config: FastInstConfig | None = None) -> FastInst:
    """Build a FastInst with published weights (detectron2's names; timm's for the backbone of R50-d-DCN).

    Args:
        path_or_state_dict: a ``.pth``, ``.pkl`` or ``.safetensors`` file, a loaded checkpoint, or a state dict of tensors or arrays by
            official name.
        config: which network; by default backbone, layers and classes are told from names and shapes.
    Returns:
        The network on the CPU in evaluation mode.
    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    """
    weights, origin = weights_and_origin(path_or_state_dict)
    model = FastInst.without_weights(config or infer_config(weights))
    backbone = model.config.backbone
    names = names_of(deep_stem=isinstance(backbone, ResNetConfig) and backbone.stem == "deep")
    used = {name: value for name, value in weights.items() if not names.unused.fullmatch(name)}
    unused = names.unused.fullmatch
    fill(model, used, names, origin, "FastInst that was asked for", lambda name: unused(name) is not None)
    return model.eval()

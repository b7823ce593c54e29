"""Published CenterNet2 checkpoints: their names, and a loader that says what does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_r50, centernet2_swinl
from methods.common.segmenters.checkpoints import name_with_shapes, refuse_misfits, weights_and_origin

_UNUSED = re.compile(
    r".*\.num_batches_tracked|backbone\.bottom_up\.base\.fc\.(weight|bias)|.*\.relative_position_index"
    r"|roi_heads\.box_predictor\.[1-9]\d*\.freq_weight|pixel_(mean|std)|.*\.anchor_generator\..*"
)
"""Entries that hold nothing the network needs: counters, the R50's ImageNet classifier, indices that we compute."""

_FREQUENCIES = "roi_heads.box_predictor.0.freq_weight"
_CLASSIFIER = "roi_heads.box_predictor.0.cls_score.weight"


def name_prefixes(config: CenterNet2Config) -> dict[str, str]:
    """Return our state-dict prefixes by official ones; the rest of each name is the same in both."""
    head = "proposal_generator.centernet_head."
    first_level = config.strides[0].bit_length() - 1
    num_own = len(config.backbone.output_channels)
    prefixes = {f"backbone.fpn_lateral{first_level + level}.": f"pyramid.lateral.{level}." for level in range(num_own)}
    prefixes |= {f"backbone.fpn_output{first_level + level}.": f"pyramid.output.{level}." for level in range(num_own)}
    prefixes |= {
        f"backbone.top_block.p{first_level + num_own + extra}.": f"pyramid.extra.{extra}."
        for extra in range(config.pyramid.extra_levels)
    }
    bottom_up = "backbone.bottom_up.base." if config.backbone.kind == "resnet" else "backbone.bottom_up."
    prefixes |= {bottom_up: "backbone.", f"{head}bbox_tower.": "first_stage.tower."}
    prefixes |= {f"{head}agn_hm.": "first_stage.heat_map.", f"{head}bbox_pred.": "first_stage.distance."}
    prefixes |= {f"{head}scales.{level}.scale": f"first_stage.scales.{level}" for level in range(len(config.strides))}
    for stage in range(len(config.cascade.foreground_iou)):
        predictor = f"roi_heads.box_predictor.{stage}."
        prefixes[f"roi_heads.box_head.{stage}."] = f"cascade.heads.{stage}."
        prefixes[f"{predictor}cls_score."] = f"cascade.heads.{stage}.classifier."
        prefixes[f"{predictor}bbox_pred."] = f"cascade.heads.{stage}.regressor."
    mask = "roi_heads.mask_head."
    prefixes |= {f"{mask}mask_fcn{conv + 1}.": f"mask_head.convs.{conv}." for conv in range(config.mask.convs)}
    prefixes |= {f"{mask}deconv.": "mask_head.upsample.", f"{mask}predictor.": "mask_head.predictor."}
    return prefixes | {_FREQUENCIES: "cascade.class_weight_C"}


def _translate(name: str, prefixes: Mapping[str, str]) -> str | None:
    """Replace the longest prefix that fits, or return None."""
    fitting = [prefix for prefix in prefixes if name.startswith(prefix)]
    if not fitting:
        return None
    longest = max(fitting, key=len)
    return prefixes[longest] + name[len(longest) :]


def official_name(ours: str, config: CenterNet2Config) -> str:
    """Return the official name of one of our state-dict entries."""
    name = _translate(ours, {our: official for official, our in name_prefixes(config).items()})
    assert name is not None, f"no official name for {ours}"
    return name


def infer_config(weights: Mapping[str, Tensor]) -> CenterNet2Config:
    """Tell R50 from Swin-L, and the number of classes, from official names and shapes.

    Raises:
        InputError: neither backbone's first layer is there, or the classifier is missing.
    """
    if _CLASSIFIER not in weights:
        raise InputError(f"the checkpoint has no {_CLASSIFIER!r}, so it is no CenterNet2 with a plain classifier")
    num_classes = weights[_CLASSIFIER].shape[0] - 1
    if "backbone.bottom_up.base.conv1.weight" in weights:
        return centernet2_r50(num_classes)
    if "backbone.bottom_up.patch_embed.proj.weight" in weights:
        return centernet2_swinl(num_classes)
    raise InputError("the checkpoint has neither a ResNet-50 nor a Swin backbone; pass the config it belongs to")


def load_official(
    path_or_state_dict: Path | str | Mapping[str, Any], config: CenterNet2Config | None = None
) -> CenterNet2:
    """Build a CenterNet2 with published weights (CenterNet2, X-Paste, MRCA, BSGAL: same names).

    Args:
        path_or_state_dict: a ``.pth`` or ``.safetensors`` file, a loaded checkpoint, or a state dict of tensors or arrays by official name.
        config: which network; by default R50 or Swin-L is told from the names.
    Returns:
        The network on the CPU in evaluation mode. ``freq_weight``, if there, becomes the class weight of the federated loss.
    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    """
    weights, origin = weights_and_origin(path_or_state_dict)
    model = CenterNet2.without_weights(config or infer_config(weights))
    state = model.state_dict()
    prefixes = name_prefixes(model.config)
    renamed = {
        name: (_translate(name, prefixes), value) for name, value in weights.items() if not _UNUSED.fullmatch(name)
    }
    _refuse_misfits(origin, renamed, state, model.config)
    with torch.no_grad():
        for ours, value in renamed.values():
            assert ours is not None
            state[ours].copy_(value)
    return model.eval()


def _refuse_misfits(
    origin: str,
    renamed: Mapping[str, tuple[str | None, Tensor]],
    state: Mapping[str, Tensor],
    config: CenterNet2Config,
) -> None:
    optional = {"cascade.class_weight_C"} | {name for name in state if name.endswith("num_batches_tracked")}
    found = {ours for ours, _ in renamed.values()}
    missing = [official_name(name, config) for name in state if name not in found and name not in optional]
    unexpected = [name for name, (ours, _) in renamed.items() if ours is None or ours not in state]
    shapes = [
        name_with_shapes(name, value, state[ours])
        for name, (ours, value) in renamed.items()
        if ours is not None and ours in state and value.shape != state[ours].shape
    ]
    refuse_misfits(origin, "CenterNet2 that was asked for", missing, unexpected, shapes)

"""ImageNet weights for the backbones: what a paper-scale training starts from."""

from __future__ import annotations

import re
from pathlib import Path

from torch import nn

from methods.common.errors import InputError
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.checkpoints import read_checkpoint

_UNUSED = re.compile(
    r"fc\..*|head\..*|norm\.(weight|bias)|.*\.num_batches_tracked|.*\.(relative_position_index|attn_mask)"
)
"""Classifiers, Swin's final norm, counters, and indices that we compute."""


def load_backbone_weights(model: CenterNet2, path: Path | str) -> None:
    """Load published ImageNet weights into the backbone.

    Takes ``resnet50_miil_21k.pth`` (timm's names) and ``swin_large_patch4_window12_384_22k.pth`` (Swin's names). The norms
    on Swin's outputs are new in the detector and keep their initial values.

    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    Source: sections 6.1 and 7.
    """
    weights = {name: value for name, value in read_checkpoint(path).items() if not _UNUSED.fullmatch(name)}
    state = model.backbone.state_dict()
    new = _output_norms(model.backbone)
    missing = [name for name in state if name not in weights and name not in new and "num_batches_tracked" not in name]
    other = [name for name, value in weights.items() if name not in state or value.shape != state[name].shape]
    if missing or other:
        raise InputError(
            f"{path} does not fit the {model.config.backbone.kind} backbone: missing {missing[:8]}, unexpected or of another shape {other[:8]}"
        )
    for name, value in weights.items():
        state[name].copy_(value)


def _output_norms(backbone: nn.Module) -> set[str]:
    """Return the names of the norms that only the detector has."""
    return {name for name, _ in backbone.named_parameters() if re.fullmatch(r"norm\d\.(weight|bias)", name)}

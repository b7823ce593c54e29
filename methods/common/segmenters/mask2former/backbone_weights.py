"""ImageNet weights for the backbone: torchvision's ResNet-50 and the published Swin."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from methods.common.errors import InputError, reason
from methods.common.segmenters.checkpoints import read_checkpoint
from methods.common.segmenters.mask2former.model import Mask2Former

_UNUSED = re.compile(
    r"fc\..*|head\..*|norm\.(weight|bias)|.*\.num_batches_tracked|.*\.(relative_position_index|attn_mask)"
)
"""Classifiers, Swin's final norm, counters, and indices that we compute."""
_NEW = re.compile(r"norm\d\.(weight|bias)|.*\.num_batches_tracked")
"""Entries that an ImageNet network lacks: the norms on Swin's outputs keep their initial values."""


def load_backbone_weights(model: Mask2Former, path: Path | str) -> None:
    """Load published ImageNet weights into the backbone, in place.

    Takes torchvision's ``resnet50-*.pth`` and ``swin_large_patch4_window12_384_22k.pth``, also as ``.safetensors``.

    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    Source: section 8 ("initial weights torchvision ImageNet"), section 11.
    """
    weights = {name: value for name, value in _read(Path(path)).items() if not _UNUSED.fullmatch(name)}
    state = model.backbone.state_dict()
    missing = [name for name in state if name not in weights and not _NEW.fullmatch(name)]
    other = [name for name, value in weights.items() if name not in state or value.shape != state[name].shape]
    if missing or other:
        raise InputError(
            f"{path} does not fit the {model.config.backbone.kind} backbone: missing {missing[:8]}, "
            f"unexpected or of another shape {other[:8]}"
        )
    with torch.no_grad():
        for name, value in weights.items():
            state[name].copy_(value)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        return read_checkpoint(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"weights {path} cannot be read ({reason(error)}); give a .safetensors or .pth file"
        ) from error

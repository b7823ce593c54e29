"""What a cut-out network is to the rest of the project, and which class loads a folder.

Shape suffixes: N pictures, C = 3 colours, H, W pixels.
"""

import json
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from methods.common.cutouts.birefnet import BiRefNetCutout
from methods.common.cutouts.miniature import MODEL_TYPE, MiniatureCutout
from methods.common.errors import InputError, reason


class DichotomousSegmenter(Protocol):
    """Separates the one salient object from everything else."""

    def soft_mask(self, image_NCHW: Tensor) -> Tensor:
        """Return float32 foreground probabilities (N, H, W) in [0, 1] of RGB pictures (N, 3, H, W) in [0, 1]."""


def load_cutout(
    folder: Path, device: torch.device | None = None, *, trust_remote_code: bool = False
) -> DichotomousSegmenter:
    """Load a cut-out network from a folder; its ``config.json`` says which kind it is.

    Args:
        folder: of a miniature network, or a downloaded BiRefNet repository.
        device: where it runs; CPU by default.
        trust_remote_code: needed for BiRefNet, which brings its own Python code.
    Raises:
        InputError: no readable ``config.json``, BiRefNet without ``trust_remote_code``, or weights that do not fill the network.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} is not a readable cut-out network config ({reason(error)}); name a folder with one"
        ) from None
    if isinstance(config, dict) and config.get("model_type") == MODEL_TYPE:
        return MiniatureCutout.from_pretrained(folder).to(device or torch.device("cpu"))
    return BiRefNetCutout.from_folder(folder, device, trust_remote_code=trust_remote_code)

"""What a cut-out network is to the rest of the project, and which class loads a folder.

Shape suffixes: N pictures, C = 3 colours, H, W pixels.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from methods.common.cutouts.birefnet import BiRefNetCutout
from methods.common.cutouts.miniature import MODEL_TYPE, MiniatureCutout
from methods.common.cutouts.names import CutterName
from methods.common.errors import InputError, reason

Cutter = Callable[[Tensor, Sequence[str]], Tensor]
"""Makes soft masks, float32 (N, H, W) in [0, 1], of RGB pictures (N, 3, H, W) in [0, 1] and of what each should show."""


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
    if _config(folder).get("model_type") == MODEL_TYPE:
        return MiniatureCutout.from_pretrained(folder).to(device or torch.device("cpu"))
    return BiRefNetCutout.from_folder(folder, device, trust_remote_code=trust_remote_code)


def load_cutter(
    name: CutterName, place: Path, device: torch.device | None = None, *, trust_remote_code: bool = False
) -> Cutter:
    """Load the cut-out network that a role stands for; see :data:`~methods.common.cutouts.names.CutterName` and :func:`load_cutout`.

    Raises:
        InputError: nothing loadable is there, or its weights do not fill the network.
    """
    if name == "clipseg":
        from methods.common.cutouts.clipseg import ClipSegCutout

        return ClipSegCutout.from_pretrained(place, device).soft_mask
    return _without_text(_load_wordless(name, place, device, trust_remote_code))


def _load_wordless(
    name: CutterName, place: Path, device: torch.device | None, trust_remote_code: bool
) -> DichotomousSegmenter:
    if name == "u2net":
        from methods.common.cutouts.u2net import U2NetCutout

        return U2NetCutout.from_file(place, device)
    if name == "cutter":
        return load_cutout(place, device, trust_remote_code=trust_remote_code)
    from methods.common.cutouts.prompted_sam import PromptedSam
    from methods.common.segment_anything.load import load_sam

    sam = load_sam(place, device)
    return PromptedSam.background(sam) if name == "sam_background" else PromptedSam.middle(sam)


def _without_text(segmenter: DichotomousSegmenter) -> Cutter:
    return lambda image_NCHW, texts: segmenter.soft_mask(image_NCHW)


def _config(folder: Path) -> dict[str, Any]:
    """Read what a cut-out network says of itself.

    Raises:
        InputError: it is not there or not readable.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} is not a readable cut-out network config ({reason(error)}); name a folder with one"
        ) from None
    return config if isinstance(config, dict) else {}

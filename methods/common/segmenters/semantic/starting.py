"""Weights that a training starts from: another segmenter's, without its class layers or only its backbone, or published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.backbones.build import Backbone
from methods.common.segmenters.backbones.hrnet import HRNet
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.saved import WEIGHTS_FILE, read_weights
from methods.common.segmenters.semantic.interface import SemanticSegmenter


def take_weights(
    model: SemanticSegmenter, folder: Path, what: Literal["backbone", "all_but_classes", "all"]
) -> list[str]:
    """Copy weights of a saved segmenter of the same kind; the number of classes may differ, unless all are copied.

    Args:
        model: the network to fill.
        folder: what a segmenter's ``save_pretrained`` wrote.
        what: ``backbone`` copies the backbone; ``all_but_classes`` everything but the class layers; ``all`` these too.

    Returns:
        The names of the entries of the state dict that were copied.

    Raises:
        InputError: the file is unreadable, or an entry is missing or has another shape.
    Source: SAM filter section 8.2; SegRCDB carries over the backbone, our default everything but the class layers
    [C SAM filter D16].
    """
    mine = model.state_dict()
    prefix = backbone_prefix(model)
    wanted = [
        name
        for name in mine
        if what == "all" or (name.startswith(prefix) if what == "backbone" else not name.startswith(model.class_layers))
    ]
    found = read_weights(folder)
    for name in wanted:
        _check(name, mine[name], found.get(name), folder)
    with torch.no_grad():
        for name in wanted:
            mine[name].copy_(found[name])
    return wanted


def take_published_backbone(model: SemanticSegmenter, path: Path) -> int:
    """Fill a segmenter's backbone with published weights; return the number of its entries.

    Args:
        model: the network to fill.
        path: a file that :func:`load_backbone_weights` takes.

    Raises:
        InputError: no weights are published for the kind of backbone, or the file does not fit.
    """
    if not isinstance(model.backbone, Backbone | HRNet):
        raise InputError(
            f"published weights fit the backbones of mask2former, deeplab and hrnet, not the own encoder of {type(model).__name__}; "
            "name a training as role 'start', or set segmenter.backbone"
        )
    load_backbone_weights(model.backbone, path)
    return len(model.backbone.state_dict())


def backbone_prefix(model: SemanticSegmenter) -> str:
    """Return what the names of the backbone's entries start with, such as ``encoder.``."""
    names = [name for name, module in model.named_modules() if module is model.backbone]
    assert names, "the backbone is no module of the segmenter"
    return f"{names[0]}."


def _check(name: str, mine: Tensor, found: Tensor | None, folder: Path) -> None:
    if found is None:
        raise InputError(
            f"{folder / WEIGHTS_FILE} has no {name}; start from a segmenter of the same kind, or from scratch"
        )
    if found.shape != mine.shape:
        raise InputError(
            f"{folder / WEIGHTS_FILE}: {name} has shape {tuple(found.shape)}, the segmenter's {tuple(mine.shape)}; "
            "start from a segmenter of the same sizes, or from scratch"
        )

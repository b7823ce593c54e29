"""Weights that a training starts from: those of the same network with other classes, or of the backbone of another network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.instance.interface import InstanceSegmenter
from methods.common.segmenters.saved import WEIGHTS_FILE, read_weights


def take_all_but_classes(model: InstanceSegmenter, folder: Path) -> list[str]:
    """Copy the weights of a saved segmenter of the same kind and size, but for those whose first side is the number of classes.

    Args:
        model: the network to fill; it has another number of classes.
        folder: what a segmenter's ``save_pretrained`` wrote.

    Returns:
        The names of the entries of the state dict that were left as they are.

    Raises:
        InputError: the file is unreadable, an entry is missing, one differs in more than the number of classes, or none differs.
    """
    return copy_all_but_classes(model, read_weights(folder), str(folder / WEIGHTS_FILE))


def copy_all_but_classes(model: InstanceSegmenter, found: Mapping[str, Tensor], origin: str) -> list[str]:
    """Do the same with a state dict of the same kind and size of network.

    Args:
        model: the network to fill.
        found: weights by our names.
        origin: what to call them in a message.
    """
    mine = model.state_dict()
    left = []
    for name, tensor in mine.items():
        other = found.get(name)
        if other is not None and other.shape == tensor.shape:
            continue
        if other is None or other.ndim == 0 or other.shape[1:] != tensor.shape[1:]:
            raise InputError(
                f"{origin} does not fit: {name} is {'missing' if other is None else tuple(other.shape)}, wanted is "
                f"{tuple(tensor.shape)}; start from a segmenter of the same kind and size"
            )
        left.append(name)
    if not left:
        raise InputError(
            f"{origin} has as many classes as the segmenter to train; take all of it (start 'weights') or other classes"
        )
    with torch.no_grad():
        for name in mine.keys() - set(left):
            mine[name].copy_(found[name])
    return left


def take_backbone(model: InstanceSegmenter, folder: Path) -> None:
    """Copy the backbone of a saved segmenter of any kind, whose backbone has the same layers.

    Raises:
        InputError: the file is unreadable, or its backbone is another one.
    """
    prefix = "backbone."
    found = {
        name.removeprefix(prefix): value for name, value in read_weights(folder).items() if name.startswith(prefix)
    }
    mine = model.backbone.state_dict()
    wrong = sorted(
        name
        for name in mine.keys() | found.keys()
        if name not in mine or name not in found or _differ(mine, found, name)
    )
    if wrong:
        raise InputError(
            f"{folder / WEIGHTS_FILE} has another backbone: {wrong[0]} and {len(wrong) - 1} more entries are missing, unknown or of "
            "another size; start from a segmenter whose backbone has the same layers"
        )
    model.backbone.load_state_dict(found)


def _differ(mine: Mapping[str, Tensor], found: Mapping[str, Tensor], name: str) -> bool:
    return mine[name].shape != found[name].shape

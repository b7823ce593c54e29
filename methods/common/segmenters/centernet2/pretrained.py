"""A CenterNet2 that starts from one trained on other classes: everything but the classifiers."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.checkpoints import name_with_shapes, read_checkpoint, refuse_misfits

_OF_CLASSES = re.compile(r"cascade\.(class_weight_C|heads\.\d+\.classifier\..*)")


def is_class_agnostic(name: str) -> bool:
    """Whether an entry of the state dict has nothing to do with which classes there are."""
    return _OF_CLASSES.fullmatch(name) is None


def load_class_agnostic(model: CenterNet2, path: Path | str) -> None:
    """Load all weights but those of the classifiers from a ``.safetensors`` file, in place.

    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    Source: our choice [C MRCA D44]; it stands for the paper's ImageNet weights.
    """
    weights = {name: value for name, value in read_checkpoint(path).items() if is_class_agnostic(name)}
    state = {name: value for name, value in model.state_dict().items() if is_class_agnostic(name)}
    missing, unexpected = sorted(state.keys() - weights.keys()), sorted(weights.keys() - state.keys())
    shapes = [
        name_with_shapes(name, value, state[name])
        for name, value in weights.items()
        if name in state and value.shape != state[name].shape
    ]
    refuse_misfits(str(path), "CenterNet2 without its classifiers", missing, unexpected, shapes)
    with torch.no_grad():
        for name, value in weights.items():
            state[name].copy_(value)

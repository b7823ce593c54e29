"""Reading published checkpoints, safely: which tensors a file holds, and which of them are the weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from methods.common.errors import InputError


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """Read the weights of a ``.pth`` checkpoint without running any code in it.

    Takes ``model_ema`` where there is one, as the official ``--eval-only`` does, else ``model``, else the file's own dict.

    Raises:
        InputError: no such file, not a checkpoint, or one that needs pickled code.
    """
    try:
        content = torch.load(Path(path), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises nearly anything
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"checkpoint {path} cannot be read as plain weights: {first_line}") from error
    return select_weights(content, str(path))


def select_weights(content: Any, origin: str) -> dict[str, Tensor]:
    """Pick the weights out of a loaded checkpoint and strip the ``module.`` of distributed training from their names.

    Raises:
        InputError: the content holds no dict of tensors.
    """
    if isinstance(content, Mapping):
        for key in ("model_ema", "model", "state_dict"):
            if isinstance(content.get(key), Mapping) and content[key]:
                content = content[key]
                break
    arrays = isinstance(content, Mapping) and all(isinstance(value, Tensor | np.ndarray) for value in content.values())
    if not arrays or not content:
        raise InputError(
            f"{origin} holds no state dict; give a checkpoint with 'model' or 'model_ema', or a state dict itself"
        )
    weights = {str(name).removeprefix("module."): torch.as_tensor(value) for name, value in content.items()}
    return weights

"""Published checkpoints: which tensors a file holds, which of them are the weights, and what of them does not fit.

No file can run code: ``.pth`` files are read with ``weights_only``, pickles of arrays by an unpickler that knows arrays alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.pickled_weights import read_pickled_arrays

_SHOWN = 8
"""Names in a message; the others are counted."""


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """Read the weights of a ``.safetensors`` file, of a ``.pkl`` of arrays, or of any other file as torch's own format.

    Takes ``model_ema`` where there is one, as CenterNet2's ``--eval-only`` does, else ``model``, else ``state_dict``, else the
    file's own dict.

    Raises:
        InputError: no such file, not a checkpoint, or one that needs pickled code.
    """
    return select_weights(read_content(Path(path)), str(path))


def read_content(path: Path) -> Any:
    """Read all that a file of weights holds, without running code of it.

    Raises:
        InputError: as :func:`read_checkpoint`.
    """
    try:
        return _read(path)
    except Exception as error:  # a damaged pickle raises nearly anything
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"checkpoint {path} cannot be read as plain weights: {first_line}") from error


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.suffix == ".pkl":
        return read_pickled_arrays(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def weights_and_origin(checkpoint: Path | str | Mapping[str, Any]) -> tuple[dict[str, Tensor], str]:
    """Return the weights of a file or of a loaded checkpoint, and what to call it in a message.

    Raises:
        InputError: it is unreadable, or holds no dict of tensors.
    """
    if isinstance(checkpoint, str | Path):
        return read_checkpoint(checkpoint), str(checkpoint)
    return select_weights(checkpoint, "the state dict"), "the state dict"


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
    return {str(name).removeprefix("module."): torch.as_tensor(value) for name, value in content.items()}


def name_with_shapes(name: str, found: Tensor, wanted: Tensor) -> str:
    """Name an entry of another shape, for :func:`refuse_misfits`."""
    return f"{name} {tuple(found.shape)} instead of {tuple(wanted.shape)}"


def refuse_misfits(
    origin: str, network: str, missing: Sequence[str], unexpected: Sequence[str], other_shapes: Sequence[str]
) -> None:
    """Raise InputError that names entries that do not fit, if there are any.

    Args:
        origin: what to call the weights.
        network: what they should fit.
        missing: names of entries that the network needs and the weights lack.
        unexpected: names of entries that the network lacks.
        other_shapes: entries that :func:`name_with_shapes` names.
    """
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": other_shapes}
    problems = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    if problems:
        raise InputError(f"{origin} does not fit the {network}: " + "; ".join(problems))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

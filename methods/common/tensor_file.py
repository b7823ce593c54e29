"""Files of named tensors that somebody else saved with torch, read without running anything in them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def read_tensors(path: Path, remedy: str) -> dict[str, Tensor]:
    """Return the tensors of a ``.pth`` file by name, on the CPU.

    Args:
        path: the file.
        remedy: what to do where it is not right, as the end of a sentence.

    Raises:
        InputError: no such file, not one of torch, or something else than a table of tensors in it.
    """
    import torch
    from torch import Tensor

    if not path.is_file():
        raise InputError(f"there is no file {path}; {remedy}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of forms of pickles, which the sentence below covers
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch raises a dozen kinds for files that are not its own
        raise InputError(f"{path} is no file of tensors; {remedy}") from error
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise InputError(f"{path} holds no table of named tensors; {remedy}")
    return dict(tensors)

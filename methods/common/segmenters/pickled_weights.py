"""Reads detectron2's ``.pkl`` checkpoints, pickles of numpy arrays, without letting them run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

_ARRAY_PARTS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}
"""All that a pickle of arrays may name."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAY_PARTS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of an array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_pickled_arrays(path: Path) -> Any:
    """Return the content of a pickle that holds containers, numbers, text and numpy arrays only.

    Raises:
        pickle.UnpicklingError: it names anything else. A damaged pickle raises nearly any error.
    """
    with path.open("rb") as file:
        return _ArrayUnpickler(file).load()

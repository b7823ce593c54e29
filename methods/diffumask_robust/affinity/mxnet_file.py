"""Named arrays from a ``.params`` file of MXNet, read without it.

A file is a list of arrays and a list of names, all numbers little-endian. Versions differ in how an array's shape is written: 32-bit sides
in the oldest, 64-bit ones later, and the kind of storage before it. Source: MXNet's own documentation of its file format [C D30].
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError

_LIST_MAGIC = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DENSE = 0
_TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}
_MAX_SIDES = 8


class _Bytes:
    """A file's bytes, read one number after another."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = memoryview(data), 0

    def take(self, size: int) -> memoryview:
        part = self._data[self._place : self._place + size]
        if len(part) < size:
            raise ValueError("it is cut short")
        self._place += size
        return part

    def number(self, kind: str) -> int:
        return int(struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0])


def read_mxnet_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name.

    Raises:
        InputError: there is no such file, or it is not of MXNet, damaged, or holds sparse arrays.
    """
    try:
        source = _Bytes(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); put the weights there") from error
    try:
        if source.number("Q") != _LIST_MAGIC:
            raise ValueError("it does not begin as MXNet's files do")
        source.number("Q")
        arrays = [_read_array(source) for _ in range(source.number("Q"))]
        names = [str(bytes(source.take(source.number("Q"))), "utf-8") for _ in range(source.number("Q"))]
        return dict(zip(names, arrays, strict=True))
    except ValueError as error:
        raise InputError(f"{path} is no .params file of MXNet ({error}); give the published file") from error


def _read_array(source: _Bytes) -> NDArray[Any]:
    magic = source.number("I")
    if magic in (_V2, _V3) and source.number("i") != _DENSE:
        raise ValueError("an array in it is sparse")
    if magic in (_V1, _V2, _V3):
        shape = _read_shape(source, source.number("I"), "q")
    else:
        shape = _read_shape(source, magic, "I")
    if not shape:
        return np.zeros(0, np.float32)
    source.take(8)  # the device that it was on
    kind = source.number("i")
    if kind not in _TYPES:
        raise ValueError(f"an array in it is of unknown type {kind}")
    dtype = np.dtype(_TYPES[kind])
    return np.frombuffer(source.take(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape).copy()


def _read_shape(source: _Bytes, num_sides: int, kind: str) -> tuple[int, ...]:
    if num_sides > _MAX_SIDES:
        raise ValueError(f"an array in it has {num_sides} axes")
    shape = tuple(source.number(kind) for _ in range(num_sides))
    if any(side < 0 for side in shape):
        raise ValueError("an array in it has a negative side")
    return shape

"""Nested training state in one safetensors file: tensors as tensors, everything else as JSON in its header.

No pickle anywhere, so that a file from elsewhere cannot run code. A checkpoint's name carries its step and the
start of its SHA-256, hence one atomic rename both publishes and seals it.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from methods.common.files import write_atomic

if TYPE_CHECKING:  # a state without tensors is written and read without loading torch
    import torch

_CHECKPOINT_NAME = re.compile(r"step-(\d{9})-([0-9a-f]{16})\.safetensors")
_Arrays = dict[str, "torch.Tensor | np.ndarray[Any, Any]"]


def _is_tensor(value: Any) -> bool:
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def _pack(value: Any, arrays: _Arrays, path: str) -> Any:
    """Replace every tensor and array below ``value`` by a reference to its key."""
    if _is_tensor(value) or isinstance(value, np.ndarray):
        key = f"{len(arrays)}{path}"  # numbered, because {1: ...} and {"1": ...} have the same path
        if _is_tensor(value):
            arrays[key] = value.detach().to("cpu").contiguous().clone()
            return {"$tensor": key}
        arrays[key] = np.array(value, order="C", copy=True)
        return {"$array": key}
    if isinstance(value, dict):
        # JSON knows text keys only, optimisers number theirs: keep pairs.
        return {"$dict": [[_plain_key(key, path), _pack(item, arrays, f"{path}/{key}")] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(item, arrays, f"{path}/{index}") for index, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"state at {path or '/'} is a {type(value).__name__}; use tensors, arrays, dicts, lists, numbers or text"
    )


def _plain_key(key: Any, path: str) -> str | int:
    if isinstance(key, str | int):
        return key
    raise TypeError(f"state at {path or '/'} has the key {key!r}; use text or whole numbers")


def _unpack(value: Any, arrays: _Arrays) -> Any:
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if isinstance(value, dict):
        if "$tensor" in value:
            return arrays[value["$tensor"]]
        if "$array" in value:
            return np.asarray(arrays[value["$array"]])
        return {key: _unpack(item, arrays) for key, item in value["$dict"]}
    return value


def state_to_bytes(state: Any) -> bytes:
    """Serialise a tree of dicts, lists, tensors, arrays, numbers and text (tuples come back as lists).

    Raises:
        TypeError: something else is in it; the message names the place.
    """
    arrays: _Arrays = {}
    metadata = {"tree": json.dumps(_pack(state, arrays, ""))}
    if any(_is_tensor(value) for value in arrays.values()):
        import torch
        from safetensors.torch import save

        return save({key: torch.as_tensor(value) for key, value in arrays.items()}, metadata=metadata)
    from safetensors.numpy import save as save_arrays

    return save_arrays({key: np.asarray(value) for key, value in arrays.items()}, metadata=metadata)


def state_from_bytes(data: bytes) -> Any:
    """Undo :func:`state_to_bytes`, for bytes that have not been on a disk."""
    from safetensors.torch import load

    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    arrays: _Arrays = dict(load(data))
    return _unpack(json.loads(header["__metadata__"]["tree"]), arrays)


def load_state(path: Path) -> Any:
    """Read what :func:`save_state` wrote.

    Raises:
        ValueError: the file is torn or is not a state file.
    """
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {})["tree"]
        tree = json.loads(text)
        with safe_open(path, framework="pt" if '"$tensor"' in text else "np") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        return _unpack(tree, arrays)
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a readable state file ({error}); delete it and run again") from error


def save_state(path: Path, state: Any) -> None:
    """Write a state tree atomically."""
    write_atomic(path, state_to_bytes(state))


class Checkpoints:
    """The checkpoints of one running stage; the newest ``keep`` stay."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep

    def _newest_first(self) -> Iterator[tuple[int, str, Path]]:
        found = [
            (match, path) for path in self.folder.glob("step-*") if (match := _CHECKPOINT_NAME.fullmatch(path.name))
        ]
        for match, path in sorted(found, key=lambda pair: -int(pair[0][1])):
            yield int(match[1]), match[2], path

    def save(self, step: int, state: Any) -> None:
        """Publish the state after ``step`` finished units, then drop the oldest ones."""
        data = state_to_bytes(state)
        write_atomic(self.folder / f"step-{step:09d}-{hashlib.sha256(data).hexdigest()[:16]}.safetensors", data)
        for _, _, path in list(self._newest_first())[self.keep :]:
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget every checkpoint: what they count on is gone."""
        for _, _, path in list(self._newest_first()):
            path.unlink(missing_ok=True)

    def load(self) -> tuple[int, Any] | None:
        """Return (step, state) of the newest checkpoint whose bytes are intact, or None; damaged ones are removed."""
        for step, digest, path in self._newest_first():
            if hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest):
                return step, load_state(path)
            path.unlink(missing_ok=True)
        return None

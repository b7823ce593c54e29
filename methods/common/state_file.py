"""Nested training state in one safetensors file: tensors as tensors, everything else as JSON in its header.

No pickle anywhere, so that a file from elsewhere cannot run code. A checkpoint's name carries its step and the
start of its SHA-256, hence one atomic rename both publishes and seals it.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes

from methods.common.files import write_atomic

_CHECKPOINT_NAME = re.compile(r"step-(\d{9})-([0-9a-f]{16})\.safetensors")


def _pack(value: Any, tensors: dict[str, torch.Tensor], path: str) -> Any:
    """Replace every tensor below ``value`` by a reference to its key."""
    if isinstance(value, torch.Tensor):
        tensors[path] = value.detach().to("cpu").contiguous().clone()
        return {"$tensor": path}
    if isinstance(value, np.ndarray):
        tensors[path] = torch.from_numpy(np.ascontiguousarray(value)).clone()
        return {"$array": path}
    if isinstance(value, dict):
        # JSON knows text keys only, optimisers number theirs: keep pairs.
        return {"$dict": [[key, _pack(item, tensors, f"{path}/{key}")] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(item, tensors, f"{path}/{index}") for index, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"state at {path or '/'} is a {type(value).__name__}; use tensors, arrays, dicts, lists, numbers or text"
    )


def _unpack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if isinstance(value, dict):
        if "$tensor" in value:
            return tensors[value["$tensor"]]
        if "$array" in value:
            return tensors[value["$array"]].numpy()
        return {key: _unpack(item, tensors) for key, item in value["$dict"]}
    return value


def state_to_bytes(state: Any) -> bytes:
    """Serialise a tree of dicts, lists, tensors, arrays, numbers and text (tuples come back as lists)."""
    tensors: dict[str, torch.Tensor] = {}
    tree = _pack(state, tensors, "")
    return safetensors_bytes(tensors, metadata={"tree": json.dumps(tree)})


def load_state(path: Path) -> Any:
    """Read what :func:`save_state` wrote.

    Raises:
        ValueError: the file is torn or is not a state file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tree = json.loads((file.metadata() or {})["tree"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a readable state file ({error}); delete it and run again") from error
    return _unpack(tree, tensors)


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

    def load(self) -> tuple[int, Any] | None:
        """Return (step, state) of the newest checkpoint whose bytes are intact, or None; damaged ones are removed."""
        for step, digest, path in self._newest_first():
            if hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest):
                return step, load_state(path)
            path.unlink(missing_ok=True)
        return None

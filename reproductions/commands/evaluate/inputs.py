"""What was read, so that a number can be traced: files by their SHA-256, folders by how many files they hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError
from methods.common.files import file_sha256

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Description = dict[str, dict[str, Any]]

_WORTH_A_PROCESS = 64 * 2**20
"""Bytes below which hashing takes too short to be worth a process."""


def describe_inputs(inputs: Mapping[str, Path]) -> Callable[[], Description]:
    """Begin to describe each input; the answer waits for the end.

    Large files are hashed by a process of its own, which uses the core that an evaluation leaves idle while it plans and sums up.

    Raises:
        InputError: one does not exist or cannot be read; the answer raises it where that happens later.
    """
    if sum(map(_readable_bytes, inputs.values())) < _WORTH_A_PROCESS:
        found = _describe(inputs)
        return lambda: found
    from methods.common.metrics.processes import start_method

    context = start_method([])
    receiver, sender = context.Pipe(duplex=False)
    context.Process(target=_send, args=(sender, inputs), daemon=True).start()
    sender.close()

    def answer() -> Description:
        try:
            received: Description | InputError = receiver.recv()
        except EOFError:  # the process was killed
            return _describe(inputs)
        if isinstance(received, InputError):
            raise received
        return received

    return answer


def _send(sender: Connection, inputs: Mapping[str, Path]) -> None:
    from methods.common.metrics.processes import end_with_parent

    end_with_parent()
    try:
        sender.send(_describe(inputs))
    except InputError as error:
        sender.send(error)


def _readable_bytes(path: Path) -> int:
    try:
        if path.is_dir():
            return 0
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _describe(inputs: Mapping[str, Path]) -> Description:
    return {name: _describe_one(path) for name, path in inputs.items()}


def _describe_one(path: Path) -> dict[str, Any]:
    from methods.common.metrics.label_maps.png_folders import walk_files

    try:
        if path.is_dir():
            return {"path": str(path), "num_files": sum(1 for _ in walk_files(path))}
        return {"path": str(path), "bytes": path.stat().st_size, "sha256": file_sha256(path)}
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be read ({error.strerror}); name what exists")

"""Processes of this machine as Linux tells of them (man 5 proc), found by what they hold rather than by stale numbers."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Set
from pathlib import Path

_DEATH_TIMEOUT_S = 10.0


def find_by_open_file(files: Set[str], names: Iterable[str]) -> set[int]:
    """Processes with one of these names that hold one of these files open."""
    return {process for process in _parents() if _name_of(process) in set(names) and files & _open_files(process)}


def find_by_environment(everywhere: str, one_of: Iterable[str]) -> set[int]:
    """Processes whose environment has one ``NAME=value`` and one of some others, and their descendants; never this one."""
    marks = {mark.encode() for mark in one_of}
    parents = _parents()
    environments = {process: _environment_of(process) for process in parents}
    found = {process for process, has in environments.items() if everywhere.encode() in has and marks & has}
    while children := {process for process, parent in parents.items() if parent in found} - found:
        found |= children
    return found - {os.getpid()}


def kill_all(find: Callable[[], set[int]]) -> None:
    """Kill processes until none is found: some may start others meanwhile.

    Raises:
        TimeoutError: some do not die.
    """
    deadline = time.monotonic() + _DEATH_TIMEOUT_S
    while processes := find():
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {sorted(processes)} do not die")
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _parents() -> dict[int, int]:
    """The parent of each process that is not dead; a dead one stays listed until its parent has asked for it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(entry.name)] = int(parent)
    return parents


def _name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def _environment_of(process: int) -> set[bytes]:
    try:
        return set(Path(f"/proc/{process}/environ").read_bytes().split(b"\0"))
    except OSError:
        return set()


def _open_files(process: int) -> set[str]:
    """Paths of a process's open files; none of a process that is gone or another user's."""
    files = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                files.add(str(entry.readlink()))
    return files

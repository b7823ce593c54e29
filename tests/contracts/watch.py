"""Watching what a running stage does to files: each state its folder goes through, and what it writes elsewhere.

A state is what a kill at that moment would leave: bytes that are still in the memory of the process are not in it, and nothing
that ``except`` or ``finally`` would tidy up is tidied up. So a kill is judged by going on from a state, without killing anybody.

Python tells of each change by an audit event before it happens. Libraries that write without Python (OpenCV, Arrow, safetensors)
tell nothing; their files show at the next look, and states in the middle of writing them are made up from the whole ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Mapping[str, bytes]
"""Bytes of every file below a folder, by relative name; folders end in a slash and hold nothing."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OWN = ("out", "checkpoints")
"""Folders of a stage below the one that is watched."""
_ALLOWED_PLACES = ("/dev/null",)
"""Where every stage may write besides."""


@dataclass(frozen=True)
class Change:
    """What led to a state."""

    kind: Literal["begun", "grown", "torn", "gone", "new"]
    """The start; a file that was there was written to; one is half-written; one went; one came."""
    name: str
    """Which file."""
    state: State
    """What there is after it."""


class Watch:
    """The states that a folder went through, and the places outside it that were written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.changes = [Change("begun", "", read_state(self.folder))]
        self.strays: list[str] = []
        self._process = os.getpid()
        self._signs = dict(self._read_signs())
        self._renamed: set[str] = set()

    def look(self) -> None:
        """Note the state of the folder, if something has changed, and the states on the way to it."""
        signs = dict(self._read_signs())
        for name in sorted(set(self._signs) - set(signs)):
            self._note("gone", name, None)
        changed = [name for name in signs if signs[name] != self._signs.get(name)]
        for name in sorted(changed, key=lambda name: signs[name][::-1]):
            self._note_written(name)
        self._signs = signs
        self._renamed = set()

    def _note(self, kind: Literal["grown", "torn", "gone", "new"], name: str, data: bytes | None) -> None:
        state = {other: kept for other, kept in self.changes[-1].state.items() if other != name}
        self.changes.append(Change(kind, name, state if data is None else {**state, name: data}))

    def _note_written(self, name: str) -> None:
        whole = b"" if name.endswith("/") else (self.folder / name).read_bytes()
        before = self.changes[-1].state.get(name)
        if name not in self._renamed and len(whole) > 1:
            self._note("torn", name, _torn(before or b"", whole))
        self._note("new" if before is None else "grown", name, whole)

    def _read_signs(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        for place, folders, names in os.walk(self.folder):
            relative = os.path.relpath(place, self.folder)
            prefix = "" if relative == "." else f"{relative}/"
            yield from ((f"{prefix}{name}/", (0,)) for name in folders)
            for name in names:
                status = Path(place, name).stat()
                yield f"{prefix}{name}", (status.st_ino, status.st_size, status.st_mtime_ns)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take note of an audit event, which comes before the change."""
        if os.getpid() != self._process:
            return
        places = [place for place in _places(event, arguments) if place is not None]
        inside = [place for place in places if any(place.is_relative_to(self.folder / own) for own in _OWN)]
        if inside:
            self.look()
            if event == "os.rename":
                self._renamed.add(inside[-1].relative_to(self.folder).as_posix())
        self.strays += [
            f"{event} {place}" for place in places if place not in inside and str(place) not in _ALLOWED_PLACES
        ]


def _torn(before: bytes, whole: bytes) -> bytes:
    """A file in the middle of being written: half of what was added, or of all where it was written anew."""
    kept = len(before) if whole.startswith(before) else 0
    return whole[: kept + (len(whole) - kept) // 2]


def _places(event: str, arguments: tuple[Any, ...]) -> Iterator[Path | None]:
    """Yield what an event is going to change."""
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & _WRITING:
            yield _place(path)
    elif event in ("os.mkdir", "os.chmod"):
        yield _place(arguments[0], arguments[2])
    elif event in ("os.remove", "os.rmdir"):
        yield _place(arguments[0], arguments[1])
    elif event in ("os.rename", "os.link"):
        yield _place(arguments[0], arguments[2])
        yield _place(arguments[1], arguments[3])
    elif event == "os.symlink":
        yield _place(arguments[1], arguments[2])
    elif event == "os.truncate":
        yield _place(arguments[0])


def _place(path: Any, folder: int = -1) -> Path | None:
    """The absolute place, links in its folder followed; None for what is open already."""
    if isinstance(path, int):
        return None
    name = Path(os.fsdecode(path))
    if folder != -1:
        name = Path(f"/proc/self/fd/{folder}").readlink() / name
    return Path(os.path.realpath(name.parent)) / name.name


_watching: list[Watch] = []
_installed: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and (event == "open" or event.startswith("os.")):
        _watching[-1].note(event, arguments)


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Let ``watch`` see everything; look once more at the end."""
    if not _installed:  # a hook stays for good
        sys.addaudithook(_hook)
        _installed.append(True)
    _watching.append(watch)
    try:
        yield watch
        watch.look()
    finally:
        _watching.pop()


def read_state(folder: Path) -> State:
    """The state of a folder as it is now."""
    return {
        path.relative_to(folder).as_posix() + ("/" if path.is_dir() else ""): b""
        if path.is_dir()
        else path.read_bytes()
        for path in folder.rglob("*")
    }


def write_state(folder: Path, state: State) -> None:
    """Make a folder hold a state."""
    for name in sorted(state):
        place = folder / name
        (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            place.write_bytes(state[name])

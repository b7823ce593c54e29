"""Fingerprints of data and weights from outside: what is inside counts, not where it lies."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

from methods.common.errors import InputError
from methods.common.files import MADE_HERE, file_sha256, write_atomic
from reproductions.harness.cell import External


class Fingerprints:
    """Fingerprints files and folders; remembers each file by size and change times, so a second look is quick."""

    def __init__(self, memory_file: Path | None = None) -> None:
        self._memory_file = memory_file
        self._known: dict[str, list[int | str]] = {}
        self._changed = False
        if memory_file is not None:
            self._known = _read_memory(memory_file)

    def sha256(self, path: Path) -> str:
        """SHA-256 of a file's bytes, from memory where its size and change times are as they were."""
        status = path.stat()
        seen: list[int | str] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known = self._known.get(str(path))
        if known is None or known[:-1] != seen:
            known = [*seen, file_sha256(path)]
            self._known[str(path)] = known
            self._changed = True
        return str(known[-1])

    def of(self, path: Path, what: str, is_read: Callable[[PurePosixPath], bool] | None = None) -> External:
        """Fingerprint a file or a folder (names and bytes of every file below it, hidden ones left out).

        Linked folders are followed; reports and stores that lie below are no part of it.

        Args:
            path: the place.
            what: what people call it.
            is_read: which files count, by their path below the folder; None counts all.

        Raises:
            InputError: the place is missing, holds no file or cannot be read.
        """
        path = path.resolve()
        try:
            if path.is_file():
                return External(path, self.sha256(path))
            if not path.is_dir():
                raise InputError(f"{what} is missing: there is no {path}; give another place or put it there")
            below = [PurePosixPath(item.relative_to(path).as_posix()) for item in sorted(_files(path))]
            counted = [item for item in below if is_read is None or is_read(item)]
            listing = [[str(item), self.sha256(path / item)] for item in counted]
        except OSError as error:
            raise InputError(
                f"{what} cannot be read: {error.filename or path} ({error.strerror}); check the file and its permissions"
            ) from error
        if not listing:
            raise InputError(f"{what} is empty: {path} holds no file")
        return External(path, hashlib.sha256(json.dumps(listing).encode()).hexdigest())

    def files(self, path: Path, suffixes: Collection[str]) -> dict[str, str]:
        """SHA-256 of a file, or of each file below a folder whose name ends so, by its name below the folder.

        Args:
            path: a place that :meth:`of` can fingerprint.
            suffixes: such as ``.safetensors``.
        """
        path = path.resolve()
        if path.is_file():
            return {path.name: self.sha256(path)}
        found = sorted(item for item in _files(path) if item.suffix in suffixes)
        return {item.relative_to(path).as_posix(): self.sha256(item) for item in found}

    def save(self) -> None:
        """Write the memory, when there is a place for it."""
        if self._memory_file is not None and self._changed:
            write_atomic(self._memory_file, json.dumps(self._known).encode())


def _read_memory(path: Path) -> dict[str, list[int | str]]:
    """Read the memory; a torn one, or one of another form, is only a cache: start again."""
    try:
        loaded = json.loads(path.read_text())
        return {str(name): list(known) for name, known in loaded.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _is_ours(subfolders: Collection[str], names: Collection[str]) -> bool:
    """Whether a folder is a report or a store."""
    return MADE_HERE in names or {"cells", "specs", "locks"} <= set(subfolders)


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, through links to folders too (data sets are often made of them); hidden ones, reports and stores left out."""
    entered: set[tuple[int, int]] = set()
    for place, subfolders, names in os.walk(folder, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in entered or (place != str(folder) and _is_ours(subfolders, names)):
            subfolders.clear()  # a link back to a folder above, or nothing of the user's
            continue
        entered.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(place, name) for name in names if not name.startswith(".") and Path(place, name).is_file())

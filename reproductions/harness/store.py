"""The store: a folder of plain files that holds cells, finished and unfinished.

Layout, and what may be lost without harm (docs/store.md tells it to users)::

    cells/<stage>/<first 20 digits of the id>/   a finished cell: result.json, cell.json, provenance.json, seal.json, files
    work/<id>/out/                               what an unfinished cell has written so far
    work/<id>/checkpoints/                       where it goes on from
    work/<id>/progress.json, attempts.json       for `status`
    specs/<id>.json                              what a job needs to run a cell
    failures/<id>.json                           the last error of a cell that failed
    locks/<id>                                   held while a process works on the cell
    jobs/, fingerprints.json                     logs of processes; a cache

Only ``cells/`` holds results. A finished cell appears by one rename, after everything in it was flushed to disk.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.common.errors import InputError
from methods.common.files import write_atomic
from reproductions.harness.cell import Cell, CellSpec, canonical_json
from reproductions.harness.files import seal, sync_folder, sync_tree, write_json
from reproductions.harness.fingerprint import file_sha256

_ID_DIGITS = 20
_DEEP_CHECK_BYTES = 1 << 28
"""Cells up to this size are re-hashed before each use; in larger ones an untouched size and change time is trusted."""


@dataclass(frozen=True)
class Failure:
    """Why a cell failed. ``kind`` is "input" for what the user can fix, "error" for the rest."""

    kind: str
    message: str
    traceback: str
    attempts: int


class Store:
    """One store folder. Cheap to make; holds no open files."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @classmethod
    def create(cls, root: Path) -> Store:
        """Make the folders (private to the user) and prove that they can be written.

        Raises:
            InputError: the place cannot be written.
        """
        store = cls(root)
        try:
            store.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in ("cells", "work", "specs", "failures", "locks", "jobs"):
                (store.root / name).mkdir(exist_ok=True, mode=0o700)
            write_atomic(store.root / "writable", b"")
        except OSError as error:
            raise InputError(
                f"the store {store.root} cannot be written ({error.strerror}); name another with --store or STORE="
            ) from error
        return store

    # -- places ------------------------------------------------------------------------------------------------------

    def cell_folder(self, cell: Cell | CellSpec) -> Path:
        """Where the finished cell is, or will be."""
        stage = cell.stage.name if isinstance(cell, Cell) else cell.stage_name
        return self.root / "cells" / stage / cell.id[:_ID_DIGITS]

    def work_folder(self, cell_id: str) -> Path:
        """Where the unfinished cell keeps its output and checkpoints."""
        return self.root / "work" / cell_id

    # -- specs ---------------------------------------------------------------------------------------------------------

    def write_spec(self, cell: Cell) -> None:
        """Leave what a job needs to run the cell; places of external data may have moved, so always write."""
        path = self.root / "specs" / f"{cell.id}.json"
        data = canonical_json(cell.spec()).encode()
        if not path.is_file() or path.read_bytes() != data:
            write_atomic(path, data)

    def read_spec(self, cell_id: str) -> CellSpec:
        """Read a spec back."""
        return CellSpec(**json.loads((self.root / "specs" / f"{cell_id}.json").read_text()))

    # -- finished cells ------------------------------------------------------------------------------------------------

    def is_complete(self, cell: Cell | CellSpec) -> bool:
        """True when the finished folder is there. Says nothing about its bytes; see :meth:`damage`."""
        return (self.cell_folder(cell) / "seal.json").is_file()

    def damage(self, cell: Cell | CellSpec, deep: bool = False) -> str | None:
        """Compare a finished cell with its seal; return what is wrong in a few words, or None."""
        folder = self.cell_folder(cell)
        try:
            seal_document = json.loads((folder / "seal.json").read_text())
            files = seal_document["files"]
            if seal_document["id"] != cell.id:
                return "it belongs to another cell"
        except (OSError, ValueError, KeyError, TypeError):
            return "seal.json is torn"
        total = sum(entry["bytes"] for entry in files.values())
        present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"seal.json"}
        if present != set(files):
            odd = sorted(present ^ set(files))[0]
            return f"{odd} is {'missing' if odd in files else 'not its own'}"
        for name, entry in files.items():
            status = (folder / name).stat()
            if status.st_size != entry["bytes"]:
                return f"{name} has another size"
            untouched = status.st_mtime_ns == entry["mtime_ns"] and total > _DEEP_CHECK_BYTES and not deep
            if not untouched and file_sha256(folder / name) != entry["sha256"]:
                return f"{name} was changed"
        return None

    def discard(self, cell: Cell | CellSpec) -> None:
        """Remove a finished cell (because it is damaged), so that it is made anew."""
        folder = self.cell_folder(cell)
        aside = folder.with_name(f".discarded-{folder.name}-{os.getpid()}")
        if folder.exists():
            folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def record(self, cell: Cell | CellSpec) -> dict[str, Any]:
        """Return what the stage of a finished cell returned."""
        loaded: dict[str, Any] = json.loads((self.cell_folder(cell) / "result.json").read_text())
        return loaded

    def provenance(self, cell: Cell | CellSpec) -> dict[str, Any]:
        """Return how, where and when a finished cell was made."""
        loaded: dict[str, Any] = json.loads((self.cell_folder(cell) / "provenance.json").read_text())
        return loaded

    def publish(self, spec: CellSpec, record: dict[str, Any], provenance: dict[str, Any]) -> None:
        """Turn the work folder of a cell into the finished cell: seal, flush, rename. All or nothing."""
        out = self.work_folder(spec.id) / "out"
        write_json(out / "result.json", record)
        write_json(out / "cell.json", {"id": spec.id, "label": spec.label, **spec.identity})
        write_json(out / "provenance.json", provenance)
        (out / "seal.json").unlink(missing_ok=True)
        write_json(out / "seal.json", {"id": spec.id, "files": seal(out)})
        sync_tree(out)
        folder = self.cell_folder(spec)
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.exists():  # torn: without a seal, or this cell would not have been run
            self.discard(spec)
        out.rename(folder)
        sync_folder(folder.parent)
        (self.root / "failures" / f"{spec.id}.json").unlink(missing_ok=True)
        shutil.rmtree(self.work_folder(spec.id), ignore_errors=True)

    # -- failures and attempts -----------------------------------------------------------------------------------------

    def failure(self, cell_id: str) -> Failure | None:
        """Return the recorded failure of a cell, if any."""
        path = self.root / "failures" / f"{cell_id}.json"
        try:
            return Failure(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return Failure("error", f"{path} is torn", "", 0)

    def write_failure(self, cell_id: str, failure: Failure) -> None:
        """Record a failure. On a full disk the record itself may not fit; the failure must still surface."""
        try:
            write_json(self.root / "failures" / f"{cell_id}.json", vars(failure))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise

    def clear_failure(self, cell_id: str) -> None:
        """Forget a failure and the attempts before it, so that the cell is tried again."""
        (self.root / "failures" / f"{cell_id}.json").unlink(missing_ok=True)
        (self.work_folder(cell_id) / "attempts.json").unlink(missing_ok=True)

    # -- locks ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def claim(self, cell_id: str) -> Iterator[bool]:
        """Try to become the one process that works on a cell; yields False when another one is.

        The operating system lets go of the lock when the process ends, however it ends.
        """
        descriptor = os.open(self.root / "locks" / cell_id, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)

    def is_claimed(self, cell_id: str) -> bool:
        """True while some process works on the cell."""
        if not (self.root / "locks" / cell_id).exists():
            return False
        with self.claim(cell_id) as free:
            return not free

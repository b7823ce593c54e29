"""The store: a folder of plain files that holds cells, finished and unfinished.

Layout, and what may be lost without harm (docs/store.md tells it to users)::

    cells/<stage>/<first 20 digits of the id>/   a finished cell: result.json, cell.json, provenance.json, seal.json, files
    work/<id>/out/                               what an unfinished cell has written so far
    work/<id>/checkpoints/                       where it goes on from
    work/<id>/progress.json, attempts.json       for `status`, and what killed attempts cost
    specs/<id>.json                              what a job needs to run a cell
    failures/<id>.json                           the last error of a cell that failed
    locks/<id>                                   held while a process works on the cell
    logs/<id>.log                                what the attempts at a cell printed
    jobs/, fingerprints.json                     submitted jobs and logs of processes; a cache

Only ``cells/`` holds results. A finished cell appears by one rename, after everything in it was flushed to disk.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.common.errors import InputError
from methods.common.files import file_sha256, write_atomic
from reproductions.harness.cell import Cell, CellSpec, canonical_json, id_of
from reproductions.harness.files import is_disk_full, json_bytes, seal, sync_below, sync_folder, write_json, write_note
from reproductions.harness.lock import is_locked, try_lock

_ID_DIGITS = 20
_DEEP_CHECK_BYTES = 1 << 28
"""Cells up to this size are re-hashed before each use; in larger ones untouched sizes and change times are trusted."""
_PROBE_BYTES = 1 << 12
_PUBLISHED = ("result.json", "cell.json", "provenance.json", "seal.json")
"""Files that the store itself puts beside a stage's own."""


@dataclass(frozen=True)
class Failure:
    """Why a cell failed. ``kind``: "input" and "not_finite" for what the user can mend, "blocked" by another cell, or "error"."""

    kind: str
    message: str
    traceback: str
    attempts: int


@dataclass(frozen=True)
class Listing:
    """What a store holds by name at one moment: a look at thousands of cells for the price of a few folders."""

    cells: dict[str, set[str]]
    failed: set[str]
    locks: set[str]
    work: set[str]

    def may_be_complete(self, cell: Cell | CellSpec) -> bool:
        """True when the cell's folder is there, be it whole or torn."""
        stage = cell.stage.name if isinstance(cell, Cell) else cell.stage_name
        return cell.id[:_ID_DIGITS] in self.cells.get(stage, ())


class Store:
    """One store folder. Cheap to make; holds no open files."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @classmethod
    def create(cls, root: Path) -> Store:
        """Make the folders (private to the user) and prove that they can be written and locked.

        Raises:
            InputError: the place cannot be written or locked, or is full.
        """
        store = cls(root)
        probe = store.root / "locks" / "probe"
        try:
            store.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in ("cells", "work", "specs", "failures", "locks", "jobs", "logs"):
                (store.root / name).mkdir(exist_ok=True, mode=0o700)
            write_atomic(probe, bytes(_PROBE_BYTES))
            with try_lock(probe):
                pass
        except OSError as error:
            if is_disk_full(error, store.root):
                raise InputError(store.full_message) from error
            raise InputError(
                f"the store {store.root} cannot be written ({error.strerror}); name another with --store or STORE="
            ) from error
        for leftover in (store.root / "cells").glob("*/.discarded-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        return store

    @property
    def is_there(self) -> bool:
        """True when the folder is a store; any other may be the user's own."""
        return (self.root / "cells").is_dir()

    def check_there(self) -> None:
        """Look whether there is a store: a wrong place must not look like one where nothing has happened.

        Raises:
            InputError: there is none.
        """
        if not self.is_there:
            raise InputError(
                f"there is no store {self.root}; name another with --store or STORE=, or begin it with `segrepro run`"
            )

    @property
    def full_message(self) -> str:
        """What to tell the user when nothing more can be written."""
        return f"no space left in the store {self.root}: free some and run the same command again"

    @property
    def lost_message(self) -> str:
        """What to tell the user when the store is taken away from a run."""
        return f"the store {self.root} was removed or moved while this run worked in it; bring it back, or begin anew with the same command"

    # -- places ------------------------------------------------------------------------------------------------------

    def cell_folder(self, cell: Cell | CellSpec) -> Path:
        """Where the finished cell is, or will be."""
        stage = cell.stage.name if isinstance(cell, Cell) else cell.stage_name
        return self.root / "cells" / stage / cell.id[:_ID_DIGITS]

    def work_folder(self, cell_id: str) -> Path:
        """Where the unfinished cell keeps its output and checkpoints."""
        return self.root / "work" / cell_id

    def listing(self) -> Listing:
        """Read the names of everything in the store; folders that are not there count as empty."""
        cells = self.root / "cells"
        return Listing(
            {stage: _names(cells / stage) for stage in _names(cells)},
            {name.removesuffix(".json") for name in _names(self.root / "failures")},
            _names(self.root / "locks"),
            _names(self.root / "work"),
        )

    # -- specs ---------------------------------------------------------------------------------------------------------

    def write_spec(self, cell: Cell, scale: str) -> None:
        """Leave what a job needs to run the cell; places of external data may have moved, so always look."""
        path = self.root / "specs" / f"{cell.id}.json"
        data = canonical_json(cell.spec(scale)).encode()
        if not path.is_file() or path.read_bytes() != data:
            write_note(path, data)

    def read_spec(self, cell_id: str) -> CellSpec:
        """Read a spec back.

        Raises:
            ValueError: it is not there, or not what was written.
        """
        path = self.root / "specs" / f"{cell_id}.json"
        try:
            spec = CellSpec(**json.loads(path.read_text()))
            identity_id = id_of(spec.identity)
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{path} is missing or damaged; run the same command again, it is written anew") from error
        if not spec.id == cell_id == identity_id:
            raise ValueError(f"{path} was edited; run the same command again, it is written anew")
        return spec

    def knows(self, cell: Cell | CellSpec) -> bool:
        """True when a run has planned the cell, or finished it."""
        return (self.root / "specs" / f"{cell.id}.json").is_file() or self.is_complete(cell)

    def known_cells(self, id_start: str = "") -> Iterator[CellSpec]:
        """Read back every cell that a run has planned or finished and whose id begins so; damaged files are passed over.

        ``id_start`` holds hexadecimal digits only. A finished cell whose spec is lost can be described, but not run again.
        """
        found = set()
        for path in sorted((self.root / "specs").glob(f"{id_start}*.json")):
            with suppress(ValueError):
                yield self.read_spec(path.stem)
                found.add(path.stem)
        for path in sorted((self.root / "cells").glob(f"*/{id_start[:_ID_DIGITS]}*/cell.json")):
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                spec = described_cell(path)
                if spec.id not in found and spec.id.startswith(id_start):
                    yield spec

    # -- finished cells ------------------------------------------------------------------------------------------------

    def is_complete(self, cell: Cell | CellSpec) -> bool:
        """True when the finished folder is there. Says nothing about its bytes; see :meth:`damage`."""
        return (self.cell_folder(cell) / "seal.json").is_file()

    def damage(self, cell: Cell | CellSpec, deep: bool = False) -> str | None:
        """Compare a finished cell with its seal; return what is wrong in a few words, or None."""
        folder = self.cell_folder(cell)
        try:
            sealed_id, files = _read_seal(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "seal.json is torn"
        if sealed_id != cell.id:
            return "it belongs to another cell"
        present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        for name in sorted(set(files) - set(present)):
            return f"{name} is missing"
        for name in sorted(set(present) - set(files) - {"seal.json"}):
            if not present[name].name.startswith("."):  # desktops and editors leave hidden files, stages read none
                return f"{name} is not its own"
        trusted = not deep and sum(entry.num_bytes for entry in files.values()) > _DEEP_CHECK_BYTES
        for name, entry in files.items():
            reason = entry.damage(present[name], trusted)
            if reason is not None:
                return f"{name} {reason}"
        return None

    def discard(self, cell: Cell | CellSpec) -> None:
        """Remove a finished cell (because it is damaged), so that it is made anew."""
        folder = self.cell_folder(cell)
        aside = folder.with_name(f".discarded-{folder.name}-{uuid.uuid4().hex}")
        try:
            folder.rename(aside)
        except FileNotFoundError:
            return
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
        for name in _PUBLISHED:  # of an attempt that came as far as here
            (out / name).unlink(missing_ok=True)
        write_note(out / "result.json", json_bytes(record))
        write_note(out / "cell.json", json_bytes({"id": spec.id, "label": spec.label, **spec.identity}))
        write_note(out / "provenance.json", json_bytes(provenance))
        sync_below(out)  # before the seal is made: some network disks settle change times only now
        write_json(out / "seal.json", {"id": spec.id, "files": seal(out)})
        sync_folder(out)
        folder = self.cell_folder(spec)
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.exists():  # torn: without a seal, or this cell would not have been run
            self.discard(spec)
        out.rename(folder)
        sync_folder(folder.parent)
        self.clear_failure(spec.id)
        self.clear_work(spec.id)

    def clear_work(self, cell_id: str) -> None:
        """Remove checkpoints and notes of a cell that is finished."""
        shutil.rmtree(self.work_folder(cell_id), ignore_errors=True)

    # -- failures ------------------------------------------------------------------------------------------------------

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
            if not is_disk_full(error, self.root):
                raise

    def clear_failure(self, cell_id: str) -> None:
        """Forget a failure, so that the cell is tried again; what its attempts cost stays known."""
        (self.root / "failures" / f"{cell_id}.json").unlink(missing_ok=True)

    # -- locks ---------------------------------------------------------------------------------------------------------

    def claim(self, cell_id: str) -> AbstractContextManager[bool]:
        """Try to become the one process that works on a cell; yields False when another one is."""
        return try_lock(self.root / "locks" / cell_id)

    def is_claimed(self, cell_id: str) -> bool:
        """True while some process works on the cell."""
        return is_locked(self.root / "locks" / cell_id)


@dataclass(frozen=True)
class _Sealed:
    """One file as it was when the cell was finished."""

    num_bytes: int
    mtime_ns: int
    ctime_ns: int
    sha256: str

    def damage(self, path: Path, trusted: bool) -> str | None:
        """Return what is wrong with the file, or None; when ``trusted``, untouched change times are enough."""
        status = path.stat()
        if status.st_size != self.num_bytes:
            return "has another size"
        if trusted and (status.st_mtime_ns, status.st_ctime_ns) == (self.mtime_ns, self.ctime_ns):
            return None
        return "was changed" if file_sha256(path) != self.sha256 else None


def described_cell(path: Path) -> CellSpec:
    """Read what a finished cell says of itself.

    Raises:
        ValueError: it was edited.
    """
    identity = json.loads(path.read_text())
    cell_id, label = str(identity.pop("id")), str(identity.pop("label"))
    if id_of(identity) != cell_id:
        raise ValueError(f"{path} was edited")
    return CellSpec(cell_id, identity, module="", label=label, cost_s=1.0, scale="", external={})


def _read_seal(folder: Path) -> tuple[str, dict[str, _Sealed]]:
    document = json.loads((folder / "seal.json").read_text())
    files = {
        name: _Sealed(int(entry["bytes"]), int(entry["mtime_ns"]), int(entry["ctime_ns"]), str(entry["sha256"]))
        for name, entry in document["files"].items()
    }
    return str(document["id"]), files


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 - names only, of folders with thousands
    except (FileNotFoundError, NotADirectoryError):
        return set()

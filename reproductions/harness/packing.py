"""One file with a report and the finished cells behind it, for a supplement: a tar that begins with a manifest of hashes.

Members: ``manifest.json``, ``cells/<stage>/<first digits of the id>/...`` as in a store but without seals, ``report/...``. Equal contents
give an equal file. Whoever reads it trusts nothing: names, sizes and hashes are held against the manifest, and each cell's identity
against its id, before anything of it reaches a store.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from methods.common.errors import InputError
from methods.common.files import file_sha256
from reproductions.harness.cell import Cell, CellSpec
from reproductions.harness.files import json_bytes, seal, sync_below, sync_folder, write_json
from reproductions.harness.store import Store, described_cell

FORMAT = 1
MANIFEST = "manifest.json"
_SEAL = "seal.json"
_CHUNK_BYTES = 1 << 20
_CELL_FOLDER = re.compile(r"cells/(\w+)/([0-9a-f]{20})")
_MAX_MANIFEST_BYTES = 1 << 30


@dataclass(frozen=True)
class Unpacked:
    """What came out of a packed file."""

    manifest: Mapping[str, Any]
    num_new: int
    """Cells that the store did not have."""
    num_known: int
    report: Path | None
    """Where the report's folders lie now; None when the file holds none."""


def pack(store: Store, cells: Iterable[Cell], report: Path, about: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Write finished cells and a report into one file; return the manifest.

    Args:
        store: that holds the cells.
        cells: all finished.
        report: folder whose files are packed as they are.
        about: goes into the manifest: what was asked.
        path: the file; it appears whole or not at all.

    Raises:
        InputError: a cell was changed after it was finished.
    """
    files: dict[str, Path] = {}
    known = {}
    for cell in cells:
        reason = store.damage(cell, deep=True)
        if reason is not None:
            raise InputError(f"{cell.label} ({cell.id[:12]}): {reason}; run the plan again, it is made anew")
        folder = store.cell_folder(cell)
        start = folder.relative_to(store.root).as_posix()
        known[cell.id] = {"label": cell.label, "folder": start}
        files |= {f"{start}/{name}": folder / name for name in _own_files(folder)}
    files |= {f"report/{place.relative_to(report).as_posix()}": place for place in _files_below(report)}
    entries: dict[str, dict[str, Any]] = {
        name: {"bytes": place.stat().st_size, "sha256": file_sha256(place)} for name, place in sorted(files.items())
    }
    manifest = {"format": FORMAT, **about, "cells": known, "files": entries}
    aside = path.with_name(f".{path.name}.part")
    try:
        with tarfile.open(aside, "w", format=tarfile.PAX_FORMAT) as tar:
            data = json_bytes(manifest)
            tar.addfile(_member(MANIFEST, len(data)), io.BytesIO(data))
            for name, entry in entries.items():
                with files[name].open("rb") as file:
                    tar.addfile(_member(name, entry["bytes"]), file)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return manifest


def unpack(path: Path, store: Store, reports: Path) -> Unpacked:
    """Verify a packed file and put its cells into a store, its report below ``reports`` in a folder that only this file has.

    Raises:
        InputError: the file is not what a pack wrote, or was changed. The store and the reports are as before then.
    """
    with _tar(path) as tar, tempfile.TemporaryDirectory(prefix=".import-", dir=store.root) as aside:
        manifest = _manifest(tar, path)
        _extract(tar, manifest["files"], Path(aside), path)
        cells = [_verified_cell(cell_id, about, Path(aside), path) for cell_id, about in manifest["cells"].items()]
        num_new = sum(_adopt(store, cell, Path(aside) / manifest["cells"][cell.id]["folder"]) for cell in cells)
        report = _keep_report(Path(aside) / "report", reports, manifest)
    return Unpacked(manifest, num_new, len(cells) - num_new, report)


# -- writing -----------------------------------------------------------------------------------------------------------------


def _own_files(folder: Path) -> list[str]:
    """Names of the files that the seal vouches for."""
    return sorted(json.loads((folder / _SEAL).read_text())["files"])


def _files_below(folder: Path) -> Iterator[Path]:
    return (place for place in sorted(folder.rglob("*")) if place.is_file())


def _member(name: str, num_bytes: int) -> tarfile.TarInfo:
    """Describe a member by name and size alone, so that equal contents are equal files."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = num_bytes, 0o644
    return member


# -- reading -----------------------------------------------------------------------------------------------------------------


@contextmanager
def _tar(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except tarfile.TarError as error:
        raise InputError(f"{path} is not a file that `segrepro export` wrote, or it is cut short ({error})") from error


def _manifest(tar: tarfile.TarFile, path: Path) -> dict[str, Any]:
    first = tar.next()
    data = tar.extractfile(first) if first is not None and first.isfile() and first.name == MANIFEST else None
    if first is None or data is None or first.size > _MAX_MANIFEST_BYTES:
        raise InputError(f"{path} does not begin with {MANIFEST}; only files that `segrepro export` wrote are read")
    try:
        manifest: dict[str, Any] = json.loads(data.read())
        is_known = manifest["format"] == FORMAT
        cells = {str(cell_id): about["folder"] for cell_id, about in manifest["cells"].items()}
        names = {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in manifest["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: its {MANIFEST} is torn ({error})") from error
    if not is_known:
        raise InputError(f"{path} has format {manifest['format']}, this version reads {FORMAT}")
    for cell_id, folder in cells.items():
        match = _CELL_FOLDER.fullmatch(folder)
        if match is None or not cell_id.startswith(match[2]):
            raise InputError(f"{path}: {folder} is no folder of the cell {cell_id[:12]}")
    for name in names:
        place = PurePosixPath(name)
        in_cell = place.as_posix().startswith(tuple(f"{folder}/" for folder in cells.values()))
        if place.is_absolute() or ".." in place.parts or not (in_cell or place.parts[:1] == ("report",)):
            raise InputError(f"{path}: {name} lies outside of what it says to hold")
    return manifest


def _extract(tar: tarfile.TarFile, files: Mapping[str, Any], folder: Path, path: Path) -> None:
    """Write every member into ``folder``; each must be in the manifest, once, with its size and hash."""
    left = dict(files)
    for member in tar:
        if member.name == MANIFEST and member.offset == 0:
            continue
        entry = left.pop(member.name, None)
        source = tar.extractfile(member) if entry is not None and member.isfile() else None
        if entry is None or source is None:
            raise InputError(f"{path}: {member.name} is not in its manifest; get the file again")
        place = folder / member.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (member.size, _copy(source, place)) != (entry["bytes"], entry["sha256"]):
            raise InputError(f"{path}: {member.name} was changed; get the file again")
    if left:
        raise InputError(f"{path}: {min(left)} is missing; get the file again")


def _copy(source: IO[bytes], place: Path) -> str:
    """Copy and return the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with place.open("xb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _verified_cell(cell_id: str, about: Mapping[str, Any], aside: Path, path: Path) -> CellSpec:
    """Read what a cell says of itself; its identity must give its id, and its stage the folder it lies in."""
    try:
        cell = described_cell(aside / about["folder"] / "cell.json")
        for name in ("result.json", "provenance.json"):
            json.loads((aside / about["folder"] / name).read_text())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: the cell {cell_id[:12]} is not whole ({error}); get the file again") from error
    if cell.id != cell_id or about["folder"].split("/")[1] != cell.stage_name:
        raise InputError(f"{path}: {about['folder']} holds the cell {cell.id[:12]}; get the file again")
    return cell


def _adopt(store: Store, cell: CellSpec, folder: Path) -> bool:
    """Make a verified folder a finished cell; False when the store has it, or somebody works on it."""
    with store.claim(cell.id) as claimed:
        if not claimed or store.is_complete(cell):
            return False
        sync_below(folder)
        write_json(folder / _SEAL, {"id": cell.id, "files": seal(folder)})
        sync_folder(folder)
        place = store.cell_folder(cell)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if place.exists():  # torn
            store.discard(cell)
        folder.rename(place)
        sync_folder(place.parent)
        return True


def _keep_report(folder: Path, reports: Path, manifest: Mapping[str, Any]) -> Path | None:
    if not folder.is_dir():
        return None
    digest = hashlib.sha256(json_bytes(manifest)).hexdigest()[:8]
    place = reports / f"imported-{digest}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, place)
    return place

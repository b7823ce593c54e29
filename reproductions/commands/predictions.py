"""What ``segrepro export-predictions`` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from methods.common.errors import InputError

if TYPE_CHECKING:
    from methods.common.stage import Inputs
    from reproductions.harness.cell import Cell, CellSpec
    from reproductions.harness.find import Search

_FORMATS = ("coco", "fiftyone")


def export_predictions(
    search: Search,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="Label, or the first digits of an id.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Folder to write; new or empty.")],
    format: Annotated[
        str, typer.Option("--format", help="coco (results JSON) or fiftyone (a folder to import).")
    ] = "coco",
) -> None:
    """Write what an evaluation predicted in the form that other tools read."""
    from methods.common.growth import read_stored
    from methods.common.stages.export_predictions import export_coco, export_fiftyone
    from reproductions.harness.cell import CellSpec

    if format not in _FORMATS:
        raise InputError(f"unknown format {format!r}; choose one of {', '.join(_FORMATS)}")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InputError(f"{to} is not empty; name a new folder with --to")
    found, store = search.find_begun(cell), search.store
    if not store.is_complete(found):
        raise InputError(f"{found.label} is not finished; run its plan first")
    try:
        stage = found.stage() if isinstance(found, CellSpec) else found.stage
    except ValueError as error:
        raise InputError(str(error)) from error
    config = read_stored(stage.config_type, found.identity["config"])
    export = export_coco if format == "coco" else export_fiftyone
    number = export(store.cell_folder(found), config, _inputs(found, search), to)
    print(f"{to}: predictions for {number} images of {found.label} ({found.id[:12]})")


def _inputs(cell: Cell | CellSpec, search: Search) -> Inputs:
    """Where the cell's inputs lie, as far as that is known."""
    from methods.common.stage import Inputs

    roles: dict[str, list[Path]] = {}
    for role, ids in cell.identity["inputs"].items():
        known = [search.by_id(cell_id) for cell_id in ids]
        roles[role] = [search.store.cell_folder(one) for one in known if one is not None]
    for role in cell.identity["external"]:
        if role not in cell.external:
            raise InputError(f"nobody knows any more where the {role} of {cell.label} lie; run its plan again")
        place = cell.external[role]
        roles[role] = [Path(place) if isinstance(place, str) else place.path]
    return Inputs(roles)

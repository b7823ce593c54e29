"""What ``segrepro export`` and ``segrepro import`` do."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from methods.common.errors import InputError
from reproductions.commands.options import DEFAULT_OUT, OutOption, SiteOption, StoreOption
from reproductions.commands.places import check_folders
from reproductions.commands.several import show_scoreboard

if TYPE_CHECKING:
    from reproductions.study.paper import Paper
    from reproductions.study.request import Request


def export_report(
    paper: Paper,
    request: Request,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="File to write, e.g. supplement.tar.")],
) -> None:
    """Pack the report and the finished cells behind it into one file with a manifest of hashes."""
    from importlib.metadata import version

    from methods.common.files import file_sha256
    from reproductions.harness.packing import pack

    request.store.check_there()
    plan = paper.plan(request)
    missing = {cell.id for cell in plan.missing(request.store)}
    cells = [cell for cell in plan if cell.id not in missing]
    if not cells:
        raise InputError(f"nothing of this plan is finished; `{request.again('run')}` does it")
    if to.is_dir():
        raise InputError(f"{to} is a folder; name a file with --to, such as {to / 'supplement.tar'}")
    check_folders([to.parent], "--to")
    to.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "segrepro": version("segrepro"),
        "plan": plan.name,
        "command": request.command(),
        "request": request.record(),
    }
    with tempfile.TemporaryDirectory() as folder:
        paper.report(request, plan, Path(folder))
        pack(request.store, cells, Path(folder), about, to)
    if missing:
        print(f"segrepro: {len(missing)} cells are not finished and not in the file", file=sys.stderr)
    print(f"{to}: {len(cells)} cells, {to.stat().st_size:,} bytes, SHA-256 {file_sha256(to)}")


def import_report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written by `segrepro export`.")],
    store: StoreOption = None,
    site: SiteOption = None,
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Verify a packed report against its manifest and put its cells into the store, the report below --out."""
    from reproductions.harness.known_plans import remember
    from reproductions.harness.packing import unpack
    from reproductions.harness.site import read_site
    from reproductions.harness.store import Store
    from reproductions.study.request import USUAL_STORE

    if not file.is_file():
        raise InputError(f"there is no file {file}; `segrepro export` writes one")
    check_folders([out], "--out")
    place = Store.create(store or read_site(site).store or Path(USUAL_STORE))
    found = unpack(file, place, out)
    about = found.manifest
    if {"plan", "command", "request"} <= about.keys():
        remember(place, about["plan"], about["command"], about["request"], about["cells"])
    print(f"every file is as its manifest says; {found.num_new} cells are new, {found.num_known} were there")
    print(f"asked for by: {about.get('command', 'nobody knows')}")
    if found.report is not None:
        print(f"report: {found.report}")
        show_scoreboard(out)

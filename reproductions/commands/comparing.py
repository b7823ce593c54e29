"""What ``segrepro compare`` does: finds the two reports, in folders or in stores, and prints what differs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from methods.common.errors import InputError
from reproductions.commands.options import JsonOption
from reproductions.commands.places import check_folders

if TYPE_CHECKING:
    from reports.records import Report
    from reproductions.study.paper import StudiedPaper
    from reproductions.study.request import Request

RECORDS = "records.json"

LeftArgument = Annotated[Path, typer.Argument(metavar="A", help="Folder of a report, or a store.")]
RightArgument = Annotated[Path, typer.Argument(metavar="B", help="The same.")]


def compare_reports(
    left: LeftArgument,
    right: RightArgument,
    out: Annotated[Path | None, typer.Option("--out", help="Also write compare.md and compare.json there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two reports, or what two stores hold: settings that differ, paired tests, verdicts that changed."""
    from reports.comparison import comparison_page
    from reports.files import write_whole
    from reproductions.verdicts.comparison import compare

    if out is not None:
        check_folders([out], "--out")
    pairs = _pairs(left, right)
    found = [compare(one, other, *names) for names, one, other in pairs]
    page = "\n".join(comparison_page(one) for one in found)
    document = [one.model_dump(mode="json") for one in found]
    text = json.dumps(document[0] if len(document) == 1 else document, indent=1, ensure_ascii=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "compare.md", page.encode())
        write_whole(out / "compare.json", f"{text}\n".encode())
    print(text if as_json else page, end="\n" if as_json else "")


Collect = Callable[[], "Mapping[str, Report]"]
"""Returns the reports of one request by their backbone."""


def _pairs(left: Path, right: Path) -> list[tuple[tuple[str, str], Report, Report]]:
    """Find the reports that belong together: of the requests that both were asked, or of the only one of each place."""
    names, sides = (str(left), str(right)), [_requests(place) for place in (left, right)]
    shared = [(sides[0][command], sides[1][command]) for command in sides[0] if command in sides[1]]
    if all(len(side) == 1 for side in sides):
        shared = [(next(iter(sides[0].values())), next(iter(sides[1].values())))]
    if not shared:
        asked = "; ".join(f"{place}: {', '.join(side)}" for place, side in zip(names, sides, strict=True))
        raise InputError(f"the two have no request in common ({asked}); name folders of reports")
    return [(names, one, other) for pair in shared for one, other in _of_one_request(names, *(get() for get in pair))]


def _of_one_request(
    names: tuple[str, str], left: Mapping[str, Report], right: Mapping[str, Report]
) -> list[tuple[Report, Report]]:
    """Set reports beside each other: the only one of each side, else those of the same backbone."""
    one, other = next(iter(left.values())), next(iter(right.values()))
    if one.run.paper_id != other.run.paper_id:
        raise InputError(
            f"{names[0]} is of {one.run.paper_id} and {names[1]} of {other.run.paper_id}; only reports of one paper are compared"
        )
    if len(left) == len(right) == 1:
        return [(one, other)]
    return [(left[backbone], right[backbone]) for backbone in left if backbone in right]


def _requests(place: Path) -> Mapping[str, Collect]:
    """Read the report of a folder, or find the known plans of a store, whose reports are collected when they are wanted; by command."""
    if (place / RECORDS).is_file():
        report = _read(place / RECORDS)
        return {_without_places(report.run.command): lambda: {report.backbones[0].id: report}}
    if (place / "cells").is_dir():
        return _of_store(place)
    below = sorted(path.parent.relative_to(place).as_posix() for path in place.rglob(RECORDS)) if place.is_dir() else []
    advice = f"; reports lie in {', '.join(below[:4])} below it" if below else ""
    raise InputError(f"{place} is neither the folder of a report ({RECORDS}) nor a store{advice}")


def _without_places(command: str) -> str:
    """Leave out where a run kept its work, so that the same request is the same text wherever it was run."""
    words = iter(shlex.split(command))
    kept = []
    for word in words:
        if word in ("--store", "--site"):
            next(words, None)
        else:
            kept.append(word)
    return shlex.join(kept)


def _read(path: Path) -> Report:
    from pydantic import ValidationError

    from reproductions.study.paper import StudiedPaper
    from reproductions.study.registry import load_paper

    try:
        paper_id = str(json.loads(path.read_text())["run"]["paper_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is torn; write the report again with `segrepro report`") from error
    paper = load_paper(paper_id)
    assert isinstance(paper, StudiedPaper), "others write no records"
    try:
        report: Report = paper.report_type.load(path)
    except ValidationError as error:
        raise InputError(
            f"{path} is of another version or was edited; write the report again with `segrepro report`"
        ) from error
    return report


def _of_store(place: Path) -> Mapping[str, Collect]:
    from reproductions.harness.known_plans import known_plans
    from reproductions.harness.site import read_site
    from reproductions.harness.store import Store
    from reproductions.study.paper import StudiedPaper
    from reproductions.study.registry import load_paper
    from reproductions.study.request import request_from_record

    store, found = Store(place), {}
    for known in known_plans(store):
        request = request_from_record(known.request, store, read_site(None))
        paper = load_paper(request.paper_id)
        if isinstance(paper, StudiedPaper):
            found[known.command] = partial(_collected, paper, request)
    if not found:
        raise InputError(f"the store {place} has no plan that a run was asked for; name folders of reports")
    return found


def _collected(paper: StudiedPaper[Any, Any, Any, Any], request: Request) -> Mapping[str, Report]:
    from reproductions.study import reporting

    return {report.backbones[0].id: report for report in reporting.judged_reports(paper, request)}

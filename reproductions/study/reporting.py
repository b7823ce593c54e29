"""Writes the reports of a paper: collect, judge, render."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.files import MADE_HERE
from reports import records
from reports.drill import NO_DETAILS, Details
from reports.loss_curves import loss_figure
from reports.page import write_page
from reproductions.harness.plan import Plan
from reproductions.study.arms import Arm
from reproductions.study.collector import Collector, provenance
from reproductions.study.planner import CellsT, HowT, SeedPlanner, StudyT
from reproductions.study.request import Request
from reproductions.study.request_name import RequestName, name_request
from reproductions.study.run_details import collect_details
from reproductions.study.targets import read_lost_targets, read_targets
from reproductions.study.weights_used import weights_used
from reproductions.verdicts.verdict import judge

if TYPE_CHECKING:
    from reproductions.study.paper import Asked, ReportT, StudiedPaper


def write_reports(paper: StudiedPaper[StudyT, HowT, CellsT, ReportT], request: Request, plan: Plan, out: Path) -> Path:
    """Write ``<out>/<paper>/<tier>/`` for each study and return the last one's page.

    Own data get a folder of their own name; several studies of one tier one each. What is not the plain request of the tier has a
    folder of its own beside it (:mod:`reproductions.study.request_name`).
    """
    asked, page = paper.asked(request), out
    places = _places(paper, request, [one.study.backbone for one in asked], out)
    for one, planners, (folder, name) in zip(asked, paper.planners(request, asked), places, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MADE_HERE).touch()
        collected = collect(paper, request, one, planners, plan, folder)
        run = collected.run.model_copy(update={"differs": name.differs})
        collected = collected.model_copy(update={"run": run})
        judged = judge(collected, paper.study_claims(request, one.study))
        details = collect_details(planners, one.arms, plan, request.store, judged)
        page = render_report(paper, judged, folder, details)
    return page


def report_folders(paper: StudiedPaper[StudyT, HowT, CellsT, ReportT], request: Request, out: Path) -> list[Path]:
    """Return where :func:`write_reports` will write."""
    backbones = [one.study.backbone for one in paper.asked(request)]
    return [folder for folder, _ in _places(paper, request, backbones, out)]


def _places(
    paper: StudiedPaper[StudyT, HowT, CellsT, ReportT], request: Request, backbones: Sequence[str], out: Path
) -> Iterator[tuple[Path, RequestName]]:
    """Yield the folder of the report of each study, and what it is named after."""
    usual = {study.backbone: study for study in paper.studies(request)}
    for backbone in backbones:
        name = name_request(paper, request, usual[backbone])
        place = out
        if request.data is not None:
            place = out / f"own-{request.data.resolve().name}"
        elif len(backbones) > 1:
            place = out / backbone
        yield place / paper.id / name.folder, name


def judged_reports(paper: StudiedPaper[StudyT, HowT, CellsT, ReportT], request: Request) -> list[ReportT]:
    """Return the records of each study of a request as the store has them now, judged; no page and no picture is kept."""
    plan, asked = paper.plan(request), paper.asked(request)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for one, planners in zip(asked, paper.planners(request, asked), strict=True):
            collected = collect(paper, request, one, planners, plan, Path(folder))
            found.append(judge(collected, paper.study_claims(request, one.study)))
    return found


def render_report(
    paper: StudiedPaper[StudyT, HowT, CellsT, ReportT], report: ReportT, folder: Path, details: Details = NO_DETAILS
) -> Path:
    """Draw the figures and write the pages of judged records, with the runs behind them where they are given; return the Markdown page."""
    drawn = (*paper.figures(report, folder), loss_figure(report, details, folder))
    figures = [figure for figure in drawn if figure is not None]
    return write_page(report, folder, figures, paper.sections(report), details)


def collect(
    paper: StudiedPaper[StudyT, HowT, CellsT, ReportT],
    request: Request,
    asked: Asked[StudyT, HowT],
    planners: Sequence[SeedPlanner[StudyT, HowT, CellsT]],
    plan: Plan,
    folder: Path,
) -> ReportT:
    """Return everything that is there, not yet judged; what was not run is left out."""
    backbone = asked.study.backbone
    metrics = [metric.id for metric in paper.metrics]
    collector = paper.collector_type(request.store, planners, asked.arms, backbone, metrics, folder / "pictures")
    printed = request.data is None
    return paper.report_type(
        run=_run(paper, request, asked, planners, plan),
        arms=tuple(row_of(arm) for arm in asked.arms if arm.row),
        backbones=(records.Backbone(id=backbone, title=paper.backbones[backbone]),),
        metrics=paper.metrics,
        targets=read_targets(paper.folder) if printed else (),
        lost_targets=read_lost_targets(paper.folder) if printed else (),
        not_run={arm.id: arm.not_run for arm in paper.arms if arm.not_run} if printed else {},
        beside=dict.fromkeys(paper.beside.get(backbone, ()), backbone) if printed else {},
        baselines=dict(paper.baselines) if printed else {},
        deviations=paper.ledger(request),
        style=paper.style,
        **_collected(collector),
    )


def _collected(collector: Collector[StudyT, HowT, CellsT]) -> dict[str, Any]:
    return {"results": tuple(collector.results()), "costs": tuple(collector.costs()), **collector.extras()}


def row_of(arm: Arm[HowT]) -> records.Arm:
    """Return what a report says of an arm."""
    return records.Arm(id=arm.id, title=arm.title, what=arm.what, control=arm.control, table=arm.table, group=arm.group)


def _run(
    paper: StudiedPaper[StudyT, HowT, CellsT, ReportT],
    request: Request,
    asked: Asked[StudyT, HowT],
    planners: Sequence[SeedPlanner[StudyT, HowT, CellsT]],
    plan: Plan,
) -> records.Run:
    weights = weights_used(paper.study_needs(request, asked.study, asked.arms), request.store)
    data = f"own data ({request.data.name})" if request.data is not None else paper.data_name(request)
    return records.Run(
        paper_id=paper.id,
        paper_title=paper.title,
        paper_source=paper.source,
        tier=request.tier,
        data=data,
        seeds=tuple(planner.index for planner in planners),
        command=request.to_repeat(),
        study=asked.study.model_dump(mode="json"),
        settings=paper.facts(request, asked.study),
        provenance=provenance(request.store, plan).model_copy(update={"weights": weights}),
    )

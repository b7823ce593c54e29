"""Writes MRCA's reports: collect, judge, render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reports.records import Run
from reproductions.harness.plan import Plan
from reproductions.mrca.claims import CLAIMS, GIVEN_OBJECTS_CLAIMS
from reproductions.mrca.collect import Collector
from reproductions.mrca.figures import write_report
from reproductions.mrca.plan import SeedPlanner
from reproductions.mrca.study import StudyConfig
from reproductions.study.collector import provenance
from reproductions.study.paper import Request
from reproductions.verdicts.verdict import judge

if TYPE_CHECKING:
    from reproductions.mrca.paper import MrcaPaper


def write_reports(paper: MrcaPaper, request: Request, plan: Plan, out: Path) -> Path:
    """Write one report a study and return the last one's main file."""
    path = out
    for planners in paper.planners(request):
        path = _write(paper, request, plan, planners, _folder(request, planners[0].study, out))
    return path


def _folder(request: Request, study: StudyConfig, out: Path) -> Path:
    """Own data get a folder of their own name; the two tables of tier paper one each."""
    if request.data is not None:
        return out / f"own-{request.data.resolve().name}"
    return out / study.backbone if request.tier == "paper" else out


def _write(paper: MrcaPaper, request: Request, plan: Plan, planners: tuple[SeedPlanner, ...], out: Path) -> Path:
    study = planners[0].study
    pictures = out / paper.id / request.tier / "objects"
    collector = Collector(request.store, planners, paper.arms(request), pictures)
    run = Run(
        paper_id=paper.id,
        paper_title=paper.title,
        paper_source=paper.source,
        tier=request.tier,
        data=_data_name(request),
        seeds=tuple(planner.index for planner in planners),
        command=request.command(),
        settings=_settings(study, generates=request.objects is None),
        provenance=provenance(request.store, plan),
    )
    claims = CLAIMS if request.objects is None else GIVEN_OBJECTS_CLAIMS
    return write_report(judge(collector.report(run, request.data is not None), claims), out)


def _data_name(request: Request) -> str:
    if request.data is not None:
        return f"own data ({request.data.name})"
    return "LVIS v1" if request.tier == "paper" else "the miniature world, LVIS layout"


def _settings(study: StudyConfig, generates: bool) -> dict[str, str]:
    """Facts that a reader must know to read the numbers."""
    rounds = study.mrca.rounds
    generation = {
        "rounds x objects": f"{rounds.num_rounds} x {rounds.objects_per_round}",
        "objects of X-Paste": f"{study.xpaste.objects_per_class * study.segmenter.num_classes}",
    }
    return {
        "feedback split": "held-out training images"
        if study.split.feedback_split == "heldout_train"
        else "val, as released",
        "feedback lag": str(rounds.feedback_lag),
        **(generation if generates else {"rounds": str(rounds.num_rounds)}),
        "iterations": f"warm-up {study.warm_up_iterations}, then {study.main_iterations}, batch {study.recipe.batch_size}",
    }

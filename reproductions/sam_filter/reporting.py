"""Writes the reports of the SAM filter: collect, judge, render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reports.records import Run
from reproductions.harness.plan import Plan
from reproductions.sam_filter.claims import CLAIMS, OWN_DATA_CLAIMS
from reproductions.sam_filter.collect import Collector
from reproductions.sam_filter.figures import write_report
from reproductions.sam_filter.study import StudyConfig
from reproductions.study.collector import provenance
from reproductions.study.paper import Request
from reproductions.verdicts.verdict import judge

if TYPE_CHECKING:
    from reproductions.sam_filter.paper import SamFilterPaper

_NUM_COMPARED = 8
"""Drawn pictures whose noisy masks are compared with clean ones."""


def write_paper_report(paper: SamFilterPaper, request: Request, plan: Plan, out: Path) -> Path:
    """Write the report and return its main file."""
    planners = paper.planners(request)
    own_data = request.data is not None
    if request.data is not None:
        out = out / f"own-{request.data.resolve().name}"
    pictures = out / paper.id / request.tier / "pictures"
    collector = Collector(request.store, planners, paper.arms(request), paper.with_pilot(request), pictures)
    run = Run(
        paper_id=paper.id,
        paper_title=paper.title,
        paper_source=paper.source,
        tier=request.tier,
        data=_data_name(request),
        seeds=tuple(planner.index for planner in planners),
        command=request.command(),
        settings=_own_settings(planners[0].study) if own_data else _settings(planners[0].study),
        provenance=provenance(request.store, plan),
    )
    claims = OWN_DATA_CLAIMS if own_data else CLAIMS
    return write_report(judge(collector.report(run, own_data), claims), out)


def _data_name(request: Request) -> str:
    if request.data is not None:
        return f"own data ({request.data.name})"
    return "PASCAL VOC 2012" if request.tier == "paper" else "the miniature world, VOC layout"


def _settings(study: StudyConfig) -> dict[str, str]:
    """Facts that a reader must know to read the numbers."""
    sizes = ", ".join(f"{10 * quarter}k is {study.kept(quarter)}" for quarter in (1, 2, 3, 4))
    lengths = ", ".join(str(study.iterations_for(study.kept(quarter))) for quarter in (1, 2, 3, 4))
    drawn = study.pretraining
    return {
        "pairs": sizes,
        "iterations": f"{lengths} for these; {study.real_iterations} on real images; batch {study.recipe.batch_size}",
        "pre-training": f"{drawn.num_images} drawn pictures of {drawn.drawn.size_px} px, {drawn.iterations} iterations",
        "noise in drawn masks": _noise(study),
        "masks": f"variant {study.variant} (self-attention, cross-attention: cells a side)",
        "prompter": study.prompter.kind,
        "pilot's reference": study.reference.kind,
        "label 255 in the score": study.uncertain,
    }


def _noise(study: StudyConfig) -> str:
    """Say how far the noisy masks are from the clean ones, on one axis for every kind of noise (specification 7.2)."""
    from methods.sam_filter.semseg_fdsl import SemSegFdsl

    noise = study.pretraining.noise
    drawn = study.pretraining.drawn.model_copy(update={"contour": "VA", "mask_noise": noise})
    overlap = SemSegFdsl(drawn, _NUM_COMPARED).overlap_with_clean(_NUM_COMPARED)
    return f"{noise}, up to {drawn.mask_noise_px} px; IoU with the clean masks {overlap:.2f} (mean of {_NUM_COMPARED} VA pictures)"


def _own_settings(study: StudyConfig) -> dict[str, str]:
    drawn = study.pretraining
    return {
        "training": f"{study.real_images} images, {study.real_iterations} iterations, batch {study.recipe.batch_size}, "
        f"crops of {study.augmentation.crop_px} px",
        "pre-training": f"{drawn.num_images} drawn pictures of {drawn.drawn.size_px} px, {drawn.iterations} iterations",
        "evaluation": f"short side {study.evaluation.short_side_px} px, one scale",
    }

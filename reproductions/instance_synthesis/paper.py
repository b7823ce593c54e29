"""The paper on instance-level synthesis as the command line sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from methods.common.errors import InputError
from reports.figure import Figure
from reproductions.instance_synthesis import branch_b_recipe, oneformer_recipe, places, recipe
from reproductions.instance_synthesis.arms import ARMS, OWN_ARMS, Arm, How
from reproductions.instance_synthesis.branch_b_arms import OWN_FEW_SHOT_ARMS, FewShot, Sizes
from reproductions.instance_synthesis.branch_b_claims import BRANCH_B_CLAIMS
from reproductions.instance_synthesis.branch_b_facts import few_shot_facts
from reproductions.instance_synthesis.claims import BASELINES, CLAIMS, METRICS, OF_FASTINST, OWN_DATA_CLAIMS, STYLE
from reproductions.instance_synthesis.collect import Collector
from reproductions.instance_synthesis.own_data import class_names, layout_of, num_frames
from reproductions.instance_synthesis.plan import ArmCells, SeedPlanner
from reproductions.instance_synthesis.recipe import InstanceSynthesisStudy
from reproductions.instance_synthesis.records import InstanceSynthesisReport
from reproductions.study.paper import StudiedPaper
from reproductions.study.request import Request
from reproductions.verdicts.claims import Claim

_PRINTED = ("fastinst_r50", "oneformer_convnext_l", "oneformer_swin_l", "crops", "quoted")
"""Segmenters of the printed tables; ``crops`` and ``quoted`` are none of ours."""


class InstanceSynthesisPaper(StudiedPaper[InstanceSynthesisStudy, How, ArmCells, InstanceSynthesisReport]):
    """Repainting single instances with GLIGEN, inpainting and blended diffusion, and focused crops of them."""

    id = "instance_synthesis"
    title = "A Generative Approach at the Instance-Level for Image Segmentation Under Limited Training Data Conditions"
    source = "Nguyen, Nguyen, Nguyen, AAAI 2025 (student abstract), with InstSynth, MAPR 2024"
    folder = Path(__file__).parent
    arms = ARMS
    claims = (*CLAIMS, *BRANCH_B_CLAIMS)
    metrics = METRICS
    style = STYLE
    backbones = {
        "fastinst_miniature": "miniature FastInst",
        "oneformer_miniature": "miniature OneFormer",
        "fastinst_r50": "FastInst, ResNet-50",
        "oneformer_convnext_l": "OneFormer, ConvNeXt-L",
        "oneformer_swin_l": "OneFormer, Swin-L",
        "diffusioninst_miniature": "miniature DiffusionInst",
        "diffusioninst_r50": "DiffusionInst, ResNet-50",
    }
    beside = {
        "fastinst_miniature": _PRINTED,
        "oneformer_miniature": _PRINTED[1:],
        **{name: (name, "crops", "quoted") for name in _PRINTED[:3]},
    }
    baselines = BASELINES
    smoke_seeds = 1
    planner_type = SeedPlanner
    collector_type = Collector
    report_type = InstanceSynthesisReport
    study_needs = staticmethod(places.needs)
    study_gpu_needs = staticmethod(places.gpu_needs)
    study_trials = staticmethod(places.trials)

    def studies(self, request: Request) -> tuple[InstanceSynthesisStudy, ...]:
        """Return the study of the tier, or the one of own data."""
        if request.objects is not None:
            raise InputError(
                "--objects has no meaning for instance_synthesis, which repaints what the data show; leave it out"
            )
        if request.data is not None:
            return _own_data(request.data, request)
        match request.tier:
            case "paper":
                oneformer = oneformer_recipe.paper_convnextl(), oneformer_recipe.paper_swinl()
                return (branch_b_recipe.paper(), recipe.paper(), *oneformer)
            case "mini":
                return (branch_b_recipe.mini(), recipe.mini())
            case "smoke":
                return (branch_b_recipe.smoke(), oneformer_recipe.smoke(), recipe.smoke())

    def impossible(self, arm: Arm, request: Request, study: InstanceSynthesisStudy) -> str | None:
        """Say why a network does not train an arm."""
        if isinstance(arm.how, FewShot | Sizes) != (study.few_shot is not None):
            return "is a row of DiffusionInst alone" if study.few_shot is None else "is none of the few-shot rows"
        if study.reproduced.segments == "things":
            return None
        if arm.id in oneformer_recipe.FASTINST_ARMS:
            return "is a row of FastInst alone"
        if study.backbone == "oneformer_miniature" and arm.id not in oneformer_recipe.SMOKE_ARMS:
            return "is none of those that test the wiring of OneFormer"
        return None

    def known_arms(self, request: Request) -> Sequence[Arm]:
        """Return the arms of the tables, or those of own data."""
        return self.arms if request.data is None else (*OWN_ARMS, *OWN_FEW_SHOT_ARMS)

    def asked_claims(self, request: Request) -> Sequence[Claim]:
        """Return the paper's claims, or what can be asked of own data."""
        return self.claims if request.data is None else (*OWN_DATA_CLAIMS, *BRANCH_B_CLAIMS[:2])

    def study_claims(self, request: Request, study: InstanceSynthesisStudy) -> Sequence[Claim]:
        """Leave out what the rows of other networks answer."""
        of_branch_b = {claim.id for claim in BRANCH_B_CLAIMS}
        asked = [
            claim for claim in self.asked_claims(request) if (claim.id in of_branch_b) == (study.few_shot is not None)
        ]
        if study.reproduced.segments == "things":
            return asked
        return [claim for claim in asked if claim.id not in OF_FASTINST]

    def data_name(self, request: Request) -> str:
        """Name the data of the tier."""
        return "Cityscapes" if request.tier == "paper" else "the miniature street, Cityscapes' layout"

    def facts(self, request: Request, study: InstanceSynthesisStudy) -> dict[str, str]:
        """Say what is repainted, how samples are made, and how long training takes."""
        select, focus = study.selection.select, study.integration.focus
        setup, published = study.reproduced, study.published
        crop = setup.augmentation.last_crop_px
        windows = (
            "whole images"
            if focus is None
            else f"focused, ratio {focus.ratio.replace('_', ' ')} of Normal({focus.mean:g}, {focus.sigma:g})"
        )
        if study.few_shot is not None:
            return few_shot_facts(study)
        length = f"{setup.recipe.iterations} iterations, batch {setup.recipe.batch_size}"
        length += f", crops of {crop[0]} x {crop[1]} px" if crop is not None else ""
        facts = {
            "instances": f"the {select.per_frame} largest of a frame, {study.selection.num_variants} variants each",
            "pasting": f"offset {study.integration.paste.normalise!r}",
            "samples": windows,
            "training": length,
        }
        if request.data is None:
            facts["published recipe"] = f"{published.recipe.iterations} iterations, batch {published.recipe.batch_size}"
        return facts

    def figures(self, report: InstanceSynthesisReport, folder: Path) -> Sequence[Figure | None]:
        """Draw accuracy, differences, shares of data, generators and samples."""
        from reproductions.instance_synthesis.figures import draw_figures

        return draw_figures(report, folder)

    def sections(self, report: InstanceSynthesisReport) -> Sequence[str]:
        """Say what synthesis adds to the zoom, beside what the paper says that it adds, and what few samples teach."""
        from reproductions.instance_synthesis.branch_b_section import few_shot_section, ladder_section
        from reproductions.instance_synthesis.gains import gains_section

        return (gains_section(report), few_shot_section(report), ladder_section(report))


def _own_data(data: Path, request: Request) -> tuple[InstanceSynthesisStudy, ...]:
    """Return the study of own data, and that of few samples where one of its arms is named.

    Raises:
        InputError: they cannot be read, or lie in a layout that few-shot learning cannot follow.
    """
    if not data.is_dir():
        raise InputError(f"--data: there is no folder {data}; own data are a folder as docs/own-data.md describes")
    layout = layout_of(data)
    described = class_names(data), num_frames(data), request.tier
    study = recipe.own_data(layout, *described)
    if not {name for arm in OWN_FEW_SHOT_ARMS for name in (arm.id, arm.asked_as)} & set(request.arms or ()):
        return (study,)
    if layout != "cityscapes":
        raise InputError(
            f"--data: {data} lies in COCO's layout, and few-shot arms follow instances by the ids of Cityscapes'; give data in that layout"
        )
    return (branch_b_recipe.own_data(*described), study)


PAPER = InstanceSynthesisPaper()

"""The paper SegGen as the command line sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from methods.common.errors import InputError
from reports.figure import Figure
from reproductions.seggen import places, recipe, recipe_paper
from reproductions.seggen.arms import (
    ARMS,
    NOT_AT_MINI,
    OF_BACKBONE,
    ONLY_PANOPTIC,
    Arm,
    Copies,
    How,
)
from reproductions.seggen.claims import (
    BASELINES,
    CLAIMS,
    CLAIMS_OF_BACKBONE,
    INSTANCE_CLAIMS,
    METRICS,
    PANOPTIC_CLAIMS,
    SEMANTIC_CLAIMS,
    STYLE,
)
from reproductions.seggen.collect import Collector
from reproductions.seggen.plan import ArmCells, SeedPlanner
from reproductions.seggen.recipe import SeggenStudy
from reproductions.seggen.records import SeggenReport
from reproductions.study.paper import StudiedPaper
from reproductions.study.request import Request
from reproductions.verdicts.claims import Claim

_SEMANTIC = ("mask2former_r50", "mask2former_swin_l", "hrnet_w48", "other_r50", "other_swin_l", "unknown")
_PANOPTIC = ("mask2former_r50_panoptic", "mask2former_swin_l_panoptic", "other_r50_panoptic", "other_swin_l_panoptic")
"""Segmenters of the printed tables; ``other`` ones are quoted there and are none of ours."""


class SeggenPaper(StudiedPaper[SeggenStudy, How, ArmCells, SeggenReport]):
    """Masks from text, images from masks, and segmenters trained on both."""

    id = "seggen"
    title = "SegGen: Supercharging Segmentation Models with Text2Mask and Mask2Img Synthesis"
    source = "Ye, Kuen, Liu, Lin, Price, Xu, ECCV 2024; with FreeMask, NeurIPS 2023"
    folder = Path(__file__).parent
    arms = ARMS
    claims = CLAIMS
    metrics = METRICS
    style = STYLE
    backbones = {
        "convolutional": "small convolutional segmenter",
        "panoptic_miniature": "miniature Mask2Former, panoptic",
        "hrnet_miniature": "miniature HRNet",
        "mask2former_r50": "Mask2Former, ResNet-50",
        "mask2former_swin_l": "Mask2Former, Swin-L",
        "hrnet_w48": "HRNet-W48",
        "mask2former_r50_panoptic": "Mask2Former, ResNet-50, panoptic",
        "mask2former_swin_l_panoptic": "Mask2Former, Swin-L, panoptic",
        "instance_miniature": "miniature Mask2Former, instances",
        "mask2former_r50_instance": "Mask2Former, ResNet-50, COCO instances",
        "mask2former_swin_l_instance": "Mask2Former, Swin-L, COCO instances",
        "mask2former_r50_ade20k_panoptic": "Mask2Former, ResNet-50, ADE20K panoptic",
        "mask2former_r50_ade20k_instance": "Mask2Former, ResNet-50, ADE20K instances",
        "mask2former_r50_coco_stuff": "Mask2Former, ResNet-50, COCO-Stuff",
    }
    beside = {
        "convolutional": _SEMANTIC,
        "panoptic_miniature": _PANOPTIC,
        "hrnet_miniature": ("hrnet_w48",),
        "mask2former_r50": ("mask2former_r50", "other_r50", "unknown"),
        "mask2former_swin_l": ("mask2former_swin_l", "other_swin_l"),
        "hrnet_w48": ("hrnet_w48",),
        "mask2former_r50_panoptic": ("mask2former_r50_panoptic", "other_r50_panoptic"),
        "mask2former_swin_l_panoptic": ("mask2former_swin_l_panoptic", "other_swin_l_panoptic"),
    }
    baselines = BASELINES
    smoke_seeds = 1
    planner_type = SeedPlanner
    collector_type = Collector
    report_type = SeggenReport
    study_needs = staticmethod(places.needs)
    study_gpu_needs = staticmethod(places.gpu_needs)
    study_trials = staticmethod(places.trials)

    def studies(self, request: Request) -> tuple[SeggenStudy, ...]:
        """Return the studies of the tier, one a segmenter; the one that most rows need is the last."""
        if request.objects is not None:
            raise InputError("--objects has no meaning for seggen, which pastes nothing; leave it out")
        if request.data is not None:
            raise InputError(
                "--data has no meaning for seggen: its two generators go on from a text-to-image model that knows your kind of pictures, for 30,000 "
                "iterations each on GPUs, which tiers mini and smoke have not; leave it out, or use sam_filter for your own pictures"
            )
        match request.tier:
            case "paper":
                return (
                    recipe_paper.paper_coco_stuff_r50(),
                    recipe_paper.paper_ade20k_instance_r50(),
                    recipe_paper.paper_ade20k_panoptic_r50(),
                    recipe_paper.paper_instance_swin_l(),
                    recipe_paper.paper_instance_r50(),
                    recipe_paper.paper_panoptic_swin_l(),
                    recipe_paper.paper_panoptic_r50(),
                    recipe_paper.paper_hrnet(),
                    recipe_paper.paper_swin_l(),
                    recipe_paper.paper_r50(),
                )
            case "mini":
                return (recipe.mini(),)
            case "smoke":
                return (recipe.smoke_instance(), recipe.smoke_panoptic(), recipe.smoke_hrnet(), recipe.smoke())

    def impossible(self, arm: Arm, request: Request, study: SeggenStudy) -> str | None:
        """Say why a segmenter does not train an arm."""
        if study.backbone in OF_BACKBONE:
            its_own, otherwise = OF_BACKBONE[study.backbone]
            return None if arm.id in its_own else otherwise
        if arm.id in ONLY_PANOPTIC:
            return "needs captions by people, which ADE20K has not"
        if isinstance(arm.how, Copies) and arm.how.kind == "re-rendered" and study.world is None:
            return "needs a drawn world, as photographs cannot be drawn again"
        if request.tier == "mini" and arm.id in NOT_AT_MINI:
            return "would take tier mini beyond 25 minutes; tiers smoke and paper run it"
        return None

    def study_claims(self, request: Request, study: SeggenStudy) -> Sequence[Claim]:
        """Return what is asked of semantic, of panoptic or of instance results."""
        if study.backbone in CLAIMS_OF_BACKBONE:
            return CLAIMS_OF_BACKBONE[study.backbone]
        return {"panoptic": PANOPTIC_CLAIMS, "instance": INSTANCE_CLAIMS}.get(study.training.task, SEMANTIC_CLAIMS)

    def data_name(self, request: Request) -> str:
        """Name the data of the tier."""
        return (
            "ADE20K, COCO 2017 or COCO-Stuff"
            if request.tier == "paper"
            else "the miniature world, ADE20K's or COCO's layout"
        )

    def facts(self, request: Request, study: SeggenStudy) -> dict[str, str]:
        """Say how many samples there are, how they are made and mixed, and how long training takes."""
        training, mixing = study.training, study.mixing
        facts = {
            "few real images": f"{study.few_images}",
            "variants": f"{study.masks.variants} masks and {study.pictures.variants} pictures of each human mask an image",
            "palette": study.mask2img.palette.kind,
            "sampling": f"{study.masks.num_steps} steps for masks, {study.pictures.num_steps} for pictures, guidance "
            f"{study.pictures.guidance_scale:g}",
            "generators": f"{study.text2mask.recipe.iterations} and {study.mask2img.recipe.iterations} iterations, batch "
            f"{study.text2mask.recipe.batch_size}",
            "mixing": f"p_aug {mixing.p_aug:g}, replaced by {mixing.replaced_by}, {mixing.weigh}",
            "training": f"{training.recipe.iterations} iterations, batch {training.recipe.batch_size}",
        }
        if request.tier == "mini":
            facts["not at tier mini"] = f"{len(NOT_AT_MINI)} ablations, and the panoptic arms"
        return facts

    def figures(self, report: SeggenReport, folder: Path) -> Sequence[Figure | None]:
        """Draw accuracy, differences, gain by class and samples."""
        from reproductions.seggen.figures import draw_figures

        return draw_figures(report, folder)

    def sections(self, report: SeggenReport) -> Sequence[str]:
        """Say how good masks are by steps, and what sampling takes."""
        from reproductions.seggen.figures import calls_section, mask_section, measures_section

        return (measures_section(report), mask_section(report.ratings), calls_section(report.calls))


PAPER = SeggenPaper()

"""The paper on robust training with diffusion attention as the command line sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from methods.common.errors import InputError
from reports.figure import Figure
from reproductions.diffumask_robust import places, recipe
from reproductions.diffumask_robust.arms import ARMS, NOT_AT_MINI
from reproductions.diffumask_robust.claims import CLAIMS, METRICS, OF_DIFFUMASK, STYLE
from reproductions.diffumask_robust.collect import Collector
from reproductions.diffumask_robust.kinds import Arm, How, has_swin_b
from reproductions.diffumask_robust.plan import ArmCells, SeedPlanner
from reproductions.diffumask_robust.recipe import DiffuMaskRobustStudy
from reproductions.diffumask_robust.records import DiffuMaskRobustReport
from reproductions.study.paper import StudiedPaper
from reproductions.study.request import Request
from reproductions.verdicts.claims import Claim

_PRINTED = ("none", "unknown", "mask2former_r50", "mask2former_swin_b", "mask2former_r101")
"""Segmenters of the printed numbers. Rows of DiffuMask are trained with Mask2Former at tier paper, with ResNet-50 and once more with Swin-B."""


class DiffuMaskRobustPaper(StudiedPaper[DiffuMaskRobustStudy, How, ArmCells, DiffuMaskRobustReport]):
    """Diffusion attention as weak supervision: Attn2mask, and DiffuMask beside it."""

    id = "diffumask_robust"
    title = "Exploring Limits of Diffusion-Synthetic Training with Weakly Supervised Semantic Segmentation"
    source = "Yoshihashi, Otsuka, Doi, Tanaka, Kataoka, ACCV 2024; with DiffuMask, ICCV 2023"
    folder = Path(__file__).parent
    arms = ARMS
    claims = CLAIMS
    metrics = METRICS
    style = STYLE
    backbones = {
        "deeplab_miniature": "miniature DeepLabV3+",
        "deeplabv3plus_r101d": "DeepLabV3+, ResNet-101-D",
        "mask2former_swin_b": "Mask2Former, Swin-B",
    }
    beside = {
        "deeplab_miniature": _PRINTED,
        "deeplabv3plus_r101d": ("none", "unknown", "mask2former_r50"),
        "mask2former_swin_b": ("mask2former_swin_b", "mask2former_r101"),
    }
    smoke_seeds = 1
    planner_type = SeedPlanner
    collector_type = Collector
    report_type = DiffuMaskRobustReport
    study_needs = staticmethod(places.needs)
    study_gpu_needs = staticmethod(places.gpu_needs)
    study_trials = staticmethod(places.trials)

    def studies(self, request: Request) -> tuple[DiffuMaskRobustStudy, ...]:
        """Return the study of the tier; at tier paper there is one of DiffuMask with Swin-B, too."""
        if request.objects is not None:
            raise InputError("--objects has no meaning for diffumask_robust, which pastes nothing; leave it out")
        if request.data is not None:
            raise InputError(
                "--data has no meaning for diffumask_robust, which trains on generated pictures of classes that its lexicon knows; leave it "
                "out, or use sam_filter for your own pictures"
            )
        if request.tier == "paper":
            return (recipe.paper(), recipe.paper_swin_b())
        return (recipe.mini() if request.tier == "mini" else recipe.smoke(),)

    def impossible(self, arm: Arm, request: Request, study: DiffuMaskRobustStudy) -> str | None:
        """Tell which arms tier mini has no time for, and which have no Swin-B."""
        if study.backbone == "mask2former_swin_b" and not has_swin_b(arm.how):
            return "is printed with another segmenter alone"
        if request.tier == "mini" and arm.id in NOT_AT_MINI:
            return "would take tier mini beyond 20 minutes; tiers smoke and paper run it"
        return None

    def study_claims(self, request: Request, study: DiffuMaskRobustStudy) -> Sequence[Claim]:
        """Ask of the study with Swin-B what its arms can answer."""
        asked = self.asked_claims(request)
        if study.backbone != "mask2former_swin_b":
            return asked
        return tuple(claim for claim in asked if claim.id in OF_DIFFUMASK)

    def data_name(self, request: Request) -> str:
        """Name the data of the tier."""
        return "PASCAL VOC 2012" if request.tier == "paper" else "the miniature world, VOC layout"

    def facts(self, request: Request, study: DiffuMaskRobustStudy) -> dict[str, str]:
        """Say how many pictures, how long, and how masks are made."""
        training = study.training.recipe
        return {
            "images": f"2k is {study.small_set}, 20k is {study.middle_set}, 169k is {study.prompts.num_prompts}",
            "sampling": f"{study.synthesis.num_steps} steps, guidance {study.synthesis.guidance_scale:g}",
            "background": f"beta {study.label.mask.beta:g}, that is threshold {study.label.mask.threshold:g}",
            "trusted": f"{100 * study.label.trusted_share:g} % of each class's pixels in each image",
            "training": f"{training.iterations} iterations, batch {training.batch_size}, crops of {study.crops.crop_px} px",
            **(
                {"not at tier mini": f"{len(NOT_AT_MINI)} arms, of ablations and of other data sets"}
                if request.tier == "mini"
                else {}
            ),
            "masks are rated against": "those of a cut-out network on the same pictures; a generated picture has no true mask",
        }

    def figures(self, report: DiffuMaskRobustReport, folder: Path) -> Sequence[Figure | None]:
        """Draw accuracy, differences, set sizes, mask noise and attention."""
        from reproductions.diffumask_robust.figures import draw_figures

        return draw_figures(report, folder)

    def sections(self, report: DiffuMaskRobustReport) -> Sequence[str]:
        """Say how good the masks of each preset are, and what arms reach that no paper has."""
        from reproductions.diffumask_robust.figures import mask_section, unprinted_section

        return (unprinted_section(report), mask_section(report.ratings))


PAPER = DiffuMaskRobustPaper()

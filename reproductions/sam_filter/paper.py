"""The paper on SAM-filtered masks as the command line sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from methods.common.errors import InputError
from reports.figure import Figure
from reports.records import Deviation
from reproductions.sam_filter import places, recipe
from reproductions.sam_filter.arms import ARMS, OWN_ARMS, Arm, How
from reproductions.sam_filter.claims import CLAIMS, IMAGENET_CLAIM, METRICS, OWN_DATA_CLAIMS, STYLE
from reproductions.sam_filter.collect import Collector
from reproductions.sam_filter.plan import ArmCells, SeedPlanner
from reproductions.sam_filter.recipe import SamFilterStudy
from reproductions.sam_filter.records import SamFilterReport
from reproductions.study.own_start import EFFICIENTNET, starts_from_imagenet
from reproductions.study.paper import StudiedPaper
from reproductions.study.request import Request
from reproductions.verdicts.claims import Claim

_NUM_COMPARED = 8
"""Drawn pictures whose noisy masks are compared with clean ones."""


class SamFilterPaper(StudiedPaper[SamFilterStudy, How, ArmCells, SamFilterReport]):
    """SAM-based filtering of generated masks, and pre-training on drawn shapes."""

    id = "sam_filter"
    title = "Keeping Segment Mask Quality with Self-generated Masks"
    source = "Mae, Yamada, Kataoka"
    folder = Path(__file__).parent
    arms = ARMS
    claims = CLAIMS
    metrics = METRICS
    style = STYLE
    backbones = {
        "convolutional": "small convolutional network",
        "mask2former_miniature": "miniature Mask2Former",
        "mask2former_r50": "Mask2Former, ResNet-50",
        EFFICIENTNET: "convolutional decoder on EfficientNet-Lite0",
    }
    beside = dict.fromkeys(backbones, ("mask2former_r50",))
    planner_type = SeedPlanner
    collector_type = Collector
    report_type = SamFilterReport
    study_needs = staticmethod(places.needs)
    study_gpu_needs = staticmethod(places.gpu_needs)
    study_trials = staticmethod(places.trials)

    def studies(self, request: Request) -> tuple[SamFilterStudy, ...]:
        """Return the study of the tier, or the one of own data."""
        if request.objects is not None:
            raise InputError("--objects has no meaning for sam_filter, which pastes nothing; leave it out")
        if request.data is not None:
            study = recipe.own_data(*_count(request.data), request.tier)
            study = recipe.with_imagenet_start(study) if starts_from_imagenet(request) else study
        else:
            study = {"paper": recipe.paper, "mini": recipe.mini, "smoke": recipe.smoke}[request.tier]()
        if request.tier != "paper" and request.settings.get("backbone") == "mask2former_miniature":
            study = recipe.with_mask2former(study)
        return (study,)

    def known_arms(self, request: Request) -> Sequence[Arm]:
        """Return the arms of the tables, or those of own pictures."""
        return self.arms if request.data is None else OWN_ARMS

    def impossible(self, arm: Arm, request: Request, study: SamFilterStudy) -> str | None:
        """Rows with ImageNet weights need those, or the small classifier that stands in for them."""
        if request.data is not None:
            wanted = "imagenet" in arm.topics and study.backbone != EFFICIENTNET
            return f"needs a network that ImageNet weights fit; add --set backbone={EFFICIENTNET}" if wanted else None
        if "imagenet" in arm.topics and request.tier != "paper" and study.classifier is None:
            return f"needs ImageNet weights, and none fit {study.backbone} at tier {request.tier}"
        return None

    def asked_claims(self, request: Request) -> Sequence[Claim]:
        """Return the paper's claims, or what can be asked of own pictures."""
        if request.data is None:
            return self.claims
        return (*OWN_DATA_CLAIMS, IMAGENET_CLAIM) if starts_from_imagenet(request) else OWN_DATA_CLAIMS

    def ledger(self, request: Request) -> tuple[Deviation, ...]:
        """Return the ledger; it speaks of the paper's tables, which own pictures have no part in."""
        return super().ledger(request) if request.data is None else ()

    def data_name(self, request: Request) -> str:
        """Name the data of the tier."""
        return "PASCAL VOC 2012" if request.tier == "paper" else "the miniature world, VOC layout"

    def facts(self, request: Request, study: SamFilterStudy) -> dict[str, str]:
        """Say how many pairs, how long, and how masks and prompter were made."""
        drawn, batch = study.pretraining, study.recipe.batch_size
        before = f"{drawn.num_images} drawn pictures of {drawn.drawn.size_px} px, {drawn.iterations} iterations"
        if request.data is not None:
            return {
                "training": f"{study.real_images} images, {study.real_iterations} iterations, batch {batch}, "
                f"crops of {study.augmentation.crop_px} px",
                "pre-training": before,
                "evaluation": f"short side {study.evaluation.short_side_px} px, one scale",
            }
        sizes = ", ".join(f"{10 * quarter}k is {study.kept(quarter)}" for quarter in (1, 2, 3, 4))
        lengths = ", ".join(str(study.iterations_for(study.kept(quarter))) for quarter in (1, 2, 3, 4))
        return {
            "pairs": sizes,
            "iterations": f"{lengths} for these; {study.real_iterations} on real images; batch {batch}",
            "pre-training": before,
            "noise in drawn masks": _noise(study),
            "masks": f"variant {study.variant} (self-attention, cross-attention: cells a side)",
            "prompter": study.prompter.kind,
            "pilot's reference": study.reference.kind,
            "label 255 in the score": study.uncertain,
        }

    def figures(self, report: SamFilterReport, folder: Path) -> Sequence[Figure | None]:
        """Draw accuracy, differences, pilot, scores, class mix and samples."""
        from reproductions.sam_filter.figures import draw_figures

        return draw_figures(report, folder)

    def sections(self, report: SamFilterReport) -> Sequence[str]:
        """Say in numbers what the selections keep."""
        from reports.selection_section import selection_section

        return (selection_section(report.arms, report.selections),)


def _noise(study: SamFilterStudy) -> str:
    """Say how far the noisy masks are from the clean ones, on one axis for every kind of noise (section 7.2)."""
    from methods.sam_filter.semseg_fdsl import SemSegFdsl

    noise = study.pretraining.noise
    drawn = study.pretraining.drawn.model_copy(update={"contour": "VA", "mask_noise": noise})
    overlap = SemSegFdsl(drawn, _NUM_COMPARED).overlap_with_clean(_NUM_COMPARED)
    return f"{noise}, up to {drawn.mask_noise_px} px; IoU with the clean masks {overlap:.2f} (mean of {_NUM_COMPARED} VA pictures)"


def _count(data: Path) -> tuple[int, int]:
    """Count classes and training images of own data.

    Raises:
        InputError: they cannot be read.
    """
    from methods.common.datasets.open_labelled import open_labelled_images

    if not data.is_dir():
        raise InputError(f"--data: there is no folder {data}; own data are a folder as docs/own-data.md describes")
    train = open_labelled_images(data, "train")
    if len(train.class_names) < 2:
        raise InputError(
            f"--data {data}: there is only one class, {train.class_names[0]!r}, so nothing can be told apart; name what the other pixels "
            "are too, such as background, in the order of the labels"
        )
    return len(train.class_names), len(train)


PAPER = SamFilterPaper()

"""MRCA as the command line sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.figure import Figure
from reports.records import Deviation
from reproductions.mrca import places, recipe
from reproductions.mrca.arms import ARMS, DiverGen, How, RandomPasting, needs
from reproductions.mrca.claims import (
    CLAIMS,
    EQUAL_LENGTH_CLAIMS,
    GIVEN_OBJECTS_CLAIMS,
    METRICS,
    VARIANT_CLAIMS,
    arms_of,
)
from reproductions.mrca.collect import Collector
from reproductions.mrca.plan import ArmCells, SeedPlanner
from reproductions.mrca.recipe import MrcaStudy
from reproductions.mrca.records import MrcaReport
from reproductions.study.arms import Arm
from reproductions.study.own_start import EFFICIENTNET, starts_from_imagenet
from reproductions.study.paper import StudiedPaper
from reproductions.study.request import Request
from reproductions.verdicts.claims import Claim

_OF_HELD_OUT_IMAGES = ("D32", "D53", "D54")
"""Entries about the images that are held out for feedback."""


class MrcaPaper(StudiedPaper[MrcaStudy, How, ArmCells, MrcaReport]):
    """Sample-efficient multi-round generative augmentation, X-Paste and BSGAL."""

    id = "mrca"
    title = "Sample-Efficient Multi-Round Generative Data Augmentation for Long-Tail Instance Segmentation"
    source = "Kim, Bae, Lee (KAIST), NeurIPS 2025"
    folder = Path(__file__).parent
    arms = ARMS
    claims = CLAIMS
    metrics = METRICS
    backbones = {
        "miniature": "miniature CenterNet2",
        "resnet50": "CenterNet2, ResNet-50",
        "swinl": "CenterNet2, Swin-L",
        EFFICIENTNET: "miniature CenterNet2, EfficientNet-Lite0 from ImageNet",
    }
    mini_seeds = 4
    smoke_seeds = 1
    beside = {"miniature": ("resnet50", "swinl"), "resnet50": ("resnet50",), "swinl": ("swinl",)}
    planner_type = SeedPlanner
    collector_type = Collector
    report_type = MrcaReport
    study_needs = staticmethod(places.needs)
    study_gpu_needs = staticmethod(places.gpu_needs)
    study_trials = staticmethod(places.trials)

    def studies(self, request: Request) -> tuple[MrcaStudy, ...]:
        """Return the study of each table: one at the small tiers, one a backbone at tier paper."""
        if request.data is not None:
            study = recipe.own_data(*_count(request.data), request.tier)
            return (recipe.with_imagenet_start(study) if starts_from_imagenet(request) else study,)
        if request.tier == "paper":
            return (recipe.paper_r50(), recipe.paper_swinl())
        return (recipe.mini() if request.tier == "mini" else recipe.smoke(),)

    def impossible(self, arm: Arm[How], request: Request, study: MrcaStudy) -> str | None:
        """Say what an arm needs that is not given, or that it is another one here."""
        if arm.how == RandomPasting(from_warm_up=True) and study.xpaste.from_warm_up:
            return "is X-Paste itself here, which starts from the warm-up"
        if isinstance(arm.how, DiverGen) and (request.data is not None or request.generator is not None):
            return "has extra classes and prompts for published data, and two generators of its own"
        given = "given objects" if request.objects is not None else "generator"
        wanted = needs(arm.how)
        if not wanted or given in wanted:
            return None
        return f"needs {wanted[0]}; " + (
            "leave --objects out" if request.objects is not None else "name --objects or OBJECTS="
        )

    def asked_claims(self, request: Request) -> Sequence[Claim]:
        """Return the paper's claims, or what can be asked of given objects."""
        return self.claims if request.objects is None else GIVEN_OBJECTS_CLAIMS

    def study_claims(self, request: Request, study: MrcaStudy) -> Sequence[Claim]:
        """Add the control of equal length where X-Paste trains for fewer iterations than MRCA."""
        asked = (*self.asked_claims(request), *self._claims_of_variants(request))
        if request.objects is not None or study.xpaste.from_warm_up:
            return asked
        return (*asked, *EQUAL_LENGTH_CLAIMS)

    def _claims_of_variants(self, request: Request) -> Sequence[Claim]:
        """Return what is asked of arms that a tier does not run by itself, for those that are asked for."""
        planned = {arm.id for one in self.asked(request) for arm in one.arms}
        return [claim for claim in VARIANT_CLAIMS if planned.issuperset(arms_of(claim))]

    def ledger(self, request: Request) -> tuple[Deviation, ...]:
        """Return the ledger; nothing is held out where the evaluation split gives the feedback, as released."""
        entries = super().ledger(request)
        if all(one.study.split.feedback_split == "heldout_train" for one in self.asked(request)):
            return entries
        return tuple(entry for entry in entries if entry.id not in _OF_HELD_OUT_IMAGES)

    def data_name(self, request: Request) -> str:
        """Name the data of the tier."""
        return "LVIS v1" if request.tier == "paper" else "the miniature world, LVIS layout"

    def facts(self, request: Request, study: MrcaStudy) -> dict[str, str]:
        """Say how feedback, rounds and pools were set."""
        rounds, held_out = study.mrca.rounds, study.split.feedback_split == "heldout_train"
        generation = {
            "rounds x objects": f"{rounds.num_rounds} x {rounds.objects_per_round}",
            "objects of X-Paste": f"{study.xpaste.objects_per_class * study.segmenter.num_classes}",
        }
        lengths = f"warm-up {study.warm_up_iterations}, then {study.main_iterations}"
        return {
            "feedback split": "held-out training images" if held_out else "val, as released",
            "feedback lag": str(rounds.feedback_lag),
            **(generation if request.objects is None else {"rounds": str(rounds.num_rounds)}),
            "iterations": f"{lengths}, batch {study.recipe.batch_size}",
        }

    def figures(self, report: MrcaReport, folder: Path) -> Sequence[Figure | None]:
        """Draw accuracy, differences, budget, entropy and samples."""
        from reproductions.mrca.figures import draw_figures

        return draw_figures(report, folder)

    def sections(self, report: MrcaReport) -> Sequence[str]:
        """Say which idea gains, what an AP costs, what filters and BSGAL accept, the energy's gap, and what guidance costs and changes."""
        from reproductions.mrca.ablation_section import ablation_section
        from reproductions.mrca.cost_section import cost_section, gate_section
        from reproductions.mrca.divergen_section import filter_section, gap_section
        from reproductions.mrca.figures import guidance_section

        return (
            ablation_section(report),
            cost_section(report),
            filter_section(report),
            gate_section(report),
            gap_section(report),
            guidance_section(report),
        )


def _count(data: Path) -> tuple[int, int]:
    """Count classes and training images of own data; everything else about them is checked by the split stage.

    Raises:
        InputError: the annotation file of a split is missing, or that of training is not readable.
    """
    from methods.common.datasets.own.reading import count_own

    names, num_images = count_own(data)
    return len(names), num_images


PAPER = MrcaPaper()

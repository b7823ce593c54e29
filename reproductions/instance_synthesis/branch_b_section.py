"""The section on branches B and C: hypotheses first, then what few samples teach and what is forgotten for it (sections 4 to 6)."""

from __future__ import annotations

from reports.evidence_words import difference_text
from reports.records import Report
from reports.tables import NOTHING, fixed, markdown_table
from reproductions.instance_synthesis.branch_b_arms import BRANCH_B_ARMS, FewShot
from reproductions.instance_synthesis.branch_b_claims import BRANCH_B_CLAIMS
from reproductions.instance_synthesis.branch_b_metrics import BASE_AP, FEW_SHOT_METRICS, NOVEL_AP
from reproductions.instance_synthesis.records import InstanceSynthesisReport
from reproductions.study.arms import Arm
from reproductions.verdicts.statistics import mean_interval
from reproductions.verdicts.variance import paired_difference

_ABOUT = (
    "The paper names a generative extractor under few-shot learning and a smaller generator as ideas, without an experiment. All that follows is "
    "ours: the split of the classes, the hypotheses and the controls. A base stage learns the frequent classes and ignores instances of the novel "
    "ones; a novel stage goes on from it, with a frozen backbone, on a support list of K instances of each class. Every arm trains as long in "
    "both stages. The closest published numbers are of other data: one-shot camouflaged animals, where images by three generators add 0.28 "
    "to 0.45 to a novel AP of 4.46 (the same group's CAMO-GenOS)."
)
_WORDS = (
    "Mean over seeds, with the 95 % interval of the difference to the same shots without added images (novel AP), and to the base stage (base "
    "AP: what is forgotten). Harmonic mean: of base and novel AP, seed by seed."
)
_HEADER = ("Arm", *(metric.title for metric in FEW_SHOT_METRICS), "novel AP over the real samples", "base AP kept")


_OF_LADDER = (
    "Each rung keeps what those above it save. Parameters and MiB are of all networks that an image needs, peak memory is what a pass adds; AP is of "
    "the 5-shot arm that reads the rung (`--arms branch_b_ladder`)."
)
_LADDER_HEADER = (
    "Rung",
    "Parameters, M",
    "MiB",
    "Multiply-adds, G",
    "Peak memory, MiB",
    "ms an image",
    "base AP",
    "novel AP",
)


def ladder_section(report: InstanceSynthesisReport) -> str:
    """Write what each rung of the ladder of sizes costs, and what it is worth; empty where it was not measured."""
    if not report.ladder:
        return ""
    rows = [
        [
            rung.title,
            fixed(rung.parameters / 1e6, 2),
            fixed(rung.weights_mib, 1),
            fixed(rung.multiply_adds / 1e9, 2),
            fixed(rung.peak_mib, 1),
            fixed(rung.ms_per_image, 1),
            *(_mean(report, rung.reader, metric) for metric in (BASE_AP, NOVEL_AP)),
        ]
        for rung in report.ladder
    ]
    device = f"Measured on {report.ladder[0].device}. {_OF_LADDER}"
    return "\n\n".join(["## The generator's size", device, markdown_table(_LADDER_HEADER, rows, 1)])


def few_shot_section(report: Report) -> str:
    """Write hypotheses and table; empty where no few-shot arm was asked for."""
    asked = {arm.id for arm in report.arms}
    arms = [arm for arm in BRANCH_B_ARMS if arm.id in asked]
    if not arms:
        return ""
    hypotheses = "\n".join(f"* **{claim.id}** {claim.wording}" for claim in BRANCH_B_CLAIMS)
    rows = [_row(report, arm) for arm in arms]
    heading = "## Branches B and C: few-shot learning"
    return "\n\n".join(
        [
            heading,
            _ABOUT,
            "Hypotheses, ours, stated before the numbers:",
            hypotheses,
            _WORDS,
            markdown_table(_HEADER, rows, 1),
        ]
    )


def _row(report: Report, arm: Arm[FewShot]) -> list[str]:
    backbone = report.backbones[0].id
    means = [_mean(report, arm.id, metric.id) for metric in FEW_SHOT_METRICS]
    real = f"few_{arm.how.shots}" if arm.how.back_end is not None else None
    gained = NOTHING if real is None else _difference(report, backbone, NOVEL_AP, arm.id, real)
    usual = arm.how.extractor == "pretrained" and arm.how.noise
    kept = NOTHING if arm.id == "few_base" or not usual else _difference(report, backbone, BASE_AP, arm.id, "few_base")
    return [arm.title, *means, gained, kept]


def _mean(report: Report, arm: str, metric: str) -> str:
    values = tuple(report.by_seed(arm, report.backbones[0].id, metric).values())
    return fixed(mean_interval(values).mean, 2) if values else NOTHING


def _difference(report: Report, backbone: str, metric: str, left: str, right: str) -> str:
    by_arm = {arm.id: report.by_seed(arm.id, backbone, metric) for arm in report.arms}
    found = paired_difference(by_arm, left, right)
    if found is None:
        return NOTHING
    return difference_text(found.interval.mean, found.interval.low, found.interval.high)

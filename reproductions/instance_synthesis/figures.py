"""The report of instance synthesis: the generic page plus what only this paper needs, data shares, generators and samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.amount_plot import AmountLine, amount_plot
from reports.arm_plot import Row, grouped_dot_plot
from reports.common_figures import ACCURACY_CAPTION, differences, drawn
from reports.figure import Figure
from reports.figures import GREY, PALETTE
from reports.sample_sheets import instance_sheet, repainted_sheet
from reports.scatter_plot import scatter_plot
from reproductions.instance_synthesis.arms import LIMITED, PERCENTS, limited
from reproductions.instance_synthesis.branch_b_arms import BRANCH_B_ARMS, USUAL_SHOTS, few_shot_id
from reproductions.instance_synthesis.branch_b_metrics import BASE_AP, NOVEL_AP
from reproductions.instance_synthesis.claims import ACCURACY
from reproductions.instance_synthesis.collect import GENERATORS_STUDY, LADDER_STUDY
from reproductions.instance_synthesis.records import InstanceSynthesisReport

_COLOURS: dict[str, str] = {
    "real": PALETTE[6],
    "zoom": PALETTE[0],
    "copy-paste": PALETTE[2],
    "synthesis": PALETTE[1],
    "repeated": PALETTE[0],
    "backbone": PALETTE[3],
}
_LINES = {
    "real": ("R", GREY),
    "zoom": ("R + Z: zoom only", PALETTE[0]),
    "copy_paste": ("R + CP: copy-paste", PALETTE[2]),
    "gligen": ("R + S, GLIGEN", PALETTE[3]),
    "inpainting": ("R + S, inpainting", PALETTE[4]),
    "blended": ("R + S, blended", PALETTE[1]),
}
"""Arms that are trained on every share of the real images, with label and colour."""
_REFERENCES = {"real": "R", "zoom": "R + Z"}
_FEW_SHOT_REFERENCES = {few_shot_id(USUAL_SHOTS): f"{USUAL_SHOTS}-shot"}
_FEW_SHOT = {arm.id for arm in BRANCH_B_ARMS}
_FEW_SHOT_METRICS = (NOVEL_AP, BASE_AP)
_SHARES = {
    "zoom": ("R + Z: zoom only", PALETTE[0], {"0 %": "real", "50 %": "zoom_half", "all": "zoom"}),
    "blended": ("R + S, blended", PALETTE[1], {"0 %": "real", "50 %": "blended_half", "all": "blended"}),
}


def draw_figures(report: InstanceSynthesisReport, folder: Path) -> list[Figure | None]:
    """Draw what the records allow: of branch A, and of few-shot learning, each for the backbones that ran it."""
    few_shot = {result.backbone for result in report.results if result.arm in _FEW_SHOT}
    usual = {result.backbone for result in report.results if result.arm not in _FEW_SHOT}
    return [
        *(_of_branch_a(report, folder, [one.id for one in report.backbones if one.id in usual]) if usual else ()),
        *(_few_shot(report, folder, backbone, metric) for backbone in sorted(few_shot) for metric in _FEW_SHOT_METRICS),
        _differences(report, folder, ("AP",) if usual else _FEW_SHOT_METRICS),
        *(_ladder(report, folder, backbone) for backbone in sorted(few_shot)),
    ]


def _of_branch_a(report: InstanceSynthesisReport, folder: Path, backbones: Sequence[str]) -> list[Figure | None]:
    return [
        *(_accuracy(report, folder, backbone, metric) for backbone in backbones for metric in ACCURACY),
        *(
            draw(report, folder, backbone)
            for draw in (_data_shares, _synthetic_shares, _generators)
            for backbone in backbones
        ),
        drawn(
            folder,
            "repainted",
            "Instances as each generator repaints them",
            "The real crop with the mask that is repainted, each generator's crop before pasting, the image after pasting, and what pasting "
            "changed outside the mask (eight times as bright; black is nothing). First variant, one seed.",
            lambda path: repainted_sheet(report.repainted, path),
        ),
        drawn(
            folder,
            "focused",
            "Focused crops, as segmenters are trained on them",
            "Orange: the repainted instance, by name. Blue: the others that the window shows, which keep their annotation.",
            lambda path: instance_sheet(report.focused, path),
        ),
    ]


def _accuracy(report: InstanceSynthesisReport, folder: Path, backbone: str, metric: str) -> Figure | None:
    usual = [arm for arm in report.arms if arm.table != LIMITED and arm.id not in _FEW_SHOT]
    rows = [Row("", arm.id, arm.title, arm.group) for arm in usual]
    return drawn(
        folder,
        f"accuracy_{metric}_{backbone}",
        f"{metric} by arm, {report.backbone_title(backbone)}",
        f"{ACCURACY_CAPTION} Colour: what is added to the real images. Dotted lines: means of R and R + Z.",
        lambda path: grouped_dot_plot(report, backbone, metric, rows, _COLOURS, _REFERENCES, path),
    )


def _few_shot(report: InstanceSynthesisReport, folder: Path, backbone: str, metric: str) -> Figure | None:
    rows = [Row("", arm.id, arm.title, arm.group) for arm in report.arms if arm.id in _FEW_SHOT]
    title = report.metric_title(metric)
    return drawn(
        folder,
        f"few_shot_{metric}_{backbone}",
        f"{title[0].upper()}{title[1:]} by arm, {report.backbone_title(backbone)}",
        f"{ACCURACY_CAPTION} Colour: what is added to the real samples, or another backbone. Dotted line: mean of {USUAL_SHOTS}-shot.",
        lambda path: grouped_dot_plot(report, backbone, metric, rows, _COLOURS, _FEW_SHOT_REFERENCES, path),
    )


def _ladder(report: InstanceSynthesisReport, folder: Path, backbone: str) -> Figure | None:
    return drawn(
        folder,
        f"ladder_{backbone}",
        "Novel AP against the generator's size",
        f"Rungs of the ladder of sizes, {USUAL_SHOTS} shots. Large points: means over seeds.",
        lambda path: scatter_plot(report, LADDER_STUDY, backbone, "multiply-adds of an image, G", "novel AP", path),
    )


def _differences(report: InstanceSynthesisReport, folder: Path, metrics: Sequence[str]) -> Figure | None:
    """Of these metrics alone: AP50 says the same as AP, and the metrics of crops have other scales."""
    claims = tuple(
        claim.model_copy(update={"evidence": kept})
        for claim in report.claims
        if (kept := tuple(item for item in claim.evidence if item.metric in metrics))
    )
    return differences(report.model_copy(update={"claims": claims}), folder, long_labels=True)


def _data_shares(report: InstanceSynthesisReport, folder: Path, backbone: str) -> Figure | None:
    amounts = {f"{percent} %": percent for percent in (*PERCENTS, 100)}
    lines = [
        AmountLine(label, colour, {words: limited(arm, percent) for words, percent in amounts.items()})
        for arm, (label, colour) in _LINES.items()
    ]
    return drawn(
        folder,
        f"data_shares_{backbone}",
        f"AP against the share of real images, {report.backbone_title(backbone)}",
        "Circles: one seed each. Vertical lines: 95 % intervals. All arms train for as many iterations; samples are made of the share alone.",
        lambda path: amount_plot(report, backbone, "AP", list(amounts), lines, path),
    )


def _synthetic_shares(report: InstanceSynthesisReport, folder: Path, backbone: str) -> Figure | None:
    lines = [AmountLine(*line) for line in _SHARES.values()]
    return drawn(
        folder,
        f"synthetic_shares_{backbone}",
        f"AP against the share of added images, {report.backbone_title(backbone)}",
        "Share of focused crops among the training images; 0 % is R, and all is the paper's way of adding every crop.",
        lambda path: amount_plot(report, backbone, "AP", ["0 %", "50 %", "all"], lines, path),
    )


def _generators(report: InstanceSynthesisReport, folder: Path, backbone: str) -> Figure | None:
    return drawn(
        folder,
        f"generators_{backbone}",
        f"Sensitivity to the generator, {report.backbone_title(backbone)}",
        "How much a generator changes the crops, and what training on its samples gives; untouched crops (Z) have similarity 1. "
        "Large points: means over seeds.",
        lambda path: scatter_plot(
            report,
            GENERATORS_STUDY,
            backbone,
            "similarity of generated and real crops (CLIP)",
            "AP after training",
            path,
        ),
    )

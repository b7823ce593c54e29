"""The report of the robust training: the generic page plus set sizes, mask noise, attention by preset and the quality of masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reports.amount_plot import AmountLine, amount_plot
from reports.arm_plot import Row, grouped_dot_plot
from reports.common_figures import ACCURACY_CAPTION, differences, drawn
from reports.figure import Figure
from reports.figures import GREY, PALETTE
from reports.sample_sheets import picture_rows
from reports.scatter_plot import scatter_plot
from reports.tables import fixed, markdown_frame, markdown_table, result_table
from reproductions.diffumask_robust.claims import MASK_NOISE
from reproductions.diffumask_robust.records import DiffuMaskRobustReport, MaskRating

_COLOURS: dict[str, str] = {
    "plain": PALETTE[0],
    "trusted only": PALETTE[4],
    "co-training": PALETTE[1],
    "oracle masks": PALETTE[2],
    "other attention": PALETTE[3],
    "DiffuMask": PALETTE[5],
    "adapted generator": GREY,
    "real data": PALETTE[6],
}
_REFERENCES = {"plain": "Attn2mask", "robust": "co-training"}
"""Arms whose means are drawn through every group, with the words for them."""
_SIZES = ("2k", "20k", "169k")
_LINES = {
    "plain": ("one network", PALETTE[0], ("plain_2k", "plain_20k", "plain")),
    "robust": ("co-training", PALETTE[1], ("robust_2k", "robust_20k", "robust")),
}


def draw_figures(report: DiffuMaskRobustReport, folder: Path) -> list[Figure | None]:
    """Draw what the records allow."""
    return [
        *(_accuracy(report, folder, backbone.id) for backbone in report.backbones),
        differences(report, folder, long_labels=True),
        *(_sizes(report, folder, backbone.id) for backbone in report.backbones),
        *(_mask_noise(report, folder, backbone.id) for backbone in report.backbones),
        drawn(
            folder,
            "attention",
            "Attention by preset, masks and reliability",
            "Generated images of the first seed, the heat map of the class word by each preset, Attn2mask's mask, the same with distrusted pixels "
            "dimmed, after a dense CRF, and what the cut-out network finds, against which masks are rated. Below: the prompt.",
            lambda path: picture_rows(report.attention_samples, path),
        ),
    ]


def _accuracy(report: DiffuMaskRobustReport, folder: Path, backbone: str) -> Figure | None:
    rows = [Row("", arm.id, arm.title, arm.group) for arm in report.arms if not arm.control]
    rows += [Row("Controls", arm.id, arm.title, arm.group) for arm in report.arms if arm.control]
    return drawn(
        folder,
        f"accuracy_{backbone}",
        f"mIoU by arm, {report.backbone_title(backbone)}",
        f"{ACCURACY_CAPTION} Colour: what the arm is. Dotted lines: means of the arms named at the top.",
        lambda path: grouped_dot_plot(report, backbone, "miou", rows, _COLOURS, _REFERENCES, path),
    )


def _sizes(report: DiffuMaskRobustReport, folder: Path, backbone: str) -> Figure | None:
    lines = [AmountLine(title, colour, dict(zip(_SIZES, arms, strict=True))) for title, colour, arms in _LINES.values()]
    return drawn(
        folder,
        f"sizes_{backbone}",
        "mIoU over the number of generated images",
        f"{ACCURACY_CAPTION} The same iterations for every size; sizes are the paper's names, and settings say how many images they are here.",
        lambda path: amount_plot(report, backbone, "miou", _SIZES, lines, path),
    )


def _mask_noise(report: DiffuMaskRobustReport, folder: Path, backbone: str) -> Figure | None:
    return drawn(
        folder,
        f"masks_{backbone}",
        "What masks are worth: their IoU, and the segmenter trained on them",
        "One point a kind of masks of the same images, one network trained on each; mean over seeds. Small points: single seeds.",
        lambda path: scatter_plot(
            report,
            MASK_NOISE,
            backbone,
            "IoU of masks with those of the cut-out network (percent)",
            "mIoU after training (percent)",
            path,
        ),
    )


def mask_section(ratings: Sequence[MaskRating]) -> str:
    """Return a table of the quality of masks by preset and class; empty where nothing was rated."""
    if not ratings:
        return ""
    presets = list(dict.fromkeys(one.preset for one in ratings))
    classes = list(dict.fromkeys(name for one in ratings for name in one.iou))
    header = ("Preset", *classes, "Mean", "Pooled", "Trusted right", "Distrusted right", "Dropped")
    rows = []
    for preset in presets:
        own = [one for one in ratings if one.preset == preset]
        by_class = [_mean([one.iou.get(name) for one in own]) for name in classes]
        means = (
            _mean([getattr(one, name) for one in own])
            for name in ("miou", "pooled_iou", "right_trusted", "right_distrusted")
        )
        dropped = sum(one.num_dropped for one in own) / len(own)
        rows.append((preset, *map(fixed, by_class), *map(fixed, means), fixed(dropped, 0)))
    seeds, images = len({one.seed for one in ratings}), ratings[0].num_images
    note = (
        f"Percent, means over {seeds} seed{'s' if seeds > 1 else ''}; {images} images each. IoU of each foreground class over the pixels of all "
        "images (section 9.4). A generated picture has no true mask: the reference is what the cut-out network finds in it, with the class that "
        "was asked for. Right: pixels whose label is the reference's, background included. Dropped: images that the filters of section 5.4 leave "
        "out of training; they are rated all the same."
    )
    return f"## Quality of masks\n\n{markdown_table(header, rows, 1)}\n\n{note}\n"


def unprinted_section(report: DiffuMaskRobustReport) -> str:
    """Return a table of our numbers for each name of a table that arms give and no paper prints."""
    printed = {*(target.table for target in report.targets), *(lost.table for lost in report.lost_targets), ""}
    tables: dict[str, list[str]] = {}
    for arm, _ in report.ran():
        if arm.table not in printed:
            tables.setdefault(arm.table, []).append(arm.id)
    parts = [f"### {name}\n\n{markdown_frame(result_table(report, arms=arms), 1)}" for name, arms in tables.items()]
    return "\n\n".join(["## Tables that no paper prints", *parts, ""]) if parts else ""


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None

"""The report of the SAM filter: the generic page plus what only this paper needs, its pilot, its scores and what the filter keeps."""

from __future__ import annotations

from pathlib import Path

from reports.arm_plot import Row, grouped_dot_plot
from reports.common_figures import ACCURACY_CAPTION, differences, drawn
from reports.figure import Figure
from reports.figures import GREY, PALETTE
from reports.sample_sheets import label_map_columns, label_map_rows
from reports.scatter_plot import scatter_plot
from reports.selection_plots import draw_class_mix, draw_scores
from reports.selections import of_one_arm
from reports.tables import fixed, p_text, paper_tables
from reproductions.sam_filter.claims import METRICS, PILOT
from reproductions.sam_filter.records import SamFilterReport

_SCORE = "score S1 (IoU of the generated mask and SAM's, mean over the named classes)"
_MASK_QUALITY = "mask quality: mIoU with the reference masks (percent)"
_AFTER_TRAINING = "mIoU after training (percent)"
_SHOWN_SELECTION = "sam_20k"
"""Whose class mix is drawn; another one where it is not there."""
_REFERENCES = {"all_40k": "all pairs", "sam_20k": "SAM top 20k"}
"""Arms whose means are drawn through every group, with the words for them."""
_COLOURS: dict[str, str] = {
    "real data": PALETTE[6],
    "SAM's best": PALETTE[0],
    "random": PALETTE[4],
    "all pairs": PALETTE[2],
    "from scratch": GREY,
    "pre-trained": PALETTE[0],
}
_HEADINGS = {
    "Table 1": "Table 1: which pairs",
    "Table 2": "Table 2: contour of the drawn shapes",
    "Table 3": "Table 3: noise in the drawn masks",
}


def draw_figures(report: SamFilterReport, folder: Path) -> list[Figure | None]:
    """Draw what the records allow."""
    return [
        *(_accuracy(report, folder, backbone.id) for backbone in report.backbones),
        differences(report, folder, long_labels=True),
        *(_pilot(report, folder, backbone.id) for backbone in report.backbones),
        _scores(report, folder),
        _filter_samples(report, folder),
        _class_mix(report, folder),
        _drawn_samples(report, folder),
    ]


# --- accuracy ---------------------------------------------------------------------------------------------------


def _accuracy(report: SamFilterReport, folder: Path, backbone: str) -> Figure | None:
    references = {arm: words for arm, words in _REFERENCES.items() if report.targets}
    caption = ACCURACY_CAPTION
    if references:
        caption += " Colour: what the arm is trained on. Dotted lines: means of the arms named at the top, to compare with down the page."
    metric, rows = METRICS[0].id, arm_rows(report)
    return drawn(
        folder,
        f"accuracy_{backbone}",
        f"mIoU by arm, {report.backbone_title(backbone)}",
        caption,
        lambda path: grouped_dot_plot(report, backbone, metric, rows, _COLOURS, references, path),
    )


def arm_rows(report: SamFilterReport) -> list[Row]:
    """Rows of the accuracy figure: the paper's tables, an arm in each that has it, then the controls."""
    if not report.targets:
        return [Row("", arm.id, arm.title, arm.group) for arm in report.arms]
    rows = []
    for table in paper_tables(report):
        printed = {target.arm for target in report.targets if target.table == table}
        printed |= {lost.arm for lost in report.lost_targets if lost.table == table}
        heading = _HEADINGS.get(table, table)
        rows += [Row(heading, arm.id, arm.title, arm.group) for arm in report.arms if arm.id in printed]
    return rows + [Row("Controls", arm.id, arm.title, arm.group) for arm in report.arms if arm.control]


# --- pilot, scores, selection -----------------------------------------------------------------------------------


def _pilot(report: SamFilterReport, folder: Path, backbone: str) -> Figure | None:
    caption = "One point a variant: mean over seeds. Small points: single seeds. s: self-attention, c: cross-attention, cells a side; p: power where it is not 4."
    return drawn(
        folder,
        f"pilot_{backbone}",
        "Pilot: mask quality and what training on it gives",
        caption + _correlations(report, backbone),
        lambda path: scatter_plot(report, PILOT, backbone, _MASK_QUALITY, _AFTER_TRAINING, path),
    )


def _correlations(report: SamFilterReport, backbone: str) -> str:
    """A sentence with every correlation that was measured, empty for none."""
    texts = []
    for item in (item for claim in report.claims for item in claim.evidence if item.kind == "correlation"):
        if item.backbone == backbone and item.mean is not None and item.leave_one_out is not None:
            low, high = item.leave_one_out
            name = item.label.split("'")[0]
            spread = f"{fixed(low, 2, sign=True)} to {fixed(high, 2, sign=True)}"
            texts.append(
                f"{name} {fixed(item.mean, 2, sign=True)} ({spread} with any one variant left out, {p_text(item.p_value)})"
            )
    return f" Correlation over the means: {'; '.join(texts)}." if texts else ""


def _scores(report: SamFilterReport, folder: Path) -> Figure | None:
    caption = (
        "All generated pairs by how well their masks agree with SAM's. A selection keeps what lies right of its line."
    )
    zero = [item.zero_share for item in report.selections if item.zero_share is not None]
    if zero:
        caption += f" {100 * sum(zero) / len(zero):.1f} % of the pairs have score 0."
    return drawn(
        folder,
        "scores",
        "Scores and cut-offs",
        caption,
        lambda path: draw_scores(report.histograms, _SCORE, "pairs", path),
    )


def _class_mix(report: SamFilterReport, folder: Path) -> Figure | None:
    shown = of_one_arm(report.selections, _SHOWN_SELECTION)
    title = report.arm_title(shown[0].arm) if shown else ""
    return drawn(
        folder,
        "class_mix",
        f"What the selection does to the classes: {title}",
        "Share of each class among all pairs (ring) and among the kept ones (dot), means over seeds; sorted by how much the "
        "share of images changes. Orange loses share, blue gains.",
        lambda path: draw_class_mix(shown, path),
    )


# --- samples ----------------------------------------------------------------------------------------------------


def _filter_samples(report: SamFilterReport, folder: Path) -> Figure | None:
    heads = ("image", "from attention", "by SAM", "agreement")
    return drawn(
        folder,
        "filter_samples",
        "Best, median and worst pairs by score",
        "Image, mask from attention (white: uncertain), mask by SAM, and where the two agree: green both, orange from attention "
        "only, blue SAM only. Classes are compared, not only foreground.",
        lambda path: label_map_rows(report.filter_samples, heads, path, compare=True),
    )


def _drawn_samples(report: SamFilterReport, folder: Path) -> Figure | None:
    return drawn(
        folder,
        "drawn_samples",
        "Drawn pictures for pre-training",
        "Left the picture, right its mask, one colour a category. With noise the mask no longer follows the picture.",
        lambda path: label_map_columns(report.drawn_samples, path),
    )

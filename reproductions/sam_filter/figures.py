"""The report of the SAM filter: the generic page plus what only this paper needs, its pilot, its scores and what the filter keeps."""

from __future__ import annotations

from pathlib import Path

from reports.arm_plot import Row, grouped_dot_plot
from reports.figures import GREY, PALETTE, forest_plot
from reports.files import write_whole
from reports.markdown import Figure, render
from reports.records import Arm
from reports.tables import fixed, p_text, paper_tables, results_csv
from reproductions.sam_filter.plots import draw_class_mix, draw_pilot, draw_scores
from reproductions.sam_filter.records import SamFilterReport
from reproductions.sam_filter.sample_sheets import draw_drawn_samples, draw_filter_samples
from reproductions.sam_filter.selection_section import selection_section

_METRIC = "miou"
_PILOT = "pilot"
_SHOWN_SELECTION = "sam_20k"
"""Whose class mix is drawn; another one where it is not there."""
_REFERENCES = {"all_40k": "all pairs", "sam_20k": "SAM top 20k"}
"""Arms whose means are drawn through every group, with the words for them."""
_KINDS = (
    ("real data", PALETTE[6]),
    ("SAM's best", PALETTE[0]),
    ("random", PALETTE[4]),
    ("all pairs", PALETTE[2]),
)
_GROUPS = {
    "Table 1": "Table 1: which pairs",
    "Table 2": "Table 2: contour of the drawn shapes",
    "Table 3": "Table 3: noise in the drawn masks",
}
_OWN_KINDS = (("from scratch", GREY), ("pre-trained", PALETTE[0]))


def write_report(report: SamFilterReport, out: Path) -> Path:
    """Write ``<out>/<paper>/<tier>/``: report.md, results.csv, records.json and the figures.

    Args:
        report: judged records; anything that was not run may be absent.
        out: parent folder of all reports.
    Returns:
        The page.
    """
    folder = out / report.run.paper_id / report.run.tier
    figures = draw_figures(report, folder)
    page = render(report, figures, [section for section in (selection_section(report),) if section])
    write_whole(folder / "results.csv", results_csv(report).encode())
    write_whole(folder / "records.json", (report.model_dump_json(indent=1) + "\n").encode())
    write_whole(folder / "report.md", page.encode())
    return folder / "report.md"


def draw_figures(report: SamFilterReport, folder: Path) -> list[Figure]:
    """Draw what the records allow, remove older figures that they no longer allow, list what is there."""
    figures = [
        *(_accuracy(report, folder, backbone.id) for backbone in report.backbones),
        _differences(report, folder),
        *(_pilot(report, folder, backbone.id) for backbone in report.backbones),
        _scores(report, folder),
        _filter_samples(report, folder),
        _class_mix(report, folder),
        _drawn_samples(report, folder),
    ]
    drawn = [figure for figure in figures if figure is not None]
    for stale in {path.name for path in folder.glob("figure_*.png")} - {figure.file for figure in drawn}:
        (folder / stale).unlink()
    return drawn


# --- accuracy ---------------------------------------------------------------------------------------------------


def _accuracy(report: SamFilterReport, folder: Path, backbone: str) -> Figure | None:
    file = f"figure_accuracy_{backbone}.png"
    kinds = _KINDS if report.targets else _OWN_KINDS
    references = {arm: words for arm, words in _REFERENCES.items() if report.targets}
    if not grouped_dot_plot(report, backbone, _METRIC, arm_rows(report), dict(kinds), references, folder / file):
        return None
    caption = (
        "Circles: one seed each. Bar: mean. Line: 95 % interval. Colour: what the arm is trained on. "
        "Dotted lines: means of the arms named at the top, to compare with down the page."
        if references
        else "Circles: one seed each. Bar: mean. Line: 95 % interval."
    )
    return Figure(file, f"mIoU by arm, {report.backbone_title(backbone)}", caption)


def arm_rows(report: SamFilterReport) -> list[Row]:
    """Rows of the accuracy figure: the paper's tables, an arm in each that has it, then the controls."""
    if not report.targets:
        return [Row("", arm.id, arm.title, _own_kind(arm)) for arm in report.arms]
    order = [arm.id for arm in report.arms]
    rows = []
    for table in paper_tables(report):
        printed = {target.arm for target in report.targets if target.table == table}
        printed |= {lost.arm for lost in report.lost_targets if lost.table == table}
        group = _GROUPS.get(table, table)
        rows += [Row(group, arm, report.arm_title(arm), kind_of(arm)) for arm in order if arm in printed]
    return rows + [Row("Controls", arm.id, arm.title, kind_of(arm.id)) for arm in report.arms if arm.control]


def kind_of(arm: str) -> str:
    """What an arm is trained on after any pre-training, in the words of the legend."""
    if arm.startswith("sbd"):
        return "real data"
    if "random" in arm:
        return "random"
    return "all pairs" if arm.endswith("all_40k") else "SAM's best"


def _own_kind(arm: Arm) -> str:
    return "from scratch" if arm.id.startswith("scratch") else "pre-trained"


def _differences(report: SamFilterReport, folder: Path) -> Figure | None:
    """Draw arm minus arm; the lead of real data is many times as wide and is seen in the figure of accuracies."""
    file = "figure_differences.png"
    between_arms = tuple(claim for claim in report.claims if all(item.right is not None for item in claim.evidence))
    if not forest_plot(report.model_copy(update={"claims": between_arms}), folder / file, long_labels=True):
        return None
    caption = (
        "Each row is one arm minus another on the same seeds. Right of zero is what the claim says, except where it says "
        '"no better". A line that crosses zero is not resolved.'
    )
    if any(item.kind == "difference" and item.right is None for claim in report.claims for item in claim.evidence):
        caption += " The lead of real data is left out: it would set the scale."
    return Figure(file, "Paired differences", caption)


# --- pilot, scores, selection -----------------------------------------------------------------------------------


def _pilot(report: SamFilterReport, folder: Path, backbone: str) -> Figure | None:
    file = f"figure_pilot_{backbone}.png"
    if not draw_pilot(report, _PILOT, backbone, folder / file):
        return None
    found = [item for claim in report.claims for item in claim.evidence if item.kind == "correlation"]
    texts = []
    for item in found:
        if item.backbone == backbone and item.mean is not None and item.leave_one_out is not None:
            low, high = item.leave_one_out
            name = item.label.split("'")[0]
            spread = f"{fixed(low, 2, sign=True)} to {fixed(high, 2, sign=True)}"
            texts.append(
                f"{name} {fixed(item.mean, 2, sign=True)} ({spread} with any one variant left out, {p_text(item.p_value)})"
            )
    caption = "One point a variant: mean over seeds. Small points: single seeds. s: self-attention, c: cross-attention, cells a side; p: power where it is not 4."
    return Figure(file, "Pilot: mask quality and what training on it gives", " ".join([caption, *_sentence(texts)]))


def _sentence(texts: list[str]) -> list[str]:
    return [f"Correlation over the means: {'; '.join(texts)}."] if texts else []


def _scores(report: SamFilterReport, folder: Path) -> Figure | None:
    file = "figure_scores.png"
    caption = (
        "All generated pairs by how well their masks agree with SAM's. A selection keeps what lies right of its line."
    )
    zero = [item.zero_share for item in report.selections if item.zero_share is not None]
    if zero:
        caption += f" {100 * sum(zero) / len(zero):.1f} % of the pairs have score 0."
    return Figure(file, "Scores and cut-offs", caption) if draw_scores(report, folder / file) else None


def _class_mix(report: SamFilterReport, folder: Path) -> Figure | None:
    file = "figure_class_mix.png"
    arm = draw_class_mix(report, _SHOWN_SELECTION, folder / file)
    if arm is None:
        return None
    caption = (
        "Share of each class among all pairs (ring) and among the kept ones (dot), means over seeds; sorted by how much the "
        "share of images changes. Orange loses share, blue gains."
    )
    return Figure(file, f"What the selection does to the classes: {report.arm_title(arm)}", caption)


# --- samples ----------------------------------------------------------------------------------------------------


def _filter_samples(report: SamFilterReport, folder: Path) -> Figure | None:
    file = "figure_filter_samples.png"
    caption = (
        "Image, mask from attention (white: uncertain), mask by SAM, and where the two agree: green both, orange from attention "
        "only, blue SAM only. Classes are compared, not only foreground."
    )
    drawn = draw_filter_samples(report.filter_samples, folder / file)
    return Figure(file, "Best, median and worst pairs by score", caption) if drawn else None


def _drawn_samples(report: SamFilterReport, folder: Path) -> Figure | None:
    file = "figure_drawn_samples.png"
    caption = (
        "Left the picture, right its mask, one colour a category. With noise the mask no longer follows the picture."
    )
    drawn = draw_drawn_samples(report.drawn_samples, folder / file)
    return Figure(file, "Drawn pictures for pre-training", caption) if drawn else None

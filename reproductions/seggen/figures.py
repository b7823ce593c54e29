"""The report of SegGen: the generic page plus masks by steps, gain by class frequency, network calls and samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from reports.arm_plot import Row, grouped_dot_plot
from reports.common_figures import ACCURACY_CAPTION, differences, drawn
from reports.figure import Figure
from reports.figures import GREY, PALETTE, drawing, save_figure
from reports.sample_sheets import picture_rows
from reports.tables import fixed, markdown_frame, markdown_table, result_table, whole
from reproductions.seggen.records import ClassGain, MaskRating, NetworkCalls, SeggenReport

_COLOURS: dict[str, str] = {
    "real data": PALETTE[6],
    "MaskSyn": PALETTE[0],
    "ImgSyn": PALETTE[1],
    "both": PALETTE[2],
    "other masks or images": GREY,
}
_REFERENCES = {"real": "real", "both": "both"}
"""Arms whose means are drawn through every group, with the words for them."""


def draw_figures(report: SeggenReport, folder: Path) -> list[Figure | None]:
    """Draw what the records allow."""
    known = [name for name in ("PQ", "AP") if any(result.metrics.get(name) is not None for result in report.results)]
    metric = known[0] if known else "miou"
    return [
        *(_accuracy(report, folder, backbone.id, metric) for backbone in report.backbones),
        differences(report, folder, long_labels=True),
        drawn(
            folder,
            "classes",
            "Gain by class",
            "IoU of each class after training on real images with both generators' samples, minus that on real images alone; mean over "
            "seeds. Classes by their share of the pixels in the training masks, on a logarithmic scale.",
            lambda path: _class_gains(report.classes, path),
        ),
        drawn(
            folder,
            "samples",
            "Masks and images by both generators",
            "First training images of the first seed: the human mask, the photograph, pictures that Mask2Img paints on that mask (ImgSyn), the "
            "controls, a mask that Text2Mask draws from the caption, and what Mask2Img paints on it (MaskSyn). Below: the caption. Void is grey.",
            lambda path: picture_rows(report.samples, path),
        ),
    ]


def _accuracy(report: SeggenReport, folder: Path, backbone: str, metric: str) -> Figure | None:
    rows = [Row("", arm.id, arm.title, arm.group) for arm in report.arms if not arm.control]
    rows += [Row("Controls", arm.id, arm.title, arm.group) for arm in report.arms if arm.control]
    return drawn(
        folder,
        f"accuracy_{backbone}",
        f"{report.metric_title(metric)} by arm, {report.backbone_title(backbone)}",
        f"{ACCURACY_CAPTION} Colour: what the arm trains on. Dotted lines: means of the arms named at the top.",
        lambda path: grouped_dot_plot(report, backbone, metric, rows, _COLOURS, _REFERENCES, path),
    )


def _class_gains(classes: Sequence[ClassGain], path: Path) -> bool:
    """Draw a class a point; False, and no file, where no seed has both arms."""
    iou = {(one.arm, one.seed, one.name): one for one in classes}
    gains: dict[str, list[float]] = {}
    shares = {one.name: one.share for one in classes}
    for (arm, seed, name), one in iou.items():
        if arm == "both" and ("real", seed, name) in iou:
            gains.setdefault(name, []).append(one.iou - iou["real", seed, name].iou)
    seen = {name: values for name, values in gains.items() if shares[name] > 0}
    if not seen:
        return False
    with drawing(3.6, width_in=6.4) as figure:
        panel = figure.subplots()
        for name, values in seen.items():
            panel.plot([shares[name]] * len(values), values, "o", ms=3, mew=0, color=PALETTE[5], alpha=0.6)
            panel.plot([shares[name]], [fmean(values)], "o", ms=6, color=PALETTE[0])
            if len(seen) <= _MOST_NAMES:
                panel.annotate(name, (shares[name], fmean(values)), xytext=(4, 4), textcoords="offset points", size=7)
        panel.axhline(0, color=GREY, lw=0.9)
        panel.set_xscale("log")
        panel.set_xlabel("share of the training pixels (percent)")
        panel.set_ylabel("IoU, both minus real (points)")
        panel.grid()
        save_figure(figure, path)
    return True


_MOST_NAMES = 30
"""Classes whose names have room."""


def mask_section(ratings: Sequence[MaskRating]) -> str:
    """Return a table of drawn masks by their number of steps; empty where none was measured."""
    if not ratings:
        return ""
    names = ("valid_px", "small_segments", "void_px", "class_shift", "together_shift", "nearest", "nearest_of_human")
    header = (
        *("Steps", "Valid pixels", "Small segments", "Void", "Class shift", "Together shift"),
        *("Nearest human", "Human to human"),
    )
    rows = []
    for steps in sorted({one.steps for one in ratings}):
        own = [one for one in ratings if one.steps == steps]
        rows.append((str(steps), *(fixed(fmean(getattr(one, name) for one in own), 1) for name in names)))
    seeds, masks = len({one.seed for one in ratings}), ratings[0].num_masks
    note = (
        f"Percent, means over {seeds} seed{'s' if seeds > 1 else ''}; {masks} masks each, for the same captions. Valid pixels lie within 25 RGB "
        "units of a colour of the palette; small segments are those that the clean-up takes, of all connected regions. Class shift: pixels that "
        "would have to change their class to give the human masks' shares; together shift: mean difference of how often two classes are shown "
        "together. Nearest human: how much of a mask its nearest human mask shows too, at 16 x 16 points; copies would reach 100, and what human "
        "masks share with each other stands beside it."
    )
    return f"## Generated masks\n\n{markdown_table(header, rows, 1)}\n\n{note}\n"


def measures_section(report: SeggenReport) -> str:
    """Return a table of everything that was measured of each arm; empty where nothing was run."""
    found = []
    for backbone in report.backbones:
        table = result_table(report, backbone.id)
        if len(table):
            found.append(f"### {backbone.title}\n\n{markdown_frame(table, 1)}")
    if not found:
        return ""
    note = (
        "Percent. Frequent, common and rare: means over thirds of the classes by their pixels in the training masks. Unseen domain: images with "
        "looks that no training saw. Alignment: mIoU of the network trained on the real images on an arm's generated images against their masks; "
        "it ranks painters, and jittered or re-rendered copies show what it could be. Valid mask pixels: as in the table of generated masks."
    )
    return "\n\n".join(("## Everything measured", *found, note)) + "\n"


def calls_section(calls: Sequence[NetworkCalls]) -> str:
    """Return a table of what sampling took, as section 12.1 counts it; empty where nothing was sampled."""
    if not calls:
        return ""
    rows = []
    for job in dict.fromkeys(one.job for one in calls):
        own = [one for one in calls if one.job == job]
        number = fmean(one.calls for one in own)
        seconds = fmean(one.seconds for one in own)
        rows.append(
            (
                job,
                whole(fmean(one.samples for one in own)),
                str(own[0].steps),
                whole(number),
                fixed(1000 * seconds / number, 2),
                fixed(seconds, 1),
            )
        )
    header = ("Job", "Samples", "Steps", "U-Net calls", "ms a call", "Seconds")
    note = (
        "Means over seeds. Calls count each image and both halves of guidance; Mask2Img makes as many of the ControlNet beside them. Seconds are "
        "those of a GPU, or of the CPU where no GPU was used, loading and decoding included."
    )
    return f"## Network calls\n\n{markdown_table(header, rows, 1)}\n\n{note}\n"

"""The report of MRCA: the generic page plus what only this paper needs, budget and entropy by round, objects, pasted images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from reports.common_figures import accuracy, differences, drawn
from reports.figure import Figure
from reports.figures import GREY, PALETTE, drawing, save_figure
from reports.sample_sheets import cut_out_sheet, instance_sheet
from reports.samples import CutOutSample, InstanceSample
from reports.series_plot import series_plot
from reproductions.mrca.claims import ENTROPY_CURRENT, ENTROPY_WARMUP
from reproductions.mrca.records import BudgetRound, ClassInfo, MrcaReport

SampleT = TypeVar("SampleT", CutOutSample, InstanceSample)

_ARM = "mrca"
"""Whose rounds are drawn."""
_SHOWN = ("AP_mask", "APr_mask", "APc_mask", "APf_mask")
_GROUP_NAMES = {"f": "frequent", "c": "common", "r": "rare"}
_NAMED_CLASSES = 48
"""Up to so many classes are named on the axis."""
_SERIES = (
    (ENTROPY_WARMUP, "under the warm-up model M₀", PALETTE[1]),
    (ENTROPY_CURRENT, "under the current model", PALETTE[0]),
)


def draw_figures(report: MrcaReport, folder: Path) -> list[Figure | None]:
    """Draw what the records allow."""
    return [
        *accuracy(report, folder, _SHOWN, "Mask AP", "r, c, f: rare, common and frequent classes."),
        differences(report, folder),
        drawn(
            folder,
            "budget",
            "Objects asked for, by class and round",
            "Classes from most to fewest training images. Mean over seeds. The budget is uniform until feedback arrives, "
            "then follows accuracy, weight change and class count.",
            lambda path: draw_budget(report, path),
        ),
        drawn(
            folder,
            "entropy",
            "Entropy of new objects by round",
            "Thin lines: one seed each. Thick: mean over seeds. The paper's reading: level under the current model, "
            "rising under M₀, so objects go from easy to hard.",
            lambda path: series_plot(report, _SERIES, "entropy (nats)", path),
        ),
        drawn(
            folder,
            "objects",
            "Generated objects by round",
            "A few cut-outs of each round as they enter the pool, one seed.",
            lambda path: cut_out_sheet(_of_arm(report.objects), path),
        ),
        drawn(
            folder,
            "pasted",
            "Training images after pasting",
            "What the segmenter is trained on, with the masks it is given.",
            lambda path: instance_sheet(_of_arm(report.pasted), path),
        ),
    ]


def _of_arm(samples: Sequence[SampleT]) -> list[SampleT]:
    """MRCA's samples; those of the other arms where it has none."""
    return [sample for sample in samples if sample.arm == _ARM] or list(samples)


# --- budget -----------------------------------------------------------------------------------------------------


def draw_budget(report: MrcaReport, path: Path) -> bool:
    """Draw objects by class and round as a heat map over the classes' training image counts.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    budgets = [budget for budget in report.budgets if budget.arm == _ARM]
    if not budgets:
        return False
    order = sorted(range(len(report.classes)), key=lambda index: _place(report.classes[index]))
    classes = [report.classes[index] for index in order]
    rounds, mean_RC = mean_budget(budgets)
    with drawing(1.9 + 0.2 * len(rounds) + (0.9 if len(classes) <= _NAMED_CLASSES else 0)) as figure:
        top, heat = figure.subplots(2, 1, sharex=True, height_ratios=[1, 0.22 * len(rounds) + 0.6])
        top.bar(
            range(len(classes)),
            [known.train_images for known in classes],
            width=0.8 if len(classes) <= _NAMED_CLASSES else 1.0,
            color="#9a9a9a",
        )
        top.set_yscale("log")
        top.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        top.yaxis.set_minor_locator(NullLocator())
        top.tick_params(axis="x", length=0)
        top.set_ylabel("training\nimages")
        picture = heat.imshow(mean_RC[:, order], aspect="auto", cmap="cividis", vmin=0, interpolation="nearest")
        heat.set_yticks(range(len(rounds)), [str(number) for number in rounds])
        heat.set_ylabel("round")
        _class_axis(top, heat, classes)
        figure.colorbar(picture, ax=[top, heat], label="objects", pad=0.01, fraction=0.03)
        save_figure(figure, path)
    return True


def _place(known: ClassInfo) -> tuple[int, int, int]:
    """Sort key: frequent, common, rare; inside a group from most to fewest images."""
    return "fcr".index(known.group), -known.train_images, known.id


def mean_budget(budgets: Sequence[BudgetRound]) -> tuple[list[int], np.ndarray]:
    """Rounds, and objects by round and class as a mean over backbones and seeds: float64 (R, C)."""
    rounds = sorted({budget.round for budget in budgets})
    return rounds, np.array([np.mean([b.objects for b in budgets if b.round == number], axis=0) for number in rounds])


def _class_axis(top: Axes, heat: Axes, classes: Sequence[ClassInfo]) -> None:
    """Name the classes, or leave many unnamed, and mark the frequency groups on both panels."""
    if len(classes) <= _NAMED_CLASSES:
        heat.set_xticks(
            range(len(classes)), [known.name.replace("_", " ") for known in classes], rotation=90, fontsize=7
        )
    else:
        heat.set_xlabel("classes")
    start = 0
    for group in "fcr":
        stop = start + sum(known.group == group for known in classes)
        if stop > start:
            text = f"{_GROUP_NAMES[group]} ({stop - start})"
            top.annotate(
                text, ((start + stop - 1) / 2, 1.02), xycoords=("data", "axes fraction"), ha="center", color=GREY
            )
        if 0 < start < len(classes) and stop > start:
            top.axvline(start - 0.5, color="#222222", lw=0.8)
            heat.axvline(start - 0.5, color="white", lw=1.6)
        start = stop

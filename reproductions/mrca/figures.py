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
from reports.series_plot import Panel, Series, series_plot
from reports.tables import fixed, markdown_table
from reproductions.mrca.claims import (
    ENTROPY_CURRENT,
    ENTROPY_LAST,
    ENTROPY_SAME,
    ENTROPY_WARMUP,
    UNGUIDED_LAST,
    UNGUIDED_WARMUP,
)
from reproductions.mrca.cost_section import draw_calls
from reproductions.mrca.records import BudgetRound, ClassInfo, MrcaReport
from reproductions.verdicts.trends import lines

SampleT = TypeVar("SampleT", CutOutSample, InstanceSample)

_ARM = "mrca"
"""Whose rounds are drawn."""
_SHOWN = ("AP_mask", "APr_mask", "APc_mask", "APf_mask")
_GROUP_NAMES = {"f": "frequent", "c": "common", "r": "rare"}
_NAMED_CLASSES = 48
"""Up to so many classes are named on the axis."""
_NARROW = 0.14
"""Share of the width below which a group's name may reach into its neighbour's."""
_BY_ROUND = Panel(
    "new objects",
    "round",
    (
        Series(ENTROPY_CURRENT, "under the current model", PALETTE[0]),
        Series(ENTROPY_WARMUP, "under M₀", PALETTE[1]),
        Series(UNGUIDED_WARMUP, "unguided twins, under M₀", PALETTE[1], ":"),
    ),
)
_LAST = Panel(
    "under the last model",
    "round",
    (
        Series(ENTROPY_LAST, "new objects", PALETTE[2]),
        Series(UNGUIDED_LAST, "unguided twins", PALETTE[2], ":"),
    ),
)
_SAME = Panel("the same objects", "model, by its round", (Series(ENTROPY_SAME, "round 1's objects", PALETTE[3]),))


def draw_figures(report: MrcaReport, folder: Path) -> list[Figure | None]:
    """Draw what the records allow."""
    return [
        *accuracy(report, folder, _SHOWN, "Mask AP", "r, c, f: rare, common and frequent classes."),
        differences(report, folder),
        drawn(
            folder,
            "calls",
            "Mask AP and what it costs to generate",
            "A point an arm: mean over seeds, light ones a seed each. Calls are passes of one image through the denoiser, both halves of "
            "classifier-free guidance and those for gradients counted apart.",
            lambda path: draw_calls(report, path),
        ),
        drawn(
            folder,
            "budget",
            "Objects asked for, by class and round",
            budget_caption(report),
            lambda path: draw_budget(report, path),
        ),
        drawn(
            folder,
            "entropy",
            "Entropy of objects, mean over classes",
            "Thin lines: one seed each. Thick: mean over seeds. The paper's reading of the left panel: level under the current model, "
            "rising under M₀, so objects go from easy to hard. What it cannot tell apart is apart here. Twins are the same classes, "
            "prompts and noise without guidance, so under M₀ they move with the classes of the budget alone; guided objects above "
            "them are harder by guidance. The middle panel asks the last model. The right one keeps the objects and changes the model.",
            lambda path: series_plot(report, (_BY_ROUND, _LAST, _SAME), "entropy (nats)", path),
        ),
        drawn(
            folder,
            "objects",
            "Generated objects by round",
            "One cut-out of each class and round as it enters the pool, the same classes in every round, one seed. Empty: the round has "
            "none of that class.",
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


def guidance_section(report: MrcaReport) -> str:
    """What guidance costs beside the same images without it, and which part of the entropies' change is whose."""
    parts = [text for text in (_cost_of_guidance(report), _entropy_parts(report)) if text]
    return "\n\n".join(["## Guidance", *parts]) if parts else ""


def _cost_of_guidance(report: MrcaReport) -> str:
    ratios = []
    for seed in sorted({cost.seed for cost in report.guidance_costs}):
        costs = [cost for cost in report.guidance_costs if cost.seed == seed]
        unguided = sum(cost.unguided_s for cost in costs)
        if unguided > 0:
            ratios.append(sum(cost.guided_s for cost in costs) / unguided)
    if not ratios:
        return ""
    by_seed = ", ".join(fixed(ratio) for ratio in ratios)
    return (
        f"**Cost.** A guided image takes {fixed(float(np.mean(ratios)))} times the seconds of its unguided twin of the same class, prompt "
        f"and noise (by seed {by_seed}), GPU seconds, or CPU seconds where no GPU was used. Twins are painted for this page alone "
        "and are in no arm's cost."
    )


def _entropy_parts(report: MrcaReport) -> str:
    """Split the change of the current model's entropy from the first guided round to the last, as means over seeds."""
    rows = []
    for backbone in report.backbones:
        found = [parts for seed in report.run.seeds if (parts := _parts_of(report, backbone.id, seed)) is not None]
        if found:
            means = [float(np.mean(column)) for column in zip(*found, strict=True)]
            rows.append([backbone.title, *(fixed(mean, sign=True) for mean in means)])
    if not rows:
        return ""
    header = [
        "Segmenter",
        "New objects, current model",
        "= other objects, M₀ fixed",
        "+ another model, objects fixed",
        "of the objects' part: classes",
        "guidance",
    ]
    text = (
        "**Whose change it is.** Change of the entropy from the first guided round to the last (nats, mean over classes and seeds). The "
        "objects' part is what M₀ alone sees change. Of it, the classes' is what it sees in the unguided twins, guidance the rest."
    )
    return f"{text}\n\n{markdown_table(header, rows, 1)}"


def _parts_of(report: MrcaReport, backbone: str, seed: int) -> tuple[float, float, float, float, float] | None:
    """Total change, the objects' and the model's part, and the classes' and guidance's part of the objects'; None without them."""
    series = (ENTROPY_CURRENT, ENTROPY_WARMUP, UNGUIDED_WARMUP)
    known = [lines(report, name, _ARM, backbone).get(seed, {}) for name in series]
    rounds = sorted(set.intersection(*(set(line) for line in known)))
    if len(rounds) < 2:
        return None
    total, objects, classes = (line[rounds[-1]] - line[rounds[0]] for line in known)
    return total, objects, total - objects, classes, objects - classes


def _of_arm(samples: Sequence[SampleT]) -> list[SampleT]:
    """MRCA's samples; those of the other arms where it has none."""
    return [sample for sample in samples if sample.arm == _ARM] or list(samples)


# --- budget -----------------------------------------------------------------------------------------------------


def budget_caption(report: MrcaReport) -> str:
    """Say how to read the figure, and how far the budget goes with 1/S in this run."""
    text = (
        "Classes from most to fewest training images. Mean over seeds. The budget is uniform until feedback arrives, then follows "
        "accuracy, weight change and class count S; below it, what 1/S alone would ask for. Filled marks: the feedback images show the "
        "class, so its AP is known; open: they do not, and it has its group's."
    )
    steered = [budget for budget in _budgets(report) if budget.by_count is not None]
    correlations = [budget.count_correlation for budget in steered if budget.count_correlation is not None]
    if not correlations:
        return text
    moved = float(np.mean([_moved(budget) for budget in steered]))
    low, high = (fixed(value) for value in (min(correlations), max(correlations)))
    spread = low if low == high else f"{low} to {high}"
    return (
        f"{text} Over rounds and seeds, the weights correlate with 1/S by {spread}, and {fixed(100 * moved, 0)} % of a round's objects "
        "are for other classes than by 1/S alone."
    )


def _budgets(report: MrcaReport) -> list[BudgetRound]:
    return [budget for budget in report.budgets if budget.arm == _ARM]


def _moved(budget: BudgetRound) -> float:
    """Share of a round's objects that 1/S alone would give to other classes."""
    assert budget.by_count is not None, "a round with feedback"
    asked = np.array(budget.objects)
    return float(np.abs(asked - np.array(budget.by_count)).sum() / (2 * max(1, asked.sum())))


def draw_budget(report: MrcaReport, path: Path) -> bool:
    """Draw objects by class and round as a heat map over the classes' training image counts, and what 1/S alone would make of it.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    budgets = _budgets(report)
    if not budgets:
        return False
    order = sorted(range(len(report.classes)), key=lambda index: _place(report.classes[index]))
    classes = [report.classes[index] for index in order]
    maps = [("round", *mean_budget(budgets))]
    steered = [budget for budget in budgets if budget.by_count is not None]
    if steered:
        maps.append(("1/S alone", *mean_budget(steered, by_count=True)))
    heights = [1.0, *(0.22 * len(rounds) + 0.2 for _, rounds, _ in maps)]
    labels_in = 0.9 if len(classes) <= _NAMED_CLASSES else 0.0
    with drawing(1.0 + 0.95 * sum(heights) + labels_in) as figure:
        top, *heats = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _draw_counts(top, classes)
        highest = max(1e-9, *(mean_RC.max() for _, _, mean_RC in maps))
        for heat, (title, rounds, mean_RC) in zip(heats, maps, strict=True):
            picture = heat.imshow(
                mean_RC[:, order], aspect="auto", cmap="cividis", vmin=0, vmax=highest, interpolation="nearest"
            )
            heat.set_yticks(range(len(rounds)), [str(number) for number in rounds])
            heat.set_ylabel(title)
            heat.tick_params(axis="x", length=0)
        _class_axis(top, heats, classes)
        figure.colorbar(picture, ax=[top, *heats], label="objects", pad=0.01, fraction=0.03)
        save_figure(figure, path)
    return True


def _draw_counts(top: Axes, classes: Sequence[ClassInfo]) -> None:
    """Draw training images as bars, and under them whether the class' AP is known."""
    wide = len(classes) <= _NAMED_CLASSES
    top.bar(range(len(classes)), [known.train_images for known in classes], width=0.8 if wide else 1.0, color="#9a9a9a")
    top.set_yscale("log")
    top.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    top.yaxis.set_minor_locator(NullLocator())
    top.tick_params(axis="x", length=0)
    top.set_ylabel("training\nimages")
    # Many classes leave no room for rings: those whose AP is known make a dark line with gaps.
    marker, size = ("o", 4.0) if wide else ("|", 5.0)
    for is_known, fill in ((True, "#222222"), (False, "none")) if wide else ((True, "#222222"),):
        places = [
            index
            for index, known in enumerate(classes)
            if known.feedback_images is not None and (known.feedback_images > 0) == is_known
        ]
        if not places:  # an empty line would have no place, and the layout none for it
            continue
        top.plot(
            places,
            [-0.07] * len(places),
            marker,
            ms=size,
            mfc=fill,
            mec="#222222",
            mew=0.7,
            clip_on=False,
            transform=top.get_xaxis_transform(),
        )


def _place(known: ClassInfo) -> tuple[int, int, int]:
    """Sort key: frequent, common, rare; inside a group from most to fewest images."""
    return "fcr".index(known.group), -known.train_images, known.id


def mean_budget(budgets: Sequence[BudgetRound], by_count: bool = False) -> tuple[list[int], np.ndarray]:
    """Rounds, and objects by round and class as a mean over backbones and seeds: float64 (R, C); on demand those of 1/S alone."""
    rounds = sorted({budget.round for budget in budgets})
    shares = [(budget.round, (budget.by_count or ()) if by_count else budget.objects) for budget in budgets]
    return rounds, np.array([np.mean([share for of, share in shares if of == number], axis=0) for number in rounds])


def _class_axis(top: Axes, heats: Sequence[Axes], classes: Sequence[ClassInfo]) -> None:
    """Name the classes, or leave many unnamed, and mark the frequency groups on all panels."""
    if len(classes) <= _NAMED_CLASSES:
        names = [known.name.replace("_", " ") for known in classes]
        heats[-1].set_xticks(range(len(classes)), names, rotation=90, fontsize=7)
    else:
        heats[-1].set_xlabel("classes")
    start, level = 0, 0
    for group in "fcr":
        stop = start + sum(known.group == group for known in classes)
        if stop > start:
            # A name that is wider than its group stands a line higher than the one before it.
            narrow = stop - start < _NARROW * len(classes)
            level = (level + 1) % 3 if narrow and start else 0
            top.annotate(
                f"{_GROUP_NAMES[group]} ({stop - start})",
                ((start + stop - 1) / 2, 1.02 + 0.17 * level),
                xycoords=("data", "axes fraction"),
                ha="center",
                color=GREY,
            )
        if 0 < start < len(classes) and stop > start:
            top.axvline(start - 0.5, color="#222222", lw=0.8)
            for heat in heats:
                heat.axvline(start - 0.5, color="white", lw=1.6)
        start = stop

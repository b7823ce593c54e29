"""Result tables as Markdown and as tidy CSV, from records alone. Nothing here knows a particular paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.records import Arm, Deviation, Estimate, LostTarget, Report, Target
from reports.results import costs_frame

NOTHING = "–"
"""Shown where there is no number."""
_NOT_RUN = "not run"
COUNT, ITERATIONS = "count", "Iterations"
"""First columns of :func:`our_numbers`."""

CSV_HEADER = (
    "table",
    "arm",
    "backbone",
    "metric",
    "paper_value",
    "paper_decimals",
    "ours_backbone",
    "ours_mean",
    "ours_low",
    "ours_high",
    "n",
    "verdict",
    "reason",
    "cells",
)


# --- numbers and cells ------------------------------------------------------------------------------------------


def fixed(value: float | None, decimals: int = 2, sign: bool = False) -> str:
    """Format with fixed decimals; never "-0.00"; a dash for None."""
    if value is None:
        return NOTHING
    rounded = round(value, decimals) + 0.0
    return f"{rounded:+.{decimals}f}" if sign else f"{rounded:.{decimals}f}"


def whole(value: float | None) -> str:
    """Format a count with thousands separators; a dash for None and NaN."""
    return NOTHING if value is None or value != value else f"{value:,.0f}"


def p_text(p_value: float | None) -> str:
    """Format a p-value to three decimals, "< 0.001" below that."""
    if p_value is None:
        return "no test"
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def mean_text(estimate: Estimate | None, seeds: int, decimals: int = 2) -> str:
    """Format a mean with half of its 95 % interval; name n where it is not the number of seeds of the run."""
    if estimate is None:
        return NOTHING
    text = fixed(estimate.mean, decimals)
    if estimate.high is not None:
        text += f" ± {fixed(estimate.high - estimate.mean, decimals)}"
    return text if estimate.n == seeds else f"{text} (n={estimate.n})"


def cell_text(text: str) -> str:
    """Make text safe inside a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ").strip()


def markdown_frame(frame: pd.DataFrame, numbers_from: int | None = None) -> str:
    """Write a frame of text as a Markdown table; columns from ``numbers_from`` on are aligned to the right."""
    return markdown_table([str(title) for title in frame.columns], frame.to_numpy().tolist(), numbers_from)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int | None = None) -> str:
    """Write a Markdown table; columns from ``numbers_from`` on are aligned to the right."""
    first = len(header) if numbers_from is None else numbers_from
    lines = [header, ["---" if i < first else "---:" for i in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(cell_text(cell) for cell in line) + " |" for line in lines)


# --- result tables ----------------------------------------------------------------------------------------------


def our_numbers(report: Report, backbone: str) -> pd.DataFrame:
    """Return our numbers of one backbone as text: an arm a row (its id as index), a metric a column (by id) after two counts.

    The first column is what ``report.style`` counts, the second the iterations; both are means over seeds.
    """
    of_backbone = [known for known in report.estimates if known.backbone == backbone]
    decimals = {metric.id: metric.decimals for metric in report.metrics}
    text = pd.Series(
        [mean_text(known, len(report.run.seeds), decimals[known.metric]) for known in of_backbone],
        pd.MultiIndex.from_tuples([(known.arm, known.metric) for known in of_backbone], names=["arm", "metric"]),
        dtype=object,
    )
    order = [arm.id for arm, known in report.ran() if known.id == backbone]
    metrics = [metric.id for metric in report.metrics]
    counts = _mean_counts(report, costs_frame(report), backbone).reindex(order).map(whole)
    return counts.join(text.unstack().reindex(index=order, columns=metrics)).fillna(NOTHING)


def _mean_counts(report: Report, costs: pd.DataFrame, backbone: str) -> pd.DataFrame:
    """Means over seeds of what is counted and of the iterations, by arm."""
    names = [COUNT, ITERATIONS]
    if costs.empty:
        return pd.DataFrame(columns=names, dtype="float64")
    of_backbone = costs[costs["backbone"] == backbone]
    iterations = of_backbone["iterations"].astype("float64")
    if report.style.own_iterations:
        iterations = iterations - of_backbone["warmup_iterations"].astype("float64").fillna(0)
    counted = of_backbone[report.style.count].astype("float64")
    return pd.DataFrame({COUNT: counted, ITERATIONS: iterations}).groupby(of_backbone["arm"]).mean()


def result_table(report: Report, backbone: str | None = None, arms: Sequence[str] | None = None) -> pd.DataFrame:
    """Return our numbers of one backbone: an arm a row (its id as index), a metric that any has a number for a column, all as text.

    Args:
        report: judged records.
        backbone: which one; None for the first.
        arms: ids to show, in this order; None for every arm that ran.
    """
    numbers = our_numbers(report, backbone or report.backbones[0].id)
    shown = numbers if arms is None else numbers.loc[[arm for arm in arms if arm in numbers.index]]
    empty = [metric.id for metric in report.metrics if bool((shown[metric.id] == NOTHING).all())]
    shown = shown.drop(columns=empty)
    titled = shown.rename(columns={COUNT: report.style.count_title, **_metric_titles(report)})
    titled.insert(0, "Arm", [report.arm_title(arm) for arm in titled.index])
    return titled


def _metric_titles(report: Report) -> dict[str, str]:
    return {metric.id: metric.title for metric in report.metrics}


def paper_tables(report: Report) -> list[str]:
    """Names of the paper's tables, in order."""
    return list(dict.fromkeys(target.table for target in report.targets))


def paper_table(report: Report, table: str) -> pd.DataFrame:
    """Return one of the paper's tables in its own layout, our numbers under each row, then the arms it lacks, all as text.

    The index names the arm of each row. Where a table prints an arm with several segmenters, each is a row of its own with the segmenter's
    name, and our row follows those that it stands beside.
    """
    targets = [target for target in report.targets if target.table == table]
    metrics = list(dict.fromkeys(target.metric for target in targets))
    several = len({target.backbone for target in targets}) > 1
    beside = {backbone: _ours_beside(report, backbone, metrics) for backbone in ours_beside(report, table)}
    blocks = []
    for arm in dict.fromkeys(target.arm for target in targets):
        of_arm = [target for target in targets if target.arm == arm]
        for backbone in dict.fromkeys(report.beside.get(target.backbone) for target in of_arm):
            mine = [target for target in of_arm if report.beside.get(target.backbone) == backbone]
            blocks.append((arm, _paper_rows(beside[backbone], mine, several)))
    ours = beside[report.beside.get(targets[0].backbone)]
    for lost in sorted((lost for lost in report.lost_targets if lost.table == table), key=lambda lost: lost.row):
        blocks.insert(lost.row, (lost.arm, _lost_rows(ours, lost)))
    for backbone, numbers in beside.items():
        for extra in arms_beside(report, table, backbone):
            if not numbers.ran(extra.id):
                continue
            title = f"{extra.title} *(not in the paper)*"
            blocks.append((extra.id, [[title, "ours", *numbers.cells(extra.id)]]))
    titles = [report.metric_title(metric) for metric in metrics]
    return pd.DataFrame(
        [row for _, block in blocks for row in block],
        index=[arm for arm, block in blocks for _ in block],
        columns=["Method", "", report.style.count_title, ITERATIONS, *titles],
    )


def ours_beside(report: Report, table: str) -> list[str | None]:
    """Return which of our segmenters stand beside those of a table, in its order; None for one that has none beside it."""
    return list(dict.fromkeys(report.beside.get(target.backbone) for target in report.targets if target.table == table))


def _ours_beside(report: Report, backbone: str | None, metrics: Sequence[str]) -> _Ours:
    return _Ours(report, our_numbers(report, backbone) if backbone is not None else pd.DataFrame(), metrics)


@dataclass(frozen=True)
class _Ours:
    """Our numbers beside one table."""

    report: Report
    numbers: pd.DataFrame
    metrics: Sequence[str]
    """Columns of the table."""

    def ran(self, arm: str) -> bool:
        """Whether there is any number."""
        return arm in self.numbers.index and bool((self.numbers.loc[arm, list(self.metrics)] != NOTHING).any())

    def cells(self, arm: str) -> list[str]:
        """Count, iterations and the metrics of the table."""
        return [str(text) for text in self.numbers.loc[arm, [COUNT, ITERATIONS, *self.metrics]]]

    def rows(self, arm: str) -> list[list[str]]:
        """The row under the paper's."""
        if not self.ran(arm):
            return [["", "ours", _NOT_RUN, *[NOTHING] * (len(self.metrics) + 1)]]
        return [["", "ours", *self.cells(arm)]]


def arms_beside(report: Report, table: str, backbone: str | None) -> list[Arm]:
    """Arms that ran, that no table of the paper has, and that stand beside this one."""
    printed = {target.arm for target in report.targets} | {lost.arm for lost in report.lost_targets}
    return [
        arm
        for arm, known in report.ran()
        if known.id == backbone and arm.id not in printed and arm.table in ("", table)
    ]


def _paper_rows(ours: _Ours, targets: list[Target], name_segmenter: bool) -> list[list[str]]:
    """What a table prints of an arm, a row a segmenter, with ours, which stands beside all of these, under them."""
    report, rows, verdicts = ours.report, [], []
    for backbone in dict.fromkeys(target.backbone for target in targets):
        of_backbone = [target for target in targets if target.backbone == backbone]
        first, printed = of_backbone[0], {target.metric: target for target in of_backbone}
        title = f"{first.arm_title}; {first.backbone_title}" if name_segmenter else first.arm_title
        values = [printed_text(printed[metric]) if metric in printed else "" for metric in ours.metrics]
        rows.append([title, "paper", whole(first.objects), whole(first.iterations), *values])
        found = {
            outcome.metric: outcome.verdict
            for outcome in report.outcomes
            if (outcome.table, outcome.arm, outcome.backbone) == (first.table, first.arm, backbone)
        }
        verdicts.append(["", "verdict", "", "", *(found.get(metric, "") for metric in ours.metrics)])
    has_verdicts = report.run.tier == "paper" and ours.ran(targets[0].arm)
    return [*rows, *ours.rows(targets[0].arm), *(verdicts if has_verdicts else [])]


def _lost_rows(ours: _Ours, lost: LostTarget) -> list[list[str]]:
    values = [lost_text(lost) if metric == lost.metric else "" for metric in ours.metrics]
    printed = [lost.arm_title, "paper", whole(lost.objects), whole(lost.iterations), *values]
    return [printed, *ours.rows(lost.arm)]


def printed_text(target: Target) -> str:
    """Write a printed number, with a mark and its bounds where it is inferred."""
    text = fixed(target.value, target.decimals)
    if target.certainty == "certain":
        return text
    if target.low is None or target.high is None:
        return f"{text} (inferred)"
    return f"{text} (inferred: {target.low:g} to {target.high:g})"


def lost_text(lost: LostTarget) -> str:
    """Say that a number is lost, and what is known of it."""
    return "lost" if lost.low is None else f"lost (above {lost.low:g})"


def cost_table(report: Report) -> pd.DataFrame:
    """Return what every arm took, as means over seeds and text; seconds are those of GPUs, or of CPUs where none was used.

    Columns that no arm has a number for are left out.
    """
    titles = {
        "objects_generated": report.style.generated_title,
        "objects_accepted": "Accepted",
        "segmented_images": "Images segmented",
        "training_images": "Images to train on",
        "denoiser_calls": "Denoiser calls",
        "warmup_iterations": report.style.earlier_title,
        "iterations": "Iterations in total",
        "generate_s": "Generate (s)",
        "cut_s": "Cut and filter (s)",
        "pretrain_s": "Pre-train (s)",
        "train_s": "Train (s)",
        "evaluate_s": "Evaluate (s)",
    }
    costs = costs_frame(report)
    means = costs.astype(dict.fromkeys(titles, "float64")).groupby(["backbone", "arm"])[list(titles)].mean()
    order = [(backbone.id, arm.id) for backbone in report.backbones for arm in report.arms]
    means = means.reindex([place for place in order if place in means.index]).dropna(axis="columns", how="all")
    shown = means.map(whole).rename(columns=titles).reset_index()
    shown.insert(0, "Arm", shown.pop("arm").map(report.arm_title))
    shown.insert(1, "Backbone", shown.pop("backbone").map(report.backbone_title))
    return shown


def deviations_that_apply(report: Report) -> tuple[Deviation, ...]:
    """Entries that concern this tier and an arm that ran."""
    arms = {arm.id for arm, _ in report.ran()}
    return tuple(
        known
        for known in report.deviations
        if report.run.tier in known.tiers and (not known.arms or arms & set(known.arms))
    )


_MOST_ARMS = 5
"""Named with an entry of the ledger; ``deviations.csv`` says by which topics an entry finds its arms."""


def deviation_table(deviations: Iterable[Deviation], shown: Mapping[str, str]) -> str:
    """Write the deviation ledger.

    Args:
        deviations: entries, in order.
        shown: title by id of the arms of this report; others are not named.
    """
    rows = [
        [
            known.id,
            known.what + _concerned(known, shown),
            known.stated,
            known.ours + (" **(not comparable)**" if known.incomparable else ""),
            known.mark,
            known.reason,
        ]
        for known in deviations
    ]
    return markdown_table(["Id", "What", "Paper or release", "Here", "Mark", "Why"], rows)


def _concerned(known: Deviation, shown: Mapping[str, str]) -> str:
    """Name the arms that an entry concerns, unless it concerns all."""
    titles = [title for arm, title in shown.items() if arm in known.arms]
    if not known.arms or len(titles) == len(shown):
        return ""
    rest = len(titles) - _MOST_ARMS
    named = "; ".join(titles[:_MOST_ARMS]) + (f" and {rest} more" if rest > 0 else "")
    return f" ({named})"


# --- tidy CSV ---------------------------------------------------------------------------------------------------


def summary_csv(report: Report) -> str:
    """Write every printed and every own number, one a line; the same records give the same bytes.

    The first lines follow the paper's tables; numbers of ours that stand beside none of the paper's come last, with
    an empty table. Means and bounds have four decimals.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    writer.writerows(_target_row(report, target) for target in report.targets)
    shown = {(target.arm, report.beside.get(target.backbone), target.metric) for target in report.targets}
    for arm, backbone in report.ran():
        for metric in report.metrics:
            if (arm.id, backbone.id, metric.id) not in shown:
                writer.writerow(_own_row(report, arm, backbone.id, metric.id))
    return buffer.getvalue()


def _ours(report: Report, arm: str, backbone: str | None, metric: str) -> list[str]:
    estimate = report.estimate(arm, backbone, metric)
    if backbone is None or estimate is None:
        return ["", "", "", "", "0"]
    bounds = ["" if value is None else fixed(value, 4) for value in (estimate.low, estimate.high)]
    return [backbone, fixed(estimate.mean, 4), *bounds, str(estimate.n)]


def _cells(report: Report, arm: str, backbone: str | None) -> str:
    found = sorted((r.seed, r.cells) for r in report.results if r.arm == arm and r.backbone == backbone)
    return ";".join(cell for _, cells in found for cell in cells)


def _target_row(report: Report, target: Target) -> list[str]:
    backbone = report.beside.get(target.backbone)
    outcome = next(
        known
        for known in report.outcomes
        if (known.table, known.arm, known.backbone, known.metric)
        == (target.table, target.arm, target.backbone, target.metric)
    )
    paper = [fixed(target.value, target.decimals), str(target.decimals)]
    ours = _ours(report, target.arm, backbone, target.metric)
    cells = _cells(report, target.arm, backbone)
    names = [target.table, target.arm, target.backbone, target.metric]
    reason = outcome.reason if target.certainty == "certain" else f"{outcome.reason}; the paper's value is inferred"
    return [*names, *paper, *ours, outcome.verdict, reason, cells]


def _own_row(report: Report, arm: Arm, backbone: str, metric: str) -> list[str]:
    names = ["", arm.id, backbone, metric]
    return [*names, "", "", *_ours(report, arm.id, backbone, metric), "", "", _cells(report, arm.id, backbone)]

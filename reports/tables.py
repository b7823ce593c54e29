"""Result tables as Markdown and as tidy CSV, from records alone. Nothing here knows a particular paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence

from reports.records import Arm, Cost, Deviation, Estimate, LostTarget, Report, Target

NOTHING = "–"
"""Shown where there is no number."""
_NOT_RUN = "not run"

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
    """Format a count with thousands separators; a dash for None."""
    return NOTHING if value is None else f"{value:,.0f}"


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


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int | None = None) -> str:
    """Write a Markdown table; columns from ``numbers_from`` on are aligned to the right."""
    first = len(header) if numbers_from is None else numbers_from
    lines = [header, ["---" if i < first else "---:" for i in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(cell_text(cell) for cell in line) + " |" for line in lines)


# --- result tables ----------------------------------------------------------------------------------------------


def mean_cost(report: Report, arm: str, backbone: str | None, value: Callable[[Cost], float | None]) -> float | None:
    """Mean over seeds of one cost of one arm; None where it was not measured."""
    found = [value(cost) for cost in report.costs if cost.arm == arm and cost.backbone == backbone]
    known = [number for number in found if number is not None]
    return sum(known) / len(known) if known else None


def result_table(report: Report, backbone: str | None = None, arms: Sequence[str] | None = None) -> str:
    """Write our numbers of one backbone: an arm a row, a metric a column.

    Args:
        report: judged records.
        backbone: which one; None for the first.
        arms: ids to show, in this order; None for every arm that ran.
    """
    chosen = backbone or report.backbones[0].id
    ran = [arm for arm, known in report.ran() if known.id == chosen]
    shown = ran if arms is None else [arm for wanted in arms for arm in ran if arm.id == wanted]
    header = ["Arm", report.style.count_title, "Iterations", *(metric.title for metric in report.metrics)]
    return markdown_table(header, [[arm.title, *_our_cells(report, arm.id, chosen)] for arm in shown], 1)


def _our_cells(report: Report, arm: str, backbone: str | None) -> list[str]:
    estimates = [report.estimate(arm, backbone, metric.id) for metric in report.metrics]
    count = report.style.count
    iterations = _own_iterations if report.style.own_iterations else _iterations
    return [
        whole(
            mean_cost(
                report,
                arm,
                backbone,
                lambda cost: cost.training_images if count == "training_images" else cost.objects_generated,
            )
        ),
        whole(mean_cost(report, arm, backbone, iterations)),
        *(mean_text(estimate, len(report.run.seeds)) for estimate in estimates),
    ]


def _iterations(cost: Cost) -> float | None:
    return cost.iterations


def _own_iterations(cost: Cost) -> float | None:
    return None if cost.iterations is None else cost.iterations - (cost.warmup_iterations or 0)


def paper_tables(report: Report) -> list[str]:
    """Names of the paper's tables, in order."""
    return list(dict.fromkeys(target.table for target in report.targets))


def paper_table(report: Report, table: str) -> str:
    """Write one of the paper's tables in its own layout, our numbers under each row, then the arms it lacks."""
    targets = [target for target in report.targets if target.table == table]
    metrics = list(dict.fromkeys(target.metric for target in targets))
    backbone = report.beside.get(targets[0].backbone)
    blocks = [
        _paper_rows(report, [target for target in targets if target.arm == arm], metrics, backbone)
        for arm in dict.fromkeys(target.arm for target in targets)
    ]
    for lost in sorted((lost for lost in report.lost_targets if lost.table == table), key=lambda lost: lost.row):
        blocks.insert(lost.row, _lost_rows(report, lost, metrics, backbone))
    rows = [row for block in blocks for row in block]
    for extra in arms_beside(report, table, backbone):
        rows.append([f"{extra.title} *(not in the paper)*", "ours", *_cells_of(report, extra.id, backbone, metrics)])
    header = [
        "Method",
        "",
        report.style.count_title,
        "Iterations",
        *(report.metric_title(metric) for metric in metrics),
    ]
    return markdown_table(header, rows, 2)


def arms_beside(report: Report, table: str, backbone: str | None) -> list[Arm]:
    """Arms that ran, that no table of the paper has, and that stand beside this one."""
    printed = {target.arm for target in report.targets} | {lost.arm for lost in report.lost_targets}
    return [
        arm
        for arm, known in report.ran()
        if known.id == backbone and arm.id not in printed and arm.table in ("", table)
    ]


def _cells_of(report: Report, arm: str, backbone: str | None, metrics: Sequence[str]) -> list[str]:
    cells = _our_cells(report, arm, backbone)
    by_metric = dict(zip((metric.id for metric in report.metrics), cells[2:], strict=True))
    return [*cells[:2], *(by_metric[metric] for metric in metrics)]


def _paper_rows(report: Report, targets: list[Target], metrics: list[str], backbone: str | None) -> list[list[str]]:
    first, printed = targets[0], {target.metric: target for target in targets}
    values = [printed_text(printed[metric]) if metric in printed else "" for metric in metrics]
    rows = [[first.arm_title, "paper", whole(first.objects), whole(first.iterations), *values]]
    rows += _our_rows(report, first.arm, metrics, backbone)
    if report.run.tier == "paper" and len(rows) > 1 and rows[1][2] != _NOT_RUN:
        found = {
            outcome.metric: outcome.verdict
            for outcome in report.outcomes
            if outcome.table == first.table and outcome.arm == first.arm
        }
        rows.append(["", "verdict", "", "", *(found.get(metric, "") for metric in metrics)])
    return rows


def _lost_rows(report: Report, lost: LostTarget, metrics: list[str], backbone: str | None) -> list[list[str]]:
    values = [lost_text(lost) if metric == lost.metric else "" for metric in metrics]
    printed = [lost.arm_title, "paper", whole(lost.objects), whole(lost.iterations), *values]
    return [printed, *_our_rows(report, lost.arm, metrics, backbone)]


def _our_rows(report: Report, arm: str, metrics: list[str], backbone: str | None) -> list[list[str]]:
    if backbone is None or not any(report.by_seed(arm, backbone, metric) for metric in metrics):
        return [["", "ours", _NOT_RUN, *[NOTHING] * (len(metrics) + 1)]]
    return [["", "ours", *_cells_of(report, arm, backbone, metrics)]]


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


def cost_table(report: Report) -> str:
    """Write what every arm took, as means over seeds; seconds are wall time of the stages themselves.

    Columns that no arm has a number for are left out.
    """
    columns: dict[str, Callable[[Cost], float | None]] = {
        report.style.generated_title: lambda cost: cost.objects_generated,
        "Accepted": lambda cost: cost.objects_accepted,
        "Images segmented": lambda cost: cost.segmented_images,
        "Images to train on": lambda cost: cost.training_images,
        "Denoiser calls": lambda cost: cost.denoiser_calls,
        report.style.earlier_title: lambda cost: cost.warmup_iterations,
        "Iterations in total": _iterations,
        "Generate (s)": lambda cost: cost.generate_s,
        "Cut and filter (s)": lambda cost: cost.cut_s,
        "Pre-train (s)": lambda cost: cost.pretrain_s,
        "Train (s)": lambda cost: cost.train_s,
        "Evaluate (s)": lambda cost: cost.evaluate_s,
    }
    shown = {title: read for title, read in columns.items() if any(read(cost) is not None for cost in report.costs)}
    known = {(cost.arm, cost.backbone) for cost in report.costs}
    rows = [
        [arm.title, backbone.title, *(whole(mean_cost(report, arm.id, backbone.id, read)) for read in shown.values())]
        for backbone in report.backbones
        for arm in report.arms
        if (arm.id, backbone.id) in known
    ]
    return markdown_table(["Arm", "Backbone", *shown], rows, 2)


def deviations_that_apply(report: Report) -> tuple[Deviation, ...]:
    """Entries that concern this tier and an arm that ran."""
    arms = {arm.id for arm, _ in report.ran()}
    return tuple(
        known
        for known in report.deviations
        if report.run.tier in known.tiers and (not known.arms or arms & set(known.arms))
    )


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
    return f" ({', '.join(titles)})" if known.arms and len(titles) < len(shown) else ""


# --- tidy CSV ---------------------------------------------------------------------------------------------------


def results_csv(report: Report) -> str:
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

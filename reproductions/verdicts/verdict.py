"""Verdicts: what our runs say of a printed number and of a claim. ``docs/verdicts.md`` states every rule with its error rate.

**Printed numbers.** A printed value stands for every number that rounds to it (28.20: 28.195 to 28.205). In this order:

1. ``not run``: we have no value.
2. ``not comparable``: the tier is not ``paper``, or a declared deviation changes what the row means.
3. ``matches``: our mean over seeds, rounded to the printed decimals, is the printed value.
4. ``not comparable``: seed noise is unknown, with one seed or seeds that do not differ.
5. ``within seed noise``: the printed range meets the range that one more run of ours falls into (95 % t prediction
   interval). The paper prints one run, so one run of ours is the fair yardstick; the interval of our mean is not.
   It says that we see no difference, not that there is none: read it with the width.
6. ``below`` / ``above``: our mean lies under / over the printed range.

A row whose gain is over a baseline (:attr:`~reports.records.Report.baselines`) is ``not comparable`` where ours of that baseline is
``below`` or ``above`` what is printed for it: the gain then starts somewhere else.

**Claims** are judged in :mod:`reproductions.verdicts.claims`.

Source: our choice; the papers print single values and no spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from reports.records import Estimate, Report, Target, TargetOutcome, TargetVerdict
from reproductions.verdicts.claims import Claim, judge_claim
from reproductions.verdicts.statistics import mean_interval
from reproductions.verdicts.variance import BySeed, one_more_run

ReportT = TypeVar("ReportT", bound=Report)


def printed_range(value: float, decimals: int) -> tuple[float, float]:
    """Every number that rounds to a printed one: (value - half a unit, value + half a unit) of the last decimal."""
    half = 0.5 * 10.0**-decimals
    return value - half, value + half


def judge_number(value: float, decimals: int, ours: BySeed, others: Iterable[BySeed] = ()) -> tuple[TargetVerdict, str]:
    """Hold our runs against one printed number, tier and deviations aside.

    Args:
        value: as printed.
        decimals: printed decimals.
        ours: value by seed, in the unit of the paper; may be empty.
        others: the same of comparable arms, for the noise of a run.
    Returns:
        Verdict and the reason in words.
    """
    if not ours:
        return "not run", "no run of ours"
    low, high = printed_range(value, decimals)
    mean = mean_interval(list(ours.values())).mean
    if low <= mean <= high:
        return "matches", "our mean rounds to the printed value"
    noise = one_more_run(ours, others)
    if noise is None:
        return "not comparable", f"{'one seed' if len(ours) == 1 else 'the seeds do not differ'}: seed noise is unknown"
    one_more = f"one more run of ours would fall into [{noise[0]:.{decimals}f}, {noise[1]:.{decimals}f}]"
    if noise[0] <= high and low <= noise[1]:
        return "within seed noise", one_more
    return ("below" if mean < low else "above"), one_more


def blocking(report: Report, arm: str) -> list[str]:
    """Ids of the deviations that make an arm's numbers at this tier incomparable with the paper's; one without arms concerns all."""
    return [
        known.id
        for known in report.deviations
        if known.incomparable and report.run.tier in known.tiers and (not known.arms or arm in known.arms)
    ]


def _judge_target(report: Report, target: Target) -> TargetOutcome:
    backbone = report.beside.get(target.backbone)
    by_arm = {arm.id: report.by_seed(arm.id, backbone, target.metric) for arm in report.arms} if backbone else {}
    ours = by_arm.pop(target.arm, {})
    verdict, reason = judge_number(target.value, target.decimals, ours, by_arm.values())
    if not ours and target.arm in report.not_run:
        reason = f"no run of ours: {report.not_run[target.arm]}"
    if ours and report.run.tier != "paper":
        verdict, reason = "not comparable", f"tier {report.run.tier}"
    elif ours and (ids := blocking(report, target.arm)):
        verdict, reason = "not comparable", f"deviation {', '.join(ids)}"
    return TargetOutcome(
        table=target.table,
        arm=target.arm,
        backbone=target.backbone,
        metric=target.metric,
        our_backbone=backbone if ours else None,
        verdict=verdict,
        reason=reason,
    )


def missed_baselines(
    outcomes: Iterable[TargetOutcome], baselines: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str, str], list[str]]:
    """Return which baselines miss a printed number of theirs by more than seed noise, by arm, printed backbone and metric."""
    missed = {
        (outcome.arm, outcome.backbone, outcome.metric) for outcome in outcomes if outcome.verdict in ("below", "above")
    }
    found: dict[tuple[str, str, str], list[str]] = {}
    for arm, below in baselines.items():
        for baseline, backbone, metric in sorted(missed):
            if baseline in below:
                found.setdefault((arm, backbone, metric), []).append(baseline)
    return found


def _hold_to_baselines(report: Report, outcomes: Sequence[TargetOutcome]) -> tuple[TargetOutcome, ...]:
    """Take back what is said of rows whose baseline misses its own number."""
    missed = missed_baselines(outcomes, report.baselines)
    held = []
    for outcome in outcomes:
        names = missed.get((outcome.arm, outcome.backbone, outcome.metric))
        if names and outcome.verdict != "not run":
            titles = " and ".join(map(report.arm_title, names))
            reason = f"the baseline that its gain is over misses its own number: {titles}"
            outcome = outcome.model_copy(update={"verdict": "not comparable", "reason": reason})
        held.append(outcome)
    return tuple(held)


def estimate_all(report: Report) -> tuple[Estimate, ...]:
    """Mean and interval over seeds of every number of every arm that ran."""
    estimates = []
    for arm, backbone in report.ran():
        for metric in report.metrics:
            values = report.by_seed(arm.id, backbone.id, metric.id)
            if values:
                found = mean_interval(list(values.values()))
                estimates.append(
                    Estimate(
                        arm=arm.id,
                        backbone=backbone.id,
                        metric=metric.id,
                        n=found.n,
                        mean=found.mean,
                        low=found.low,
                        high=found.high,
                    )
                )
    return tuple(estimates)


def judge(report: ReportT, claims: Sequence[Claim]) -> ReportT:
    """Return the same records with everything that follows from them: estimates, outcomes, claims."""
    return report.model_copy(
        update={
            "estimates": estimate_all(report),
            "outcomes": _hold_to_baselines(report, [_judge_target(report, target) for target in report.targets]),
            "claims": tuple(judge_claim(claim, report) for claim in claims),
        }
    )

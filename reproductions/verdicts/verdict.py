"""Verdicts: what our runs say of a printed number and of a claim.

**Printed numbers.** A printed value stands for every number that rounds to it (28.20: 28.195 to 28.205). In this order:

1. ``not run``: we have no value.
2. ``not comparable``: the tier is not ``paper``, or a declared deviation touches the arm.
3. ``matches``: our mean over seeds, rounded to the printed decimals, is the printed value.
4. ``within seed noise``: the printed range meets the range that one more run of ours falls into (95 % t prediction
   interval). The paper prints one run, so one run of ours is the fair yardstick; the interval of our mean is not.
   It says that we see no difference, not that there is none: read it with the width.
5. ``below`` / ``above``: our mean lies under / over the printed range. With one seed there is no interval, and the
   reason says so.

**Claims.** Each is one or several tests, each over seeds with a 95 % t interval and a two-sided p-value:
``holds`` when the whole interval lies where the claim says, ``contradicted`` when the whole interval lies where the
claim says it must not, ``not resolved`` between (also with one seed, and at tier ``smoke``), ``not run`` without data.
A claim holds if **all** its tests hold (so testing several needs no correction), is contradicted if any is.
"No gain" holds when the whole interval lies below a stated margin. A correlation over a few points is tested on their means
over seeds by permutation, and holds only if it keeps its sign without any one point.

Source: our choice; the papers print single values and no spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from reports.records import Estimate, Report, Target, TargetOutcome, TargetVerdict
from reproductions.verdicts.claims import Claim, judge_claim
from reproductions.verdicts.statistics import mean_interval, one_more_run

ReportT = TypeVar("ReportT", bound=Report)


def printed_range(value: float, decimals: int) -> tuple[float, float]:
    """Every number that rounds to a printed one: (value - half a unit, value + half a unit) of the last decimal."""
    half = 0.5 * 10.0**-decimals
    return value - half, value + half


def judge_number(value: float, decimals: int, ours: Sequence[float]) -> tuple[TargetVerdict, str]:
    """Hold our runs against one printed number, tier and deviations aside.

    Args:
        value: as printed.
        decimals: printed decimals.
        ours: one value a seed, in the unit of the paper; may be empty.
    Returns:
        Verdict and the reason in words.
    """
    if not ours:
        return "not run", "no run of ours"
    low, high = printed_range(value, decimals)
    mean = mean_interval(ours).mean
    if low <= mean <= high:
        return "matches", "our mean rounds to the printed value"
    side: TargetVerdict = "below" if mean < low else "above"
    noise = one_more_run(ours)
    if noise is None:
        return side, "one seed, so seed noise is unknown"
    one_more = f"one more run of ours would fall into [{noise[0]:.{decimals}f}, {noise[1]:.{decimals}f}]"
    if noise[0] <= high and low <= noise[1]:
        return "within seed noise", one_more
    return side, one_more


def _judge_target(report: Report, target: Target) -> TargetOutcome:
    backbone = report.beside.get(target.backbone)
    ours = report.by_seed(target.arm, backbone, target.metric) if backbone else {}
    verdict, reason = judge_number(target.value, target.decimals, list(ours.values()))
    blocking = [known.id for known in report.deviations if known.incomparable and target.arm in known.arms]
    if not ours and target.arm in report.not_run:
        reason = f"no run of ours: {report.not_run[target.arm]}"
    if ours and report.run.tier != "paper":
        verdict, reason = "not comparable", f"tier {report.run.tier}"
    elif ours and blocking:
        verdict, reason = "not comparable", f"deviation {', '.join(blocking)}"
    return TargetOutcome(
        table=target.table,
        arm=target.arm,
        backbone=target.backbone,
        metric=target.metric,
        our_backbone=backbone if ours else None,
        verdict=verdict,
        reason=reason,
    )


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
            "outcomes": tuple(_judge_target(report, target) for target in report.targets),
            "claims": tuple(judge_claim(claim, report) for claim in claims),
        }
    )

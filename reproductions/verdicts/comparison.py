"""Compares two reports: what was asked differently, whether numbers differ beyond seed noise, and which verdicts changed.

Arms are compared with themselves, right minus left, paired over the seeds that both have: equal seeds draw equal data and equal
weights, so what they share cancels. Noise is that of claims (:mod:`reproductions.verdicts.variance`), with the arms of both reports; an
arm whose numbers come from the same cells in both counts once. All two-sided p-values are corrected together by Holm's method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports.comparison import Change, ChangeVerdict, ClaimChange, Comparison, SettingChange
from reports.records import Report
from reproductions.harness.why import differences
from reproductions.verdicts.evidence import SMALLEST_INTERESTING
from reproductions.verdicts.statistics import CONFIDENCE, SeedMean, holm, seeds_needed
from reproductions.verdicts.variance import BySeed, paired_difference


def compare(left: Report, right: Report, left_name: str, right_name: str) -> Comparison:
    """Compare two judged reports of one paper."""
    ran = [{arm.id for arm, _ in report.ran()} for report in (left, right)]
    verdicts = [{claim.id: claim for claim in report.claims} for report in (left, right)]
    both = verdicts[0].keys() & verdicts[1].keys()
    return Comparison(
        left=left_name,
        right=right_name,
        left_command=left.run.command,
        right_command=right.run.command,
        settings=tuple(_setting_changes(left, right)),
        settings_known=bool(left.run.study) and bool(right.run.study),
        changes=_changes(left, right),
        only_left=tuple(arm.id for arm in left.arms if arm.id in ran[0] - ran[1]),
        only_right=tuple(arm.id for arm in right.arms if arm.id in ran[1] - ran[0]),
        claims=tuple(_claim_changes(verdicts[0], verdicts[1])),
        num_claims=len(both),
    )


def _setting_changes(left: Report, right: Report) -> Iterator[SettingChange]:
    about = [
        {
            "tier": report.run.tier,
            "data": report.run.data,
            "seeds": list(report.run.seeds),
            "code": report.run.provenance.commit + (" and changes" if report.run.provenance.dirty else ""),
        }
        for report in (left, right)
    ]
    for name in about[0]:
        if about[0][name] != about[1][name]:
            yield SettingChange(name=name, left=about[0][name], right=about[1][name])
    if left.run.study and right.run.study:
        for found in differences(left.run.study, right.run.study):
            yield SettingChange(name=found.path, left=found.left, right=found.right)


def _changes(left: Report, right: Report) -> tuple[Change, ...]:
    found: list[tuple[Change, SeedMean]] = []
    for backbone in left.backbones:
        for metric in left.metrics:
            if metric.id in {other.id for other in right.metrics}:
                found += _metric_changes(left, right, backbone.id, metric.id, metric.unit)
    tested = [place for place, (change, _) in enumerate(found) if change.p_value is not None]
    corrected = dict(zip(tested, holm([found[place][0].p_value or 0.0 for place in tested]), strict=True))
    return tuple(_decided(change, mean, corrected.get(place)) for place, (change, mean) in enumerate(found))


def _metric_changes(
    left: Report, right: Report, backbone: str, metric: str, unit: str
) -> Iterator[tuple[Change, SeedMean]]:
    by_arm: dict[str, BySeed] = {}
    shared = []
    for arm in left.arms:
        sides = [report.by_seed(arm.id, backbone, metric) for report in (left, right)]
        by_arm[f"left {arm.id}"] = sides[0]
        if not _same_cells(left, right, arm.id, backbone):
            by_arm[f"right {arm.id}"] = sides[1]
        if sides[0].keys() & sides[1].keys():
            shared.append((arm.id, sides))
    for arm in right.arms:
        if f"left {arm.id}" not in by_arm:
            by_arm[f"right {arm.id}"] = right.by_seed(arm.id, backbone, metric)
    for arm_id, sides in shared:
        same = _same_cells(left, right, arm_id, backbone)
        pair = by_arm | ({f"right {arm_id}": sides[1]} if same else {})
        mean = paired_difference(pair, f"right {arm_id}", f"left {arm_id}")
        assert mean is not None, "they share seeds"
        interval = mean.interval
        yield (
            Change(
                arm=arm_id,
                backbone=backbone,
                metric=metric,
                unit=unit,
                seeds=mean.seeds,
                left=_mean(sides[0], mean.seeds),
                right=_mean(sides[1], mean.seeds),
                mean=interval.mean,
                low=None if same else interval.low,
                high=None if same else interval.high,
                p_value=None if same else mean.p_value,
                seeds_needed=None,
                verdict="the same runs" if same else "not resolved",
            ),
            mean,
        )


def _mean(by_seed: BySeed, seeds: tuple[int, ...]) -> float:
    return sum(by_seed[seed] for seed in seeds) / len(seeds)


def _same_cells(left: Report, right: Report, arm: str, backbone: str) -> bool:
    """Whether all results with the same seed come from the same cells; then there is nothing to test."""
    sides = [
        {one.seed: one.cells for one in report.results if (one.arm, one.backbone) == (arm, backbone)}
        for report in (left, right)
    ]
    seeds = sides[0].keys() & sides[1].keys()
    return bool(seeds) and all(sides[0][seed] == sides[1][seed] for seed in seeds)


def _decided(change: Change, mean: SeedMean, p_value: float | None) -> Change:
    """Put in the corrected p-value and what follows from it."""
    if change.verdict == "the same runs" or p_value is None or change.low is None or change.high is None:
        return change
    smallest = SMALLEST_INTERESTING.get(change.unit, 0.0)
    verdict: ChangeVerdict = "not resolved"
    if p_value <= 1 - CONFIDENCE:
        verdict = "higher" if change.mean > 0 else "lower"
    elif -smallest < change.low and change.high < smallest:
        verdict = "equivalent"
    needed = None
    if verdict == "not resolved" and mean.standard_error is not None and change.mean:
        spread = mean.standard_error * len(mean.seeds) ** 0.5
        needed = seeds_needed(change.mean, spread, mean.degrees - (len(mean.seeds) - 1))
    return change.model_copy(update={"p_value": p_value, "verdict": verdict, "seeds_needed": needed})


def _claim_changes(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[ClaimChange]:
    for claim_id in dict.fromkeys([*left, *right]):
        sides = [side.get(claim_id) for side in (left, right)]
        told = [claim.verdict if claim is not None else None for claim in sides]
        if told[0] != told[1]:
            wording = next(claim.wording for claim in sides if claim is not None)
            yield ClaimChange(id=claim_id, wording=wording, left=told[0], right=told[1])

"""Tests that compare arms: a gain, a lead over several arms, no gain worth having, and the fact of fewer generated objects."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reports.records import ClaimVerdict, Evidence, Report
from reproductions.verdicts.evidence import ABOVE_ZERO, Claimed, Quantity, weigh
from reproductions.verdicts.floors import beyond_floor
from reproductions.verdicts.images import image_margin
from reproductions.verdicts.statistics import ONE_SIDED, SeedMean, mean_interval
from reproductions.verdicts.variance import paired_difference


@dataclass(frozen=True)
class Gain:
    """The left arm scores more than the right arm on every metric named, paired over seeds."""

    left: str
    right: str
    metrics: tuple[str, ...]

    def rule(self, report: Report) -> str:
        """What must be seen."""
        metrics = " and ".join(report.metric_title(metric) for metric in self.metrics)
        return f"{report.arm_title(self.left)} − {report.arm_title(self.right)} > 0 on {metrics}"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test each metric."""
        return [self._test(report, backbone, metric) for metric in self.metrics]

    def _test(self, report: Report, backbone: str, metric: str) -> Evidence:
        found = _difference(report, backbone, metric, self.left, self.right)
        printed = printed_gain(report, backbone, metric, self.left, self.right)
        quantity = _quantity(report, backbone, metric, self.left, self.right)
        return _held(report, weigh(quantity, found, ABOVE_ZERO, printed=printed))


@dataclass(frozen=True)
class GainOverAll:
    """The left arm scores more than each of several arms, paired over seeds.

    It holds when every difference lies above zero, which needs no correction for their number, and is contradicted when one lies below
    after Holm's correction. The best of the arms in each seed would be no fair opponent: the best of 13 equal arms beats an equal one.
    """

    left: str
    rights: tuple[str, ...]
    metric: str
    rights_title: str
    """What the arms on the right are, in the plural: "synthetic arms"."""

    def rule(self, report: Report) -> str:
        """What must be seen."""
        metric = report.metric_title(self.metric)
        return f"{report.arm_title(self.left)} − each of the {self.rights_title} > 0 on {metric}"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the lead over each arm; the record shows the arm that comes closest."""
        found = {right: _difference(report, backbone, self.metric, self.left, right) for right in self.rights}
        leads = {right: lead for right, lead in found.items() if lead is not None}
        if not leads:
            return [weigh(_quantity(report, backbone, self.metric, self.left, self.rights[0]), None, ABOVE_ZERO)]
        closest = min(leads, key=lambda right: mean_interval(leads[right].values).mean)
        quantity = _quantity(report, backbone, self.metric, self.left, closest)
        arms = f"{report.arm_title(closest)}, the best of {len(leads)} {self.rights_title}"
        label = f"{report.arm_title(self.left)} − {arms}, {report.metric_title(self.metric)}"
        printed = printed_gain(report, backbone, self.metric, self.left, closest)
        named = replace(quantity, label=label, rivals=len(leads))
        weighed = weigh(named, leads[closest], ABOVE_ZERO, printed=printed)
        return [_held(report, _against_all(weighed, list(leads.values())))]


def _against_all(closest: Evidence, leads: list[SeedMean]) -> Evidence:
    """Decide by all leads what one of them shows."""
    known = [lead for lead in leads if lead.standard_error is not None]
    if closest.low is None or not known:
        return closest
    p_against = min(1.0, len(known) * min(lead.p_below(0.0) for lead in known))
    ahead = sum(lead.p_above(0.0) < ONE_SIDED for lead in known)
    reason = f"ahead of {ahead} of {len(leads)} by the whole interval"
    if p_against <= ONE_SIDED or ahead == len(leads):
        verdict: ClaimVerdict = "holds" if ahead == len(leads) else "contradicted"
        return closest.model_copy(
            update={"verdict": verdict, "reason": reason, "p_against": p_against, "seeds_needed": None}
        )
    if closest.verdict == "contradicted":
        reason += f"; the best one lies ahead, but not after correction for {len(known)} arms"
    if closest.verdict == "not resolved":
        reason += f"; {closest.reason}"
    return closest.model_copy(update={"verdict": "not resolved", "reason": reason, "p_against": p_against})


@dataclass(frozen=True)
class NoGain:
    """The left arm scores no more than the right arm by a margin that would matter, paired over seeds."""

    left: str
    right: str
    metric: str
    margin: float
    """In the metric's unit: a gain below it counts as none. Source: our choice."""

    def rule(self, report: Report) -> str:
        """What must be seen."""
        arms = f"{report.arm_title(self.left)} − {report.arm_title(self.right)}"
        return f"{arms} < {self.margin:+.2f} on {report.metric_title(self.metric)}"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the difference against the margin."""
        quantity = _quantity(report, backbone, self.metric, self.left, self.right)
        found = _difference(report, backbone, self.metric, self.left, self.right)
        printed = printed_gain(report, backbone, self.metric, self.left, self.right)
        said = f"the whole interval must lie below {self.margin:+.2f}"
        return [_held(report, weigh(quantity, found, Claimed(high=self.margin), said, printed))]


@dataclass(frozen=True)
class FewerObjects:
    """The left arm generates fewer objects than the right arm: a fact of the set-up, true by construction, so it counts as no test."""

    left: str
    right: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"{report.arm_title(self.left)} generates fewer objects than {report.arm_title(self.right)}"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Compare the counts seed by seed."""
        left, right = (_objects(report, backbone, arm) for arm in (self.left, self.right))
        ratios = {seed: left[seed] / right[seed] for seed in sorted(left.keys() & right.keys())}
        label = f"generated objects, {report.arm_title(self.left)} / {report.arm_title(self.right)}"
        quantity = Quantity(label, "ratio", "", backbone, self.left, self.right)
        if not ratios:
            return [quantity.evidence("not run", "counts are missing")]
        known = {"seeds": tuple(ratios), "values": tuple(ratios.values())}
        mean = mean_interval(known["values"]).mean
        fewer = max(known["values"]) < 1
        return [quantity.evidence("holds" if fewer else "contradicted", "a fact, no test", mean=mean, **known)]


def _objects(report: Report, backbone: str, arm: str) -> dict[int, float]:
    """Generated objects by seed, of an arm that generates any."""
    costs = (cost for cost in report.costs if (cost.arm, cost.backbone) == (arm, backbone))
    return {cost.seed: float(cost.objects_generated) for cost in costs if cost.objects_generated}


def _quantity(report: Report, backbone: str, metric: str, left: str, right: str) -> Quantity:
    unit = next((known.unit for known in report.metrics if known.id == metric), "")
    label = f"{report.arm_title(left)} − {report.arm_title(right)}, {report.metric_title(metric)}"
    return Quantity(label, "difference", unit, backbone, left, right, metric)


def _held(report: Report, item: Evidence) -> Evidence:
    """Hold a difference against what knowing nothing scores, and put beside it what other evaluation images would do to it."""
    item = beyond_floor(report, item)
    if not (item.seeds and item.left and item.right and item.metric):
        return item
    margin = image_margin(report, item.backbone, item.metric, item.left, item.right, item.seeds)
    return item.model_copy(update={"image_margin": margin})


def _difference(report: Report, backbone: str, metric: str, left: str, right: str) -> SeedMean | None:
    """Left minus right, with the noise of all arms of the backbone."""
    by_arm = {arm.id: report.by_seed(arm.id, backbone, metric) for arm in report.arms}
    return paired_difference(by_arm, left, right)


def printed_gain(report: Report, backbone: str, metric: str, left: str, right: str) -> float | None:
    """The same difference of printed numbers, where tiers allow to look at it and one table prints both."""
    if report.run.tier != "paper":
        return None
    beside = [t for t in report.targets if report.beside.get(t.backbone) == backbone and t.metric == metric]
    for target in beside:
        others = [t.value for t in beside if (t.table, t.arm) == (target.table, right)]
        if target.arm == left and others:
            return target.value - others[0]
    return None

"""Claims that a report can test: gains of one arm over another, trends over rounds, counts, correlations; and how they are judged.

The rules are stated in :mod:`reproductions.verdicts.verdict`. Each test yields ``Evidence`` records with one value a
seed, so that a reader sees every point behind a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reports.records import ClaimOutcome, ClaimVerdict, Evidence, Report, SeriesPoint
from reproductions.verdicts.correlation import Correlated
from reproductions.verdicts.statistics import PairedDifference, against_zero, mean_interval, paired_difference, slope

FEWEST_ROUNDS = 3
"""A trend over fewer rounds is not judged. Source: our choice."""


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
        left, right = (report.by_seed(arm, backbone, metric) for arm in (self.left, self.right))
        label = f"{report.arm_title(self.left)} − {report.arm_title(self.right)}, {report.metric_title(metric)}"
        unit = _unit(report, metric)
        tested = _evidence(label, "difference", unit, backbone, paired_difference(left, right), _above_zero)
        return tested.model_copy(update={"left": self.left, "right": self.right, "metric": metric})


@dataclass(frozen=True)
class GainOverAll:
    """The left arm scores more than the best of several arms, paired over seeds.

    The best is taken anew in each seed among the arms that ran, which can only make the test harder to pass.
    """

    left: str
    rights: tuple[str, ...]
    metric: str
    rights_title: str
    """What the arms on the right are, in the plural: "synthetic arms"."""

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return (
            f"{report.arm_title(self.left)} − best of the {self.rights_title} > 0 on {report.metric_title(self.metric)}"
        )

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the smallest lead."""
        values = [report.by_seed(arm, backbone, self.metric) for arm in self.rights]
        ran = [by_seed for by_seed in values if by_seed]
        left = report.by_seed(self.left, backbone, self.metric)
        best = {seed: max(by_seed[seed] for by_seed in ran if seed in by_seed) for seed in _seeds_of(ran)}
        label = f"{report.arm_title(self.left)} − best of {len(ran)} {self.rights_title}, {report.metric_title(self.metric)}"
        unit = _unit(report, self.metric)
        tested = _evidence(label, "difference", unit, backbone, paired_difference(left, best), _above_zero)
        return [tested.model_copy(update={"left": self.left, "metric": self.metric})]


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
        left, right = (report.by_seed(arm, backbone, self.metric) for arm in (self.left, self.right))

        def below_margin(low: float, high: float) -> ClaimVerdict:
            if high < self.margin:
                return "holds"
            return "contradicted" if low > self.margin else "not resolved"

        label = f"{report.arm_title(self.left)} − {report.arm_title(self.right)}, {report.metric_title(self.metric)}"
        unit = _unit(report, self.metric)
        tested = _evidence(label, "difference", unit, backbone, paired_difference(left, right), below_margin)
        update: dict[str, object] = {"left": self.left, "right": self.right, "metric": self.metric}
        if tested.low is not None:
            update["reason"] = f"the whole interval must lie below {self.margin:+.2f}"
        return [tested.model_copy(update=update)]


@dataclass(frozen=True)
class FewerObjects:
    """The left arm generates fewer objects than the right arm. A fact of the set-up, so no test."""

    left: str
    right: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"{report.arm_title(self.left)} generates fewer objects than {report.arm_title(self.right)}"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Compare the counts seed by seed."""
        left, right = (
            {
                cost.seed: float(cost.objects_generated)
                for cost in report.costs
                if cost.arm == arm and cost.backbone == backbone and cost.objects_generated
            }
            for arm in (self.left, self.right)
        )
        ratios = {seed: left[seed] / right[seed] for seed in sorted(left.keys() & right.keys())}
        label = f"generated objects, {report.arm_title(self.left)} / {report.arm_title(self.right)}"
        verdict: ClaimVerdict = "not run"
        if ratios:
            verdict = "holds" if max(ratios.values()) < 1 else "contradicted"
        return [
            Evidence(
                label=label,
                kind="ratio",
                unit="",
                backbone=backbone,
                seeds=tuple(ratios),
                values=tuple(ratios.values()),
                mean=mean_interval(list(ratios.values())).mean if ratios else None,
                left=self.left,
                right=self.right,
                verdict=verdict,
                reason="a count, not an estimate" if ratios else "counts are missing",
            )
        ]


@dataclass(frozen=True)
class Rising:
    """A series rises over the rounds: least-squares change from first to last round, tested over seeds."""

    series: str
    title: str
    arm: str
    unit: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"{self.title}: fitted change from first to last round > 0"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the change."""
        change = against_zero(_changes(report, self.series, self.arm, backbone))
        return [_evidence(f"change of {self.title}", "change", self.unit, backbone, change, _above_zero)]


@dataclass(frozen=True)
class Level:
    """A series stays level: its fitted change lies within a share of its own mean, by interval (equivalence)."""

    series: str
    title: str
    arm: str
    unit: str
    tolerance: float
    """Change from first to last round that counts as none, as a share of the mean. Source: our choice."""

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"{self.title}: fitted change from first to last round within ±{100 * self.tolerance:.0f} % of its mean"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the change against the band."""
        change = against_zero(_changes(report, self.series, self.arm, backbone))
        values = [point.value for seed in _by_seed(report, self.series, self.arm, backbone).values() for point in seed]
        edge = self.tolerance * abs(mean_interval(values).mean) if values else 0.0

        def within_band(low: float, high: float) -> ClaimVerdict:
            if -edge < low and high < edge:
                return "holds"
            return "contradicted" if low > edge or high < -edge else "not resolved"

        tested = _evidence(f"change of {self.title}", "change", self.unit, backbone, change, within_band)
        if change is None or tested.low is None:
            return [tested]
        return [tested.model_copy(update={"band": (-edge, edge), "reason": "the whole interval must lie within"})]


@dataclass(frozen=True)
class RisesFaster:
    """One series changes more than another over the rounds, paired over seeds."""

    left: str
    left_title: str
    right: str
    right_title: str
    arm: str
    unit: str

    def rule(self, report: Report) -> str:
        """What must be seen."""
        return f"fitted change of {self.left_title} − of {self.right_title} > 0"

    def evidence(self, report: Report, backbone: str) -> list[Evidence]:
        """Test the difference of the changes."""
        left, right = (_changes(report, series, self.arm, backbone) for series in (self.left, self.right))
        label = f"change of {self.left_title} − of {self.right_title}"
        return [_evidence(label, "change", self.unit, backbone, paired_difference(left, right), _above_zero)]


Test = Gain | GainOverAll | NoGain | Correlated | FewerObjects | Rising | Level | RisesFaster


@dataclass(frozen=True)
class Claim:
    """Something the paper states, or a control it lacks, with the tests that decide it."""

    id: str
    wording: str
    source: str
    tests: tuple[Test, ...]
    control: bool = False


def _unit(report: Report, metric: str) -> str:
    return next((known.unit for known in report.metrics if known.id == metric), "")


def _seeds_of(by_seed: Iterable[Mapping[int, float]]) -> list[int]:
    return sorted({seed for known in by_seed for seed in known})


def _above_zero(low: float, high: float) -> ClaimVerdict:
    if low > 0:
        return "holds"
    return "contradicted" if high < 0 else "not resolved"


def _by_seed(report: Report, series: str, arm: str, backbone: str) -> dict[int, list[SeriesPoint]]:
    found: dict[int, list[SeriesPoint]] = {}
    for point in sorted(report.series, key=lambda point: (point.seed, point.round)):
        if (point.series, point.arm, point.backbone) == (series, arm, backbone):
            found.setdefault(point.seed, []).append(point)
    return found


def _changes(report: Report, series: str, arm: str, backbone: str) -> dict[int, float]:
    """Fitted change from first to last round by seed; seeds with too few rounds are left out."""
    changes = {}
    for seed, points in _by_seed(report, series, arm, backbone).items():
        if len(points) >= FEWEST_ROUNDS:
            rounds = [float(point.round) for point in points]
            changes[seed] = slope(rounds, [point.value for point in points]) * (rounds[-1] - rounds[0])
    return changes


def _evidence(
    label: str,
    kind: str,
    unit: str,
    backbone: str,
    tested: PairedDifference | None,
    decide: Callable[[float, float], ClaimVerdict],
) -> Evidence:
    """Wrap a tested difference; ``decide`` maps its interval to a verdict."""
    common = {"label": label, "kind": kind, "unit": unit, "backbone": backbone}
    if tested is None:
        return Evidence.model_validate(
            common | {"seeds": (), "values": (), "verdict": "not run", "reason": "no data on shared seeds"}
        )
    interval = tested.interval
    if interval.low is None or interval.high is None:
        verdict, reason = "not resolved", "one seed, no interval"
    else:
        verdict = decide(interval.low, interval.high)
        positive = sum(value > 0 for value in tested.differences)
        reason = f"positive in {positive} of {interval.n} seeds"
    return Evidence.model_validate(
        common
        | {
            "seeds": tested.seeds,
            "values": tested.differences,
            "mean": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "p_value": tested.p_value,
            "verdict": verdict,
            "reason": reason,
        }
    )


def combine(evidence: Sequence[Evidence]) -> tuple[ClaimVerdict, str]:
    """Join the tests of one claim: all must hold; any contradiction contradicts."""
    verdicts = [item.verdict for item in evidence]
    count: Mapping[str, int] = {name: verdicts.count(name) for name in dict.fromkeys(verdicts)}
    if not verdicts or set(verdicts) == {"not run"}:
        return "not run", "an arm or a series that it needs was not run"
    if "contradicted" in count:
        return "contradicted", f"{count['contradicted']} of {len(verdicts)} tests point the other way"
    if set(verdicts) == {"holds"}:
        return "holds", f"{len(verdicts)} of {len(verdicts)} tests"
    missing = f", {count['not run']} not run" if "not run" in count else ""
    return "not resolved", f"{count.get('holds', 0)} of {len(verdicts)} tests hold{missing}"


def _unresolved(item: Evidence) -> Evidence:
    """Take the verdict back where there was one."""
    return item if item.verdict == "not run" else item.model_copy(update={"verdict": "not resolved"})


def judge_claim(claim: Claim, report: Report) -> ClaimOutcome:
    """Decide one claim on every backbone that has any of its evidence."""
    evidence: list[Evidence] = []
    for backbone in report.backbones:
        of_backbone = [item for test in claim.tests for item in test.evidence(report, backbone.id)]
        if any(item.verdict != "not run" for item in of_backbone) or len(report.backbones) == 1:
            evidence += of_backbone
    verdict, reason = combine(evidence)
    if report.run.tier == "smoke" and verdict != "not run":
        verdict, reason = "not resolved", "tier smoke: numbers are meaningless"
        evidence = [_unresolved(item) for item in evidence]
    return ClaimOutcome(
        id=claim.id,
        wording=claim.wording,
        source=claim.source,
        control=claim.control,
        rule="; ".join(test.rule(report) for test in claim.tests),
        verdict=verdict,
        reason=reason,
        evidence=tuple(evidence),
    )

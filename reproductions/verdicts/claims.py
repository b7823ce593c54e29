"""A claim that a report can test, and how its tests together decide it. The rules are stated in ``docs/verdicts.md``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.records import ClaimOutcome, ClaimVerdict, Evidence, Report
from reproductions.verdicts.correlation import Correlated
from reproductions.verdicts.differences import FewerObjects, Gain, GainOverAll, NoGain
from reproductions.verdicts.evidence import seeds_text
from reproductions.verdicts.statistics import ONE_SIDED, holm
from reproductions.verdicts.trends import Falling, Level, RisesFaster, Rising

Test = Gain | GainOverAll | NoGain | Correlated | FewerObjects | Rising | Falling | Level | RisesFaster


@dataclass(frozen=True)
class Claim:
    """Something the paper states, or a control it lacks, with the tests that decide it."""

    id: str
    wording: str
    source: str
    tests: tuple[Test, ...]
    control: bool = False
    qualified_by: str = ""
    """Id of the control without whose number this claim's would mislead; empty for none."""


def corrected(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Take back contradictions that Holm's correction over the tests of one claim does not leave standing."""
    p_values = {place: item.p_against for place, item in enumerate(evidence) if item.p_against is not None}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return [
        _taken_back(item, len(p_values))
        if item.verdict == "contradicted" and adjusted.get(place, 0.0) > ONE_SIDED
        else item
        for place, item in enumerate(evidence)
    ]


def _taken_back(item: Evidence, num_tests: int) -> Evidence:
    reason = f"{item.reason}; on the other side, but not after correction for {num_tests} tests"
    return item.model_copy(update={"verdict": "not resolved", "reason": reason})


def combine(evidence: Sequence[Evidence]) -> tuple[ClaimVerdict, str]:
    """Join the tests of one claim: all must hold; one contradiction that is left after correction contradicts.

    Facts count as no test, but a claim that rests on one that is not so cannot hold.
    """
    tests, facts = ([item for item in evidence if item.is_fact == wanted] for wanted in (False, True))
    verdicts = [item.verdict for item in tests]
    count = {name: verdicts.count(name) for name in dict.fromkeys(verdicts)}
    if not verdicts or set(verdicts) == {"not run"}:
        return "not run", "an arm or a series that it needs was not run"
    if "contradicted" in count:
        return "contradicted", f"{count['contradicted']} of {len(verdicts)} tests point the other way"
    if any(fact.verdict != "holds" for fact in facts):
        missing = all(fact.verdict != "contradicted" for fact in facts)
        return "not resolved", f"a fact that it rests on is {'missing' if missing else 'not so'}"
    if set(verdicts) == {"holds"}:
        return "holds", f"{len(verdicts)} of {len(verdicts)} tests"
    if set(verdicts) == {"equivalent"}:
        return "equivalent", f"{len(verdicts)} of {len(verdicts)} tests: no difference that would matter"
    return "not resolved", _open(tests, count)


def _open(tests: Sequence[Evidence], count: dict[ClaimVerdict, int]) -> str:
    """Say how many tests hold, what is missing, and how many seeds would resolve the rest."""
    said = f"{count.get('holds', 0)} of {len(tests)} tests hold"
    said += f", {count['equivalent']} equivalent" if "equivalent" in count else ""
    said += f", {count['not run']} not run" if "not run" in count else ""
    needed = [item.seeds_needed for item in tests if item.verdict == "not resolved" and item.seeds_needed is not None]
    return f"{said}; {seeds_text(max(needed))} would resolve what is seen" if needed else said


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
    evidence = corrected(evidence)
    verdict, reason = combine(evidence)
    if report.run.tier == "smoke" and verdict != "not run":
        verdict, reason = "not resolved", "tier smoke: numbers are meaningless"
        evidence = [_unresolved(item) for item in evidence]
    return ClaimOutcome(
        id=claim.id,
        wording=claim.wording,
        source=claim.source,
        control=claim.control,
        qualified_by=claim.qualified_by,
        rule="; ".join(test.rule(report) for test in claim.tests),
        verdict=verdict,
        reason=reason,
        evidence=tuple(evidence),
    )

"""What the templates show of the records: rows, links, words. No template computes anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from reports.drill import ClassScores, Details, RunDetails, SeedRuns
from reports.evidence_words import evidence_text, mean_and_interval
from reports.html import drawings
from reports.html.text import inline, to_html
from reports.markdown import ShownTable, read_with
from reports.records import Arm, Backbone, ClaimOutcome, Evidence, Report
from reports.tables import NOTHING, fixed, mean_text

SHORT_ID = 12
"""Digits of a cell's id that are shown; ``segrepro`` takes any that fit one cell only."""
_SHORT_COMMIT = 10
_MARKS = {"holds": "✓", "equivalent": "≈", "contradicted": "✗", "not resolved": "?", "not run": "–"}
_ODD = re.compile(r"[^\w-]+")


def anchor(kind: str, *names: object) -> str:
    """Return the id of an element of the page."""
    return "-".join([kind, *(_ODD.sub("_", str(name)) for name in names)])


def run_anchor(cell_id: str) -> str:
    """Return the id of the element that shows a run."""
    return anchor("run", cell_id[:SHORT_ID])


def seconds_text(seconds: float | None) -> str:
    """Write a duration with its two largest units."""
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def value_text(value: int | float | str | None) -> str:
    """Write a number of a record: whole ones whole, others to six digits."""
    if value is None:
        return NOTHING
    if isinstance(value, str | bool):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


@dataclass(frozen=True)
class Link:
    """Words that open something of this page."""

    words: str
    target: str = ""
    """Id of what is opened; empty for plain words."""


# --- claims -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EvidenceView:
    """One row of a claim's plot."""

    label: str
    numbers: str
    drawing: Markup | None
    text: str


@dataclass(frozen=True)
class ClaimView:
    """One claim or control."""

    anchor: str
    id: str
    wording: str
    source: str
    verdict: str
    mark: str
    css: str
    reason: str
    rule: str
    evidence: tuple[EvidenceView, ...]
    beside: tuple[Markup, ...]
    arms: tuple[Link, ...]


def claim_views(report: Report, controls: bool) -> list[ClaimView]:
    """Return the paper's claims, or the controls."""
    return [_claim_view(report, claim) for claim in report.claims if claim.control == controls]


def _claim_view(report: Report, claim: ClaimOutcome) -> ClaimView:
    return ClaimView(
        anchor=anchor("claim", claim.id),
        id=claim.id,
        wording=claim.wording,
        source="" if claim.control else claim.source,
        verdict=claim.verdict,
        mark=_MARKS[claim.verdict],
        css=drawings.verdict_class(claim.verdict),
        reason=claim.reason,
        rule=claim.rule,
        evidence=tuple(_evidence_view(report, claim, item) for item in claim.evidence),
        beside=tuple(inline(line) for line in read_with(report, claim)),
        arms=tuple(_arms_of(report, claim)),
    )


def _evidence_view(report: Report, claim: ClaimOutcome, item: Evidence) -> EvidenceView:
    numbers, scale = mean_and_interval(item), drawings.forest_scale(claim, item.unit)
    is_drawn = item.mean is not None and not item.is_fact
    return EvidenceView(
        label=item.label,
        numbers=numbers,
        drawing=drawings.interval(item, scale, f"{item.label}: {numbers}") if is_drawn and scale is not None else None,
        text=evidence_text(report, item),
    )


def _arms_of(report: Report, claim: ClaimOutcome) -> Iterator[Link]:
    """The arms that a claim compares, each once, those that ran."""
    ran = {(arm.id, backbone.id) for arm, backbone in report.ran()}
    named = [(arm, item.backbone) for item in claim.evidence for arm in (item.left, item.right) if arm is not None]
    for arm, backbone in dict.fromkeys(named):
        if (arm, backbone) in ran:
            yield Link(report.arm_title(arm), anchor("arm", backbone, arm))


@dataclass(frozen=True)
class VerdictCount:
    """How many claims have a verdict."""

    verdict: str
    mark: str
    css: str
    count: int


def count_verdicts(verdicts: Iterable[str]) -> list[VerdictCount]:
    """Count verdicts, in the order of strength; those that do not occur are left out."""
    counts = Counter(verdicts)
    return [
        VerdictCount(verdict, mark, drawings.verdict_class(verdict), counts[verdict])
        for verdict, mark in _MARKS.items()
        if counts[verdict]
    ]


# --- tables -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TableRow:
    """One row of a table."""

    kind: str
    """"paper", "ours", "verdict" or empty."""
    cells: tuple[Link, ...]


@dataclass(frozen=True)
class TableView:
    """One table; rows of one arm stay together when it is sorted."""

    heading: str
    columns: tuple[str, ...]
    words: int
    """How many columns at the left are words."""
    groups: tuple[tuple[TableRow, ...], ...]
    notes: tuple[Markup, ...]
    folded: str


def table_view(report: Report, table: ShownTable) -> TableView:
    """Return a table whose numbers of ours open the arm that they are of."""
    backbone = {arm.id: backbone.id for arm, backbone in reversed(list(report.ran()))}
    has_paper = table.words > 1
    groups: dict[str, list[TableRow]] = {}
    for arm, texts in zip(table.frame.index, table.frame.to_numpy().tolist(), strict=True):
        kind = texts[1] if has_paper else "ours"
        target = anchor("arm", backbone[arm], arm) if kind == "ours" and arm in backbone else ""
        cells = tuple(
            Link(text.replace("*", ""), target if text != NOTHING and (place >= table.words or not has_paper) else "")
            for place, text in enumerate(texts)
        )
        groups.setdefault(arm, []).append(TableRow(kind, cells))
    return TableView(
        heading=table.heading,
        columns=tuple(table.frame.columns),
        words=table.words,
        groups=tuple(tuple(rows) for rows in groups.values()),
        notes=tuple(to_html(note) for note in table.notes),
        folded=table.folded,
    )


# --- arms and seeds ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeedView:
    """One seed of an arm."""

    anchor: str
    seed: int
    values: tuple[str, ...]
    """One a metric of the arm."""
    details: SeedRuns | None
    neighbour: Link | None
    runs: tuple[RunDetails, ...]
    machine: str


@dataclass(frozen=True)
class ArmView:
    """One arm on one backbone."""

    anchor: str
    title: str
    what: str
    control: bool
    metrics: tuple[str, ...]
    means: tuple[str, ...]
    seeds: tuple[SeedView, ...]
    claims: tuple[Link, ...]


def arm_views(report: Report, details: Details) -> list[ArmView]:
    """Return every arm that ran, with its seeds."""
    return [_arm_view(report, arm, backbone, details) for arm, backbone in report.ran()]


def _arm_view(report: Report, arm: Arm, backbone: Backbone, details: Details) -> ArmView:
    results = sorted(
        (one for one in report.results if (one.arm, one.backbone) == (arm.id, backbone.id)), key=lambda one: one.seed
    )
    metrics = [known for known in report.metrics if any(one.metrics.get(known.id) is not None for one in results)]
    estimates = {known.id: report.estimate(arm.id, backbone.id, known.id) for known in metrics}
    claims = {
        claim.id: claim.wording
        for claim in report.claims
        for item in claim.evidence
        if arm.id in (item.left, item.right)
    }
    return ArmView(
        anchor=anchor("arm", backbone.id, arm.id),
        title=arm.title if len(report.backbones) == 1 else f"{arm.title}, {backbone.title}",
        what=arm.what,
        control=arm.control,
        metrics=tuple(known.title for known in metrics),
        means=tuple(mean_text(estimates[known.id], len(report.run.seeds), known.decimals) for known in metrics),
        seeds=tuple(
            _seed_view(
                report,
                details.of(arm.id, backbone.id, one.seed),
                details.runs,
                anchor("seed", backbone.id, arm.id, one.seed),
                one.seed,
                tuple(fixed(one.metrics.get(known.id), known.decimals) for known in metrics),
            )
            for one in results
        ),
        claims=tuple(Link(f"{name}: {wording}", anchor("claim", name)) for name, wording in claims.items()),
    )


def _seed_view(
    report: Report,
    found: SeedRuns | None,
    runs: Mapping[str, RunDetails],
    place: str,
    seed: int,
    values: tuple[str, ...],
) -> SeedView:
    shown = tuple(runs[cell_id] for cell_id in found.runs) if found is not None else ()
    known = [one.machine_s for one in shown if one.machine_s is not None]
    neighbour = None
    if found is not None and found.neighbour:
        neighbour = Link(report.arm_title(found.neighbour), anchor("seed", found.backbone, found.neighbour, found.seed))
    return SeedView(place, seed, values, found, neighbour, shown, seconds_text(sum(known)) if known else NOTHING)


# --- runs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassRow:
    """One class with its score."""

    name: str
    text: str
    percent: float
    """Length of the bar, in [0, 100]."""


def class_rows(scores: ClassScores) -> list[ClassRow]:
    """Return the classes of an evaluation in their order; undefined scores have no bar."""
    return [
        ClassRow(name, fixed(value, 1), 0.0 if value is None else round(min(100.0, max(0.0, value)), 1))
        for name, value in scores.scores.items()
    ]


def facts(run: RunDetails) -> list[tuple[str, str]]:
    """Return what is known of how a run went, as pairs of words."""
    code = run.commit[:_SHORT_COMMIT] + (f" with uncommitted changes ({run.dirty[:SHORT_ID]})" if run.dirty else "")
    unit = "of the GPU" if run.on_gpu else "of processors"
    pairs = [
        ("Stage", f"{run.stage}, version {run.version}"),
        ("Seeds", ", ".join(f"{axis} {seed}" for axis, seed in run.seeds.items())),
        ("Code", f"commit {code}" if run.commit else ""),
        ("Machine", f"{run.host}, {run.device}" if run.host else ""),
        ("Started", run.started),
        (
            "Took",
            f"{seconds_text(run.wall_s)} by the clock, {seconds_text(run.machine_s)} {unit}" if run.started else "",
        ),
        ("Memory", f"{run.memory_mib:,} MiB at most" if run.memory_mib is not None else ""),
        ("From outside", ", ".join(f"{role} {mark[:SHORT_ID]}" for role, mark in run.outside.items())),
    ]
    return [pair for pair in pairs if pair[1]]

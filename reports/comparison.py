"""Two reports beside each other: records, and their page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from reports.records import Record
from reports.tables import cell_text, fixed, markdown_table, p_text

ChangeVerdict = Literal["higher", "lower", "equivalent", "not resolved", "the same runs"]


class SettingChange(Record):
    """One thing that was asked differently."""

    name: str
    left: Any
    right: Any


class Change(Record):
    """One number of one arm in both reports, right minus left, paired over the seeds that both have."""

    arm: str
    backbone: str
    metric: str
    unit: str
    seeds: tuple[int, ...]
    left: float
    """Mean over these seeds."""
    right: float
    mean: float
    """Of the differences."""
    low: float | None
    """95 % interval with the noise of all arms of both reports mixed in; None where it is unknown."""
    high: float | None
    p_value: float | None
    """Two-sided, against zero, corrected for all tests of the comparison (Holm)."""
    seeds_needed: int | None
    """That would resolve what is seen; None where it is resolved, or noise is unknown."""
    verdict: ChangeVerdict


class ClaimChange(Record):
    """A claim whose verdict is another one; None where a report does not ask it."""

    id: str
    wording: str
    left: str | None
    right: str | None


class Comparison(Record):
    """What differs between two reports in what was asked, and in what came out."""

    left: str
    right: str
    left_command: str
    right_command: str
    settings: tuple[SettingChange, ...]
    settings_known: bool
    """False when a report is of a time before reports kept their whole configuration: then settings may differ that are not told."""
    changes: tuple[Change, ...]
    only_left: tuple[str, ...]
    """Arms with results in one report only."""
    only_right: tuple[str, ...]
    claims: tuple[ClaimChange, ...]
    num_claims: int
    """Asked in both."""


def comparison_page(found: Comparison) -> str:
    """Write a comparison as Markdown."""
    parts = [
        "# Two reports compared",
        f"- left: {found.left}, `{found.left_command}`\n- right: {found.right}, `{found.right_command}`",
        "## What was asked differently",
        _settings(found),
        "## What came out differently",
        _changes(found.changes),
        _only(found),
        "## Verdicts that changed",
        _claims(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _settings(found: Comparison) -> str:
    remark = (
        ""
        if found.settings_known
        else "One of the reports is too old to tell its settings; only its command is compared."
    )
    if not found.settings:
        return remark or "Nothing: the same request."
    rows = [[one.name, _value(one.left), _value(one.right)] for one in found.settings]
    table = markdown_table(["setting", "left", "right"], rows)
    return f"{table}\n\n{remark}" if remark else table


def _value(value: Any) -> str:
    return cell_text(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _changes(changes: Sequence[Change]) -> str:
    if not changes:
        return "No arm has results with the same seed in both."
    tested = sum(one.p_value is not None for one in changes)
    rows = [
        [
            one.arm,
            one.metric,
            fixed(one.left),
            fixed(one.right),
            f"{one.mean:+.2f}",
            "" if one.low is None or one.high is None else f"[{one.low:+.2f}, {one.high:+.2f}]",
            p_text(one.p_value),
            str(len(one.seeds)),
            one.verdict + (f" ({_seeds(one.seeds_needed)} would resolve it)" if one.seeds_needed is not None else ""),
        ]
        for one in changes
    ]
    header = ["arm", "metric", "left", "right", "right − left", "95 % interval", "p", "seeds", "verdict"]
    return (
        f"{markdown_table(header, rows, numbers_from=2)}\n\nDifferences are paired over seeds; p is corrected for {tested} tests (Holm). "
        "The rules are those of claims (docs/verdicts.md); an interval within the smallest interesting difference is equivalent."
    )


def _seeds(number: int) -> str:
    return "more than 100 seeds" if number > 100 else f"about {number} seeds"


def _only(found: Comparison) -> str:
    told = [("left", found.only_left), ("right", found.only_right)]
    return " ".join(f"Only in the {side} report: {', '.join(arms)}." for side, arms in told if arms)


def _claims(found: Comparison) -> str:
    if not found.claims:
        return f"None of {found.num_claims} claims that both ask."
    rows = [[one.id, cell_text(one.wording), one.left or "not asked", one.right or "not asked"] for one in found.claims]
    return markdown_table(["claim", "wording", "left", "right"], rows)

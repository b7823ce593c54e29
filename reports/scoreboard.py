"""The scoreboard: what every report below a folder says, on one page. Made from the ``summary.json`` that each report keeps, so no store is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import Field, ValidationError

from reports.files import write_whole
from reports.html.page import environment
from reports.html.views import VerdictCount, count_verdicts
from reports.records import ClaimOutcome, ClaimVerdict, Record, Report, Tier
from reports.tables import NOTHING, fixed, markdown_table

SUMMARY_FILE = "summary.json"
_PAGE, _TEXT = "index.html", "index.md"
_HOUR_S = 3600
_VERDICTS: tuple[ClaimVerdict, ...] = get_args(ClaimVerdict)


class ClaimSummary(Record):
    """One claim or control in a few words."""

    id: str
    wording: str
    verdict: ClaimVerdict
    control: bool = False


class Summary(Record):
    """What a report says, for machines and for the scoreboard."""

    paper_id: str
    paper_title: str
    tier: Tier
    differs: str = ""
    """From the plain request of the tier, in words."""
    data: str
    segmenters: tuple[str, ...]
    """Titles of those that were trained."""
    command: str
    num_seeds: int = Field(ge=0)
    num_arms: int = Field(ge=0)
    """With at least one result."""
    num_cells: int = Field(ge=0)
    """Finished ones."""
    cpu_hours: float | None = None
    """Of cells that used no GPU."""
    gpu_hours: float | None = None
    commit: str
    is_clean: bool
    """Whether the code was as committed."""
    finished: str
    """ISO 8601 time at which the latest cell finished; empty where none did."""
    claims: tuple[ClaimSummary, ...] = ()

    def count(self, verdict: str, *, controls: bool = False) -> int:
        """How many claims, or controls, have this verdict."""
        return sum(claim.verdict == verdict and claim.control == controls for claim in self.claims)


def summarise(report: Report) -> Summary:
    """Return a judged report in short."""
    source = report.run.provenance
    return Summary(
        paper_id=report.run.paper_id,
        paper_title=report.run.paper_title,
        tier=report.run.tier,
        differs=report.run.differs,
        data=report.run.data,
        segmenters=tuple(backbone.title for backbone in report.backbones),
        command=report.run.command,
        num_seeds=len(report.run.seeds),
        num_arms=len({arm.id for arm, _ in report.ran()}),
        num_cells=source.cells,
        cpu_hours=_hours(source.cpu_s),
        gpu_hours=_hours(source.gpu_s),
        commit=source.commit,
        is_clean=source.dirty is None,
        finished=source.finished,
        claims=tuple(map(_in_short, report.claims)),
    )


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / _HOUR_S, 4)


def _in_short(claim: ClaimOutcome) -> ClaimSummary:
    return ClaimSummary(id=claim.id, wording=claim.wording, verdict=claim.verdict, control=claim.control)


@dataclass(frozen=True)
class Entry:
    """One report of the scoreboard."""

    folder: str
    """Relative to the scoreboard."""
    summary: Summary

    @property
    def counts(self) -> list[VerdictCount]:
        """The paper's claims by verdict, in the order of strength."""
        return count_verdicts(claim.verdict for claim in self.summary.claims if not claim.control)

    @property
    def control_counts(self) -> list[VerdictCount]:
        """The controls by verdict."""
        return count_verdicts(claim.verdict for claim in self.summary.claims if claim.control)

    @property
    def request(self) -> str:
        """Tier and, in words, what differs from its plain request."""
        return f"{self.summary.tier}: {self.summary.differs}" if self.summary.differs else self.summary.tier

    @property
    def cost(self) -> str:
        """Time of the machines that were used."""
        hours = ((self.summary.cpu_hours, "CPU"), (self.summary.gpu_hours, "GPU"))
        return ", ".join(_time_text(value, machine) for value, machine in hours if value) or NOTHING


def _time_text(hours: float, machine: str) -> str:
    """A time in the unit in which it is at least 1."""
    if hours >= 1:
        return f"{fixed(hours, 2 if hours < 10 else 0)} {machine} h"
    return f"{60 * hours:.0f} {machine} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} {machine} s"


def read_entries(out: Path) -> list[Entry]:
    """Return every report below a folder by paper, what cannot be read is passed over.

    Papers with reports of larger tiers come first, as smoke decides nothing; of one paper plain requests of larger tiers.
    """
    found = []
    for path in sorted(out.rglob(SUMMARY_FILE)):
        try:
            summary = Summary.model_validate_json(path.read_text(encoding="utf-8"))
        except (ValidationError, OSError, UnicodeDecodeError):
            continue
        found.append(Entry(path.parent.relative_to(out).as_posix(), summary))
    place = {tier: number for number, tier in enumerate(reversed(get_args(Tier)))}
    first: dict[str, int] = {}
    for entry in found:
        paper = entry.summary.paper_title
        first[paper] = min(place[entry.summary.tier], first.get(paper, len(place)))
    return sorted(
        found,
        key=lambda one: (
            first[one.summary.paper_title],
            one.summary.paper_title,
            place[one.summary.tier],
            bool(one.summary.differs),
            one.folder,
        ),
    )


def has_reports(out: Path) -> bool:
    """Whether a folder holds any report."""
    return next(out.rglob(SUMMARY_FILE), None) is not None


def write_scoreboard(out: Path) -> Path:
    """Write ``index.html`` and ``index.md`` of every report below a folder; return the former."""
    entries = read_entries(out)
    page = (
        environment()
        .get_template("scoreboard.html")
        .render(
            papers=_by_paper(entries),
            num_reports=len(entries),
            has_smoke=any(entry.summary.tier == "smoke" for entry in entries),
        )
    )
    write_whole(out / _PAGE, page.encode())
    write_whole(out / _TEXT, scoreboard_markdown(entries).encode())
    return out / _PAGE


def _by_paper(entries: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """Group by title and id."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.summary.paper_title, entry.summary.paper_id), []).append(entry)
    return found


def scoreboard_markdown(entries: Iterable[Entry]) -> str:
    """Return the same as Markdown: a report a row."""
    rows = [
        [
            entry.summary.paper_id,
            f"[{entry.request}]({_quoted(entry.folder)}/report.md)",
            *(str(entry.summary.count(verdict)) for verdict in _VERDICTS),
            ", ".join(f"{one.count} {one.verdict}" for one in entry.control_counts) or NOTHING,
            ", ".join(entry.summary.segmenters),
            str(entry.summary.num_seeds),
            entry.cost,
            entry.summary.finished[:10] or NOTHING,
        ]
        for entry in entries
    ]
    header = [
        "Paper",
        "Request",
        *(verdict.capitalize() for verdict in _VERDICTS),
        "Controls",
        "Segmenter",
        "Seeds",
        "Cost",
        "Finished",
    ]
    note = "A report a row; claims of the paper by verdict. At tier smoke the numbers are meaningless. Written anew with each report."
    return f"# Scoreboard\n\n{note}\n\n{markdown_table(header, rows)}\n"


def _quoted(folder: str) -> str:
    """A folder as Markdown's links take it."""
    from urllib.parse import quote

    return quote(folder)

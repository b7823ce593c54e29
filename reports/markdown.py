"""The text of a report, section by section, in plain short sentences. Nothing here knows a particular paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import pandas as pd

from reports.evidence_words import evidence_text, short_label, where_measured, without_unit
from reports.figure import Figure
from reports.records import ClaimOutcome, ClaimVerdict, Evidence, Report, TargetVerdict
from reports.tables import (
    NOTHING,
    cost_table,
    deviation_table,
    deviations_that_apply,
    fixed,
    markdown_frame,
    markdown_table,
    ours_beside,
    paper_table,
    paper_tables,
    result_table,
    whole,
)

BY_CHANCE = 0.05
"""At most so often a claim is decided, one way or the other, where nothing differs; the rules of verdicts are held to it."""


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


_MOST_TITLES = 12


def _titles(titles: Sequence[str]) -> str:
    """Join titles that may hold commas themselves; of many, the first few."""
    if len(titles) > _MOST_TITLES:
        return "; ".join(titles[:_MOST_TITLES]) + f"; and {len(titles) - _MOST_TITLES} more, all described below"
    return "; ".join(titles)


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


# --- what was run and what follows ------------------------------------------------------------------------------


def summary_section(report: Report) -> str:
    """Title, banner at tier smoke, one paragraph of what was run, and what may be concluded."""
    run = report.run
    parts = [f"# {run.paper_title}: report, tier `{run.tier}`"]
    if run.paper_source:
        parts.append(f"*{run.paper_source}*")
    if run.tier == "smoke":
        parts.append("> **Smoke run: the numbers are meaningless.** It shows that every step works, nothing else.")
    if run.differs:
        parts.append(f"**Not the plain request of tier `{run.tier}`**: {run.differs}.")
    parts += [what_was_run(report), conclusions(report)]
    return "\n\n".join(part for part in parts if part)


def what_was_run(report: Report) -> str:
    """One paragraph: arms, data, segmenter, seeds, what is missing, settings."""
    done = dict.fromkeys(arm.id for arm, _ in report.ran())
    absent = [arm.title for arm in report.arms if arm.id not in done]
    if not done:
        return "**What was run.** Nothing has been evaluated yet."
    backbones = dict.fromkeys(backbone.title for _, backbone in report.ran())
    sentences = [
        f"**What was run.** {_plural(len(done), 'arm')} ({_titles([report.arm_title(arm) for arm in done])}) "
        f"on {report.run.data} with {_listed(list(backbones))}, {_plural(len(report.run.seeds), 'seed')}."
    ]
    short = [
        report.arm_title(arm.id)
        for arm, backbone in report.ran()
        if len({r.seed for r in report.results if (r.arm, r.backbone) == (arm.id, backbone.id)}) < len(report.run.seeds)
    ]
    if absent:
        sentences.append(f"Not run: {_titles(absent)}.")
    if short:
        sentences.append(f"With fewer seeds than planned: {_titles(list(dict.fromkeys(short)))}.")
    if report.run.tier == "mini" and report.targets:
        sentences.append("The paper's absolute numbers are not compared at this tier; its orderings and signs are.")
    if len(report.run.seeds) == 1:
        sentences.append("One seed gives no interval, so nothing is tested.")
    if report.run.settings:
        sentences.append(f"Settings: {_titles([f'{name}: {value}' for name, value in report.run.settings.items()])}.")
    return " ".join(sentences)


def conclusions(report: Report) -> str:
    """What may be concluded, and what stays open; nothing at tier smoke."""
    if report.run.tier == "smoke" or not report.claims:
        return ""
    stated = [claim for claim in report.claims if not claim.control]
    controls = [claim for claim in report.claims if claim.control]
    asked = "claim of the paper" if any(claim.source != "ours" for claim in stated) else "question of ours"
    counts = [_count_line(stated, asked, asked.replace(" of", "s of"))] if stated else []
    counts += [_count_line(controls, "control", "controls")] if controls else []
    lines = [f"**What may be concluded.** {' '.join(counts)}"]
    if report.run.tier == "paper" and report.outcomes:
        lines[0] += f" {_target_line(report)}"
    lines[0] += _chance(report)
    decided = [claim for claim in report.claims if claim.verdict in ("holds", "equivalent", "contradicted")]
    lines += ["", *(_conclusion(report, claim) for claim in decided)]
    for verdict in ("not resolved", "not run"):
        remark = _UNRESOLVED.format(_why_open(report)) if verdict == "not resolved" else ""
        by_reason: dict[str, list[str]] = {}
        for claim in report.claims:
            if claim.verdict == verdict:
                by_reason.setdefault(claim.reason, []).append(claim.id)
        ids = [f"{', '.join(alike)} ({reason})" for reason, alike in by_reason.items()]
        lines += [f"- **{verdict.capitalize()}**: {'; '.join(ids)}. {remark}".rstrip()] if ids else []
    return "\n".join(lines)


def _chance(report: Report) -> str:
    """How many verdicts chance alone would give; nothing where nothing was tested."""
    tested = sum(any(item.p_against is not None for item in claim.evidence) for claim in report.claims)
    if not tested:
        return ""
    return (
        f" If no arm differed from another, chance alone would still decide up to {fixed(BY_CHANCE * tested, 1)} of the {tested} that "
        "are tested. What decides is how far seeds differ, not how many images are evaluated."
    )


_UNRESOLVED = "This is neither support nor refutation: {}."


def _why_open(report: Report) -> str:
    return (
        "the seeds differ too much to tell"
        if len(report.run.seeds) > 1
        else "one seed does not tell how far seeds differ"
    )


def _conclusion(report: Report, claim: ClaimOutcome) -> str:
    """One bullet: verdict, wording, the means behind it, and the control without which they would mislead."""
    kind = " (control)" if claim.control else ""
    seen = _seen(report, claim.evidence)
    return f"- **{claim.id} {claim.verdict}**{kind}: {claim.wording.rstrip('.')} ({seen}).{_qualified(report, claim)}"


def _seen(report: Report, evidence: Sequence[Evidence]) -> str:
    return ", ".join(
        f"{short_label(report, item)}{where_measured(report, item)} {without_unit(item)}" for item in evidence
    )


def _qualified(report: Report, claim: ClaimOutcome) -> str:
    """The control that qualifies a claim, with its own numbers on the claim's metrics and their share of the claim's."""
    control = _control_of(report, claim)
    if control is None:
        return ""
    seen = _left_over(report, claim, control)
    return f" Read it with {control.id}, {control.verdict}: {control.wording.rstrip('.')} ({seen})."


def _control_of(report: Report, claim: ClaimOutcome) -> ClaimOutcome | None:
    """The control without whose number the claim's would mislead."""
    return next((known for known in report.claims if claim.qualified_by and known.id == claim.qualified_by), None)


def _left_over(report: Report, claim: ClaimOutcome, control: ClaimOutcome) -> str:
    """A control's means on the claim's metrics, on all of its own where the claim has none; a smaller gain also as a share."""
    metrics = {item.metric for item in claim.evidence if item.metric is not None}
    shown = [item for item in control.evidence if item.metric in metrics] or control.evidence
    return ", ".join(f"{_seen(report, [item])}{_share(claim, item)}" for item in shown)


def _share(claim: ClaimOutcome, left: Evidence) -> str:
    """How much of the claim's own gain the control leaves; nothing where the claim sees none."""
    for item in claim.evidence:
        same = (item.left, item.metric, item.backbone) == (left.left, left.metric, left.backbone)
        if same and left.kind == "difference" and item.mean and item.mean > 0 and left.mean is not None:
            share = left.mean / item.mean
            return (
                ", none of it" if share <= 0 else f", {fixed(100 * share, 0)} % of it" if share < 1 else ", all of it"
            )
    return ""


def _count_line(claims: Sequence[ClaimOutcome], one: str, many: str) -> str:
    verdicts = [claim.verdict for claim in claims]
    counts = []
    for name in get_args(ClaimVerdict):
        number = verdicts.count(name)
        if number:
            counts.append(f"{number} {'hold' if name == 'holds' and number > 1 else name}")
    return f"{len(claims)} {one if len(claims) == 1 else many}: {', '.join(counts)}."


def _target_line(report: Report) -> str:
    verdicts = [outcome.verdict for outcome in report.outcomes]
    counts = [f"{verdicts.count(name)} {name}" for name in get_args(TargetVerdict) if name in verdicts]
    return f"{len(verdicts)} printed numbers: {', '.join(counts)}."


# --- claims and controls ----------------------------------------------------------------------------------------


def _claims_table(report: Report, claims: Sequence[ClaimOutcome]) -> str:
    rows = [
        [
            claim.id,
            claim.wording + (f" *({claim.source})*" if not claim.control else ""),
            f"**{claim.verdict}**<br>{claim.reason}",
            "<br>".join([*(evidence_text(report, item) for item in claim.evidence), *read_with(report, claim)])
            or NOTHING,
        ]
        for claim in claims
    ]
    return markdown_table(["Id", "Claim", "Verdict", "Seen here: mean over seeds [95 % interval]"], rows)


def read_with(report: Report, claim: ClaimOutcome) -> list[str]:
    """A line with the means of the control that the claim must be read with."""
    control = _control_of(report, claim)
    if control is None or not any(item.mean is not None for item in control.evidence):
        return []
    return [f"*read with {control.id}, {control.verdict}: {_left_over(report, claim, control)}*"]


def claims_section(report: Report) -> str:
    """The paper's claims with their verdicts."""
    claims = [claim for claim in report.claims if not claim.control]
    if not claims:
        return ""
    return f"## Claims\n\n{_claims_table(report, claims)}\n\n{claims_rule(report)}"


def claims_rule(report: Report) -> str:
    """How the paper's claims are decided."""
    rule = (
        "A claim *holds* when every test under it has its whole 95 % interval on the claimed side, and is *contradicted* when one has it "
        "wholly on the other after Holm's correction for their number. It is *equivalent* when every interval lies within what would "
        "matter, and *not resolved* between. Differences are paired over seeds; their noise is that of the pair, moderated by the arms "
        "beside it (Student's t, df: degrees of freedom, two-sided p). Intervals say what other seeds would give, and decide."
    )
    if any(item.image_margin is not None for claim in report.claims for item in claim.evidence):
        rule += " *Other images*: how far the same models' difference would move on other evaluation images (95 %, resampled); it decides nothing."
    claims = (claim for claim in report.claims if not claim.control)
    return " ".join([rule, *(f"{claim.id}: {claim.rule}." for claim in claims if _is_of_its_own(claim))])


def _is_of_its_own(claim: ClaimOutcome) -> bool:
    """True for a claim that is not decided by an interval of a difference against zero."""
    return any(item.kind == "correlation" for item in claim.evidence)


CONTROLS_NOTE = "The paper does not report these comparisons. They ask whether a gain comes from the method or from what else changed."


def controls_section(report: Report) -> str:
    """Controls that the paper lacks."""
    claims = [claim for claim in report.claims if claim.control]
    if not claims:
        return ""
    return f"## Controls\n\n{CONTROLS_NOTE}\n\n{_claims_table(report, claims)}"


# --- tables -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShownTable:
    """One table of a page."""

    heading: str
    frame: pd.DataFrame
    """All text; the index names the arm of each row."""
    words: int
    """How many columns at the left are words."""
    notes: tuple[str, ...] = ()
    """Paragraphs under it."""
    folded: str = ""
    """Why it is shown folded, nothing of ours being new in it; empty where it stands open."""


NONE_RUN = "none of its rows was run"
"""Why a table is folded that has no number of ours."""


def tables_title(report: Report) -> str:
    """The heading above all tables."""
    return "The paper's tables, our numbers beside them" if report.targets else "Results"


def tables_note(report: Report) -> str:
    """What the numbers of the tables are, and what they may be compared with."""
    seeds = _plural(len(report.run.seeds), "seed")
    units = _listed(list(dict.fromkeys(metric.unit for metric in report.metrics if metric.unit)))
    how = f"Ours: mean ± half of the 95 % Student-t interval over {seeds}; {units} in percent."
    if len(report.run.seeds) == 1:
        how = f"Ours: one seed, no interval; {units} in percent."
    return f"{how} {_tier_remark(report)}" if report.targets else how


def shown_tables(report: Report) -> list[ShownTable]:
    """Return the paper's tables with our numbers under theirs, or our numbers alone when there are no targets."""
    if not report.targets:
        return [ShownTable(backbone.title, result_table(report, backbone.id), 1) for backbone in report.backbones]
    found = []
    shown: set[tuple[str | None, str]] = set()
    for table in paper_tables(report):
        beside = [
            (report.beside.get(target.backbone), target.arm) for target in report.targets if target.table == table
        ]
        rows: set[tuple[str | None, str]] = {(ours, arm) for ours, arm in beside if ours is not None}
        folded = "" if _ran(report, rows - shown) else "our rows as above" if rows & shown else NONE_RUN
        notes = (*_unsure(report, table), *_not_run(report, table))
        found.append(ShownTable(_heading(report, table), paper_table(report, table), 2, notes, folded))
        shown |= rows
    return found


def tables_section(report: Report) -> str:
    """All tables; one with nothing new of ours is folded, and all with nothing at all of ours are so together at the end."""
    tables = shown_tables(report)
    parts = [f"## {tables_title(report)}", tables_note(report)]
    for table in tables:
        if table.folded not in ("", NONE_RUN):
            parts.append(_details(f"{table.heading} ({table.folded})", _table_body(table)))
        elif not table.folded:
            parts.append(f"### {table.heading}\n\n{_table_body(table)}")
    without = [table for table in tables if table.folded == NONE_RUN]
    if without:
        body = "\n\n".join(f"### {table.heading}\n\n{_table_body(table)}" for table in without)
        parts.append(_details(not_run_title(without), body))
    return "\n\n".join(parts)


def not_run_title(tables: Sequence[ShownTable]) -> str:
    """Name those of the tables that have no number of ours; empty where there are none."""
    without = [table.heading.split(": ")[0] for table in tables if table.folded == NONE_RUN]  # without its segmenters
    return f"Not run, no row of them: {'; '.join(without)}" if without else ""


def _table_body(table: ShownTable) -> str:
    return "\n\n".join([markdown_frame(table.frame, table.words), *table.notes])


def _details(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _heading(report: Report, table: str) -> str:
    """Name a table and its segmenters, where they play a part."""
    theirs = {target.backbone: target.backbone_title for target in report.targets if target.table == table}
    titles = [title for title in theirs.values() if title]
    if not titles:
        return table
    name = f"{table}: {' or '.join(titles)}"
    others = [ours for ours in ours_beside(report, table) if ours is not None and ours not in theirs]
    return f"{name} in the paper, {' or '.join(map(report.backbone_title, others))} here" if others else name


def _ran(report: Report, rows: set[tuple[str | None, str]]) -> bool:
    """True when any of these (backbone, arm) has a result."""
    return any((result.backbone, result.arm) in rows for result in report.results)


def _unsure(report: Report, table: str) -> list[str]:
    """Why some of a table's printed numbers are inferred or lost, in a list; nothing where all are certain."""
    known = [target for target in report.targets if target.table == table and target.certainty != "certain"]
    lost = [target for target in report.lost_targets if target.table == table]
    lines = [f"- {target.arm_title}, inferred: {target.note}." for target in known]
    lines += [f"- {target.arm_title}, lost: {target.note}." for target in lost]
    return ["Printed numbers that are not certain:\n\n" + "\n".join(lines)] if lines else []


def _not_run(report: Report, table: str) -> list[str]:
    """Why some of a table's rows are not run, in a list."""
    titles = {target.arm: target.arm_title for target in report.targets if target.table == table}
    lines = [f"- {titles[arm]}: {reason}." for arm, reason in report.not_run.items() if arm in titles]
    return ["Rows that are not run:\n\n" + "\n".join(lines)] if lines else []


def _tier_remark(report: Report) -> str:
    if report.run.tier == "paper":
        return (
            "*matches*: our mean rounds to the printed value. *within seed noise*: the printed value lies where one more "
            "run of ours would (95 % prediction interval). *below*, *above*: it lies outside, and our mean is the smaller or the larger. "
            "*not comparable*: a deviation says so, or seed noise is unknown"
            + (", or a baseline that the row's gain is over misses its own number." if report.baselines else ".")
        )
    return f"**Not comparable** (tier `{report.run.tier}`: other data, other segmenter): read down the columns, not across the rows."


def cost_section(report: Report) -> str:
    """What every arm took."""
    if not report.costs:
        return ""
    return f"## Cost\n\n{report.style.cost_note}\n\n{markdown_frame(cost_table(report), 2)}"


# --- ledger, provenance, command --------------------------------------------------------------------------------


def deviations_section(report: Report) -> str:
    """The deviation ledger: what concerns this tier and an arm that ran; folded but for what makes numbers incomparable."""
    shown = deviations_that_apply(report)
    if not shown:
        return ""
    left_out, ran = len(report.deviations) - len(shown), {arm.id: arm.title for arm, _ in report.ran()}
    text = f"Marks: {report.style.marks}"
    if left_out:
        text += f" Further entries, for other tiers or arms: {left_out}."

    incomparable, others = ([known for known in shown if known.incomparable == wanted] for wanted in (True, False))
    parts = [f"## Deviations\n\n{text}"]
    if incomparable:
        parts.append(f"These make numbers incomparable with the paper's:\n\n{deviation_table(incomparable, ran)}")
    if others:
        summary = f"{len(others)} that leave them comparable"
        parts.append(_details(summary, deviation_table(others, ran)))
    return "\n\n".join(parts)


def provenance_section(report: Report) -> str:
    """Code, packages, machines, dates."""
    source = report.run.provenance
    state = f"with uncommitted changes (hash {source.dirty})" if source.dirty else "clean"
    rows = [["Seeds", ", ".join(str(seed) for seed in report.run.seeds)]]
    rows += [[name.capitalize(), value] for name, value in report.run.settings.items()]
    rows += [
        ["Code", f"commit `{source.commit}`, {state}"],
        ["Packages", ", ".join(f"{name} {version}" for name, version in sorted(source.packages.items()))],
        ["Computed on", "; ".join([*source.devices, *source.hosts])],
        ["Cells", f"{whole(source.cells)}, first started {source.started}, last finished {source.finished}"],
        ["Store", f"`{source.store}`" if source.store else ""],
        *([f"Weights, {used.role}", f"{used.what}: {_hashes(used.files)}"] for used in source.weights),
    ]
    table = markdown_table(["", ""], [row for row in rows if row[1]])
    note = (
        "Beside this file: `results.parquet` and `results.csv`, one row a seed with the id of its cell; `summary.csv`, one row a printed or "
        "own number with its verdict; `tables.tex`, the tables for a paper of yours; `records.json`, everything behind this page; `summary.json`, its verdicts and cost; `report.html`, the "
        "same with the runs behind each number."
    )
    return f"## Provenance\n\n{table}\n\n{note}"


_SHOWN_DIGITS = 16


def _hashes(files: Mapping[str, str]) -> str:
    """Name files with the first digits of their SHA-256; ``records.json`` has all of them."""
    return ", ".join(f"`{name}` {digest[:_SHOWN_DIGITS]}" for name, digest in sorted(files.items()))


def command_section(report: Report) -> str:
    """The exact command."""
    return f"## Command\n\n```\n{report.run.command}\n```"


def arms_section(report: Report) -> str:
    """What each row of the tables is, in a sentence."""
    lines = [f"- **{arm.title}**: {arm.what}" for arm in report.arms if arm.what]
    return "\n".join(["Rows of ours:", "", *lines]) if lines else ""


def render(report: Report, figures: Sequence[Figure], more: Sequence[str] = ()) -> str:
    """Return the whole page, in the order in which a reader asks: what, does it hold, numbers, pictures, cost, doubts.

    Args:
        report: judged records.
        figures: what was drawn beside the page.
        more: sections that only this paper has, with their headings; they stand after the figures.
    """
    shown = "## Figures\n\n" + "\n\n".join(figure.markdown() for figure in figures) if figures else ""
    sections = [
        summary_section(report),
        claims_section(report),
        tables_section(report),
        arms_section(report),
        shown,
        *more,
        cost_section(report),
        controls_section(report),
        deviations_section(report),
        provenance_section(report),
        command_section(report),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"

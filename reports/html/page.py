"""Puts ``report.html`` together. The same records give the same bytes; nothing is fetched from anywhere when it is read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import markdown
from reports.drill import Details, ShownImage
from reports.figure import Figure
from reports.html import drawings, views
from reports.html.pictures import embedded, strip
from reports.html.text import inline, to_html
from reports.records import Report
from reports.tables import cost_table, markdown_frame

_TEMPLATES = Path(__file__).with_name("templates")
_PICTURE_BYTES = 1_200_000
"""Room for images of evaluations; those that come later are only counted."""


def render_html(report: Report, figures: Sequence[Figure], more: Sequence[str], details: Details, folder: Path) -> str:
    """Return the whole page.

    Args:
        report: judged records.
        figures: what was drawn, in the order of the page.
        more: Markdown sections that only this paper has.
        details: the runs behind the numbers.
        folder: where the figures' files are.
    """
    strips, tables = _Strips(), markdown.shown_tables(report)
    return (
        environment()
        .get_template("report.html")
        .render(
            report=report,
            run=report.run,
            source=report.run.provenance,
            summary=to_html(markdown.what_was_run(report)),
            conclusions=to_html(markdown.conclusions(report)),
            counts=views.count_verdicts(claim.verdict for claim in report.claims),
            claims=views.claim_views(report, controls=False),
            controls=views.claim_views(report, controls=True),
            claims_rule=inline(markdown.claims_rule(report)),
            controls_note=markdown.CONTROLS_NOTE,
            tables_title=markdown.tables_title(report),
            tables_note=inline(markdown.tables_note(report)),
            tables=[views.table_view(report, table) for table in tables],
            none_run=markdown.NONE_RUN,
            not_run_title=markdown.not_run_title(tables),
            figures=[(figure, embedded(folder / figure.file)) for figure in figures],
            sections=[to_html(section) for section in more],
            cost=to_html(f"{report.style.cost_note}\n\n{markdown_frame(cost_table(report), 2)}")
            if report.costs
            else "",
            deviations=to_html(_body(markdown.deviations_section(report))),
            provenance=to_html(_body(markdown.provenance_section(report))),
            arms=views.arm_views(report, details),
            details=details,
            strips=strips,
        )
    )


def _body(section: str) -> str:
    """A section of the Markdown page without its heading."""
    return section.partition("\n\n")[2]


@cache
def environment() -> Environment:
    """Return the templates, which escape whatever is put into them."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = _source("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.globals.update(
        script=script,
        style=_source("page.css"),
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        inline=inline,
        curve=drawings.curve,
        class_rows=views.class_rows,
        facts=views.facts,
        anchor=views.anchor,
        run_anchor=views.run_anchor,
        short=views.SHORT_ID,
    )
    made.filters.update(seconds=views.seconds_text, value=views.value_text)
    return made


def _source(name: str) -> Markup:
    """Our own script or style sheet, as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


class _Strips:
    """Draws the images of evaluations until there is no more room for them."""

    def __init__(self) -> None:
        self._left = _PICTURE_BYTES

    def __call__(self, shown: ShownImage) -> tuple[str, int, int] | None:
        """Return an image's pictures side by side, or None where the page is full."""
        if self._left <= 0:
            return None
        found = strip(list(shown.pictures.values()))
        self._left -= len(found[0])
        return found

"""Writes the folder of a report: the page, the tables as files, the records, and figures that no longer hold are removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.drill import NO_DETAILS, Details
from reports.figure import Figure
from reports.files import write_whole
from reports.html.page import render_html
from reports.latex import tables_tex
from reports.markdown import render
from reports.records import Report
from reports.results import RESULTS_FILE, results_frame
from reports.scoreboard import SUMMARY_FILE, summarise
from reports.tables import summary_csv


def write_page(
    report: Report,
    folder: Path,
    figures: Sequence[Figure],
    sections: Sequence[str] = (),
    details: Details = NO_DETAILS,
) -> Path:
    """Write report.md and report.html, the results (parquet and CSV), their summary, the tables for LaTeX and records.json beside the figures.

    Args:
        report: judged records; anything that was not run may be absent.
        folder: of the report; figures of an earlier one that are not among ``figures`` are removed from it.
        figures: what was drawn into the folder.
        sections: what only this paper's page has; empty ones are left out.
        details: the runs behind the numbers, for report.html.
    Returns:
        The Markdown page.
    """
    for stale in {path.name for path in folder.glob("figure_*.png")} - {figure.file for figure in figures}:
        (folder / stale).unlink()
    more = [section for section in sections if section]
    frame = results_frame(report)
    write_whole(folder / RESULTS_FILE, frame.to_parquet(index=False))
    write_whole(folder / "results.csv", frame.to_csv(index=False, lineterminator="\n").encode())
    write_whole(folder / "summary.csv", summary_csv(report).encode())
    write_whole(folder / "tables.tex", tables_tex(report).encode())
    write_whole(folder / SUMMARY_FILE, (summarise(report).model_dump_json(indent=1) + "\n").encode())
    write_whole(folder / "records.json", (report.model_dump_json(indent=1) + "\n").encode())
    write_whole(folder / "report.html", render_html(report, figures, more, details, folder).encode())
    write_whole(folder / "report.md", render(report, figures, more).encode())
    return folder / "report.md"

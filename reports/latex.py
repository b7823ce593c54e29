"""The tables of a report for LaTeX: needs the package ``booktabs``."""

from __future__ import annotations

import pandas as pd

from reports.records import Report
from reports.tables import paper_table, paper_tables, result_table

_SIGNS = {"±": r"$\pm$", "–": "--", "−": "$-$", " *(not in the paper)*": r" \emph{(not in the paper)}"}
"""What the escaping of pandas leaves as it is, and what LaTeX wants."""


def tables_tex(report: Report) -> str:
    """Return the paper's tables with our numbers under theirs, or our numbers alone where there are no targets.

    A comment above each says what the numbers are; labels are ``tab:<paper>-<number of the table>``.
    """
    seeds = len(report.run.seeds)
    note = (
        f"% {report.run.paper_id}, tier {report.run.tier}, {seeds} seed(s); ours: mean and half of the 95 % interval\n"
    )
    if report.targets:
        found = {table: paper_table(report, table) for table in paper_tables(report)}
    else:
        found = {backbone.title: result_table(report, backbone.id) for backbone in report.backbones}
    tier = "" if report.run.tier == "paper" else f" (tier {report.run.tier}: not comparable with the printed numbers)"
    return note + "\n".join(
        _table(frame, f"{name}: {report.run.paper_title}{tier}", f"tab:{report.run.paper_id}-{number}")
        for number, (name, frame) in enumerate(found.items(), start=1)
    )


def _table(frame: pd.DataFrame, caption: str, label: str) -> str:
    num_names = 1 if frame.columns[0] == "Arm" else 2
    text: str = frame.to_latex(
        index=False,
        escape=True,
        column_format="l" * num_names + "r" * (len(frame.columns) - num_names),
        caption=caption,
        label=label,
        position="ht",
    )
    for sign, written in _SIGNS.items():
        text = text.replace(sign, written)
    return text

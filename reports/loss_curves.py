"""How losses fell: a small panel for each training that the rows of the tables end in, a line a seed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.common_figures import drawn
from reports.drill import Curve, Details, RunDetails, SeedRuns
from reports.figure import Figure
from reports.figures import GREY, PALETTE, drawing, save_figure
from reports.records import Report

_COLUMNS, _MOST_PANELS = 4, 24
_TITLE_CHARACTERS, _TITLE_LINES = 27, 2


@dataclass(frozen=True)
class Trained:
    """The trainings of one row over its seeds."""

    titles: tuple[str, ...]
    """Of all rows that end in these trainings."""
    by_seed: tuple[tuple[int, Curve], ...]
    """Each seed with its loss."""


def loss_figure(report: Report, details: Details, folder: Path) -> Figure | None:
    """Draw the losses of the last training of each row; None where no training wrote any down.

    Args:
        report: judged records, which order and name the rows.
        details: the runs behind them.
        folder: of the report.
    """
    shown = last_trainings(report, details)
    caption = (
        "The last training behind each row, a line a seed; every panel has a scale of its own. Means over stretches of the training. "
        "The panel of each run in `report.html` has its parts of the loss and learning rates."
    )
    if len(shown) > _MOST_PANELS:
        caption += f" {len(shown) - _MOST_PANELS} more rows are drawn there alone."
    return drawn(folder, "losses", "Training losses", caption, lambda path: _draw(shown[:_MOST_PANELS], path))


def last_trainings(report: Report, details: Details) -> list[Trained]:
    """Return the last training of each row, rows that share theirs together, in the order of the rows."""
    found: dict[tuple[str, ...], tuple[list[str], tuple[tuple[int, Curve], ...]]] = {}
    for arm, backbone in report.ran():
        runs, curves = [], []
        for seed in report.run.seeds:
            run = _evaluated(details, details.of(arm.id, backbone.id, seed))
            loss = next((curve for curve in run.curves if curve.name == "loss"), None) if run else None
            if run is not None and loss is not None and any(value is not None for value in loss.values):
                runs.append(run.id)
                curves.append((seed, loss))
        if runs:
            found.setdefault(tuple(runs), ([], tuple(curves)))[0].append(arm.title)
    return [Trained(tuple(titles), curves) for titles, curves in found.values()]


def _evaluated(details: Details, behind: SeedRuns | None) -> RunDetails | None:
    """The training whose model a seed's evaluation scores."""
    if behind is None:
        return None
    inputs = {id for ids in details.runs[behind.runs[0]].inputs.values() for id in ids}
    trained = [details.runs[id] for id in behind.runs if details.runs[id].kind == "train"]
    return next((run for run in trained if run.id in inputs), trained[0] if trained else None)


def _draw(shown: Sequence[Trained], path: Path) -> bool:
    if not shown:
        return False
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with drawing(0.35 + 1.55 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, trained in zip(panels[: len(shown)], shown, strict=True):
            _panel(panel, trained)
        for panel in panels[len(shown) :]:
            panel.remove()
        seeds = sorted({seed for trained in shown for seed, _ in trained.by_seed})
        if len(seeds) > 1:
            lines = [figure.axes[0].plot([], [], color=_colour(seed), label=f"seed {seed}")[0] for seed in seeds]
            figure.legend(handles=lines, loc="outside upper left", ncols=len(seeds), fontsize=8)
        figure.supxlabel("iteration", fontsize=9, color=GREY)
        figure.supylabel("loss", fontsize=9, color=GREY)
        save_figure(figure, path)
    return True


def _panel(panel: Axes, trained: Trained) -> None:
    for seed, curve in trained.by_seed:
        values = [float("nan") if value is None else value for value in curve.values]
        panel.plot(curve.iterations, values, "-" if len(values) > 1 else "o", lw=1, color=_colour(seed), alpha=0.85)
    panel.set_title(_title(trained.titles), fontsize=7.5)
    panel.tick_params(labelsize=7)
    panel.grid(axis="y")
    if all(len(curve.values) == 1 for _, curve in trained.by_seed):
        panel.set_xticks(trained.by_seed[0][1].iterations)
    else:
        panel.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    panel.yaxis.set_major_locator(MaxNLocator(4))


def _colour(seed: int) -> str:
    return PALETTE[seed % len(PALETTE)]


def _title(titles: Sequence[str]) -> str:
    """The first row's title on a few short lines, and how many rows more share the training."""
    more = f" (and {len(titles) - 1} more)" if len(titles) > 1 else ""
    lines = textwrap.wrap(titles[0] + more, _TITLE_CHARACTERS)
    if len(lines) > _TITLE_LINES:
        room = _TITLE_CHARACTERS * _TITLE_LINES - 2 * len(more) - 6  # less than there is, as lines end between words
        lines = textwrap.wrap(f"{titles[0][:room].rstrip()}...{more}", _TITLE_CHARACTERS)
    return "\n".join(lines)

"""One metric over an amount that is varied, such as the share of real images: a line a way of training, every seed as a circle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from reports.figures import drawing, save_figure
from reports.records import Report

_SPREAD = 0.05
"""Between the lines at one amount, in places of the axis, so that circles and intervals do not cover each other."""


@dataclass(frozen=True)
class AmountLine:
    """A way of training."""

    label: str
    """In the legend."""
    colour: str
    arms: Mapping[str, str]
    """Arm by the words for its amount, as on the axis."""


def amount_plot(
    report: Report, backbone: str, metric: str, amounts: Sequence[str], lines: Sequence[AmountLine], path: Path
) -> bool:
    """Draw mean, 95 % interval and every seed over an amount; amounts stand evenly, in the order given.

    Args:
        report: judged records.
        backbone: which one.
        metric: which one.
        amounts: words on the axis; those that no line has a value for are left out.
        lines: in the order of the legend; those without a value are left out.
        path: the PNG to write.
    Returns:
        False, and no file, when no line has values at two amounts.
    """
    shown = [line for line in lines if len(_known(report, backbone, metric, line)) > 1]
    if not shown:
        return False
    known = {amount for line in shown for amount in _known(report, backbone, metric, line)}
    places = {amount: place for place, amount in enumerate(amount for amount in amounts if amount in known)}
    with drawing(3.9, width_in=7.2) as figure:
        panel = figure.subplots()
        for number, line in enumerate(shown):
            _line(panel, report, backbone, metric, line, places, _SPREAD * (number - (len(shown) - 1) / 2))
        panel.set_xticks(list(places.values()), list(places))
        panel.set_ylabel(report.metric_title(metric))
        panel.grid(axis="y")
        figure.legend(loc="outside upper center", ncols=3)
        save_figure(figure, path)
    return True


def _known(report: Report, backbone: str, metric: str, line: AmountLine) -> list[str]:
    return [amount for amount, arm in line.arms.items() if report.by_seed(arm, backbone, metric)]


def _line(
    panel: Axes,
    report: Report,
    backbone: str,
    metric: str,
    line: AmountLine,
    places: Mapping[str, int],
    shift: float,
) -> None:
    means = []
    for amount in sorted(_known(report, backbone, metric, line), key=places.__getitem__):
        by_seed, place = report.by_seed(line.arms[amount], backbone, metric), places[amount] + shift
        panel.plot([place] * len(by_seed), list(by_seed.values()), "o", ms=3.5, mfc="none", mec=line.colour, mew=0.9)
        estimate = report.estimate(line.arms[amount], backbone, metric)
        assert estimate is not None, "judged records have an estimate of what ran"
        if estimate.low is not None and estimate.high is not None:
            panel.plot([place, place], [estimate.low, estimate.high], "-", lw=1.1, color=line.colour, alpha=0.6)
        means.append((place, estimate.mean))
    panel.plot(*zip(*means, strict=True), "-", lw=1.8, color=line.colour, label=line.label)

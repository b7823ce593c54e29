"""Figures that every report has: accuracy by arm, and the paired differences behind the claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from reports.figure import Figure
from reports.figures import dot_plot, forest_plot
from reports.records import Evidence, Report

ACCURACY_CAPTION = "Circles: one seed each. Bar: mean. Line: 95 % interval."


def drawn(folder: Path, name: str, title: str, caption: str, draw: Callable[[Path], bool]) -> Figure | None:
    """Draw a figure into the folder of a report; None where ``draw`` finds nothing to draw.

    Args:
        folder: of the report.
        name: of the file, without prefix and ending.
        title: above the figure.
        caption: below it.
        draw: writes the file that it is given, or returns False.
    """
    file = f"figure_{name}.png"
    return Figure(file, title, caption) if draw(folder / file) else None


def accuracy(report: Report, folder: Path, metrics: Sequence[str], title: str, remark: str = "") -> list[Figure | None]:
    """Draw a panel a metric with every seed of every arm, one figure a backbone.

    Args:
        report: judged records.
        folder: of the report.
        metrics: ids.
        title: what is drawn, e.g. "Mask AP".
        remark: what a reader must know beyond :data:`ACCURACY_CAPTION`.
    """
    caption = f"{ACCURACY_CAPTION} {remark}".strip()
    return [
        drawn(
            folder,
            f"accuracy_{backbone.id}",
            f"{title} by arm, {backbone.title}",
            caption,
            partial(dot_plot, report, backbone.id, metrics),
        )
        for backbone in report.backbones
    ]


def differences(report: Report, folder: Path, long_labels: bool = False) -> Figure | None:
    """Draw arm minus arm for every claim and control.

    The lead over the best of many arms is left out: it would set the scale of all others, and is seen in the figure of accuracies.
    """
    leads = [claim for claim in report.claims if any(_is_lead(item) for item in claim.evidence)]
    shown = report.model_copy(update={"claims": tuple(claim for claim in report.claims if claim not in leads)})
    no_gain = any(
        item.reason.startswith("the whole interval must lie below") for claim in shown.claims for item in claim.evidence
    )
    exception = ', except where it says "no better"' if no_gain else ""
    caption = (
        f"Each row is one arm minus another on the same seeds. Right of zero is what the claim says{exception}. "
        "Lines are the 95 % intervals that decide; one that crosses zero leaves the sign open."
    )
    if leads:
        caption += " The lead over the best of many arms is left out: it would set the scale."
    return drawn(
        folder,
        "differences",
        "Paired differences",
        caption,
        lambda path: forest_plot(shown, path, long_labels),
    )


def _is_lead(item: Evidence) -> bool:
    return item.rivals is not None

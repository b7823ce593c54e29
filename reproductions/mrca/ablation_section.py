"""Which of MRCA's ideas carries its gain: paired differences between variants, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.evidence_words import difference_text
from reports.records import Report
from reports.tables import NOTHING, markdown_table
from reproductions.mrca.arms import INSTEAD, LESS_ONE, ONLY_ONE, SETTINGS
from reproductions.verdicts.statistics import Interval
from reproductions.verdicts.variance import paired_difference

_SHOWN = ("AP_box", "AP_mask", "APr_box", "APr_mask")
_IDEAS = ("class-wise budget", "entropy guidance", "unique mapping", "accuracy-based resizing")
"""In the order of the arms."""


@dataclass(frozen=True)
class Difference:
    """Two arms that differ in one thing."""

    title: str
    left: str
    right: str


WITH_THE_OTHERS = tuple(Difference(idea, "mrca", arm.id) for idea, arm in zip(_IDEAS, LESS_ONE, strict=True))
"""What an idea adds where the other three are there."""
BY_ITSELF = tuple(Difference(idea, arm.id, ONLY_ONE[0].id) for idea, arm in zip(_IDEAS, ONLY_ONE[1:], strict=True))
"""What it adds where none of them is."""
OTHERWISE = tuple(Difference(arm.title, arm.id, "mrca") for arm in (*SETTINGS, *INSTEAD))
"""What another reading, or something simpler in an idea's place, changes."""


def ablation_section(report: Report) -> str:
    """Tables of differences, and a sentence on each idea; nothing where no variant ran."""
    parts = [
        *_table(report, WITH_THE_OTHERS, "MRCA less the same without the idea", "Idea"),
        *_table(report, BY_ITSELF, "the idea alone less rounds without any", "Idea"),
        *_table(report, OTHERWISE, "the variant less MRCA", "Variant"),
    ]
    if not parts:
        return ""
    text = (
        "Differences are paired over seeds; in brackets the 95 % interval, by the rule of all claims. They are many and not corrected for "
        "their number, so one interval that leaves out zero is a hint, and what is claimed stands under Claims."
    )
    return "\n\n".join(["## Which idea carries the gain", text, *_sentences(report), *parts])


def _table(report: Report, differences: Sequence[Difference], what: str, header: str) -> list[str]:
    tables = []
    for backbone in report.backbones:
        rows = []
        for one in differences:
            found = [difference(report, backbone.id, metric, one) for metric in _SHOWN]
            if any(interval is not None for interval in found):
                rows.append([one.title, *map(_interval_text, found)])
        if rows:
            titles = [report.metric_title(metric) for metric in _SHOWN]
            tables.append(
                f"**{what[0].upper()}{what[1:]}**, {backbone.title}:\n\n" + markdown_table([header, *titles], rows, 1)
            )
    return tables


def _sentences(report: Report) -> list[str]:
    """Say of which ideas the interval of mask AP lies above zero, below it or across it, with the others and by itself."""
    lines = []
    for backbone in report.backbones:
        for differences, where in ((WITH_THE_OTHERS, "beside the other three"), (BY_ITSELF, "by itself")):
            signs: dict[str, list[str]] = {}
            for one in differences:
                interval = difference(report, backbone.id, "AP_mask", one)
                if interval is not None and interval.low is not None and interval.high is not None:
                    sign = "gains" if interval.low > 0 else "loses" if interval.high < 0 else "is not resolved"
                    signs.setdefault(sign, []).append(one.title)
            if signs:
                said = "; ".join(f"{sign}: {', '.join(titles)}" for sign, titles in signs.items())
                lines.append(f"- {backbone.title}, mask AP, an idea {where}: {said}.")
    return ["\n".join(lines)] if lines else []


def difference(report: Report, backbone: str, metric: str, one: Difference) -> Interval | None:
    """Return the mean of left minus right over seeds, with the interval that decides; None where the arms share no seed."""
    by_arm: dict[str, dict[int, float]] = {}
    for result in report.results:
        value = result.metrics.get(metric)
        if result.backbone == backbone and value is not None:
            by_arm.setdefault(result.arm, {})[result.seed] = value
    found = paired_difference(by_arm, one.left, one.right)
    return None if found is None else found.interval


def _interval_text(interval: Interval | None) -> str:
    return NOTHING if interval is None else difference_text(interval.mean, interval.low, interval.high)

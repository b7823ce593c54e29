"""The section on gains: over real images, as the paper reports them, and over the zoom, as section 13, item 9 asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.evidence_words import difference_text
from reports.records import Report
from reports.tables import NOTHING, fixed, markdown_table
from reproductions.instance_synthesis.arms import PERCENTS, limited
from reproductions.instance_synthesis.back_ends import GENERATORS
from reproductions.instance_synthesis.claims import BASELINES
from reproductions.verdicts.variance import paired_difference
from reproductions.verdicts.verdict import missed_baselines

_METRIC = "AP"
_HEADER = (
    "Generator",
    "Real images",
    "(R + S) − (R), paper",
    "(R + S) − (R)",
    "(R + Z) − (R)",
    "(R + S) − (R + Z)",
    "Zoom's part of the gain",
    "Gain beside the paper's",
)


def gains_section(report: Report) -> str:
    """Write both gains of every generator, at every share of the real images; empty where no two arms ran."""
    backbone = report.backbones[0].id
    rows = [
        row
        for percent in (100, *reversed(PERCENTS))
        for generator in GENERATORS
        if (row := _row(report, backbone, generator, percent)) is not None
    ]
    if not rows:
        return ""
    text = (
        f"{_METRIC}, mean over seeds with the 95 % interval that decides. S: synthesis, Z: the same focused crops of untouched images, R: real "
        "images alone. What synthesis adds is the gain over R + Z; the paper reports that over R. The zoom's part is the ratio of two "
        "means, and says nothing where the gain is not resolved."
    )
    parts = ["## What synthesis adds", text, markdown_table(_HEADER, rows, 1), *_baselines(report)]
    return "\n\n".join(parts)


def _row(report: Report, backbone: str, generator: str, percent: int) -> list[str] | None:
    real, zoom, synthesis = (limited(arm, percent) for arm in ("real", "zoom", generator))
    gains = [
        _difference(report, backbone, left, right)
        for left, right in ((synthesis, real), (zoom, real), (synthesis, zoom))
    ]
    if all(gain is None for gain in gains):
        return None
    whole, of_zoom, _ = gains
    part = NOTHING
    if whole is not None and of_zoom is not None and whole[0] > 0:
        part = f"{100 * of_zoom[0] / whole[0]:.0f} %"
    printed = _printed(report, generator) if percent == 100 else None
    words = [NOTHING if gain is None else gain[1] for gain in gains]
    title = report.arm_title(generator)
    beside = _beside(report, generator) if percent == 100 else NOTHING
    return [title, f"{percent} %", fixed(printed, 2, sign=True), *words, part, beside]


def _difference(report: Report, backbone: str, left: str, right: str) -> tuple[float, str] | None:
    """Mean and words of a paired difference; None where the arms share no seed."""
    by_arm = {arm.id: report.by_seed(arm.id, backbone, _METRIC) for arm in report.arms}
    found = paired_difference(by_arm, left, right)
    if found is None:
        return None
    interval = found.interval
    return interval.mean, difference_text(interval.mean, interval.low, interval.high)


def _printed(report: Report, generator: str) -> float | None:
    """The paper's gain of the segmenter beside ours; None where several differ, as beside a miniature."""
    theirs = [name for name, ours in report.beside.items() if ours == report.backbones[0].id]
    found = [
        value - others[0]
        for target in report.targets
        if target.arm == generator and target.metric == _METRIC and target.backbone in theirs
        for value in [target.value]
        if (others := [t.value for t in report.targets if _same_row(t, target.table, target.backbone)])
    ]
    return found[0] if found and max(found) - min(found) < 1e-9 else None


def _same_row(target: object, table: str, backbone: str) -> bool:
    keys = ("table", "backbone", "arm", "metric")
    return tuple(getattr(target, key) for key in keys) == (table, backbone, "real", _METRIC)


def _beside(report: Report, generator: str) -> str:
    if report.run.tier != "paper":
        return f"not comparable (tier {report.run.tier})"
    missed = missed_baselines(report.outcomes, report.baselines)
    names = {
        name
        for (arm, backbone, metric), baselines in missed.items()
        if arm == generator and metric == _METRIC and report.beside.get(backbone) == report.backbones[0].id
        for name in baselines
    }
    if names:
        titles = ", ".join(report.arm_title(name) for name in BASELINES[generator] if name in names)
        return f"not comparable: {titles} misses its printed number"
    return "comparable"


def _baselines(report: Report) -> Iterator[str]:
    """Say how far the paper's own baselines lie from the published numbers, from the printed ones."""
    published = {t.backbone: t for t in report.targets if (t.arm, t.metric) == ("published", _METRIC)}
    printed = {t.backbone: t for t in report.targets if (t.arm, t.metric) == ("real", _METRIC)}
    lines = [
        f"{printed[backbone].backbone_title} {fixed(printed[backbone].value, printed[backbone].decimals)} "
        f"where {fixed(target.value, target.decimals)} is published"
        for backbone, target in published.items()
        if backbone in printed
    ]
    if lines:
        yield (
            f"**The paper's own baselines lie far below the published ones** ({_METRIC}): {_joined(lines)}. Much of its gain may be recovery "
            "from a weak training. A gain is compared with the paper's only where our baseline and the published recipe reach their "
            "printed numbers."
        )


def _joined(lines: Sequence[str]) -> str:
    return "; ".join(lines)

"""One tested quantity in words: its mean, interval and p, and what it is called."""

from __future__ import annotations

from reports.records import Evidence, Report, Target
from reports.tables import fixed, p_text


def where_measured(report: Report, item: Evidence) -> str:
    """On which backbone, where there are several."""
    return f" [{report.backbone_title(item.backbone)}]" if len(report.backbones) > 1 else ""


def _mean(item: Evidence) -> str:
    if item.mean is None:
        return "not run"
    if item.kind == "ratio":
        return fixed(item.mean, 3)
    return f"{fixed(item.mean, 2, sign=True)} {item.unit}".strip()


def without_unit(item: Evidence) -> str:
    """The mean; a difference of a metric needs no unit beside its name."""
    return _mean(item).removesuffix(f" {item.unit}") if item.kind == "difference" else _mean(item)


def short_label(report: Report, item: Evidence) -> str:
    """What differs between the tests of one claim: a metric's title, the arms where there is one metric, or the kind of number."""
    if item.kind == "difference" and item.metric is not None:
        title = report.metric_title(item.metric)
        return title if len(report.metrics) > 1 else item.label.removesuffix(f", {title}")
    if item.kind == "correlation":
        return item.label.split(",")[0]
    return "share of the objects, no test," if item.kind == "ratio" else item.label


def _printed_difference(report: Report, item: Evidence) -> str:
    """The same difference in the paper's table, where tiers allow to look at it."""
    if report.run.tier != "paper" or item.kind != "difference":
        return ""
    theirs = {
        target.arm: target
        for target in report.targets
        if report.beside.get(target.backbone) == item.backbone and target.metric == item.metric
    }
    if item.left not in theirs or item.right not in theirs:
        return ""
    return f" (paper {_difference_text(theirs[item.left], theirs[item.right])})"


def _difference_text(left: Target, right: Target) -> str:
    """A difference of printed numbers; an inferred one is no finer than its decimals."""
    if left.certainty == right.certainty == "certain":
        return fixed(left.value - right.value, max(left.decimals, right.decimals), sign=True)
    return f"{fixed(left.value - right.value, min(left.decimals, right.decimals), sign=True)}, inferred"


def evidence_text(report: Report, item: Evidence) -> str:
    """One tested quantity in words: label, mean, interval, p, how many seeds agree."""
    label = f"{item.label}{where_measured(report, item)}"
    if item.mean is None:
        return f"{label}: not run"
    text = f"{label}: {_mean(item)}{_printed_difference(report, item)}"
    if item.low is not None and item.high is not None:
        text += f" {_interval(item.low, item.high)} ({_degrees(item)})"
        text += f", {p_text(item.p_value)}" if item.band is None else ""
    if item.plain_low is not None and item.plain_high is not None:
        text += f"; by these seeds alone {_interval(item.plain_low, item.plain_high)}"
    text += _images(item)
    if item.leave_one_out is not None:
        low, high = (fixed(value, 2, sign=True) for value in item.leave_one_out)
        by_seed = ", ".join(fixed(value, 2, sign=True) for value in item.values)
        text += f"; with one variant left out {low} to {high}; permutation {p_text(item.p_value)}; by seed {by_seed}"
    if item.band is not None:
        text += f", level means within ±{fixed(item.band[1], 2)}"
    return f"{text}; {item.reason}"


def mean_and_interval(item: Evidence) -> str:
    """The mean of what was measured and, where there is one, the interval that decides."""
    if item.mean is None or item.low is None or item.high is None:
        return _mean(item)
    return f"{_mean(item)} {_interval(item.low, item.high)}"


def difference_text(mean: float, low: float | None, high: float | None) -> str:
    """A mean difference with two decimals and a sign and, where there is one, its interval."""
    text = fixed(mean, 2, sign=True)
    return text if low is None or high is None else f"{text} {_interval(low, high)}"


def _interval(low: float, high: float) -> str:
    return f"[{fixed(low, 2, sign=True)}, {fixed(high, 2, sign=True)}]"


def _images(item: Evidence) -> str:
    """What other evaluation images would do to a difference; said where they alone may turn its sign."""
    if item.image_margin is None or item.mean is None:
        return ""
    turned = ", which reaches zero" if abs(item.mean) <= item.image_margin and not _reaches_zero(item) else ""
    return f"; other images ±{fixed(item.image_margin, 2)}{turned}"


def _reaches_zero(item: Evidence) -> bool:
    return item.low is None or item.high is None or item.low <= 0 <= item.high


def _degrees(item: Evidence) -> str:
    """Degrees of freedom; a round number where it is one."""
    assert item.degrees is not None, "an interval has degrees of freedom"
    return f"{item.degrees:.3g} df"

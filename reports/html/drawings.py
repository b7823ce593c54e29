"""Small drawings as SVG text: intervals of claims, curves of trainings. Everything that is said in colour is said in words too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.drill import Curve
from reports.records import ClaimOutcome, Evidence

_WIDTH, _HEIGHT = 240, 22
"""Of the drawing of one interval, in its own units."""
_CURVE_WIDTH, _CURVE_HEIGHT, _LEFT, _BOTTOM, _TOP = 250, 92, 44, 14, 6
_SHARE_OF_MARGIN = 0.06


@dataclass(frozen=True)
class Scale:
    """From values to places on a line."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the place of a value, to a tenth."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.stop - self.start), 1)


def forest_scale(claim: ClaimOutcome, unit: str) -> Scale | None:
    """The common scale of a claim's intervals of one unit, with zero on it; None where nothing was run."""
    tests = (item for item in claim.evidence if item.unit == unit and not item.is_fact)
    shown = [value for item in tests for value in _extent(item)]
    if not shown:
        return None
    low, high = min(0.0, *shown), max(0.0, *shown)
    margin = _SHARE_OF_MARGIN * ((high - low) or 1.0)
    return Scale(low - margin, high + margin, 0, _WIDTH)


def _extent(item: Evidence) -> list[float]:
    band = item.band or ()
    return [value for value in (item.mean, item.low, item.high, *band) if value is not None]


def interval(item: Evidence, scale: Scale, words: str) -> Markup:
    """One row of a forest plot: zero, the 95 % interval and the mean, for a claim of "level" also its band.

    Args:
        item: what was measured.
        scale: of the claim.
        words: the same in words.
    """
    middle, zero = _HEIGHT / 2, scale(0.0)
    parts = [Markup('<line class="zero" x1="{0}" x2="{0}" y1="0" y2="{1}"/>').format(zero, _HEIGHT)]
    if item.band is not None:
        start, stop = scale(item.band[0]), scale(item.band[1])
        parts.insert(
            0, Markup('<rect class="band" x="{}" y="2" width="{}" height="18"/>').format(start, round(stop - start, 1))
        )
    if item.low is not None and item.high is not None:
        parts.append(
            Markup('<line class="interval" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>').format(
                scale(item.low), scale(item.high), middle
            )
        )
    if item.mean is not None:
        parts.append(Markup('<circle class="mean" cx="{}" cy="{}" r="4.5"/>').format(scale(item.mean), middle))
    return _svg(_WIDTH, _HEIGHT, f"interval {verdict_class(item.verdict)}", words, parts)


def verdict_class(verdict: str) -> str:
    """The name under which style sheets know a verdict."""
    return f"verdict-{verdict.replace(' ', '-')}"


def curve(drawn: Curve) -> Markup:
    """A training's column over its iterations; gaps where nothing finite was written down."""
    points = [(x, y) for x, y in zip(drawn.iterations, drawn.values, strict=True) if y is not None]
    if not points:
        return Markup('<p class="quiet">{}: no finite number</p>').format(drawn.name)
    values = [y for _, y in points]
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) or 1.0
    across = Scale(drawn.iterations[0], max(drawn.iterations[-1], drawn.iterations[0] + 1), _LEFT, _CURVE_WIDTH - 4)
    up = Scale(low - 0.02 * spread, high + 0.02 * spread, _CURVE_HEIGHT - _BOTTOM, _TOP)
    words = (
        f"{drawn.name}: {_short(values[0])} at iteration {points[0][0]:,}, {_short(values[-1])} at {points[-1][0]:,}"
    )
    frame = Markup('<path class="frame" d="M{0} {1}V{2}H{3}"/>').format(
        _LEFT, _TOP, _CURVE_HEIGHT - _BOTTOM, _CURVE_WIDTH - 4
    )
    lines = [
        Markup('<polyline points="{}"/>').format(" ".join(f"{across(x)},{up(y)}" for x, y in stretch))
        for stretch in _stretches(drawn)
        if len(stretch) > 1
    ]
    dots = [
        Markup('<circle cx="{}" cy="{}" r="2"/>').format(across(x), up(y))
        for stretch in _stretches(drawn)
        if len(stretch) == 1
        for x, y in stretch
    ]
    texts = [
        _text(_LEFT - 4, _TOP + 7, "end", _short(high)),
        *([_text(_LEFT - 4, _CURVE_HEIGHT - _BOTTOM, "end", _short(low))] if high > low else []),
        _text(_LEFT, _CURVE_HEIGHT - 2, "start", f"{drawn.iterations[0]:,}"),
        _text(_CURVE_WIDTH - 4, _CURVE_HEIGHT - 2, "end", f"{drawn.iterations[-1]:,}"),
    ]
    return _svg(_CURVE_WIDTH, _CURVE_HEIGHT, "curve", words, [frame, *lines, *dots, *texts])


def _stretches(drawn: Curve) -> list[list[tuple[int, float]]]:
    """Neighbouring points without a gap between them."""
    found: list[list[tuple[int, float]]] = [[]]
    for x, y in zip(drawn.iterations, drawn.values, strict=True):
        if y is None:
            found.append([])
        else:
            found[-1].append((x, y))
    return [stretch for stretch in found if stretch]


def _short(value: float) -> str:
    """At most four digits, small and large ones with an exponent."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        digits = 0 if abs(value) >= 1000 else max(0, 3 - math.floor(math.log10(abs(value))) - 1) if value else 0
        return f"{value:,.{min(digits, 4)}f}"
    return f"{value:.1e}"


def _text(x: float, y: float, anchor: str, words: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, words)


def _svg(width: int, height: int, kind: str, words: str, parts: Sequence[Markup]) -> Markup:
    inside = Markup("").join(parts)
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, words, inside
    )

"""Figures that any paper's report can use, one restrained style, every file the same bytes for the same records."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from reports.files import write_whole
from reports.records import ClaimVerdict, Estimate, Evidence, Report

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito, readable with every common colour blindness."""
GREY = "#6b6b6b"
FAINT = "#d9d9d9"
VERDICT_COLOURS: dict[ClaimVerdict, str] = {
    "holds": "#0072B2",
    "equivalent": "#009E73",
    "contradicted": "#D55E00",
    "not resolved": GREY,
    "not run": FAINT,
}
WIDTH_IN = 8.4
DPI = 120
MAX_BYTES = 250_000

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#222222",
    "figure.facecolor": "white",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": "#222222",
    "ytick.major.size": 0,
    "grid.color": "#ececec",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@contextmanager
def drawing(height_in: float, width_in: float = WIDTH_IN) -> Iterator[Figure]:
    """Give an empty figure in the house style; no global state is touched after the block."""
    with mpl.rc_context({**_STYLE, "font.family": ["DejaVu Sans", *other_scripts()]}):
        figure = Figure(figsize=(width_in, height_in), dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure


_OTHER_SCRIPTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Fonts that have letters which DejaVu Sans lacks, Chinese, Japanese and Korean ones above all."""


@cache
def other_scripts() -> tuple[str, ...]:
    """Return the fonts for letters that the usual font lacks, as far as they are installed here."""
    return _known_fonts() or _newly_installed_fonts()


def _known_fonts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return tuple(name for name in _OTHER_SCRIPTS if name in installed)


def _newly_installed_fonts() -> tuple[str, ...]:
    """Look among the fonts that are not in matplotlib's list, which it makes once and keeps in the user's cache."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {font.fname for font in fontManager.ttflist}
    for path in sorted(set(findSystemFonts()) - known):
        with suppress(OSError, RuntimeError):  # a font that matplotlib cannot read
            fontManager.addfont(path)
    return _known_fonts()


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    """Turn the library's warning of each letter that no font has into one sentence."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    lacking = [warning for warning in caught if "missing from font" in str(warning.message)]
    for warning in caught:
        if warning not in lacking:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if lacking:
        _tell_once()


@cache
def _tell_once() -> None:
    print(
        "note: no installed font has all letters of the names in the figures, boxes stand for them; install one that has, such as Noto Sans CJK",
        file=sys.stderr,
    )


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG below ``MAX_BYTES`` and without dates."""
    canvas = FigureCanvasAgg(figure)
    with _without_glyph_warnings():
        canvas.draw()  # type: ignore[no-untyped-call]  # its buffer knows its own size; width x DPI, rounded here, may be a pixel off and shear the picture
    save_image(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"), path)  # type: ignore[no-untyped-call]


def save_image(image: Image.Image, path: Path) -> None:
    """Write an RGB image as PNG: with a palette when it is too large, then smaller until it fits."""
    data = _png(image)
    if len(data) > MAX_BYTES:
        data = _png(_with_palette(image))
    while len(data) > MAX_BYTES:
        share = 0.97 * (MAX_BYTES / len(data)) ** 0.5
        image = image.resize((int(image.width * share), int(image.height * share)), Image.Resampling.LANCZOS)
        data = _png(_with_palette(image))
    write_whole(path, data)


def _with_palette(image: Image.Image) -> Image.Image:
    return image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=7)
    return buffer.getvalue()


# --- every seed of every arm ------------------------------------------------------------------------------------


def dot_plot(report: Report, backbone: str, metrics: Sequence[str], path: Path) -> bool:
    """Draw a panel a metric, an arm a row: every seed, the mean and its 95 % interval.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    arms = [arm for arm, known in report.ran() if known.id == backbone]
    shown = [m for m in metrics if any(report.by_seed(arm.id, backbone, m) for arm in arms)]
    if not shown:
        return False
    with drawing(0.9 + 0.34 * len(arms)) as figure:
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for panel, metric in zip(panels, shown, strict=True):
            for row, arm in enumerate(arms):
                colour = PALETTE[row % len(PALETTE)]
                seeds_and_mean(
                    panel,
                    row,
                    report.by_seed(arm.id, backbone, metric),
                    report.estimate(arm.id, backbone, metric),
                    colour,
                )
            panel.set_title(report.metric_title(metric))
            panel.grid(axis="x")
            panel.margins(x=0.08)
        panels[0].set_yticks(range(len(arms)), [arm.title for arm in arms])
        panels[0].set_ylim(len(arms) - 0.4, -0.6)
        figure.supxlabel("percent", fontsize=9, color=GREY)
        save_figure(figure, path)
    return True


def seeds_and_mean(panel: Axes, row: float, by_seed: dict[int, float], estimate: Estimate | None, colour: str) -> None:
    """Draw one arm's row: a circle a seed, a bar at the mean, a line over its interval."""
    panel.plot(list(by_seed.values()), [row] * len(by_seed), "o", ms=4.5, mfc="none", mec=colour, mew=1, alpha=0.9)
    if estimate is not None:
        panel.plot([estimate.mean], [row], "|", ms=13, mew=2.2, color=colour)
        if estimate.low is not None and estimate.high is not None:
            panel.plot([estimate.low, estimate.high], [row, row], "-", lw=1.4, color=colour, alpha=0.75)


# --- paired differences -----------------------------------------------------------------------------------------


def forest_plot(report: Report, path: Path, long_labels: bool = False) -> bool:
    """Draw every paired difference behind the claims and controls: seeds, mean, the interval that decides, coloured by verdict.

    Args:
        report: judged records.
        path: the PNG to write.
        long_labels: for arms with long titles: the legend starts at the left edge, and a sole metric is not named.
    Returns:
        False, and no file, when there is nothing to draw.
    """
    rows = [
        (claim.id, item)
        for claim in report.claims
        for item in claim.evidence
        if item.kind == "difference" and item.mean is not None
    ]
    if not rows:
        return False
    with drawing(1.0 + 0.27 * len(rows)) as figure:
        panel = figure.subplots()
        panel.axvline(0, color="#222222", lw=0.9)
        for place, (_, item) in enumerate(rows):
            _difference(panel, place, item)
        _claim_bands(panel, [claim for claim, _ in rows])
        named = f", {report.metrics[0].title}" if long_labels and len(report.metrics) == 1 else ""
        labels = [f"{claim}  {_label(report, item).replace(named, '')}" for claim, item in rows]
        panel.set_yticks(range(len(rows)), labels)
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_xlabel(f"difference ({rows[0][1].unit} points)")
        panel.grid(axis="x")
        _verdict_legend(panel, [item for _, item in rows], outside=long_labels)
        save_figure(figure, path)
    return True


def _label(report: Report, item: Evidence) -> str:
    return f"{item.label} ({report.backbone_title(item.backbone)})" if len(report.backbones) > 1 else item.label


def _difference(panel: Axes, row: int, item: Evidence) -> None:
    colour = VERDICT_COLOURS[item.verdict]
    panel.plot(item.values, [row] * len(item.values), "o", ms=4.5, mfc="none", mec=colour, mew=1)
    panel.plot([item.mean or 0.0], [row], "|", ms=12, mew=2.2, color=colour)
    if item.low is not None and item.high is not None:
        panel.plot([item.low, item.high], [row, row], "-", lw=1.6, color=colour)


def _claim_bands(panel: Axes, claims: Sequence[str]) -> None:
    """Shade every other claim so that its rows read as one."""
    order = list(dict.fromkeys(claims))
    for row, claim in enumerate(claims):
        if order.index(claim) % 2:
            panel.axhspan(row - 0.5, row + 0.5, color="#f5f5f5", zorder=0, lw=0)


def _verdict_legend(panel: Axes, items: Sequence[Evidence], outside: bool) -> None:
    for verdict, colour in VERDICT_COLOURS.items():
        if any(item.verdict == verdict for item in items):
            panel.plot([], [], "-", lw=2, color=colour, label=verdict)
    if outside:
        figure = panel.get_figure(root=True)
        assert figure is not None
        figure.legend(*panel.get_legend_handles_labels(), loc="outside upper center", ncols=len(VERDICT_COLOURS))
    else:
        panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(VERDICT_COLOURS), borderaxespad=0.2)

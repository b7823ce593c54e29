"""Sheets of samples for a filter's report: pairs with both masks by score, and drawn pictures with their masks.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from reports.figures import DPI, GREY, PALETTE, drawing, save_figure
from reproductions.sam_filter.records import DrawnSample, FilterSample

_TILE, _GAP = 108, 6
"""Pixels: side of a shown picture, space between two."""
_HEAD, _CAPTION, _SIDE = 22, 17, 76
"""Pixels: room for the column names, under a row for its words, at the left for the group."""
_UNCERTAIN = 255
_BOTH, _GENERATED, _SEGMENTED = PALETTE[2], PALETTE[1], PALETTE[0]
_COLUMNS = ("image", "from attention", "by SAM", "agreement")
_GROUPS = ("best", "median", "worst")
_PER_GROUP = 4
_MOST_CONTOURS, _PER_CONTOUR = 4, 3

Pixels = NDArray[np.uint8]


def draw_filter_samples(samples: Sequence[FilterSample], path: Path) -> bool:
    """Draw the best, the middle and the worst pairs by score: image, both masks, agreement; two pairs a row.

    Only the first seed's are drawn, up to four of each group.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    groups = choose_by_rank(samples)
    if not groups:
        return False
    pitch_x, pitch_y = _TILE + _GAP, _TILE + _GAP + _CAPTION
    half = 4 * pitch_x + 3 * _GAP
    num_rows = sum(-(-len(group) // 2) for group in groups.values())
    width = half * (2 if any(len(group) > 1 for group in groups.values()) else 1) - 4 * _GAP
    with drawing((_HEAD + num_rows * pitch_y) / DPI, (_SIDE + width) / DPI) as figure:
        figure.set_layout_engine("none")
        panel = _canvas(figure.add_axes((0, 0, 1, 1)), width, num_rows * pitch_y)
        sheet = Image.new("RGB", (width, num_rows * pitch_y), "white")
        row = 0
        for name, group in groups.items():
            panel.text(-8, row * pitch_y + _TILE / 2, name, ha="right", va="center", weight="bold")
            for place, sample in enumerate(group):
                x, y = place % 2 * half, (row + place // 2) * pitch_y
                for column, tile in enumerate(filter_tiles(sample)):
                    sheet.paste(_resized(tile), (x + column * pitch_x, y))
                panel.text(x, y + _TILE + 2, _words(sample), size=7, color=GREY, va="top")
            row += -(-len(group) // 2)
        for start in range(0, width, half):
            for column, title in enumerate(_COLUMNS):
                panel.text(start + column * pitch_x + _TILE / 2, -5, title, size=8, ha="center", va="bottom")
        panel.imshow(np.asarray(sheet), interpolation="nearest", extent=(0, width, num_rows * pitch_y, 0))
        _limit(panel, width, num_rows * pitch_y)
        save_figure(figure, path)
    return True


def choose_by_rank(samples: Sequence[FilterSample]) -> dict[str, list[FilterSample]]:
    """Sort the first seed's samples into best, median and worst by where they rank; empty groups are left out."""
    if not samples:
        return {}
    seed = min(sample.seed for sample in samples)
    ranked = sorted((sample for sample in samples if sample.seed == seed), key=lambda sample: sample.rank)
    groups: dict[str, list[FilterSample]] = {name: [] for name in _GROUPS}
    for sample in ranked:
        share = (sample.rank - 1) / max(sample.num_ranked - 1, 1)
        groups["best" if share < 1 / 3 else "median" if share <= 2 / 3 else "worst"].append(sample)
    centred = sorted(groups["median"], key=lambda sample: abs(2 * sample.rank - sample.num_ranked - 1))[:_PER_GROUP]
    groups = {
        "best": groups["best"][:_PER_GROUP],
        "median": sorted(centred, key=lambda sample: sample.rank),
        "worst": groups["worst"][-_PER_GROUP:],
    }
    return {name: group for name, group in groups.items() if group}


def _words(sample: FilterSample) -> str:
    names = ", ".join(name.replace("_", " ") for name in sample.classes)
    kept = "kept" if sample.kept else "dropped"
    return f"{sample.score:.2f}, rank {sample.rank:,} of {sample.num_ranked:,}, {kept}: {names}"


def filter_tiles(sample: FilterSample) -> list[Image.Image]:
    """Image, generated mask, zero-shot mask and agreement as RGB images of one size."""
    image = _read_rgb(sample.path)
    generated_HW, segmented_HW = _read_labels(sample.mask_path), _read_labels(sample.segmented_path)
    for labels_HW, path in ((generated_HW, sample.mask_path), (segmented_HW, sample.segmented_path)):
        assert labels_HW.shape == (image.height, image.width), f"{path} has another size than its image"
    agreement_HW3 = agreement(np.asarray(image), generated_HW, segmented_HW)
    return [image, _coloured(generated_HW), _coloured(segmented_HW), Image.fromarray(agreement_HW3)]


def agreement(image_HW3: Pixels, generated_HW: Pixels, segmented_HW: Pixels) -> Pixels:
    """Lay over a pale image where both masks name the same class (green), or one of them another than the other has.

    A pixel that both label, but differently, is orange. Uncertain pixels stay pale.

    Returns:
        uint8 [H, W, 3].
    """
    pale_HW3 = 255 - (255 - np.asarray(Image.fromarray(image_HW3).convert("L").convert("RGB")).astype(np.float64)) * 0.5
    generated = (generated_HW > 0) & (generated_HW != _UNCERTAIN)
    segmented = (segmented_HW > 0) & (segmented_HW != _UNCERTAIN) & (generated_HW != _UNCERTAIN)
    both = generated & (generated_HW == segmented_HW)
    for where, colour in ((segmented & ~both, _SEGMENTED), (generated & ~both, _GENERATED), (both, _BOTH)):
        pale_HW3[where] = 0.3 * pale_HW3[where] + 0.7 * np.array(_rgb(colour))
    return pale_HW3.round().astype(np.uint8)


def draw_drawn_samples(samples: Sequence[DrawnSample], path: Path) -> bool:
    """Draw pictures with exact masks: a column a contour type, picture beside mask.

    Returns:
        False, and no file, when there is nothing to draw.
    """
    columns: dict[str, list[DrawnSample]] = {}
    for sample in samples:
        title = f"{sample.contour}, {sample.noise}" if sample.noise else sample.contour
        columns.setdefault(title, []).append(sample)
    columns = {title: group[:_PER_CONTOUR] for title, group in list(columns.items())[:_MOST_CONTOURS]}
    if not columns:
        return False
    pitch, pair = _TILE + _GAP, 2 * (_TILE + _GAP) + 3 * _GAP
    width, height = pair * len(columns) - 4 * _GAP, pitch * max(len(group) for group in columns.values()) - _GAP
    with drawing((_HEAD + height) / DPI, width / DPI) as figure:
        figure.set_layout_engine("none")
        panel = _canvas(figure.add_axes((0, 0, 1, 1)), width, height)
        sheet = Image.new("RGB", (width, height), "white")
        for place, (title, group) in enumerate(columns.items()):
            panel.text(place * pair + pitch - _GAP / 2, -5, title, size=8.5, ha="center", va="bottom", weight="bold")
            for row, sample in enumerate(group):
                tiles = _read_rgb(sample.path), _coloured(_read_labels(sample.mask_path), many=True)
                for column, tile in enumerate(tiles):
                    sheet.paste(_resized(tile), (place * pair + column * pitch, row * pitch))
        panel.imshow(np.asarray(sheet), interpolation="nearest", extent=(0, width, height, 0))
        _limit(panel, width, height, side=0)
        save_figure(figure, path)
    return True


# --- pixels -----------------------------------------------------------------------------------------------------


def _canvas(panel: Axes, width: int, height: int) -> Axes:
    panel.set_axis_off()
    return panel


def _limit(panel: Axes, width: int, height: int, side: int = _SIDE) -> None:
    panel.set_xlim(-side, width)
    panel.set_ylim(height, -_HEAD)


def _read_rgb(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _read_labels(path: Path) -> Pixels:
    """Labels as stored, palette or grey: uint8 [H, W]."""
    with Image.open(path) as image:
        return np.asarray(image).astype(np.uint8)


def _resized(tile: Image.Image) -> Image.Image:
    """Fit into a square tile; small pictures keep their hard pixels."""
    method = Image.Resampling.NEAREST if max(tile.size) <= _TILE else Image.Resampling.LANCZOS
    scale = _TILE / max(tile.size)
    fitted = tile.resize((round(tile.width * scale), round(tile.height * scale)), method)
    square = Image.new("RGB", (_TILE, _TILE), "white")
    square.paste(fitted, ((_TILE - fitted.width) // 2, (_TILE - fitted.height) // 2))
    return square


def _coloured(labels_HW: Pixels, many: bool = False) -> Image.Image:
    """Colour labels on dark grey: a colour a label, uncertain pixels white."""
    table_L3 = np.full((256, 3), 48, np.uint8)
    for label in range(1, 255):
        table_L3[label] = _spread_colour(label) if many else _rgb(_LABEL_COLOURS[(label - 1) % len(_LABEL_COLOURS)])
    table_L3[255] = (255, 255, 255)
    return Image.fromarray(table_L3[labels_HW])


_LABEL_COLOURS = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#0072B2", "#999933", "#AA4499")


def _spread_colour(label: int) -> tuple[int, int, int]:
    """A colour of its own for each of 254 labels, neighbours far apart."""
    red, green, blue = colorsys.hsv_to_rgb((label * 0.618034) % 1.0, 0.55 + 0.4 * (label % 2), 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

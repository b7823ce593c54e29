"""Sheets of sample pictures: cut-outs by row, training images with their instances, images with label maps, repainted instances.

Each function draws one sheet and returns False, without a file, when there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from reports.figures import PALETTE
from reports.label_maps import agreement, coloured
from reports.samples import CutOutSample, InstanceSample, LabelMapSample, PictureRowSample, RepaintedSample
from reports.sheets import Outline, Sheet, SheetRow, Strip, Tile, draw_sheet

ItemT = TypeVar("ItemT")

_BACKDROP = (222, 222, 222, 255)
"""Light grey behind cut-outs, so that white objects and holes in a mask are seen."""
_CUT_OUT_PX, _INSTANCE_PX, _REPAINTED_PX = 72, 234, 124
_HEAD_LETTERS = 13
"""As many letters as fit above a cut-out."""
_PASTED, _REAL = PALETTE[1], PALETTE[5]


def cut_out_sheet(samples: Sequence[CutOutSample], path: Path, columns: int = 10, most_rows: int = 12) -> bool:
    """Draw cut-outs on light grey, a row a row name and a column a class, so that a column shows one class alone.

    A class that a row has no cut-out of leaves its place empty, the first of several is shown; more than ``most_rows`` rows are
    thinned evenly, classes beyond ``columns`` left out.
    """
    names = _thinned(list(dict.fromkeys(sample.row for sample in samples)), most_rows)
    classes = list(dict.fromkeys(sample.category for sample in samples))[:columns]
    first = {(sample.row, sample.category): sample for sample in reversed(samples)}
    rows = [SheetRow([_cut_out(first.get((name, category))) for category in classes], name) for name in names]
    return draw_sheet(Sheet(rows, _CUT_OUT_PX, strip_heads=[_shortened(_words(name)) for name in classes]), path)


def _cut_out(sample: CutOutSample | None) -> Strip:
    return Strip([] if sample is None else [Tile(_on_grey(sample.path, _CUT_OUT_PX))])


def _shortened(text: str) -> str:
    """Fit words above a cut-out."""
    return text if len(text) <= _HEAD_LETTERS else f"{text[: _HEAD_LETTERS - 1].rstrip()}…"


def _on_grey(path: Path, side: int) -> Image.Image:
    """Read a picture and put it, centred in a square, on light grey."""
    with Image.open(path) as image:
        cut_out = image.convert("RGBA")
    longest = max(cut_out.size)
    canvas = Image.new("RGBA", (longest, longest), _BACKDROP)
    canvas.alpha_composite(cut_out, ((longest - cut_out.width) // 2, (longest - cut_out.height) // 2))
    return canvas.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)


def instance_sheet(samples: Sequence[InstanceSample], path: Path, columns: int = 4, most: int = 8) -> bool:
    """Draw training images with pasted instances in orange, by name, and real ones in blue; more than ``most`` are thinned evenly."""
    shown = _thinned(samples, most)
    tiles = [_with_instances(sample) for sample in shown]
    strips = [Strip([tile], sample.caption) for tile, sample in zip(tiles, shown, strict=True)]
    rows = [SheetRow(strips[start : start + columns]) for start in range(0, len(strips), columns)]
    aspect = max(1.0, min((tile.image.width / tile.image.height for tile in tiles), default=1.0))
    legend = {"pasted object": _PASTED, "real object": _REAL}
    return draw_sheet(Sheet(rows, _INSTANCE_PX, tile_aspect=aspect, legend=legend), path)


def _with_instances(sample: InstanceSample) -> Tile:
    image, instances_HW = _read_image(sample.path), _read_map(sample.instances_path)
    _check_size(instances_HW, sample.instances_path, image)
    numbers = np.unique(instances_HW[instances_HW > 0]).tolist()
    return Tile(image, tuple(_instance(sample, number, instances_HW == number) for number in numbers))


def _instance(sample: InstanceSample, number: int, region_HW: np.ndarray) -> Outline:
    if number in sample.pasted:
        return Outline(region_HW, _PASTED, 1.8, _words(sample.names.get(number, "")))
    return Outline(region_HW, _REAL)


def repainted_sheet(samples: Sequence[RepaintedSample], path: Path) -> bool:
    """Draw each instance in a row: the real crop, the generators' side by side, back in its image, and what changed outside the mask.

    Masks are outlined in the real crop and in the image.
    """
    titles = list(dict.fromkeys(title for sample in samples for title in sample.repainted))
    pasted = dict.fromkeys(sample.pasted_title for sample in samples)
    heads = ("real crop", *titles, f"pasted: {', '.join(pasted)}", "change outside")
    rows = [SheetRow([Strip(_repainted(sample, titles), sample.caption)], _words(sample.row)) for sample in samples]
    return draw_sheet(Sheet(rows, _REPAINTED_PX, side_px=106, tile_heads=heads, legend={"mask": _PASTED}), path)


def _repainted(sample: RepaintedSample, titles: Sequence[str]) -> list[Tile]:
    empty = Image.new("RGB", (8, 8), "white")
    painted = [_read_image(sample.repainted[title]) if title in sample.repainted else empty for title in titles]
    return [
        _outlined(sample.crop_path, sample.mask_path),
        *map(Tile, painted),
        _outlined(sample.pasted_path, sample.pasted_mask_path),
        Tile(_read_image(sample.difference_path)),
    ]


def _outlined(path: Path, mask_path: Path) -> Tile:
    image, mask_HW = _read_image(path), _read_map(mask_path)
    _check_size(mask_HW, mask_path, image)
    return Tile(image, (Outline(mask_HW > 0, _PASTED, 1.2),))


def label_map_rows(
    samples: Sequence[LabelMapSample], heads: Sequence[str], path: Path, columns: int = 2, compare: bool = False
) -> bool:
    """Draw each image beside its label maps, a group in rows of its own with its name at the left.

    Args:
        samples: in the order in which they are shown.
        heads: words above the image, each map, and the comparison.
        path: the PNG to write.
        columns: images beside one another.
        compare: add a tile that shows where the first two maps agree (:func:`reports.label_maps.agreement`).
    """
    rows = []
    for name, group in _groups(samples).items():
        strips = [Strip(label_map_tiles(sample, compare), sample.caption) for sample in group]
        parts = [strips[start : start + columns] for start in range(0, len(strips), columns)]
        rows += [SheetRow(part, "" if index else name) for index, part in enumerate(parts)]
    return draw_sheet(Sheet(rows, tile_heads=heads), path)


def label_map_columns(samples: Sequence[LabelMapSample], path: Path, most_groups: int = 4, most: int = 3) -> bool:
    """Draw each image beside its label maps, a group in a column with its name above; a few groups, a few of each."""
    groups = dict(list(_groups(samples).items())[:most_groups])
    columns = [[Strip(label_map_tiles(sample), sample.caption) for sample in group[:most]] for group in groups.values()]
    rows = [SheetRow(row) for row in zip_longest(*columns, fillvalue=Strip(()))]
    return draw_sheet(Sheet(rows, strip_heads=list(groups)), path)


def label_map_tiles(sample: LabelMapSample, compare: bool = False) -> list[Tile]:
    """Return the image, its label maps in colour, and where the first two maps agree."""
    image = _read_image(sample.path)
    maps = [_read_map(path).astype(np.uint8) for path in sample.label_paths]
    for labels_HW, path in zip(maps, sample.label_paths, strict=True):
        _check_size(labels_HW, path, image)
    compared = [Image.fromarray(agreement(np.asarray(image), maps[0], maps[1]))] if compare else []
    return [Tile(picture) for picture in (image, *map(coloured, maps), *compared)]


def picture_rows(samples: Sequence[PictureRowSample], path: Path, tile_px: int = 84) -> bool:
    """Draw a sample a row; a picture that a row lacks leaves its place empty.

    Args:
        samples: in the order of the rows.
        path: the PNG to write.
        tile_px: width of a picture.
    """
    heads = list(dict.fromkeys(head for sample in samples for head in sample.pictures))
    empty = Image.new("RGB", (8, 8), "white")
    rows = [
        SheetRow(
            [
                Strip(
                    [Tile(_read_image(sample.pictures[head]) if head in sample.pictures else empty) for head in heads],
                    sample.caption,
                )
            ],
            _words(sample.row),
        )
        for sample in samples
    ]
    return draw_sheet(Sheet(rows, tile_px, tile_heads=heads), path)


def _groups(samples: Sequence[LabelMapSample]) -> dict[str, list[LabelMapSample]]:
    groups: dict[str, list[LabelMapSample]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample)
    return groups


def _thinned(items: Sequence[ItemT], most: int) -> list[ItemT]:
    """Return at most ``most`` items, evenly spaced, first and last kept."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _read_image(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _read_map(path: Path) -> np.ndarray:
    """Numbers as stored, palette or grey, 8 or 16 bit: [H, W]."""
    with Image.open(path) as image:
        return np.asarray(image)


def _check_size(map_HW: np.ndarray, path: Path, image: Image.Image) -> None:
    assert map_HW.shape == (image.height, image.width), f"{path} has another size than its image"


def _words(name: str) -> str:
    return name.replace("_", " ")

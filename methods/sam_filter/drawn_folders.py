"""Drawn data sets as folders like the published ones; an interrupted writing goes on and ends with the same files.

SegRCDB and SemSegFDSL: ``image/000000.png`` (RGB), ``mask/000000.png`` (8 bit), ``param/00001.csv`` for each category. VisualAtoms:
``00000/vertex_0200_instance_0000.png`` (RGB), a folder a category, and ``categories.csv``. ``dataset.json`` says what was drawn.
"""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.files import write_atomic
from methods.common.growth import identity_document
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.label_maps.png_folders import map_images
from methods.sam_filter.mask_modes import to_rgb
from methods.sam_filter.rings import ShapeCategory
from methods.sam_filter.semseg_fdsl import SemSegFdsl, SemSegFdslConfig
from methods.sam_filter.visual_atoms import VisualAtoms, VisualAtomsConfig

DatasetName = Literal["segrcdb", "semsegfdsl", "visualatoms"]

_ABOUT = "dataset.json"
_STALE_PART_S = 600.0


@dataclass(frozen=True)
class DrawnFolder:
    """A drawn data set on disk: what it holds and where."""

    dataset: DatasetName
    config: SemSegFdslConfig | VisualAtomsConfig
    seed: int
    num_images: int
    folder: Path

    def about(self) -> dict[str, Any]:
        """What two folders must share to be the same data set; the number of pictures may grow."""
        return {"dataset": self.dataset, "seed": self.seed, **identity_document(self.config)}


def write_drawn_folder(drawn: DrawnFolder, num_processes: int = 1, progress: Progress | None = None) -> int:
    """Draw the pictures that are missing in the folder.

    Every file appears whole or not at all, and depends on the config, the seed and its number alone.

    Args:
        drawn: what to draw and where; the folder is made if absent.
        num_processes: processes that draw.
        progress: told how many of the missing pictures are done.

    Returns:
        The number of pictures drawn by this call.

    Raises:
        InputError: the folder holds something else or more pictures, or cannot be written.
    """
    try:
        present = _present_pictures(drawn)
        missing = [index for index in range(drawn.num_images) if not present.issuperset(picture_paths(drawn, index))]
        for name, text in _tables(drawn).items():
            if not (drawn.folder / name).exists():
                write_atomic(drawn.folder / name, text.encode())
        map_images(partial(_write_pictures, drawn), missing, num_processes, progress)
    except OSError as error:
        raise InputError(
            f"{drawn.folder} cannot be written ({error.strerror}); make room, or give another folder with --out"
        ) from error
    return len(missing)


def _present_pictures(drawn: DrawnFolder) -> set[str]:
    """List the pictures already there, by path below the folder, after checking that they belong to this data set."""
    if not drawn.folder.exists():
        return set()
    if not drawn.folder.is_dir():
        raise InputError(f"{drawn.folder} is a file; give a folder with --out")
    files = set(_list_files(drawn.folder))
    if not files:
        return set()
    _check_about(drawn)
    pictures = {name for name in files if name.endswith(".png")}
    expected = {name for index in range(drawn.num_images) for name in picture_paths(drawn, index)}
    surplus = pictures - expected
    if surplus:
        raise InputError(
            f"{drawn.folder} holds {min(surplus)}, which is not among the {drawn.num_images} pictures asked for; ask for "
            "more, or give another folder with --out"
        )
    return pictures


def _list_files(folder: Path) -> Iterator[str]:
    """List files by path below the folder; what a killed run left half-written is removed."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if not name.startswith("."):
                yield path.relative_to(folder).as_posix()
            elif name.endswith(".part") and time.time() - path.stat().st_mtime > _STALE_PART_S:
                path.unlink(missing_ok=True)


def _check_about(drawn: DrawnFolder) -> None:
    try:
        about = json.loads((drawn.folder / _ABOUT).read_bytes())
    except (FileNotFoundError, ValueError) as error:
        raise InputError(
            f"{drawn.folder} is not empty and has no sound {_ABOUT}, so it holds something else; give another folder with --out"
        ) from error
    asked = drawn.about()
    for name in [*asked, *(about if isinstance(about, dict) else ())]:
        there = about.get(name) if isinstance(about, dict) else None
        if there != asked.get(name):
            raise InputError(
                f"{drawn.folder} holds another data set: {name} is {there!r} there and {asked.get(name)!r} here; give another "
                "folder with --out"
            )


def _draws(drawn: DrawnFolder) -> SemSegFdsl | VisualAtoms:
    return _drawing(drawn.config, drawn.num_images, drawn.seed)


@lru_cache(maxsize=1)
def _drawing(config: SemSegFdslConfig | VisualAtomsConfig, num_images: int, seed: int) -> SemSegFdsl | VisualAtoms:
    """Make the data set once a process."""
    if isinstance(config, VisualAtomsConfig):
        return VisualAtoms(config, num_images, seed)
    return SemSegFdsl(config, num_images, seed)


def picture_paths(drawn: DrawnFolder, index: int) -> tuple[str, ...]:
    """Paths of one picture's files below the folder, named like the published ones."""
    if isinstance(drawn.config, SemSegFdslConfig):
        return f"image/{index:06d}.png", f"mask/{index:06d}.png"
    instance, label = divmod(index, drawn.config.num_categories)
    num_vertices = _draws(drawn).categories[label].num_vertices
    return (f"{label:05d}/vertex_{num_vertices:04d}_instance_{instance:04d}.png",)


def _write_pictures(drawn: DrawnFolder, index: int) -> None:
    dataset = _draws(drawn)
    if isinstance(dataset, VisualAtoms):
        encoded = [encode_image(to_rgb(dataset.draw(index)))]
    else:
        grey_HW, mask_HW = dataset.draw(index)
        encoded = [encode_image(to_rgb(grey_HW)), encode_mask(mask_HW)]
    for name, png in zip(picture_paths(drawn, index), encoded, strict=True):
        write_atomic(drawn.folder / name, png)


def encode_image(image_HW3: NDArray[np.uint8]) -> bytes:
    """Encode a grey line drawing in RGB as PNG, lossless, with the setting that is fastest for lines and makes small files."""
    return _encode(image_HW3, level=2, runs_only=False)


def encode_mask(mask_HW: NDArray[np.uint8]) -> bytes:
    """Encode a label map as 8-bit PNG, lossless."""
    return _encode(mask_HW, level=1, runs_only=True)


def _encode(pixels: NDArray[np.uint8], level: int, runs_only: bool) -> bytes:
    import cv2  # here, so that plans and `--help` start without it

    strategy = cv2.IMWRITE_PNG_STRATEGY_RLE if runs_only else cv2.IMWRITE_PNG_STRATEGY_DEFAULT
    settings = [
        *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
        *(cv2.IMWRITE_PNG_COMPRESSION, level),
        *(cv2.IMWRITE_PNG_STRATEGY, strategy),
    ]
    ok, encoded = cv2.imencode(
        ".png", pixels, settings
    )  # red, green and blue are equal, so their order does not matter
    assert ok, f"cannot encode pixels of shape {pixels.shape}"
    return bytes(encoded)


def _tables(drawn: DrawnFolder) -> dict[str, str]:
    """What is written beside the pictures: first what the folder holds, then the category parameters."""
    about = {_ABOUT: json.dumps(drawn.about(), indent=1) + "\n"}
    categories = _draws(drawn).categories
    if isinstance(drawn.config, VisualAtomsConfig):
        rows = [{"Category_num": one.label, **_parameters(one), **_frequencies(one)} for one in categories]
        return about | {"categories.csv": _csv([tuple(rows[0]), *(tuple(row.values()) for row in rows)])}
    files = {}
    for number, one in enumerate(categories, start=1):
        row = {"Category_num": number, **_parameters(one), "Color_Gray": one.label, **_frequencies(one)}
        files[f"param/{number:05d}.csv"] = _csv(row.items())
    return about | files


def _parameters(category: ShapeCategory) -> dict[str, int | float]:
    """The parameters of a category by the names and in the order of SegRCDB's published files."""
    return {
        "Vertex": category.num_vertices,
        "Perlin_noise": category.noise_strength,
        "line_width": category.spacing,
        "Center_rad": category.start_radius,
        "Line_num": category.num_rings,
        "Oval_rate_x": category.stretch_x,
        "Oval_rate_y": category.stretch_y,
    }


def _frequencies(category: ShapeCategory) -> dict[str, int]:
    return {} if category.frequencies is None else dict(zip(("Wave_1", "Wave_2"), category.frequencies, strict=True))


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()

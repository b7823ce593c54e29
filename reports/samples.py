"""Records of sample pictures, for reports that show some. The drawing is in :mod:`reports.sample_sheets`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reports.records import Record


def save_sample(folder: Path, name: str, pixels: NDArray[np.uint8]) -> Path:
    """Write a picture that is made for a report.

    Args:
        folder: for such pictures; made when it is absent.
        name: of the file, without ending.
        pixels: (H, W) labels or grey, (H, W, 3) RGB or (H, W, 4) RGBA.
    Returns:
        The PNG.
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    Image.fromarray(pixels).save(path)
    return path


class CutOutSample(Record):
    """One object on a transparent or plain background."""

    arm: str
    row: str
    """Name of the row in which it stands, e.g. "round 3"."""
    category: str
    path: Path
    """PNG, RGB or RGBA."""


class InstanceSample(Record):
    """One training image with its instances, as the segmenter is given them."""

    arm: str
    caption: str
    """Written under it, e.g. "round 3"."""
    path: Path
    """PNG or JPEG."""
    instances_path: Path
    """PNG of one channel (8 or 16 bit), same size: 0 background, k the k-th instance."""
    pasted: tuple[int, ...] = ()
    """Which instance numbers are pasted; all others are real."""
    names: dict[int, str] = {}
    """Class name by instance number."""


class LabelMapSample(Record):
    """One image with label maps of it."""

    group: str
    """Samples of one group stand together under, or beside, this heading."""
    caption: str = ""
    """Written under it."""
    path: Path
    """PNG or JPEG."""
    label_paths: tuple[Path, ...]
    """PNGs of labels, same size: 0 background, 255 uncertain."""


class RepaintedSample(Record):
    """One instance as it is, as several generators repaint it, and back in its image."""

    row: str
    """Name at the left, e.g. its class."""
    caption: str
    """Written under it, e.g. what was asked for."""
    crop_path: Path
    """PNG or JPEG of the real crop."""
    mask_path: Path
    """PNG of one channel, same size: above 0 where it is repainted."""
    repainted: dict[str, Path]
    """PNG or JPEG by the title of the generator."""
    pasted_title: str
    """Whose repainted instance is pasted."""
    pasted_path: Path
    """The image with it."""
    pasted_mask_path: Path
    """PNG of one channel, size of the image: above 0 on the instance."""
    difference_path: Path
    """The absolute difference of the image with it and without, outside the mask."""


class PictureRowSample(Record):
    """Pictures that belong together, beside each other in one row."""

    row: str
    """Name at the left, e.g. the class."""
    caption: str = ""
    """Written under them."""
    pictures: dict[str, Path]
    """PNG or JPEG by the words above its column, in the order of the columns."""

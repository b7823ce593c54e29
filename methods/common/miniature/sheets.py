"""Sample sheets: small PNGs for looking."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_GAP_PX = 2
_PALETTE = 96


def tile(images: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Arrange RGB pictures of one size in rows, white between them."""
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + _GAP_PX), columns * (width + _GAP_PX), 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + _GAP_PX), (index % columns) * (width + _GAP_PX)
        sheet[top : top + height, left : left + width] = image
    return sheet


def write_sheet(path: Path, images: Sequence[NDArray[np.uint8]], columns: int) -> None:
    """Write a sheet as a PNG with a palette of 96 colours, a third of the size of a full one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    palette = Image.fromarray(tile(images, columns)).quantize(
        _PALETTE, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    palette.save(path, optimize=True)


def on_plain(image_HW3: NDArray[np.uint8], mask_HW: NDArray[np.bool_], shade: int = 128) -> NDArray[np.uint8]:
    """Return the masked part of a picture on flat grey."""
    return np.where(mask_HW[..., None], image_HW3, np.uint8(shade))


def with_heat(image_HW3: NDArray[np.uint8], map_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture darkened where a map in [0, 1] is low, with the map's 0.5 contour in red."""
    shown = (image_HW3 * (0.35 + 0.65 * map_HW[..., None])).astype(np.uint8, order="C")
    lines, _ = cv2.findContours((map_HW > 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, lines, -1, (255, 0, 0), 1)
    return shown

"""Masks in colours that others drew: read exactly, or refused. Sampled pictures are decoded instead, whose colours are only near.

Shape legend: H, W pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.pictures import read_header, read_rgb
from methods.common.errors import InputError
from methods.seggen.colour_coding import decode
from methods.seggen.palettes import Palette

_JPEG_START = b"\xff\xd8\xff"


def read_colour_picture(path: Path, palette: Palette) -> NDArray[np.uint8]:
    """Return the labels of a mask in colours, uint8 [H, W], 255 for void.

    Args:
        path: the picture, which keeps colours as they are.
        palette: the one that it is drawn in.

    Raises:
        InputError: it cannot be read, is a JPEG, or has pixels in no colour of the palette.
    """
    header = read_header(path)
    with path.open("rb") as file:
        if file.read(len(_JPEG_START)) == _JPEG_START:
            raise InputError(
                f"{path} is a JPEG, which changes colours, and colours are the labels here; save the mask as PNG"
            )
    decoded = decode(read_rgb(path, *header.size_seen), palette)
    off_HW = decoded.nearest_HW > 0
    if off_HW.any():
        row, column = np.argwhere(off_HW)[0].tolist()
        raise InputError(
            f"{path} has {int(off_HW.sum()):,} of {off_HW.size:,} pixels in no colour of the palette, the first at row {row}, column {column}; it was "
            "drawn in another palette, resized by blending, or once saved as JPEG, so draw it again"
        )
    return decoded.label_HW

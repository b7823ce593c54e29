"""Masks as pictures and back: every class in its colour, void in its own, and edges between segments where they are asked for.

Shape legend: H, W pixels; K classes; E entries of a palette: its classes, void, and the edge where there is one; 3 RGB channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED
from methods.common.errors import InputError
from methods.seggen.nearest_colour import nearest_colours
from methods.seggen.palettes import Palette


@dataclass(frozen=True)
class Decoded:
    """What a picture says."""

    label_HW: NDArray[np.uint8]
    """Class by pixel, 255 where the picture shows void."""
    edge_HW: NDArray[np.bool_]
    """Pixels in the edge's colour; their labels come from the pixels beside them."""
    _image_HW3: NDArray[np.uint8]
    _entry_E3: NDArray[np.uint8]
    _first_HW: NDArray[np.uint8]
    _second_HW: NDArray[np.uint8]

    @cached_property
    def nearest_HW(self) -> NDArray[np.float32]:  # noqa: N802 - a shape suffix
        """Distance to the nearest colour of the palette, RGB units."""
        return _distances(self._image_HW3, self._entry_E3[self._first_HW])

    @cached_property
    def second_HW(self) -> NDArray[np.float32]:  # noqa: N802 - a shape suffix
        """Distance to the second-nearest colour, RGB units."""
        return _distances(self._image_HW3, self._entry_E3[self._second_HW])


def encode(label_HW: NDArray[np.uint8], palette: Palette) -> NDArray[np.uint8]:
    """Draw a map of labels in colours.

    A map has its final size already: colours are never resized, which would mix them.

    Args:
        label_HW: classes from 0, 255 for void, uint8.
        palette: colours of all its classes.

    Returns:
        uint8 RGB [H, W, 3].

    Raises:
        InputError: the map has no pixels, or holds a class that the palette lacks.
    Source: section 4.4, steps 1 and 2.
    """
    import cv2

    _check_pixels(label_HW)
    if np.add(label_HW, 1, dtype=np.uint8).max() > palette.num_classes:  # void becomes 0
        _refuse_class(label_HW, palette)
    # All bytes of a colour are looked up at once, with a fourth beside them that goes again.
    colour_256x4 = np.full((256, 4), (*palette.void, 0), np.uint8)
    colour_256x4[: palette.num_classes, :3] = palette.colours_K3
    packed_HW = cv2.LUT(label_HW, colour_256x4.view(np.int32)[:, 0])
    return np.asarray(cv2.cvtColor(packed_HW.view(np.uint8).reshape(*label_HW.shape, 4), cv2.COLOR_RGBA2RGB))


def _refuse_class(label_HW: NDArray[np.uint8], palette: Palette) -> NoReturn:
    """Name the first pixel whose class has no colour."""
    row, column = np.argwhere((label_HW >= palette.num_classes) & (label_HW != IGNORED))[0].tolist()
    raise InputError(
        f"the label map holds class {label_HW[row, column]} at row {row}, column {column}, but the palette has colours for "
        f"{palette.num_classes} classes, 0 to {palette.num_classes - 1}; make the palette for as many classes as the labels have"
    )


def encode_segments(
    class_HW: NDArray[np.uint8], segment_HW: NDArray[np.integer[Any]], palette: Palette, edge_px: int
) -> NDArray[np.uint8]:
    """Draw a map of labels in colours, and lines between its segments.

    Args:
        class_HW: classes from 0, 255 for void, uint8.
        segment_HW: which segment a pixel belongs to; void is a segment like any other.
        palette: with an edge.
        edge_px: width of the lines; see :func:`edges`.

    Returns:
        uint8 RGB [H, W, 3].

    Raises:
        InputError: as :func:`encode`, or the maps differ in size.
    Source: section 4.4, step 4.
    """
    assert palette.edge is not None, "the palette keeps no colour for edges"
    if class_HW.shape != segment_HW.shape:
        raise InputError(
            f"the map of classes is {_size(class_HW)} pixels and the map of segments {_size(segment_HW)}; give both one size"
        )
    image_HW3 = encode(class_HW, palette)
    image_HW3[edges(segment_HW, edge_px)] = palette.edge
    return image_HW3


def edges(segment_HW: NDArray[np.integer[Any]], width_px: int) -> NDArray[np.bool_]:
    """Return where lines between segments run, bool [H, W].

    A line of 2 px covers the pixels that have another segment among their four neighbours, on both sides; one of 1 px those whose right
    or lower neighbour is another; wider ones reach one more pixel to both sides for each two pixels of width.

    Args:
        segment_HW: ids of segments.
        width_px: at least 1.
    Source: section 4.4, step 4; other widths than 2 are our choice [C D2].
    """
    import cv2

    assert width_px >= 1, width_px
    edge_HW = np.zeros(segment_HW.shape, np.uint8)
    down_HW = segment_HW[1:] != segment_HW[:-1]
    right_HW = segment_HW[:, 1:] != segment_HW[:, :-1]
    edge_HW[:-1] |= down_HW
    edge_HW[:, :-1] |= right_HW
    if width_px % 2 == 0:
        edge_HW[1:] |= down_HW
        edge_HW[:, 1:] |= right_HW
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    return np.asarray(cv2.dilate(edge_HW, cross, iterations=(width_px - 1) // 2), np.bool_)


def decode(image_HW3: NDArray[np.uint8], palette: Palette, max_distance: float | None = None) -> Decoded:
    """Read a picture of a mask: every pixel is what the nearest colour of the palette stands for.

    Void's colour means 255. A pixel in the edge's colour gets the label of the nearest pixel that is not; a picture of edges alone is void.

    Args:
        image_HW3: uint8 RGB.
        palette: the one that the picture is drawn in.
        max_distance: pixels farther than this from every colour are 255 too, RGB units.

    Raises:
        InputError: the picture has no pixels, or is none in RGB.
    Source: section 4.5, steps 1 to 3.
    """
    import cv2

    if image_HW3.ndim != 3 or image_HW3.shape[2] != 3:
        raise InputError(f"a picture of a mask has the shape (H, W, 3), not {image_HW3.shape}; give it in RGB")
    _check_pixels(image_HW3)
    entry_E3 = np.vstack([palette.colours_K3, [palette.void], *([palette.edge] if palette.edge else [])]).astype(
        np.uint8
    )
    first_HW, second_HW = nearest_colours(entry_E3.tobytes()).find(image_HW3)
    label_256 = np.full(256, IGNORED, np.uint8)
    label_256[: palette.num_classes] = np.arange(palette.num_classes)
    label_HW = np.asarray(cv2.LUT(first_HW, label_256), np.uint8)
    edge_HW = first_HW == palette.num_classes + 1
    found = Decoded(label_HW, edge_HW, image_HW3, entry_E3, first_HW, second_HW)
    if max_distance is not None:
        label_HW[found.nearest_HW > max_distance] = IGNORED
    if edge_HW.any():
        label_HW[:] = from_nearest(label_HW, edge_HW)
    return found


def from_nearest(value_HW: NDArray[Any], lacking_HW: NDArray[np.bool_]) -> NDArray[Any]:
    """Give pixels the value of the nearest pixel that lacks none, by Euclidean distance; where all lack one, they keep theirs."""
    from scipy.ndimage import distance_transform_edt

    if lacking_HW.all():
        return value_HW
    rows_HW, columns_HW = distance_transform_edt(lacking_HW, return_distances=False, return_indices=True)
    found_HW: NDArray[Any] = value_HW[rows_HW, columns_HW]
    return found_HW


def _distances(image_HW3: NDArray[np.uint8], colour_HW3: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    apart_HW3 = cv2.absdiff(image_HW3, colour_HW3).astype(np.float32)
    return np.asarray(np.sqrt(np.einsum("hwc,hwc->hw", apart_HW3, apart_HW3)), np.float32)


def _check_pixels(picture: NDArray[np.uint8]) -> None:
    if not picture.size:
        raise InputError(f"the picture has no pixels, its shape is {picture.shape}; leave it out")


def _size(map_HW: NDArray[Any]) -> str:
    return f"{map_HW.shape[1]}x{map_HW.shape[0]}"

"""A frame, which is an image with its instances: the one record that all steps work on, whatever layout it was read from.

Instances lie in maps of ids. Those of one map never overlap; where a data set lets masks overlap, as COCO does, a frame has several maps.

Shape legend: H, W image in pixels; L maps of ids; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError

Image = NDArray[np.uint8]
IdMap = NDArray[np.uint16]
Mask = NDArray[np.bool_]
ArrayT = TypeVar("ArrayT", bound=np.generic)


class Box(NamedTuple):
    """A box or window in pixels, the right and lower ends outside of it."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.y1 - self.y0


class FrameInstance(NamedTuple):
    """One object of a frame, or a group of objects that the data set does not tell apart."""

    id: int
    """Its value in its map."""
    layer: int
    """Which map it lies in."""
    class_name: str
    is_group: bool = False


@dataclass(frozen=True)
class Frame:
    """One image with everything that is known of its instances."""

    name: str
    """Unique in its source."""
    image_HW3: Image
    id_LHW: tuple[IdMap, ...]
    """Each uint16 (H, W). Values that are no instance of that map mean nothing here: 0, and classes without instances."""
    instances: tuple[FrameInstance, ...]
    label_HW: NDArray[np.uint8] | None = None
    """Class of every pixel; None where the layout has none."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image_HW3.shape[0], self.image_HW3.shape[1]

    def mask(self, instance: FrameInstance, window: Box | None = None) -> Mask:
        """Return where an instance lies, bool (H, W), or its part in a window, False beyond the image."""
        id_HW = self.id_LHW[instance.layer]
        part_HW = id_HW if window is None else cut(id_HW, window)
        return np.asarray(part_HW == instance.id)

    def instance(self, id: int, layer: int) -> FrameInstance:
        """Return one instance.

        Raises:
            InputError: the frame has none of this id.
        """
        for one in self.instances:
            if (one.id, one.layer) == (id, layer):
                return one
        raise InputError(f"frame {self.name} has no instance {id} any more; select the instances of the data again")


def cut(array_HW: NDArray[ArrayT], window: Box) -> NDArray[ArrayT]:
    """Return a window of an array (H, W) or (H, W, C), zeros where it passes the border; a view where it does not."""
    height, width = array_HW.shape[:2]
    y0, x0, y1, x1 = max(window.y0, 0), max(window.x0, 0), min(window.y1, height), min(window.x1, width)
    if (x0, y0, x1, y1) == window:
        return array_HW[y0:y1, x0:x1]
    cut_HW = np.zeros((window.height, window.width, *array_HW.shape[2:]), array_HW.dtype)
    if y0 < y1 and x0 < x1:
        cut_HW[y0 - window.y0 : y1 - window.y0, x0 - window.x0 : x1 - window.x0] = array_HW[y0:y1, x0:x1]
    return cut_HW


def box_of(mask_HW: Mask) -> Box:
    """Return the tight box of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def spread_over_maps(masks: Sequence[Mask], height: int, width: int) -> tuple[tuple[IdMap, ...], list[int]]:
    """Lay masks that may overlap into maps of ids, each into the first map where it meets no other.

    Args:
        masks: bool (H, W); the id of mask i is i + 1.
        height: of the frame.
        width: of the frame.

    Returns:
        The maps, at least one, and which map each mask lies in.
    """
    maps = [np.zeros((height, width), np.uint16)]
    layers = []
    for number, mask_HW in enumerate(masks, start=1):
        layer = next((k for k, id_HW in enumerate(maps) if not id_HW[mask_HW].any()), len(maps))
        if layer == len(maps):
            maps.append(np.zeros((height, width), np.uint16))
        maps[layer][mask_HW] = number
        layers.append(layer)
    return tuple(maps), layers

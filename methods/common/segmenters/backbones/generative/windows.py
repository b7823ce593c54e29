"""Maps of a large image from overlapping windows.

Shape legend: N images, C channels, H, W pixels, h, w cells of a map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

Read = Callable[[Tensor], list[Tensor]]
"""Images [N, 3, H, W] to one map [N, C, h, w] for each tap."""


def window_starts(length_px: int, window_px: int, step_px: int) -> list[int]:
    """Return where windows begin along a side, the last one at its end; one window for a side that is no longer."""
    if length_px <= window_px:
        return [0]
    return [*range(0, length_px - window_px, step_px), length_px - window_px]


def read_windows(
    read: Read, image_N3HW: Tensor, window_px: int, step_px: int, strides_px: Sequence[int]
) -> list[Tensor]:
    """Read an image window by window; where windows overlap, features are averaged (InstSynth section 4).

    Args:
        read: reads one window.
        image_N3HW: sides, window and step are multiples of every stride.
        window_px: side of a window; a shorter side of the image is read whole.
        step_px: from one window to the next.
        strides_px: of each map.
    """
    height, width = image_N3HW.shape[2:]
    tall, wide = min(height, window_px), min(width, window_px)
    tops, lefts = window_starts(height, window_px, step_px), window_starts(width, window_px, step_px)
    if len(tops) == len(lefts) == 1:
        return read(image_N3HW)
    sums: list[Tensor] = []
    counts = [image_N3HW.new_zeros(height // stride, width // stride) for stride in strides_px]
    for top, left in product(tops, lefts):
        found = read(image_N3HW[:, :, top : top + tall, left : left + wide])
        if not sums:
            shapes = [(*maps.shape[:2], *count.shape) for maps, count in zip(found, counts, strict=True)]
            sums = [maps.new_zeros(shape, dtype=torch.float32) for maps, shape in zip(found, shapes, strict=True)]
        for total, count, maps, stride in zip(sums, counts, found, strides_px, strict=True):
            place = slice(top // stride, (top + tall) // stride), slice(left // stride, (left + wide) // stride)
            total[:, :, *place] += maps
            count[place] += 1
    return [total / count for total, count in zip(sums, counts, strict=True)]

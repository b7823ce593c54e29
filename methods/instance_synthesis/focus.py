"""Focused cropping: the training sample is a zoomed window around the new instance (section 2.6).

Shape legend: H, W image or window in pixels; h, w sides of a box; L maps of ids; C channels; R, K output rows and columns.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.datasets.id_maps import pixels_by_id
from methods.common.stage import Config
from methods.instance_synthesis.frames import ArrayT, Box, Frame


class FocusConfig(Config):
    """How far the window is opened around the instance, and at which size the sample is written."""

    mean: float = 3.0
    """Of the Gaussian that the ratio of areas is drawn from. [MAPR24] [code]"""
    sigma: float = Field(default=1.0, ge=0)
    """Its standard deviation. [MAPR24] [code]"""
    ratio: Literal["rounded_up", "real"] = "rounded_up"
    """The ratio is rounded up, as released, or a real number, as printed; at least 1 either way."""
    aspect: float | None = Field(default=2.0, gt=0)
    """Width by height of the window; 2 is Cityscapes', None takes the frame's own."""
    width_px: int | None = Field(default=2048, ge=8)
    """Width of the sample; None for the frame's own. [code]"""
    height_px: int | None = Field(default=1024, ge=8)
    """Height of the sample; None for the frame's own. [code]"""
    min_instance_px: int = Field(default=4, ge=0)
    """The window is drawn again if it shows an instance of fewer pixels, at the size of the sample. [code]"""
    max_tries: int = Field(default=100, ge=1)
    """After so many windows the last one is kept as it is; the release would go on forever."""

    def aspect_of(self, height: int, width: int) -> float:
        """Return the aspect of windows in an image of this size."""
        return width / height if self.aspect is None else self.aspect

    def sample_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the samples of an image of this size."""
        return self.height_px or height, self.width_px or width


class Focus(NamedTuple):
    """The window of one sample."""

    window: Box
    ratio: float
    """Its area as a multiple of the smallest window of its aspect; 0 where the whole image is taken."""
    num_tries: int


def smallest_area(w: int, h: int, aspect: float) -> float:
    """Return the area of the smallest window of an aspect that holds a box; for the aspect 2, ``w * ceil(w / 2)`` or ``2 h * h``.

    Source: section 2.6, step 1.
    """
    return float(w * math.ceil(w / aspect)) if w > aspect * h else float(aspect * h * h)


def draw_ratio(area: float, limit: float, rng: np.random.Generator, config: FocusConfig) -> float | None:
    """Draw by how much the smallest window grows, until it fits; None where even the smallest one is larger than the image.

    Source: section 2.6, step 2.
    """
    if area > limit:
        return None
    while True:
        drawn = float(rng.normal(config.mean, config.sigma))
        ratio = max(1.0, float(math.ceil(drawn)) if config.ratio == "rounded_up" else drawn)
        if ratio * area <= limit:
            return ratio
        if config.mean - 8 * config.sigma > limit / area:  # hardly any draw can fit
            return 1.0


def draw_window(box: Box, height: int, width: int, rng: np.random.Generator, config: FocusConfig) -> Focus:
    """Draw one window that holds a box and lies in the image; the whole image where no window of the aspect does.

    Source: section 2.6, steps 1 to 4.
    """
    aspect = config.aspect_of(height, width)
    area = smallest_area(box.width, box.height, aspect)
    ratio = draw_ratio(area, float(height * width), rng, config)
    whole = Focus(Box(0, 0, width, height), 0.0, 1)
    if ratio is None:
        return whole
    rows = math.ceil(math.sqrt(ratio * area / aspect))
    columns = round(aspect * rows)
    # Of another aspect than the image's, a window may pass its border though its area does not.
    if rows > height or columns > width or rows < box.height or columns < box.width:
        return whole
    x0 = _start(box.x0, box.x1, columns, width, rng)
    y0 = _start(box.y0, box.y1, rows, height, rng)
    return Focus(Box(x0, y0, x0 + columns, y0 + rows), ratio, 1)


def _start(first: int, end: int, length: int, limit: int, rng: np.random.Generator) -> int:
    low, high = max(0, end - length), min(first, limit - length)
    return int(rng.integers(low, high + 1))


def draw_focus(frame: Frame, box: Box, rng: np.random.Generator, config: FocusConfig) -> Focus:
    """Draw windows until one shows no instance of too few pixels, or the last allowed one.

    Args:
        frame: its maps of ids are looked at.
        box: tight box of the instance in focus.
        rng: of this sample alone.
        config: how windows are drawn.

    Source: section 2.6, steps 1 to 5. The limit of tries is ours [C D26].
    """
    height, width = frame.size
    for number in range(1, config.max_tries + 1):
        focus = draw_window(box, height, width, rng, config)
        if number == config.max_tries or not shows_crumbs(frame, focus.window, config):
            return focus._replace(num_tries=number)
    raise AssertionError("the last try always returns")


def shows_crumbs(frame: Frame, window: Box, config: FocusConfig) -> bool:
    """Tell whether a window, resized to the sample, shows an instance of fewer pixels than allowed. Groups do not count."""
    if config.min_instance_px <= 1:
        return False
    rows, columns = config.sample_size(*frame.size)
    grows = rows >= window.height and columns >= window.width
    for layer, id_HW in enumerate(frame.id_LHW):
        part_HW = id_HW[window.y0 : window.y1, window.x0 : window.x1]
        counts = pixels_by_id(part_HW if grows else resize_nearest(part_HW, rows, columns))
        ids = np.array([one.id for one in frame.instances if one.layer == layer and not one.is_group], np.int64)
        few = ids[(counts[ids] > 0) & (counts[ids] < config.min_instance_px)]
        # Growing repeats every pixel at least once, so only those that are few before it can be few after it.
        if len(few) and not grows:
            return True
        if len(few):
            shown = pixels_by_id(resize_nearest(part_HW, rows, columns))[few]
            if (shown < config.min_instance_px).any():
                return True
    return False


@lru_cache(maxsize=256)
def nearest_places(length: int, count: int) -> NDArray[np.int64]:
    """Return which of ``length`` pixels each of ``count`` output pixels repeats: the one under its centre, int64 (count,).

    A centre between two pixels takes the one that OpenCV takes, so that both axes follow one rule.
    """
    import cv2

    places = np.arange(length, dtype=np.uint16)[None]
    repeated = cv2.resize(places, (count, 1), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(repeated[0], np.int64)


def resize_nearest(array_HWC: NDArray[ArrayT], rows: int, columns: int) -> NDArray[ArrayT]:
    """Resize to (rows, columns) by repeating pixels, each output pixel the one under its centre; uint8 or uint16."""
    import cv2

    height, width = array_HWC.shape[:2]
    wide: NDArray[Any] = array_HWC
    if columns != width:
        wide = np.asarray(
            cv2.resize(np.ascontiguousarray(wide), (columns, height), interpolation=cv2.INTER_NEAREST_EXACT)
        )
    return wide if rows == height else np.take(wide, nearest_places(height, rows), axis=0)

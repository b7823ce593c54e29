"""One training sample: a repainted instance pasted into its frame, a focused window around it, and the annotation there.

Only the part of the image that the window shows is touched. Shape legend: H, W sample in pixels; L maps of ids; 3 RGB.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.id_maps import pixels_by_id
from methods.common.stage import Config
from methods.instance_synthesis.annotations import AnnotationConfig, focus_ids, focus_labels, redraw_ids
from methods.instance_synthesis.crop import crop_instance
from methods.instance_synthesis.focus import Focus, FocusConfig, draw_focus, resize_nearest
from methods.instance_synthesis.frames import Box, Frame, FrameInstance, IdMap, Image
from methods.instance_synthesis.manifest import InstanceRow
from methods.instance_synthesis.paste import PasteConfig, fit_to_window, paste_instance, paste_into


class IntegrateConfig(Config):
    """How samples are made of repainted crops."""

    paste: PasteConfig = PasteConfig()
    """Fitting the crop to its image."""
    focus: FocusConfig | None = FocusConfig()
    """The zoomed window; None takes the whole image as it is, which the paper writes beside the samples and does not train on."""
    annotation: AnnotationConfig = AnnotationConfig()
    """How masks are handed on."""


class Sample(NamedTuple):
    """One training image with its annotation."""

    image_HW3: Image
    id_LHW: tuple[IdMap, ...]
    label_HW: NDArray[np.uint8] | None
    instances: tuple[FrameInstance, ...]
    """Those that the sample shows, groups too."""
    offset: int
    focus: Focus


def make_sample(frame: Frame, row: InstanceRow, variant: int, picture_GG3: Image, config: IntegrateConfig) -> Sample:
    """Make the sample of one variant of one instance; a pure function of what it is given, byte for byte.

    Args:
        frame: the one of the row.
        row: of the manifest.
        variant: from 1.
        picture_GG3: what the generator gave, uint8 RGB, square.
        config: how.

    Source: sections 2.5, 2.6 and 2.7.
    """
    height, width = frame.size
    crop = crop_instance(frame, frame.instance(row.instance_id, row.layer), row.window)
    fitted_SS3, offset = fit_to_window(picture_GG3, crop, config.paste)
    if config.focus is None:
        image_HW3 = paste_instance(frame.image_HW3, fitted_SS3, crop, row.window)
        focus, rows, columns = Focus(Box(0, 0, width, height), 0.0, 0), height, width
    else:
        rng = np.random.default_rng(row.focus_seeds[variant - 1])
        focus = draw_focus(frame, row.box, rng, config.focus)
        rows, columns = config.focus.sample_size(height, width)
        view = focus.window
        view_HW3 = frame.image_HW3[view.y0 : view.y1, view.x0 : view.x1].copy()
        paste_into(view_HW3, view, fitted_SS3, crop, row.window)
        image_HW3 = resize_nearest(view_HW3, rows, columns)
    id_LHW = focus_ids(frame, focus.window, rows, columns)
    label_HW = focus_labels(frame, focus.window, rows, columns)
    id_LHW = tuple(
        redraw_ids(id_HW, [one for one in frame.instances if one.layer == layer], config.annotation.outlines)
        for layer, id_HW in enumerate(id_LHW)
    )
    window = focus.window
    grows = rows >= window.height and columns >= window.width
    if (
        config.annotation.outlines == "bitmask" and grows
    ):  # then a window shows what it holds, and is the smaller one to count in
        counted = tuple(id_HW[window.y0 : window.y1, window.x0 : window.x1] for id_HW in frame.id_LHW)
    else:
        counted = id_LHW
    return Sample(image_HW3, id_LHW, label_HW, _shown(frame, counted), offset, focus)


def _shown(frame: Frame, id_LHW: tuple[IdMap, ...]) -> tuple[FrameInstance, ...]:
    counts = [pixels_by_id(id_HW) for id_HW in id_LHW]
    return tuple(one for one in frame.instances if counts[one.layer][one.id])

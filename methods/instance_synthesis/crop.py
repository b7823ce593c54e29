"""The crop of an instance that a generator is given: colours and mask of one window (section 2.2, steps 4 and 5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from methods.instance_synthesis.frames import Box, Frame, FrameInstance, Image, Mask, cut


class Crop(NamedTuple):
    """What is cut out; black and not mask where the window passes the border."""

    image_HW3: Image
    mask_HW: Mask
    """The instance alone; its neighbours are background."""


def crop_instance(frame: Frame, instance: FrameInstance, window: Box) -> Crop:
    """Cut one instance out of its frame."""
    return Crop(np.ascontiguousarray(cut(frame.image_HW3, window)), frame.mask(instance, window))

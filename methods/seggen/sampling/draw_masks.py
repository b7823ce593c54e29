"""Masks drawn by Text2Mask: sampled, decoded, cleaned up and rated (sections 2, 4.5 and 11).

Shape legend: N pictures; H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.seggen.clean_up import clean_up, smallest_region_px
from methods.seggen.colour_coding import decode
from methods.seggen.diffusion.coding_file import ColourCoding
from methods.seggen.palettes import Palette
from methods.seggen.sampling.config import SampleMasksConfig
from methods.seggen.sampling.mask_files import DrawnMask
from methods.seggen.sampling.orders import Order
from methods.seggen.sampling.pipelines import sample
from methods.seggen.sampling.validity import present_classes, rate


class MaskSampler:
    """A loaded Text2Mask; a call draws one batch."""

    def __init__(self, pipeline: Any, coding: ColourCoding, config: SampleMasksConfig) -> None:
        self._pipeline, self._coding, self._config = pipeline, coding, config
        self._palette: Palette = coding.build()

    def __call__(self, orders: Sequence[Order]) -> list[DrawnMask]:
        """Draw masks of one size."""
        image_NHW3 = sample(self._pipeline, orders, self._config, self._config.num_steps)
        return [self._read(order, image_HW3) for order, image_HW3 in zip(orders, image_NHW3, strict=True)]

    def _read(self, order: Order, image_HW3: NDArray[np.uint8]) -> DrawnMask:
        config = self._config
        decoded = decode(image_HW3, self._palette, config.max_distance)
        min_px = smallest_region_px(*order.frame) if config.min_segment_px is None else config.min_segment_px
        validity = rate(decoded, min_px)
        label_HW = clean_up(decoded.label_HW, min_px)
        names = self._coding.class_names
        record = {
            "id": order.id,
            "of": order.source.of,
            "caption": order.source.caption,
            "seed": order.seed,
            **validity._asdict(),
            "classes": [names[label] for label in present_classes(label_HW, len(names))],
            "void_share": float((label_HW == 255).mean()),
        }
        kept = config.keep_raw or order.source.index < config.num_raw
        return DrawnMask(record, label_HW, image_HW3 if kept else None)

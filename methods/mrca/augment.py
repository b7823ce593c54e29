"""A training image: a real one augmented (section 6.5), with objects pasted into the result.

Shape legend: H, W image in pixels; N instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from methods.common.segmenters.instance.augmentation import AugmentConfig, augment_image
from methods.common.segmenters.instance.instances import Image, Instances
from methods.mrca.paste import PasteConfig, draw_placement, paste_objects
from methods.mrca.real_pasting import RealPastingConfig, draw_real_objects
from methods.mrca.size_model import Floats, PasteSizeConfig, SizeModel


@dataclass(frozen=True)
class Donor:
    """A real image whose instances are pasted into another."""

    image_HW3: Image
    instances: Instances
    config: RealPastingConfig
    """Which of them."""


def make_training_image(
    image_HW3: Image,
    instances: Instances,
    objects: Sequence[tuple[Image, int]],
    size_model: SizeModel,
    factor_C: Floats,
    rng: np.random.Generator,
    augment_config: AugmentConfig,
    size_config: PasteSizeConfig,
    paste_config: PasteConfig,
    donor: Donor | None = None,
) -> tuple[Image, Instances]:
    """Augment a real image, then paste objects into the result, everything drawn from one generator.

    The real image's part of the randomness comes first, so that arms with and without pasting see the same real images
    when they are given equal generators.

    Args:
        image_HW3: real image, uint8 RGB.
        instances: its annotations.
        objects: (uint8 RGBA cut-out, class index) to paste; empty for training without pasting.
        size_model: typical sizes of each class.
        factor_C: resize factors, ones where there is no feedback.
        rng: generator of this image at this iteration.
        augment_config: resize, crop and flip of the real image.
        size_config: limits of pasted sizes.
        paste_config: what happens to hidden instances.
        donor: another real image of which instances are pasted too, beneath the objects; None for none.

    Returns:
        uint8 RGB image and its instances.
    """
    image_HW3, instances = augment_image(image_HW3, instances, rng, augment_config)
    image_size = (image_HW3.shape[0], image_HW3.shape[1])
    placements = [
        draw_placement(
            (rgba_HW4.shape[0], rgba_HW4.shape[1]),
            image_size,
            class_index,
            size_model,
            factor_C,
            rng,
            size_config,
            paste_config.flip_probability,
        )
        for rgba_HW4, class_index in objects
    ]
    if donor is not None:
        other_HW3, others = augment_image(donor.image_HW3, donor.instances, rng, augment_config)
        real, places = draw_real_objects(other_HW3, others, rng, donor.config)
        objects, placements = [*real, *objects], [*places, *placements]
    return paste_objects(image_HW3, instances, objects, placements, paste_config)

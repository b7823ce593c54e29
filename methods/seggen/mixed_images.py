"""Real images and generated ones as one data set, the real ones first.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import ImageFiles, LabelledFiles, LabelledImages, all_rated
from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.stage import Inputs
from methods.common.stages.training_sources import RealSource
from methods.seggen.generated_pairs import labels_paths, of_real_images, read_made_pairs
from methods.seggen.mixing import Origin, Pool


class RealAndGenerated:
    """Real images, then generated ones, with the same classes. Pixels without a label are ignored in both (section 7)."""

    def __init__(self, real: LabelledImages, generated: LabelledImages, pool: Pool) -> None:
        """Join them.

        Raises:
            InputError: they have other classes.
        """
        if real.class_names != generated.class_names:
            raise InputError(
                f"the real images have the classes {', '.join(real.class_names[:3])}, ... ({len(real.class_names)}), the pairs "
                f"{', '.join(generated.class_names[:3])}, ... ({len(generated.class_names)}); train on pairs of the same classes"
            )
        self._real, self._generated, self.pool = real, generated, pool
        self.num_real = len(real)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""
        return self._real.class_names

    def __len__(self) -> int:
        """Number of images, of both kinds."""
        return self.num_real + len(self._generated)

    def name(self, index: int) -> str:
        """Return an image's name."""
        images, place = self._place(index)
        return images.name(place)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return an image, uint8 [H, W, 3], and its labels, uint8 [H, W], 255 where nothing is known."""
        images, place = self._place(index)
        return images[place]

    def strategy_of(self, index: int) -> Origin:
        """Return where an image is from."""
        return self.pool.strategy_of(index)

    def _place(self, index: int) -> tuple[LabelledImages, int]:
        return (self._real, index) if index < self.num_real else (self._generated, index - self.num_real)


def open_joined(inputs: Inputs, split: str, max_images: int | None, variant: str, seeds: Seeds) -> RealAndGenerated:
    """Open real images and the pairs that were made of them.

    Args:
        inputs: roles ``data`` and ``pairs``; ``filtered`` and ``selection`` where they are given.
        split: of the real images.
        max_images: so many of them; None for all.
        variant: whose masks of the pairs.
        seeds: of the stage.

    Raises:
        InputError: something is missing or faulty, or no pair was made of these images.
    """
    real = RealSource(split=split, max_images=max_images).open(inputs, seeds)
    made, class_names = read_made_pairs(inputs)
    place_of = {real.name(index): index for index in range(len(real))}
    made, pool = of_real_images(made, place_of, others_known=max_images is not None)
    if not made:
        raise InputError("no generated pair was made of the real images that are trained on; generate some")
    paths = labels_paths(made, variant, inputs.folders("filtered"))
    files = [ImageFiles(one.pair.id, one.pair.image_path(), path) for one, path in zip(made, paths, strict=True)]
    return RealAndGenerated(real, LabelledFiles(files, all_rated(class_names)), pool)

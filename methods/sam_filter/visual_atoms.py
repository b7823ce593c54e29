"""VisualAtoms: one shape an image, whose contour carries two waves (section 6)."""

from __future__ import annotations

import random
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.seeds import Seeds
from methods.common.stage import Config
from methods.sam_filter.mask_modes import draw_image, to_rgb
from methods.sam_filter.rings import ShapeCategory
from methods.sam_filter.segrcdb import draw_shapes

_MAX_FREQUENCY = 20


def draw_frequencies(stream: random.Random) -> tuple[int, int]:
    """Draw two frequencies from 0 to 20, the second again while it equals the first, unless both are 0."""
    first = stream.randint(0, _MAX_FREQUENCY)
    second = stream.randint(0, _MAX_FREQUENCY)
    while second == first != 0:
        second = stream.randint(0, _MAX_FREQUENCY)
    return first, second


def draw_atom_categories(num_categories: int, seed: int) -> tuple[ShapeCategory, ...]:
    """Draw the parameters of all categories, labelled from 0, in the published script's order of draws.

    The script draws its pictures from the same stream in between; here parameters have a stream of their own [C D68].
    With seed 1 the first category is the script's, had it been given these ranges. Source: section 6.1, published
    setting.
    """
    stream = random.Random(seed)
    return tuple(_draw_category(label, stream) for label in range(num_categories))


def _draw_category(label: int, stream: random.Random) -> ShapeCategory:
    return ShapeCategory(  # the order of these calls is the order of the stream
        label=label,
        num_vertices=stream.randint(200, 1000),
        num_rings=stream.randint(1, 200),
        noise_strength=stream.uniform(0, 4),
        spacing=stream.uniform(0, 0.1),
        start_radius=stream.randint(10, 60),
        frequencies=draw_frequencies(stream),
        stretch_x=stream.uniform(1, 2),
        stretch_y=stream.uniform(1, 2),
    )


class VisualAtomsConfig(Config):
    """Which pictures are drawn. The defaults are VisualAtom-1k."""

    num_categories: int = Field(default=1000, ge=1, le=100_000)
    """Categories; 21,000 in VisualAtom-21k."""
    size_px: int = Field(default=512, ge=16)
    """Side of a picture, pixels."""
    shape_scale: float = Field(default=1.0, gt=0, le=4)
    """All lengths of the shapes are multiplied by it; below 1 for small pictures, which no paper draws."""
    category_seed: int = Field(default=1, ge=0)
    """Seed of the category parameters."""


class VisualAtoms:
    """Draws pictures on the fly; item i depends on config, seed and i alone, in any order and process.

    Items are (image uint8 [H, W, 3], category from 0). Picture i is instance i // C of category i % C, so that any number of pictures is
    balanced. A map-style data set for ``torch.utils.data.DataLoader``.
    """

    def __init__(self, config: VisualAtomsConfig, num_images: int, seed: int = 0) -> None:
        assert num_images >= 1, num_images
        self.config = config
        self.num_images = num_images
        self.seeds = Seeds(generation=seed)

    def __len__(self) -> int:
        """Number of pictures."""
        return self.num_images

    @cached_property
    def categories(self) -> tuple[ShapeCategory, ...]:
        """The categories, by number."""
        return draw_atom_categories(self.config.num_categories, self.config.category_seed)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int]:
        """Draw one picture."""
        return to_rgb(self.draw(index)), index % self.config.num_categories

    def draw(self, index: int) -> NDArray[np.uint8]:
        """Draw one picture in grey, uint8 [H, W]."""
        if not 0 <= index < self.num_images:
            raise IndexError(f"picture {index} of {self.num_images}")
        config = self.config
        rng = self.seeds.numpy("generation", "sam_filter", "atoms", index)
        category = self.categories[index % config.num_categories]
        return draw_image(draw_shapes((category,), config.size_px, config.shape_scale, rng), config.size_px)

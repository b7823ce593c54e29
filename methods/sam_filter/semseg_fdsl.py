"""SemSegFDSL: SegRCDB with the contours of SegRCDB (RC), of VisualAtoms (VA) or both, and with noise in the masks if asked.

With contour RC and no noise it is SegRCDB. Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from methods.common.seeds import Seeds
from methods.common.stage import Config
from methods.sam_filter.mask_modes import MaskMode, draw_image, draw_image_and_lines, to_rgb
from methods.sam_filter.mask_noise import MaskNoise, draw_noisy_mask, mask_overlap
from methods.sam_filter.rings import ShapeCategory
from methods.sam_filter.segrcdb import MAX_CATEGORIES, draw_categories, draw_shapes
from methods.sam_filter.visual_atoms import draw_frequencies

Contour = Literal["RC", "VA", "RC+VA"]


class SemSegFdslConfig(Config):
    """Which pictures are drawn. Defaults: SegRCDB's published setting, which the paper keeps (sections 5.3 and 7)."""

    contour: Contour = "RC"
    """``RC``: SegRCDB's contour; ``VA``: VisualAtoms'; ``RC+VA``: both."""
    mixing: Literal["categories", "shapes"] = "categories"
    """RC+VA only: the first half of the categories is RC and the other VA, or each shape of any category is either at random."""
    wave_ranges: Literal["segrcdb", "visual_atoms"] = "segrcdb"
    """Ranges of vertices and start radius of VA categories: SegRCDB's, or VisualAtoms' 200 to 1000 and 10 to 60 px."""
    mask_mode: MaskMode = "M1"
    """What of a shape is labelled: ``M1`` its rings, ``M2`` the band between first and last ring, ``M3`` the last ring filled."""
    mask_noise: MaskNoise = "none"
    """Noise in the masks: ``N1`` moves vertices, ``N2`` shapes, ``N3`` dilates or erodes shapes (M2 and M3 only)."""
    mask_noise_px: int = Field(default=30, ge=1)
    """Greatest size of the noise, pixels."""
    size_px: int = Field(default=512, ge=16)
    """Side of a picture, pixels."""
    shape_scale: float = Field(default=1.0, gt=0, le=4)
    """All lengths of the shapes are multiplied by it; below 1 for small pictures, which no paper draws."""
    shapes_per_image: int = Field(default=32, ge=1)
    """Shapes of a picture."""
    num_categories: int = Field(default=MAX_CATEGORIES, ge=2, le=MAX_CATEGORIES)
    """Shape categories; a network needs one output more, for the background."""
    category_seed: int = Field(default=0, ge=0)
    """Seed of the category parameters; 0 gives the published ones."""

    @model_validator(mode="after")
    def _noise_fits_mode(self) -> Self:
        if self.mask_noise == "N3" and self.mask_mode == "M1":
            raise ValueError("mask noise N3 resizes areas, and M1 has only lines; take M2 or M3, or N1 or N2")
        return self


class SemSegFdsl:
    """Draws pictures and label maps on the fly; item i depends on config, seed and i alone, in any order and process.

    Items are (image uint8 [H, W, 3], label map uint8 [H, W]) with 0 for background and 1 to C for the categories. A map-style
    data set for ``torch.utils.data.DataLoader``.
    """

    def __init__(self, config: SemSegFdslConfig, num_images: int, seed: int = 0) -> None:
        assert num_images >= 1, num_images
        self.config = config
        self.num_images = num_images
        self.seeds = Seeds(generation=seed)

    def __len__(self) -> int:
        """Number of pictures."""
        return self.num_images

    @cached_property
    def radial_categories(self) -> tuple[ShapeCategory, ...]:
        """SegRCDB's categories."""
        return draw_categories(self.config.num_categories, self.config.category_seed)

    @cached_property
    def wave_categories(self) -> tuple[ShapeCategory, ...]:
        """The same categories with two frequencies each, from a stream of their own: all else stays equal [C D68]."""
        stream = random.Random(self.config.category_seed + 1)
        return tuple(self._with_waves(category, stream) for category in self.radial_categories)

    def _with_waves(self, category: ShapeCategory, stream: random.Random) -> ShapeCategory:
        frequencies = draw_frequencies(stream)
        num_vertices, start_radius = stream.randint(200, 1000), stream.randint(10, 60)
        if self.config.wave_ranges == "visual_atoms":
            category = replace(category, num_vertices=num_vertices, start_radius=start_radius)
        return replace(category, frequencies=frequencies)

    @cached_property
    def categories(self) -> tuple[ShapeCategory, ...]:
        """The categories by label; with ``mixing`` shapes the radial half of each, then the other half."""
        contour, half = self.config.contour, self.config.num_categories // 2
        if contour == "RC":
            return self.radial_categories
        if contour == "VA":
            return self.wave_categories
        if self.config.mixing == "shapes":
            return self.radial_categories + self.wave_categories
        return self.radial_categories[:half] + self.wave_categories[half:]

    def _stream(self, index: int, what: str) -> np.random.Generator:
        return self.seeds.numpy("generation", "sam_filter", what, index)

    def _chosen(self, index: int, rng: np.random.Generator) -> list[ShapeCategory]:
        """Choose the categories of a picture's shapes, uniformly with replacement."""
        config = self.config
        chosen = rng.integers(0, config.num_categories, config.shapes_per_image)
        if config.contour == "RC+VA" and config.mixing == "shapes":
            wavy = self._stream(index, "contours").integers(0, 2, config.shapes_per_image)
            chosen = chosen + config.num_categories * wavy
        return [self.categories[number] for number in chosen.tolist()]

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw one picture."""
        grey_HW, mask_HW = self.draw(index)
        return to_rgb(grey_HW), mask_HW

    def draw(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw one picture in grey, uint8 [H, W], and its label map, uint8 [H, W]."""
        if not 0 <= index < self.num_images:
            raise IndexError(f"picture {index} of {self.num_images}")
        config, rng = self.config, self._stream(index, "shapes")
        shapes = draw_shapes(self._chosen(index, rng), config.size_px, config.shape_scale, rng)
        if config.mask_mode == "M1" and config.mask_noise == "none":
            return draw_image_and_lines(shapes, config.size_px)
        kept = list(shapes)
        mask_HW = draw_noisy_mask(
            kept,
            config.mask_mode,
            config.mask_noise,
            config.mask_noise_px,
            config.size_px,
            self._stream(index, "mask noise"),
        )
        return draw_image(kept, config.size_px), mask_HW

    def overlap_with_clean(self, num_images: int) -> float:
        """Mean over the first pictures of the IoU of their masks with those without noise (see :func:`mask_overlap`)."""
        clean = SemSegFdsl(self.config.model_copy(update={"mask_noise": "none"}), num_images, self.seeds.generation)
        return float(np.mean([mask_overlap(clean.draw(i)[1], self.draw(i)[1]) for i in range(num_images)]))

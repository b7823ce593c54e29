"""Scenes of the miniature world: objects with occlusion on a named background, with masks. One seed, one scene.

Shape suffixes: H, W pixels; 3 colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.common.miniature.backgrounds import BACKGROUNDS, Background, paint_background
from methods.common.miniature.categories import CATEGORIES, Category
from methods.common.miniature.objects import ObjectPicture, render_object
from methods.common.miniature.world_config import SceneConfig

_PLACING_ATTEMPTS = 12


@dataclass(frozen=True)
class Instance:
    """One visible object of a scene."""

    category: int
    """Index into ``CATEGORIES``."""
    mask_HW: NDArray[np.bool_]
    """Its visible pixels."""
    picture: ObjectPicture
    radius_px: float

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """Tight box of the visible pixels: left, top, right, bottom; the last two exclusive."""
        rows, columns = np.flatnonzero(self.mask_HW.any(1)), np.flatnonzero(self.mask_HW.any(0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dataclass(frozen=True)
class Scene:
    """A picture and everything that is true of it."""

    image_HW3: NDArray[np.uint8]
    instances: tuple[Instance, ...]
    """Back to front."""
    background: Background

    @property
    def semantic_HW(self) -> NDArray[np.uint8]:  # noqa: N802 - a shape suffix
        """Category index where an object is visible, else ``len(CATEGORIES)`` plus the index of the background."""
        labels_HW = np.full(self.image_HW3.shape[:2], len(CATEGORIES) + BACKGROUNDS.index(self.background), np.uint8)
        for instance in self.instances:
            labels_HW[instance.mask_HW] = instance.category
        return labels_HW


def _window(start: int, length: int, limit: int) -> tuple[slice, slice]:
    """Where ``length`` pixels from ``start`` meet [0, limit): in the picture, and in the object."""
    low, high = max(start, 0), min(start + length, limit)
    return slice(low, high), slice(low - start, high - start)


def _place(
    picture: ObjectPicture, radius_px: float, config: SceneConfig, rng: np.random.Generator
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Pick a place that keeps the object's centre well inside; returns its windows in picture and object."""
    size = picture.rgba_HW4.shape[0]
    inset = config.inset * radius_px
    rows = rng.uniform(min(inset, config.height_px / 2), max(config.height_px - inset, config.height_px / 2))
    columns = rng.uniform(min(inset, config.width_px / 2), max(config.width_px - inset, config.width_px / 2))
    row_windows = _window(round(rows - size / 2), size, config.height_px)
    column_windows = _window(round(columns - size / 2), size, config.width_px)
    return (row_windows[0], column_windows[0]), (row_windows[1], column_windows[1])


def _blend(image_HW3: NDArray[np.float32], rgba_HW4: NDArray[np.uint8], place: tuple[slice, slice]) -> None:
    alpha_HW1 = rgba_HW4[..., 3:].astype(np.float32) / 255.0
    patch_HW3 = image_HW3[place]
    patch_HW3 += alpha_HW1 * (rgba_HW4[..., :3].astype(np.float32) / 255.0 - patch_HW3)


class _Canvas:
    """A scene in the making."""

    def __init__(
        self, background: Background, config: SceneConfig, rng: np.random.Generator, repaint: np.random.Generator | None
    ) -> None:
        self.config, self.repaint = config, repaint
        self.image_HW3 = paint_background(background, config.height_px, config.width_px, rng)
        if repaint is not None:
            self.image_HW3 = paint_background(background, config.height_px, config.width_px, repaint)
        self.instances: list[Instance] = []
        self.full_areas: list[int] = []

    def try_add(self, category: int, looks: Category, radius_px: float, rng: np.random.Generator) -> bool:
        """Put one object in front; False when no place was found that leaves the others visible enough."""
        picture = render_object(looks, radius_px, rng, self.repaint)
        for _ in range(_PLACING_ATTEMPTS):
            place, part = _place(picture, radius_px, self.config, rng)
            rgba_HW4 = picture.rgba_HW4[part]
            solid_HW = rgba_HW4[..., 3] > 127
            if self._others_stay_visible(place, solid_HW):
                self._put(place, rgba_HW4, solid_HW, Instance(category, np.empty(0, bool), picture, radius_px))
                return True
        return False

    def _others_stay_visible(self, place: tuple[slice, slice], solid_HW: NDArray[np.bool_]) -> bool:
        for instance, full_area in zip(self.instances, self.full_areas, strict=True):
            hidden = int((instance.mask_HW[place] & solid_HW).sum())
            if hidden and int(instance.mask_HW.sum()) - hidden < self.config.min_visible * full_area:
                return False
        return bool(solid_HW.any())

    def _put(
        self, place: tuple[slice, slice], rgba_HW4: NDArray[np.uint8], solid_HW: NDArray[np.bool_], new: Instance
    ) -> None:
        _blend(self.image_HW3, rgba_HW4, place)
        for instance in self.instances:
            instance.mask_HW[place] &= ~solid_HW
        mask_HW = np.zeros(self.image_HW3.shape[:2], bool)
        mask_HW[place] = solid_HW
        self.instances.append(Instance(new.category, mask_HW, new.picture, new.radius_px))
        self.full_areas.append(int(solid_HW.sum()))

    def finish(self, background: Background, rng: np.random.Generator) -> Scene:
        """Add pixel noise and freeze."""
        noise_HW3 = rng.standard_normal(self.image_HW3.shape, dtype=np.float32) * np.float32(self.config.noise)
        if self.repaint is not None:
            noise_HW3 = self.repaint.standard_normal(noise_HW3.shape, dtype=np.float32) * np.float32(self.config.noise)
        image_HW3 = np.clip((self.image_HW3 + noise_HW3) * 255.0 + 0.5, 0, 255).astype(np.uint8)
        return Scene(image_HW3, tuple(self.instances), background)


def render_scene(
    categories: Sequence[int],
    background: Background,
    config: SceneConfig,
    rng: np.random.Generator,
    looks: Sequence[Category] = (),
    repaint: np.random.Generator | None = None,
) -> Scene:
    """Draw the given categories, each once per mention, large ones first, on a background.

    An object without room is left out; compare ``scene.instances`` with ``categories`` where that matters.

    Args:
        categories: indices into ``CATEGORIES``.
        background: its name.
        config: sizes and noise.
        rng: everything else.
        looks: what is drawn for each entry of ``categories``, where that is not the category itself.
        repaint: decides colours, light and noise in place of ``rng``: the same scene, pixel for pixel, with another look.
    Source: our choice.
    """
    canvas = _Canvas(background, config, rng, repaint)
    share = rng.uniform(size=len(categories)) ** config.smallness
    radii = config.min_radius_px + share * (config.max_radius_px - config.min_radius_px)
    for index in np.argsort(-radii, kind="stable"):
        category = categories[index]
        canvas.try_add(category, looks[index] if looks else CATEGORIES[category], float(radii[index]), rng)
    return canvas.finish(background, rng)

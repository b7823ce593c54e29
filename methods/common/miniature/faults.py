"""How pictures of the web fail their captions: the wrong thing, an object cut off, two in place of one.

A generator that learns from such pictures fails as often, so that filters and budgets have something to act on. How often
differs by category and is known. The wrong thing looks the same for each category and like no other, as the other sense of an
ambiguous word does ("bat", "crane"): guidance towards the caption does not remove it, since the caption means it too. Source: our choice.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from methods.common.miniature.backgrounds import Background
from methods.common.miniature.categories import CATEGORIES, SHAPES, SURFACES, UNNAMED, Category
from methods.common.miniature.renderer import Scene, render_scene
from methods.common.miniature.world_config import SceneConfig

Fault = Literal["wrong_sense", "cut_off", "doubled"]

SHARES_BY_LEVEL: tuple[dict[Fault, float], ...] = (
    {"wrong_sense": 0.0, "cut_off": 0.01, "doubled": 0.01},
    {"wrong_sense": 0.10, "cut_off": 0.08, "doubled": 0.04},
    {"wrong_sense": 0.25, "cut_off": 0.06, "doubled": 0.14},
    {"wrong_sense": 0.40, "cut_off": 0.15, "doubled": 0.08},
)
"""Shares of the pictures of one object, from reliable categories to those that mostly fail."""
_WRONG_SHAPE_OFFSET = 4
_VISIBLE = (0.35, 0.6)
"""Visible part of the width of an object that is cut off."""
_DOUBLED_RADIUS = (0.17, 0.25)
"""Half the extent of each of two objects, as a share of the side."""


def fault_level(category: int) -> int:
    """Return the row of :data:`SHARES_BY_LEVEL` of a category; each silhouette has one surface of each level."""
    surfaces: tuple[str, ...] = SURFACES
    kind = CATEGORIES[category]
    return (surfaces.index(kind.surface) + SHAPES.index(kind.shape)) % len(SHARES_BY_LEVEL)


def other_sense(category: int) -> Category:
    """Return the thing without a name of its own that the category's word also means.

    Raises:
        ValueError: the category's word has one sense.
    """
    level = fault_level(category)
    if not SHARES_BY_LEVEL[level]["wrong_sense"]:
        raise ValueError(f"{CATEGORIES[category].name!r} has one sense only")
    shape = (SHAPES.index(CATEGORIES[category].shape) + _WRONG_SHAPE_OFFSET) % len(SHAPES)
    return UNNAMED[(level - 1) * len(SHAPES) + shape]


def draw_fault(category: int, rng: np.random.Generator) -> Fault | None:
    """Decide whether and how a picture of one object fails."""
    drawn = rng.uniform()
    for fault, share in SHARES_BY_LEVEL[fault_level(category)].items():
        if drawn < share:
            return fault
        drawn -= share
    return None


def faulty_scene(
    fault: Fault, category: int, background: Background, config: SceneConfig, rng: np.random.Generator
) -> Scene:
    """Draw a picture that fails in the given way; its instances carry the name that the caption will use.

    Args:
        fault: how it fails.
        category: index into ``CATEGORIES``.
        background: its name.
        config: how a picture of one object looks.
        rng: everything else.
    """
    if fault == "wrong_sense":
        return render_scene([category], background, config, rng, looks=(other_sense(category),))
    if fault == "doubled":
        low, high = (share * config.width_px for share in _DOUBLED_RADIUS)
        smaller = {"min_radius_px": low, "max_radius_px": high, "inset": 0.9}
        return render_scene([category, category], background, config.model_copy(update=smaller), rng)
    return _cut_off(category, background, config, rng)


def _cut_off(category: int, background: Background, config: SceneConfig, rng: np.random.Generator) -> Scene:
    """Move the frame sideways until its left or right edge leaves the wanted part of the object."""
    side = config.width_px
    wide = render_scene([category], background, config.model_copy(update={"width_px": 3 * side}), rng)
    left, _, right, _ = wide.instances[0].box_xyxy
    kept = round(rng.uniform(*_VISIBLE) * (right - left))
    ends_in_object, starts_in_object = left + kept - side, right - kept
    either = [start for start in (ends_in_object, starts_in_object) if 0 <= start <= 2 * side]
    start = either[int(rng.integers(len(either)))]
    window = slice(start, start + side)
    instances = tuple(replace(item, mask_HW=item.mask_HW[:, window]) for item in wide.instances)
    return replace(wide, image_HW3=np.ascontiguousarray(wide.image_HW3[:, window]), instances=instances)

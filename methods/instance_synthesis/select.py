"""Which instances are repainted (section 2.1), and the square window around each (section 2.2)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

from pydantic import Field

from methods.common.datasets.id_maps import pixels_by_id
from methods.common.errors import InputError
from methods.common.stage import Config
from methods.instance_synthesis.frames import Box, Frame, FrameInstance, box_of

Edge = Literal["pad_black", "shift"]


class SelectConfig(Config):
    """Which instances of a frame are taken."""

    per_frame: int = Field(default=3, ge=1)
    """The K largest of each frame by pixels, all where there are fewer. [MAPR24] [code]"""
    classes: tuple[str, ...] | None = None
    """Only these; None for every class, caravan and trailer too, though the evaluation ignores them. [code]"""
    min_side_px: int = Field(default=0, ge=0)
    """Both sides of the box are at least as long; 0 as published, 32 is the option of section 10, item 11."""
    min_mask_to_box: float = Field(default=0.0, ge=0, le=1)
    """The mask fills at least this share of its box; 0 as published, 0.3 is the option of section 10, item 11."""


class WindowConfig(Config):
    """The square that is cut out around an instance."""

    context: float = Field(default=0.0, ge=0, le=2)
    """Margin on each of the four sides, as a share of the longer side of the box; 0 as published."""
    edge: Edge = "pad_black"
    """What happens at the right and lower border: black padding, as published, or the window shifts as at the others."""


class Chosen(NamedTuple):
    """One instance that is taken."""

    instance: FrameInstance
    area_px: int
    box: Box


def choose_instances(
    frame: Frame, config: SelectConfig, listed: Collection[tuple[int, int]] | None = None
) -> list[Chosen]:
    """Return the largest instances of a frame, largest first, equal ones by id; none for a frame without instances.

    Groups are never taken. Size limits hold before the largest are chosen [C D22].

    Args:
        frame: to choose from.
        config: how many, and of which classes.
        listed: (layer, id) of instances in a support list; all of these are taken and no other (section 6.1).
    """
    counts = [pixels_by_id(id_HW) for id_HW in frame.id_LHW]
    sized = sorted(
        ((int(counts[one.layer][one.id]), one) for one in frame.instances if not one.is_group),
        key=lambda pair: (-pair[0], pair[1].layer, pair[1].id),
    )
    chosen: list[Chosen] = []
    for area_px, instance in sized:
        if listed is not None and (instance.layer, instance.id) not in listed:
            continue
        if listed is None and len(chosen) == config.per_frame:
            break
        if area_px == 0 or (config.classes is not None and instance.class_name not in config.classes):
            continue
        box = box_of(frame.mask(instance))
        if min(box.width, box.height) < config.min_side_px:
            continue
        if area_px < config.min_mask_to_box * box.width * box.height:
            continue
        chosen.append(Chosen(instance, area_px, box))
    return chosen


def square_window(box: Box, height: int, width: int, config: WindowConfig, where: str = "an instance") -> Box:
    """Return the square window of an instance; it may pass the right and lower border of the image.

    The side is that of the box's longer side, and the shorter side grows by half the difference at both ends (the odd pixel at the
    right or lower one). A window that starts left of the image or above it is shifted to 0; with ``edge="shift"`` one that ends beyond the
    image is shifted back as well, as far as 0.

    Args:
        box: tight box of the instance.
        height: of the image.
        width: of the image.
        config: margin and rule at the border.
        where: what to call the instance in a message.

    Raises:
        InputError: the box is empty or does not lie in the image.

    Source: section 2.2.
    """
    if not (0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height):
        raise InputError(
            f"the box {tuple(box)} of {where} does not lie in its image of {width} x {height} pixels; correct the annotation"
        )
    longer = max(box.width, box.height)
    side = longer + 2 * round(config.context * longer)
    x0 = _start(box.x0, box.width, side, width, config.edge)
    y0 = _start(box.y0, box.height, side, height, config.edge)
    return Box(x0, y0, x0 + side, y0 + side)


def _start(first: int, length: int, side: int, limit: int, edge: Edge) -> int:
    start = first - (side - length) // 2
    if edge == "shift":
        start = min(start, limit - side)
    return max(start, 0)

"""Scenes of the miniature street: things before and behind each other, with Cityscapes' label and instance ids.

One seed and index, one scene: see :func:`street_scene`. Ids follow Cityscapes: 1000 * label id + number for an instance, numbered by
class from far to near; the label id alone for everything else and for groups.

Shape suffixes: H, W pixels; N corners; 2 x and y; 3 colours.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.miniature.street_background import EmptyStreet, paint_street
from methods.common.miniature.street_classes import (
    STREET_CLASSES,
    STREET_KINDS,
    Look,
    StreetConfig,
    StreetKind,
    phrase,
)
from methods.common.miniature.street_objects import DrawThing, StreetSprite, draw_thing, solid_region

EGO_VEHICLE, POLE, TRAFFIC_SIGN = 1, 17, 20
_PLACING_ATTEMPTS = 8
_SHARES = np.array([STREET_CLASSES[kind].share for kind in STREET_KINDS])
_EVEN_SHARES = np.array([0.25 if kind in ("caravan", "trailer") else 1.0 for kind in STREET_KINDS])
_MAX_POLES = 2


@dataclass(frozen=True)
class StreetLayer:
    """One thing as it was painted, whether or not others hide it."""

    label_id: int
    """Cityscapes' label id."""
    outline_N2: NDArray[np.int32]
    """Border pixels of its full mask inside the picture, x and y; filled they give the mask."""
    kind: StreetKind | None = None
    """Its class, None for a pole, a sign or the bonnet."""
    look: Look | None = None
    number: int | None = None
    """Its number among the instances of its class; None if it is none, as in a group."""

    @property
    def instance_id(self) -> int:
        """Its value in an instance map."""
        return self.label_id if self.number is None else 1000 * self.label_id + self.number

    @property
    def phrase(self) -> str:
        """How a prompt names it, e.g. "a red car" or "a woman"."""
        assert self.kind is not None, "a pole, a sign or the bonnet has no phrase"
        assert self.look is not None, "whatever has a kind has a look"
        return phrase(self.kind, self.look)


@dataclass(frozen=True)
class StreetScene:
    """A picture and everything that is true of it."""

    image_HW3: NDArray[np.uint8]
    label_HW: NDArray[np.uint8]
    """Cityscapes' label ids, as in ``*_labelIds.png``."""
    instance_HW: NDArray[np.uint16]
    """Cityscapes' instance ids, as in ``*_instanceIds.png``."""
    stuff_HW: NDArray[np.uint8]
    """Label ids of the street without things."""
    layers: tuple[StreetLayer, ...]
    """All that was painted on it, far to near."""

    @property
    def instances(self) -> tuple[StreetLayer, ...]:
        """The instances with at least one visible pixel, far to near; groups are none."""
        visible = set(np.unique(self.instance_HW).tolist())
        return tuple(layer for layer in self.layers if layer.number is not None and layer.instance_id in visible)

    def mask_HW(self, instance: StreetLayer) -> NDArray[np.bool_]:  # noqa: N802 - a shape suffix
        """Return the visible pixels of an instance."""
        return np.equal(self.instance_HW, instance.instance_id)

    @property
    def caption(self) -> str:
        """A true sentence: "a photo of a street with a woman and a red car", far to near, or "a photo of a street"."""
        names = [instance.phrase for instance in self.instances]
        return f"a photo of a street with {' and '.join(names)}" if names else "a photo of a street"


def _window(start: int, length: int, limit: int) -> tuple[slice, slice]:
    """Where ``length`` pixels from ``start`` meet [0, limit): in the picture, and in the sprite."""
    low, high = max(start, 0), max(min(start + length, limit), max(start, 0))
    return slice(low, high), slice(low - start, high - start)


def _blend(patch_HW3: NDArray[np.uint8], rgba_HW4: NDArray[np.uint8]) -> None:
    """Lay a picture over a part of another."""
    alpha_HW1 = rgba_HW4[..., 3:].astype(np.uint16)
    difference = rgba_HW4[..., :3] * alpha_HW1 + patch_HW3 * (255 - alpha_HW1)
    # (n + 128 + (n + 128 >> 8)) >> 8 is n / 255, rounded, for all n up to 255 * 255.
    difference += 128
    patch_HW3[:] = (difference + (difference >> 8)) >> 8


class _Canvas:
    """A scene in the making."""

    def __init__(self, street: EmptyStreet, min_visible: float) -> None:
        self.view = street.view
        self.image_HW3 = street.image_HW3
        self._stuff_HW = street.label_HW
        self._layer_HW = np.zeros(street.label_HW.shape, np.uint8)
        self._layers: list[StreetLayer] = []
        self._full_areas: list[int] = [0]
        self._visible: list[int] = [0]
        self._numbers: Counter[StreetKind] = Counter()
        self._min_visible = min_visible

    def hides_too_much(self, sprite: StreetSprite, left: int, top: int) -> bool:
        """Whether a sprite there would leave too little of another thing, or shows nothing itself."""
        rows, sprite_rows = _window(top, sprite.mask_HW.shape[0], self.view.height_px)
        columns, sprite_columns = _window(left, sprite.mask_HW.shape[1], self.view.width_px)
        mask_HW = sprite.mask_HW[sprite_rows, sprite_columns]
        hidden = np.bincount(self._layer_HW[rows, columns][mask_HW]).tolist()
        return not hidden or any(
            count and self._visible[layer] - count < self._min_visible * self._full_areas[layer]
            for layer, count in enumerate(hidden)
            if layer and self._layers[layer - 1].kind is not None
        )

    def put(self, kind: StreetKind, sprite: StreetSprite, left: int, top: int, *, in_group: bool = False) -> None:
        """Paint a thing before all others."""
        rows, sprite_rows = _window(top, sprite.mask_HW.shape[0], self.view.height_px)
        columns, sprite_columns = _window(left, sprite.mask_HW.shape[1], self.view.width_px)
        mask_HW = sprite.mask_HW[sprite_rows, sprite_columns]
        outline_N2 = sprite.outline_N2 + np.array([left, top], np.int32)
        if mask_HW.shape != sprite.mask_HW.shape:  # the border cuts it, perhaps into several parts
            mask_HW, outline_N2 = solid_region(mask_HW)
            outline_N2 = outline_N2 + np.array([columns.start, rows.start], np.int32)
            if not len(outline_N2):
                return
        _blend(self.image_HW3[rows, columns], sprite.rgba_HW4[sprite_rows, sprite_columns])
        number = None
        if not in_group:
            number = self._numbers[kind]
            self._numbers[kind] += 1
        self._mark(
            StreetLayer(STREET_CLASSES[kind].label_id, outline_N2, kind, sprite.look, number), rows, columns, mask_HW
        )

    def put_stuff(self, label_id: int, mask_HW: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
        """Paint a one-coloured thing without instances before all others, given as a mask of the whole picture."""
        mask_HW, outline_N2 = solid_region(mask_HW)
        if len(outline_N2):
            self.image_HW3[mask_HW] = colour
            self._mark(StreetLayer(label_id, outline_N2), slice(None), slice(None), mask_HW)

    def _mark(self, layer: StreetLayer, rows: slice, columns: slice, mask_HW: NDArray[np.bool_]) -> None:
        region_HW = self._layer_HW[rows, columns]
        for below, hidden in enumerate(np.bincount(region_HW[mask_HW]).tolist()):
            self._visible[below] -= hidden
        self._layers.append(layer)
        region_HW[mask_HW] = len(self._layers)
        self._full_areas.append(int(np.count_nonzero(mask_HW)))
        self._visible.append(self._full_areas[-1])

    def finish(self, noise: int, rng: np.random.Generator) -> StreetScene:
        """Give the picture its light and noise, and write the maps."""
        light = float(rng.uniform(0.82, 1.08))
        lit_HW3 = cv2.convertScaleAbs(self.image_HW3, alpha=light).astype(np.int16)
        lit_HW3 += rng.integers(-noise, noise + 1, lit_HW3.shape, np.int8)
        is_stuff_HW = self._layer_HW == 0
        label_HW: NDArray[np.uint8] = _look_up(self._layer_HW, [layer.label_id for layer in self._layers], np.uint8)
        instance_HW: NDArray[np.uint16] = _look_up(
            self._layer_HW, [layer.instance_id for layer in self._layers], np.uint16
        )
        np.copyto(label_HW, self._stuff_HW, where=is_stuff_HW)
        np.copyto(instance_HW, self._stuff_HW, where=is_stuff_HW)
        image_HW3 = np.clip(lit_HW3, 0, 255, out=lit_HW3).astype(np.uint8)
        return StreetScene(image_HW3, label_HW, instance_HW, self._stuff_HW, tuple(self._layers))


def _look_up(layer_HW: NDArray[np.uint8], values: list[int], dtype: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    """Return the value of each pixel's layer; layers count from 1, and 0 gives 0."""
    table = np.zeros(256, dtype)
    table[1 : len(values) + 1] = values
    return np.asarray(cv2.LUT(layer_HW, table))


@dataclass(frozen=True)
class _Wish:
    """A thing to place."""

    kind: StreetKind
    nearness: float


def _wishes(config: StreetConfig, rng: np.random.Generator) -> list[_Wish]:
    """Choose classes and distances, far to near."""
    count = int(rng.integers(config.min_objects, config.max_objects + 1))
    shares = (1 - config.evenness) * _SHARES / _SHARES.sum() + config.evenness * _EVEN_SHARES / _EVEN_SHARES.sum()
    chosen = [STREET_KINDS[k] for k in rng.choice(len(_SHARES), count, p=shares)]
    share = rng.uniform(size=count) ** config.smallness
    wishes = []
    for kind, part in zip(chosen, share.tolist(), strict=True):
        low, high = STREET_CLASSES[kind].nearness
        wishes.append(_Wish(kind, low + part * (high - low)))
    return sorted(wishes, key=lambda wish: wish.nearness)


def _place(canvas: _Canvas, wish: _Wish, config: StreetConfig, rng: np.random.Generator, draw: DrawThing) -> None:
    """Put a thing where it leaves others visible enough; leave it out if there is no such place."""
    about = STREET_CLASSES[wish.kind]
    height_px = max(3.0, canvas.view.length_px(wish.nearness, about.height))
    left_facing = bool(rng.integers(2))
    is_group = about.makes_groups and rng.uniform() < config.group_share
    mount: StreetKind | None = None
    if wish.kind == "rider":
        mount = "bicycle" if rng.uniform() < 0.65 else "motorcycle"
        sprite = draw(mount, height_px * 0.64, left_facing, rng)
    else:
        sprite = draw(wish.kind, height_px, left_facing, rng)
    height, width = sprite.mask_HW.shape
    for _ in range(_PLACING_ATTEMPTS):
        place = float(rng.uniform(*about.place)) * (1 if rng.uniform() < 0.5 else -1)
        column = canvas.view.column(wish.nearness, place)
        left = round(min(max(column, 0.1 * canvas.view.width_px), 0.9 * canvas.view.width_px) - width / 2)
        top = round(canvas.view.row(wish.nearness)) - height + 1
        if canvas.hides_too_much(sprite, left, top):
            continue
        if mount is not None:
            canvas.put(mount, sprite, left, top)
            rider = draw("rider", height_px * 0.84, left_facing, rng)
            forward = round(width * (0.02 if left_facing else -0.02))
            middle = left + width // 2 - rider.mask_HW.shape[1] // 2 + forward
            canvas.put("rider", rider, middle, top + height - rider.mask_HW.shape[0] - round(0.14 * height_px))
        elif is_group:
            _put_group(canvas, wish.kind, height_px, left, top + height, rng, draw)
        else:
            canvas.put(wish.kind, sprite, left, top)
        return


def _put_group(
    canvas: _Canvas,
    kind: StreetKind,
    height_px: float,
    left: int,
    bottom: int,
    rng: np.random.Generator,
    draw: DrawThing,
) -> None:
    """Put two to four individuals close together."""
    for _ in range(int(rng.integers(2, 5))):
        sprite = draw(kind, height_px * float(rng.uniform(0.85, 1.0)), bool(rng.integers(2)), rng)
        canvas.put(kind, sprite, left, bottom - sprite.mask_HW.shape[0], in_group=True)
        left += max(2, round(sprite.mask_HW.shape[1] * float(rng.uniform(0.4, 0.7))))


def _put_pole(canvas: _Canvas, nearness: float, rng: np.random.Generator) -> None:
    """Put a pole, half of them with a sign, at the kerb."""
    view = canvas.view
    column = round(view.column(nearness, 0.85 * (1 if rng.uniform() < 0.5 else -1)))
    foot, top = round(view.row(nearness)), round(view.row(nearness) - view.length_px(nearness, 2.2))
    half = max(1, round(view.length_px(nearness, 0.05)))
    mask_HW = np.zeros((view.height_px, view.width_px), np.uint8)
    cv2.rectangle(mask_HW, (column - half + 1, top), (column + half - 1, foot), 1, -1)
    canvas.put_stuff(POLE, mask_HW > 0, (122, 124, 128))
    if rng.uniform() < 0.5:
        sign_HW = np.zeros_like(mask_HW)
        cv2.circle(sign_HW, (column, top), max(2, round(view.length_px(nearness, 0.22))), 1, -1)
        canvas.put_stuff(TRAFFIC_SIGN, sign_HW > 0, (60, 96, 190) if rng.uniform() < 0.5 else (200, 60, 56))


def _put_bonnet(canvas: _Canvas) -> None:
    """Put the bonnet of the car that carries the camera at the lower border; Cityscapes leaves it unrated."""
    height, width = canvas.view.height_px, canvas.view.width_px
    mask_HW = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask_HW, (width // 2, height), (round(width * 0.42), max(2, round(height * 0.06))), 0, 0, 360, 1, -1)
    canvas.put_stuff(EGO_VEHICLE, mask_HW > 0, (44, 44, 50))


def render_street(config: StreetConfig, rng: np.random.Generator, draw: DrawThing = draw_thing) -> StreetScene:
    """Draw one scene.

    Args:
        config: sizes, numbers and shares.
        rng: everything else.
        draw: draws each thing; another than :func:`draw_thing` puts other things where the street's own would stand.
    Returns:
        at most ``config.max_objects`` things; one without room is left out.
    Source: our choice.
    """
    canvas = _Canvas(paint_street(config, rng), config.min_visible)
    poles = sorted(rng.uniform(0.25, 0.7, int(rng.integers(_MAX_POLES + 1))).tolist())
    for wish in _wishes(config, rng):
        while poles and poles[0] <= wish.nearness:
            _put_pole(canvas, poles.pop(0), rng)
        _place(canvas, wish, config, rng, draw)
    for nearness in poles:
        _put_pole(canvas, nearness, rng)
    _put_bonnet(canvas)
    return canvas.finish(config.noise, rng)


def street_scene(seed: int, index: int, config: StreetConfig) -> StreetScene:
    """Return scene ``index`` of the endless stream ``seed``, a pure function of the two, so that any worker can draw any part."""
    return render_street(config, np.random.default_rng([seed, index]))

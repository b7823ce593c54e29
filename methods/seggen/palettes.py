"""The colours that stand for classes in a picture of a mask, and which of them are kept for void and for edges.

Imports nothing heavy, so that plans can be made from it. Shape legend: K classes; 3 RGB channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from methods.common.errors import InputError
from methods.common.seeds import derive_seed
from methods.common.stage import Config
from methods.seggen.dataset_palettes import ade20k_colours, check_distinct, coco_panoptic_colours

Colour = tuple[int, int, int]
PaletteKind = Literal["seggen", "spread", "dataset", "random"]

VOID: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
SEGGEN_EDGE: Colour = (255, 153, 102)
"""The point of the lattice next to the thin peach line of the authors' pictures of COCO, section 4.1."""
_STEP, _LEVELS = 51, 6
_MOST_CLASSES = 254
"""Labels are 8 bits, and 255 is not rated."""


class PaletteConfig(Config):
    """Which palette."""

    kind: PaletteKind = "seggen"
    """``seggen``: the paper's formula. ``spread``: the points of its lattice that lie farthest apart. ``dataset``: the colours of
    ADE20K, or of COCO for its 133 classes, each class with its own. ``random``: drawn from all colours."""
    seed: int = Field(default=0, ge=0)
    """Which random palette; the others do not heed it."""
    edge: bool = False
    """Whether a colour is kept for the edges of segments."""


@dataclass(frozen=True)
class Palette:
    """Colours by class, different from each other."""

    colours_K3: NDArray[np.uint8]
    """RGB by class."""
    void: Colour
    """What is not rated."""
    edge: Colour | None
    """What lies between segments; None where nothing does."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.colours_K3)


def build_palette(config: PaletteConfig, num_classes: int) -> Palette:
    """Choose the colours of classes.

    Args:
        config: which palette.
        num_classes: at least 1.

    Raises:
        InputError: the palette has not as many colours.
    Source: section 4.3.
    """
    if not 1 <= num_classes <= _MOST_CLASSES:
        raise InputError(f"a mask of {num_classes} classes cannot be coloured; label 1 to {_MOST_CLASSES} classes")
    if config.kind == "seggen":
        return _seggen(num_classes, config.edge)
    if config.kind == "spread":
        return _spread(num_classes, config.edge)
    colour_K3 = _dataset(num_classes) if config.kind == "dataset" else _random(num_classes, config.seed)
    return Palette(colour_K3, VOID, _farthest(colour_K3) if config.edge else None)


def lattice_colour(number: int) -> Colour:
    """Return a point of the lattice of 216 colours, as the paper counts them; 0 is black, 215 white.

    Source: section 4.1 [SG].
    """
    green, red, blue = number // _LEVELS**2, number // _LEVELS % _LEVELS, number % _LEVELS
    return _STEP * red, _STEP * green, _STEP * blue


_LATTICE = tuple(lattice_colour(number) for number in range(_LEVELS**3))


def _seggen(num_classes: int, with_edge: bool) -> Palette:
    """Count classes through the lattice from 1 on; where a class has the edge's colour, edges are white."""
    colours = _LATTICE[1 : num_classes + 1]
    edge = (WHITE if SEGGEN_EDGE in colours else SEGGEN_EDGE) if with_edge else None
    _check_room("seggen", num_classes, len(_LATTICE) - 1 - (edge == WHITE))
    return Palette(np.array(colours, np.uint8), VOID, edge)


def _spread(num_classes: int, with_edge: bool) -> Palette:
    """Pick points of the lattice, each as far from those before as can be; black and white, the first two, stay free of classes."""
    _check_room("spread", num_classes, len(_LATTICE) - 2)
    point_N3 = np.array(_LATTICE, np.int64)
    chosen, apart_N = [0], _squared_distances(point_N3, VOID)
    while len(chosen) < num_classes + 2:
        chosen.append(int(apart_N.argmax()))
        apart_N = np.minimum(apart_N, _squared_distances(point_N3, _LATTICE[chosen[-1]]))
    assert _LATTICE[chosen[1]] == WHITE
    return Palette(point_N3[chosen[2:]].astype(np.uint8), VOID, WHITE if with_edge else None)


def _dataset(num_classes: int) -> NDArray[np.uint8]:
    """Return COCO's colours for its 133 classes, else the first ones of ADE20K."""
    coco_K3, ade20k_K3 = coco_panoptic_colours(), ade20k_colours()
    if num_classes == len(coco_K3):
        return coco_K3
    _check_room("dataset", num_classes, len(ade20k_K3))
    check_distinct(ade20k_K3)
    return ade20k_K3[:num_classes]


def _random(num_classes: int, seed: int) -> NDArray[np.uint8]:
    """Draw different colours, none of them void's."""
    rng = np.random.default_rng(derive_seed("palette", seed))
    number_K = rng.choice(256**3 - 1, num_classes, replace=False) + 1
    return np.stack([number_K >> 16, number_K >> 8 & 255, number_K & 255], axis=-1).astype(np.uint8)


def _farthest(colour_K3: NDArray[np.uint8]) -> Colour:
    """Return the point of the lattice that is farthest from all classes and from void."""
    point_N3 = np.array(_LATTICE, np.int64)
    taken = [VOID, *map(tuple, colour_K3.tolist())]
    apart_N = np.min([_squared_distances(point_N3, colour) for colour in taken], axis=0)
    return _LATTICE[int(apart_N.argmax())]


def _squared_distances(point_N3: NDArray[np.int64], colour: tuple[int, ...]) -> NDArray[np.int64]:
    squared_N: NDArray[np.int64] = ((point_N3 - np.array(colour)) ** 2).sum(1)
    return squared_N


def _check_room(kind: PaletteKind, num_classes: int, room: int) -> None:
    if num_classes > room:
        raise InputError(f"the palette {kind!r} has colours for {room} classes, not for {num_classes}; choose 'random'")

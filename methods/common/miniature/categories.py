"""The nouns of the miniature world: 36 categories, each a silhouette with a surface.

Hue says nothing about a category: all share one distribution of colours (see ``objects.py``). Source: our choice.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Shape = Literal["disk", "ring", "crescent", "flower", "cross", "pill", "square", "triangle", "dumbbell"]
Surface = Literal["plain", "striped", "dotted", "halved"]
UnnamedSurface = Literal["checkered", "quartered", "ringed"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
SURFACES: tuple[Surface, ...] = get_args(Surface)
UNNAMED_SURFACES: tuple[UnnamedSurface, ...] = get_args(UnnamedSurface)
"""Surfaces of things that no category names; see ``faults.py``."""

_SILHOUETTES: dict[Shape, str] = {
    "disk": "a full round disk",
    "ring": "a thick ring with a round hole",
    "crescent": "a thick crescent that opens to one side",
    "flower": "a flower of five round petals",
    "cross": "a cross of two thick arms",
    "pill": "a long bar with round ends",
    "square": "a square with rounded corners",
    "triangle": "a triangle that stands on one side",
    "dumbbell": "two round ends joined by a narrow bar",
}
_SURFACES: dict[Surface, str] = {
    "plain": "of one colour",
    "striped": "with broad pale stripes",
    "dotted": "with large pale dots",
    "halved": "with one half pale",
}
# Name and one synonym for (shape, surface); all start with a consonant so that "a" is always right.
_NOUNS: dict[Shape, dict[Surface, tuple[str, str]]] = {
    "disk": {
        "plain": ("coin", "token"),
        "striped": ("melon", "pumpkin"),
        "dotted": ("cookie", "biscuit"),
        "halved": ("buoy", "float"),
    },
    "ring": {
        "plain": ("hoop", "loop"),
        "striped": ("lifebelt", "lifebuoy"),
        "dotted": ("doughnut", "donut"),
        "halved": ("bangle", "bracelet"),
    },
    "crescent": {
        "plain": ("moon", "crescent"),
        "striped": ("croissant", "roll"),
        "dotted": ("banana", "plantain"),
        "halved": ("horn", "tusk"),
    },
    "flower": {
        "plain": ("daisy", "marguerite"),
        "striped": ("petunia", "lily"),
        "dotted": ("clover", "shamrock"),
        "halved": ("pansy", "violet"),
    },
    "cross": {
        "plain": ("medal", "badge"),
        "striped": ("windmill", "fan"),
        "dotted": ("bandage", "plaster"),
        "halved": ("propeller", "rotor"),
    },
    "pill": {
        "plain": ("sausage", "frankfurter"),
        "striped": ("caterpillar", "grub"),
        "dotted": ("flute", "recorder"),
        "halved": ("capsule", "lozenge"),
    },
    "square": {
        "plain": ("tile", "slab"),
        "striped": ("crate", "box"),
        "dotted": ("domino", "cube"),
        "halved": ("parcel", "package"),
    },
    "triangle": {
        "plain": ("wedge", "doorstop"),
        "striped": ("tent", "wigwam"),
        "dotted": ("pizza", "slice"),
        "halved": ("sail", "jib"),
    },
    "dumbbell": {
        "plain": ("bone", "rib"),
        "striped": ("barbell", "weight"),
        "dotted": ("peanut", "groundnut"),
        "halved": ("rattle", "shaker"),
    },
}


@dataclass(frozen=True)
class Category:
    """A named kind of object.

    ``hyponyms`` name its slim and its broad variant (see ``objects.py``); ``synset`` has WordNet's form.
    """

    name: str
    shape: Shape
    surface: Surface | UnnamedSurface
    synonyms: tuple[str, ...]
    hyponyms: tuple[str, ...]
    definition: str
    synset: str


def _category(shape: Shape, surface: Surface) -> Category:
    name, synonym = _NOUNS[shape][surface]
    return Category(
        name=name,
        shape=shape,
        surface=surface,
        synonyms=(name, synonym),
        hyponyms=(f"slim {name}", f"broad {name}"),
        definition=f"{_SILHOUETTES[shape]}, {_SURFACES[surface]}",
        synset=f"{name}.n.01",
    )


# Diagonal order: any run of nine holds all shapes, so that a short list is still varied.
CATEGORIES: tuple[Category, ...] = tuple(
    _category(shape, SURFACES[(index + row) % len(SURFACES)])
    for row in range(len(SURFACES))
    for index, shape in enumerate(SHAPES)
)
CATEGORY_NAMES: tuple[str, ...] = tuple(category.name for category in CATEGORIES)

UNNAMED: tuple[Category, ...] = tuple(
    Category("", shape, surface, (), (), f"{_SILHOUETTES[shape]}, {surface}", "")
    for surface in UNNAMED_SURFACES
    for shape in SHAPES
)
"""Things of the world that no category names: other senses of ambiguous words, and what a segmenter is pretrained on."""

"""The things of the miniature street: Cityscapes' classes with instances, their sizes, colours, shares and names.

Imports nothing heavy, so that plans can be made from it.
"""

from typing import Literal, NamedTuple, get_args

from pydantic import Field, model_validator

from methods.common.stage import Config

StreetKind = Literal["person", "rider", "car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle"]
"""Names as in Cityscapes. Caravan and trailer have instances, but no evaluation counts them."""
STREET_KINDS: tuple[StreetKind, ...] = get_args(StreetKind)

VehicleColour = Literal["red", "white", "black", "green", "blue", "yellow"]
"""Each is equally likely for every vehicle, so that colour says nothing about the class."""
VEHICLE_COLOURS: tuple[VehicleColour, ...] = get_args(VehicleColour)

Look = Literal["red", "white", "black", "green", "blue", "yellow", "man", "woman", "male", "female"]
"""What an individual's phrase adds to its class: a vehicle's colour, or which kind of person or rider is drawn."""


class StreetClass(NamedTuple):
    """How a class occurs in the street."""

    label_id: int
    """Cityscapes' label id."""
    height: float
    """Height of an individual, in heights of the camera above the ground (about 1.2 m in Cityscapes); vehicles are drawn
    lower than they are, so that a train leaves room for others."""
    nearness: tuple[float, float]
    """Where it stands: 0 is the horizon, 1 the lower border of the picture."""
    place: tuple[float, float]
    """How far from the middle of the road it stands, in half-widths of the picture at nearness 1."""
    share: float
    """Share of the objects that are of this class; like Cityscapes' order, but with a shorter tail."""
    makes_groups: bool = False
    """Whether individuals also stand in groups that are labelled as one region."""


# Shares: table I of the MAPR paper counts 34 % person, 3 % rider, 52 % car, 0.9 % truck, 0.7 % bus, 0.3 % train, 1.4 % motorcycle,
# 7 % bicycle; the rare ones are raised here, since some hundred small pictures must show them at all. Our choice.
STREET_CLASSES: dict[StreetKind, StreetClass] = {
    "person": StreetClass(24, 1.45, (0.2, 0.75), (0.35, 1.45), 0.30, makes_groups=True),
    "rider": StreetClass(25, 1.5, (0.24, 0.7), (0.1, 0.9), 0.08),
    "car": StreetClass(26, 1.1, (0.2, 0.6), (0.05, 0.8), 0.34, makes_groups=True),
    "truck": StreetClass(27, 1.85, (0.2, 0.5), (0.05, 0.7), 0.05),
    "bus": StreetClass(28, 1.85, (0.2, 0.45), (0.05, 0.7), 0.04),
    "caravan": StreetClass(29, 1.6, (0.2, 0.45), (0.3, 0.9), 0.01),
    "trailer": StreetClass(30, 0.95, (0.22, 0.5), (0.3, 0.9), 0.01),
    "train": StreetClass(31, 1.75, (0.2, 0.38), (0.05, 0.6), 0.02),
    "motorcycle": StreetClass(32, 0.95, (0.28, 0.75), (0.3, 1.1), 0.05),
    "bicycle": StreetClass(33, 0.95, (0.28, 0.75), (0.3, 1.3), 0.10, makes_groups=True),
}
"""The ten classes with instances."""


def phrase(kind: StreetKind, look: Look) -> str:
    """Name an individual: "a red car", "a woman", "a male rider".

    Source: the form of InstSynth section 2.3.
    """
    if look in ("man", "woman"):
        return f"a {look}"
    return f"a {look} {kind}"


class StreetConfig(Config):
    """How scenes of the street look."""

    height_px: int = Field(default=96, ge=32, le=1024)
    """Picture height in pixels; the width is twice that, as in Cityscapes."""
    min_objects: int = Field(default=3, ge=0)
    """At least so many objects are tried; a rider counts together with what it rides, a group as one."""
    max_objects: int = Field(default=9, ge=0, le=30)
    """At most so many objects; all numbers in between are equally likely."""
    evenness: float = Field(default=0.0, ge=0, le=1)
    """Share of the objects whose class is drawn evenly from the eight that an evaluation counts, with caravan and trailer a
    quarter as often, instead of by the street's shares."""
    group_share: float = Field(default=0.08, ge=0, le=1)
    """Probability that a person, car or bicycle is a group of them, labelled as one region without instances."""
    smallness: float = Field(default=1.5, gt=0)
    """Nearness is low + (high - low) u^smallness with u uniform; above 1 most objects are far away."""
    min_visible: float = Field(default=0.35, gt=0, le=1)
    """An object keeps at least this share of its pixels visible behind nearer ones."""
    noise: int = Field(default=4, ge=0, le=50)
    """Largest change of a colour value (of 255) by pixel noise."""

    @property
    def width_px(self) -> int:
        """Picture width in pixels."""
        return 2 * self.height_px

    @model_validator(mode="after")
    def _counts_in_order(self) -> "StreetConfig":
        if self.max_objects < self.min_objects:
            raise ValueError("max_objects is below min_objects")
        return self

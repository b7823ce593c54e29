"""A few classes that several data sets have, each under names of its own. Imports nothing heavy.

Label 0 is background, label k the set's class k, whatever numbers the data sets give them.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from methods.common.stage import Config

BACKGROUND = "background"


class SharedClass(Config):
    """One class of a set."""

    name: str = Field(min_length=1)
    """As reports print it."""
    called: tuple[str, ...] = Field(min_length=1)
    """Names of classes in data sets that are this one; where a data set has several of them they are merged."""


class ClassSet(Config):
    """The classes, in the order of their labels, from 1 on."""

    classes: tuple[SharedClass, ...] = Field(min_length=1)
    """Each with its names in the data sets."""

    @model_validator(mode="after")
    def _no_name_has_two_meanings(self) -> Self:
        called = [name for one in self.classes for name in one.called]
        for names in (list(self.names), called):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{twice!r} stands twice; give every name one class")
        if BACKGROUND in (*self.names, *called):
            raise ValueError(f"{BACKGROUND!r} is what no class of the set is; leave it out")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, without background."""
        return tuple(one.name for one in self.classes)

    @property
    def num_labels(self) -> int:
        """The classes and background."""
        return 1 + len(self.classes)


_CAR = SharedClass(name="car", called=("car",))
_PERSON = SharedClass(name="person", called=("person", "rider"))
_MOTORBIKE = SharedClass(name="motorbike", called=("motorbike", "motorcycle", "minibike"))
BUS_CAR_PERSON = ClassSet(classes=(SharedClass(name="bus", called=("bus",)), _CAR, _PERSON))
"""DiffuMask's classes of ADE20K. Corrections, section 10.7 [DM]"""
CAR_PERSON_MOTORBIKE = ClassSet(classes=(_CAR, _PERSON, _MOTORBIKE))
"""Classes of DiffuMask's Table 5: VOC's names, Cityscapes' with riders as persons, and ADE20K's [DM]. What "motorbike" is there: [C D68]"""

"""Which meaning of WordNet 3.0 each class has, chosen by its definition (section 3, item 2) [C D6].

Classes that are not listed have their own word only.
"""

from __future__ import annotations

from typing import NamedTuple


class ChosenSynset(NamedTuple):
    """One choice."""

    wordnet_id: str
    first_word: str
    """Of the synset, by which another version of WordNet is noticed."""
    meaning: str
    """Its definition, shortened."""


_PERSON = ChosenSynset("n00007846", "person", "a human being")
_CAR = ChosenSynset("n02958343", "car", "a motor vehicle with four wheels; not one on rails")
_BUS = ChosenSynset("n02924116", "bus", "a vehicle carrying many passengers; no old car, no conductor")
_TRAIN = ChosenSynset("n04468005", "train", "a line of railway cars; no procession, no part of a gown")
_MOTORCYCLE = ChosenSynset("n03790512", "motorcycle", "a motor vehicle with two wheels and a strong frame")
_BICYCLE = ChosenSynset("n02834778", "bicycle", "two wheels, moved by foot pedals")

VOC_SYNSETS: dict[str, ChosenSynset] = {
    "aeroplane": ChosenSynset("n02691156", "airplane", "an aircraft that has a fixed wing"),
    "bicycle": _BICYCLE,
    "bird": ChosenSynset("n01503061", "bird", "warm-blooded egg-laying vertebrates; not their flesh, no shuttlecock"),
    "boat": ChosenSynset("n02858304", "boat", "a small vessel for travel on water; no dish for gravy"),
    "bottle": ChosenSynset("n02876657", "bottle", "a glass or plastic vessel for liquids; no quantity"),
    "bus": _BUS,
    "car": _CAR,
    "cat": ChosenSynset("n02121620", "cat", "feline mammal without roar; no whip, no big cat"),
    "chair": ChosenSynset("n03001627", "chair", "a seat for one person; no office, no officer"),
    "cow": ChosenSynset("n02403454", "cow", "female of domestic cattle; the group is plural only"),
    "diningtable": ChosenSynset("n03201208", "dining table", "a table at which meals are served"),
    "dog": ChosenSynset("n02084071", "dog", "a member of the genus Canis; no sausage, no andiron"),
    "horse": ChosenSynset("n02374451", "horse", "solid-hoofed quadruped; no apparatus, no chessman"),
    "motorbike": _MOTORCYCLE,
    "person": _PERSON,
    "pottedplant": ChosenSynset("n13083023", "houseplant", "plants grown indoors for decorative purposes"),
    "sheep": ChosenSynset("n02411705", "sheep", "woolly ruminant mammal; no timid person"),
    "sofa": ChosenSynset("n04256520", "sofa", "an upholstered seat for more than one person"),
    "train": _TRAIN,
    "tvmonitor": ChosenSynset(
        "n04405907", "television receiver", "a device that displays television; not the broadcasting"
    ),
}
"""PASCAL VOC's twenty classes. Those of other data sets with the same name mean the same."""

CITYSCAPES_SYNSETS: dict[str, ChosenSynset] = {
    "person": _PERSON,
    "rider": ChosenSynset("n10530150", "rider", "who rides a bicycle or motorcycle; no animal, no passenger"),
    "car": _CAR,
    "truck": ChosenSynset("n04490091", "truck", "an automotive vehicle suitable for hauling; no handcart"),
    "bus": _BUS,
    "train": _TRAIN,
    "motorcycle": _MOTORCYCLE,
    "bicycle": _BICYCLE,
}
"""Cityscapes' things. Its stuff has no choice: road, building or sky have synsets whose kinds look like other classes."""

SYNSETS: dict[str, ChosenSynset] = {**VOC_SYNSETS, **CITYSCAPES_SYNSETS}
"""By class name; where both data sets have a name it means the same."""

"""How labels stand in PNG files: which value is which class, and which pixels do not count."""

from dataclasses import dataclass

from methods.common.errors import InputError


@dataclass(frozen=True)
class LabelConvention:
    """What the values of ground truth and predictions mean."""

    num_classes: int
    """Classes, numbered from 0."""
    ignore_label: int | None = 255
    """Ground-truth value whose pixels do not count; None if there is none."""
    reduce_zero_label: bool = False
    """Whether ground truth holds 0 for "no class", which does not count, and class + 1 otherwise (ADE20K)."""
    predictions_from_one: bool = False
    """Whether predictions hold class + 1 too (the ADE20K challenge's format); 0 is then no class and always wrong."""
    class_names: tuple[str, ...] = ()
    """Names by class; empty names them by number."""

    def __post_init__(self) -> None:
        if self.num_classes < 1:
            raise InputError(f"num_classes is {self.num_classes}; give the number of classes, at least 1")
        if self.class_names and len(self.class_names) != self.num_classes:
            raise InputError(
                f"{len(self.class_names)} class names for {self.num_classes} classes; give one name for each class"
            )

    def name(self, index: int) -> str:
        """Return the name of a class."""
        return self.class_names[index] if self.class_names else str(index)


VOC_2012 = LabelConvention(
    num_classes=21,
    class_names=(
        *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
        *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
    ),
)
"""PASCAL VOC 2012: background and 20 classes, object borders 255."""

_ADE20K_NAMES = (
    "wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, "
    "earth, door, table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, "
    "mirror, rug, field, armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, "
    "box, column, signboard, chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, "
    "grandstand, path, stairs, runway, case, pool table, pillow, screen door, stairway, river, bridge, "
    "bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop, stove, palm, kitchen "
    "island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, towel, light, truck, tower, "
    "chandelier, awning, streetlight, booth, television, airplane, dirt track, apparel, pole, land, "
    "bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain, conveyer belt, "
    "canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, "
    "oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen, "
    "blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, "
    "monitor, bulletin board, shower, radiator, glass, clock, flag"
)

ADE20K = LabelConvention(num_classes=150, reduce_zero_label=True, class_names=tuple(_ADE20K_NAMES.split(", ")))
"""ADE20K scene parsing: 150 classes, annotated from 1, predicted from 0; names are the first of each class's synonyms."""

CONVENTIONS = {"voc2012": VOC_2012, "ade20k": ADE20K}
"""Conventions by the name that the command line knows them by."""

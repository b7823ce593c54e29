"""The classes of Cityscapes: ids, training ids, categories, and which of them count in an evaluation.

Source: the label table of cityscapesScripts 2.3.0 (`cityscapesscripts.helpers.labels`); a test compares them.
"""

from typing import Literal, NamedTuple


class CityscapesLabel(NamedTuple):
    """One class."""

    name: str
    id: int
    """The value in `*_labelIds.png`; -1 (license plate) never stands in an image."""
    train_id: int
    """The value in `*_labelTrainIds.png`: 0..18 for the classes that are evaluated, else 255 or -1."""
    category: str
    category_id: int
    has_instances: bool
    """Whether single objects are told apart, in `*_instanceIds.png` as 1000 * id + number; id alone is a group."""
    ignored: bool
    """Whether the evaluation leaves the class out ("void")."""


LABELS = (
    CityscapesLabel("unlabeled", 0, 255, "void", 0, False, True),
    CityscapesLabel("ego vehicle", 1, 255, "void", 0, False, True),
    CityscapesLabel("rectification border", 2, 255, "void", 0, False, True),
    CityscapesLabel("out of roi", 3, 255, "void", 0, False, True),
    CityscapesLabel("static", 4, 255, "void", 0, False, True),
    CityscapesLabel("dynamic", 5, 255, "void", 0, False, True),
    CityscapesLabel("ground", 6, 255, "void", 0, False, True),
    CityscapesLabel("road", 7, 0, "flat", 1, False, False),
    CityscapesLabel("sidewalk", 8, 1, "flat", 1, False, False),
    CityscapesLabel("parking", 9, 255, "flat", 1, False, True),
    CityscapesLabel("rail track", 10, 255, "flat", 1, False, True),
    CityscapesLabel("building", 11, 2, "construction", 2, False, False),
    CityscapesLabel("wall", 12, 3, "construction", 2, False, False),
    CityscapesLabel("fence", 13, 4, "construction", 2, False, False),
    CityscapesLabel("guard rail", 14, 255, "construction", 2, False, True),
    CityscapesLabel("bridge", 15, 255, "construction", 2, False, True),
    CityscapesLabel("tunnel", 16, 255, "construction", 2, False, True),
    CityscapesLabel("pole", 17, 5, "object", 3, False, False),
    CityscapesLabel("polegroup", 18, 255, "object", 3, False, True),
    CityscapesLabel("traffic light", 19, 6, "object", 3, False, False),
    CityscapesLabel("traffic sign", 20, 7, "object", 3, False, False),
    CityscapesLabel("vegetation", 21, 8, "nature", 4, False, False),
    CityscapesLabel("terrain", 22, 9, "nature", 4, False, False),
    CityscapesLabel("sky", 23, 10, "sky", 5, False, False),
    CityscapesLabel("person", 24, 11, "human", 6, True, False),
    CityscapesLabel("rider", 25, 12, "human", 6, True, False),
    CityscapesLabel("car", 26, 13, "vehicle", 7, True, False),
    CityscapesLabel("truck", 27, 14, "vehicle", 7, True, False),
    CityscapesLabel("bus", 28, 15, "vehicle", 7, True, False),
    CityscapesLabel("caravan", 29, 255, "vehicle", 7, True, True),
    CityscapesLabel("trailer", 30, 255, "vehicle", 7, True, True),
    CityscapesLabel("train", 31, 16, "vehicle", 7, True, False),
    CityscapesLabel("motorcycle", 32, 17, "vehicle", 7, True, False),
    CityscapesLabel("bicycle", 33, 18, "vehicle", 7, True, False),
    CityscapesLabel("license plate", -1, -1, "vehicle", 7, False, True),
)

LABEL_BY_ID = {label.id: label for label in LABELS}

EVALUATED_LABELS = tuple(label for label in LABELS if not label.ignored)
"""The 19 classes of the semantic evaluation, in the order of their training ids."""

INSTANCE_LABELS = tuple(label for label in EVALUATED_LABELS if label.has_instances)
"""The 8 classes of the instance evaluation."""

Segments = Literal["things", "things_and_stuff"]
"""What records of a frame hold: instances of the 8 classes that have some, or also a region for each of the 11 others."""


def classes_of(segments: Segments) -> tuple[CityscapesLabel, ...]:
    """Return the classes of such records in the order of their class indices, which is that of the training ids."""
    return INSTANCE_LABELS if segments == "things" else EVALUATED_LABELS


FIRST_INSTANCE_ID = 1000
"""Of maps of instance ids: from here on a value is 1000 * label id + number; a smaller one is a label id, of a group of objects that nobody
told apart or of a class without instances."""

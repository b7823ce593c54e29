"""Stage ``seggen_evaluate_voc``: a segmenter trained on COCO, on the photographs of another data set, without further training (section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BACKGROUND = 0
"""VOC's label of what is none of its objects."""
OTHER_NAMES = {
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}
"""What COCO calls classes that VOC calls otherwise; all other names agree. Section 11"""


class EvaluateVocConfig(Config):
    """What is evaluated, and at which size."""

    split: str = "val"
    """Which pictures of VOC."""
    trained_split: str = "val2017"
    """A split of the data that the segmenter was trained on, for the names of its classes."""
    short_side_px: int = Field(default=800, ge=16)
    """Pictures are resized so that their shorter side has this length. Section 8.3 [code]"""
    long_side_px: int = Field(default=1333, ge=16)
    """... unless the longer side would pass this. Section 8.3 [code]"""
    batch_size: int = Field(default=1, ge=1)
    """Neighbouring pictures of one size that go through the network together."""


def evaluate_voc(inputs: Inputs, config: EvaluateVocConfig, context: Context) -> Record:
    """Name every pixel, translate the names, and score by one confusion matrix over all pixels.

    What the segmenter calls by a name that VOC lacks is background. Objects of VOC whose name it lacks are not rated.

    Roles: ``data`` (COCO's panoptic layout), ``unseen`` (VOC's layout), ``model`` (a cell with ``model/``, a segmenter of all classes of ``data``).

    Returns:
        ``num_images``, ``miou`` over all classes of VOC and ``miou_objects`` over those but background, and ``iou`` by class, in percent; None
        for classes that occur nowhere.

    Raises:
        InputError: data or network are unreadable, or the network has other classes.
    Source: section 11, step 1 [C D21].
    """
    import numpy as np

    from methods.common.datasets.coco_panoptic import open_coco_panoptic
    from methods.common.datasets.labelled_images import IGNORED
    from methods.common.datasets.voc import open_voc
    from methods.common.metrics.label_maps.confusion import add_confusion
    from methods.common.segmenters.image_batches import batches_of_one_size
    from methods.common.stages.evaluate_semantic import percentages
    from methods.common.stages.panoptic_maps import load_panoptic, name_pixels

    trained = open_coco_panoptic(inputs.folder("data"), config.trained_split)
    photographs = open_voc(inputs.folder("unseen"), config.split)
    names = photographs.class_names
    label_of_class, rated = translation(trained.class_names, names)
    known = f"the {len(trained.class_names)} classes of {inputs.folder('data')}"
    remedy = "give the data that it was trained on"
    model = load_panoptic(inputs.folder("model") / "model", len(trained.class_names), known, remedy, context)
    confusion_KK = np.zeros((len(names), len(names)), np.int64)
    rows, seen = (photographs[index] for index in range(len(photographs))), 0
    for batch in batches_of_one_size(rows, lambda row: row[0].shape, config.batch_size):
        found = name_pixels(model, [image_HW3 for image_HW3, _ in batch], config, context)
        for (_, label_HW), class_HW in zip(batch, found, strict=True):
            truth_HW = np.where(np.isin(label_HW, rated), label_HW, IGNORED).astype(np.uint8)
            add_confusion(confusion_KK, truth_HW, label_of_class[class_HW], IGNORED)
        seen += len(batch)
        context.progress(seen, len(photographs), "images")
    scores = percentages(confusion_KK, names)
    objects = [value for name, value in scores["iou"].items() if name != names[BACKGROUND] and value is not None]
    return {
        "num_images": len(photographs),
        "miou": scores["miou"],
        "miou_objects": sum(objects) / len(objects) if objects else None,
        "iou": scores["iou"],
    }


def translation(trained: Sequence[str], voc: Sequence[str]) -> tuple[NDArray[np.uint8], list[int]]:
    """Return the label in VOC of each trained class, uint8 (K,), and VOC's labels that can be found, background among them.

    Args:
        trained: names by class.
        voc: names by label, background first.

    Raises:
        InputError: no object of VOC is known.
    """
    import numpy as np

    class_of = {name: index for index, name in enumerate(trained)}
    label_of_class = np.full(len(trained), BACKGROUND, np.uint8)
    rated = [BACKGROUND]
    for label, name in enumerate(voc):
        place = class_of.get(OTHER_NAMES.get(name, name))
        if label != BACKGROUND and place is not None:
            label_of_class[place] = label
            rated.append(label)
    if len(rated) == 1:
        raise InputError(
            f"the segmenter knows none of the classes {', '.join(voc[1:4])} ...; give photographs with classes that it was trained on"
        )
    return label_of_class, rated


EVALUATE_VOC = Stage("seggen_evaluate_voc", 1, EvaluateVocConfig, evaluate_voc, uses_gpu=True, kind="evaluate")

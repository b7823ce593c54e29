"""Stage ``robust_evaluate_imagenet_s``: segment a split of ImageNet-S and score it by its evaluator's definition (section 9.2).

Shape legend: H, W pixels; I images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.evaluate_semantic import KeptLabelMapsConfig, Room, image_score, write_extremes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.imagenet_s import ImageNetS
    from methods.common.metrics.label_maps.imagenet_s import ImageNetSEvaluation, ImageRecords
    from methods.common.segmenters.semantic.interface import SemanticSegmenter


class EvaluateImageNetSConfig(KeptLabelMapsConfig):
    """What is evaluated, and at which size."""

    split: str = "validation"
    """Which pictures; the masks of the test split are not given out."""
    short_side_px: int | None = Field(default=512, ge=16)
    """Pictures are scaled so that the short side has this length; None for their own size. Single scale, section 12"""
    max_long_side_px: int = Field(default=2048, ge=16)
    """... unless the long side would pass this."""

    def open(self, folder: Path) -> ImageNetS:
        """Open the pictures; anything but ImageNet-S' layout is refused."""
        from methods.common.datasets.imagenet_s import open_imagenet_s

        return open_imagenet_s(folder, self.split)


def evaluate_imagenet_s(inputs: Inputs, config: EvaluateImageNetSConfig, context: Context) -> Record:
    """Segment every picture of a split at its own size and score it; write scores of classes and pictures, and what was predicted.

    Roles: ``data`` (a subset in ImageNet-S' layout), ``model`` (a training cell).

    Returns:
        percent: ``miou`` (mean over categories and other, one that never occurs counting as 0), ``boundary_miou``, ``accuracy`` (of the
        picture's category), ``f_measure``, ``miou_by_size`` (four sizes of objects, None where none is of that size) and ``iou`` by class;
        ``num_images``; and ``resamples`` (see :mod:`methods.common.metrics.resamples`).

    Raises:
        InputError: data or network are unreadable, or have different numbers of classes.
    Source: section 9.2 [code].
    """
    from methods.common.metrics.label_maps.imagenet_s import of_images
    from methods.common.metrics.resamples import resampled
    from methods.common.segmenters.semantic.segmenters import load_segmenter

    images = config.open(inputs.folder("data"))
    folder = inputs.folder("model") / "model"
    model = load_segmenter(folder).to(context.device).eval()
    names = images.class_names
    if len(names) != model.num_classes:
        raise InputError(
            f"{inputs.folder('data')} has {len(names) - 1} categories beside other, the segmenter in {folder} {model.num_classes} classes; "
            "evaluate it on the subset that it was trained for"
        )
    counted = _segment_all(model, images, config, context)
    found = of_images(counted, [images.name(index) for index in range(len(images))], len(names) - 1, names[1:])
    _write_scores(found, counted, context.out)
    iou = {str(row["name"]): row["IoU"] for row in found.per_class()}
    resamples = resampled(lambda weight_I: _named(found.metrics(weight_I)), len(images))
    return {"num_images": len(images), **_named(found.metrics()), "iou": iou, "resamples": resamples}


def _segment_all(
    model: SemanticSegmenter, images: ImageNetS, config: EvaluateImageNetSConfig, context: Context
) -> list[ImageRecords]:
    """Count every picture, keep what was predicted, and show the pictures with the worst and the best score."""
    from methods.common.segmenters.semantic.prediction import predict_labels
    from methods.common.stages.evaluation_files import Extremes

    sizes, num_classes = (config.short_side_px, config.max_long_side_px), model.num_classes - 1
    room, counted = Room(context.out, config), []
    extremes: Extremes[NDArray[np.uint8]] = Extremes()
    for index in range(len(images)):
        image_HW3, label_HW = images[index]
        (predicted_HW,) = predict_labels(model, [image_HW3], *sizes, context.device)
        counted.append(_count(label_HW, predicted_HW, num_classes))
        extremes.offer(image_score(counted[-1].pixel_counts(num_classes)), index, predicted_HW)
        room.keep(images.name(index), predicted_HW)
        context.progress(index + 1, len(images), "images")
    write_extremes(extremes, images, context.out)
    return counted


def _count(label_HW: NDArray[np.uint8], predicted_HW: NDArray[np.uint8], num_classes: int) -> ImageRecords:
    import numpy as np

    from methods.common.datasets.labelled_images import IGNORED
    from methods.common.metrics.label_maps.imagenet_s import IGNORE_LABEL, count_maps

    truth_HW = np.where(label_HW == IGNORED, np.uint32(IGNORE_LABEL), label_HW.astype(np.uint32))
    return count_maps(truth_HW, predicted_HW.astype(np.uint32), num_classes)


def _write_scores(found: ImageNetSEvaluation, counted: list[ImageRecords], folder: Path) -> None:
    """Write mean IoU, hit and F-measure of each picture; IoU and boundary IoU of each label, where one that never occurs has 0."""
    import numpy as np

    from methods.common.stages.evaluation_files import write_class_scores, write_image_scores

    score_I = np.array([image_score(image.pixel_counts(found.num_classes)) for image in counted])
    columns = {"score": score_I, "is_hit": found.is_hit_I, "f_measure": 100 * found.f_measure_I}
    write_image_scores(folder, found.image_ids, columns)
    rows = found.per_class()
    scores = {"iou": _column(rows, "IoU"), "boundary_iou": _column(rows, "BIoU")}
    write_class_scores(folder, [str(row["name"]) for row in rows], scores)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def _named(metrics: dict[str, float | None]) -> dict[str, Any]:
    from methods.common.metrics.label_maps.imagenet_s import SIZES

    return {
        "miou": metrics["mIoU"],
        "boundary_miou": metrics["mBIoU"],
        "accuracy": metrics["Acc"],
        "f_measure": metrics["FMeasure"],
        "miou_by_size": {size: metrics[size] for size in SIZES},
    }


EVALUATE_IMAGENET_S: Stage[EvaluateImageNetSConfig] = Stage(
    "robust_evaluate_imagenet_s", 1, EvaluateImageNetSConfig, evaluate_imagenet_s, uses_gpu=True, kind="evaluate"
)

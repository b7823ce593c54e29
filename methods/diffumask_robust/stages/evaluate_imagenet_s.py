"""Stage ``robust_evaluate_imagenet_s``: segment a split of ImageNet-S and score it by its evaluator's definition (section 9.2).

Shape legend: H, W pixels; I images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from methods.common.metrics.label_maps.imagenet_s import ImageRecords


class EvaluateImageNetSConfig(Config):
    """What is evaluated, and at which size."""

    split: str = "validation"
    """Which pictures; the masks of the test split are not given out."""
    short_side_px: int | None = Field(default=512, ge=16)
    """Pictures are scaled so that the short side has this length; None for their own size. Single scale, section 12"""
    max_long_side_px: int = Field(default=2048, ge=16)
    """... unless the long side would pass this."""


def evaluate_imagenet_s(inputs: Inputs, config: EvaluateImageNetSConfig, context: Context) -> Record:
    """Segment every picture of a split at its own size and score it.

    Roles: ``data`` (a subset in ImageNet-S' layout), ``model`` (a training cell).

    Returns:
        percent: ``miou`` (mean over categories and other, one that never occurs counting as 0), ``boundary_miou``, ``accuracy`` (of the
        picture's category), ``f_measure``, ``miou_by_size`` (four sizes of objects, None where none is of that size) and ``iou`` by class;
        ``num_images``; and ``resamples`` (see :mod:`methods.common.metrics.resamples`).

    Raises:
        InputError: data or network are unreadable, or have different numbers of classes.
    Source: section 9.2 [code].
    """
    from methods.common.datasets.imagenet_s import open_imagenet_s
    from methods.common.metrics.label_maps.imagenet_s import of_images
    from methods.common.metrics.resamples import resampled
    from methods.common.segmenters.semantic.segmenters import load_segmenter

    images = open_imagenet_s(inputs.folder("data"), config.split)
    folder = inputs.folder("model") / "model"
    model = load_segmenter(folder).to(context.device).eval()
    names = images.class_names
    if len(names) != model.num_classes:
        raise InputError(
            f"{inputs.folder('data')} has {len(names) - 1} categories beside other, the segmenter in {folder} {model.num_classes} classes; "
            "evaluate it on the subset that it was trained for"
        )
    counted = []
    for index in range(len(images)):
        counted.append(_count(model, *images[index], config, context))
        context.progress(index + 1, len(images), "images")
    found = of_images(counted, [images.name(index) for index in range(len(images))], len(names) - 1, names[1:])
    iou = {str(row["name"]): row["IoU"] for row in found.per_class()}
    resamples = resampled(lambda weight_I: _named(found.metrics(weight_I)), len(images))
    return {"num_images": len(images), **_named(found.metrics()), "iou": iou, "resamples": resamples}


def _count(
    model: Any, image_HW3: Any, label_HW: Any, config: EvaluateImageNetSConfig, context: Context
) -> ImageRecords:
    import numpy as np

    from methods.common.datasets.labelled_images import IGNORED
    from methods.common.metrics.label_maps.imagenet_s import IGNORE_LABEL, count_maps
    from methods.common.segmenters.semantic.prediction import predict_labels

    sizes = config.short_side_px, config.max_long_side_px
    (predicted_HW,) = predict_labels(model, [image_HW3], *sizes, context.device)
    truth_HW = np.where(label_HW == IGNORED, np.uint32(IGNORE_LABEL), label_HW.astype(np.uint32))
    return count_maps(truth_HW, predicted_HW.astype(np.uint32), model.num_classes - 1)


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

"""Mean IoU and accuracies by torchmetrics, for whoever wants to check ours.

Its `JaccardIndex` pools all images into one confusion matrix, which is this metric's definition; its `segmentation.MeanIoU`
averages over images, which is another. What the values of the files mean is settled before: ignored ground truth becomes -1, and a
prediction of no class becomes one class more, which no mean counts. It sums in float32, exact to some seven digits.

Shape legend: H, W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.label_conventions import LabelConvention
from methods.common.datasets.png_labels import check_same_size, read_labels
from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.label_maps.confusion import mean_defined, none_if_nan
from methods.common.metrics.label_maps.png_folders import PngPair, pair_by_name
from methods.common.metrics.official.package_evaluation import PackageEvaluation

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

_IGNORED = -1


def evaluate_semantic_officially(
    ground_truth: AnyPath, predictions: AnyPath, convention: LabelConvention, *, image_list: AnyPath | None = None
) -> PackageEvaluation:
    """Score with torchmetrics; arguments as in :func:`evaluate_semantic`, without its words on faulty values.

    Raises:
        InputError: a file is missing, faulty or of another size, or holds a value that the convention does not know, which
            torchmetrics might take for another class.
    """
    import torch

    pairs = pair_by_name(as_path(ground_truth), as_path(predictions), as_path(image_list))
    collection = _collection(convention.num_classes)
    for truth_HW, prediction_HW in _class_maps(pairs, convention):
        collection.update(torch.from_numpy(prediction_HW), torch.from_numpy(truth_HW))
    found = {name: value.double().numpy() for name, value in collection.compute().items()}
    iou_K, accuracy_K = found["iou"][:-1], found["accuracy"][:-1]
    accuracy_K[found["counts"][:-1, -1] == 0] = np.nan  # not in ground truth, where torchmetrics says 0
    return PackageEvaluation(
        f"torchmetrics {version('torchmetrics')} itself, multiclass JaccardIndex and Accuracy over all images together",
        tuple(pair.name for pair in pairs),
        {
            "mIoU": mean_defined(iou_K),
            "pixel_accuracy": float(found["pixel_accuracy"]) if found["counts"][:, -1].any() else None,
            "mean_accuracy": mean_defined(accuracy_K),
        },
        [
            {
                "class": index,
                "name": convention.name(index),
                "IoU": none_if_nan(iou_K[index]),
                "accuracy": none_if_nan(accuracy_K[index]),
            }
            for index in range(convention.num_classes)
        ],
    )


def _collection(num_classes: int) -> MetricCollection:
    """Return the metrics over the classes and, behind them, the one that stands for no class."""
    from torchmetrics import MetricCollection
    from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex, MulticlassStatScores

    options: dict[str, Any] = {"num_classes": num_classes + 1, "ignore_index": _IGNORED}
    return MetricCollection(
        {
            "iou": MulticlassJaccardIndex(**options, average=None, zero_division=np.nan),
            "pixel_accuracy": MulticlassAccuracy(**options, average="micro"),
            "accuracy": MulticlassAccuracy(**options, average=None),
            "counts": MulticlassStatScores(**options, average=None),  # TP, FP, TN, FN and pixels of ground truth
        }
    )


def _class_maps(
    pairs: list[PngPair], convention: LabelConvention
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield ground truth and prediction of each image as classes from 0, int64 [H, W]."""
    for pair in pairs:
        truth_HW = read_labels(pair.ground_truth).astype(np.int64)
        prediction_HW = read_labels(pair.prediction).astype(np.int64)
        check_same_size(truth_HW, prediction_HW, pair.prediction)
        ignored_HW = truth_HW == convention.ignore_label
        truth_HW -= convention.reduce_zero_label
        truth_HW[ignored_HW] = _IGNORED
        prediction_HW -= convention.predictions_from_one
        for label_HW, path in ((truth_HW, pair.ground_truth), (prediction_HW, pair.prediction)):
            if label_HW.max(initial=0) >= convention.num_classes:
                raise InputError(f"{path} has a label beyond the classes; leave --official out to hear where")
        prediction_HW[prediction_HW < 0] = convention.num_classes
        yield truth_HW, prediction_HW

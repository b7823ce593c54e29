"""Semantic segmentation from PNG folders: mean IoU and accuracies from one confusion matrix over all images.

Definition (PASCAL VOC 2012 development kit): pixels whose ground truth is ignored are left out; IoU of a class is
TP / (TP + FP + FN) over the pixels of all images together, never an average over images. A class that occurs neither in
ground truth nor in predictions has no IoU and takes no part in the mean, as in MMSegmentation; the kit itself would print NaN,
and ADE20K's would count 0. A prediction that is no class is an error, as in the kit, ignored pixels included.

Shape legend: I images, K classes, P pairs of labels; 3 counts of pixels: right, in ground truth, predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.binary_masks import MASK_ADVICE, white_of_a_mask
from methods.common.datasets.label_conventions import LabelConvention
from methods.common.datasets.png_labels import LabelMap, check_same_size, read_labels, where_label_is
from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.class_means import NO_PIXEL, mean_note
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.label_maps.confusion import count_pairs, divide, mean_defined, none_if_nan, pool_images
from methods.common.metrics.label_maps.png_folders import PngPair, map_images, pair_by_name


def semantic_metrics(count_3K: NDArray[np.float64], perfect: float = 1.0) -> dict[str, float | None]:
    """Return `mIoU`, `pixel_accuracy` and `mean_accuracy` (mean recall of the classes in ground truth) of pixel counts.

    Args:
        count_3K: pixels of each class that are right, in ground truth, predicted; whole numbers.
        perfect: what the best possible value is, such as 100 for percent; every ratio is multiplied by it before averaging.
    """
    right_K, truth_K, _ = count_3K
    return {
        "mIoU": mean_defined(class_iou(count_3K, perfect)),
        "pixel_accuracy": float(perfect * right_K.sum() / truth_K.sum()) if truth_K.any() else None,
        "mean_accuracy": mean_defined(perfect * divide(right_K, truth_K)),
    }


def class_iou(count_3K: NDArray[np.float64], perfect: float = 1.0) -> NDArray[np.float64]:
    """Return the IoU of each class, (K,) in [0, ``perfect``]; NaN where there is none.

    Pixel counts are as in :func:`semantic_metrics`.
    """
    right_K, truth_K, predicted_K = count_3K
    return perfect * divide(right_K, truth_K + predicted_K - right_K)


def counts_of_confusion(confusion_KK: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the pixel counts [3, K] for :func:`semantic_metrics` of a confusion matrix, rows ground truth, columns prediction."""
    return np.stack([confusion_KK.diagonal(), confusion_KK.sum(1), confusion_KK.sum(0)]).astype(np.float64)


@dataclass(frozen=True, eq=False, repr=False)
class SemanticEvaluation:
    """Pixel counts of every image; 24 bytes an image and class."""

    convention: LabelConvention
    image_ids: tuple[str, ...]
    count_I3K: NDArray[np.int64]
    num_ignored_px: int = 0
    """Pixels whose ground truth does not count, in all images."""
    definition: str = (
        "IoU of each class from one confusion matrix over all images (PASCAL VOC 2012 development kit), "
        "mean over the classes that occur"
    )

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return `mIoU`, `pixel_accuracy` and `mean_accuracy` (mean recall of the classes in ground truth), in [0, 1]."""
        return semantic_metrics(pool_images(self.count_I3K, weight_I))

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return IoU, accuracy (recall) and pixel counts of each class."""
        count_3K = self.count_I3K.sum(axis=0)
        right_K, truth_K, _ = count_3K.astype(np.float64)
        iou_K, accuracy_K = class_iou(count_3K.astype(np.float64)), divide(right_K, truth_K)
        return [
            {
                "class": index,
                "name": self.convention.name(index),
                "IoU": none_if_nan(iou_K[index]),
                "accuracy": none_if_nan(accuracy_K[index]),
                "right_px": int(count_3K[0, index]),
                "ground_truth_px": int(count_3K[1, index]),
                "predicted_px": int(count_3K[2, index]),
            }
            for index in range(self.convention.num_classes)
        ]

    def notes(self) -> list[str]:
        """Say over which classes mIoU is the mean; warn of masks of 0 and 255, and of predictions that seem numbered from 1."""
        names = [self.convention.name(index) for index in range(self.convention.num_classes)]
        _, truth_K, predicted_K = self.count_I3K.sum(axis=0)
        nowhere = [name for name, px in zip(names, (truth_K + predicted_K).tolist(), strict=True) if not px]
        notes = one_class_notes(self.convention, truth_K, self.num_ignored_px)
        counted_from_one = self.convention.reduce_zero_label and not self.convention.predictions_from_one
        if counted_from_one and not predicted_K[0]:
            notes.append(
                f"no prediction is class 0 ({names[0]}); if predictions are numbered from 1, say so (--predictions-from-one)"
            )
        return [*notes, mean_note("mIoU", len(names), {NO_PIXEL: nowhere})]


def one_class_notes(convention: LabelConvention, truth_K: NDArray[np.int64], num_ignored_px: int) -> list[str]:
    """Warn if ground truth shows one class and ignored pixels alone, as masks of 0 and 255 do.

    Args:
        convention: what the values mean.
        truth_K: pixels of each class in ground truth.
        num_ignored_px: pixels that do not count.
    """
    shown = np.flatnonzero(truth_K).tolist()
    if convention.num_classes < 2 or len(shown) != 1 or not num_ignored_px:
        return []
    value, ignored = shown[0] + convention.reduce_zero_label, convention.ignore_label
    told = (
        f"WARNING: ground truth holds nothing but label {value} (class {convention.name(shown[0])}) and ignored pixels, "
        f"{num_ignored_px:,} of them, so that predicting this class everywhere is right everywhere"
    )
    white = white_of_a_mask([value, ignored or 0])
    return [told if value or white is None else f"{told}; {MASK_ADVICE.format(white=white)}"]


def evaluate_semantic(
    ground_truth: AnyPath,
    predictions: AnyPath,
    convention: LabelConvention,
    *,
    image_list: AnyPath | None = None,
    num_processes: int = 1,
    progress: Progress | None = None,
) -> SemanticEvaluation:
    """Score a folder of predicted label maps.

    Args:
        ground_truth: folder of label maps, gray or palette PNG.
        predictions: folder with a PNG of the same name and size for each.
        convention: what the values mean.
        image_list: text file that names the images to evaluate; None evaluates all.
        num_processes: how many processes decode.
        progress: told (images done, images in all).

    Raises:
        InputError: a file is missing, faulty or of another size, or holds a value that the convention does not know.
    """
    pairs = pair_by_name(as_path(ground_truth), as_path(predictions), as_path(image_list))
    found = map_images(partial(count_pixels, convention=convention), pairs, num_processes, progress)
    counts, num_ignored = zip(*found, strict=True)
    return SemanticEvaluation(convention, tuple(pair.name for pair in pairs), np.stack(counts), sum(num_ignored))


def count_pixels(pair: PngPair, convention: LabelConvention) -> tuple[NDArray[np.int64], int]:
    """Count the right, true and predicted pixels of each class in one image, int64 [3, K], and those that do not count."""
    truth_HW, prediction_HW = read_labels(pair.ground_truth), read_labels(pair.prediction)
    check_same_size(truth_HW, prediction_HW, pair.prediction)
    truth_P, prediction_P, count_P = count_pairs(truth_HW, prediction_HW)
    ignored_P = truth_P == (-1 if convention.ignore_label is None else convention.ignore_label)
    if convention.reduce_zero_label:
        ignored_P |= truth_P == 0
        truth_P -= 1
    if convention.predictions_from_one:
        prediction_P -= 1

    faulty_P = ~ignored_P & (truth_P >= convention.num_classes)
    if faulty_P.any():
        value = int(truth_P[faulty_P][0]) + convention.reduce_zero_label
        raise InputError(_fault(pair.ground_truth, truth_HW, value, convention, "ground truth"))
    faulty_P = prediction_P >= convention.num_classes
    if faulty_P.any():
        value = int(prediction_P[faulty_P][0]) + convention.predictions_from_one
        raise InputError(_fault(pair.prediction, prediction_HW, value, convention, "prediction"))

    predicted_P = ~ignored_P & (prediction_P >= 0)
    right_P = predicted_P & (truth_P == prediction_P)
    count_3K = np.stack(
        [
            np.bincount(label_P[chosen_P], count_P[chosen_P], convention.num_classes).astype(np.int64)
            for label_P, chosen_P in ((truth_P, right_P), (truth_P, ~ignored_P), (prediction_P, predicted_P))
        ]
    )
    return count_3K, int(count_P[ignored_P].sum())


def _fault(path: Path, label_HW: LabelMap, value: int, convention: LabelConvention, role: str) -> str:
    """Word the sentence on a value that is no class."""
    from_one = convention.reduce_zero_label if role == "ground truth" else convention.predictions_from_one
    what, known = where_label_is(label_HW, value), f"0 to {convention.num_classes - (not from_one)}"
    white = white_of_a_mask(np.unique(label_HW))
    if white is not None:
        whose = "" if role == "ground truth" else "predicted "
        return f"{path} has {what}; {whose}labels are {known}; {MASK_ADVICE.format(white=white)}"
    if role == "ground truth":
        ignored = "" if convention.ignore_label is None else f", and {convention.ignore_label} is ignored"
        return f"{path} has {what}; labels are {known}{ignored}; correct the file, or the number of classes or the ignored label"
    hint = (
        "; if predictions are numbered from 1, say so (--predictions-from-one)"
        if convention.reduce_zero_label and not from_one
        else ""
    )
    return f"{path} has {what}; predicted labels are {known}, also where ground truth is ignored{hint}"

"""ImageNet-S: mIoU, boundary mIoU, both by object size, image accuracy and F-measure, by the definition of its evaluator.

Definition, in percent: pixels with ground truth 1000 are dropped; then over all images together, for "other" (0) and every class,
IoU = TP / (TP + FP + FN + 1e-10), so that a class that occurs nowhere counts as 0, and mIoU is the mean over classes + 1. mBIoU is
the same on boundary maps: a pixel belongs to the boundary of its label if another label, or the image's edge, is within 3 % of
the diagonal (rounded to whole pixels, at least 1; measured as the larger of the two offsets); ground truth and prediction each have
their own boundary, and pixels dropped from the ground truth count as a label while boundaries are drawn. S, MS, ML and L (BS to
BL on boundaries) look at the classes that cover at most 5, 25, 50 and above 50 percent of an image's remaining pixels, rounded up,
and at pixels of "other" in an image with any such class; their means are over the labels with ground truth. Acc is the share of
images whose largest predicted class is in the ground truth; FMeasure the mean over images of
1.3 PR / (0.3 P + R) of foreground against "other".

The released evaluator adds pixels up in float32, which rounds from 16.8 million on; here they are whole numbers. It drops
predictions that are no class from FP without a word; here they are errors.

Shape legend: H, W pixels; I images; K labels, 0 "other"; M measures; P pairs; R records of one image, measure and label each;
3 counts of pixels: right, predicted, true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.boundaries import mark_boundaries
from methods.common.compiled.library import library
from methods.common.datasets.png_labels import LabelMap, check_same_size, read_rgb_ids, where_label_is
from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.class_means import some_of
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.label_maps.confusion import count_pairs, none_if_nan
from methods.common.metrics.label_maps.png_folders import PngPair, map_images, pair_by_name

IGNORE_LABEL = 1000
SUBSETS = (50, 300, 919)
BOUNDARY_SHARE = 0.03
F_BETA_SQUARED = 0.3
SIZES = ("S", "MS", "ML", "L")
_SIZE_LIMITS_PERCENT = (5, 25, 50)
_AREA_MEASURES = ("mIoU", *SIZES)
MEASURES = (*_AREA_MEASURES, "mBIoU", *(f"B{size}" for size in SIZES))
_TINY = 1e-10


class ImageRecords(NamedTuple):
    """What one image contributes."""

    key_R: NDArray[np.int64]
    """Measure * (labels in all) + label."""
    count_R3: NDArray[np.int64]
    is_hit: bool
    """Whether the largest predicted class is in the ground truth."""
    f_measure: float
    """In [0, 1]."""

    def pixel_counts(self, num_classes: int) -> NDArray[np.float64]:
        """Return how many pixels of each label are right, true and predicted, [3, K]."""
        of_area_R = self.key_R < num_classes + 1  # the records of mIoU, which come first
        count_3K = np.zeros((3, num_classes + 1))
        count_3K[:, self.key_R[of_area_R]] = self.count_R3[of_area_R][:, [0, 2, 1]].T
        return count_3K


@dataclass(frozen=True, eq=False, repr=False)
class ImageNetSEvaluation:
    """Pixel counts of every image; about 1 kB an image (40 bytes for each label of each measure)."""

    num_classes: int
    class_names: tuple[str, ...]
    image_ids: tuple[str, ...]
    image_R: NDArray[np.int64]
    key_R: NDArray[np.int64]
    count_R3: NDArray[np.int64]
    is_hit_I: NDArray[np.bool_]
    f_measure_I: NDArray[np.float64]
    definition: str = "the ImageNet-S evaluator: IoU of all images pooled, 1e-10 in the denominator, mean over the classes and `other`"

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return the evaluator's numbers in percent, by its names."""
        weight = np.ones(len(self.image_ids)) if weight_I is None else weight_I
        iou_MK, true_MK = self._iou(weight)
        counted_MK = np.isin(MEASURES, ("mIoU", "mBIoU"))[:, None] | (true_MK > 0)
        num_images = weight.sum()
        return {
            "Acc": float(100 * (weight @ self.is_hit_I) / num_images),
            **{
                name: none_if_nan(100 * iou_K[counted_K].mean()) if counted_K.any() else None
                for name, iou_K, counted_K in zip(MEASURES, iou_MK, counted_MK, strict=True)
            },
            "FMeasure": float(100 * (weight @ self.f_measure_I) / num_images),
        }

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return IoU and boundary IoU of each label in percent."""
        iou_MK, _ = self._iou(np.ones(len(self.image_ids)))
        area_K, boundary_K = iou_MK[MEASURES.index("mIoU")], iou_MK[MEASURES.index("mBIoU")]
        names = self._label_names()
        return [
            {"class": label, "name": name, "IoU": float(100 * area_K[label]), "BIoU": float(100 * boundary_K[label])}
            for label, name in enumerate(names)
        ]

    def notes(self) -> list[str]:
        """Say how many labels the means are over, and how many of them occur nowhere, which counts as 0."""
        area_R = self.key_R < self.num_classes + 1  # the records of mIoU
        shown = set(self.key_R[area_R].tolist())
        nowhere = [name for label, name in enumerate(self._label_names()) if label not in shown]
        note = f"mIoU is the mean over all {self.num_classes} classes and `other`"
        return [
            f"{note}; {len(nowhere)} of them occur nowhere and count as 0 ({some_of(nowhere)})" if nowhere else note
        ]

    def _label_names(self) -> tuple[str, ...]:
        return ("other", *(self.class_names or map(str, range(1, self.num_classes + 1))))

    def _iou(self, weight_I: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return IoU in [0, 1] and true pixels of every measure and label [M, K]."""
        num_labels, weight_R = self.num_classes + 1, weight_I[self.image_R]
        right_MK, predicted_MK, true_MK = (
            _count(self.key_R, weight_R * count_R, len(MEASURES) * num_labels).reshape(-1, num_labels)
            for count_R in self.count_R3.T
        )
        return right_MK / (predicted_MK + true_MK - right_MK + _TINY), true_MK


def evaluate_imagenet_s(
    ground_truth: AnyPath,
    predictions: AnyPath,
    num_classes: int,
    *,
    class_names: Sequence[str] = (),
    image_list: AnyPath | None = None,
    num_processes: int = 1,
    progress: Progress | None = None,
) -> ImageNetSEvaluation:
    """Score a folder of ImageNet-S predictions.

    Args:
        ground_truth: folder of RGB PNG masks, label = R + 256 G.
        predictions: folder with a PNG of the same kind, name and size for each.
        num_classes: 50, 300 or 919 (without "other").
        class_names: names of the classes in order; empty names them by number.
        image_list: text file that names the images to evaluate; None evaluates all.
        num_processes: how many processes decode.
        progress: told (images done, images in all).

    Raises:
        InputError: a file is missing, faulty or of another size, or holds a value that is no label.
    """
    if num_classes not in SUBSETS:
        raise InputError(f"ImageNet-S has no subset of {num_classes} classes; choose 50, 300 or 919")
    if class_names and len(class_names) != num_classes:
        raise InputError(f"{len(class_names)} class names for {num_classes} classes; give one name for each class")
    pairs = pair_by_name(as_path(ground_truth), as_path(predictions), as_path(image_list))
    images = map_images(partial(count_image, num_classes=num_classes), pairs, num_processes, progress)
    return of_images(images, [pair.name for pair in pairs], num_classes, class_names)


def of_images(
    images: Sequence[ImageRecords], image_ids: Sequence[str], num_classes: int, class_names: Sequence[str] = ()
) -> ImageNetSEvaluation:
    """Return the evaluation of images that were counted.

    Args:
        images: what each contributes.
        image_ids: their names.
        num_classes: without "other".
        class_names: of the classes in order.
    """
    return ImageNetSEvaluation(
        num_classes,
        tuple(class_names),
        tuple(image_ids),
        np.repeat(np.arange(len(images)), [len(image.key_R) for image in images]),
        np.concatenate([image.key_R for image in images]),
        np.concatenate([image.count_R3 for image in images]),
        np.array([image.is_hit for image in images]),
        np.array([image.f_measure for image in images]),
    )


def count_image(pair: PngPair, num_classes: int) -> ImageRecords:
    """Read one image's masks and count what they contribute."""
    truth_HW, prediction_HW = read_rgb_ids(pair.ground_truth), read_rgb_ids(pair.prediction)
    check_same_size(truth_HW, prediction_HW, pair.prediction)
    pairs = count_pairs(_with_boundary(truth_HW), _with_boundary(prediction_HW))
    _check_labels(pair.ground_truth, truth_HW, pairs[0] // 2, num_classes, may_ignore=True)
    _check_labels(pair.prediction, prediction_HW, pairs[1] // 2, num_classes, may_ignore=False)
    return _count_rated(*pairs, num_classes)


def count_maps(truth_HW: NDArray[np.uint32], prediction_HW: NDArray[np.uint32], num_classes: int) -> ImageRecords:
    """Count what the two label maps of one image contribute.

    Args:
        truth_HW: labels 0 to ``num_classes``, and 1000 for pixels that are not rated.
        prediction_HW: labels 0 to ``num_classes``, of the same size.
        num_classes: without "other".
    """
    return _count_rated(*count_pairs(_with_boundary(truth_HW), _with_boundary(prediction_HW)), num_classes)


def _count_rated(
    truth_P: NDArray[np.int64], prediction_P: NDArray[np.int64], count_P: NDArray[np.int64], num_classes: int
) -> ImageRecords:
    kept_P = truth_P // 2 != IGNORE_LABEL
    return count_labels(truth_P[kept_P], prediction_P[kept_P], count_P[kept_P], num_classes)


def _check_labels(
    path: Path, label_HW: NDArray[np.uint32], label_P: NDArray[np.int64], num_classes: int, may_ignore: bool
) -> None:
    faulty_P = (label_P > num_classes) & ~(may_ignore & (label_P == IGNORE_LABEL))
    if faulty_P.any():
        what = where_label_is(label_HW, int(label_P[faulty_P][0]))
        besides = f", and {IGNORE_LABEL} is ignored" if may_ignore else " in predictions"
        raise InputError(
            f"{path} has {what}; labels (R + 256 G) are 0 to {num_classes}{besides}; correct the file or the subset"
        )


def _with_boundary(label_HW: NDArray[np.uint32]) -> LabelMap:
    """Return 2 * label + (whether on a boundary)."""
    marked_HW = None if library() is None else mark_boundaries(label_HW, _reach(label_HW))
    if marked_HW is not None:
        return marked_HW
    narrow_HW = label_HW.astype(np.uint16)
    on_HW = boundary(narrow_HW)
    if label_HW.max() >= 1 << 15:  # no label, which is refused later; it only has to stay what it is
        return label_HW * np.uint32(2) + on_HW
    narrow_HW <<= 1
    narrow_HW |= on_HW
    return narrow_HW


def boundary(label_HW: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Mark the pixels that have another label, or the image's edge, within 3 % of the diagonal, bool [H, W]."""
    import cv2

    # A pixel with a different neighbour is within reach - 1 of every pixel that has another label within reach.
    neighbours = np.ones((3, 3), np.uint8)
    edge_HW = (cv2.dilate(label_HW, neighbours) != cv2.erode(label_HW, neighbours)).view(np.uint8)
    edge_HW[[0, -1]] = edge_HW[:, [0, -1]] = 1
    side = 2 * _reach(label_HW) - 1
    return np.asarray(cv2.dilate(edge_HW, np.ones((side, side), np.uint8))).view(bool)


def _reach(label_HW: NDArray[Any]) -> int:
    height, width = label_HW.shape
    return max(1, round(BOUNDARY_SHARE * math.sqrt(height**2 + width**2)))


def count_labels(
    truth_P: NDArray[np.int64], prediction_P: NDArray[np.int64], count_P: NDArray[np.int64], num_classes: int
) -> ImageRecords:
    """Turn the pairs of one image into records.

    Args:
        truth_P: 2 * label + (whether on a boundary), without ignored pixels.
        prediction_P: the same of the prediction.
        count_P: pixels of each pair.
        num_classes: classes without "other".
    """
    # Of the many labels an image shows few: they are counted by their places among these.
    label_K, place_2P = np.unique(np.stack([truth_P // 2, prediction_P // 2]), return_inverse=True)
    truth_place_P, place_P = place_2P.reshape(2, len(truth_P))
    truth_on_P, on_P = truth_P % 2 == 1, prediction_P % 2 == 1
    true_K, predicted_K = (_count(places, count_P, len(label_K)) for places in (truth_place_P, place_P))
    # In the order of MEASURES: areas, then the same on boundaries.
    chosen_MP = np.stack(_chosen_by_size(truth_place_P, label_K, true_K))
    truth_in_MP = np.concatenate([chosen_MP, chosen_MP & truth_on_P])
    predicted_in_MP = np.concatenate([chosen_MP, chosen_MP & on_P])
    right_MP = truth_in_MP & predicted_in_MP & (truth_place_P == place_P)
    first_M1, size = np.arange(len(MEASURES))[:, None] * len(label_K), len(MEASURES) * len(label_K)
    count_3MK = np.stack(
        [
            _count((first_M1 + places).ravel(), (count_P * chosen).ravel(), size).reshape(len(MEASURES), -1)
            for places, chosen in ((place_P, right_MP), (place_P, predicted_in_MP), (truth_place_P, truth_in_MP))
        ]
    )
    measure_R, present_R = np.nonzero(count_3MK.any(axis=0))
    is_class_K = label_K > 0
    largest = int((predicted_K * is_class_K).argmax()) if len(label_K) else 0  # of equals the least label, as there
    right_px = float(count_P[is_class_K[truth_place_P] & is_class_K[place_P]].sum())
    return ImageRecords(
        measure_R * (num_classes + 1) + label_K[present_R],
        count_3MK[:, measure_R, present_R].T.astype(np.int64),
        bool(is_class_K.any() and is_class_K[largest] and predicted_K[largest] > 0 and true_K[largest] > 0),
        _f_measure(true_K[is_class_K].sum(), predicted_K[is_class_K].sum(), right_px),
    )


def _count(key_N: NDArray[np.int64], weight_N: NDArray[Any], size: int) -> NDArray[np.float64]:
    return np.bincount(key_N, weight_N, size).astype(np.float64)


def _chosen_by_size(
    truth_place_P: NDArray[np.int64], label_K: NDArray[np.int64], true_K: NDArray[np.float64]
) -> list[NDArray[np.bool_]]:
    """Mark the pairs that count in each area measure: all; then classes of each size with "other", if there are any."""
    # In float32, as the evaluator: a share on the edge of two sizes falls on the same side.
    share_K = np.ceil(np.float32(100) * true_K.astype(np.float32) / np.float32(max(true_K.sum(), 1)))
    size_K = np.searchsorted(_SIZE_LIMITS_PERCENT, share_K)
    is_class_P = label_K[truth_place_P] > 0
    size_P = size_K[truth_place_P]
    chosen = [np.ones(len(truth_place_P), bool)]
    for size in range(len(SIZES)):
        of_size_P = (size_P == size) & is_class_P
        chosen.append(of_size_P | (~is_class_P & of_size_P.any()))
    return chosen


def _f_measure(true_px: float, predicted_px: float, right_px: float) -> float:
    """Return the F-measure of foreground against "other", 0 where nothing is right."""
    if right_px == 0:
        return 0.0
    precision, recall = right_px / float(predicted_px), right_px / float(true_px)
    return (1 + F_BETA_SQUARED) * precision * recall / (F_BETA_SQUARED * precision + recall)

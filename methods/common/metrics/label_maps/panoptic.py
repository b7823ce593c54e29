"""Panoptic quality (PQ), segmentation quality (SQ) and recognition quality (RQ), by panopticapi's definition.

A predicted and a true segment of one class match where IoU > 0.5, with predicted pixels on void left out of the union. A
predicted segment without match is no false positive where more than half of it lies on void or on the crowd region of its class (the
last one listed, should there be several); crowd regions never match and never count as missed. For each class
PQ = sum of matched IoU / (TP + FP/2 + FN/2), SQ = that sum / TP, RQ = TP / (TP + FP/2 + FN/2); means are taken over classes with any of
TP, FP, FN, over the images together.

Shape legend: H, W pixels; N pixels or runs of them; I images; C categories; T true, S predicted segments, both with two rows in front: pixels of no segment
that is listed, and void; 4 statistics: sum of matched IoU, TP, FP, FN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.panoptic_files import (
    PanopticCategory,
    PanopticImage,
    Segment,
    read_panoptic_results,
    read_panoptic_truth,
)
from methods.common.datasets.png_labels import LabelMap, check_same_size, read_rgb_ids, where_label_is
from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.class_means import mean_note
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.label_maps.confusion import (
    count_pairs_of_runs,
    divide,
    gather_runs,
    mean_defined,
    none_if_nan,
    pool_images,
)
from methods.common.metrics.label_maps.png_folders import map_images

_UNLISTED, _VOID, _NUM_SPECIAL = 0, 1, 2


@dataclass(frozen=True, eq=False, repr=False)
class PanopticEvaluation:
    """Matches of every image; 32 bytes an image and category."""

    categories: tuple[PanopticCategory, ...]
    image_ids: tuple[int | str, ...]
    statistic_I4C: NDArray[np.float64]
    num_other_areas: int = 0
    """True segments whose `area` in the JSON is not their number of pixels in the PNG."""
    num_empty: int = 0
    """True segments, crowds left out, without a pixel in the PNG."""
    crowd_C: NDArray[np.bool_] | None = None
    """Categories with crowds in the ground truth."""
    definition: str = "panopticapi: PQ, SQ, RQ with IoU > 0.5, void and crowd regions ignored"

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return PQ, SQ and RQ in [0, 1], over all classes, things (`_th`) and stuff (`_st`)."""
        quality_3C = _qualities(pool_images(self.statistic_I4C, weight_I))
        is_thing_C = np.array([category.is_thing for category in self.categories])
        return {
            f"{name}{suffix}": mean_defined(quality_C[chosen_C])
            for suffix, chosen_C in (("", is_thing_C | True), ("_th", is_thing_C), ("_st", ~is_thing_C))
            for name, quality_C in zip(("PQ", "SQ", "RQ"), quality_3C, strict=True)
        }

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return PQ, SQ, RQ and counts of each class; None for a class that occurs nowhere, which panopticapi prints as 0."""
        statistic_4C = self.statistic_I4C.sum(axis=0)
        quality_3C = _qualities(statistic_4C)
        rows: list[dict[str, str | int | float | None]] = []
        for index, category in enumerate(self.categories):
            row: dict[str, str | int] = {"category_id": category.id, "name": category.name}
            quality = {name: none_if_nan(quality_3C[k, index]) for k, name in enumerate(("PQ", "SQ", "RQ"))}
            count = {name: int(statistic_4C[k, index]) for k, name in enumerate(("TP", "FP", "FN"), start=1)}
            rows.append({**row, "is_thing": int(category.is_thing), **quality, **count})
        return rows

    def quality_of_images(self) -> NDArray[np.float64]:
        """Return PQ of each image by itself (I,) in [0, 1]: the mean over the classes with any of TP, FP, FN in it; NaN without any."""
        means = [mean_defined(_qualities(statistic_4C)[0]) for statistic_4C in self.statistic_I4C]
        return np.array([np.nan if mean is None else mean for mean in means])

    def notes(self) -> list[str]:
        """Say over which categories PQ is the mean, and where the ground truth contradicts itself."""
        absent_C = ~self.statistic_I4C[:, 1:].any(axis=(0, 1))
        crowd_C = np.zeros_like(absent_C) if self.crowd_C is None else self.crowd_C
        names = np.array([category.name for category in self.categories], object)
        left_out = {
            "of crowds alone": names[absent_C & crowd_C].tolist(),
            "without segments that count": names[absent_C & ~crowd_C].tolist(),
        }
        notes = []
        if self.num_empty:
            notes.append(
                f"segments of the ground truth without a pixel in the PNG: {self.num_empty}; no prediction can match them; "
                "correct the JSON"
            )
        if self.num_other_areas:
            notes.append(
                f"{self.num_other_areas} segments of the ground truth have another `area` in the JSON than pixels in the PNG; "
                "the JSON's counts, as in panopticapi, so that IoU is wrong and may exceed 1; correct the JSON"
            )
        return [*notes, mean_note("PQ", len(names), left_out)]


def _qualities(statistic_4C: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return PQ, SQ and RQ of each class [3, C], NaN where a class does not occur; SQ is 0 without any match."""
    iou_C, true_C, false_C, missed_C = statistic_4C
    size_C = true_C + false_C / 2 + missed_C / 2
    sq_C = np.where((true_C == 0) & (size_C > 0), 0.0, divide(iou_C, true_C))
    return np.stack([divide(iou_C, size_C), sq_C, divide(true_C, size_C)])


class _Job(NamedTuple):
    """Ground truth and prediction of one image."""

    truth: PanopticImage
    prediction: PanopticImage
    num_categories: int


def evaluate_panoptic(
    ground_truth: AnyPath,
    predictions: AnyPath,
    *,
    ground_truth_folder: AnyPath | None = None,
    predictions_folder: AnyPath | None = None,
    num_processes: int = 1,
    progress: Progress | None = None,
) -> PanopticEvaluation:
    """Score panoptic predictions.

    Args:
        ground_truth: panoptic JSON.
        predictions: panoptic results JSON: `annotations` with image_id, file_name and segments_info (id, category_id).
        ground_truth_folder: its PNG files; None takes the folder named like the JSON, without `.json`.
        predictions_folder: likewise for predictions.
        num_processes: how many processes decode.
        progress: told (images done, images in all).

    Raises:
        InputError: a file is missing or faulty, an image has no prediction or is unknown, or JSON and PNG disagree.
    """
    ground_truth, predictions = as_path(ground_truth), as_path(predictions)
    truth_folder = as_path(ground_truth_folder) or ground_truth.with_suffix("")
    categories, truths = read_panoptic_truth(ground_truth, truth_folder)
    index_of_category = {category.id: index for index, category in enumerate(categories)}
    results = read_panoptic_results(
        predictions, as_path(predictions_folder) or predictions.with_suffix(""), index_of_category
    )
    by_image = {image.image_id: image for image in results}
    unknown = by_image.keys() - {image.image_id for image in truths}
    if unknown:
        raise InputError(f"{predictions}: image {min(unknown, key=str)!r} is not in {ground_truth}; remove it")
    missing = [image.image_id for image in truths if image.image_id not in by_image]
    if missing:
        raise InputError(
            f"{predictions} has no prediction for image {missing[0]!r}, and {len(missing)} of {len(truths)} are missing in "
            "all; add them, with an empty `segments_info` where nothing was found"
        )
    jobs = [_Job(image, by_image[image.image_id], len(categories)) for image in truths]
    found = map_images(match_image, jobs, num_processes, progress)
    statistics, num_other_areas, num_empty = zip(*found, strict=True)
    image_ids = tuple(image.image_id for image in truths)
    crowds = {segment.category for image in truths for segment in image.segments if segment.is_crowd}
    crowd_C = np.isin(np.arange(len(categories)), list(crowds))
    return PanopticEvaluation(
        categories, image_ids, np.stack(statistics), sum(num_other_areas), sum(num_empty), crowd_C
    )


def match_image(job: _Job) -> tuple[NDArray[np.float64], int, int]:
    """Match one image's segments.

    Returns:
        Sum of matched IoU, TP, FP and FN of each category, float64 [4, C]; the number of true segments whose `area` is
        not their number of pixels; and the number of those without a pixel, crowds left out.
    """
    truth_HW, prediction_HW = read_rgb_ids(job.truth.png), read_rgb_ids(job.prediction.png)
    check_same_size(truth_HW, prediction_HW, job.prediction.png)
    (truth_N, prediction_N), length_N = gather_runs(truth_HW, prediction_HW)
    truths, predicted = job.truth.segments, job.prediction.segments
    pixels_TS = np.zeros((len(truths) + _NUM_SPECIAL, len(predicted) + _NUM_SPECIAL), np.int64)
    truth_P, prediction_P, count_P = count_pairs_of_runs(
        _number_segments(truth_N, truths), _number_segments(prediction_N, predicted), length_N
    )
    pixels_TS[truth_P, prediction_P] = count_P
    _check_segments(job.truth, truth_HW, pixels_TS.sum(axis=1))
    _check_segments(job.prediction, prediction_HW, pixels_TS.sum(axis=0))
    pixels_T = pixels_TS[_NUM_SPECIAL:].sum(axis=1)
    num_other_areas = int(np.count_nonzero(pixels_T != [segment.area_px for segment in truths]))
    num_empty = sum(not pixels and not truth.is_crowd for pixels, truth in zip(pixels_T, truths, strict=True))
    return match_segments(pixels_TS, truths, predicted, job.num_categories), num_other_areas, num_empty


def match_segments(
    pixels_TS: NDArray[np.int64], truths: Sequence[Segment], predicted: Sequence[Segment], num_categories: int
) -> NDArray[np.float64]:
    """Match segments by their overlaps.

    Args:
        pixels_TS: pixels that each true and predicted segment share; rows and columns 0 and 1 are pixels of unlisted
            segments and void.
        truths: true segments, from row 2 on.
        predicted: predicted segments, from column 2 on.
        num_categories: C.

    Returns:
        Sum of matched IoU, TP, FP and FN of each category, float64 [4, C].
    """
    shared_TS = pixels_TS[_NUM_SPECIAL:, _NUM_SPECIAL:]
    truth_category_T = np.array([segment.category for segment in truths], np.int64)
    predicted_category_S = np.array([segment.category for segment in predicted], np.int64)
    is_crowd_T = np.array([segment.is_crowd for segment in truths], bool)
    area_T = np.array([segment.area_px for segment in truths], np.float64)
    area_S = pixels_TS.sum(axis=0)[_NUM_SPECIAL:]
    on_void_S = pixels_TS[_VOID, _NUM_SPECIAL:]

    union_TS = area_T[:, None] + (area_S - on_void_S) - shared_TS
    may_match_TS = (truth_category_T[:, None] == predicted_category_S) & ~is_crowd_T[:, None]
    iou_TS = np.where(may_match_TS & (shared_TS > 0), shared_TS / np.maximum(union_TS, 1), 0.0)
    match_TS = iou_TS > 0.5
    matched_T, matched_S = match_TS.any(axis=1), match_TS.any(axis=0)

    crowd_row = {segment.category: row for row, segment in enumerate(truths) if segment.is_crowd}
    ignored_px_S = on_void_S.copy()
    for column, segment in enumerate(predicted):
        if segment.category in crowd_row:
            ignored_px_S[column] += shared_TS[crowd_row[segment.category], column]
    false_S = ~matched_S & (ignored_px_S / np.maximum(area_S, 1) <= 0.5)
    return np.stack(
        [
            np.bincount(truth_category_T, iou_TS.sum(axis=1, where=match_TS), num_categories),
            np.bincount(truth_category_T, match_TS.sum(axis=1), num_categories),
            np.bincount(predicted_category_S[false_S], minlength=num_categories),
            np.bincount(truth_category_T[~matched_T & ~is_crowd_T], minlength=num_categories),
        ]
    )


def _number_segments(id_N: LabelMap, segments: Sequence[Segment]) -> LabelMap:
    """Return where each id stands among the segments, 2 on; 0 if unlisted, 1 for void."""
    ids = np.array([0, *(segment.id for segment in segments)], id_N.dtype)
    order = np.argsort(ids)
    number = (order + _VOID).astype(np.uint8 if len(ids) < 256 else np.uint32)
    place_N = np.searchsorted(ids[order], id_N, "right") - 1  # 0 is an id, so none comes before the first
    return np.where(ids[order].take(place_N) == id_N, number.take(place_N), _UNLISTED)


def _check_segments(image: PanopticImage, id_HW: NDArray[np.uint32], area: NDArray[np.int64]) -> None:
    """Raise InputError unless PNG and JSON name the same segments.

    Args:
        image: one side of the pair.
        id_HW: its PNG.
        area: pixels of each segment in the PNG, after two entries for unlisted segments and void.
    """
    if area[_UNLISTED]:
        listed = [0, *(segment.id for segment in image.segments)]
        unlisted = int(id_HW[~np.isin(id_HW, listed)].flat[0])
        raise InputError(
            f"{image.png} has {where_label_is(id_HW, unlisted)}, which the JSON does not list for image {image.image_id!r}; "
            "add the segment to its `segments_info`"
        )
    for segment, found in zip(image.segments, area[_NUM_SPECIAL:].tolist(), strict=True):
        if segment.area_px is None and not found:
            raise InputError(
                f"{image.png} has no pixel of segment {segment.id} of image {image.image_id!r}; remove it from the JSON"
            )
        if segment.area_px is not None and found and segment.area_px <= 0:
            raise InputError(
                f"{image.png} has {found} pixels of segment {segment.id}, whose `area` in the JSON is {segment.area_px:g}; "
                "correct the JSON"
            )

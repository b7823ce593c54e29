"""One Cityscapes frame: which object every predicted instance overlaps most, and how much of it lies on ignored pixels.

Shape legend: H, W image; N predictions; K objects of the frame; D distance settings.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_labels import FIRST_INSTANCE_ID, LABEL_BY_ID
from methods.common.datasets.rle import Rle, has_size, runs_to_rle
from methods.common.errors import InputError
from methods.common.metrics.cityscapes.instance_overlaps import (
    CLASS_OF_LABEL_ID,
    Integers,
    Objects,
    OverlapCounter,
    cuts,
    runs_of_array,
    runs_of_texts,
)

MIN_AREA_PX_D = np.array([100, 1000, 1000])
MAX_DISTANCE_M_D = np.array([math.inf, 100, 50])
MIN_CONFIDENCE_D = np.array([-math.inf, 0.5, 0.5])


class InstancePrediction(NamedTuple):
    """One predicted instance."""

    label_id: int
    """An id of `cityscapes_labels.LABELS`; predictions of classes without evaluated instances are left out."""
    score: float
    mask: NDArray[Any] | Rle
    """[H, W], everything but 0 belongs to the instance; or a run-length mask in COCO's format."""


class ObjectDistance(NamedTuple):
    """What a `gtInstances.json` says of one object."""

    area_px: int
    median_m: float
    confidence: float


class FrameMatches(NamedTuple):
    """All that the scores need to know of one frame: about 60 bytes a prediction."""

    class_N: Integers
    """Index in `INSTANCE_LABELS`; predictions without pixels or of other classes are gone."""
    score_N: NDArray[np.float64]
    object_N: Integers
    """The object of the same class with the highest IoU; without meaning where that is 0."""
    iou_N: NDArray[np.float64]
    ignored_ND: NDArray[np.float64]
    """Pixels on void, on groups and on objects too small or far, over all pixels; a small group counts twice."""
    object_class_K: Integers
    object_valid_KD: NDArray[np.bool_]
    """Whether the object has to be found: no group, and neither too small nor too far."""
    places_without_pixel: tuple[str, ...]
    """Predictions that show nothing, by the words that name their places."""


def match_frame(
    instance_ids_HW: NDArray[Any],
    image_name: str,
    predictions: Iterable[tuple[str, InstancePrediction]],
    distances: Mapping[int, ObjectDistance] | None = None,
) -> FrameMatches:
    """Compare the predictions of one frame with its ground truth.

    Args:
        instance_ids_HW: integers, 1000 * label id + number for an object, otherwise the label id.
        image_name: names the instance image in messages.
        predictions: each after the words that name its place in messages; taken one after the other, so that they need not
            be in memory together.
        distances: by instance id, for every object of the frame; None leaves distances out (D = 1, otherwise 3).

    Raises:
        InputError: the instance image, a prediction or the distances are faulty.
    """
    if instance_ids_HW.ndim != 2 or not instance_ids_HW.size or instance_ids_HW.dtype.kind not in "iu":
        found = f"{instance_ids_HW.dtype} of shape {instance_ids_HW.shape}"
        raise InputError(f"{image_name} is {found}; give whole numbers of shape (height, width)")
    frame = _Frame(instance_ids_HW, image_name)
    for place, prediction in predictions:
        frame.add(prediction, place)
    overlap_NC, objects = frame.overlaps()
    if distances is not None:
        _check_distances(objects, distances, image_name)
    return _summarise(frame, overlap_NC, objects, distances)


def check_prediction(label_id: int, score: float, place: str) -> None:
    """Refuse a label id that Cityscapes does not have and a score that is not a finite number."""
    if label_id not in LABEL_BY_ID:
        raise InputError(
            f"{place}: label id {label_id:.12g} is none of Cityscapes; use the ids of its label table, not train ids"
        )
    if not isinstance(score, Real) or not math.isfinite(score):
        raise InputError(f"{place}: the score is {score}; write a finite number")


class _Frame:
    """Gathers the predictions of one frame; arrays are counted by rows as they come, run-length masks by columns at the end."""

    def __init__(self, instance_ids_HW: NDArray[Any], image_name: str) -> None:
        self.classes: list[int] = []
        self.scores: list[float] = []
        self.places: list[str] = []
        self._instance_ids_HW, self._image_name = instance_ids_HW, image_name
        self._by_rows: OverlapCounter | None = None
        self._encoded: list[tuple[int, str | bytes, str]] = []

    def add(self, prediction: InstancePrediction, place: str) -> None:
        """Take in one prediction; ``place`` names it."""
        label_id, score, mask = prediction
        check_prediction(label_id, score, place)
        if label_id not in CLASS_OF_LABEL_ID:
            return
        height, width = self._instance_ids_HW.shape
        if isinstance(mask, np.ndarray):
            if mask.shape != (height, width):
                sizes = f"{mask.shape} pixels, its frame {(height, width)} (height, width)"
                raise InputError(f"{place}: the mask is {sizes}; predict at the frame's size")
            self._by_rows = self._by_rows or self._counter("rows")
            start_R, end_R = runs_of_array(mask)
            self._by_rows.add(np.full(len(start_R), len(self.classes)), start_R, end_R)
        else:
            self._encoded.append((len(self.classes), _text_of(mask, height, width, place), place))
        self.classes.append(CLASS_OF_LABEL_ID[label_id])
        self.scores.append(score)
        self.places.append(place)

    def overlaps(self) -> tuple[Integers, Objects]:
        """Return the overlap table, [N, C], and the objects that its columns from the third on stand for."""
        counters = [self._by_rows] if self._by_rows else []
        if self._encoded:
            counters.append(self._count_encoded())
        counters = counters or [self._counter("rows")]
        overlap_NC: Integers = np.sum([counter.table(len(self.classes)) for counter in counters], axis=0)
        return overlap_NC, counters[0].objects

    def _counter(self, scan: Literal["rows", "columns"]) -> OverlapCounter:
        return OverlapCounter(self._instance_ids_HW, scan, self._image_name)

    def _count_encoded(self) -> OverlapCounter:
        counter = self._counter("columns")
        for begin, stop in pairwise(cuts([len(text) for _, text, _ in self._encoded])):
            indices, texts, places = zip(*self._encoded[begin:stop], strict=True)
            owner_R, start_R, end_R, fits_N = runs_of_texts(texts, self._instance_ids_HW.size)
            if not fits_N.all():
                raise InputError(
                    f"{places[int(np.argmin(fits_N))]}: the mask's `counts` do not add up to its frame; encode it again"
                )
            counter.add(np.array(indices)[owner_R], start_R, end_R)
        return counter


def _text_of(mask: Any, height: int, width: int, place: str) -> str | bytes:
    if not isinstance(mask, Mapping) or not has_size(mask, height, width):
        size = mask.get("size") if isinstance(mask, Mapping) else mask
        raise InputError(
            f"{place}: the mask has size {size!r:.40}, its frame {[height, width]}; encode it at that size"
        )
    counts = mask.get("counts")
    if isinstance(counts, str | bytes):
        return counts
    if not isinstance(counts, list) or not all(isinstance(run, int) and 0 <= run < 2**31 for run in counts):
        raise InputError(f"{place}: the mask's `counts` are neither COCO's text nor run lengths; encode it again")
    return runs_to_rle(counts, height, width)["counts"]


def _summarise(
    frame: _Frame, overlap_NC: Integers, objects: Objects, distances: Mapping[int, ObjectDistance] | None
) -> FrameMatches:
    shown = np.asarray(overlap_NC.any(axis=1))
    class_N, overlap_NC = np.array(frame.classes, np.int64)[shown], overlap_NC[shown]
    area_N1 = overlap_NC.sum(axis=1, keepdims=True)
    same_class_NK = class_N[:, None] == objects.class_K
    shared_NK = np.where(same_class_NK, overlap_NC[:, 2:], 0)
    iou_NK = shared_NK / (objects.area_K + area_N1 - shared_NK)
    excluded_KD, group_K = _excluded(objects, distances), objects.instance_id_K < FIRST_INSTANCE_ID
    ignored_ND = overlap_NC[:, 1:2] + shared_NK @ (group_K[:, None] + excluded_KD.astype(np.int64))
    return FrameMatches(
        class_N=class_N,
        score_N=np.array(frame.scores, np.float64)[shown],
        object_N=iou_NK.argmax(axis=1) if iou_NK.size else np.zeros(len(class_N), np.int64),
        iou_N=iou_NK.max(axis=1, initial=0),
        ignored_ND=ignored_ND / area_N1,
        object_class_K=objects.class_K,
        object_valid_KD=~(excluded_KD | group_K[:, None]),
        places_without_pixel=tuple(place for place, is_shown in zip(frame.places, shown, strict=True) if not is_shown),
    )


def _check_distances(objects: Objects, distances: Mapping[int, ObjectDistance], image_name: str) -> None:
    areas = dict(zip(objects.instance_id_K.tolist(), objects.area_K.tolist(), strict=True))
    if areas != {instance_id: distance.area_px for instance_id, distance in distances.items()}:
        raise InputError(
            f"{image_name} holds other objects than the distances state for it; take distances made from it"
        )


def _excluded(objects: Objects, distances: Mapping[int, ObjectDistance] | None) -> NDArray[np.bool_]:
    """Mark the objects that are too small, too far or of uncertain distance, bool [K, D]."""
    too_small_KD = objects.area_K[:, None] < MIN_AREA_PX_D
    if distances is None:
        return too_small_KD[:, :1]
    found = [distances[instance_id] for instance_id in objects.instance_id_K.tolist()]
    median_K = np.array([distance.median_m for distance in found]).reshape(-1, 1)
    confidence_K = np.array([distance.confidence for distance in found]).reshape(-1, 1)
    return too_small_KD | (median_K > MAX_DISTANCE_M_D) | (confidence_K < MIN_CONFIDENCE_D)

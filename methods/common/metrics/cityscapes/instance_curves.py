"""From matched frames to the average precision of each class, with a weight for every image.

Shape legend: I images; N predictions; U distinct scores; K objects; D distance settings; T = 10 thresholds; S = D * T.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS
from methods.common.metrics.cityscapes.instance_matching import FrameMatches
from methods.common.metrics.cityscapes.instance_overlaps import Integers

OVERLAPS_T = np.arange(0.5, 1.0, 0.05)
"""Made like the official tool's; comparisons are strict, so the last bit matters."""


@dataclass(frozen=True, eq=False)
class ClassMatches:
    """The predictions of one class by falling score, and what each is at every setting."""

    image_N: Integers
    first_U: Integers
    """The first prediction of every distinct score."""
    right_SN: NDArray[np.bool_]
    counted_SN: NDArray[np.bool_]
    """Right or wrong; the others are ignored."""
    num_objects_ID: Integers
    """Objects that have to be found."""

    def average_precision(self, weight_I: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the area under the precision-recall curve, [D, T]; NaN without objects to find.

        The official tool weighs the precision at each score by half the distance between the recalls beside it, which is the
        area under straight lines from score to score, beginning at precision 1 and recall 0. In this form scores at
        which nothing changes add nothing, so images of weight 0 need not be taken out.
        """
        objects_D = weight_I @ self.num_objects_ID
        if not len(self.first_U):
            ap_D = np.where(objects_D > 0, 0.0, np.nan)
            return np.repeat(ap_D[:, None], len(OVERLAPS_T), axis=1)
        right_SU, counted_SU = self._running(self.right_SN, weight_I), self._running(self.counted_SN, weight_I)
        precision_SU = np.divide(right_SU, counted_SU, out=np.ones_like(right_SU), where=counted_SU > 0)
        steps_SU = np.diff(right_SU, prepend=0, axis=1)
        heights_SU = precision_SU + np.concatenate([np.ones((len(precision_SU), 1)), precision_SU[:, :-1]], axis=1)
        area_DT: NDArray[np.float64] = (steps_SU * heights_SU).sum(axis=1).reshape(len(objects_D), -1) / 2
        with np.errstate(invalid="ignore"):
            area_DT /= objects_D[:, None]
        return area_DT

    def _running(self, marked_SN: NDArray[np.bool_], weight_I: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up the weights of marked predictions from the highest score down to each distinct one, [S, U]."""
        weight_SN = marked_SN * weight_I[self.image_N]
        running_SU: NDArray[np.float64] = np.add.reduceat(weight_SN, self.first_U, axis=1).cumsum(axis=1)
        return running_SU


def class_matches(frames: Sequence[FrameMatches]) -> tuple[ClassMatches, ...]:
    """Decide what every prediction is at every setting and sort them by class."""
    right_NS, counted_NS = _outcomes(frames)
    class_N = np.concatenate([frame.class_N for frame in frames])
    score_N = np.concatenate([frame.score_N for frame in frames])
    image_N = np.repeat(np.arange(len(frames)), [len(frame.class_N) for frame in frames])
    found = []
    for index in range(len(INSTANCE_LABELS)):
        members = np.flatnonzero(class_N == index)
        members = members[np.argsort(-score_N[members], kind="stable")]
        falls = np.diff(score_N[members], prepend=np.inf) != 0
        num_objects_ID = [frame.object_valid_KD[frame.object_class_K == index].sum(axis=0) for frame in frames]
        found.append(
            ClassMatches(
                image_N=image_N[members],
                first_U=np.flatnonzero(falls),
                right_SN=np.ascontiguousarray(right_NS[members].T),
                counted_SN=np.ascontiguousarray(counted_NS[members].T),
                num_objects_ID=np.array(num_objects_ID),
            )
        )
    return tuple(found)


def _outcomes(frames: Sequence[FrameMatches]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say of every prediction whether it is right and whether it counts, bool [N, S] each.

    A prediction that finds an object which need not be found is ignored at once, however little of it is.
    """
    offsets = np.cumsum([0, *(len(frame.object_class_K) for frame in frames)])
    object_N = np.concatenate([frame.object_N + offset for frame, offset in zip(frames, offsets, strict=False)])
    iou_N = np.concatenate([frame.iou_N for frame in frames])
    score_N = np.concatenate([frame.score_N for frame in frames])
    ignored_ND = np.concatenate([frame.ignored_ND for frame in frames])
    # One more, so that predictions of frames without objects, which find nothing, point at something.
    nothing_1D = np.zeros((1, ignored_ND.shape[1]), bool)
    valid_KD = np.concatenate([*(frame.object_valid_KD for frame in frames), nothing_1D])
    valid_ND1 = valid_KD[object_N][:, :, None]
    finds_NT = iou_N[:, None] > OVERLAPS_T
    best_NT = _best_of_each(object_N, score_N, finds_NT)
    right_NDT = best_NT[:, None] & valid_ND1
    misses_NDT = ~finds_NT[:, None] & (ignored_ND[:, :, None] <= OVERLAPS_T)
    counted_NDT = finds_NT[:, None] & valid_ND1 | misses_NDT
    shape_NS = len(iou_N), ignored_ND.shape[1] * len(OVERLAPS_T)
    return right_NDT.reshape(shape_NS), counted_NDT.reshape(shape_NS)


def _best_of_each(object_N: Integers, score_N: NDArray[np.float64], finds_NT: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark, among the predictions that find the same object, the one with the highest score, bool [N, T]."""
    order = np.lexsort((-score_N, object_N))
    finds = finds_NT[order]
    count = finds.cumsum(axis=0)
    first_of_object = np.searchsorted(object_N[order], object_N[order], "left")
    before = (count - finds)[first_of_object]
    best_NT = np.zeros_like(finds_NT)
    best_NT[order] = finds & (count - before == 1)
    return best_NT

"""Which detections overlap which instances, and by how much, for one stretch of a results file after the other.

Only overlaps of at least 0.5, the lowest threshold of COCO and LVIS, are kept: lower ones never match.

Shape legend: N detections in file order; G instances; P pairs of a detection and an instance of its image and class;
4 x, y, width, height; C characters; N1 = N + 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import library
from methods.common.compiled.masks import box_pairs, mask_pairs
from methods.common.datasets.rle import decode_runs
from methods.common.metrics.boundary import boundary_table
from methods.common.metrics.detection.ground_truth import Floats, GroundTruth, Ints
from methods.common.metrics.detection.run_length_masks import MaskTable

Overlap = Literal["bbox", "segm", "boundary"]

LEAST_OVERLAP = 0.5
_BLOCK = 2_000
"""Detections that are worked on at a time: their arrays stay in the cache."""


@dataclass(frozen=True)
class DetectionColumns:
    """Detections as they come from a file; boxes or masks."""

    image_N: Ints
    """Index into the images of the ground truth."""
    class_N: Ints
    score_N: Floats
    box_N4: Floats | None
    area_N: Floats | None
    """Given for boxes only; masks bring their own."""
    text_C: NDArray[np.uint8] | None = None
    text_offset_N1: Ints | None = None


@dataclass(frozen=True)
class Measured:
    """Detections with their areas in pixels and their overlaps; about 60 bytes a detection."""

    image_N: NDArray[np.int32]
    class_N: NDArray[np.int32]
    score_N: Floats
    area_N: Floats
    pair_detection_P: Ints
    pair_ground_truth_P: Ints
    overlap_P: Floats

    def __len__(self) -> int:
        """Return the number of detections."""
        return len(self.score_N)

    def keys(self, num_classes: int) -> Ints:
        """Return the key of each detection's image and class."""
        return self.image_N.astype(np.int64) * num_classes + self.class_N

    def subset(self, chosen_N: NDArray[np.bool_]) -> Measured:
        """Keep some detections, with their overlaps."""
        chosen_P = chosen_N[self.pair_detection_P]
        new_place_N = np.cumsum(chosen_N) - 1
        return Measured(
            self.image_N[chosen_N],
            self.class_N[chosen_N],
            self.score_N[chosen_N],
            self.area_N[chosen_N],
            new_place_N[self.pair_detection_P[chosen_P]],
            self.pair_ground_truth_P[chosen_P],
            self.overlap_P[chosen_P],
        )

    def split(self, group_N: Ints, num_groups: int) -> Iterator[Measured]:
        """Give the detections of group 0, those of group 1, ..., with their overlaps; each group keeps its order."""
        if num_groups == 1:
            yield self
            return
        by_group, bound, place_N = _by_group(group_N, num_groups)
        pairs_by_group, pair_bound, _ = _by_group(group_N[self.pair_detection_P], num_groups)
        for group in range(num_groups):
            start, stop = bound[group : group + 2]
            chosen, pairs = by_group[start:stop], pairs_by_group[slice(*pair_bound[group : group + 2])]
            yield Measured(
                self.image_N[chosen],
                self.class_N[chosen],
                self.score_N[chosen],
                self.area_N[chosen],
                place_N[self.pair_detection_P[pairs]] - start,
                self.pair_ground_truth_P[pairs],
                self.overlap_P[pairs],
            )

    @staticmethod
    def concatenate(stretches: Sequence[Measured]) -> Measured:
        """Put stretches of one file one behind the other."""
        stretches = [_NOTHING, *stretches]
        before = np.cumsum([0, *map(len, stretches)]).tolist()
        joined = {
            name: np.concatenate([getattr(stretch, name) for stretch in stretches])
            for name in ("image_N", "class_N", "score_N", "area_N", "pair_ground_truth_P", "overlap_P")
        }
        pair_detection_P = np.concatenate(
            [stretch.pair_detection_P + first for stretch, first in zip(stretches, before, strict=False)]
        )
        return Measured(**joined, pair_detection_P=pair_detection_P)


def _by_group(group_N: Ints, num_groups: int) -> tuple[Ints, list[int], Ints]:
    """Return the order by group, where each group begins and the last one ends, and each member's place in the order."""
    order = np.argsort(group_N.astype(np.uint16), kind="stable")
    place_N = np.empty_like(order)
    place_N[order] = np.arange(len(order))
    return order, [0, *np.cumsum(np.bincount(group_N, minlength=num_groups)).tolist()], place_N


_NO_PLACES, _NO_NUMBERS, _NO_INDICES = np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int32)
_NOTHING = Measured(_NO_INDICES, _NO_INDICES, _NO_NUMBERS, _NO_NUMBERS, _NO_PLACES, _NO_PLACES, _NO_NUMBERS)


def measure(ground_truth: GroundTruth, detections: DetectionColumns, overlap: Overlap) -> Measured | None:
    """Compute areas and overlaps; None where a mask is no sound run-length mask of its image's size."""
    key_N = detections.image_N * ground_truth.canvas.num_classes + detections.class_N
    if library() is None or overlap == "boundary":
        return _measure_in_blocks(ground_truth, detections, key_N, overlap)
    if detections.box_N4 is not None and detections.area_N is not None:
        area_N, pairs = detections.area_N, box_pairs(ground_truth, key_N, detections.box_N4)
    else:
        assert detections.text_C is not None
        assert detections.text_offset_N1 is not None
        texts = detections.text_C, detections.text_offset_N1
        found = mask_pairs(ground_truth, detections.image_N, key_N, *texts)
        if found is None:
            return None
        area_N, pairs = found
    image_N, class_N = detections.image_N.astype(np.int32), detections.class_N.astype(np.int32)
    return Measured(image_N, class_N, detections.score_N, area_N, *pairs)


def _measure_in_blocks(
    ground_truth: GroundTruth, detections: DetectionColumns, key_N: Ints, overlap: Overlap
) -> Measured | None:
    """Compute them with numpy, which knows boundaries too."""
    height_N = ground_truth.canvas.height_I[detections.image_N]
    pixels_N = height_N * ground_truth.canvas.width_I[detections.image_N]
    theirs = None if overlap == "bbox" else _Theirs.of(ground_truth, key_N)
    stretches = []
    for start in range(0, len(key_N), _BLOCK):
        chosen = slice(start, start + _BLOCK)
        image_N, class_N = detections.image_N[chosen], detections.class_N[chosen]
        pair = _candidates(ground_truth, key_N[chosen])
        if theirs is None:
            assert detections.box_N4 is not None
            assert detections.area_N is not None
            area_N = detections.area_N[chosen]
            pairs = _box_overlaps(ground_truth, detections.box_N4[chosen], *pair)
        else:
            assert detections.text_C is not None
            assert detections.text_offset_N1 is not None
            offset_N1 = detections.text_offset_N1[start : start + _BLOCK + 1]
            runs = decode_runs(detections.text_C[offset_N1[0] : offset_N1[-1]], offset_N1)
            if not (runs.sound_N & (runs.covered_N == pixels_N[chosen])).all():
                return None
            masks = MaskTable.from_runs(runs, height_N[chosen])
            area_N = masks.area.astype(np.float64)
            pairs = _mask_overlaps(ground_truth, theirs, masks, *pair)
            if overlap == "boundary":
                pairs = _boundary_overlaps(ground_truth, theirs, masks, image_N, *pairs)
        stretches.append(
            Measured(image_N.astype(np.int32), class_N.astype(np.int32), detections.score_N[chosen], area_N, *pairs)
        )
    return Measured.concatenate(stretches)


@dataclass(frozen=True)
class _Theirs:
    """The masks of the instances that a stretch of detections can meet."""

    masks: MaskTable
    first: int
    """Instance of the first mask."""

    @classmethod
    def of(cls, ground_truth: GroundTruth, key_N: Ints) -> _Theirs:
        if not len(key_N):
            return cls(MaskTable.concatenate([]), 0)
        start, stop = np.searchsorted(ground_truth.key_G, [key_N.min(), key_N.max() + 1]).tolist()
        return cls(ground_truth.masks_between(start, stop), start)


Pairs = tuple[Ints, Ints, Floats]
"""Detections, instances, overlaps."""


def _candidates(ground_truth: GroundTruth, key_N: Ints) -> tuple[Ints, Ints]:
    """Pair every detection with every instance of its image and class."""
    first_N = np.searchsorted(ground_truth.key_G, key_N, "left")
    num_N = np.searchsorted(ground_truth.key_G, key_N, "right") - first_N
    detection_P = np.repeat(np.arange(len(key_N)), num_N)
    before_N = np.cumsum(num_N) - num_N
    return detection_P, np.arange(len(detection_P)) + np.repeat(first_N - before_N, num_N)


def _box_overlaps(ground_truth: GroundTruth, box_N4: Floats, detection_P: Ints, truth_P: Ints) -> Pairs:
    """Source: pycocotools' `bbIou`, operation by operation."""
    mine_P4, theirs_P4 = box_N4[detection_P], ground_truth.box_G4[truth_P]
    sides_P2 = np.minimum(mine_P4[:, 2:] + mine_P4[:, :2], theirs_P4[:, 2:] + theirs_P4[:, :2])
    sides_P2 -= np.maximum(mine_P4[:, :2], theirs_P4[:, :2])
    shared_P = np.maximum(sides_P2[:, 0], 0) * np.maximum(sides_P2[:, 1], 0)
    area_P, their_area_P = mine_P4[:, 2] * mine_P4[:, 3], theirs_P4[:, 2] * theirs_P4[:, 3]
    return _kept(detection_P, truth_P, shared_P, area_P, their_area_P, ground_truth.crowd_G[truth_P])


def _mask_overlaps(
    ground_truth: GroundTruth, theirs: _Theirs, masks: MaskTable, detection_P: Ints, truth_P: Ints
) -> Pairs:
    """Count shared pixels where boxes and areas leave room for an overlap that matters."""
    mask_P, crowd_P = truth_P - theirs.first, ground_truth.crowd_G[truth_P]
    box_P4, their_box_P4 = masks.box.take(detection_P, axis=0), theirs.masks.box.take(mask_P, axis=0)
    sides_P2 = np.minimum(box_P4[:, 2:], their_box_P4[:, 2:]) - np.maximum(box_P4[:, :2], their_box_P4[:, :2])
    area_P, their_area_P = masks.area.take(detection_P), theirs.masks.area.take(mask_P)
    most_P = np.maximum(sides_P2[:, 0], 0) * np.maximum(sides_P2[:, 1], 0)
    most_P = np.minimum(most_P, np.minimum(area_P, their_area_P))
    least_P = area_P + (their_area_P - most_P) * ~crowd_P
    hopeful_P = np.flatnonzero((most_P > 0) & (most_P >= LEAST_OVERLAP * least_P))
    detection_P, truth_P, mask_P = detection_P[hopeful_P], truth_P[hopeful_P], mask_P[hopeful_P]
    shared_P = masks.shared_pixels(detection_P, theirs.masks, mask_P)
    return _kept(detection_P, truth_P, shared_P, area_P[hopeful_P], their_area_P[hopeful_P], crowd_P[hopeful_P])


def _boundary_overlaps(
    ground_truth: GroundTruth,
    theirs: _Theirs,
    masks: MaskTable,
    image_N: Ints,
    detection_P: Ints,
    truth_P: Ints,
    mask_overlap_P: Floats,
) -> Pairs:
    """Take the smaller of mask and boundary overlap; crowds keep the mask's."""
    canvas, plain = ground_truth.canvas, np.flatnonzero(~ground_truth.crowd_G[truth_P])
    detection, mine_P = np.unique(detection_P[plain], return_inverse=True)
    instance, theirs_P = np.unique(truth_P[plain], return_inverse=True)
    image_D, image_T = image_N[detection], ground_truth.image_index[instance]
    mine = boundary_table(masks, detection, canvas.height_I[image_D], canvas.width_I[image_D])
    other = boundary_table(theirs.masks, instance - theirs.first, canvas.height_I[image_T], canvas.width_I[image_T])
    shared_P = mine.shared_pixels(mine_P, other, theirs_P)
    united_P = mine.area[mine_P] + other.area[theirs_P] - shared_P
    overlap_P = mask_overlap_P.copy()
    overlap_P[plain] = np.minimum(overlap_P[plain], shared_P / united_P)
    kept_P = overlap_P >= LEAST_OVERLAP
    return detection_P[kept_P], truth_P[kept_P], overlap_P[kept_P]


def _kept(
    detection_P: Ints,
    truth_P: Ints,
    shared_P: Ints | Floats,
    area_P: Ints | Floats,
    their_area_P: Ints | Floats,
    crowd_P: NDArray[np.bool_],
) -> Pairs:
    """Divide, and keep the overlaps that can matter."""
    united_P = np.where(crowd_P, area_P, area_P + their_area_P - shared_P)
    overlap_P = np.divide(shared_P, united_P, out=np.zeros(len(shared_P)), where=shared_P > 0)
    kept_P = overlap_P >= LEAST_OVERLAP
    return detection_P[kept_P], truth_P[kept_P], overlap_P[kept_P]

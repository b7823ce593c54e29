"""How well generated masks agree with reference masks, without any segmenter.

Over all images, the protocol of OVAM (CVPR 2024): IoU of each foreground class over the pixels of all images, `mIoU` over the
classes that occur, and `pooled_IoU`, all intersections over all unions. Background is no class.

In each image, the four readings of "IoU between a generated mask and SAM's" that a filter can rank by. D is the generated
label map, S_c the reference mask of class c, C the classes asked for, V the pixels that count:

* S1: mean over C of |D_c and S_c and V| / |(D_c or S_c) and V|, without classes that are empty in both.
* S2: the sum of these intersections over the sum of these unions.
* S3: as S1 with background as one more class; the reference's is what no S_c covers.
* S4: foreground against background, whichever the class.

Each is 0 where nothing is left to divide by. A pixel that D marks 255, uncertain, does not count in V; two variants take it for
background, or for every class of C at once. A pixel that a reference label map marks 255 never counts.

Shape legend: I images, K classes with background as class 0, H, W pixels, P pairs of labels; ... with or without I.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.binary_masks import MASK_ADVICE, white_of_a_mask
from methods.common.datasets.png_labels import LabelMap, check_same_size, read_labels, where_label_is
from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.class_means import NO_PIXEL, mean_note
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.label_maps.confusion import (
    count_pairs,
    divide,
    mean_defined,
    none_if_nan,
    pool_images,
)
from methods.common.metrics.label_maps.png_folders import PngPair, map_images, pair_by_name

UNCERTAIN = 255
Uncertain = Literal["ignore", "background", "foreground"]
"""What pixels are that a generated label map marks 255: left out, background, or of every class asked for at once (of label maps
all classes that the image's reference or generated map shows)."""


@dataclass(frozen=True, eq=False)
class MaskAgreement:
    """Pixels by which two sets of masks agree, of one image or of several.

    Classes that were not asked for have 0.
    """

    intersection_K: NDArray[np.int64]
    """|D_c and S_c and V|, int64 [..., K]."""
    union_K: NDArray[np.int64]
    """|(D_c or S_c) and V|, int64 [..., K]."""
    reference_K: NDArray[np.int64]
    """|S_c and V|, int64 [..., K]."""
    num_pixels: NDArray[np.int64]
    """|V|, int64 [...]."""

    def scores(self) -> dict[str, NDArray[np.float64]]:
        """Return S1 to S4, each float64 [...] in [0, 1]."""
        both_K, either_K = self.intersection_K.astype(np.float64), self.union_K.astype(np.float64)
        iou_K = divide(both_K, either_K)
        # Foreground is what is not background: |A and B| = |V| - |not A or not B|.
        foreground = divide(self.num_pixels - either_K[..., 0], self.num_pixels - both_K[..., 0])
        return {
            "S1": _mean_or_zero(iou_K[..., 1:]),
            "S2": np.nan_to_num(divide(both_K[..., 1:].sum(axis=-1), either_K[..., 1:].sum(axis=-1))),
            "S3": _mean_or_zero(iou_K),
            "S4": np.nan_to_num(foreground),
        }


def _mean_or_zero(iou_K: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over the last axis what is not NaN; 0 if nothing is."""
    num_defined = (~np.isnan(iou_K)).sum(axis=-1).astype(np.float64)
    return np.nan_to_num(divide(np.nansum(iou_K, axis=-1), num_defined))


def agreement_of_label_maps(
    generated_HW: LabelMap,
    reference_HW: LabelMap,
    num_classes: int,
    uncertain: Uncertain = "ignore",
) -> MaskAgreement:
    """Compare two label maps of one image; the classes asked for are those that occur in either.

    Asking for more would change no score, as a class that is empty in both is left out, unless uncertain is foreground.

    Args:
        generated_HW: labels 0 to K - 1, or 255.
        reference_HW: labels 0 to K - 1, or 255 for pixels that never count.
        num_classes: K, at most 255.
        uncertain: what generated pixels of label 255 are.
    """
    return _agreement_of_pairs(*count_pairs(generated_HW, reference_HW), num_classes, uncertain)


def _agreement_of_pairs(
    generated_P: NDArray[np.int64],
    reference_P: NDArray[np.int64],
    count_P: NDArray[np.int64],
    num_classes: int,
    uncertain: Uncertain,
) -> MaskAgreement:
    if uncertain == "background":
        generated_P = np.where(generated_P == UNCERTAIN, 0, generated_P)
    counted_P = reference_P != UNCERTAIN
    unsure_P = counted_P & (generated_P == UNCERTAIN)
    if uncertain == "ignore":
        counted_P &= ~unsure_P
    sure_P = counted_P & ~unsure_P

    def count(label_P: NDArray[np.int64], chosen_P: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(label_P[chosen_P], count_P[chosen_P], num_classes).astype(np.int64)

    both_K = count(generated_P, sure_P & (generated_P == reference_P))
    generated_K, reference_K = count(generated_P, sure_P), count(reference_P, counted_P)
    if uncertain == "foreground":
        asked_K = np.arange(num_classes) > 0
        asked_K &= generated_K + reference_K > 0
        both_K[asked_K] += count(reference_P, unsure_P)[asked_K]
        generated_K[asked_K] += count_P[unsure_P].sum()
    return MaskAgreement(both_K, generated_K + reference_K - both_K, reference_K, count_P[counted_P].sum())


def agreement_with_masks(
    generated_HW: LabelMap,
    masks: Mapping[int, NDArray[np.bool_]],
    num_classes: int,
    uncertain: Uncertain = "ignore",
) -> MaskAgreement:
    """Compare a label map with one mask a class; masks of different classes may overlap.

    Args:
        generated_HW: labels 0 to K - 1, or 255.
        masks: for each class asked for its reference mask, bool [H, W], the union of its instances; empty where not found.
        num_classes: K.
        uncertain: what generated pixels of label 255 are.
    """
    unsure_HW = generated_HW == UNCERTAIN
    counted_HW = ~unsure_HW if uncertain == "ignore" else np.ones_like(unsure_HW)
    covered_HW = np.zeros_like(unsure_HW)
    count_3K = np.zeros((3, num_classes), np.int64)
    for class_id, mask_HW in masks.items():
        assert 0 < class_id < num_classes, class_id
        assert mask_HW.shape == generated_HW.shape, (mask_HW.shape, generated_HW.shape)
        covered_HW |= mask_HW
        own_HW = generated_HW == class_id
        if uncertain == "foreground":
            own_HW |= unsure_HW
        count_3K[:, class_id] = _compare(own_HW, mask_HW & counted_HW)
    background_HW = generated_HW == 0
    if uncertain == "background":
        background_HW |= unsure_HW
    count_3K[:, 0] = _compare(background_HW, ~covered_HW & counted_HW)
    both_K, either_K, reference_K = count_3K
    return MaskAgreement(both_K, either_K, reference_K, np.asarray(np.count_nonzero(counted_HW)))


def _compare(one_HW: NDArray[np.bool_], other_HW: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Return the pixels of intersection, union and the other mask."""
    both, other = int(np.count_nonzero(one_HW & other_HW)), int(np.count_nonzero(other_HW))
    return both, int(np.count_nonzero(one_HW)) + other - both, other


@dataclass(frozen=True, eq=False, repr=False)
class MaskQualityEvaluation:
    """Agreement of every image; 24 bytes an image and class."""

    image_ids: tuple[str, ...]
    agreement: MaskAgreement
    """Of all images, arrays [I, K] and (I,)."""
    class_names: Sequence[str] | None = None
    uncertain: Uncertain = "ignore"

    @property
    def definition(self) -> str:
        """What the numbers equal."""
        treated = {
            "ignore": "left out",
            "background": "background",
            "foreground": "of every class that the image shows",
        }
        return (
            "mIoU and pooled_IoU: foreground IoU over all images as in OVAM (CVPR 2024); S1 to S4: mean over images of IoU by "
            f"class, pooled, with background, and foreground against background; uncertain pixels are {treated[self.uncertain]}"
        )

    @cached_property
    def scores(self) -> dict[str, NDArray[np.float64]]:
        """S1 to S4 of each image, float64 (I,)."""
        return self.agreement.scores()

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return `mIoU`, `pooled_IoU` and the mean of each score, in [0, 1]."""
        both_K = pool_images(self.agreement.intersection_K, weight_I)[1:]
        either_K = pool_images(self.agreement.union_K, weight_I)[1:]
        weights = np.ones(len(self.image_ids)) if weight_I is None else weight_I
        total = weights.sum()
        pooled: dict[str, float | None] = {
            "mIoU": mean_defined(divide(both_K, either_K)),
            "pooled_IoU": float(both_K.sum() / either_K.sum()) if either_K.any() else None,
        }
        return pooled | {name: float(weights @ of_I / total) if total else None for name, of_I in self.scores.items()}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return IoU over all images and pixel counts of each foreground class."""
        both_K, either_K, reference_K = (
            count_IK.sum(axis=0)
            for count_IK in (self.agreement.intersection_K, self.agreement.union_K, self.agreement.reference_K)
        )
        images_K = (self.agreement.union_K > 0).sum(axis=0)
        iou_K = divide(both_K, either_K)
        return [
            {
                "class": index,
                "name": str(index) if self.class_names is None else self.class_names[index],
                "IoU": none_if_nan(iou_K[index]),
                "intersection_px": int(both_K[index]),
                "union_px": int(either_K[index]),
                "reference_px": int(reference_K[index]),
                "num_images": int(images_K[index]),
            }
            for index in range(1, len(both_K))
        ]

    def notes(self) -> list[str]:
        """Say over which classes mIoU is the mean, and warn if the generated masks seem to be of 0 and 255."""
        generated_K = (self.agreement.intersection_K + self.agreement.union_K - self.agreement.reference_K).sum(axis=0)
        union_K = self.agreement.union_K.sum(axis=0)
        names = [row["name"] for row in self.per_class()]
        nowhere = [str(name) for name, px in zip(names, union_K[1:].tolist(), strict=True) if not px]
        mean = mean_note("mIoU", len(names), {NO_PIXEL: nowhere})
        return [mean] if generated_K[1:].any() else [_no_class("no generated mask", len(generated_K)), mean]


def _no_class(who: str, num_classes: int) -> str:
    return (
        f"{who} shows any class from 1 to {num_classes - 1}; masks of 0 and 255 need 1 for the object, as {UNCERTAIN} means "
        "uncertain"
    )


def evaluate_mask_quality(
    generated: AnyPath,
    reference: AnyPath,
    num_classes: int,
    *,
    class_names: Sequence[str] | None = None,
    uncertain: Uncertain = "ignore",
    num_processes: int = 1,
    progress: Progress | None = None,
) -> MaskQualityEvaluation:
    """Compare a folder of generated label maps with reference ones, drawn by hand or by SAM.

    Args:
        generated: folder of label maps, gray or palette PNG: 0 background, classes 1 to K - 1, 255 uncertain.
        reference: folder with a PNG of the same name and size for each, 255 for pixels that never count.
        num_classes: K, background included, 2 to 255.
        class_names: name of each label from 0, for the table of classes.
        uncertain: what generated pixels of label 255 are.
        num_processes: how many processes decode and count.
        progress: told (images done, images in all).

    Raises:
        InputError: a file is missing, faulty or of another size, a label is no class, or no reference shows any class.
    """
    generated, reference = as_path(generated), as_path(reference)
    if not 2 <= num_classes <= UNCERTAIN:
        raise InputError(f"{num_classes} classes cannot be: with background there are 2 to {UNCERTAIN}")
    if class_names is not None and len(class_names) != num_classes:
        raise InputError(f"there are {len(class_names)} class names for {num_classes} classes; name every label from 0")
    pairs = pair_by_name(reference, generated, may_be_listed=False)
    work = partial(compare_files, num_classes=num_classes, uncertain=uncertain)
    found = _stack(map_images(work, pairs, num_processes, progress))
    if not found.reference_K[:, 1:].any():
        raise InputError(_no_class(f"no pixel in {reference} that is certain in {generated} too", num_classes))
    return MaskQualityEvaluation(tuple(pair.name for pair in pairs), found, class_names, uncertain)


def compare_files(pair: PngPair, num_classes: int, uncertain: Uncertain) -> MaskAgreement:
    """Compare the two label maps of one image; the prediction is the generated one."""
    reference_HW, generated_HW = read_labels(pair.ground_truth), read_labels(pair.prediction)
    check_same_size(reference_HW, generated_HW, pair.prediction)
    pairs = count_pairs(generated_HW, reference_HW)
    for path, label_HW, label_P in (
        (pair.ground_truth, reference_HW, pairs.second_P),
        (pair.prediction, generated_HW, pairs.first_P),
    ):
        _check_labels(path, label_HW, label_P, num_classes)
    return _agreement_of_pairs(*pairs, num_classes, uncertain)


def _check_labels(path: Path, label_HW: NDArray[Any], label_P: NDArray[np.int64], num_classes: int) -> None:
    faulty_P = (label_P >= num_classes) & (label_P != UNCERTAIN)
    if faulty_P.any():
        where = where_label_is(label_HW, int(label_P[faulty_P][0]))
        white = white_of_a_mask(label_P)
        if white is not None:
            raise InputError(f"{path} has {where}; {MASK_ADVICE.format(white=white)}")
        raise InputError(
            f"{path} has {where}; labels are 0 to {num_classes - 1}, and {UNCERTAIN} for uncertain; correct the file or the "
            "number of classes"
        )


def _stack(found: Sequence[MaskAgreement]) -> MaskAgreement:
    return MaskAgreement(
        intersection_K=np.stack([one.intersection_K for one in found]),
        union_K=np.stack([one.union_K for one in found]),
        reference_K=np.stack([one.reference_K for one in found]),
        num_pixels=np.stack([one.num_pixels for one in found]),
    )

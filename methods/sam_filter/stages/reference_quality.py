"""Stage ``sam_filter_reference_quality``: mIoU of a variant's masks against reference masks (section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from methods.common.errors import InputError
from methods.common.metrics.label_maps.mask_quality import Uncertain
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


class ReferenceQualityConfig(Config):
    """What is compared."""

    variant: str = "s32_c16"
    """Whose masks: a folder below ``masks`` of the pairs."""
    max_images: int = Field(default=1000, ge=1)
    """The first so many images whose every named class was found. [P] 1000"""
    uncertain: Uncertain = "ignore"
    """What generated pixels of label 255 are: left out, background, or of every class that occurs."""


def reference_label_map(masks: Mapping[str, NDArray[np.bool_]], class_names: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return the labels that masks of named classes make; pixels that several claim are 255, which never counts.

    Source: our choice [? D63].
    """
    import numpy as np

    stacked_CHW = np.stack(list(masks.values()))
    label_HW = np.zeros(stacked_CHW.shape[1:], np.uint8)
    for name, mask_HW in masks.items():
        label_HW[mask_HW] = class_names.index(name)
    label_HW[stacked_CHW.sum(axis=0) > 1] = 255
    return label_HW


def reference_quality(inputs: Inputs, config: ReferenceQualityConfig, context: Context) -> Record:
    """Return the mIoU in percent over all pixels of all images, with background as a class and without.

    Roles: ``pairs`` (cells of generated pairs) and ``reference`` (what was found in each, in the same order).

    Raises:
        InputError: files are missing or faulty, or no image has all its classes.
    """
    import numpy as np

    from methods.common.datasets.png_labels import check_same_size
    from methods.common.generated.pair_reader import NamedMaskFiles, list_pairs
    from methods.common.metrics.label_maps.confusion import divide, mean_defined, none_if_nan
    from methods.common.metrics.label_maps.mask_quality import agreement_of_label_maps

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    reference = NamedMaskFiles(pairs, inputs.folders("reference"))
    both_K, either_K = np.zeros((2, len(class_names)), np.int64)
    num_rated = num_skipped = 0
    for number, pair in enumerate(pairs):
        if num_rated == config.max_images:
            break
        context.progress(number + 1, len(pairs), "images")
        masks = reference.masks(number)
        if not masks or not all(mask_HW.any() for mask_HW in masks.values()):
            num_skipped += 1
            continue
        label_HW = pair.read_labels(config.variant, len(class_names))
        reference_HW = reference_label_map(masks, class_names)
        check_same_size(reference_HW, label_HW, pair.labels_path(config.variant))
        agreement = agreement_of_label_maps(label_HW, reference_HW, len(class_names), config.uncertain)
        both_K += agreement.intersection_K
        either_K += agreement.union_K
        num_rated += 1
    if not num_rated:
        raise InputError(
            f"in none of {len(pairs)} pictures every named class was found, so masks {config.variant!r} cannot be rated; "
            "take another prompter as reference"
        )
    iou_K = 100.0 * divide(both_K.astype(np.float64), either_K.astype(np.float64))
    return {
        "miou": mean_defined(iou_K),
        "miou_foreground": mean_defined(iou_K[1:]),
        "iou": {name: none_if_nan(value) for name, value in zip(class_names, iou_K, strict=True)},
        "num_images": num_rated,
        "num_skipped": num_skipped,
    }


REFERENCE_QUALITY: Stage[ReferenceQualityConfig] = Stage(
    "sam_filter_reference_quality", 1, ReferenceQualityConfig, reference_quality, (), kind="evaluate"
)

"""Stage ``robust_rate_masks``: how good generated masks are, and whether trusted pixels are the right ones (section 9.4).

Shape legend: H, W pixels, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.diffumask_robust.label_files import ListedLabels


class RateMasksConfig(Config):
    """How many pictures are rated."""

    max_images: int | None = Field(default=None, ge=1)
    """The first so many; None for all."""
    kept_only: bool = False
    """Whether pictures that the labels drop are left out: what a training sees, not how good all masks are."""


def rate_masks(inputs: Inputs, config: RateMasksConfig, context: Context) -> Record:
    """Compare label maps with reference label maps of the same pictures.

    Roles: ``pairs``, ``labels`` and ``reference`` (the labels that a cut-out network makes), all shards of each. Pictures in which the
    reference finds nothing are left out; those that the labels drop only where the config says so.

    Returns:
        percent: ``miou`` (mean of IoU over foreground classes, each pooled over all pictures, OVAM's protocol), ``pooled_iou``, ``iou`` by
        class, ``miou_background`` (mean with background as a class), ``right`` (share of rated pixels whose label is the reference's),
        ``right_trusted`` and ``right_distrusted`` (of these pixels alone); and ``num_images``.

    Raises:
        InputError: files are missing or of different pictures or sizes, or no picture can be rated.
    """
    import numpy as np

    from methods.common.generated.pair_reader import list_pairs
    from methods.common.metrics.label_maps.confusion import divide, mean_defined, none_if_nan
    from methods.diffumask_robust.label_files import list_labels

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    rated = list_labels(pairs, inputs.folders("labels"))[: config.max_images]
    reference = list_labels(pairs, inputs.folders("reference"))[: config.max_images]
    tally = _Tally(len(class_names))
    for number, (one, other) in enumerate(zip(rated, reference, strict=True)):
        if not other.dropped and not (config.kept_only and one.dropped):
            tally.add(one, other)
        context.progress(number + 1, len(rated), "images")
    if not tally.num_images:
        raise InputError(
            f"in none of {len(rated)} pictures the reference finds anything; take another cut-out network, or masks that keep some"
        )
    both_K, either_K = tally.intersection_K.astype(np.float64), tally.union_K.astype(np.float64)
    iou_K = 100.0 * divide(both_K, either_K)
    return {
        "miou": mean_defined(iou_K[1:]),
        "pooled_iou": float(100.0 * both_K[1:].sum() / either_K[1:].sum()) if either_K[1:].any() else None,
        "miou_background": mean_defined(iou_K),
        "iou": {name: none_if_nan(value) for name, value in zip(class_names, iou_K, strict=True)},
        **tally.shares(),
        "num_images": tally.num_images,
    }


@dataclass
class _Tally:
    """Pixels of all pictures."""

    num_classes: int
    num_images: int = 0
    intersection_K: Any = 0
    union_K: Any = 0
    right: list[int] = field(default_factory=lambda: [0, 0])
    """Pixels with the reference's label: distrusted, trusted."""
    all: list[int] = field(default_factory=lambda: [0, 0])
    """All rated pixels: distrusted, trusted."""

    def add(self, one: ListedLabels, other: ListedLabels) -> None:
        from methods.common.datasets.labelled_images import IGNORED
        from methods.common.datasets.png_labels import check_same_size, read_labels
        from methods.common.metrics.label_maps.mask_quality import agreement_of_label_maps
        from methods.diffumask_robust.label_files import read_trusted

        label_HW, reference_HW = read_labels(one.labels), read_labels(other.labels)
        check_same_size(reference_HW, label_HW, one.labels)
        agreement = agreement_of_label_maps(label_HW, reference_HW, self.num_classes)
        self.intersection_K = self.intersection_K + agreement.intersection_K
        self.union_K = self.union_K + agreement.union_K
        trusted_HW = read_trusted(one.trusted)
        rated_HW: NDArray[np.bool_] = (label_HW != IGNORED) & (reference_HW != IGNORED)
        for place, chosen_HW in enumerate((rated_HW & ~trusted_HW, rated_HW & trusted_HW)):
            self.right[place] += int((label_HW == reference_HW)[chosen_HW].sum())
            self.all[place] += int(chosen_HW.sum())
        self.num_images += 1

    def shares(self) -> dict[str, float | None]:
        """Return percent right of all, of trusted and of distrusted pixels; None where there are none."""
        counts = {
            "right": (sum(self.right), sum(self.all)),
            "right_trusted": (self.right[1], self.all[1]),
            "right_distrusted": (self.right[0], self.all[0]),
        }
        return {name: 100.0 * right / total if total else None for name, (right, total) in counts.items()}


RATE_MASKS: Stage[RateMasksConfig] = Stage("robust_rate_masks", 1, RateMasksConfig, rate_masks, kind="evaluate")

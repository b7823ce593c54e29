"""Of the images of each mask, keep the more the harder the mask is.

Shape legend: H, W pixels; K classes; S side of a resized mask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED
from methods.common.generated.pair_reader import ListedPair
from methods.common.seeds import Seeds


class Mask(NamedTuple):
    """A mask and the pairs whose images were painted onto it."""

    hardness: float
    pairs: tuple[str, ...]
    """Their ids."""


class Kept(NamedTuple):
    """A mask and those of its pairs that are kept."""

    mask: Mask
    kept: tuple[str, ...]


def hardness_of(label_HW: NDArray[np.uint8], mean_K: NDArray[np.float64], size_px: int) -> float:
    """Return the mean of the class losses over the labelled pixels of a mask, so that areas weigh classes; 0 without any.

    Args:
        label_HW: labels below K, and 255.
        mean_K: mean loss of each class, infinite where it is not known; such pixels are left out.
        size_px: the mask is resized to this square by nearest neighbour.
    Source: section 9, step 2 [code].
    """
    import cv2

    label_SS = cv2.resize(label_HW, (size_px, size_px), interpolation=cv2.INTER_NEAREST_EXACT)
    loss = mean_K[label_SS[label_SS != IGNORED]]
    loss = loss[np.isfinite(loss)]
    return float(loss.mean()) if len(loss) else 0.0


def groups_by_mask(pairs: Sequence[ListedPair], variant: str, mean_K: NDArray[np.float64], size_px: int) -> list[Mask]:
    """Put pairs with the same label map together, in the order of the first of each.

    Args:
        pairs: of any generator.
        variant: whose masks.
        mean_K: mean loss of each class.
        size_px: see :func:`hardness_of`.

    Raises:
        InputError: a mask is missing or faulty.
    """
    members: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    hardness: dict[tuple[str, tuple[int, ...]], float] = {}
    for pair in pairs:
        label_HW = pair.read_labels(variant, len(mean_K))
        key = hashlib.sha256(np.ascontiguousarray(label_HW).tobytes()).hexdigest(), label_HW.shape
        if key not in members:
            hardness[key] = hardness_of(label_HW, mean_K, size_px)
        members.setdefault(key, []).append(pair.id)
    return [Mask(hardness[key], tuple(names)) for key, names in members.items()]


def num_kept(rank: int, num_masks: int, num_images: int) -> int:
    """Return how many of its images the mask at a rank keeps: the easiest 1, the hardest all.

    Args:
        rank: from 1, easy to hard.
        num_masks: N.
        num_images: n, of this mask.
    Returns:
        min(1 + round(n * rank / N), n), halves rounded to even.
    Source: section 9, step 2 [code], where n is 20 for ADE20K; COCO's has 6.
    """
    return min(1 + round(num_images * rank / num_masks), num_images)


def keep_by_hardness(masks: Sequence[Mask], seeds: Seeds) -> list[Kept]:
    """Sort masks from easy to hard, and draw the images that each keeps, without replacement.

    Args:
        masks: equally hard ones stay in their order.
        seeds: the generation seed draws, for each mask by its first pair.
    Source: section 9, step 2 [code].
    """
    kept = []
    for rank, mask in enumerate(sorted(masks, key=lambda one: one.hardness), start=1):
        count = num_kept(rank, len(masks), len(mask.pairs))
        rng = seeds.numpy("generation", "freemask", mask.pairs[0])
        drawn = sorted(rng.choice(len(mask.pairs), count, replace=False).tolist())
        kept.append(Kept(mask, tuple(mask.pairs[place] for place in drawn)))
    return kept

"""Noise learning: masks that networks trained on other images disagree with are pruned, class by class (section 10.5).

Shape legend: I images; H, W pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.labelled_images import IGNORED
from methods.common.seeds import derive_seed


def assign_folds(ids: Sequence[str], class_names: Sequence[str], num_folds: int) -> list[int]:
    """Return the fold of each image: those of a class are dealt out in an order that depends on their ids alone.

    Args:
        ids: of the images, each once.
        class_names: class of each.
        num_folds: at least 2.

    Raises:
        ValueError: fewer than two folds.
    Source: the number and the way are our choice [C D34].
    """
    if num_folds < 2:
        raise ValueError(f"num_folds is {num_folds}; cross validation needs 2 or more")
    of_class: dict[str, list[int]] = defaultdict(list)
    for index in sorted(range(len(ids)), key=lambda index: (derive_seed("fold", ids[index]), ids[index])):
        of_class[class_names[index]].append(index)
    folds = [0] * len(ids)
    for indices in of_class.values():
        for place, index in enumerate(indices):
            folds[index] = place % num_folds
    return folds


def class_iou(predicted_HW: NDArray[np.integer], label_HW: NDArray[np.integer], class_id: int) -> float:
    """Return the IoU of one class; pixels labelled 255 do not count, and 0 where neither map has the class.

    Source: section 10.5 [code].
    """
    rated_HW = label_HW != IGNORED
    one_HW, other_HW = (predicted_HW == class_id) & rated_HW, label_HW == class_id
    union = int((one_HW | other_HW).sum())
    return float((one_HW & other_HW).sum()) / union if union else 0.0


def number_kept(num_images: int, pruned_share: float) -> int:
    """Return how many of the images of a class stay: ``int(n (1 - t))`` for t as it is written.

    Binary fractions would keep one image too few, such as none of 10 at t = 0.9 [C D35].

    Raises:
        ValueError: the share is not in [0, 1].
    Source: section 10.5 [code].
    """
    if not 0 <= pruned_share <= 1:
        raise ValueError(f"pruned_share is {pruned_share}; give one in [0, 1]")
    return int(num_images * (1 - Decimal(str(pruned_share))))


def keep_best_of_each_class(
    ids: Sequence[str], class_names: Sequence[str], iou_I: Sequence[float], pruned_share: float
) -> set[str]:
    """Return the ids of the images of each class whose masks agree best; equal ones by id.

    Args:
        ids: of the images, each once.
        class_names: class of each.
        iou_I: of its mask and a prediction by a network that has not seen it.
        pruned_share: t, the share of each class that goes.
    Source: section 10.5 [code].
    """
    of_class: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for name, class_name, iou in zip(ids, class_names, iou_I, strict=True):
        of_class[class_name].append((-iou, name))
    kept: set[str] = set()
    for ranked in of_class.values():
        kept.update(name for _, name in sorted(ranked)[: number_kept(len(ranked), pruned_share)])
    return kept

"""Class-wise budget: how many objects each class gets in a round (section 3.3).

Shape legend: C classes, D width of the classifier's features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.growth import Added
from methods.common.stage import Config
from methods.mrca.accuracy import AS_PRINTED, ShrinkageConfig, group_mean_accuracy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class BudgetConfig(Config):
    """Which budget formula is used; the defaults are the poster's, the others are what the released code does."""

    accuracy_term: Literal["one_minus_ap", "ap"] = "one_minus_ap"
    """``one_minus_ap``: weight falls with accuracy [P]. ``ap``: weight rises with it, as in the released code [R]."""
    count_mode: Literal["real_plus_synthetic", "real"] = "real_plus_synthetic"
    """Whether accepted synthetic objects count as training instances of their class [C D6], or real ones only [R]."""
    early_rounds: Literal["uniform", "inverse_count", "fill_up"] = "uniform"
    """Rounds without feedback: B / C each [P]; in proportion to 1 / S, the released code's default [R]; or so that the smallest classes
    become equally large, as one-shot feedback fills classes up [B]."""
    weight_change_rows: Literal["aligned", "shifted"] = "aligned"
    """``aligned``: row c belongs to class c. ``shifted``: row c + 1, the released code's off-by-one [R]."""
    shrinkage: Annotated[ShrinkageConfig, Added(neutral=AS_PRINTED)] = ShrinkageConfig()
    """How far the accuracy of a class with few feedback objects is believed. [C D62]"""
    steering: Annotated[Literal["feedback", "inverse_count"], Added(neutral="feedback")] = "feedback"
    """Of rounds with feedback: ``feedback``, the whole formula [P], or ``inverse_count``, its 1 / S alone, a control [C D74]."""


def apportion(weight_C: Floats, total: int) -> Ints:
    """Share ``total`` indivisible units in proportion to weights, by largest remainder.

    Args:
        weight_C: weights; negative and non-finite ones count as 0.
        total: number of units, >= 0.

    Returns:
        int64 (C,) whose sum is exactly ``total``. Equal remainders go to the lower class index first. If no weight is
        positive, the shares are equal.

    Source: floor and largest remainder [R]; the equal fall-back [C D34].
    """
    assert total >= 0, f"a budget of {total} objects"
    assert weight_C.ndim == 1, f"weights of shape {weight_C.shape}, one axis of classes expected"
    assert len(weight_C) > 0, "no class to share a budget among"
    usable_C = np.where(np.isfinite(weight_C) & (weight_C > 0), weight_C, 0.0)
    if not usable_C.any():
        usable_C = np.ones(len(weight_C))
    usable_C = usable_C / usable_C.max()  # so that neither huge nor tiny weights leave the range of floats
    share_C = total * usable_C / usable_C.sum()
    units_C: Ints = np.floor(share_C).astype(np.int64)
    left_over = total - int(units_C.sum())
    # Rounded remainders, so that 1/3 computed in two ways stays a tie.
    by_remainder_C = np.argsort(-np.round(share_C - units_C, 9), kind="stable")
    units_C[by_remainder_C[:left_over]] += 1
    return units_C


def uniform_budget(total: int, num_classes: int) -> Ints:
    """Share a round's budget equally, B / C each [P].

    If ``total`` is no multiple of ``num_classes``, the classes with the lowest indices get one object more.
    """
    return apportion(np.ones(num_classes), total)


def inverse_count_budget(total: int, count_C: Ints) -> Ints:
    """Share a round's budget in proportion to 1 / S, what the released code does in rounds without feedback [R]."""
    return apportion(1.0 / np.maximum(count_C, 1), total)


def fill_up_budget(total: int, count_C: Ints) -> Ints:
    """Share a budget so that the smallest classes rise to one level: every object goes to a class that has the fewest.

    Of equally small classes the one with the lowest index comes first. Source: section 5.5 [B], where the level is 1300 images of each class;
    ours is what the budget reaches [C D75].
    """
    level_low, level_high = int(count_C.min()), int(count_C.max()) + total
    while level_low < level_high:  # the highest level that the budget fills completely
        level = (level_low + level_high + 1) // 2
        if int(np.maximum(level - count_C, 0).sum()) <= total:
            level_low = level
        else:
            level_high = level - 1
    units_C: Ints = np.maximum(level_low - count_C, 0).astype(np.int64)
    lowest = np.flatnonzero(count_C + units_C == level_low)
    units_C[lowest[: total - int(units_C.sum())]] += 1
    return units_C


def fill_undefined_accuracy(ap_C: Floats, frequency_C: Sequence[str]) -> Floats:
    """Give classes without a defined AP the mean of the defined ones in their frequency group.

    Args:
        ap_C: per-class AP in [0, 1], NaN where undefined (no ground truth in the feedback split).
        frequency_C: group of each class, ``r``, ``c`` or ``f``.

    Returns:
        float64 (C,) without NaN. A group without any defined AP gets the mean over all defined classes, and 0 if
        there is none at all.

    Source: [C D33]; dropping such a class would drop its budget too.
    """
    known_C = np.array(ap_C, dtype=np.float64)
    return np.where(np.isfinite(known_C), known_C, group_mean_accuracy(known_C, frequency_C))


def classifier_change(
    weight_now_KD: NDArray[np.floating],
    weight_before_KD: NDArray[np.floating],
    num_classes: int,
    rows: Literal["aligned", "shifted"] = "aligned",
) -> Floats:
    """Measure how much each class' row of the last classifier moved between two rounds.

    Args:
        weight_now_KD: the last cascade stage's classifier weight after round s (EMA copy), [C + 1, D].
        weight_before_KD: the same after round s - 1.
        num_classes: C; the background row is left out.
        rows: ``shifted`` reads row c + 1 for class c, as the released code does.

    Returns:
        float64 (C,), the L2 norm of the difference row by row. Source: section 3.3 [P][R].
    """
    assert weight_now_KD.shape == weight_before_KD.shape, "classifier weights of two different models"
    assert len(weight_now_KD) == num_classes + 1, f"{len(weight_now_KD)} rows for {num_classes} classes and background"
    change_K = np.linalg.norm(weight_now_KD.astype(np.float64) - weight_before_KD.astype(np.float64), axis=1)
    first = 1 if rows == "shifted" else 0
    return np.asarray(change_K[first : first + num_classes])


def training_counts(real_C: Ints, synthetic_C: Ints, mode: Literal["real_plus_synthetic", "real"]) -> Ints:
    """Return S: training instances of each class, with or without the synthetic objects accepted so far."""
    return real_C + synthetic_C if mode == "real_plus_synthetic" else real_C.copy()


def budget_weights(ap_C: Floats, change_C: Floats, count_C: Ints, config: BudgetConfig) -> Floats:
    """Compute w(c) = (1 - A(c)) * ||W_s(c) - W_{s-1}(c)|| / S(c).

    Args:
        ap_C: per-class mask AP in [0, 1], without NaN (see :func:`fill_undefined_accuracy`).
        change_C: movement of the classifier's rows, >= 0.
        count_C: training instances S; a class without any counts as one.
        config: which accuracy term to use.

    Returns:
        float64 (C,), >= 0, not normalised.

    Raises:
        ValueError: an AP outside [0, 1], most likely in percent.

    Source: section 3.3 [P].
    """
    if np.nanmin(ap_C) < 0 or np.nanmax(ap_C) > 1:
        raise ValueError(f"AP from {np.nanmin(ap_C)} to {np.nanmax(ap_C)} is not in [0, 1]; divide percent by 100")
    accuracy_C = 1.0 - ap_C if config.accuracy_term == "one_minus_ap" else ap_C
    return np.asarray(accuracy_C * change_C / np.maximum(count_C, 1), dtype=np.float64)


def class_budget(total: int, ap_C: Floats, change_C: Floats, count_C: Ints, config: BudgetConfig) -> Ints:
    """Share the budget of one round by the current model's state.

    The arguments are those of :func:`budget_weights`; all weights zero or not finite gives the uniform budget [C D34].
    ``config.steering`` may leave all but the counts out.

    Returns:
        int64 (C,), objects to generate for each class, sum exactly ``total``.
    """
    if config.steering == "inverse_count":
        return inverse_count_budget(total, count_C)
    return apportion(budget_weights(ap_C, change_C, count_C, config), total)


def early_budget(total: int, real_C: Ints, config: BudgetConfig) -> Ints:
    """Share the budget of a round that has no feedback yet (rounds 1 and 2 with lag 2)."""
    if config.early_rounds == "inverse_count":
        return inverse_count_budget(total, real_C)
    if config.early_rounds == "fill_up":
        return fill_up_budget(total, real_C)
    return uniform_budget(total, len(real_C))

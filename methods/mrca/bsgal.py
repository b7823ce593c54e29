"""BSGAL: a pasted batch is trained on only if it should lower the loss on trusted real images (section 5.3).

    score_t  =  cos(h_t, g_P)          h_t = m h_{t-1} + (1 - m) g_U          accept if score_t >= threshold

g_U is the gradient of the classification loss on a trusted batch, g_P that of the pasted objects. A step along -g_P changes the
trusted loss by -lr <g_U, g_P> to first order; one trusted batch is noisy, so its gradient is cached over steps.

What the cache takes: one float32 for each parameter for as long as the training lasts (296 MiB for the 77.7 M of CenterNet2 with
ResNet-50), in checkpoints too, and twice that beside it while a batch is judged (g_U and g_P).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from methods.common.stage import Config


class FixedThreshold(Config):
    """The same threshold at every step: the released setting for ResNet-50."""

    kind: Literal["fixed"] = "fixed"
    """Which rule this is."""
    value: float = -0.05
    """Smallest score that is accepted. [B]"""


class RunningThreshold(Config):
    """The threshold that would have accepted a wanted share of the last scores: BSGAL's dynamic threshold."""

    kind: Literal["running"] = "running"
    """Which rule this is."""
    window: int = Field(default=1000, ge=1)
    """So many of the last scores are looked at. [B]"""
    first_rate: float = Field(default=0.5, ge=0, le=1)
    """Share to accept at the first step ... [C D16]"""
    last_rate: float = Field(default=0.5, ge=0, le=1)
    """... and at the last one, linear between them: equal for a fixed rate, larger for a growing one. [B] has both, [C D16] 0.5."""


Threshold = Annotated[FixedThreshold | RunningThreshold, Field(discriminator="kind")]


class BsgalConfig(Config):
    """How pasted batches are judged."""

    comparison: Literal["cosine", "trial_step"] = "cosine"
    """``cosine``: of the cached trusted gradient and that of the pasted objects. ``trial_step``: how much a step against the latter
    alone, at the iteration's learning rate, lowers the loss of this trusted batch; exact, slower, and without a cache. [B]"""
    cache_momentum: float = Field(default=0.1, ge=0, lt=1)
    """m, what the cache keeps of itself at each step. [B]"""
    threshold: Threshold = FixedThreshold()
    """From which score on a batch is accepted."""


def threshold_at(scores: Sequence[float], progress: float, rule: FixedThreshold | RunningThreshold) -> float:
    """Return the smallest score that is accepted next.

    Args:
        scores: finite ones of all steps so far, in their order.
        progress: share of the training that is done, in [0, 1].
        rule: how the threshold is set.

    Returns:
        For a running threshold and an acceptance rate r, the (1 - r)-quantile of the last scores, and minus infinity before
        there are any [C D70].

    Source: section 5.3, step 5 and variants [B].
    """
    if isinstance(rule, FixedThreshold):
        return rule.value
    if not scores:
        return -np.inf
    rate = rule.first_rate + (rule.last_rate - rule.first_rate) * progress
    return float(np.quantile(np.asarray(scores[-rule.window :], np.float64), 1.0 - rate))


def acceptance_record(accepted: Sequence[int], num_parts: int = 10) -> dict[str, object]:
    """Say which share of the batches was accepted, in all and over the training.

    Args:
        accepted: for each step 1 if its batch was accepted, 0 if not, -1 if it had no pasted object and was not judged.
        num_parts: the training is cut into so many parts of equal length.

    Returns:
        ``judged``, ``rate``, and ``rate_by_part``; a rate is None where no batch was judged.
    """
    parts = np.array_split(np.asarray(accepted, np.int64), num_parts)
    judged = [part[part >= 0] for part in parts]
    total = np.concatenate(judged)
    return {
        "judged": len(total),
        "rate": float(total.mean()) if len(total) else None,
        "rate_by_part": [float(part.mean()) if len(part) else None for part in judged],
    }

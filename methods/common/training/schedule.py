"""Learning rate as a pure function of the iteration."""

from __future__ import annotations

import math


def warmup_cosine(
    iteration: int, base_lr: float, total_iterations: int, warmup_iterations: int = 0, warmup_factor: float = 1e-4
) -> float:
    """Return the learning rate of one iteration: linear warm-up, then cosine to 0.

    Args:
        iteration: counted from 0.
        base_lr: rate that the cosine starts from.
        total_iterations: iteration at which the cosine reaches 0; it stays there.
        warmup_iterations: the rate rises linearly from ``warmup_factor * base_lr`` to the cosine's value at this iteration.
        warmup_factor: in [0, 1].
    Source: MRCA section 6.5 [R][D].
    """
    if iteration < warmup_iterations:
        start = base_lr * warmup_factor
        share = iteration / warmup_iterations
        return start + share * (_cosine(warmup_iterations, base_lr, total_iterations) - start)
    return _cosine(iteration, base_lr, total_iterations)


def _cosine(iteration: int, base_lr: float, total_iterations: int) -> float:
    progress = min(1.0, iteration / total_iterations)
    return base_lr * 0.5 * (1.0 + math.cos(math.pi * progress))

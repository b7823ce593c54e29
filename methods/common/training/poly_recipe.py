"""Recipe of semantic segmenters: AdamW with polynomial decay. Holds no torch until an optimiser is built.

Marks are those of docs/papers/sam_filter.md.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from methods.common.training.grouped_recipe import GroupedRecipe


def polynomial_decay(
    iteration: int, base_lr: float, iterations: int, power: float, warmup_iterations: int = 0
) -> float:
    """Return the learning rate of an iteration: base_lr (1 - i / n)^power, times (i + 1) / (w + 1) during the warm-up.

    Args:
        iteration: counted from 0.
        base_lr: rate at the start.
        iterations: iteration at which the rate reaches 0.
        power: of the decay; 1 is linear.
        warmup_iterations: first iterations, in which the rate also rises linearly [C SAM filter D56].
    Source: SAM filter section 8 [MM].
    """
    warm = min(1.0, (iteration + 1) / (warmup_iterations + 1))
    return float(base_lr * warm * max(0.0, 1.0 - iteration / iterations) ** power)


class PolyRecipe(GroupedRecipe):
    """How a semantic segmenter is trained. Defaults are those of Mask2Former-R50 on ADE20K (SAM filter section 8)."""

    power: Annotated[float, Field(gt=0)] = 0.9
    """Of the polynomial decay. [MM]"""

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration counted from 0, without the backbone's factor."""
        return polynomial_decay(iteration, self.base_lr, self.iterations, self.power, self.warmup_iterations)

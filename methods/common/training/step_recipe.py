"""Recipe whose learning rate falls in steps. Holds no torch until an optimiser is built."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.training.grouped_recipe import GroupedRecipe


class StepRecipe(GroupedRecipe):
    """How FastInst is trained on COCO: the rate is constant, and falls to a tenth twice near the end.

    Defaults are those of the release (InstSynth section 7.4 [FI]).
    """

    iterations: Annotated[int, Field(ge=1)] = 368_750
    """Length of the training in optimiser steps. [FI]"""
    drops: tuple[Annotated[int, Field(ge=1)], ...] = (327_778, 355_092)
    """Iterations from which on the rate is a tenth of what it was. [FI]"""
    undecayed: tuple[str, ...] = ("auxiliary_query", "auxiliary_position")
    """Parts of names; parameters whose name has a part that starts with one of them are not decayed, like those of norms. [FI]
    the learned queries; the position grid is no embedding there and decays."""
    max_gradient_norm: Annotated[float, Field(gt=0)] | None = None
    """All gradients together are scaled down to this norm; None does not clip. [FI] none."""
    autocast: Literal["none", "float16", "bfloat16"] = "float16"
    """Precision of the network on CUDA; float16 is trained with loss scaling. On the CPU it stays float32. [FI] float16."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.drops)):
            raise ValueError(f"drops is {self.drops}; give rising iterations")
        return self

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration counted from 0, without the backbone's factor."""
        warm = min(1.0, (iteration + 1) / (self.warmup_iterations + 1))
        return self.base_lr * warm * 0.1 ** sum(iteration >= drop for drop in self.drops)

"""BSGAL's gate between making a batch and the step: it hands on the pasted batch, or the same images without pasting (section 5.3).

The step itself is the one of every training. What the gate remembers is a part of the training's state, so it is saved and goes on with it.

One decision for the whole batch: the processes of a team add up their gradients and decide alike, where each process of the release decides
for its own images [C D68]. So a training means the same on any number of processes, but for scores so near to the threshold that the order
of a sum decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.instance.training_images import Batch
from methods.common.stage import Context
from methods.common.training.batch_norm import RunningStatistics
from methods.common.training.batch_shard import BatchShare
from methods.common.training.recipe import TrainingRecipe
from methods.mrca.bsgal import BsgalConfig, acceptance_record, threshold_at
from methods.mrca.bsgal_gradients import Judge, Judged, cosine, stepped

_MIB = 1 << 20


@dataclass(frozen=True)
class GatedBatch:
    """What one process may train on in one step, and what it judges by."""

    real: Batch
    """X: the images without pasting."""
    pasted: Batch
    """X': the same images with pasted objects."""
    is_pasted: list[Tensor]
    """bool (N,) of each image of X': which of its instances are pasted."""
    trusted: Batch
    """U: as many real images, each with a class that X' has pasted."""


class Gate:
    """Judges pasted batches and remembers how: cached gradient, scores, decisions.

    Args:
        model: in training mode; it is left as it is.
        config: how batches are judged.
        recipe: whose batch size, learning rate and precision hold.
        context: team, device and seeds.
        phase: name of the training, part of every stream of chance.
    """

    def __init__(
        self, model: CenterNet2, config: BsgalConfig, recipe: TrainingRecipe, context: Context, phase: str
    ) -> None:
        self.model, self.config, self.recipe, self.context, self.phase = model, config, recipe, context, phase
        self._parameters = [one for one in model.parameters() if one.requires_grad]
        has_cache = config.comparison == "cosine"
        size = sum(one.numel() for one in self._parameters) if has_cache else 0
        self.cache_P = torch.zeros(size, device=context.device, dtype=self._parameters[0].dtype)
        self.scores: list[float] = []
        self.accepted: list[int] = []
        self._statistics = RunningStatistics(model)

    def choose(self, batch: GatedBatch, iteration: int) -> Batch:
        """Return the batch to train on; collective."""
        team = self.context.team
        if team.sum_number(sum(int(pasted_N.sum()) for pasted_N in batch.is_pasted)) == 0:
            self.accepted.append(-1)
            return batch.pasted
        self._statistics.keep()
        score = team.agree(self._score(batch, iteration))
        self._statistics.restore()
        threshold = threshold_at(self.scores, iteration / self.recipe.iterations, self.config.threshold)
        is_accepted = score >= threshold  # not where the score is not a number
        if math.isfinite(score):
            self.scores.append(score)
        self.accepted.append(int(is_accepted))
        return batch.pasted if is_accepted else batch.real

    def _score(self, batch: GatedBatch, iteration: int) -> float:
        judge = Judge(
            self.model,
            BatchShare.of(self.context.team, self.recipe.batch_size),
            self.context.batch_parts,
            self.recipe.autocast_dtype(self.context.device),
            self._generators(iteration),
        )
        trusted, pasted = self._judged(batch.trusted), self._judged(batch.pasted, batch.is_pasted)
        subset_C = judge.subset(trusted, pasted)
        pasted_P = judge.gradient(pasted, subset_C)
        if self.config.comparison == "trial_step":
            before = judge.loss(trusted, subset_C)
            with stepped(self._parameters, pasted_P, self.recipe.rate_at(iteration)):
                return before - judge.loss(trusted, subset_C)
        trusted_P = judge.gradient(trusted, subset_C)
        if bool(torch.isfinite(trusted_P).all()):
            self.cache_P.lerp_(trusted_P, 1.0 - self.config.cache_momentum)
        return cosine(self.cache_P, pasted_P)

    def _generators(self, iteration: int) -> Callable[[str, int], torch.Generator]:
        seeds, phase = self.context.seeds, self.phase
        return lambda name, number: seeds.torch("training", phase, "gate", iteration, name, number)

    def _judged(self, batch: Batch, is_pasted: list[Tensor] | None = None) -> Judged:
        device = self.context.device
        return Judged(
            batch.image_over(self.context.team, device),
            batch.image_sizes,
            [target.to(device) for target in batch.targets],
            None if is_pasted is None else [pasted_N.to(device) for pasted_N in is_pasted],
        )

    def record(self) -> dict[str, Any]:
        """Say how often batches were accepted, and what the cache takes in memory."""
        size = self.cache_P.numel() * self.cache_P.element_size()
        return {**acceptance_record(self.accepted), "cache_mib": size / _MIB}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next decisions depend on."""
        return {"cache": self.cache_P, "scores": self.scores, "accepted": self.accepted}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.cache_P.copy_(state["cache"])
        self.scores = [float(score) for score in state["scores"]]
        self.accepted = [int(one) for one in state["accepted"]]

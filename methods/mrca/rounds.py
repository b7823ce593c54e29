"""The schedule of rounds: which model steers which round, and what has to be ready when (section 3.2).

Models are numbered as in the paper: ``M_0`` is the warmed-up model, ``M_r`` the one after training round r.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from methods.common.stage import Config


class RoundsConfig(Config):
    """How training is cut into rounds of generation and training."""

    num_rounds: int = Field(default=10, ge=1)
    """R; 10 [R]."""
    objects_per_round: int = Field(default=7218, ge=1)
    """B, generated images a round; 6 a class for LVIS, which makes 72,180 in 10 rounds [C D1]."""
    iterations_per_round: int = Field(default=9000, ge=1)
    """T_round, training iterations a round [R]."""
    feedback_lag: Literal[1, 2] = 2
    """Round r is steered by M_(r - lag). With 2, a round is generated while the round before it trains [P][R]."""


@dataclass(frozen=True)
class Round:
    """One round of the schedule; ``None`` where no model is old enough to give that feedback."""

    number: int
    """r, counted from 1."""
    first_iteration: int
    """First training iteration of the round, counted from 0 over all rounds."""
    last_iteration: int
    """One past the round's last training iteration."""
    guide_model: int | None
    """Number of the model whose entropy guides sampling; None: plain sampling."""
    budget_models: tuple[int, int] | None
    """(s, s - 1): accuracy and counts of s, weight change between the two; None: no feedback, uniform budget."""
    resize_model: int | None
    """Number of the model whose accuracy scales pasted objects; None: every factor is 1."""
    pool_rounds: tuple[int, ...]
    """Rounds whose objects are pasted: all up to this one [R]."""
    counted_rounds: tuple[int, ...]
    """Rounds whose accepted objects count in S_s, those that M_s trained on."""


def plan_round(number: int, config: RoundsConfig) -> Round:
    """Work out one round.

    Round 1 knows no model with lag 2 and is unguided; round 2 is guided by M_0; round r by M_(r-2). With lag 1, which
    forces strict alternation, round 1 is already guided by M_0 (pseudo-code of section 3.9). Budget and resizing
    compare two trained models, so they start when r - lag >= 1: round 3 with lag 2, round 2 with lag 1.

    Args:
        number: r in 1..R.
        config: the schedule.

    Source: sections 3.2, 3.3, 3.7 and 3.9 [P][R].
    """
    assert 1 <= number <= config.num_rounds, f"round {number} of {config.num_rounds}"
    steering = number - config.feedback_lag
    has_feedback = steering >= 1
    return Round(
        number=number,
        first_iteration=(number - 1) * config.iterations_per_round,
        last_iteration=number * config.iterations_per_round,
        guide_model=steering if steering >= 0 else None,
        budget_models=(steering, steering - 1) if has_feedback else None,
        resize_model=steering if has_feedback else None,
        pool_rounds=tuple(range(1, number + 1)),
        counted_rounds=tuple(range(1, steering + 1)),
    )


def plan_rounds(config: RoundsConfig) -> tuple[Round, ...]:
    """Work out every round, in order."""
    return tuple(plan_round(number, config) for number in range(1, config.num_rounds + 1))


def total_iterations(config: RoundsConfig) -> int:
    """Length of the one learning-rate schedule that runs through all rounds [R]; warm-up not included."""
    return config.num_rounds * config.iterations_per_round

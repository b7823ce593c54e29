"""Stage ``mrca_shuffle_budget``: the numbers of a round's budget, dealt to the classes by chance; a control."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

_OF_CLASSES = ("counts", "weights")
"""Entries of a budget's record that are dealt anew; what is known of a class stays with it."""


class ShuffleConfig(Config):
    """Which budget is dealt."""

    round_index: int = Field(default=1, ge=1)
    """Round r; each has a shuffle of its own."""


def shuffle_budget(inputs: Inputs, config: ShuffleConfig, context: Context) -> Record:
    """Give each class the number of objects of another one, so that a round keeps its numbers and loses whom they are for [C D74].

    Roles: ``budget``.
    """
    record: dict[str, Any] = dict(inputs.record("budget"))
    rng = context.seeds.numpy("generation", "shuffled budget", config.round_index)
    order_C = rng.permutation(len(record["counts"]))
    for name in _OF_CLASSES:
        if name in record:
            record[name] = [record[name][int(place)] for place in order_C]
    return record


SHUFFLE_BUDGET = Stage("mrca_shuffle_budget", 1, ShuffleConfig, shuffle_budget, ("generation",))

"""Stage ``mrca_take_as_many``: the part of a large pool that holds as many accepted objects as other pools do."""

from __future__ import annotations

import json
from collections import Counter

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.mrca.stages.generate import GenerateConfig, image_seed


class TakeAsManyConfig(Config):
    """Of which pool a part is taken."""

    images_per_class: int = Field(ge=0)
    """Images that were generated for each class of it."""
    generation: GenerateConfig = GenerateConfig()
    """How they were sampled; it decides their seeds."""


def take_as_many(inputs: Inputs, config: TakeAsManyConfig, context: Context) -> Record:
    """Write the objects of the first images of every class in turn, until there are as many as in the other pools [C D77].

    The record counts the images that had to be generated for that: up to the last one that is taken, of every class. Roles: ``split``,
    ``pool``, ``like`` (the pools whose number is wanted). All objects are taken where there are fewer.
    """
    import numpy as np

    from methods.common.objects.pool import ObjectPool
    from methods.common.objects.shards import write_pool

    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    turn_of = {
        image_seed(context.seeds, config.generation, category["id"], index): index * len(classes) + place
        for place, category in enumerate(classes)
        for index in range(config.images_per_class)
    }
    pool = ObjectPool.open(inputs.folders("pool"))
    wanted = len(ObjectPool.open(inputs.folders("like"), allow_empty=True))
    turn_N = np.array([turn_of[int(seed)] for seed in pool.image_seed], np.int64)
    first_N = np.argsort(turn_N, kind="stable")[:wanted]
    chosen_N = np.zeros(len(pool), np.bool_)
    chosen_N[first_N] = True
    taken = pool.select(chosen_N)
    write_pool(context.out, taken.read_all())
    counts = Counter(taken.category_id.tolist())
    accepted = {str(category_id): count for category_id, count in counts.items()}
    generated = int(turn_N[first_N].max()) + 1 if len(first_N) else 0
    return {"generated": generated, "accepted": accepted}


TAKE_AS_MANY = Stage("mrca_take_as_many", 1, TakeAsManyConfig, take_as_many, ("generation",))

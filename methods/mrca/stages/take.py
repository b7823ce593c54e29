"""Stage ``mrca_take``: the part of a large pool that fewer generated images would have given."""

from __future__ import annotations

import json
from collections import Counter

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.mrca.stages.generate import GenerateConfig, image_seed


class TakeConfig(Config):
    """How much of the pool is taken."""

    images_per_class: int = Field(ge=0)
    """Objects cut from the first so many generated images of each class are taken."""
    generation: GenerateConfig = GenerateConfig()
    """How the pool's images were sampled; it decides their seeds."""


def take(inputs: Inputs, config: TakeConfig, context: Context) -> Record:
    """Write the objects whose image is among the first of its class.

    Because an image's seed depends on its number, not on how many there are, this is the very pool that generating only
    so many images would have given. (X-Paste's bar compares with the best of its class, so a few objects of weak classes
    may pass or fail differently.) Roles: ``split``, ``pool``.
    """
    import numpy as np

    from methods.common.objects.pool import ObjectPool
    from methods.common.objects.shards import write_pool

    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    wanted = [
        image_seed(context.seeds, config.generation, category["id"], index)
        for category in classes
        for index in range(config.images_per_class)
    ]
    pool = ObjectPool.open(inputs.folders("pool"))
    taken = pool.select(np.isin(pool.image_seed, np.array(wanted, np.int64)))
    write_pool(context.out, taken.read_all())
    counts = Counter(taken.category_id.tolist())
    accepted = {str(category_id): count for category_id, count in counts.items()}
    return {"generated": config.images_per_class * len(classes), "accepted": accepted}


TAKE = Stage("mrca_take", 1, TakeConfig, take, ("generation",))

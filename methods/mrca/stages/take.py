"""Stage ``mrca_take``: the part of a large pool that fewer generated images would have given."""

from __future__ import annotations

import json

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
    from methods.common.objects.pool import ObjectPool, write_pool_shard

    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    wanted = {
        image_seed(context.seeds, config.generation, category["id"], index)
        for category in classes
        for index in range(config.images_per_class)
    }
    pool = ObjectPool.open(inputs.folders("pool"))
    taken = [item for item in pool if item.image_seed in wanted]
    write_pool_shard(context.out / "pool-00000.parquet", taken)
    accepted: dict[str, int] = {}
    for item in taken:
        accepted[str(item.category_id)] = accepted.get(str(item.category_id), 0) + 1
    return {"generated": config.images_per_class * len(classes), "accepted": accepted}


TAKE = Stage("mrca_take", 1, TakeConfig, take, ("generation",))

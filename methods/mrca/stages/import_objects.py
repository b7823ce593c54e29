"""Stage ``mrca_import_objects``: a user's own cut-outs become an object pool."""

from __future__ import annotations

import json
from collections import Counter

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage


class ImportObjectsConfig(Config):
    """How own cut-outs are read."""

    objects_per_shard: int = Field(default=1024, ge=1)
    """Objects in one Parquet file."""


def import_objects(inputs: Inputs, config: ImportObjectsConfig, context: Context) -> Record:
    """Read ``<objects>/<class name>/*.png`` and write a pool.

    Roles: ``split`` (class names), ``objects`` (the user's folder).

    Raises:
        InputError: a class without a cut-out, a folder without a class, a picture that is no cut-out.
    """
    from methods.common.objects.pool import PooledObject, read_folder_of_cutouts, write_pool_shard

    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    names = {category["id"]: category["folder_name"] for category in classes}
    accepted: Counter[str] = Counter()
    shard: list[PooledObject] = []
    num_shards = 0
    for item in read_folder_of_cutouts(inputs.folder("objects"), names):
        shard.append(item)
        accepted[str(item.category_id)] += 1
        if len(shard) == config.objects_per_shard:
            write_pool_shard(context.out / f"pool-{num_shards:05d}.parquet", shard)
            num_shards, shard = num_shards + 1, []
        context.progress(accepted.total(), 0, "objects")
    if shard:
        write_pool_shard(context.out / f"pool-{num_shards:05d}.parquet", shard)
    return {"generated": 0, "accepted": dict(accepted)}


IMPORT_OBJECTS = Stage("mrca_import_objects", 1, ImportObjectsConfig, import_objects)

"""Stage ``mrca_import_objects``: a user's own cut-outs become an object pool."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage


class ImportObjectsConfig(Config):
    """How own cut-outs are read."""

    objects_per_shard: int = Field(default=1024, ge=1)
    """Objects in one Parquet file."""


def import_objects(inputs: Inputs, config: ImportObjectsConfig, context: Context) -> Record:
    """Read ``<objects>/<class name>/*.png`` and write a pool. A class without cut-outs is not pasted.

    Roles: ``split`` (class names), ``objects`` (the user's folder).

    Raises:
        InputError: no cut-out at all, a folder without a class, a picture that is no cut-out.
    """
    from methods.common.objects.cutout_folders import list_cutouts, read_cutout
    from methods.common.objects.shards import PooledObject, write_missing_shards

    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    names = {category["id"]: category["folder_name"] for category in classes}
    folder, per_shard = inputs.folder("objects"), config.objects_per_shard
    found = list_cutouts(folder, names)

    def read_shard(number: int) -> Iterator[PooledObject]:
        first = number * per_shard
        for place, (category_id, path) in enumerate(found[first : first + per_shard], start=first + 1):
            yield read_cutout(folder, category_id, path)
            context.progress(place, len(found), "objects")

    write_missing_shards(context.out, range(-(-len(found) // per_shard)), read_shard)
    counts = Counter(category_id for category_id, _ in found)
    return {"generated": 0, "accepted": {str(category_id): count for category_id, count in counts.items()}}


IMPORT_OBJECTS = Stage("mrca_import_objects", 1, ImportObjectsConfig, import_objects)

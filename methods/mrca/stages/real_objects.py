"""Stage ``mrca_real_objects``: the training set's own instances, cut out along their masks, as an object pool; a control."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.mrca.stages.split import FIT_FILE, image_folder


class RealObjectsConfig(Config):
    """Which instances become objects."""

    min_side_px: int = Field(default=5, ge=1)
    """Instances whose box has a shorter side are left out, as pasting would skip them at their size. [C D78]"""
    images_per_shard: int = Field(default=512, ge=1)
    """Training images whose objects are in one file; also how much a kill can lose."""


def real_objects(inputs: Inputs, config: RealObjectsConfig, context: Context) -> Record:
    """Cut every instance of the fitting part out along its mask, so that real objects can be pasted as generated ones are [C D78].

    Roles: ``data``, ``split``.
    """
    from methods.common.datasets.lvis import read_lvis
    from methods.common.objects.pool import ObjectPool
    from methods.common.objects.shards import PooledObject, write_missing_shards
    from methods.common.segmenters.instance.training_images import RealImages
    from methods.mrca.cut import crop_rgba

    real = RealImages(read_lvis(inputs.folder("split") / FIT_FILE, image_folder(inputs), "none"))

    def objects_of(place: int) -> Iterator[PooledObject]:
        image_HW3, instances = real[place]
        for class_index, mask_HW in zip(instances.class_N.tolist(), instances.mask_NHW, strict=True):
            if not mask_HW.any():
                continue
            rgba_HW4 = crop_rgba(image_HW3, mask_HW)
            if min(rgba_HW4.shape[:2]) >= config.min_side_px:
                category_id = real.dataset.class_ids[class_index]
                yield PooledObject(rgba_HW4, category_id, 0, str(real.images[place].id), 0, float("nan"))

    def read_shard(number: int) -> Iterator[PooledObject]:
        first = number * config.images_per_shard
        for place in range(first, min(first + config.images_per_shard, len(real.images))):
            yield from objects_of(place)
            context.progress(place + 1, len(real.images), "images")

    num_shards = -(-len(real.images) // config.images_per_shard)
    write_missing_shards(context.out, range(num_shards), read_shard)
    counts = Counter(ObjectPool.open(context.out, allow_empty=True).category_id.tolist())
    return {"generated": 0, "accepted": {str(category_id): counts[category_id] for category_id in sorted(counts)}}


REAL_OBJECTS = Stage("mrca_real_objects", 1, RealObjectsConfig, real_objects)

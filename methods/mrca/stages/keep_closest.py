"""Stage ``mrca_keep_closest``: the objects of a finished pool that pass a stricter rule on the scores they have."""

from __future__ import annotations

from collections import Counter

from methods.common.stage import Context, Inputs, Record, Stage
from methods.mrca.xpaste_clip import XPasteClipConfig


def keep(inputs: Inputs, config: XPasteClipConfig, context: Context) -> Record:
    """Write the objects of a pool that stay; nothing is generated or scored anew. Role ``pool``."""
    import numpy as np

    from methods.common.objects.pool import ObjectPool
    from methods.common.objects.shards import write_pool
    from methods.mrca.xpaste_clip import keep_closest

    pool = ObjectPool.open(inputs.folders("pool"))
    kept_N = keep_closest(pool.category_id.astype(np.int64), pool.clip_score.astype(np.float64), config)
    kept = pool.select(kept_N)
    write_pool(context.out, kept.read_all())
    counts = Counter(kept.category_id.tolist())
    return {"generated": len(pool), "accepted": {str(category_id): count for category_id, count in counts.items()}}


KEEP_CLOSEST = Stage("mrca_keep_closest", 1, XPasteClipConfig, keep)

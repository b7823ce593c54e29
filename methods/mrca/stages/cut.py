"""Stage ``mrca_cut``: cut the object out of each generated image and keep it if it passes the filter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.mrca.cut import CutConfig, Outcome, Scorer
from methods.mrca.prompts import clip_text
from methods.mrca.xpaste import XPasteFilterConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.objects.pool import PooledObject
    from methods.mrca.stages.image_shards import GeneratedImage


class MrcaCutting(Config):
    """MRCA's rule: the better CLIP score on white and on black (specification 3.5)."""

    kind: Literal["mrca"] = "mrca"
    """Which rule this is."""
    filter: CutConfig = CutConfig()
    """Its thresholds."""


class XPasteCutting(Config):
    """X-Paste's rule: the CLIP score on white, against a bar that depends on the class (specification 5.1)."""

    kind: Literal["xpaste"] = "xpaste"
    """Which rule this is."""
    filter: XPasteFilterConfig = XPasteFilterConfig()
    """Its thresholds."""


class CutStageConfig(Config):
    """How images are cut and filtered."""

    rule: MrcaCutting | XPasteCutting = Field(default=MrcaCutting(), discriminator="kind")
    """Whose filter."""
    batch_size: int = Field(default=16, ge=1)
    """Images that go through the networks together."""
    trust_remote_code: bool = False
    """Allow the cutter's folder to run its own Python code; the published BiRefNet weights need it."""


def cut(inputs: Inputs, config: CutStageConfig, context: Context) -> Record:
    """Write the accepted objects of a generation cell as one pool shard, and count what became of every image.

    Roles: ``split`` (class names), ``images`` (one generation cell), ``cutter``, ``clip``.
    """
    from methods.common.objects.pool import write_pool_shard

    names = {c["id"]: c["name"] for c in json.loads((inputs.folder("split") / "classes.json").read_text())}
    accept = _accept_mrca if isinstance(config.rule, MrcaCutting) else _accept_xpaste
    outcomes: dict[str, dict[str, int]] = {}
    objects = []
    for category_id, outcome, found in accept(inputs, config, names, context):
        counts = outcomes.setdefault(str(category_id), {})
        counts[outcome] = counts.get(outcome, 0) + 1
        if found is not None:
            objects.append(found)
    write_pool_shard(context.out / "pool-00000.parquet", objects)
    return {
        "generated": sum(sum(counts.values()) for counts in outcomes.values()),
        "accepted": {key: counts["accepted"] for key, counts in outcomes.items() if "accepted" in counts},
        "outcomes": outcomes,
    }


Judged = Iterator[tuple[int, Outcome, "PooledObject | None"]]
"""Category id, what became of the image, and the object if it was accepted."""


def _cut_batches(
    inputs: Inputs, config: CutStageConfig, context: Context
) -> Iterator[tuple[list[GeneratedImage], NDArray[np.uint8], NDArray[np.float32]]]:
    """Yield images in batches, stacked, with their soft masks."""
    import numpy as np
    import torch

    from methods.common.cutouts.seam import load_cutout
    from methods.mrca.stages.image_shards import read_images

    cutter = load_cutout(inputs.folder("cutter"), context.device, trust_remote_code=config.trust_remote_code)
    total = inputs.record("images")["num_images"]
    images = read_images(inputs.folder("images"))
    done = 0
    while batch := list(islice(images, config.batch_size)):
        image_NHW3 = np.stack([image.image_HW3 for image in batch])
        image_NCHW = torch.from_numpy(image_NHW3).permute(0, 3, 1, 2).float().div(255).to(context.device)
        with torch.inference_mode():
            soft_NHW = cutter.soft_mask(image_NCHW).float().cpu().numpy()
        yield batch, image_NHW3, soft_NHW
        done += len(batch)
        context.progress(done, total, "images")


def _clip_score(inputs: Inputs, context: Context) -> Scorer:
    from methods.common.clip import ClipScorer

    scorer = ClipScorer.from_pretrained(inputs.folder("clip"), context.device)
    return lambda image_NHW3, texts: scorer.score(list(image_NHW3), texts)


def _accept_mrca(inputs: Inputs, config: CutStageConfig, names: dict[int, str], context: Context) -> Judged:
    from methods.mrca.cut import cut_objects

    assert isinstance(config.rule, MrcaCutting)
    score = _clip_score(inputs, context)
    for batch, image_NHW3, soft_NHW in _cut_batches(inputs, config, context):
        texts = [clip_text(names[image.category_id]) for image in batch]
        results = cut_objects(image_NHW3, soft_NHW, texts, score, config.rule.filter)
        for image, result in zip(batch, results, strict=True):
            found = None if result.rgba_HW4 is None else _pooled(image, result.rgba_HW4, result.clip_score)
            yield image.category_id, result.outcome, found


def _accept_xpaste(inputs: Inputs, config: CutStageConfig, names: dict[int, str], context: Context) -> Judged:
    """X-Paste's bar needs the best score of a class, so the whole cell is scored before anything is kept."""
    import numpy as np

    from methods.mrca.cut import crop_rgba
    from methods.mrca.xpaste import best_candidates, keep_candidates

    assert isinstance(config.rule, XPasteCutting)
    score = _clip_score(inputs, context)
    waiting: list[tuple[GeneratedImage, NDArray[np.uint8] | None]] = []
    scores: list[float] = []
    areas: list[float] = []
    for batch, image_NHW3, soft_NHW in _cut_batches(inputs, config, context):
        texts = [clip_text(names[image.category_id]) for image in batch]
        candidates = best_candidates(image_NHW3, [soft_NHW], texts, score, config.rule.filter)
        for image, candidate in zip(batch, candidates, strict=True):
            rgba_HW4 = crop_rgba(image.image_HW3, candidate.mask_HW) if candidate.mask_HW.any() else None
            waiting.append((image, rgba_HW4))
            scores.append(candidate.clip_score)
            areas.append(candidate.area_fraction)
    class_N = np.array([image.category_id for image, _ in waiting], np.int64)
    kept_N = keep_candidates(class_N, np.array(scores), np.array(areas), config.rule.filter)
    for (image, rgba_HW4), clip_score, area, kept in zip(waiting, scores, areas, kept_N, strict=True):
        if kept and rgba_HW4 is not None:
            yield image.category_id, "accepted", _pooled(image, rgba_HW4, clip_score)
        else:
            yield image.category_id, _reason(rgba_HW4, area, config.rule.filter), None


def _reason(rgba_HW4: NDArray[np.uint8] | None, area: float, filter_config: XPasteFilterConfig) -> Outcome:
    if rgba_HW4 is None:
        return "empty_mask"
    if area < filter_config.min_area_fraction:
        return "too_small"
    return "too_large" if area > filter_config.max_area_fraction else "clip_score"


def _pooled(image: GeneratedImage, rgba_HW4: NDArray[np.uint8], clip_score: float) -> PooledObject:
    from methods.common.objects.pool import PooledObject

    return PooledObject(rgba_HW4, image.category_id, image.round_index, image.prompt, image.seed, clip_score)


CUT = Stage("mrca_cut", 1, CutStageConfig, cut, uses_gpu=True)

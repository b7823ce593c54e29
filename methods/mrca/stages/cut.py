"""Stage ``mrca_cut``: cut the object out of each generated image and keep it if it passes the filter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
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

    from methods.common.generated.image_shards import GeneratedImage
    from methods.common.objects.shards import StoredObject
    from methods.mrca.stages.cut_parts import Verdict


class MrcaCutting(Config):
    """MRCA's rule: the better CLIP score on white and on black (section 3.5)."""

    kind: Literal["mrca"] = "mrca"
    """Which rule this is."""
    filter: CutConfig = CutConfig()
    """Its thresholds."""


class XPasteCutting(Config):
    """X-Paste's rule: the CLIP score on white, against a bar that depends on the class (section 5.1)."""

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
    """Write the accepted objects of a generation cell as a pool, and count what became of every image.

    Roles: ``split`` (class names), ``images`` (one generation cell), ``cutter``, ``clip``.
    """
    from methods.common.objects.shards import write_pool
    from methods.mrca.stages.cut_parts import CutParts

    names = {c["id"]: c["name"] for c in json.loads((inputs.folder("split") / "classes.json").read_text())}
    total = inputs.record("images")["num_images"]
    parts = CutParts(context)
    if len(parts.verdicts) < total:
        judge = _mrca_judge if isinstance(config.rule, MrcaCutting) else _xpaste_judge
        for batch in _judge_all(judge(inputs, config, names, context), inputs, config, context, len(parts.verdicts)):
            parts.add([verdict for verdict, _ in batch], [cutout for _, cutout in batch if cutout is not None])
            context.progress(len(parts.verdicts), total, "images")
    parts.save()
    outcomes = _outcomes(parts.verdicts, config)
    write_pool(context.out, parts.accepted(outcomes))
    parts.remove()
    counts: dict[str, dict[str, int]] = {}
    for verdict, outcome in zip(parts.verdicts, outcomes, strict=True):
        of_class = counts.setdefault(str(verdict.category_id), {})
        of_class[outcome] = of_class.get(outcome, 0) + 1
    return {
        "generated": len(outcomes),
        "accepted": {key: of_class["accepted"] for key, of_class in counts.items() if "accepted" in of_class},
        "outcomes": counts,
    }


Judged = list[tuple["Verdict", "StoredObject | None"]]
"""What is known of each image of a batch, and its cut-out if it may be accepted."""
Judge = Callable[[list["GeneratedImage"], "NDArray[np.uint8]", "NDArray[np.float32]"], Judged]
"""Judges images, given as such and stacked, by their soft masks."""


def _judge_all(
    judge: Judge, inputs: Inputs, config: CutStageConfig, context: Context, num_judged: int
) -> Iterator[Judged]:
    """Judge image after image, in batches, from number ``num_judged`` on."""
    import numpy as np
    import torch

    from methods.common.cutouts.load import load_cutout
    from methods.common.generated.image_shards import read_images

    cutter = load_cutout(inputs.folder("cutter"), context.device, trust_remote_code=config.trust_remote_code)
    images = read_images(inputs.folder("images"), num_judged)
    while batch := list(islice(images, config.batch_size)):
        image_NHW3 = np.stack([image.image_HW3 for image in batch])
        image_NCHW = torch.from_numpy(image_NHW3).permute(0, 3, 1, 2).float().div(255).to(context.device)
        with torch.inference_mode():
            soft_NHW = cutter.soft_mask(image_NCHW).float().cpu().numpy()
        yield judge(batch, image_NHW3, soft_NHW)


def _clip_score(inputs: Inputs, context: Context) -> Scorer:
    from methods.common.clip import ClipScorer

    scorer = ClipScorer.from_pretrained(inputs.folder("clip"), context.device)
    return lambda image_NHW3, texts: scorer.score(list(image_NHW3), texts)


def _mrca_judge(inputs: Inputs, config: CutStageConfig, names: dict[int, str], context: Context) -> Judge:
    from methods.mrca.cut import cut_objects
    from methods.mrca.stages.cut_parts import Verdict

    rule = config.rule
    assert isinstance(rule, MrcaCutting)
    score = _clip_score(inputs, context)

    def judge(batch: list[GeneratedImage], image_NHW3: NDArray[np.uint8], soft_NHW: NDArray[np.float32]) -> Judged:
        texts = [clip_text(names[image.category_id]) for image in batch]
        results = cut_objects(image_NHW3, soft_NHW, texts, score, rule.filter)
        return [
            (
                Verdict(image.category_id, result.outcome, has_cutout=result.rgba_HW4 is not None),
                None if result.rgba_HW4 is None else _stored(image, result.rgba_HW4, result.clip_score),
            )
            for image, result in zip(batch, results, strict=True)
        ]

    return judge


def _xpaste_judge(inputs: Inputs, config: CutStageConfig, names: dict[int, str], context: Context) -> Judge:
    """X-Paste's bar needs the best score of a class, so the whole cell is scored before anything is accepted."""
    from methods.mrca.cut import crop_rgba
    from methods.mrca.stages.cut_parts import Verdict
    from methods.mrca.xpaste import best_candidates

    rule = config.rule
    assert isinstance(rule, XPasteCutting)
    score = _clip_score(inputs, context)

    def judge(batch: list[GeneratedImage], image_NHW3: NDArray[np.uint8], soft_NHW: NDArray[np.float32]) -> Judged:
        texts = [clip_text(names[image.category_id]) for image in batch]
        judged: Judged = []
        candidates = best_candidates(image_NHW3, [soft_NHW], texts, score, rule.filter)
        for image, found in zip(batch, candidates, strict=True):
            has_cutout = bool(found.mask_HW.any())
            verdict = Verdict(image.category_id, None, found.clip_score, found.area_fraction, has_cutout)
            rgba_HW4 = crop_rgba(image.image_HW3, found.mask_HW) if has_cutout else None
            judged.append((verdict, None if rgba_HW4 is None else _stored(image, rgba_HW4, found.clip_score)))
        return judged

    return judge


def _outcomes(verdicts: Sequence[Verdict], config: CutStageConfig) -> list[Outcome]:
    """Decide on every image, now that all are judged."""
    if isinstance(config.rule, MrcaCutting):
        return [verdict.outcome for verdict in verdicts if verdict.outcome is not None]
    import numpy as np

    from methods.mrca.xpaste import keep_candidates

    class_N = np.array([verdict.category_id for verdict in verdicts], np.int64)
    score_N = np.array([verdict.clip_score for verdict in verdicts])
    area_N = np.array([verdict.area_fraction for verdict in verdicts])
    kept_N = keep_candidates(class_N, score_N, area_N, config.rule.filter)
    return [
        "accepted" if kept and verdict.has_cutout else _reason(verdict, config.rule.filter)
        for verdict, kept in zip(verdicts, kept_N, strict=True)
    ]


def _reason(verdict: Verdict, filter_config: XPasteFilterConfig) -> Outcome:
    if not verdict.has_cutout:
        return "empty_mask"
    if verdict.area_fraction < filter_config.min_area_fraction:
        return "too_small"
    return "too_large" if verdict.area_fraction > filter_config.max_area_fraction else "clip_score"


def _stored(image: GeneratedImage, rgba_HW4: NDArray[np.uint8], clip_score: float) -> StoredObject:
    from methods.common.objects.shards import PooledObject

    found = PooledObject(rgba_HW4, image.category_id, image.round_index, image.prompt, image.seed, clip_score)
    return found.encode()


CUT = Stage("mrca_cut", 1, CutStageConfig, cut, uses_gpu=True, kind="cut")

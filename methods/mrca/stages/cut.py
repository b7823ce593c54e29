"""Stage ``mrca_cut``: cut the object out of each generated image and keep it if it passes the filter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.cutouts.names import CutterName
from methods.common.growth import Added
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.mrca.cut import CutConfig, Outcome, Scorer
from methods.mrca.divergen_filter import SimilarityFilterConfig
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


class DiverGenCutting(Config):
    """DiverGen's rule: how much the object resembles real ones of its class (section 5.4)."""

    kind: Literal["divergen"] = "divergen"
    """Which rule this is."""
    filter: SimilarityFilterConfig = SimilarityFilterConfig()
    """Its thresholds."""


class CutStageConfig(Config):
    """How images are cut and filtered."""

    rule: MrcaCutting | XPasteCutting | DiverGenCutting = Field(default=MrcaCutting(), discriminator="kind")
    """Whose filter."""
    cutters: Annotated[tuple[CutterName, ...], Added(neutral=["cutter"])] = Field(default=("cutter",), min_length=1)
    """Roles of the cut-out networks. Of several, X-Paste takes for each image the mask with the best CLIP score; of equal scores the
    one that is named first."""
    batch_size: int = Field(default=16, ge=1)
    """Images that go through the networks together."""
    trust_remote_code: bool = False
    """Allow the cutter's folder to run its own Python code; the published BiRefNet weights need it."""

    @model_validator(mode="after")
    def _only_xpaste_chooses(self) -> Self:
        if len(self.cutters) > 1 and not isinstance(self.rule, XPasteCutting):
            raise ValueError(
                f"rule {self.rule.kind} cuts by one network, and cutters names {len(self.cutters)}; name one"
            )
        return self


def cut(inputs: Inputs, config: CutStageConfig, context: Context) -> Record:
    """Write the accepted objects of a generation cell as a pool, and count what became of every image.

    Roles: ``split`` (class names), ``images`` (one generation cell), ``clip``, each name in ``cutters``; with DiverGen's rule
    ``crops`` (what real objects look like).
    """
    from methods.common.objects.shards import write_pool
    from methods.mrca.stages.cut_parts import CutParts

    names = {c["id"]: c["name"] for c in json.loads((inputs.folder("split") / "classes.json").read_text())}
    total = inputs.record("images")["num_images"]
    parts = CutParts(context)
    if len(parts.verdicts) < total:
        judge = {"mrca": _mrca_judge, "xpaste": _xpaste_judge, "divergen": _divergen_judge}[config.rule.kind]
        texts = {category_id: clip_text(name) for category_id, name in names.items()}
        judged = judge(inputs, config, texts, context)
        for batch in _judge_all(judged, inputs, config, texts, context, len(parts.verdicts)):
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
        **({"chosen": _chosen(parts.verdicts, config.cutters)} if len(config.cutters) > 1 else {}),
    }


def _chosen(verdicts: Sequence[Verdict], cutters: Sequence[CutterName]) -> dict[str, int]:
    """Count how often each cut-out network had the best mask."""
    return {name: sum(verdict.cutter == number for verdict in verdicts) for number, name in enumerate(cutters)}


Judged = list[tuple["Verdict", "StoredObject | None"]]
"""What is known of each image of a batch, and its cut-out if it may be accepted."""
Judge = Callable[[list["GeneratedImage"], "NDArray[np.uint8]", list["NDArray[np.float32]"]], Judged]
"""Judges images, given as such and stacked, by their soft masks, those of one cut-out network after those of another."""


def _judge_all(
    judge: Judge, inputs: Inputs, config: CutStageConfig, texts: dict[int, str], context: Context, num_judged: int
) -> Iterator[Judged]:
    """Judge image after image, in batches, from number ``num_judged`` on."""
    import numpy as np
    import torch

    from methods.common.cutouts.load import load_cutter
    from methods.common.generated.image_shards import read_images

    trusted = config.trust_remote_code
    cutters = [
        load_cutter(name, inputs.folder(name), context.device, trust_remote_code=trusted) for name in config.cutters
    ]
    images = read_images(inputs.folder("images"), num_judged)
    while batch := list(islice(images, config.batch_size)):
        image_NHW3 = np.stack([image.image_HW3 for image in batch])
        image_NCHW = torch.from_numpy(image_NHW3).permute(0, 3, 1, 2).float().div(255).to(context.device)
        asked = [texts[image.category_id] for image in batch]
        with torch.inference_mode():
            soft_KNHW = [cutter(image_NCHW, asked).float().cpu().numpy() for cutter in cutters]
        yield judge(batch, image_NHW3, soft_KNHW)


def _clip_score(inputs: Inputs, context: Context) -> Scorer:
    from methods.common.clip import ClipScorer

    scorer = ClipScorer.from_pretrained(inputs.folder("clip"), context.device)
    return lambda image_NHW3, texts: scorer.score(list(image_NHW3), texts)


def _mrca_judge(inputs: Inputs, config: CutStageConfig, texts: dict[int, str], context: Context) -> Judge:
    from methods.mrca.cut import cut_objects
    from methods.mrca.stages.cut_parts import Verdict

    rule = config.rule
    assert isinstance(rule, MrcaCutting)
    score = _clip_score(inputs, context)

    def judge(
        batch: list[GeneratedImage], image_NHW3: NDArray[np.uint8], soft_KNHW: list[NDArray[np.float32]]
    ) -> Judged:
        asked = [texts[image.category_id] for image in batch]
        results = cut_objects(image_NHW3, soft_KNHW[0], asked, score, rule.filter)
        return [
            (
                Verdict(image.category_id, result.outcome, has_cutout=result.rgba_HW4 is not None),
                None if result.rgba_HW4 is None else _stored(image, result.rgba_HW4, result.clip_score),
            )
            for image, result in zip(batch, results, strict=True)
        ]

    return judge


def _xpaste_judge(inputs: Inputs, config: CutStageConfig, texts: dict[int, str], context: Context) -> Judge:
    """X-Paste's bar needs the best score of a class, so the whole cell is scored before anything is accepted."""
    from methods.mrca.cut import crop_rgba
    from methods.mrca.stages.cut_parts import Verdict
    from methods.mrca.xpaste import best_candidates

    rule = config.rule
    assert isinstance(rule, XPasteCutting)
    score = _clip_score(inputs, context)

    def judge(
        batch: list[GeneratedImage], image_NHW3: NDArray[np.uint8], soft_KNHW: list[NDArray[np.float32]]
    ) -> Judged:
        asked = [texts[image.category_id] for image in batch]
        judged: Judged = []
        candidates = best_candidates(image_NHW3, soft_KNHW, asked, score, rule.filter)
        for image, found in zip(batch, candidates, strict=True):
            has_cutout = bool(found.mask_HW.any())
            verdict = Verdict(image.category_id, None, found.clip_score, found.area_fraction, has_cutout, found.cutter)
            rgba_HW4 = crop_rgba(image.image_HW3, found.mask_HW) if has_cutout else None
            judged.append((verdict, None if rgba_HW4 is None else _stored(image, rgba_HW4, found.clip_score)))
        return judged

    return judge


def _divergen_judge(inputs: Inputs, config: CutStageConfig, texts: dict[int, str], context: Context) -> Judge:
    from methods.common.clip import ClipScorer
    from methods.mrca.divergen_filter import judge_similarity
    from methods.mrca.stages.cut_parts import Verdict
    from methods.mrca.stages.embed_crops import read_crops

    rule = config.rule
    assert isinstance(rule, DiverGenCutting)
    crops = read_crops(inputs.folder("crops"))
    scorer = ClipScorer.from_pretrained(inputs.folder("clip"), context.device)

    def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        embedded_ND: NDArray[np.float32] = scorer.embed_images(list(images)).numpy()
        return embedded_ND

    def judge(
        batch: list[GeneratedImage], image_NHW3: NDArray[np.uint8], soft_KNHW: list[NDArray[np.float32]]
    ) -> Judged:
        real = [crops.get(image.category_id) for image in batch]
        results = judge_similarity(image_NHW3, soft_KNHW[0], real, embed, rule.filter)
        return [
            (
                Verdict(image.category_id, result.outcome, has_cutout=result.rgba_HW4 is not None),
                None if result.rgba_HW4 is None else _stored(image, result.rgba_HW4, result.clip_score),
            )
            for image, result in zip(batch, results, strict=True)
        ]

    return judge


def _outcomes(verdicts: Sequence[Verdict], config: CutStageConfig) -> list[Outcome]:
    """Decide on every image, now that all are judged."""
    if not isinstance(config.rule, XPasteCutting):
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

"""DiverGen's settings at each tier (section 5.4)."""

from __future__ import annotations

from pydantic import Field

from methods.common.generators.cascade import UpscalingConfig
from methods.common.stage import Config
from methods.mrca.divergen_filter import CropConfig, SimilarityFilterConfig
from methods.mrca.paste import PasteConfig
from methods.mrca.size_model import PasteSizeConfig
from methods.mrca.stages.cut import CutStageConfig, DiverGenCutting
from methods.mrca.stages.diverse_classes import DiverseClassesConfig
from methods.mrca.stages.embed_crops import EmbedCropsConfig
from methods.mrca.stages.generate import GenerateConfig
from methods.mrca.stages.pasting import XPastePasting
from methods.mrca.xpaste import XPasteSamplerConfig


class DiverGenConfig(Config):
    """DiverGen: more classes, prompts and generators, one large pool, random pasting."""

    classes: DiverseClassesConfig = DiverseClassesConfig()
    """Extra classes."""
    objects_per_class: int = Field(default=1000, ge=2)
    """Images of each class, half of them by each generator [C D81]."""
    num_shards: int = Field(default=64, ge=1)
    """Cells in which each generator makes its half."""
    first: GenerateConfig = GenerateConfig(
        pool="divergen", num_steps=50, guidance_scale=7.5, scheduler="dpm_solver", precision="float16"
    )
    """Stable Diffusion 1.5, as X-Paste samples it. [B]"""
    second: GenerateConfig = GenerateConfig(
        pool="divergen_second",
        num_steps=100,
        guidance_scale=7.0,
        size_px=64,
        precision="float16",
        upscaling=UpscalingConfig(),
    )
    """DeepFloyd IF, stages I and II. [B]"""
    expected_factor_of_stages: float = Field(default=20.0, gt=0)
    """How many times as long as one of Stable Diffusion's a picture of two stages takes. Counted on networks without weights: a call of stage I
    is 2.9 TFLOPs, of stage II about 10, of Stable Diffusion 0.8; so 100 and 50 steps with both halves of guidance are 1,580, and 50 steps 80."""
    crops: EmbedCropsConfig = EmbedCropsConfig()
    """What real objects look like to CLIP."""
    cutting: CutStageConfig = CutStageConfig(rule=DiverGenCutting(), cutters=("sam_background",))
    """Cutting by the background, filtering by similarity. [B]"""
    pasting: XPastePasting = XPastePasting()
    """As X-Paste. [B]"""


def mini_divergen(like: GenerateConfig, size: PasteSizeConfig, paste: PasteConfig, max_objects: int) -> DiverGenConfig:
    """Return settings for the miniature world, as large a pool as X-Paste's there; what differs is in the ledger.

    Args:
        like: how X-Paste samples there.
        size: limits of pasted sizes there.
        paste: what happens to hidden instances there.
        max_objects: pasted into an image there.
    """
    rule = DiverGenCutting(filter=SimilarityFilterConfig(min_similarity=0.27))
    extra = {"extra_min_factor": 0.2, "extra_max_factor": 0.8}
    return DiverGenConfig(
        classes=DiverseClassesConfig(extra_classes=6, with_definitions=False),
        objects_per_class=36,
        num_shards=2,
        first=like.model_copy(update={"pool": "divergen"}),
        second=like.model_copy(
            update={"pool": "divergen_second", "scheduler": "ddim", "guidance_scale": 2.0, "num_steps": 8}
        ),
        crops=EmbedCropsConfig(crop=CropConfig(padding_px=4, blur_px=2)),
        cutting=CutStageConfig(rule=rule, batch_size=32),
        pasting=XPastePasting(
            sampler=XPasteSamplerConfig(max_objects_per_image=max_objects),
            size=size.model_copy(update=extra),
            paste=paste,
        ),
    )


def smoke_divergen(mini: DiverGenConfig) -> DiverGenConfig:
    """Return settings that run every line, cutting by the background included, and say nothing of accuracy."""
    rule = DiverGenCutting(filter=SimilarityFilterConfig(min_similarity=-1, min_area_fraction=0, max_area_fraction=1))
    fewer = {"num_steps": 2}
    return mini.model_copy(
        update={
            "classes": DiverseClassesConfig(extra_classes=2, with_definitions=False),
            "objects_per_class": 2,
            "num_shards": 1,
            "first": mini.first.model_copy(update=fewer),
            "second": mini.second.model_copy(update=fewer),
            "cutting": CutStageConfig(rule=rule, cutters=("sam_background",)),
        }
    )

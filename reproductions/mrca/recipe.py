"""The complete typed config of one table at one tier, and the functions that return them.

``smoke`` and ``mini`` differ from ``paper`` in sizes, step counts and checkpoint places, never in code path. Values
without a mark here are those of the specification; the ledger's entries for the small tiers say what differs there.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from methods.common.miniature.lvis_view import DrawLvisConfig
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.presets import (
    centernet2_lite0,
    centernet2_miniature,
    centernet2_r50,
    centernet2_swinl,
    miniature_training_recipe,
    r50_training_recipe,
    swinl_training_recipe,
)
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.stage import Config
from methods.common.training.recipe import TrainingRecipe
from methods.mrca.bsgal import BsgalConfig, FixedThreshold, RunningThreshold
from methods.mrca.budget import BudgetConfig
from methods.mrca.cut import CutConfig
from methods.mrca.guidance import GuidanceConfig
from methods.mrca.paste import PasteConfig
from methods.mrca.prompts import XPASTE_TEMPLATE, PromptConfig
from methods.mrca.real_pasting import RealPastingConfig
from methods.mrca.rounds import RoundsConfig, total_iterations
from methods.mrca.size_model import PasteSizeConfig
from methods.mrca.stages.cut import CutStageConfig, MrcaCutting, XPasteCutting
from methods.mrca.stages.energy_gap import EnergyGapConfig
from methods.mrca.stages.entropy import EntropyConfig
from methods.mrca.stages.evaluate import EvaluateConfig
from methods.mrca.stages.generate import GenerateConfig
from methods.mrca.stages.import_objects import ImportObjectsConfig
from methods.mrca.stages.pasting import MrcaPasting, XPastePasting
from methods.mrca.stages.split import SplitConfig
from methods.mrca.xpaste import XPasteFilterConfig, XPasteSamplerConfig
from methods.mrca.xpaste_clip import XPasteClipConfig
from reproductions.mrca.arms import GateKind
from reproductions.mrca.divergen_recipe import DiverGenConfig, mini_divergen, smoke_divergen
from reproductions.study.config import StudyConfig
from reproductions.study.request import Tier


class MrcaConfig(Config):
    """What MRCA adds to plain training."""

    rounds: RoundsConfig = RoundsConfig()
    """Rounds, objects and iterations a round, feedback lag."""
    budget: BudgetConfig = BudgetConfig()
    """Class-wise budget."""
    generation: GenerateConfig = GenerateConfig(guidance=GuidanceConfig())
    """Entropy-guided sampling; rounds without a model to ask are unguided. Which part of a round a cell makes is set by
    ``num_shards``."""
    cutting: CutStageConfig = CutStageConfig()
    """Cutting and filtering."""
    pasting: MrcaPasting = MrcaPasting()
    """Unique mapping, resizing, pasting."""
    num_shards: int = Field(default=1, ge=1)
    """Cells that generate and cut the objects of one round, each those of its classes, so that a round's objects come from as many
    GPUs. Ours; it changes no image."""
    entropy_shards: int = Field(default=1, ge=1)
    """In how many of these entropies are measured and unguided twins of the images painted: every ``num_shards``-th class each.
    Ours [C D63]."""

    @model_validator(mode="after")
    def _measured_shards_are_there(self) -> Self:
        if self.entropy_shards > self.num_shards:
            raise ValueError("entropy_shards must not be above num_shards")
        return self


class XPasteConfig(Config):
    """X-Paste: one large pool, random pasting."""

    objects_per_class: int = Field(default=1000, ge=1)
    """Images generated for each class. [B]"""
    num_shards: int = Field(default=64, ge=1)
    """Cells that generate the pool."""
    generation: GenerateConfig = GenerateConfig(
        pool="xpaste",
        prompts=PromptConfig(templates=(XPASTE_TEMPLATE,)),
        num_steps=50,
        guidance_scale=7.5,
        scheduler="dpm_solver",
        precision="float16",
    )
    """Plain sampling. [B]"""
    cutting: CutStageConfig = CutStageConfig(rule=XPasteCutting(), cutters=("u2net", "clipseg"))
    """Cutting by those of its four networks that are to be had [C D48], and filtering."""
    pasting: XPastePasting = XPastePasting()
    """Sampling and pasting."""
    from_warm_up: bool = False
    """Start from M_0 as MRCA does, or from pretrained weights as in Table 1 (inferred)."""


class MrcaStudy(StudyConfig):
    """Everything behind the arms of one table."""

    backbone: Literal["miniature", "resnet50", "swinl", "efficientnet_lite0"]
    """Which segmenter; the column group of the tables."""
    world: DrawLvisConfig | None = None
    """The miniature world to draw, or None for data from outside."""
    split: SplitConfig = SplitConfig()
    """Held-out feedback images."""
    segmenter: CenterNet2Config
    """The network."""
    recipe: TrainingRecipe = TrainingRecipe()
    """Its training; the number of iterations is set by the phases below."""
    augmentation: AugmentConfig = AugmentConfig()
    """Of real images."""
    evaluation: EvaluateConfig = EvaluateConfig()
    """Test-time size."""
    warm_up_iterations: int = Field(default=90_000, ge=1)
    """Length of the training that gives M_0. [C D2]"""
    no_aug_iterations: int = Field(default=90_000, ge=1)
    """Length of the "No Aug." row's training."""
    main_iterations: int = Field(default=90_000, ge=1)
    """Length of each other arm's own training."""
    mrca: MrcaConfig = MrcaConfig()
    """MRCA."""
    xpaste: XPasteConfig = XPasteConfig()
    """X-Paste."""
    xpaste_clip: XPasteClipConfig = XPasteClipConfig()
    """The stand-in for X-Paste + CLIP."""
    real_pasting: RealPastingConfig = RealPastingConfig()
    """X-Paste's option "both"."""
    divergen: DiverGenConfig = DiverGenConfig()
    """DiverGen."""
    energy_gap: EnergyGapConfig = EnergyGapConfig()
    """DiverGen's measure of what a training set leaves open."""
    bsgal: BsgalConfig = BsgalConfig()
    """BSGAL's gate; it pastes X-Paste's objects."""
    given_objects: ImportObjectsConfig = ImportObjectsConfig()
    """Reading of own cut-outs."""
    entropy: EntropyConfig = EntropyConfig()
    """The entropy figure."""
    expected_cut_s: float = Field(default=0.1, gt=0)
    """Rough seconds an image of cutting and filtering."""
    expected_model_mb: float = Field(default=230.0, gt=0)
    """Rough size of the segmenter; a training keeps five times that (average; weights, average and two moments to go on from)."""

    @model_validator(mode="after")
    def _rounds_fill_the_main_phase(self) -> Self:
        rounds = self.mrca.rounds
        if total_iterations(rounds) != self.main_iterations:
            raise ValueError(
                f"{rounds.num_rounds} rounds of {rounds.iterations_per_round} iterations are not main_iterations = "
                f"{self.main_iterations}; set mrca.rounds.iterations_per_round too, so that arms stay equally long"
            )
        return self

    def gate(self, kind: GateKind) -> BsgalConfig:
        """Return BSGAL's settings; ``own`` is them, the others differ in threshold or comparison."""
        if kind == "running":
            return self.bsgal.model_copy(update={"threshold": RunningThreshold()})
        if kind == "trial_step":
            changes = {"comparison": "trial_step", "threshold": FixedThreshold(value=0.0)}
            return self.bsgal.model_copy(update=changes)
        return self.bsgal


def paper_r50() -> MrcaStudy:
    """Table 1: ResNet-50 on LVIS v1. The X-Paste row trains 90,000 iterations from ImageNet-21K weights (inferred)."""
    return MrcaStudy(
        backbone="resnet50",
        segmenter=centernet2_r50(),
        recipe=r50_training_recipe(),
        mrca=MrcaConfig(num_shards=8, entropy_shards=2),
        num_workers=8,
        num_samples=4,
        expected_step_s=1.0,
        expected_image_s=1.0,
        expected_image_kb=400.0,
        expected_evaluate_s=3600.0,
    )


def paper_swinl() -> MrcaStudy:
    """Table 2: Swin-L on LVIS v1. MRCA adds 90,000 iterations to the warm-up's, all baselines train 180,000."""
    return paper_r50().model_copy(
        update={
            "backbone": "swinl",
            "segmenter": centernet2_swinl(),
            "recipe": swinl_training_recipe(),
            "augmentation": AugmentConfig(size_px=896),
            "no_aug_iterations": 180_000,
            "xpaste": XPasteConfig(from_warm_up=True),
            "bsgal": BsgalConfig(threshold=RunningThreshold()),
            "num_workers": 16,
            "expected_model_mb": 860.0,
        }
    )


_MINI_SIZE = PasteSizeConfig(min_length_px=8.0, min_side_px=5)
"""Sides in pixels of a 64 px crop, where the papers' are for 640 px."""
_MINI_PASTE = PasteConfig(box_tolerance_px=2.0, min_visible_px=25)
"""Likewise."""


def mini() -> MrcaStudy:
    """The claims on the miniature world: about 25 minutes on two cores with four seeds."""
    xpaste_sampling = _mini_generation(
        GenerateConfig(pool="xpaste", prompts=PromptConfig(templates=(XPASTE_TEMPLATE,)), guidance_scale=4.0)
    )
    return MrcaStudy(
        backbone="miniature",
        world=DrawLvisConfig(),
        split=SplitConfig(heldout_fraction=0.15),
        segmenter=centernet2_miniature(num_classes=36),
        recipe=miniature_training_recipe().model_copy(update={"base_lr": 3e-3, "repeat_threshold": 100 / 570}),
        augmentation=AugmentConfig(size_px=64, min_scale=1.0, max_scale=1.5),
        evaluation=EvaluateConfig(short_side_px=80, long_side_px=80, batch_size=8, batch_by_size=True),
        warm_up_iterations=300,
        no_aug_iterations=300,
        main_iterations=300,
        mrca=MrcaConfig(
            rounds=RoundsConfig(num_rounds=4, objects_per_round=108, iterations_per_round=75),
            generation=_mini_generation(GenerateConfig(guidance=GuidanceConfig(), guidance_scale=4.0)),
            cutting=CutStageConfig(rule=MrcaCutting(filter=CutConfig(min_clip_score=70.0)), batch_size=32),
            pasting=MrcaPasting(size=_MINI_SIZE, paste=_MINI_PASTE),
        ),
        xpaste=XPasteConfig(
            objects_per_class=36,
            num_shards=3,
            generation=xpaste_sampling,
            cutting=CutStageConfig(
                rule=XPasteCutting(filter=XPasteFilterConfig(max_clip_bar=66.0)),
                cutters=("cutter", "sam_middle"),
                batch_size=32,
            ),
            pasting=XPastePasting(
                sampler=XPasteSamplerConfig(max_objects_per_image=5), size=_MINI_SIZE, paste=_MINI_PASTE
            ),
            from_warm_up=True,
        ),
        xpaste_clip=XPasteClipConfig(min_clip_score=70.0),
        divergen=mini_divergen(xpaste_sampling, _MINI_SIZE, _MINI_PASTE, max_objects=5),
        energy_gap=EnergyGapConfig(short_side_px=80, long_side_px=80),
        num_samples=4,
        expected_model_mb=0.6,
        expected_image_kb=12.0,
        expected_step_s=0.13,
        expected_image_s=0.065,
        expected_cut_s=0.007,
        expected_evaluate_s=3.5,
    )


def _mini_generation(config: GenerateConfig) -> GenerateConfig:
    """Sampling with the miniature generator: 64 px, 10 steps, in float32."""
    return config.model_copy(
        update={"num_steps": 10, "size_px": 64, "precision": "float32", "batch_size": 12, "images_per_shard": 48}
    )


def smoke() -> MrcaStudy:
    """Every code path of every arm in about a minute; the numbers mean nothing."""
    study = mini()
    fewer_steps = {"num_steps": 6}
    return study.model_copy(
        update={
            "world": DrawLvisConfig(num_train_images=60, num_val_images=12),
            "recipe": study.recipe.model_copy(update={"batch_size": 2, "warmup_iterations": 1}),
            "warm_up_iterations": 3,
            "no_aug_iterations": 3,
            "main_iterations": 6,
            "mrca": study.mrca.model_copy(
                update={
                    "rounds": RoundsConfig(num_rounds=3, objects_per_round=12, iterations_per_round=2),
                    "generation": study.mrca.generation.model_copy(update=fewer_steps),
                    "cutting": CutStageConfig(rule=MrcaCutting(filter=CutConfig(min_clip_score=-100.0))),
                }
            ),
            "xpaste": study.xpaste.model_copy(
                update={
                    "objects_per_class": 2,
                    "num_shards": 2,
                    "from_warm_up": False,
                    "generation": study.xpaste.generation.model_copy(update=fewer_steps),
                }
            ),
            "divergen": smoke_divergen(study.divergen),
            "num_samples": 2,
            "expected_evaluate_s": 1.0,
        }
    )


_OWN_LONG_SIDE_PX = 512
"""Twice the longer side at test, so that shrinking twice, once here and once for each use, blurs nothing."""


def own_data(num_classes: int, num_images: int, tier: Tier) -> MrcaStudy:
    """A user's own LVIS-layout data with the miniature segmenter on 96 px crops of images of 96 to 144 px; smoke only checks that everything runs.

    The repeat threshold is 100 images, where LVIS' own is (0.001 of 100,170). Images with a longer side than 512 px are shrunk to it once.
    """
    if tier == "smoke":
        study = smoke()
        xpaste = study.xpaste.model_copy(update={"from_warm_up": True})
        return study.model_copy(
            update={
                "world": None,
                "segmenter": centernet2_miniature(num_classes),
                "xpaste": xpaste,
                "split": study.split.model_copy(update={"long_side_px": _OWN_LONG_SIDE_PX}),
            }
        )
    study = mini()
    paste = PasteConfig(box_tolerance_px=2.0, min_visible_px=40)
    rounds = RoundsConfig(num_rounds=4, objects_per_round=3 * num_classes, iterations_per_round=130)
    return study.model_copy(
        update={
            "world": None,
            "segmenter": centernet2_miniature(num_classes),
            "warm_up_iterations": 520,
            "no_aug_iterations": 520,
            "main_iterations": 520,
            "recipe": study.recipe.model_copy(update={"repeat_threshold": min(1.0, 100 / num_images)}),
            "augmentation": AugmentConfig(size_px=96, min_scale=1.0, max_scale=1.5),
            "evaluation": EvaluateConfig(short_side_px=128, long_side_px=256, batch_size=4, batch_by_size=True),
            "split": study.split.model_copy(update={"long_side_px": _OWN_LONG_SIDE_PX}),
            "mrca": study.mrca.model_copy(
                update={"rounds": rounds, "pasting": MrcaPasting(size=_MINI_SIZE, paste=paste)}
            ),
            "xpaste": study.xpaste.model_copy(
                update={
                    "pasting": XPastePasting(
                        sampler=XPasteSamplerConfig(max_objects_per_image=5), size=_MINI_SIZE, paste=paste
                    )
                }
            ),
            "expected_step_s": 0.3,
            "expected_evaluate_s": 12.0,
        }
    )


def with_imagenet_start(study: MrcaStudy) -> MrcaStudy:
    """Return a study of own data whose segmenter starts from the ImageNet weights of EfficientNet-Lite0.

    The backbone learns at a tenth of the rate of the rest, as usual where it has been trained before; the factor was not tuned.
    """
    return study.model_copy(
        update={
            "backbone": "efficientnet_lite0",
            "segmenter": centernet2_lite0(study.segmenter.num_classes),
            "recipe": study.recipe.model_copy(update={"backbone_lr_factor": 0.1}),
            "expected_model_mb": 5.0,
        }
    )

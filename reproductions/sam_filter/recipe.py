"""The complete typed config of all tables at one tier, and the functions that return them.

``smoke`` and ``mini`` differ from ``paper`` in sizes, step counts, checkpoint places and the parts that the ledger names. Values
without a mark here are those of the specification; the ledger's entries for the small tiers say what differs there.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from methods.common.generators.captioners import BlipCaptions, TemplateCaptions
from methods.common.metrics.label_maps.mask_quality import Uncertain
from methods.common.miniature.voc_view import DrawVocConfig
from methods.common.miniature.world_config import WebConfig
from methods.common.prompters.configs import (
    AutomaticClipConfig,
    GroundingDinoSamConfig,
    PrompterConfig,
    SalientConfig,
)
from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig
from methods.common.segmenters.backbones.config import (
    EFFICIENTNET_LITE0_MEAN,
    EFFICIENTNET_LITE0_STD,
    EfficientNetLiteConfig,
)
from methods.common.segmenters.mask2former.presets import mask2former_miniature, mask2former_r50
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.segmenters import SegmenterConfig
from methods.common.stage import Config
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.common.training.poly_recipe import PolyRecipe
from methods.sam_filter.semseg_fdsl import SemSegFdslConfig
from methods.sam_filter.stages.classify import PretrainClassifierConfig
from methods.sam_filter.stages.prompts import PromptsConfig
from methods.sam_filter.stages.synthesis_config import CaptureSteps, SynthesizeConfig
from reproductions.study.config import StudyConfig
from reproductions.study.request import Tier


class PretrainingConfig(Config):
    """Pre-training on drawn shapes."""

    drawn: SemSegFdslConfig = SemSegFdslConfig()
    """Pictures; the arm sets contour and noise."""
    noise: Literal["N1", "N2", "N3"] = "N1"
    """Which noise the noisy arms draw. Section 7.2 [? D20]"""
    num_images: int = Field(default=20_000, ge=1)
    """Pictures. [P]"""
    iterations: int = Field(default=125_000, ge=1)
    """Length: 6.25 an image, as fine-tuning. Section 8.2 [? D16]"""
    base_lr: float | None = Field(default=None, gt=0)
    """Learning rate; None for that of fine-tuning. Section 8.2 [? D16]"""


class SamFilterStudy(StudyConfig):
    """Everything behind the tables."""

    backbone: Literal["convolutional", "mask2former_miniature", "mask2former_r50", "efficientnet_lite0"]
    """Which segmenter, as reports call it."""
    world: DrawVocConfig | None = None
    """The miniature world to draw, or None for data from outside."""
    train_split: str = "trainaug"
    """Name of the list of real training images."""
    val_split: str = "val"
    """Name of the list that is evaluated on."""
    prompts: PromptsConfig = PromptsConfig(captioner=BlipCaptions())
    """What is asked of the generator; ``prompts.num_prompts`` is the number of pairs."""
    synthesis: SynthesizeConfig = SynthesizeConfig()
    """Generation and masks of every variant."""
    num_shards: int = Field(default=64, ge=1)
    """Cells that generate the pairs, and that segment them."""
    variant: str = "s32_c16"
    """Whose masks are filtered and trained on. [P]"""
    pilot_variants: tuple[str, ...] = ()
    """Variants of the pilot study. [P] all eight"""
    pilot_images: int = Field(default=1000, ge=1)
    """Images whose masks are compared with the reference. [P]"""
    prompter: PrompterConfig = GroundingDinoSamConfig()
    """What turns a class name into a mask for the filter. Section 4.2 [? D1]"""
    reference: PrompterConfig = GroundingDinoSamConfig()
    """What makes the pilot's reference masks; the paper's were checked by people. Section 3 [? D24]"""
    uncertain: Uncertain = "ignore"
    """How pixels labelled 255 count in the score. Section 4.3 [? D6]"""
    segmenter: SegmenterConfig
    """The network, with as many classes as the data."""
    recipe: PolyRecipe
    """Its training; the number of iterations is set below."""
    augmentation: SemanticAugmentConfig = SemanticAugmentConfig()
    """Of training images."""
    evaluation: EvaluateSemanticConfig = EvaluateSemanticConfig()
    """Test-time size."""
    iterations_per_1000_images: int = Field(default=6250, ge=1)
    """Length of a training on generated pairs. Section 8 [D]"""
    iteration_step: int = Field(default=1000, ge=1)
    """Lengths are rounded to multiples of this, halves up. Section 12, item 8 [D]"""
    real_iterations: int = Field(default=133_000, ge=1)
    """Length of the training on real photographs. [P]"""
    real_images: int = Field(default=10_582, ge=1)
    """Their number, for the control with as many epochs. Section 8.3 [? D14]"""
    pretraining: PretrainingConfig = PretrainingConfig()
    """SemSegFDSL."""
    imagenet_segmenter: SegmenterConfig | None = None
    """The network of rows with ImageNet weights, where it differs. [MM] leaves its batch norms' affine parameters untrained"""
    imagenet_backbone_lr_factor: float | None = Field(default=None, ge=0)
    """Learning rate of a backbone with ImageNet weights over that of the rest; None: that of every other training."""
    classifier: PretrainClassifierConfig | None = None
    """Trains the backbone that stands in for ImageNet weights; None where real ones come from outside."""
    expected_segment_s: float = Field(default=0.5, gt=0)
    """Rough seconds to segment a pair by name."""

    @model_validator(mode="after")
    def _variants_are_made(self) -> Self:
        made = self.synthesis.variants()
        for name in (self.variant, *self.pilot_variants):
            if name not in made:
                raise ValueError(f"no masks of variant {name!r} are made; there will be {', '.join(made)}")
        return self

    def iterations_for(self, num_images: int) -> int:
        """Return the iterations of a training on so many generated pairs, rounded half up (section 12, item 8)."""
        exact, step = num_images * self.iterations_per_1000_images, 1000 * self.iteration_step
        return max(1, (2 * exact + step) // (2 * step)) * self.iteration_step

    def kept(self, quarters: int) -> int:
        """Return how many pairs a number of quarters is."""
        return max(1, self.prompts.num_prompts * quarters // 4)


def paper() -> SamFilterStudy:
    """Tables 1 to 3 and the pilot study: Mask2Former with ResNet-50 from random weights, VOC 2012."""
    synthesis = SynthesizeConfig()
    return SamFilterStudy(
        backbone="mask2former_r50",
        segmenter=mask2former_r50(num_classes=21),
        imagenet_segmenter=mask2former_r50(num_classes=21, train_batch_norm_affine=False),
        recipe=PolyRecipe(iterations=250_000),
        synthesis=synthesis,
        pilot_variants=synthesis.variants(),
        num_workers=8,
    )


_MINI_DRAWN = SemSegFdslConfig(size_px=64, shape_scale=0.25, shapes_per_image=3, num_categories=24, mask_noise_px=4)
"""Pictures of 64 px: an eighth of the sides and of the noise; few shapes of few categories, which a small network can tell apart."""


def _small() -> SamFilterStudy:
    """What the tiers on the miniature world, and own pictures, start from."""
    world = DrawVocConfig(num_train=200, num_val=120)
    segmenter = ConvolutionalConfig(num_classes=world.num_categories + 1, widths=(16, 32, 64, 128), convs_per_level=2)
    synthesis = SynthesizeConfig(
        num_steps=10,
        guidance_scale=3.5,
        batch_size=24,
        negative_prompt=None,
        key_prefix="a photo of a ",
        scheduler="dpm_solver",
        self_sides=(8, 4),
        cross_sides=(8, 4),
        powers=(4, 0),
        image_format="png",
    )
    return SamFilterStudy(
        backbone="convolutional",
        world=world,
        prompts=PromptsConfig(captioner=TemplateCaptions(), num_prompts=384, min_images_per_class=30, max_classes=2),
        synthesis=synthesis,
        num_shards=3,
        variant="s8_c8",
        pilot_variants=synthesis.variants(),
        pilot_images=200,
        prompter=AutomaticClipConfig(
            masks=AutomaticMasksConfig(points_per_side=6, predicted_iou=0.5, stability=0.6), min_score=30.0
        ),
        reference=SalientConfig(),
        segmenter=segmenter,
        recipe=PolyRecipe(
            iterations=768,
            batch_size=8,
            base_lr=5e-3,
            backbone_lr_factor=1.0,
            max_gradient_norm=1.0,
            warmup_iterations=20,
        ),
        augmentation=SemanticAugmentConfig(
            crop_px=64, min_scale_tenths=8, max_scale_tenths=13, max_class_share=1.0, photometric=None
        ),
        evaluation=EvaluateSemanticConfig(short_side_px=64, max_long_side_px=256, batch_size=25),
        iterations_per_1000_images=2000,
        iteration_step=10,
        real_iterations=700,
        real_images=200,
        pretraining=PretrainingConfig(drawn=_MINI_DRAWN, num_images=300, iterations=400, base_lr=1e-3),
        classifier=PretrainClassifierConfig(segmenter=segmenter),
        expected_step_s=0.022,
        expected_image_s=0.09,
        expected_segment_s=0.07,
        expected_evaluate_s=1.5,
        expected_image_kb=14.0,
        expected_model_mb=0.8,
    )


_MINI_VARIANTS = ("s8_c8", "s8_c8_p1", "s8_c8_p0", "s4_c8_p0", "s8_c4", "s8_c4_p1", "s8_c4_p0", "s4_c8")
"""Eight whose masks go from good to bad in steps; the others that could be made with these sides are all as bad as the last two [C D43]."""


def mini() -> SamFilterStudy:
    """The claims on the miniature world, with three seeds.

    Five classes on crops of 32 px, as many iterations as pairs: a training then ends where another seed's does. With nine classes on 64 px or
    fewer iterations it is luck which classes are learned (docs/miniature.md) [C D41, D52].
    """
    study = _small()
    assert study.world is not None
    assert study.classifier is not None
    world = study.world.model_copy(update={"num_categories": 5, "num_val": 300})
    segmenter = study.segmenter.model_copy(update={"num_classes": world.num_categories + 1})
    drawn = _MINI_DRAWN.model_copy(update={"size_px": 32, "shape_scale": 0.125, "mask_noise_px": 2})
    return study.model_copy(
        update={
            "world": world,
            "prompts": study.prompts.model_copy(
                update={"num_prompts": 1024, "min_images_per_class": 160, "samples_per_image": 6}
            ),
            "synthesis": study.synthesis.model_copy(
                update={"num_steps": 8, "powers": (4, 1, 0), "capture_steps": CaptureSteps(last=1)}
            ),
            "num_shards": 4,
            "pilot_variants": _MINI_VARIANTS,
            "segmenter": segmenter,
            "recipe": study.recipe.model_copy(update={"batch_size": 16}),
            "augmentation": study.augmentation.model_copy(update={"crop_px": 32}),
            "evaluation": study.evaluation.model_copy(
                update={"short_side_px": 32, "max_long_side_px": 128, "batch_size": 50}
            ),
            "iterations_per_1000_images": 1000,
            "real_iterations": 600,
            "pilot_images": 400,
            "pretraining": study.pretraining.model_copy(update={"drawn": drawn}),
            "classifier": study.classifier.model_copy(
                update={"segmenter": segmenter, "web": WebConfig(single_share=1.0, image_size_px=32)}
            ),
            "expected_step_s": 0.015,
            "expected_image_s": 0.07,
            "expected_evaluate_s": 1.0,
        }
    )


def smoke() -> SamFilterStudy:
    """Every code path of every arm in about a minute; the numbers mean nothing."""
    study = _small()
    assert study.world is not None
    assert study.classifier is not None
    return study.model_copy(
        update={
            "world": study.world.model_copy(update={"num_train": 40, "num_val": 6}),
            "prompts": study.prompts.model_copy(update={"num_prompts": 24, "min_images_per_class": 1}),
            "synthesis": study.synthesis.model_copy(update={"num_steps": 4}),
            "num_shards": 2,
            "pilot_images": 24,
            "recipe": study.recipe.model_copy(update={"batch_size": 4}),
            "iterations_per_1000_images": 170,
            "iteration_step": 1,
            "real_iterations": 2,
            "real_images": 40,
            "pretraining": study.pretraining.model_copy(update={"num_images": 8, "iterations": 2}),
            "classifier": study.classifier.model_copy(
                update={
                    "optimizer": study.classifier.optimizer.model_copy(update={"num_steps": 2}),
                    "num_pictures": 64,
                    "num_held_out": 36,
                }
            ),
            "expected_evaluate_s": 0.3,
        }
    )


def with_mask2former(study: SamFilterStudy) -> SamFilterStudy:
    """Return a small study with the miniature Mask2Former, about eight times slower a step; no stand-in for ImageNet fits it."""
    recipe = study.recipe.model_copy(update={"base_lr": 1e-3, "warmup_iterations": 30})
    return study.model_copy(
        update={
            "backbone": "mask2former_miniature",
            "segmenter": mask2former_miniature(study.segmenter.num_classes),
            "classifier": None,
            "recipe": recipe,
            "expected_step_s": 8 * study.expected_step_s,
        }
    )


_EPOCHS_OF_OWN_DATA = 11
_FEWEST_ITERATIONS = 300


def own_data(num_classes: int, num_images: int, tier: Tier) -> SamFilterStudy:
    """A user's own labelled pictures with the convolutional segmenter, on crops of 128 px of pictures with a short side of 115 to 230 px."""
    study = _small()
    length = max(_FEWEST_ITERATIONS, num_images * _EPOCHS_OF_OWN_DATA // study.recipe.batch_size)
    drawn = SemSegFdslConfig(size_px=128, shape_scale=0.25, shapes_per_image=8, num_categories=64)
    study = study.model_copy(
        update={
            "world": None,
            "train_split": "train",
            "segmenter": ConvolutionalConfig(num_classes=num_classes),
            "classifier": None,
            "augmentation": SemanticAugmentConfig(
                crop_px=128, min_scale_tenths=9, max_scale_tenths=18, max_class_share=1.0, photometric=None
            ),
            "evaluation": EvaluateSemanticConfig(short_side_px=180, max_long_side_px=720, num_samples=4),
            "real_iterations": length,
            "real_images": num_images,
            "pretraining": PretrainingConfig(drawn=drawn, num_images=1000, iterations=length, base_lr=1e-3),
            "expected_step_s": 0.08,
            "expected_evaluate_s": 10.0,
        }
    )
    if tier == "smoke":
        few = study.pretraining.model_copy(update={"num_images": 8, "iterations": 2})
        recipe = study.recipe.model_copy(update={"batch_size": 2})
        study = study.model_copy(update={"real_iterations": 2, "pretraining": few, "recipe": recipe})
    return study


def with_imagenet_start(study: SamFilterStudy) -> SamFilterStudy:
    """Return a study of own pictures whose network has EfficientNet-Lite0 as its encoder, for arms that start from its ImageNet weights.

    A backbone with these weights learns at a tenth of the rate of the rest, as usual where it has been trained before; the factor was not tuned.
    """
    segmenter = ConvolutionalConfig(
        num_classes=study.segmenter.num_classes,
        backbone=EfficientNetLiteConfig(),
        norm_levels=True,
        pixel_mean=EFFICIENTNET_LITE0_MEAN,
        pixel_std=EFFICIENTNET_LITE0_STD,
    )
    changes = {"imagenet_backbone_lr_factor": 0.1, "expected_step_s": 0.2, "expected_model_mb": 13.0}
    return study.model_copy(update={"backbone": "efficientnet_lite0", "segmenter": segmenter, **changes})

"""The study of branches B and C: DiffusionInst, a base stage on frequent classes and a novel stage on few samples (sections 5 and 6)."""

from __future__ import annotations

from typing import Any

from methods.common.miniature.street_classes import StreetConfig
from methods.common.miniature.street_view import DrawCityscapesConfig
from methods.common.segmenters.backbones.generative.presets import (
    miniature_networks,
    stable_diffusion_1,
)
from methods.common.segmenters.diffusioninst.presets import (
    cityscapes_recipe,
    diffusioninst_miniature,
    diffusioninst_r50,
    miniature_recipe,
)
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.recipe import TrainingRecipe
from methods.instance_synthesis.paste import PasteConfig
from methods.instance_synthesis.sizes import LadderConfig
from methods.instance_synthesis.stages.distill import DistillConfig
from methods.instance_synthesis.stages.integrate import IntegrateStageConfig
from methods.instance_synthesis.stages.select import SelectStageConfig
from methods.instance_synthesis.stages.support import SupportStageConfig
from reproductions.instance_synthesis import recipe
from reproductions.instance_synthesis.recipe import (
    NUM_CLASSES,
    FewShotConfig,
    InstanceSynthesisStudy,
    SetupConfig,
    crops,
)
from reproductions.study.request import Tier

WHOLE_FRAMES = IntegrateStageConfig(paste=PasteConfig(normalise="histogram"), focus=None)
"""A novel instance is repainted in its whole frame, without the zoom of branch A, and its histogram matched to the real crop's [C D65]."""


_NEAR = StreetConfig(evenness=0.7, smallness=0.3, min_objects=1, max_objects=4)
"""A street of few and near things, of rarer classes too: a decoder that begins with noise needs thousands of steps for small ones [C D67]."""
_FASTER = {"num_heads": 2, "num_proposals": 30, "pool_samples": 1}
"""Sizes of the miniature, chosen by short runs [C D67]."""


def _as_base(study: InstanceSynthesisStudy, base: SetupConfig, few_shot: FewShotConfig) -> InstanceSynthesisStudy:
    """Turn the study of branch A into that of branch B, on the same data and with the same generators."""
    return study.model_copy(
        update={
            "reproduced": base,
            "large_crop": base,
            "published": base,
            "few_shot": few_shot,
            "integration": WHOLE_FRAMES,
            "selection": SelectStageConfig(prompts=study.selection.prompts),
            "num_shards": 1,
            "quality": None,
        }
    )


def _ladder(ladder: LadderConfig, **changes: Any) -> dict[str, Any]:
    """Return a ladder, and how its smaller rungs learn; who learns from whom is for the plan to say."""
    whole = ladder.backbone("cut").extractor.model_copy(update={"precision": "float32"})
    return {"ladder": ladder, "distillation": DistillConfig(teacher=whole, student=whole, **changes)}


def paper() -> InstanceSynthesisStudy:
    """DiffusionInst with ResNet-50 on Cityscapes: 90,000 iterations of 4 images, then 2,000 on the support (sections 5.5 and 6.1)."""
    segmenter = diffusioninst_r50(NUM_CLASSES).model_copy(update={"num_proposals": 300})
    base = SetupConfig(segmenter=segmenter, recipe=cityscapes_recipe(), augmentation=crops(360, 720), start="backbone")
    novel = cityscapes_recipe().model_copy(
        update={"iterations": 2_000, "drops": (1_600, 1_900), "warmup_iterations": 100}
    )
    study = _as_base(
        recipe.paper(), base, FewShotConfig(recipe=novel, **_ladder(LadderConfig(networks=stable_diffusion_1())))
    )
    return study.model_copy(
        update={"backbone": "diffusioninst_r50", "expected_step_s": 0.4, "expected_model_mb": 450.0}
    )


def mini() -> InstanceSynthesisStudy:
    """The hypotheses on the miniature street; with three seeds about a quarter of an hour on two cores, by the plan's own estimate."""
    rates = miniature_recipe()
    base_recipe = PolyRecipe(
        iterations=1_000,
        batch_size=4,
        base_lr=rates.base_lr,
        backbone_lr_factor=rates.backbone_lr_factor,
        weight_decay=rates.weight_decay,
        undecayed=(),
        warmup_iterations=rates.warmup_iterations,
        max_gradient_norm=rates.max_gradient_norm,
    )
    base = SetupConfig(
        segmenter=diffusioninst_miniature(NUM_CLASSES).model_copy(update=_FASTER),
        recipe=base_recipe,
        augmentation=ShortSideAugmentConfig(
            short_sides_px=(96,), max_long_side_px=192, first_crop_probability=0.0, last_crop_px=(96, 192)
        ),
        start="backbone",
    )
    novel = base_recipe.model_copy(update={"iterations": 300, "warmup_iterations": 5})
    ladder = LadderConfig(networks=miniature_networks(), width=64, half="bfloat16")
    smaller = _ladder(ladder, crop_px=(64, 128), recipe=TrainingRecipe(iterations=60, batch_size=8, base_lr=1e-3))
    study = _as_base(recipe.mini(), base, FewShotConfig(recipe=novel, **smaller))
    return study.model_copy(
        update={
            "backbone": "diffusioninst_miniature",
            "world": DrawCityscapesConfig(num_train=300, num_val=100, scene=_NEAR),
            "expected_step_s": 0.06,
            "expected_evaluate_s": 1.7,
        }
    )


def smoke() -> InstanceSynthesisStudy:
    """Every code path of every arm; the numbers mean nothing."""
    study, small = mini(), recipe.smoke()
    assert study.few_shot is not None
    few = {"iterations": 2, "batch_size": 2, "warmup_iterations": 1}
    base = study.reproduced.model_copy(update={"recipe": study.reproduced.recipe.model_copy(update=few)})
    few_shot = FewShotConfig(
        support=SupportStageConfig(min_area_px=1),
        recipe=study.few_shot.recipe.model_copy(update=few),
        ladder=study.few_shot.ladder,
        distillation=study.few_shot.distillation.model_copy(
            update={"recipe": study.few_shot.distillation.recipe.model_copy(update={"iterations": 2, "batch_size": 2})}
        ),
    )
    return study.model_copy(
        update={
            "world": DrawCityscapesConfig(num_train=80, num_val=4, scene=StreetConfig(evenness=1.0)),
            "back_ends": small.back_ends,
            "reproduced": base,
            "large_crop": base,
            "published": base,
            "few_shot": few_shot,
            "expected_evaluate_s": 0.5,
        }
    )


def own_data(class_names: tuple[str, ...], num_frames: int, tier: Tier) -> InstanceSynthesisStudy:
    """A user's own instances in Cityscapes' layout, with the miniature DiffusionInst; sizes are those of branch A's study of own data."""
    study, few = recipe.own_data("cityscapes", class_names, num_frames, tier), mini() if tier == "mini" else smoke()
    assert few.few_shot is not None
    length = study.reproduced.recipe.iterations
    base = few.reproduced.model_copy(
        update={
            "recipe": few.reproduced.recipe.model_copy(update={"iterations": length}),
            "augmentation": study.reproduced.augmentation,
        }
    )
    made = _as_base(study, base, few.few_shot.model_copy(update={"support": SupportStageConfig()}))
    return made.model_copy(update={"backbone": few.backbone})

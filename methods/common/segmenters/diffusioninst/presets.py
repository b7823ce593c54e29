"""Complete DiffusionInst configs: the released ones, and a miniature for CPU minutes."""

from __future__ import annotations

from methods.common.segmenters.backbones.config import ResNetConfig, SwinConfig
from methods.common.segmenters.backbones.presets import miniature_resnet
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.training.step_recipe import StepRecipe

ALL_STAGES = (0, 1, 2, 3)


def diffusioninst_r50(num_classes: int) -> DiffusionInstConfig:
    """Return ResNet-50 with its pyramid (InstSynth section 5)."""
    return DiffusionInstConfig(num_classes=num_classes)


def diffusioninst_r101(num_classes: int) -> DiffusionInstConfig:
    """Return the same with ResNet-101."""
    backbone = ResNetConfig(blocks=(3, 4, 23, 3), output_stages=ALL_STAGES)
    return DiffusionInstConfig(num_classes=num_classes, backbone=backbone)


def diffusioninst_swinb(num_classes: int) -> DiffusionInstConfig:
    """Return the same with Swin-B, windows of 7 patches (InstSynth section 5.5)."""
    backbone = SwinConfig(window=7, embedding=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), output_stages=ALL_STAGES)
    return DiffusionInstConfig(num_classes=num_classes, backbone=backbone)


def diffusioninst_miniature(num_classes: int) -> DiffusionInstConfig:
    """Return a 64-192 px size of the same network for CPU minutes.

    Basic blocks with trained batch norms, strides 4 to 32, two heads, narrow layers. All values that differ from the defaults are
    our choice.
    """
    return DiffusionInstConfig(
        num_classes=num_classes,
        backbone=miniature_resnet(ALL_STAGES, stem_pool=True),
        width=64,
        num_proposals=40,
        num_heads=3,
        attention_heads=4,
        ffn_width=128,
        dynamic_width=16,
        pool_size=5,
        canonical_size_px=56.0,
        mask_width=32,
        mask_convs=2,
    )


def coco_recipe() -> StepRecipe:
    """Return the release's training of R50 on COCO: 90,000 iterations of 32 images (InstSynth section 5.5 [DI])."""
    return StepRecipe(
        iterations=90_000,
        batch_size=32,
        base_lr=5e-5,
        backbone_lr_factor=1.0,
        weight_decay=1e-4,
        drops=(60_000, 80_000),
        undecayed=(),
        warmup_iterations=1000,
        max_gradient_norm=1.0,
        autocast="none",
    )


def cityscapes_recipe() -> StepRecipe:
    """Return our training on Cityscapes: 90,000 iterations of 4 images, half the rate (InstSynth section 5.5)."""
    return coco_recipe().model_copy(update={"batch_size": 4, "base_lr": 2.5e-5})


def miniature_recipe(iterations: int = 600) -> StepRecipe:
    """Return a training from scratch in about a CPU minute, for :func:`diffusioninst_miniature`. All values are our choice."""
    return StepRecipe(
        iterations=iterations,
        batch_size=8,
        base_lr=1e-3,
        backbone_lr_factor=1.0,
        weight_decay=1e-4,
        drops=(max(1, iterations * 7 // 10), max(2, iterations * 9 // 10)),
        undecayed=(),
        warmup_iterations=20,
        max_gradient_norm=1.0,
        autocast="none",
    )

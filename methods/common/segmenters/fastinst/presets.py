"""Complete FastInst configs: the four of the release, and a miniature for CPU minutes."""

from __future__ import annotations

from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.backbones.presets import miniature_resnet
from methods.common.segmenters.fastinst.config import FastInstConfig, FastInstLossConfig
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.step_recipe import StepRecipe

_UNDECAYED = ("auxiliary_query", "auxiliary_position")


def fastinst_r50_d1(num_classes: int) -> FastInstConfig:
    """Return R50-FPN with one decoder layer, for images of 576 pixels (InstSynth section 7.4)."""
    return FastInstConfig(num_classes=num_classes, decoder_layers=1)


def fastinst_r50_d3(num_classes: int) -> FastInstConfig:
    """Return R50-FPN with three decoder layers, the segmenter of InstSynth's tables (InstSynth section 7)."""
    return FastInstConfig(num_classes=num_classes)


def fastinst_r50_d_dcn(num_classes: int) -> FastInstConfig:
    """Return the same with a ResNet-vd whose last two stages are deformable (InstSynth section 7.1)."""
    backbone = ResNetConfig(stem="deep", shortcut="pooled", deformable_stages=(2, 3))
    return FastInstConfig(num_classes=num_classes, backbone=backbone)


def fastinst_r101(num_classes: int) -> FastInstConfig:
    """Return the same with ResNet-101."""
    return FastInstConfig(num_classes=num_classes, backbone=ResNetConfig(blocks=(3, 4, 23, 3)))


def fastinst_miniature(num_classes: int) -> FastInstConfig:
    """Return a 64 px size of the same network that trains from scratch in a CPU minute.

    Basic blocks with trained batch norms, masks of stride 4, queries from stride 8. All values that differ from the defaults
    are our choice, found by short runs on the miniature world.
    """
    return FastInstConfig(
        num_classes=num_classes,
        backbone=miniature_resnet((1, 2, 3)),
        width=64,
        norm_groups=8,
        num_queries=16,
        num_auxiliary=4,
        heads=4,
        ffn_width=128,
        loss=FastInstLossConfig(num_points=256),
        pad_multiple=16,
    )


def coco_recipe() -> StepRecipe:
    """Return the release's training on COCO: 50 epochs of 16 images (InstSynth section 7.4 [FI])."""
    return StepRecipe()


def cityscapes_recipe() -> PolyRecipe:
    """Return InstSynth's training on Cityscapes: 90,000 iterations of 4 images, no clipping (InstSynth section 7.4)."""
    return PolyRecipe(iterations=90_000, batch_size=4, undecayed=_UNDECAYED, max_gradient_norm=None, autocast="float16")


def miniature_recipe(iterations: int = 600) -> PolyRecipe:
    """Return a training from scratch in about a CPU minute, for :func:`fastinst_miniature`. All values are our choice."""
    return PolyRecipe(
        iterations=iterations,
        batch_size=8,
        base_lr=2e-3,
        backbone_lr_factor=1.0,
        undecayed=_UNDECAYED,
        warmup_iterations=20,
        max_gradient_norm=1.0,
    )

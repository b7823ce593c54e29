"""Complete Mask2Former configs: the paper's R50, the official Swin-B and Swin-L, and a miniature for CPU minutes."""

from __future__ import annotations

from methods.common.segmenters.backbones.config import SwinConfig
from methods.common.segmenters.backbones.presets import miniature_resnet
from methods.common.segmenters.mask2former.config import Mask2FormerConfig, Mask2FormerLossConfig


def mask2former_r50(num_classes: int, *, train_batch_norm_affine: bool = True) -> Mask2FormerConfig:
    """Return the R50 segmenter of all tables (SAM filter section 8).

    Give ``train_batch_norm_affine=False`` for the official setting, which goes with ImageNet weights
    (SAM filter section 8.1).
    """
    return Mask2FormerConfig(num_classes=num_classes, train_batch_norm_affine=train_batch_norm_affine)


def mask2former_swinl(num_classes: int) -> Mask2FormerConfig:
    """Return the Swin-L segmenter of the official release: 200 queries, drop path 0.3."""
    return Mask2FormerConfig(num_classes=num_classes, backbone=SwinConfig(output_stages=(0, 1, 2, 3)), num_queries=200)


def mask2former_swinb(num_classes: int) -> Mask2FormerConfig:
    """Return the Swin-B segmenter that the official release trains from ImageNet-22k at 384 px: 100 queries, drop path 0.3.

    Source: Attn2mask section 10.7; which weights is our choice [C Attn2mask D63].
    """
    backbone = SwinConfig(embedding=128, heads=(4, 8, 16, 32), output_stages=(0, 1, 2, 3))
    return Mask2FormerConfig(num_classes=num_classes, backbone=backbone)


def mask2former_miniature(num_classes: int) -> Mask2FormerConfig:
    """Return a 64 px size of the same network that trains from scratch in CPU minutes.

    Convolutional backbone with strides 2 to 16, and a per-pixel loss on the mask features. All values that differ from the
    defaults are our choice [C SAM filter D67].
    """
    return Mask2FormerConfig(
        num_classes=num_classes,
        backbone=miniature_resnet(),
        num_queries=20,
        feature_width=64,
        mask_width=64,
        hidden_width=64,
        encoder_layers=1,
        decoder_layers=3,
        heads=4,
        encoder_ffn_width=128,
        decoder_ffn_width=128,
        norm_groups=8,
        loss=Mask2FormerLossConfig(num_points=512, dense_weight=2.0),
        pad_multiple=16,
    )

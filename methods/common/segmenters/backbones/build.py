"""From a backbone's config to its network."""

from __future__ import annotations

from methods.common.segmenters.backbones.config import (
    BackboneConfig,
    ConvNeXtConfig,
    EfficientNetLiteConfig,
    ResNetConfig,
)
from methods.common.segmenters.backbones.convnext import ConvNeXt
from methods.common.segmenters.backbones.efficientnet_lite import EfficientNetLite
from methods.common.segmenters.backbones.generative.backbone import GenerativeBackbone
from methods.common.segmenters.backbones.generative.config import GenerativeConfig
from methods.common.segmenters.backbones.resnet import ResNet
from methods.common.segmenters.backbones.swin import Swin

Backbone = ResNet | Swin | ConvNeXt | EfficientNetLite | GenerativeBackbone
"""Each takes normalised images [N, 3, H, W] and what draws for its images, and returns its config's outputs, finest first."""


def build_backbone(config: BackboneConfig) -> Backbone:
    """Build the backbone that a config describes."""
    if isinstance(config, ResNetConfig):
        return ResNet(config)
    if isinstance(config, EfficientNetLiteConfig):
        return EfficientNetLite(config)
    if isinstance(config, GenerativeConfig):
        return GenerativeBackbone(config)
    return ConvNeXt(config) if isinstance(config, ConvNeXtConfig) else Swin(config)

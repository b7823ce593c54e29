"""From a backbone's config to its network."""

from __future__ import annotations

from methods.common.segmenters.backbones.config import BackboneConfig, ResNetConfig
from methods.common.segmenters.backbones.resnet import ResNet
from methods.common.segmenters.backbones.swin import Swin


def build_backbone(config: BackboneConfig) -> ResNet | Swin:
    """Build the backbone that a config describes."""
    return ResNet(config) if isinstance(config, ResNetConfig) else Swin(config)

"""Complete DeepLab configs: BECO's, a plain one, and a miniature for CPU minutes."""

from __future__ import annotations

from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.deeplab.config import DeepLabConfig


def deeplabv3plus_r101d(num_classes: int) -> DeepLabConfig:
    """Return each of the two networks that are trained together (Attn2mask section 6.4)."""
    return DeepLabConfig(num_classes=num_classes)


def deeplabv3_r50(num_classes: int) -> DeepLabConfig:
    """Return the plain segmenter of Attn2mask section 12: ResNet-50, output stride 8, no decoder.

    All of it is torchvision's ``deeplabv3_resnet50``, with dropout 0.5.
    """
    backbone = ResNetConfig(norm="batch", output_stages=(3,), dilated_stages=(2, 3), contract_dilation=True)
    return DeepLabConfig(
        num_classes=num_classes,
        backbone=backbone,
        rates=(12, 24, 36),
        low_level_width=None,
        separable=False,
        dropout=0.5,
    )


def deeplab_miniature(num_classes: int) -> DeepLabConfig:
    """Return a 64 px size of DeepLabV3+ that trains from scratch on one processor core.

    Strides 2 to 8, dilated last stage with multi-grid, rates that fit 8 cells. All values that differ from the defaults are our
    choice.
    """
    return DeepLabConfig(
        num_classes=num_classes,
        backbone=ResNetConfig(
            block="basic",
            blocks=(1, 1, 1, 2),
            widths=(16, 32, 64, 64),
            stem_width=16,
            stem_kernel=3,
            stem_pool=False,
            norm="batch",
            output_stages=(0, 1, 2, 3),
            shortcut="pooled",
            dilated_stages=(3,),
            multi_grid=(1, 2),
        ),
        rates=(1, 2, 3),
        width=64,
        low_level_width=16,
    )

"""Backbones that several networks take. Holds no torch, so that planning stays fast."""

from methods.common.segmenters.backbones.config import ResNetConfig


def miniature_resnet(output_stages: tuple[int, ...] = (0, 1, 2, 3), *, stem_pool: bool = False) -> ResNetConfig:
    """Return a ResNet of one basic block a stage with trained batch norms, strides 2 to 16, with ``stem_pool`` 4 to 32.

    It trains from scratch on pictures of 64 to 192 px in CPU minutes; all values that differ from the defaults are our choice
    [C MRCA D44] [C SAM filter D67].
    """
    return ResNetConfig(
        block="basic",
        blocks=(1, 1, 1, 1),
        widths=(32, 48, 64, 96),
        stem_width=32,
        stem_kernel=3,
        stem_pool=stem_pool,
        norm="batch",
        output_stages=output_stages,
    )

"""The semantic segmenters that can be trained, by their configs. Networks are loaded only when one is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.segmenters.hrnet.config import HRNetSegmenterConfig
from methods.common.segmenters.mask2former.config import Mask2FormerConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig

if TYPE_CHECKING:
    import torch

    from methods.common.segmenters.semantic.interface import SemanticSegmenter

SegmenterConfig = Annotated[
    ConvolutionalConfig | Mask2FormerConfig | DeepLabConfig | HRNetSegmenterConfig, Field(discriminator="kind")
]

Start = Literal["scratch", "backbone", "all_but_classes", "all"]
"""Which weights of a new segmenter come from elsewhere: none, the backbone's, all but those of the class layers, or all."""


def build_segmenter(
    config: ConvolutionalConfig | Mask2FormerConfig | DeepLabConfig | HRNetSegmenterConfig,
    generator: torch.Generator | None = None,
) -> SemanticSegmenter:
    """Build a segmenter with random weights drawn from a generator, in training mode on the CPU."""
    if isinstance(config, ConvolutionalConfig):
        from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter

        return ConvolutionalSegmenter(config, generator)
    if isinstance(config, DeepLabConfig):
        from methods.common.segmenters.deeplab.model import DeepLab

        return DeepLab(config, generator)
    if isinstance(config, HRNetSegmenterConfig):
        from methods.common.segmenters.hrnet.model import HRNetSegmenter

        return HRNetSegmenter(config, generator)
    from methods.common.segmenters.mask2former.model import Mask2Former

    return Mask2Former(config, generator)


def load_segmenter(folder: Path) -> SemanticSegmenter:
    """Read a segmenter of any kind from its folder, on the CPU and in evaluation mode.

    Raises:
        InputError: the folder holds none.
    """
    from methods.common.segmenters.saved import CONFIG_FILE, read_kind

    kind = read_kind(folder)
    if kind == "convolutional":
        from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter

        return ConvolutionalSegmenter.from_pretrained(folder)
    if kind == "mask2former":
        from methods.common.segmenters.mask2former.model import Mask2Former

        return Mask2Former.from_pretrained(folder)
    if kind == "averaged":
        from methods.common.segmenters.semantic.averaged import AveragedSegmenter

        return AveragedSegmenter.from_pretrained(folder, load_segmenter)
    if kind == "deeplab":
        from methods.common.segmenters.deeplab.model import DeepLab

        return DeepLab.from_pretrained(folder)
    if kind == "hrnet":
        from methods.common.segmenters.hrnet.model import HRNetSegmenter

        return HRNetSegmenter.from_pretrained(folder)
    raise InputError(
        f"{folder / CONFIG_FILE} names the kind {kind!r}; known are convolutional, mask2former, deeplab and hrnet, so give such a "
        "segmenter"
    )

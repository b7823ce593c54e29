"""The instance segmenters there are, by their configs and by what their folders hold. A network is loaded only when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag

from methods.common.errors import InputError
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.mask2former.config import PanopticMask2FormerConfig
from methods.common.segmenters.oneformer.config import OneFormerConfig

if TYPE_CHECKING:
    import torch

    from methods.common.segmenters.instance.interface import InstanceSegmenter


def _kind(given: Any) -> str:
    """Return which segmenter a config, or a document of one, describes; CenterNet2's names no kind."""
    found = given.get("kind") if isinstance(given, dict) else getattr(given, "kind", None)
    return "centernet2" if found is None else str(found)


SegmenterConfig = Annotated[
    Annotated[CenterNet2Config, Tag("centernet2")]
    | Annotated[FastInstConfig, Tag("fastinst")]
    | Annotated[OneFormerConfig, Tag("oneformer")]
    | Annotated[DiffusionInstConfig, Tag("diffusioninst")]
    | Annotated[PanopticMask2FormerConfig, Tag("panoptic_mask2former")],
    Discriminator(_kind),
]


def build_segmenter(
    config: CenterNet2Config | FastInstConfig | OneFormerConfig | PanopticMask2FormerConfig | DiffusionInstConfig,
    generator: torch.Generator | None = None,
) -> InstanceSegmenter:
    """Build a segmenter with random weights drawn from a generator, in training mode on the CPU."""
    if isinstance(config, FastInstConfig):
        from methods.common.segmenters.fastinst.model import FastInst

        return FastInst(config, generator)
    if isinstance(config, OneFormerConfig):
        from methods.common.segmenters.oneformer.model import OneFormer

        return OneFormer(config, generator)
    if isinstance(config, DiffusionInstConfig):
        from methods.common.segmenters.diffusioninst.model import DiffusionInst

        return DiffusionInst(config, generator)
    if isinstance(config, PanopticMask2FormerConfig):
        from methods.common.segmenters.mask2former.panoptic import PanopticMask2Former

        return PanopticMask2Former(config, generator)
    from methods.common.segmenters.centernet2.model import CenterNet2

    return CenterNet2(config, generator)


def load_segmenter(folder: Path) -> InstanceSegmenter:
    """Read an instance segmenter of any kind from its folder, on the CPU and in evaluation mode.

    Raises:
        InputError: the folder holds none.
    """
    from methods.common.segmenters.saved import CONFIG_FILE, read_kind

    kind = read_kind(folder)
    if kind is None:  # CenterNet2's config names no kind
        from methods.common.segmenters.centernet2.model import CenterNet2

        return CenterNet2.from_pretrained(folder)
    if kind == "fastinst":
        from methods.common.segmenters.fastinst.model import FastInst

        return FastInst.from_pretrained(folder)
    if kind == "oneformer":
        from methods.common.segmenters.oneformer.model import OneFormer

        return OneFormer.from_pretrained(folder)
    if kind == "diffusioninst":
        from methods.common.segmenters.diffusioninst.model import DiffusionInst

        return DiffusionInst.from_pretrained(folder)
    if kind == "panoptic_mask2former":
        from methods.common.segmenters.mask2former.panoptic import PanopticMask2Former

        return PanopticMask2Former.from_pretrained(folder)
    raise InputError(
        f"{folder / CONFIG_FILE} names the kind {kind!r}, which is no instance segmenter; give the folder of a CenterNet2, "
        "a FastInst, a OneFormer, a panoptic Mask2Former or a DiffusionInst"
    )

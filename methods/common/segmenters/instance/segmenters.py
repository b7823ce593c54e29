"""The instance segmenters there are, by what their folders hold. A network is loaded only when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.errors import InputError

if TYPE_CHECKING:
    from methods.common.segmenters.instance.interface import InstanceSegmenter


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
    if kind == "oneformer":
        from methods.common.segmenters.oneformer.model import OneFormer

        return OneFormer.from_pretrained(folder)
    raise InputError(
        f"{folder / CONFIG_FILE} names the kind {kind!r}, which is no instance segmenter; give the folder of a CenterNet2 or OneFormer"
    )

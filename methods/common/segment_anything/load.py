"""Which package runs which weights of Segment Anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.segment_anything.interface import SegmentAnything

if TYPE_CHECKING:
    import torch


def load_sam(place: Path, device: torch.device | None = None) -> SegmentAnything:
    """Load a folder that transformers saved, or a ``.pth`` file of the original release, which its own package runs.

    Args:
        place: such as ``sam-vit-huge/`` or ``sam_vit_h_4b8939.pth``.
        device: where it runs; CPU by default.

    Raises:
        InputError: nothing loadable is there, or the weights do not fill the network.
    """
    if place.is_file() or place.suffix == ".pth":  # a link's file may have any name
        from methods.common.segment_anything.released import ReleasedSam

        return ReleasedSam.from_file(place, device)
    from methods.common.segment_anything.sam import Sam

    return Sam.from_pretrained(place, device)

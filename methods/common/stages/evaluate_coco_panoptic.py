"""Stage ``evaluate_coco_panoptic``: segment a split in COCO's panoptic layout; score panoptic quality, AP of things and mIoU."""

from __future__ import annotations

from pydantic import Field

from methods.common.stage import Config


class EvaluateCocoPanopticConfig(Config):
    """What is evaluated, at which size, and which queries become segments."""

    split: str = "val2017"
    """Which pictures: those of ``annotations/panoptic_<split>.json`` in the data folder."""
    short_side_px: int = Field(default=800, ge=16)
    """Pictures are resized so that their shorter side has this length. SegGen section 8.3 [C]"""
    long_side_px: int = Field(default=1333, ge=16)
    """... unless the longer side would pass this. SegGen section 8.3 [C]"""
    batch_size: int = Field(default=1, ge=1)
    """Pictures of one size that go through the network together."""
    object_threshold: float = Field(default=0.8, ge=0, lt=1)
    """Class probability that a segment must pass. SegGen section 8.3 [C]"""
    overlap_threshold: float = Field(default=0.8, ge=0, le=1)
    """Least share of its own mask that a segment must win against all others. SegGen section 8.3 [C]"""

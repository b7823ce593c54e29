"""Records that only the report of SegGen has."""

from __future__ import annotations

from reports.records import Record, Report
from reports.samples import PictureRowSample


class MaskRating(Record):
    """How good masks drawn with one number of steps are, with one seed; see :mod:`methods.seggen.stages.mask_quality`. Percent."""

    steps: int
    seed: int
    num_masks: int
    valid_px: float
    small_segments: float
    void_px: float
    class_shift: float
    together_shift: float
    nearest: float
    nearest_of_human: float


class NetworkCalls(Record):
    """What sampling one set of an arm takes, with one seed (section 12.1)."""

    job: str
    """In words."""
    seed: int
    samples: int
    steps: int
    calls: int
    """Of the U-Net, both halves of guidance."""
    seconds: float


class ClassGain(Record):
    """IoU of one class, and how often it occurs in training; one an arm and seed. Percent."""

    arm: str
    seed: int
    name: str
    share: float
    """Of all rated pixels of the training masks."""
    iou: float


class SeggenReport(Report):
    """The report's records, with what only this paper has."""

    ratings: tuple[MaskRating, ...] = ()
    """One a number of steps and seed."""
    calls: tuple[NetworkCalls, ...] = ()
    """One a job and seed."""
    classes: tuple[ClassGain, ...] = ()
    """One a class, arm and seed, for the arms whose gain by class is shown."""
    samples: tuple[PictureRowSample, ...] = ()
    """Real images with their masks, and what both generators make of them."""

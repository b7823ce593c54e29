"""What each arm trains on, from which weights, and how long: Tables 1 to 3 and the controls, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reproductions.sam_filter.arms import ArmId, OwnArmId

PretrainingId = Literal["rc", "va", "rcva", "va_noisy", "imagenet"]
Carried = Literal["all_but_classes", "backbone"]
LEAKY_SPLIT = "trainaug_leaky"
"""Training list with the evaluation images inside."""


@dataclass(frozen=True)
class GeneratedRow:
    """An arm that trains on generated pairs."""

    quarters: int = 4
    """Size of the training set: quarters of all pairs."""
    rule: Literal["all", "score", "random", "random_same_mix"] = "all"
    """How the pairs are chosen."""
    stratified: bool = False
    """Rank by pooled IoU apart for each number of classes (specification 4.5)."""
    pretraining: PretrainingId | None = None
    """What comes before."""
    carried: Carried = "all_but_classes"
    """What is taken over of it; of a classifier only the backbone."""
    as_long_as_all: bool = False
    """Train for the iterations of all pairs, whatever the size."""


@dataclass(frozen=True)
class RealRow:
    """An arm that trains on real photographs."""

    split: str = "trainaug"
    """Training list."""
    iterations: Literal["stated", "epochs of generated pairs"] = "stated"
    """The paper's own number, or as many epochs as the generated pairs get."""


ROWS: Mapping[ArmId, GeneratedRow | RealRow] = {
    "sbd": RealRow(),
    "random_10k": GeneratedRow(1, "random"),
    "sam_10k": GeneratedRow(1, "score"),
    "random_20k": GeneratedRow(2, "random"),
    "sam_20k": GeneratedRow(2, "score"),
    "random_30k": GeneratedRow(3, "random"),
    "sam_30k": GeneratedRow(3, "score"),
    "all_40k": GeneratedRow(),
    "rc_sam_20k": GeneratedRow(2, "score", pretraining="rc"),
    "va_sam_20k": GeneratedRow(2, "score", pretraining="va"),
    "rcva_sam_20k": GeneratedRow(2, "score", pretraining="rcva"),
    "va_all_40k": GeneratedRow(pretraining="va"),
    "va_noisy_all_40k": GeneratedRow(pretraining="va_noisy"),
    "va_noisy_sam_20k": GeneratedRow(2, "score", pretraining="va_noisy"),
    "random_same_mix_20k": GeneratedRow(2, "random_same_mix"),
    "sam_20k_equal_iterations": GeneratedRow(2, "score", as_long_as_all=True),
    "random_20k_equal_iterations": GeneratedRow(2, "random", as_long_as_all=True),
    "sam_20k_stratified": GeneratedRow(2, "score", stratified=True),
    "imagenet_all_40k": GeneratedRow(pretraining="imagenet", carried="backbone"),
    "imagenet_sam_20k": GeneratedRow(2, "score", pretraining="imagenet", carried="backbone"),
    "sbd_leaky": RealRow(split=LEAKY_SPLIT),
    "sbd_100_epochs": RealRow(iterations="epochs of generated pairs"),
    "va_backbone_only_sam_20k": GeneratedRow(2, "score", pretraining="va", carried="backbone"),
}


@dataclass(frozen=True)
class OwnRow:
    """An arm on a user's own pictures."""

    pretraining: Literal["rc", "va"] | None = None
    """What comes before."""
    longer: bool = False
    """Train for the iterations of pre-training and training together."""


OWN_ROWS: Mapping[OwnArmId, OwnRow] = {
    "scratch": OwnRow(),
    "rc": OwnRow("rc"),
    "va": OwnRow("va"),
    "scratch_longer": OwnRow(longer=True),
}

"""The arms: rows of Tables 1 to 3, and the controls that the paper lacks.

The sizes in ids and titles are the paper's names for shares of its 40,000 generated pairs: 10k is a quarter. Smaller tiers keep the shares of
a smaller set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ArmId = Literal[
    "sbd",
    "random_10k",
    "sam_10k",
    "random_20k",
    "sam_20k",
    "random_30k",
    "sam_30k",
    "all_40k",
    "rc_sam_20k",
    "va_sam_20k",
    "rcva_sam_20k",
    "va_all_40k",
    "va_noisy_all_40k",
    "va_noisy_sam_20k",
    "random_same_mix_20k",
    "sam_20k_equal_iterations",
    "random_20k_equal_iterations",
    "sam_20k_stratified",
    "imagenet_all_40k",
    "imagenet_sam_20k",
    "sbd_leaky",
    "sbd_100_epochs",
    "va_backbone_only_sam_20k",
]
OwnArmId = Literal["scratch", "rc", "va", "scratch_longer"]
"""Arms of a run on a user's own pictures, where nothing is generated."""
Table = Literal["Table 1", "Table 2", "Table 3"]


@dataclass(frozen=True)
class Arm:
    """What an arm is, for people."""

    id: ArmId
    title: str
    what: str
    control: bool = False
    table: Table = "Table 1"
    """The table that has it, or beside which a control stands; Table 2's VA row is a row of Table 3 as well."""


@dataclass(frozen=True)
class OwnArm:
    """What an arm on own pictures is, for people."""

    id: OwnArmId
    title: str
    what: str
    control: bool = False


ARMS = (
    Arm("sbd", "SBD (real)", "Real photographs with drawn masks; the training list leaves VOC val out."),
    Arm("random_10k", "Random 10k", "A quarter of the generated pairs, drawn at random."),
    Arm("sam_10k", "SAM top 10k", "The quarter whose masks agree best with SAM's."),
    Arm("random_20k", "Random 20k", "Half of the generated pairs, drawn at random; holds Random 10k."),
    Arm("sam_20k", "SAM top 20k", "The half whose masks agree best with SAM's."),
    Arm("random_30k", "Random 30k", "Three quarters of the generated pairs, drawn at random; holds Random 20k."),
    Arm("sam_30k", "SAM top 30k", "The three quarters whose masks agree best with SAM's."),
    Arm("all_40k", "All 40k", "Every generated pair."),
    Arm("rc_sam_20k", "RC, then SAM top 20k", "Pre-trained on drawn radial contours.", table="Table 2"),
    Arm("va_sam_20k", "VA, then SAM top 20k", "Pre-trained on drawn contours with two waves.", table="Table 2"),
    Arm("rcva_sam_20k", "RC+VA, then SAM top 20k", "Pre-trained on half of the categories each.", table="Table 2"),
    Arm("va_all_40k", "VA, then all 40k", "Pre-trained on exact masks; no filter.", table="Table 3"),
    Arm(
        "va_noisy_all_40k",
        "Noisy VA, then all 40k",
        "Pre-trained on the same pictures with displaced masks; no filter.",
        table="Table 3",
    ),
    Arm(
        "va_noisy_sam_20k",
        "Noisy VA, then SAM top 20k",
        "Pre-trained on the same pictures with displaced masks; filtered half.",
        table="Table 3",
    ),
    Arm(
        "random_same_mix_20k",
        "Random 20k, same class mix",
        "Drawn at random so that every set of classes is as frequent as in SAM top 20k.",
        control=True,
    ),
    Arm(
        "sam_20k_equal_iterations",
        "SAM top 20k, as long as all 40k",
        "The filtered half, trained for the iterations of all 40k.",
        control=True,
    ),
    Arm(
        "random_20k_equal_iterations",
        "Random 20k, as long as all 40k",
        "The random half, trained for the iterations of all 40k.",
        control=True,
    ),
    Arm(
        "sam_20k_stratified",
        "SAM top 20k, stratified",
        "Ranked by pooled IoU apart for each number of classes in an image.",
        control=True,
    ),
    Arm("imagenet_all_40k", "ImageNet, then all 40k", "The backbone starts from classification.", control=True),
    Arm(
        "imagenet_sam_20k",
        "ImageNet, then SAM top 20k",
        "The backbone starts from classification; filtered half.",
        control=True,
    ),
    Arm("sbd_leaky", "SBD with val inside", "Real photographs, evaluation images among them.", control=True),
    Arm("sbd_100_epochs", "SBD, 100 epochs", "Real photographs for as many epochs as generated ones.", control=True),
    Arm(
        "va_backbone_only_sam_20k",
        "VA backbone, then SAM top 20k",
        "Only the pre-trained backbone is carried over.",
        control=True,
        table="Table 2",
    ),
)
"""In the order of the tables, then the controls."""

OWN_ARMS = (
    OwnArm("scratch", "From scratch", "Your pictures only."),
    OwnArm("rc", "RC, then yours", "Pre-trained on drawn radial contours, then your pictures."),
    OwnArm("va", "VA, then yours", "Pre-trained on drawn contours with two waves, then your pictures."),
    OwnArm(
        "scratch_longer",
        "From scratch, longer",
        "Your pictures only, for the iterations of pre-training and training together.",
        control=True,
    ),
)
"""In the order of their table."""

"""The arms: rows of Tables 1 to 3, the controls that the paper lacks, and those of a run on own pictures.

The sizes in ids and titles are the paper's names for shares of its 40,000 generated pairs: 10k is a quarter. Smaller tiers keep the shares of
a smaller set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reproductions.study import arms

PretrainingId = Literal["rc", "va", "rcva", "va_noisy", "imagenet"]
Carried = Literal["all_but_classes", "backbone"]
Group = Literal["real data", "SAM's best", "random", "all pairs", "from scratch", "pre-trained", ""]
"""What an arm is trained on, in the words of the figure's legend."""
LEAKY_SPLIT = "trainaug_leaky"
"""Training list with the evaluation images inside."""


@dataclass(frozen=True)
class GeneratedPairs:
    """Trains on generated pairs."""

    quarters: int = 4
    """Size of the training set: quarters of all pairs."""
    rule: Literal["all", "score", "random", "random_same_mix"] = "all"
    """How the pairs are chosen."""
    stratified: bool = False
    """Rank by pooled IoU apart for each number of classes (section 4.5)."""
    pretraining: PretrainingId | None = None
    """What comes before."""
    carried: Carried = "all_but_classes"
    """What is taken over of it; of a classifier only the backbone."""
    as_long_as_all: bool = False
    """Train for the iterations of all pairs, whatever the size."""

    @property
    def filtered(self) -> bool:
        """Whether the selection looks at scores, so that every pair has to be segmented."""
        return self.rule in ("score", "random_same_mix")

    @property
    def group(self) -> Group:
        """Its colour."""
        return "SAM's best" if self.rule == "score" else "all pairs" if self.rule == "all" else "random"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        found = {"filtered"} if self.filtered else {"random"} if self.rule == "random" else set()
        if self.pretraining == "imagenet":
            return frozenset(found | {"imagenet"})
        if self.pretraining is not None:
            found |= {"pretrained"} | ({"va"} if "va" in self.pretraining else set())
            found |= {"noisy"} if self.pretraining == "va_noisy" else set()
        return frozenset(found)


@dataclass(frozen=True)
class RealPhotographs:
    """Trains on real photographs."""

    split: str = "trainaug"
    """Training list."""
    iterations: Literal["stated", "epochs of generated pairs"] = "stated"
    """The paper's own number, or as many epochs as the generated pairs get."""

    group: Group = "real data"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        return frozenset({"photographs"} if self.split == LEAKY_SPLIT else {"photographs", "val_left_out"})


@dataclass(frozen=True)
class OwnPictures:
    """Trains on a user's own pictures, where nothing is generated."""

    pretraining: Literal["rc", "va", "imagenet"] | None = None
    """What comes before."""
    longer: bool = False
    """Train for the iterations of pre-training and training together."""

    @property
    def topics(self) -> frozenset[str]:
        """What it needs beside the pictures."""
        return frozenset({"imagenet"} if self.pretraining == "imagenet" else ())

    @property
    def group(self) -> Group:
        """Its colour."""
        return "from scratch" if self.pretraining is None else "pre-trained"


@dataclass(frozen=True)
class PilotStudy:
    """Trains on all pairs with the masks of each variant, and measures how good those masks are; no row of a table."""

    group: Group = ""
    topics: frozenset[str] = frozenset()


How = GeneratedPairs | RealPhotographs | OwnPictures | PilotStudy
Arm = arms.Arm[How]


def _arm(id: str, title: str, what: str, how: How, table: str = "Table 1", control: bool = False) -> Arm:
    """Return an arm whose group and topics follow from how it trains; a row of a table stands in it, a control beside it."""
    return Arm(
        id, title, what, how, control, table if control else "", how.group, how.topics, not isinstance(how, PilotStudy)
    )


ARMS: tuple[Arm, ...] = (
    _arm(
        "sbd",
        "SBD (real)",
        "Real photographs with drawn masks; the training list leaves VOC val out.",
        RealPhotographs(),
    ),
    _arm(
        "random_10k",
        "Random 10k",
        "A quarter of the generated pairs, drawn at random.",
        GeneratedPairs(1, "random"),
    ),
    _arm(
        "sam_10k",
        "SAM top 10k",
        "The quarter whose masks agree best with SAM's.",
        GeneratedPairs(1, "score"),
    ),
    _arm(
        "random_20k",
        "Random 20k",
        "Half of the generated pairs, drawn at random; holds Random 10k.",
        GeneratedPairs(2, "random"),
    ),
    _arm(
        "sam_20k",
        "SAM top 20k",
        "The half whose masks agree best with SAM's.",
        GeneratedPairs(2, "score"),
    ),
    _arm(
        "random_30k",
        "Random 30k",
        "Three quarters of the generated pairs, drawn at random; holds Random 20k.",
        GeneratedPairs(3, "random"),
    ),
    _arm(
        "sam_30k",
        "SAM top 30k",
        "The three quarters whose masks agree best with SAM's.",
        GeneratedPairs(3, "score"),
    ),
    _arm("all_40k", "All 40k", "Every generated pair.", GeneratedPairs()),
    _arm(
        "rc_sam_20k",
        "RC, then SAM top 20k",
        "Pre-trained on drawn radial contours.",
        GeneratedPairs(2, "score", pretraining="rc"),
    ),
    _arm(
        "va_sam_20k",
        "VA, then SAM top 20k",
        "Pre-trained on drawn contours with two waves.",
        GeneratedPairs(2, "score", pretraining="va"),
    ),
    _arm(
        "rcva_sam_20k",
        "RC+VA, then SAM top 20k",
        "Pre-trained on half of the categories each.",
        GeneratedPairs(2, "score", pretraining="rcva"),
    ),
    _arm(
        "va_all_40k",
        "VA, then all 40k",
        "Pre-trained on exact masks; no filter.",
        GeneratedPairs(pretraining="va"),
    ),
    _arm(
        "va_noisy_all_40k",
        "Noisy VA, then all 40k",
        "Pre-trained on the same pictures with displaced masks; no filter.",
        GeneratedPairs(pretraining="va_noisy"),
    ),
    _arm(
        "va_noisy_sam_20k",
        "Noisy VA, then SAM top 20k",
        "Pre-trained on the same pictures with displaced masks; filtered half.",
        GeneratedPairs(2, "score", pretraining="va_noisy"),
    ),
    _arm(
        "random_same_mix_20k",
        "Random 20k, same class mix",
        "Drawn at random so that every set of classes is as frequent as in SAM top 20k.",
        GeneratedPairs(2, "random_same_mix"),
        control=True,
    ),
    _arm(
        "sam_20k_equal_iterations",
        "SAM top 20k, as long as all 40k",
        "The filtered half, trained for the iterations of all 40k.",
        GeneratedPairs(2, "score", as_long_as_all=True),
        control=True,
    ),
    _arm(
        "random_20k_equal_iterations",
        "Random 20k, as long as all 40k",
        "The random half, trained for the iterations of all 40k.",
        GeneratedPairs(2, "random", as_long_as_all=True),
        control=True,
    ),
    _arm(
        "sam_20k_stratified",
        "SAM top 20k, stratified",
        "Ranked by pooled IoU apart for each number of classes in an image.",
        GeneratedPairs(2, "score", stratified=True),
        control=True,
    ),
    _arm(
        "imagenet_all_40k",
        "ImageNet, then all 40k",
        "The backbone starts from classification.",
        GeneratedPairs(pretraining="imagenet", carried="backbone"),
        control=True,
    ),
    _arm(
        "imagenet_sam_20k",
        "ImageNet, then SAM top 20k",
        "The backbone starts from classification; filtered half.",
        GeneratedPairs(2, "score", pretraining="imagenet", carried="backbone"),
        control=True,
    ),
    _arm(
        "sbd_leaky",
        "SBD with val inside",
        "Real photographs, evaluation images among them.",
        RealPhotographs(split=LEAKY_SPLIT),
        control=True,
    ),
    _arm(
        "sbd_100_epochs",
        "SBD, 100 epochs",
        "Real photographs for as many epochs as generated ones.",
        RealPhotographs(iterations="epochs of generated pairs"),
        control=True,
    ),
    _arm(
        "va_backbone_only_sam_20k",
        "VA backbone, then SAM top 20k",
        "Only the pre-trained backbone is carried over.",
        GeneratedPairs(2, "score", pretraining="va", carried="backbone"),
        "Table 2",
        control=True,
    ),
    _arm("pilot", "Pilot study", "Mask quality of each variant, and what training on it gives.", PilotStudy()),
)
"""In the order of the tables, then the controls, then the study beside them."""

OWN_ARMS: tuple[Arm, ...] = (
    _arm("scratch", "From scratch", "Your pictures only.", OwnPictures()),
    _arm("rc", "RC, then yours", "Pre-trained on drawn radial contours, then your pictures.", OwnPictures("rc")),
    _arm(
        "va", "VA, then yours", "Pre-trained on drawn contours with two waves, then your pictures.", OwnPictures("va")
    ),
    _arm(
        "scratch_longer",
        "From scratch, longer",
        "Your pictures only, for the iterations of pre-training and training together.",
        OwnPictures(longer=True),
        "",
        control=True,
    ),
    _arm(
        "imagenet",
        "ImageNet, then yours",
        "The encoder starts from ImageNet weights, then your pictures.",
        OwnPictures("imagenet"),
        "",
        control=True,
    ),
)
"""In the order of their table."""

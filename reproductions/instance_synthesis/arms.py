"""The arms: rows of the paper's and its companion's tables, the controls that both lack, and those of a run on own data.

R is real images, Z focused crops of untouched images, CP focused crops of copied instances, S focused crops of repainted ones. All but R train
on as many images, for as many iterations, with the same windows (section 13, item 9).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from reproductions.instance_synthesis.back_ends import GENERATORS, BackEndId
from reproductions.instance_synthesis.branch_b_arms import BRANCH_B_ARMS, SIZES_ARM, FewShot, Sizes
from reproductions.study import arms

PERCENTS = (10, 25, 50)
"""Limited shares of the real images; section 10, item 1."""
Setup = Literal["reproduced", "large_crop", "published"]
"""How the segmenter is trained: as the paper's baseline, with the original crop, or as published."""
Group = Literal["real", "zoom", "copy-paste", "synthesis", ""]
"""What is added to the real images, in the words of the figure's legend."""

RESULT_TABLES, LIMITED, SHARES = "", "limited data", "share of synthetic images"
"""Beside which tables a control stands: all that print accuracies, or one of this study's own sections."""


@dataclass(frozen=True)
class RealImages:
    """Trains on real images."""

    setup: Setup = "reproduced"
    """How the segmenter is trained."""
    percent: int = 100
    """Share of the real images."""

    @property
    def group(self) -> Group:
        """Its colour."""
        return "real"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        return frozenset(({"published"} if self.setup == "published" else set()) | _limited(self.percent))


@dataclass(frozen=True)
class WithSamples:
    """Trains on real images and focused crops of them."""

    back_end: BackEndId
    """What repaints the instance in focus."""
    percent: int = 100
    """Share of the real images; samples of the others are left out with them."""
    doubled: bool = False
    """Twice as many samples of each instance."""
    synthetic_percent: int | None = None
    """Share of samples among the training images; None for all samples, plainly added."""

    @property
    def generates(self) -> bool:
        """Whether a network repaints."""
        return self.back_end in GENERATORS

    @property
    def group(self) -> Group:
        """Its colour."""
        return "synthesis" if self.generates else "zoom" if self.back_end == "identity" else "copy-paste"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        found = {"samples", *_limited(self.percent)} | ({"generated", self.back_end} if self.generates else set())
        found |= {"copied"} if self.back_end == "copy_paste" else set()
        return frozenset(found | ({"share"} if self.synthetic_percent is not None else set()))


@dataclass(frozen=True)
class Quoted:
    """A row that the paper quotes from elsewhere."""

    group: Group = ""
    topics: frozenset[str] = frozenset()


How = RealImages | WithSamples | FewShot | Sizes | Quoted
Arm = arms.Arm[How]


def _limited(percent: int) -> set[str]:
    return {"limited"} if percent < 100 else set()


def _row(id: str, title: str, what: str, how: How) -> Arm:
    """Return a row of the paper's tables; group and topics follow from how it trains."""
    return Arm(id, title, what, how, group=how.group, topics=how.topics)


def _control(id: str, title: str, what: str, how: How, table: str = RESULT_TABLES) -> Arm:
    return Arm(id, title, what, how, True, table, how.group, how.topics)


def _quoted(id: str, title: str, source: str) -> Arm:
    reason = f"quoted from {source}; it is another network, which nothing here is added to"
    return Arm(id, title, "A row that the paper quotes.", Quoted(), not_run=reason)


_ROWS: tuple[Arm, ...] = (
    _row(
        "published",
        "Real, published recipe",
        "Real images; batch, crop and losses of the segmenter's own paper.",
        RealImages("published"),
    ),
    _row(
        "real_large_crop",
        "Real, original crop",
        "Real images; trained as the paper trains, on crops of the original size.",
        RealImages("large_crop"),
    ),
    _row("real", "R: real", "Real images; the paper's baseline, to which every gain is added.", RealImages()),
    _row(
        "gligen",
        "R + S, GLIGEN",
        "Focused crops whose instance GLIGEN repainted are added.",
        WithSamples("gligen"),
    ),
    _row(
        "inpainting",
        "R + S, inpainting",
        "Focused crops whose instance Stable Diffusion's inpainting repainted are added.",
        WithSamples("inpainting"),
    ),
    _row(
        "blended",
        "R + S, blended",
        "Focused crops whose instance blended latent diffusion repainted are added.",
        WithSamples("blended"),
    ),
)
_CONTROLS: tuple[Arm, ...] = (
    _control(
        "zoom",
        "R + Z: zoom only",
        "The same focused crops of the untouched images are added: nothing is generated.",
        WithSamples("identity"),
    ),
    _control(
        "copy_paste",
        "R + CP: copy-paste",
        "The same focused crops, their instance covered by another real one of its class.",
        WithSamples("copy_paste"),
    ),
    _control(
        "zoom_doubled",
        "R + Z, doubled",
        "Twice as many focused crops of the untouched images.",
        WithSamples("identity", doubled=True),
    ),
    _control(
        "zoom_half",
        "R + Z, half of the images",
        "As many focused crops of the untouched images as real images.",
        WithSamples("identity", synthetic_percent=50),
        SHARES,
    ),
    _control(
        "blended_half",
        "R + S, blended, half of the images",
        "As many focused crops with a repainted instance as real images.",
        WithSamples("blended", synthetic_percent=50),
        SHARES,
    ),
)
_QUOTED: tuple[Arm, ...] = (
    _quoted("mask2former", "Mask2Former", "the FastInst paper"),
    _quoted("cmt_deeplab", "CMT-DeepLab", "its own paper"),
    _quoted("axial_deeplab_l", "Axial-DeepLab-L", "its own paper"),
    _quoted("axial_deeplab_xl", "Axial-DeepLab-XL", "its own paper"),
    _quoted("panoptic_deeplab", "Panoptic-DeepLab", "its own paper"),
)
_COMPARED = ("real", "zoom", "copy_paste", *GENERATORS)
"""Arms that are also trained on a share of the real images."""


def limited(arm: str, percent: int) -> str:
    """Return the id of an arm's twin on a share of the real images."""
    return arm if percent == 100 else f"{arm}_{percent}"


def _twin(arm: Arm, percent: int) -> Arm:
    assert isinstance(arm.how, RealImages | WithSamples), arm.id
    how = replace(arm.how, percent=percent)
    what = f"{arm.what.rstrip('.')}; of {percent} % of the real images."
    return _control(limited(arm.id, percent), f"{arm.title}, {percent} %", what, how, LIMITED)


_BY_ID = {arm.id: arm for arm in (*_ROWS, *_CONTROLS)}
ARMS: tuple[Arm, ...] = (
    *_ROWS,
    *_CONTROLS,
    *(_twin(_BY_ID[arm], percent) for percent in reversed(PERCENTS) for arm in _COMPARED),
    *BRANCH_B_ARMS,
    SIZES_ARM,
    *_QUOTED,
)
"""In the order of the tables, then the controls, then the same arms on less data, the few-shot arms, and what the paper quotes."""

OWN_ARMS: tuple[Arm, ...] = tuple(_BY_ID[arm] for arm in ("real", "zoom", "copy_paste", "inpainting"))
"""On own data; the generator is the miniature inpainting network or a folder of one's own."""

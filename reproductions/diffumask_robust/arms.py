"""The arms: rows that the paper and its neighbours print, and the controls that they lack.

Sizes in ids are names: ``2k`` is the smallest set, ``20k`` one in between, no size the whole set of 168,679 pictures. Smaller tiers have
sets of their own sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reproductions.study import arms

Group = Literal["plain", "trusted only", "co-training", "oracle masks", "other attention", "DiffuMask", "real data", ""]
"""What an arm is, in the words of the figure's legend."""
Scheme = Literal["plain", "mask_only", "robust"]
Size = Literal["2k", "20k", "all"]
Words = Literal["self", "synonyms", "hyponyms"]
"""Which words stand for a class: its own, synonyms too, or hyponyms too."""


@dataclass(frozen=True)
class Attention:
    """Trains on pictures labelled by attention, or on the same pictures with other labels."""

    scheme: Scheme = "plain"
    """One network on all labels, two on trusted labels alone, or two that train each other."""
    size: Size = "all"
    """How many pictures."""
    words: Words = "hyponyms"
    """What stands in the prompts."""
    preset: str = "attn2mask"
    """Whose heat maps."""
    beta: Literal["own", "low", "high"] = "own"
    """Background constant: the preset's, or much lower or higher, which makes worse masks on purpose."""
    oracle: bool = False
    """Masks by the cut-out network."""
    smoothed: bool = False
    """Labels after a dense CRF."""
    trusted: Literal["margin", "random"] = "margin"
    """Which pixels are trusted."""
    twice: bool = False
    """Train for twice the iterations."""

    @property
    def group(self) -> Group:
        """Its colour."""
        if self.oracle:
            return "oracle masks"
        if self.preset != "attn2mask":
            return "other attention"
        return {"plain": "plain", "mask_only": "trusted only", "robust": "co-training"}[self.scheme]  # type: ignore[return-value]

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        found = {"attention", f"preset_{self.preset}"} if not self.oracle else {"oracle"}
        found |= {"pair"} if self.scheme != "plain" else {"plain"}
        found |= {"smoothed"} if self.smoothed else set()
        found |= {"random_trust"} if self.trusted == "random" else set()
        return frozenset(found)


@dataclass(frozen=True)
class Real:
    """Trains on real photographs with drawn masks."""

    few: bool = False
    """A part of them."""
    network: Literal["deeplab", "mask2former"] = "mask2former"
    """The segmenter of the attention's arms, or of DiffuMask's."""

    group: Group = "real data"
    topics: frozenset[str] = frozenset({"photographs"})


MaskRule = Literal["adaptive", "walk", "fixed_40", "fixed_50", "fixed_60"]
"""DiffuMask's mask: adaptive threshold, the walk's own, or a fixed threshold."""
Extra = Literal["none", "splicing", "blur", "occlusion", "perspective"]
"""What happens to DiffuMask's pictures, each with all before it (Table 4d)."""


@dataclass(frozen=True)
class DiffuMask:
    """Trains on DiffuMask's pictures and masks."""

    masks: MaskRule = "adaptive"
    subclasses: Literal["none", "10", "50", "100"] = "100"
    """Sub-classes of a class in prompts."""
    pruned_tenths: int = 7
    """Tenths of each class's masks that noise learning leaves out; 0 for no noise learning."""
    pruned_at_random: bool = False
    """Leave out as many at random."""
    extra: Extra = "perspective"
    then_real: bool = False
    """Fine-tune on a part of the real photographs afterwards."""

    group: Group = "DiffuMask"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        found = {"diffumask"} | ({"photographs"} if self.then_real else set())
        found |= {"affinity"} if self.masks in ("adaptive", "walk") else set()
        found |= {"pruned"} if self.pruned_tenths else set()
        found |= {"random_pruning"} if self.pruned_at_random else set()
        return frozenset(found | ({"spliced"} if self.extra != "none" else set()))


@dataclass(frozen=True)
class MaskQuality:
    """How good the masks of every preset are; no row of a table of segmenters."""

    group: Group = ""
    topics: frozenset[str] = frozenset({"attention", "oracle"})


How = Attention | Real | DiffuMask | MaskQuality
Arm = arms.Arm[How]


def _arm(id: str, title: str, what: str, how: How, table: str = "", control: bool = False, not_run: str = "") -> Arm:
    """Return an arm whose group and topics follow from how it trains."""
    row = not isinstance(how, MaskQuality)
    return Arm(id, title, what, how, control, table, how.group, how.topics, row, not_run)


_PRESETS = {"daam": "DAAM", "dataset-diffusion": "Dataset Diffusion", "ovam": "OVAM", "diffumask": "DiffuMask"}
"""Presets beside Attn2mask's, and their names."""

_EXTRAS: tuple[tuple[Extra, str, str], ...] = (
    ("none", "No augmentation", "Single pictures as they are."),
    ("splicing", "Splicing", "Mosaics beside the single pictures."),
    ("blur", "Splicing, blur", "Mosaics, and blurred pictures."),
    ("occlusion", "Splicing, blur, occlusion", "Mosaics, blurred and occluded pictures."),
)
"""Columns of DiffuMask's Table 4d before the last one, which is its method."""

ARMS: tuple[Arm, ...] = (
    _arm("plain_2k", "Attn2mask, 2k", "The smallest set, one network on all labels.", Attention(size="2k")),
    _arm(
        "plain_20k", "Attn2mask, 20k", "A set in between, one network on all labels.", Attention(size="20k"), "", True
    ),
    _arm("plain", "Attn2mask, 169k", "All pictures, one network on all labels.", Attention()),
    _arm(
        "robust",
        "Attn2mask with co-training, 169k",
        "All pictures, two networks: trusted pixels by their labels, the others by the other network.",
        Attention("robust"),
    ),
    _arm("robust_2k", "Co-training, 2k", "The smallest set, two networks.", Attention("robust", "2k"), "", True),
    _arm("robust_20k", "Co-training, 20k", "A set in between, two networks.", Attention("robust", "20k"), "", True),
    _arm(
        "mask_only",
        "Trusted labels only, 169k",
        "Two networks that learn from trusted pixels and leave the others out.",
        Attention("mask_only"),
        "",
        True,
    ),
    _arm(
        "plain_twice",
        "Attn2mask, twice as long",
        "One network on all labels for twice the iterations: the steps of two networks.",
        Attention(twice=True),
        "",
        True,
    ),
    _arm(
        "robust_random_trust",
        "Co-training, random trust",
        "Two networks; as many trusted pixels of each class, drawn at random.",
        Attention("robust", trusted="random"),
        "",
        True,
    ),
    _arm(
        "plain_oracle",
        "Oracle masks",
        "The same pictures with masks by the cut-out network, one network.",
        Attention(oracle=True),
        "",
        True,
    ),
    _arm(
        "robust_oracle",
        "Oracle masks, co-training",
        "The same pictures with masks by the cut-out network, two networks.",
        Attention("robust", oracle=True),
        "",
        True,
    ),
    _arm(
        "robust_self",
        "Co-training, class words only",
        "As many pictures; prompts with the class's own word only.",
        Attention("robust", words="self"),
        "",
        True,
    ),
    _arm(
        "robust_synonyms",
        "Co-training, with synonyms",
        "As many pictures; prompts with the class's own word and its synonyms.",
        Attention("robust", words="synonyms"),
        "",
        True,
    ),
    _arm(
        "plain_crf",
        "Attn2mask, dense CRF",
        "The same heat maps with labels after a dense CRF, one network.",
        Attention(smoothed=True),
        "",
        True,
    ),
    *(
        _arm(
            f"plain_{preset.replace('-', '_')}",
            f"{name} masks",
            f"The same pictures with {name}'s heat maps, one network.",
            Attention(preset=preset),
            "",
            True,
        )
        for preset, name in _PRESETS.items()
    ),
    _arm(
        "plain_beta_low",
        "Attn2mask, masks too small",
        "The same heat maps with a high threshold, one network.",
        Attention(beta="low"),
        "",
        True,
    ),
    _arm(
        "plain_beta_high",
        "Attn2mask, masks too large",
        "The same heat maps with a low threshold, one network.",
        Attention(beta="high"),
        "",
        True,
    ),
    _arm(
        "real_plain",
        "Real photographs, same network",
        "Drawn masks, one network as for Attn2mask.",
        Real(network="deeplab"),
        "",
        True,
    ),
    _arm("real", "Real only, 11.5k", "Real photographs with drawn masks.", Real()),
    _arm("real_5k", "Real only, 5.0k", "A part of the real photographs.", Real(few=True)),
    _arm("diffumask", "DiffuMask, 60k", "DiffuMask's pictures and masks.", DiffuMask()),
    _arm(
        "diffumask_then_real",
        "DiffuMask, 60k, then 5.0k real",
        "DiffuMask's pictures and masks, then fine-tuned on a part of the real photographs.",
        DiffuMask(then_real=True),
    ),
    _arm("diffumask_walk", "Affinity map alone", "The mask of the random walk.", DiffuMask("walk")),
    *(
        _arm(
            f"diffumask_fixed_{percent}",
            f"Fixed threshold 0.{percent // 10}",
            "Heat maps cut at a fixed threshold; no AffinityNet.",
            DiffuMask(f"fixed_{percent}"),  # type: ignore[arg-type]
        )
        for percent in (40, 50, 60)
    ),
    _arm("diffumask_bare", "No prompt engineering", "Prompts with bare class names.", DiffuMask(subclasses="none")),
    *(
        _arm(
            f"diffumask_{number}_subclasses",
            f"{number} sub-classes",
            f"Prompts with up to {number} sub-classes of each class.",
            DiffuMask(subclasses=number),  # type: ignore[arg-type]
        )
        for number in ("10", "50")
    ),
    *(
        _arm(
            f"diffumask_pruned_{10 * tenths}",
            f"Pruned 0.{tenths}",
            f"Noise learning leaves {10 * tenths} % of each class's masks out.",
            DiffuMask(pruned_tenths=tenths),
            "Table 4c" if tenths > 7 else "",
            tenths > 7,
        )
        for tenths in (3, 4, 5, 6, 8, 9)
    ),
    _arm(
        "diffumask_unpruned",
        "Not pruned",
        "All masks, clean or not.",
        DiffuMask(pruned_tenths=0),
        "Table 4c",
        True,
    ),
    _arm(
        "diffumask_pruned_random",
        "Pruned 0.7 at random",
        "As many masks of each class, chosen at random.",
        DiffuMask(pruned_at_random=True),
        "Table 4c",
        True,
    ),
    *(_arm(f"diffumask_{extra}", title, what, DiffuMask(extra=extra)) for extra, title, what in _EXTRAS),
    _arm(
        "mask_quality",
        "Mask quality",
        "IoU of the masks of each preset with those of the cut-out network.",
        MaskQuality(),
    ),
)
"""In the order of the tables, controls beside what they control, then the study of masks."""

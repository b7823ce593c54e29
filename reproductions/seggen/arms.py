"""The arms: rows of Tables 1, 2 and 4, and the controls that the paper lacks.

One arm stands for the same training with every segmenter. ``few`` in an id means 1,000 of the 20,210 real images; smaller tiers keep a
share of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reproductions.study import arms

Group = Literal["real data", "MaskSyn", "ImgSyn", "both", "other masks or images", ""]
"""What an arm trains on, in the words of the figure's legend."""
Palette = Literal["seggen", "spread", "dataset", "random"]
Strategy = Literal["augmentation", "pre-training", "alone"]
"""Real samples are replaced, synthetic ones come first, or there are no real ones (section 7)."""
Masks = Literal["generated", "not cleaned", "raw condition", "jittered"]
"""Text2Mask's, cleaned up; the same as decoded; cleaned, but painted from the raw picture; or human ones that were moved."""
Captions = Literal["machine", "people", "shuffled"]
"""By a network, by people, or those of other images."""
FreeMask = Literal["none", "filter", "re-sample", "all"]
"""Which of FreeMask's steps follow: noisy regions left out, hard masks drawn more often, or both in its own mix (section 9)."""


@dataclass(frozen=True)
class RealOnly:
    """Trains on real images."""

    few: bool = False
    """On a few of them."""
    length: Literal["once", "twice as long", "once more"] = "once"
    """One schedule, one of twice the iterations, or the same schedule again from the first one's weights."""

    group: Group = "real data"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        return frozenset(({"few"} if self.few else set()) | ({"twice"} if self.length != "once" else set()))


@dataclass(frozen=True)
class Synthetic:
    """Trains on generated pairs, beside real images, before them or alone."""

    mask_syn: bool = False
    """New masks, new images."""
    img_syn: bool = False
    """Human masks, new images."""
    strategy: Strategy = "augmentation"
    few: bool = False
    """A few real images."""
    fair: bool = False
    """Both generators saw the same few images only."""
    palette: Palette | None = None
    """Of both generators; None for the recipe's."""
    masks: Masks = "generated"
    captions: Captions = "machine"
    p_aug_percent: int | None = None
    """How often a real sample is replaced; None for the recipe's."""
    replaced_by: Literal["same image", "pool"] = "same image"
    weigh: Literal["uniform", "one to one"] = "uniform"
    """How MaskSyn and ImgSyn are drawn."""
    freemask: FreeMask = "none"

    @property
    def group(self) -> Group:
        """Its colour."""
        if self.masks == "jittered":
            return "other masks or images"
        return "both" if self.mask_syn and self.img_syn else "MaskSyn" if self.mask_syn else "ImgSyn"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        found = (
            {"synthetic"} | ({self.strategy} if self.strategy != "alone" else set()) | ({"few"} if self.few else set())
        )
        found |= {"fair"} if self.fair else set()
        found |= {"text2mask"} if self.mask_syn and self.masks != "jittered" else set()
        return frozenset(found | ({"freemask"} if self.freemask != "none" else set()))


@dataclass(frozen=True)
class Copies:
    """Trains on real images and as many copies of them as ImgSyn paints images, replaced by the same rule."""

    kind: Literal["jittered", "re-rendered"]
    """Other colours; or the same scene drawn with another look, which only a drawn world can."""

    group: Group = "other masks or images"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        return frozenset({"copies", "augmentation"})


@dataclass(frozen=True)
class Elsewhere:
    """A row of the paper's tables that is not run."""

    group: Group = ""
    topics: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MaskStudy:
    """Draws masks with several numbers of steps, and measures how good they are; no row of a table."""

    group: Group = ""
    topics: frozenset[str] = frozenset({"synthetic", "text2mask"})


How = RealOnly | Synthetic | Copies | MaskStudy | Elsewhere
Arm = arms.Arm[How]


def _arm(id: str, title: str, what: str, how: How, table: str = "", not_run: str = "") -> Arm:
    """Return an arm of the paper, whose group and topics follow from how it trains."""
    return Arm(id, title, what, how, False, table, how.group, how.topics, True, not_run)


def _control(id: str, title: str, what: str, how: How, table: str = "") -> Arm:
    """Return an arm that the paper lacks, beside one of its tables or all."""
    return Arm(id, title, what, how, True, table, how.group, how.topics)


_HEADLINE, _ABLATION = "Table 1, ResNet-50", "Table 4, Mask2Former"
"""Beside which tables controls stand."""

_FEW = (
    ("few_mask_syn", "MaskSyn", Synthetic(mask_syn=True, few=True)),
    ("few_img_syn", "ImgSyn", Synthetic(img_syn=True, few=True)),
    ("few_both", "MaskSyn + ImgSyn", Synthetic(mask_syn=True, img_syn=True, few=True)),
)

_MASK_DINO = "Mask DINO is in no library that is used here, and the ADE20K gains do without it"
_QUOTED = "quoted from its own paper, and no row with synthetic data stands beside it"
_NOT_RUN: tuple[tuple[str, str, str, str], ...] = (
    ("detr", "DETR", "Another network on real images.", _QUOTED),
    ("maskformer", "MaskFormer", "Another network on real images.", _QUOTED),
    ("oneformer", "OneFormer", "Another network on real images.", _QUOTED),
    ("mask_dino", "Mask DINO", "Another network on real images.", _MASK_DINO),
    ("mask_dino_real_then_real", "Mask DINO, real then real", "Mask DINO trained twice on real images.", _MASK_DINO),
    ("mask_dino_synthetic_then_real", "Mask DINO + SegGen", "Mask DINO on synthetic images, then real.", _MASK_DINO),
    (
        "diffumask_alone",
        "DiffuMask, synthetic only",
        "DiffuMask's pairs without real images.",
        "scored on a subset of ADE20K's classes that the source does not name",
    ),
)
"""Rows of tables that this suite does not run, and why."""

ARMS: tuple[Arm, ...] = (
    _arm("real", "Real", "Real images with human masks.", RealOnly()),
    _arm("mask_syn", "+ MaskSyn", "Real samples replaced by new masks with new images.", Synthetic(mask_syn=True)),
    _arm("img_syn", "+ ImgSyn", "Real samples replaced by new images of human masks.", Synthetic(img_syn=True)),
    _arm("both", "+ MaskSyn + ImgSyn", "Real samples replaced by either.", Synthetic(mask_syn=True, img_syn=True)),
    _arm("few_real", "1,000 real", "A few real images.", RealOnly(few=True)),
    *(
        _arm(id, f"1,000 real + {name}", "A few real images; generators that saw all of them.", how)
        for id, name, how in _FEW
    ),
    _arm(
        "real_then_real",
        "Real, then real",
        "Trained on real images, then once more from these weights.",
        RealOnly(length="once more"),
    ),
    _arm(
        "synthetic_then_real",
        "Synthetic, then real",
        "Trained on new images of human masks, then on real ones.",
        Synthetic(img_syn=True, strategy="pre-training"),
    ),
    _arm(
        "synthetic_alone",
        "Synthetic only",
        "No real image.",
        Synthetic(mask_syn=True, img_syn=True, strategy="alone"),
    ),
    _control(
        "real_twice", "Real, twice as long", "Real images for twice the iterations.", RealOnly(length="twice as long")
    ),
    _control(
        "jittered",
        "Colour-jittered copies",
        "As many copies with other colours as ImgSyn paints.",
        Copies("jittered"),
        _HEADLINE,
    ),
    _control(
        "re_rendered",
        "Re-rendered scenes",
        "As many drawings of the same scenes with another look: what a perfect Mask2Img would paint.",
        Copies("re-rendered"),
        _HEADLINE,
    ),
    _control(
        "img_syn_shuffled",
        "ImgSyn, shuffled captions",
        "New images of human masks, painted with the captions of other images.",
        Synthetic(img_syn=True, captions="shuffled"),
        _HEADLINE,
    ),
    _control(
        "mask_syn_jittered",
        "Moved human masks",
        "As many new masks, but human ones that were mirrored, moved and scaled; Text2Mask is not used.",
        Synthetic(mask_syn=True, masks="jittered"),
        _HEADLINE,
    ),
    *(
        _control(
            f"{id}_fair",
            f"1,000 real + {name}, fair",
            "A few real images; generators that saw the same few only.",
            Synthetic(how.mask_syn, how.img_syn, few=True, fair=True),
            _ABLATION,
        )
        for id, name, how in _FEW
    ),
    *(
        _control(
            f"both_p_{percent}",
            f"Replaced {percent} %",
            f"A real sample is replaced with probability 0.{percent // 10}.",
            Synthetic(mask_syn=True, img_syn=True, p_aug_percent=percent),
            _ABLATION,
        )
        for percent in (20, 40, 80)
    ),
    _control(
        "both_pool",
        "Replaced by any",
        "A real sample is replaced by any of the pool, not by a variant of itself.",
        Synthetic(mask_syn=True, img_syn=True, replaced_by="pool"),
        _ABLATION,
    ),
    _control(
        "both_one_to_one",
        "MaskSyn : ImgSyn 1 : 1",
        "MaskSyn and ImgSyn are drawn as often as each other.",
        Synthetic(mask_syn=True, img_syn=True, weigh="one to one"),
        _ABLATION,
    ),
    *(
        _control(
            f"mask_syn_{palette}",
            f"+ MaskSyn, palette {palette!r}",
            "MaskSyn by generators that were trained with this palette.",
            Synthetic(mask_syn=True, palette=palette),
            _ABLATION,
        )
        for palette in ("spread", "dataset", "random")
    ),
    _control(
        "mask_syn_not_cleaned",
        "+ MaskSyn, no clean-up",
        "Generated masks as they are decoded.",
        Synthetic(mask_syn=True, masks="not cleaned"),
        _ABLATION,
    ),
    _control(
        "mask_syn_raw",
        "+ MaskSyn, raw condition",
        "Mask2Img gets Text2Mask's picture, not the decoded mask.",
        Synthetic(mask_syn=True, masks="raw condition"),
        _ABLATION,
    ),
    _control(
        "img_syn_people",
        "+ ImgSyn, captions by people",
        "Both generators learn from and are asked with captions by people.",
        Synthetic(img_syn=True, captions="people"),
        _ABLATION,
    ),
    _control(
        "freemask_filter",
        "+ ImgSyn, FreeMask's filter",
        "Regions with a high loss are left out.",
        Synthetic(img_syn=True, freemask="filter"),
        _ABLATION,
    ),
    _control(
        "freemask_resample",
        "+ ImgSyn, FreeMask's re-sampling",
        "Hard masks keep more of their images.",
        Synthetic(img_syn=True, freemask="re-sample"),
        _ABLATION,
    ),
    _control(
        "freemask",
        "+ ImgSyn, as FreeMask",
        "Filtered, re-sampled and mixed with repeated real images as FreeMask does.",
        Synthetic(img_syn=True, freemask="all"),
        _ABLATION,
    ),
    Arm(
        "masks",
        "Generated masks",
        "Masks drawn with several numbers of steps, beside human ones.",
        MaskStudy(),
        topics=MaskStudy.topics,
        row=False,
    ),
    *(_arm(id, title, what, Elsewhere(), not_run=reason) for id, title, what, reason in _NOT_RUN),
)
"""In the order of the tables, controls after them, then the study of masks."""

ON_UNSEEN = frozenset({"real", "real_twice", "mask_syn", "img_syn", "both", "jittered", "re_rendered"})
"""Arms that are also evaluated on the unseen domain."""
ON_VOC = frozenset({"real", "real_twice", "real_then_real", "synthetic_then_real", "img_syn"})
"""Arms of COCO panoptic that are also evaluated on VOC's photographs."""
AT_SEVERAL_SCALES = frozenset({"real", "real_twice", "both"})
"""Arms that are also evaluated at several scales and mirrored: those of Table 1, which prints both, and their control."""
OF_PANOPTIC = frozenset({"real", "real_twice", "real_then_real", "synthetic_then_real", "img_syn", "img_syn_people"})
"""Arms of COCO panoptic, where MaskSyn is not used (section 2); only COCO has captions by people."""
OF_SWIN_L = frozenset({"real", "real_twice", "mask_syn", "img_syn", "both", "jittered"})
"""Arms of Swin-L on ADE20K: those of Table 1 and its controls."""
OF_HRNET = frozenset({*OF_SWIN_L, "few_real", "few_mask_syn", "few_img_syn", "few_both", "few_both_fair"})
"""Arms of HRNet-W48: those of Table 4b and its controls."""
ONLY_PANOPTIC = frozenset({"img_syn_people"})
"""Arms that only COCO panoptic has."""
OF_INSTANCES = frozenset({"real", "real_twice", "real_then_real", "synthetic_then_real", "img_syn"})
"""Arms of COCO instances: those of Table 2."""
OF_ADE20K_SEGMENTS = frozenset({"real", "real_twice", "img_syn"})
"""Arms of ADE20K panoptic and instance, which the paper lacks: its headline's strategy on COCO's kind of masks."""
OF_COCO_STUFF = frozenset({"real", "real_twice", "img_syn", "freemask_filter", "freemask_resample", "freemask"})
"""Arms of COCO-Stuff: FreeMask's data set, its steps, and what they stand beside."""
OF_BACKBONE: dict[str, tuple[frozenset[str], str]] = {
    "panoptic_miniature": (OF_PANOPTIC, "is no row of COCO panoptic"),
    "mask2former_r50_panoptic": (OF_PANOPTIC, "is no row of COCO panoptic"),
    "mask2former_swin_l_panoptic": (OF_PANOPTIC, "is no row of COCO panoptic"),
    "instance_miniature": (frozenset({"real", "img_syn"}), "is trained by the panoptic segmenter at tier smoke"),
    "mask2former_r50_instance": (OF_INSTANCES, "is no row of COCO instances"),
    "mask2former_swin_l_instance": (OF_INSTANCES, "is no row of COCO instances"),
    "mask2former_r50_ade20k_panoptic": (OF_ADE20K_SEGMENTS, "is not asked of ADE20K panoptic"),
    "mask2former_r50_ade20k_instance": (OF_ADE20K_SEGMENTS, "is not asked of ADE20K instances"),
    "mask2former_r50_coco_stuff": (OF_COCO_STUFF, "is not asked of COCO-Stuff"),
    "hrnet_miniature": (frozenset({"real"}), "is trained by the others at tier smoke"),
    "hrnet_w48": (OF_HRNET, "is no row of HRNet"),
    "mask2former_swin_l": (OF_SWIN_L, "is no row of Swin-L"),
}
"""Arms of each segmenter that does not train all, and what is said of the others."""
NOT_AT_MINI = frozenset(
    {
        *(f"both_p_{percent}" for percent in (20, 40, 80)),
        *(f"mask_syn_{palette}" for palette in ("spread", "dataset", "random")),
        "both_pool",
        "both_one_to_one",
        "mask_syn_not_cleaned",
        "mask_syn_raw",
        "few_mask_syn_fair",
        "few_img_syn_fair",
        "freemask_resample",
        "freemask",
    }
)
"""Ablations that tier mini has no time for."""

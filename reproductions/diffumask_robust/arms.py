"""The arms: rows that the paper and its neighbours print, and the controls that they lack.

Sizes in ids are names: ``2k`` is the smallest set, ``20k`` one in between, no size the whole set of 168,679 pictures. Smaller tiers have
sets of their own sizes.
"""

from __future__ import annotations

from typing import Literal

from reproductions.diffumask_robust.kinds import (
    Arm,
    Attention,
    DiffuMask,
    Elsewhere,
    Extra,
    FewClasses,
    How,
    ImageNetS,
    MaskProtocol,
    MaskQuality,
    Pretrained,
    Real,
    Street,
)

ATTENTION_TABLE = "Attn2mask on VOC"
"""Beside which table controls of Attn2mask stand."""


def _arm(id: str, title: str, what: str, how: How, table: str = "", control: bool = False, not_run: str = "") -> Arm:
    """Return an arm whose group and topics follow from how it trains; one on attention's masks stands beside Attn2mask's own table."""
    row, table = not isinstance(how, MaskQuality), table or (ATTENTION_TABLE if isinstance(how, Attention) else "")
    return Arm(id, title, what, how, control, table, how.group, how.topics, row, not_run)


_PRESETS = {"daam": "DAAM", "dataset-diffusion": "Dataset Diffusion", "ovam": "OVAM", "diffumask": "DiffuMask"}
"""Presets beside Attn2mask's, and their names."""

_ALL_PRESETS = {"attn2mask": "Attn2mask", **_PRESETS}

_NOT_RUN: tuple[tuple[str, str, str, str], ...] = (
    (
        "open_vocabulary",
        "DiffuMask, unseen classes",
        "Real masks of 15 classes, generated ones of 5.",
        "the network that tells unseen classes is not stated",
    ),
    (
        "retrieval",
        "Retrieved captions",
        "Prompts from a public index of captions.",
        "the index is gone; it added 0.8 points",
    ),
    *(
        (f"{protocol}_{id}", f"{title}, {method}", f"Masks of {method}.", reason)
        for protocol, title in (("voc_sim", "VOC-sim"), ("coco_cap", "COCO-cap"))
        for id, method, reason in (
            ("datasetdm", "DatasetDM", "its decoder is trained on masks drawn by hand"),
            ("grounded", "Grounded Diffusion", "its grounding network is trained on masks of a detector"),
            ("daam_token", "DAAM, optimised token", "the token is optimised on masks drawn by hand"),
            ("ovam_token", "OVAM, optimised token", "the token is optimised on masks drawn by hand"),
            ("datasetdm_token", "DatasetDM, optimised token", "the token is optimised on masks drawn by hand"),
            ("grounded_token", "Grounded Diffusion, optimised token", "the token is optimised on masks drawn by hand"),
        )
    ),
    *(
        (f"imagenet_s_{id}", title, what, "it learns from photographs without labels; a row for context")
        for id, title, what in (
            ("pass_16", "PASS, 14 cells", "Photographs without labels, output stride 16."),
            ("pass_32", "PASS, 7 cells", "Photographs without labels, output stride 32."),
            ("pass", "PASS", "Photographs without labels."),
            ("pass_saliency", "PASS with saliency", "Photographs without labels, and saliency maps."),
        )
    ),
)
"""Rows of tables that this suite does not run, and why."""

_DATA_SETS = {"voc": "VOC", "cityscapes": "Cityscapes", "ade20k": "ADE20K", "diffumask": "DiffuMask"}
_TRANSFERS: tuple[
    tuple[Literal["voc", "cityscapes", "ade20k", "diffumask"], Literal["voc", "cityscapes", "ade20k"]], ...
] = (
    ("cityscapes", "voc"),
    ("ade20k", "voc"),
    ("diffumask", "voc"),
    ("voc", "cityscapes"),
    ("ade20k", "cityscapes"),
    ("diffumask", "cityscapes"),
)
"""Rows of DiffuMask's Table 5: trained on one, evaluated on the other."""

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
        "robust_recognised",
        "Co-training, words that CLIP recognises",
        "As many pictures; of synonyms and hyponyms only those whose test images CLIP takes for the class.",
        Attention("robust", words="recognised"),
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
    _arm(
        "plain_sam_filter",
        "Attn2mask, SAM filter, half",
        "The half of the pictures whose masks agree best with those that a prompter finds by name, one network.",
        Attention(kept="agreement"),
        "",
        True,
    ),
    _arm(
        "plain_random_half",
        "Attn2mask, random half",
        "As many of the pictures, drawn at random, one network.",
        Attention(kept="random"),
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
        ATTENTION_TABLE,
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
            DiffuMask(subclasses=number),
        )
        for number in ("10", "50")
    ),
    *(
        _arm(
            f"diffumask_pruned_{10 * tenths}",
            f"Pruned 0.{tenths}",
            f"Noise learning leaves {10 * tenths} % of each class's masks out.",
            DiffuMask(pruned_tenths=tenths),
            "DiffuMask, Table 4c" if tenths > 7 else "",
            tenths > 7,
        )
        for tenths in (3, 4, 5, 6, 8, 9)
    ),
    _arm(
        "diffumask_unpruned",
        "Not pruned",
        "All masks, clean or not.",
        DiffuMask(pruned_tenths=0),
        "DiffuMask, Table 4c",
        True,
    ),
    _arm(
        "diffumask_pruned_random",
        "Pruned 0.7 at random",
        "As many masks of each class, chosen at random.",
        DiffuMask(pruned_at_random=True),
        "DiffuMask, Table 4c",
        True,
    ),
    *(_arm(f"diffumask_{extra}", title, what, DiffuMask(extra=extra)) for extra, title, what in _EXTRAS),
    _arm(
        "cityscapes_real",
        "Street, real only",
        "Real street pictures with drawn masks; background, human and vehicle.",
        Street("real"),
    ),
    _arm(
        "cityscapes_real_1500",
        "Street, 1.5k real",
        "A half of the real street pictures with drawn masks.",
        Street("real", few=True),
    ),
    _arm(
        "cityscapes_diffumask",
        "Street, DiffuMask, 100k",
        "DiffuMask's pictures of one human or vehicle each, and its masks.",
        Street("diffumask"),
    ),
    _arm(
        "cityscapes_diffumask_then_real",
        "Street, DiffuMask, 100k, then 1.5k real",
        "The same, then fine-tuned on a half of the real street pictures.",
        Street("diffumask", then_real=True),
    ),
    _arm(
        "street_as_is",
        "Street, generator as it is",
        "Pictures of streets by the generator as it is.",
        Street("as_is"),
        "DiffuMask, Table 2",
        True,
    ),
    _arm(
        "street_adapted",
        "Street, LoRA without labels",
        "Pictures by the generator adapted to real street pictures, one text for all.",
        Street("adapted"),
        "DiffuMask, Table 2",
        True,
    ),
    _arm(
        "street_adapted_tags",
        "Street, LoRA with tags",
        "Pictures by the generator adapted to real street pictures with the classes that they show.",
        Street("adapted_tags"),
        "DiffuMask, Table 2",
        True,
    ),
    _arm(
        "cityscapes_19_real",
        "Street, 19 classes, real only",
        "Real street pictures with drawn masks of all 19 classes.",
        Street("real", "19"),
        "Street, 19 classes",
        True,
    ),
    _arm(
        "street_19_as_is",
        "Street, 19 classes, generator as it is",
        "Pictures by the generator as it is; what no word claims is ignored.",
        Street("as_is", "19"),
        "Street, 19 classes",
        True,
    ),
    _arm(
        "street_19_adapted",
        "Street, 19 classes, LoRA without labels",
        "Pictures by the adapted generator; what no word claims is ignored.",
        Street("adapted", "19"),
        "Street, 19 classes",
        True,
    ),
    _arm(
        "ade20k_real",
        "ADE20K, real only, 20.2k",
        "All real pictures of ADE20K with drawn masks; bus, car and person.",
        FewClasses("ade20k", "ade20k"),
    ),
    _arm(
        "ade20k_diffumask",
        "ADE20K, DiffuMask, 6.0k",
        "DiffuMask's pictures of bus, car and person, and its masks.",
        FewClasses("diffumask", "ade20k"),
    ),
    *(
        _arm(
            f"generalise_{trained}_to_{evaluated}",
            f"{_DATA_SETS[trained]} to {_DATA_SETS[evaluated]}",
            f"Car, person and motorbike, trained on {_DATA_SETS[trained]} and evaluated on {_DATA_SETS[evaluated]}.",
            FewClasses(trained, evaluated),
        )
        for trained, evaluated in _TRANSFERS
    ),
    _arm(
        "imagenet_s50",
        "ImageNet-S50",
        "Attn2mask on ImageNet-S with 50 categories, one network.",
        ImageNetS(),
    ),
    _arm(
        "imagenet_s50_robust",
        "ImageNet-S50, co-training",
        "The same pictures, two networks.",
        ImageNetS(scheme="robust"),
        "ImageNet-S",
        True,
    ),
    _arm(
        "imagenet_s50_real",
        "ImageNet-S50, real only",
        "The ten real pictures of each category that have masks.",
        ImageNetS("real"),
        "ImageNet-S",
        True,
    ),
    _arm(
        "real_plain_few",
        "Real, a part",
        "A part of the real photographs, one network, from the usual start.",
        Pretrained("nothing"),
        "Pre-training on generated categories",
        True,
    ),
    _arm(
        "pretrained_then_real",
        "Pre-trained, then real",
        "The network that learned ImageNet-S' categories from generated pictures, then a part of the real photographs.",
        Pretrained(),
        "Pre-training on generated categories",
        True,
    ),
    _arm(
        "pretrained_backbone_then_real",
        "Pre-trained backbone, then real",
        "Only the backbone of that network, then a part of the real photographs.",
        Pretrained("backbone"),
        "Pre-training on generated categories",
        True,
    ),
    *(
        _arm(
            f"{name}_{preset.replace('-', '_')}",
            f"{title}, {_ALL_PRESETS[preset]}",
            f"Masks of {_ALL_PRESETS[preset]} on pictures of {what}, rated against the cut-out network.",
            MaskProtocol(name, preset),  # type: ignore[arg-type]
            f"OVAM, {title}",
            preset not in ("daam", "ovam", "attn2mask"),
        )
        for name, title, what in (
            ("voc_sim", "VOC-sim", "one class each"),
            ("coco_cap", "COCO-cap", "captions"),
        )
        for preset in _ALL_PRESETS
    ),
    _arm(
        "mask_quality",
        "Mask quality",
        "IoU of the masks of each preset with those of the cut-out network.",
        MaskQuality(),
    ),
    *(_arm(id, title, what, Elsewhere(), not_run=reason) for id, title, what, reason in _NOT_RUN),
)
"""In the order of the tables, controls beside what they control, then the study of masks."""

NOT_AT_MINI = frozenset(
    {
        "diffumask_fixed_50",
        "diffumask_fixed_60",
        "diffumask_10_subclasses",
        "diffumask_50_subclasses",
        "diffumask_pruned_30",
        "diffumask_pruned_40",
        "diffumask_pruned_60",
        "diffumask_pruned_80",
        "diffumask_blur",
        "diffumask_occlusion",
        "cityscapes_real_1500",
        "cityscapes_diffumask",
        "cityscapes_diffumask_then_real",
        "cityscapes_19_real",
        "street_19_as_is",
        "street_19_adapted",
        "imagenet_s50_robust",
        "imagenet_s50_real",
        "real_plain_few",
        "pretrained_then_real",
        "pretrained_backbone_then_real",
        "robust_recognised",
        *(arm.id for arm in ARMS if isinstance(arm.how, MaskProtocol | FewClasses)),
    }
)
"""Rows between others of an ablation, and what only larger data can tell; tier mini has no time for them."""

"""What a study needs from outside, and what its GPUs must hold."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from methods.common.errors import InputError
from reproductions.diffumask_robust import openers
from reproductions.diffumask_robust.kinds import (
    Arm,
    Attention,
    DiffuMask,
    FewClasses,
    ImageNetS,
    MaskProtocol,
    MaskQuality,
    Pretrained,
    Real,
    Street,
    has_other_segmenter,
)
from reproductions.diffumask_robust.recipe import DiffuMaskRobustStudy
from reproductions.requirements import gpu_estimates
from reproductions.requirements.inspect_labelled import labelled_folder
from reproductions.requirements.inspection import Inspection, judge
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.openers import CutterTrial, open_clip, open_cutter, open_semantic_segmenter
from reproductions.requirements.places import data, data_root, generator, own, published, shipped, with_own_code
from reproductions.requirements.prompters import prompter_needs, prompter_trials
from reproductions.requirements.published import DataSet
from reproductions.requirements.published_data import ADE20K, CITYSCAPES, IMAGENET_S50, VOC_2012, WORDNET_30
from reproductions.requirements.published_weights import (
    BIREFNET,
    BIREFNET_PACKAGES,
    CLIP,
    MINIATURE_CLIP,
    MINIATURE_CUTTER,
    RESNET38,
    RESNET50,
    RESNET101D,
    STABLE_DIFFUSION_15,
    SWIN_B,
)
from reproductions.requirements.trial import Trial, half_precision_trial, trial
from reproductions.study.request import Request

_OWN_SIZE_PX = 512
"""Side of the pictures that the generator makes by itself."""


def needs(request: Request, study: DiffuMaskRobustStudy, arms: Sequence[Arm]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    found = data(request, VOC_2012, labelled_folder, "classes.txt, and images and labels of train and val")
    data_sets = {name for arm in arms if isinstance(arm.how, FewClasses) for name in arm.how.data_sets}
    if _generating(arms):
        found.append(generator("generator", request, STABLE_DIFFUSION_15))
        found.append(_cutter(request, study))
        if study.prompts.lexicon == "wordnet":
            found.append(published("wordnet", WORDNET_30))
        if study.prompts.lexicon == "file":
            remedy = "write the words of each class as methods/diffumask_robust/lexicon.py says"
            found.append(own("lexicon", "lexicon", data_root() / "lexicon.json", _lexicon_file, remedy))
    if _filtering(arms):
        there = {need.role for need in found}
        found += [need for need in prompter_needs(request, {"prompter": study.prompter}) if need.role not in there]
    if study.street.world is None and ("cityscapes" in data_sets or any(isinstance(arm.how, Street) for arm in arms)):
        found.append(published("street", CITYSCAPES))
    if study.few_classes.ade20k_world is None and "ade20k" in data_sets:
        found.append(published("ade20k", ADE20K))
    if "word_filter" in {topic for arm in arms for topic in arm.topics} and "clip" not in {need.role for need in found}:
        found.append(shipped("clip", MINIATURE_CLIP) if request.tier != "paper" else published("clip", CLIP))
    if study.protocols.captions is None and any(
        isinstance(arm.how, MaskProtocol) and arm.how.name == "coco_cap" for arm in arms
    ):
        found.append(published("captions", COCO_CAPTIONS))
    if study.imagenet_s.world is None and any(isinstance(arm.how, ImageNetS | Pretrained) for arm in arms):
        found.append(published("imagenet_s", IMAGENET_S50))
    if study.diffumask.affinity.start != "scratch" and any("affinity" in arm.topics for arm in arms):
        found.append(published("trunk", RESNET38))
    return (*found, *_backbones(study, arms))


def _lexicon_file(path: Path) -> Inspection:
    """Inspect a stored lexicon."""
    from methods.diffumask_robust.lexicon import read_lexicon

    try:
        read_lexicon(path, ())
    except InputError as error:
        return judge([str(error)])
    return judge([])


def _caption_file(path: Path) -> Inspection:
    """Inspect a file of captions."""
    from methods.diffumask_robust.base_prompts import caption_texts

    try:
        caption_texts(path)
    except InputError as error:
        return judge([str(error)])
    return judge([])


def _caption_steps(place: Path) -> tuple[str, ...]:
    """One file of an archive of 240 MB."""
    folder, archive = shlex.quote(str(place.parent)), _COCO_ANNOTATIONS.rsplit("/", 1)[-1]
    return (
        f"mkdir -p {folder} && wget -c -P {folder} {_COCO_ANNOTATIONS}",
        f"unzip -j -o {folder}/{archive} annotations/{place.name} -d {folder} && rm {folder}/{archive}",
    )


_COCO_ANNOTATIONS = "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"
COCO_CAPTIONS = DataSet(
    "COCO 2017, captions of val",
    "captions_val2017.json",
    "CC BY 4.0",
    "https://cocodataset.org/#download",
    _caption_file,
    _caption_steps,
    is_file=True,
)
"""Prompts of OVAM's COCO-cap."""


def _generating(arms: Sequence[Arm]) -> bool:
    return any(
        isinstance(arm.how, Attention | DiffuMask | ImageNetS | MaskProtocol | MaskQuality | Pretrained | Street)
        or (isinstance(arm.how, FewClasses) and arm.how.trained == "diffumask")
        for arm in arms
    )


def _filtering(arms: Sequence[Arm]) -> bool:
    return any("filtered" in arm.topics for arm in arms)


def _cutter(request: Request, study: DiffuMaskRobustStudy) -> Need:
    if request.tier != "paper":
        return shipped("cutter", MINIATURE_CUTTER)
    allowed = {"label.trust_remote_code": study.label.trust_remote_code}
    return with_own_code("cutter", BIREFNET, BIREFNET_PACKAGES, allowed)


def _backbones(study: DiffuMaskRobustStudy, arms: Sequence[Arm]) -> list[Need]:
    """Published weights that trainings start from."""
    if study.start == "scratch":
        return []
    deeplab = any(
        isinstance(how, Attention | Street | ImageNetS | Pretrained)
        or (isinstance(how, Real) and how.network == "deeplab")
        for how in _hows(arms)
    )
    other = any(has_other_segmenter(arm.how) for arm in arms)
    of_other = SWIN_B if study.backbone == "mask2former_swin_b" else RESNET50
    return [
        *([published("backbone", RESNET101D)] if deeplab else []),
        *([published("plain_backbone", of_other)] if other else []),
    ]


def _hows(arms: Sequence[Arm]) -> list[object]:
    return [arm.how for arm in arms]


def gpu_needs(request: Request, study: DiffuMaskRobustStudy, arms: Sequence[Arm]) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers."""
    if request.tier != "paper":
        return ()
    baseline, crops = study.diffumask, study.crops.crop_px
    swin = study.backbone == "mask2former_swin_b"
    estimate = gpu_estimates.MASK2FORMER_SWIN_B if swin else gpu_estimates.MASK2FORMER_R50
    name = study.backbone if swin else "mask2former_r50"
    found = [estimate.training(name, baseline.augmentation.crop_px, baseline.recipe.batch_size)]
    if not swin:
        pair = gpu_estimates.DEEPLABV3PLUS_R101D_PAIR
        found.append(pair.training(study.backbone, crops, study.training.recipe.batch_size))
    if _generating(arms):
        capture = gpu_estimates.STABLE_DIFFUSION_21_CAPTURE
        size_px, images = study.synthesis.size_px or _OWN_SIZE_PX, study.synthesis.batch_size
        found.append(capture.generation("generation with attention", size_px, images, "synthesis.batch_size"))
    if _filtering(arms):
        found.append(gpu_estimates.SAM_VIT_H.one_by_one("segmenting by name, SAM ViT-H"))
    return tuple(found)


def trials(request: Request, study: DiffuMaskRobustStudy, arms: Sequence[Arm]) -> tuple[Trial, ...]:
    """Return how each network that these arms need from outside is tried, one trial a network."""
    place = {need.role: need for need in needs(request, study, arms)}
    found = []
    if "generator" in place:
        found.append(half_precision_trial(place["generator"], "generator", openers.open_generator, study.synthesis))
    if "cutter" in place:
        config = CutterTrial(trust_remote_code=study.label.trust_remote_code)
        found.append(trial(place["cutter"], "cutter", open_cutter, config))
    if _filtering(arms):
        parts = {role: need for role, need in place.items() if role != "cutter"}
        found += prompter_trials(parts, {"prompter": study.prompter})
    if "clip" in place and study.prompter.kind != "automatic_clip":
        found.append(trial(place["clip"], "clip", open_clip))
    if "backbone" in place:
        found.append(trial(place["backbone"], "backbone", open_semantic_segmenter, study.segmenter))
    if "plain_backbone" in place:
        segmenter = study.diffumask.segmenter
        found.append(trial(place["plain_backbone"], "backbone", open_semantic_segmenter, segmenter))
    if "trunk" in place:
        found.append(trial(place["trunk"], "trunk", openers.open_trunk, study.diffumask.affinity.network))
    return tuple(found)

"""What a study needs from outside, and what its GPUs must hold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.cutouts.names import CutterName
from methods.common.errors import InputError
from methods.mrca.stages.cut import CutStageConfig
from methods.mrca.stages.split import SplitConfig, hold_out
from reproductions.mrca import openers
from reproductions.mrca.arms import DiverGen, How, RandomPasting, RealOnly, Rounds
from reproductions.mrca.recipe import MrcaStudy
from reproductions.requirements import gpu_estimates
from reproductions.requirements.inspect_divergen import class_list, prompts_folder
from reproductions.requirements.inspect_own import own_cutouts_folder, own_instances_folder
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.openers import CutterTrial, open_clip, open_cutter
from reproductions.requirements.places import (
    SHIPPED,
    data,
    either,
    generator,
    installed,
    own,
    published,
    shipped,
    with_own_code,
)
from reproductions.requirements.published_data import DIVERGEN_CLASSES, DIVERGEN_PROMPTS, LVIS_V1
from reproductions.requirements.published_weights import (
    BIREFNET,
    BIREFNET_PACKAGES,
    CLIP,
    CLIPSEG,
    DEEPFLOYD_IF_I,
    DEEPFLOYD_IF_II,
    EFFICIENTNET_LITE0,
    MINIATURE_CLIP,
    MINIATURE_CUTTER,
    MINIATURE_SAM,
    MINIATURE_SEGMENTER,
    RESNET50_21K,
    SAM,
    SAM_RELEASE,
    STABLE_DIFFUSION_3,
    STABLE_DIFFUSION_15,
    SWIN_L,
    U2NET,
)
from reproductions.requirements.trial import Trial, half_precision_trial, trial
from reproductions.study.arms import Arm
from reproductions.study.own_start import starts_from_imagenet
from reproductions.study.request import Request

if TYPE_CHECKING:
    from methods.common.datasets.lvis_records import LvisDataset

Arms = Sequence[Arm[How]]
_MINIATURE_DIVERGEN = Path(__file__).parent / "miniature_divergen"
"""Extra classes and written prompts of the miniature world, in the layout of DiverGen's release."""


def needs(request: Request, study: MrcaStudy, arms: Arms) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    inspect = partial(own_instances_folder, divide=partial(_divide, study.split))
    found = data(request, LVIS_V1, inspect, "train.json, val.json and the images, or as your tool exports them")
    if any(not isinstance(arm.how, RealOnly) for arm in arms):
        found += _objects(request, study, arms)
    if request.data is None and request.tier != "paper":
        found.append(shipped("pretrained", MINIATURE_SEGMENTER))
    if starts_from_imagenet(request):
        found.append(installed("backbone", EFFICIENTNET_LITE0))
    if request.tier == "paper" and request.data is None:
        found.append(published("backbone", RESNET50_21K if study.backbone == "resnet50" else SWIN_L))
    return tuple(found)


def _divide(config: SplitConfig, train: LvisDataset) -> None:
    """Divide training images as the split stage will, to see whether that can be done."""
    from numpy.random import default_rng

    if config.feedback_split == "heldout_train":
        hold_out(train, config, default_rng(0))


def _generated(arms: Arms) -> bool:
    """Whether rounds generate their objects, of an arm or for its comparison."""
    return any(
        arm.how.equal_accepted if isinstance(arm.how, RandomPasting) else not arm.how.given_pool
        for arm in arms
        if isinstance(arm.how, RandomPasting | Rounds)
    )


def _pooled(arms: Arms) -> bool:
    """Whether X-Paste's pool is wanted."""
    return any(isinstance(arm.how, RandomPasting) and not arm.how.real_objects for arm in arms)


def _diverse(arms: Arms) -> bool:
    """Whether DiverGen's pool is wanted."""
    return any(isinstance(arm.how, DiverGen) for arm in arms)


def _objects(request: Request, study: MrcaStudy, arms: Arms) -> list[Need]:
    if request.data is not None and request.objects is None and request.generator is None:
        raise InputError(
            "--data without objects to paste: name a folder of cut-outs with --objects or OBJECTS=, or a generator with --generator, or train on "
            "your images alone with --arms no_aug,no_aug_double"
        )
    if request.objects is not None:
        inspect = partial(own_cutouts_folder, data=request.data)
        remedy = "name a folder with one folder of RGBA PNGs a class (docs/own-data.md)"
        return [own("objects", "cut-outs", request.objects, inspect, remedy)]
    found = [generator("generator", request, STABLE_DIFFUSION_3, "MRCA")] if _generated(arms) else []
    if _pooled(arms):
        found.append(generator("xpaste_generator", request, STABLE_DIFFUSION_15, "X-Paste"))
    if _diverse(arms):
        found += _divergen(request, study)
    found += [_cutter(name, request, study, arms) for name in _cutters(study, arms)]
    return [*found, shipped("clip", MINIATURE_CLIP) if request.tier != "paper" else published("clip", CLIP)]


def _divergen(request: Request, study: MrcaStudy) -> list[Need]:
    """DiverGen's two generators, its extra classes and the prompts that were written for it."""
    found = [
        generator("divergen_generator", request, STABLE_DIFFUSION_15, "DiverGen"),
        generator("divergen_second", request, DEEPFLOYD_IF_I, "DiverGen's second"),
    ]
    if study.divergen.second.upscaling is not None:
        found.append(published("divergen_upscaler", DEEPFLOYD_IF_II))
    if request.tier == "paper":
        return [*found, published("extra_classes", DIVERGEN_CLASSES), published("written_prompts", DIVERGEN_PROMPTS)]
    remedy = ("check the repository out again",)
    classes, prompts = _MINIATURE_DIVERGEN / "extra_classes.json", _MINIATURE_DIVERGEN / "prompts"
    return [
        *found,
        Need("extra_classes", "extra classes of the miniature", classes, class_list, remedy, SHIPPED),
        Need("written_prompts", "written prompts of the miniature", prompts, prompts_folder, remedy, SHIPPED),
    ]


def _cutters(study: MrcaStudy, arms: Arms) -> tuple[CutterName, ...]:
    """Return the cut-out networks that the arms use, each once."""
    return tuple(dict.fromkeys(name for cutting in _cuttings(study, arms).values() for name in cutting.cutters))


def _cutter(name: CutterName, request: Request, study: MrcaStudy, arms: Arms) -> Need:
    """Return where one cut-out network lies."""
    if request.tier != "paper":
        return shipped(name, MINIATURE_CUTTER if name == "cutter" else MINIATURE_SAM)
    match name:
        case "u2net":
            return published(name, U2NET)
        case "clipseg":
            return published(name, CLIPSEG)
        case "sam_middle" | "sam_background":
            return either(name, SAM, SAM_RELEASE)
    asked = _cuttings(study, arms).items()
    allowed = {
        f"{place}.cutting.trust_remote_code": cutting.trust_remote_code
        for place, cutting in asked
        if "cutter" in cutting.cutters
    }
    return with_own_code("cutter", BIREFNET, BIREFNET_PACKAGES, allowed)


def _cuttings(study: MrcaStudy, arms: Arms) -> dict[str, CutStageConfig]:
    """How the arms' objects are cut, by the name of the setting above."""
    asked = {"mrca": study.mrca.cutting} if _generated(arms) else {}
    asked |= {"xpaste": study.xpaste.cutting} if _pooled(arms) else {}
    return asked | ({"divergen": study.divergen.cutting} if _diverse(arms) else {})


def gpu_needs(request: Request, study: MrcaStudy, arms: Arms) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers and for parts that a user brings."""
    if request.tier != "paper":
        return ()
    needs = [_training(study)] if request.data is None else []
    if request.objects is None and request.generator is None:
        needs += [_guided(study)] if _generated(arms) else []
        needs += [_plain(study)] if _pooled(arms) else []
    return tuple(needs)


def _training(study: MrcaStudy) -> GpuNeed:
    estimate = gpu_estimates.CENTERNET2_SWIN_L if study.backbone == "swinl" else gpu_estimates.CENTERNET2_R50
    return estimate.training(study.backbone, study.augmentation.size_px, study.recipe.batch_size)


def _guided(study: MrcaStudy) -> GpuNeed:
    config, estimate = study.mrca.generation, gpu_estimates.STABLE_DIFFUSION_3_GUIDED
    what, setting = "generation, SD3 medium, guided", "mrca.generation.batch_size"
    return estimate.generation(what, config.size_px, config.batch_size, setting)


def _plain(study: MrcaStudy) -> GpuNeed:
    config, estimate = study.xpaste.generation, gpu_estimates.STABLE_DIFFUSION_15
    what, setting = "generation, SD 1.5", "xpaste.generation.batch_size"
    return estimate.generation(what, config.size_px, config.batch_size, setting)


def trials(request: Request, study: MrcaStudy, arms: Arms) -> tuple[Trial, ...]:
    """Return how each network that these arms need from outside is tried, one trial a network."""
    place = {need.role: need for need in needs(request, study, arms)}
    tried = []
    sampled = {
        "generator": study.mrca.generation,
        "xpaste_generator": study.xpaste.generation,
        "divergen_generator": study.divergen.first,
        "divergen_second": study.divergen.second,
    }
    for role, config in sampled.items():
        if role in place:
            tried.append(half_precision_trial(place[role], "generator", openers.open_generator, config))
    if "divergen_upscaler" in place:
        upscaler = place["divergen_upscaler"]
        tried.append(half_precision_trial(upscaler, "upscaler", openers.open_upscaler, study.divergen.second))
    for name in _cutters(study, arms):
        if name in place:
            using = [cutting for cutting in _cuttings(study, arms).values() if name in cutting.cutters]
            trusted = all(cutting.trust_remote_code for cutting in using)
            tried.append(trial(place[name], "cutter", open_cutter, CutterTrial(trust_remote_code=trusted, name=name)))
    if "clip" in place:
        tried.append(trial(place["clip"], "clip", open_clip))
    for role in ("backbone", "pretrained"):
        if role in place:
            tried.append(trial(place[role], role, openers.open_segmenter, study.segmenter))
    return tuple(tried)

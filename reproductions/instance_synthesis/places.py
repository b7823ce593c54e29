"""What a study needs from outside, and what its GPUs must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from methods.common.segmenters.instance.segmenters import SegmenterConfig
from methods.common.stages.train_instances import InstanceTrainingConfig
from methods.instance_synthesis.sizes import DISTILLED
from reproductions.instance_synthesis import openers
from reproductions.instance_synthesis.arms import Arm, RealImages, WithSamples
from reproductions.instance_synthesis.back_ends import GENERATORS, BackEndId
from reproductions.instance_synthesis.branch_b_arms import RUNG_OF, FewShot, Sizes
from reproductions.instance_synthesis.branch_b_plan import GENERATOR_ROLE, base_setup, reads_generator
from reproductions.instance_synthesis.own_data import own_frames_folder
from reproductions.instance_synthesis.recipe import InstanceSynthesisStudy, SetupConfig
from reproductions.requirements import gpu_estimates
from reproductions.requirements.gpu_estimates import GpuEstimate
from reproductions.requirements.inspect_weights import diffusers_folder
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.openers import open_clip
from reproductions.requirements.places import data, own, published, shipped
from reproductions.requirements.published import HubModel
from reproductions.requirements.published_data import CITYSCAPES
from reproductions.requirements.published_weights import (
    CLIP_B32,
    CLIP_TOKENIZER,
    FID_INCEPTION,
    GLIGEN_INPAINTING,
    MINIATURE_CLIP,
    MINIATURE_GENERATOR,
    MINIATURE_GLIGEN,
    MINIATURE_INPAINTING,
    MINIATURE_STREET_SEGMENTER,
    ONEFORMER_CONVNEXT_L_MAPILLARY,
    RESNET50,
    STABLE_DIFFUSION_2_INPAINTING,
    STABLE_DIFFUSION_15,
    STABLE_DIFFUSION_XL,
    SWIN_L,
    ShippedModel,
)
from reproductions.requirements.trial import Trial, trial
from reproductions.study.request import Request

_PUBLISHED: Mapping[BackEndId, HubModel] = {
    "blended": STABLE_DIFFUSION_XL,
    "inpainting": STABLE_DIFFUSION_2_INPAINTING,
    "gligen": GLIGEN_INPAINTING,
}
_SMALL: Mapping[BackEndId, ShippedModel] = {  # the text-to-image miniature does not know the street
    "blended": MINIATURE_INPAINTING,
    "inpainting": MINIATURE_INPAINTING,
    "gligen": MINIATURE_GLIGEN,
}
_GPU: Mapping[BackEndId, tuple[str, GpuEstimate]] = {
    "blended": ("blended diffusion, SDXL", gpu_estimates.STABLE_DIFFUSION_XL_BLENDED),
    "inpainting": ("inpainting, SD 2", gpu_estimates.STABLE_DIFFUSION_2_INPAINTING),
    "gligen": ("inpainting, GLIGEN", gpu_estimates.GLIGEN_INPAINTING),
}

_TRAINING_GPU: Mapping[str, GpuEstimate] = {
    "fastinst_r50": gpu_estimates.FASTINST_R50,
    "oneformer_convnext_l": gpu_estimates.ONEFORMER_CONVNEXT_L,
    "oneformer_swin_l": gpu_estimates.ONEFORMER_SWIN_L,
    "diffusioninst_r50": gpu_estimates.DIFFUSIONINST_R50,
}


def needs(request: Request, study: InstanceSynthesisStudy, arms: Sequence[Arm]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    found = data(request, CITYSCAPES, own_frames_folder, "train and val in the layout of Cityscapes or COCO")
    back_ends = _generators(arms)
    found += [_generator(back_end, request) for back_end in back_ends]
    if back_ends and study.quality is not None:
        found.append(published("clip", CLIP_B32) if request.tier == "paper" else shipped("clip", MINIATURE_CLIP))
        if study.quality.features == "inception":
            found.append(published("inception", FID_INCEPTION))
    return (*found, *_weights_to_start_from(study, arms))


def _weights_to_start_from(study: InstanceSynthesisStudy, arms: Sequence[Arm]) -> Iterator[Need]:
    """Yield what trainings of these arms start from, and the vocabulary of a text branch."""
    of_generator = [arm for arm in arms if _reads_generator(arm)]
    if of_generator:
        small = study.backbone.endswith("miniature")
        yield shipped(GENERATOR_ROLE, MINIATURE_GENERATOR) if small else published(GENERATOR_ROLE, STABLE_DIFFUSION_15)
    starts = {_setup(study, arm).start for arm in arms if arm not in of_generator}
    if "backbone" in starts and study.backbone.endswith("miniature"):
        yield shipped("backbone", MINIATURE_STREET_SEGMENTER)
    elif "backbone" in starts:
        yield published("backbone", SWIN_L if study.backbone == "oneformer_swin_l" else RESNET50)
    if "all_but_classes" in starts:
        yield shipped("start", MINIATURE_STREET_SEGMENTER)
    if "official_all_but_classes" in starts:
        yield published("start", ONEFORMER_CONVNEXT_L_MAPILLARY)
    if any(_setup(study, arm).needs_tokenizer for arm in arms):
        yield published("tokenizer", CLIP_TOKENIZER)


def _reads_generator(arm: Arm) -> bool:
    return isinstance(arm.how, Sizes) or (isinstance(arm.how, FewShot) and reads_generator(arm.how))


def _setup(study: InstanceSynthesisStudy, arm: Arm) -> SetupConfig:
    """How an arm trains, a few-shot arm in its base stage; all with samples as the paper's baseline."""
    if isinstance(arm.how, Sizes):
        return base_setup(study, FewShot(extractor="generator"))
    if isinstance(arm.how, FewShot):
        learnt = (
            RUNG_OF.get(arm.how.extractor) in DISTILLED
        )  # from features of the cut one, which is what comes from outside
        return base_setup(study, replace(arm.how, extractor="generator_cut") if learnt else arm.how)
    name = arm.how.setup if isinstance(arm.how, RealImages) else "reproduced"
    setup: SetupConfig = getattr(study, name)
    return setup


def _generators(arms: Sequence[Arm]) -> tuple[BackEndId, ...]:
    """Back ends with a network that these arms use, each once."""
    hows = [arm.how for arm in arms if isinstance(arm.how, WithSamples | FewShot)]
    return tuple(dict.fromkeys(how.back_end for how in hows if how.back_end in GENERATORS))


def _generator(back_end: BackEndId, request: Request) -> Need:
    """The published one at tier paper, else the miniature one; a user's own repaints in place of the inpainting network."""
    role = f"{back_end}_generator"
    if back_end == "inpainting" and request.generator is not None:
        remedy = "name an inpainting folder that diffusers' save_pretrained wrote, with safetensors"
        return own(role, "inpainting network", request.generator, diffusers_folder, remedy)
    if request.tier == "paper":
        return published(role, _PUBLISHED[back_end], back_end)
    return shipped(role, _SMALL[back_end])


def trials(request: Request, study: InstanceSynthesisStudy, arms: Sequence[Arm]) -> tuple[Trial, ...]:
    """Return how each network that these arms need from outside is tried, one trial a network."""
    place = {need.role: need for need in needs(request, study, arms)}
    tried = [
        trial(place[f"{back_end}_generator"], "generator", openers.open_painter, study.back_ends.of(back_end))
        for back_end in _generators(arms)
    ]
    if "clip" in place:
        tried.append(trial(place["clip"], "clip", open_clip))
    setups: dict[tuple[SegmenterConfig, str], tuple[SetupConfig, Mapping[str, Need]]] = {}
    for arm in arms:
        setup, of_arm = _setup(study, arm), place
        if _reads_generator(arm):
            of_arm = {**place, "backbone": place[GENERATOR_ROLE]}
        setups[setup.segmenter, setup.start] = setup, of_arm
    return (*tried, *(_start_trial(setup, of_arm) for setup, of_arm in setups.values() if setup.roles))


def _start_trial(setup: SetupConfig, place: Mapping[str, Need]) -> Trial:
    """How a segmenter is tried with what its trainings start from."""
    config = InstanceTrainingConfig(
        segmenter=setup.segmenter, recipe=setup.recipe, augmentation=setup.augmentation, start=setup.start
    )
    what = " and ".join(f"{place[role].what} as {role}" for role in setup.roles)
    return Trial(what, {role: place[role].place for role in setup.roles}, openers.open_segmenter, config)


def gpu_needs(request: Request, study: InstanceSynthesisStudy, arms: Sequence[Arm]) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers and own data."""
    if request.tier != "paper" or request.data is not None:
        return ()
    setups = {"": study.reproduced, **({} if study.few_shot else {", published recipe": study.published})}
    estimate = _TRAINING_GPU[study.backbone]
    needs = [
        estimate.training(f"{study.backbone}{words}", _side_px(setup), setup.recipe.batch_size)
        for words, setup in setups.items()
    ]
    for back_end in _generators(arms):
        what, estimate = _GPU[back_end]
        size_px, batch_size = getattr(study.back_ends, back_end).size_px, study.generation.batch_size
        needs.append(estimate.generation(what, size_px, batch_size, "generation.batch_size"))
    return tuple(needs)


def _side_px(setup: SetupConfig) -> int:
    """Height of a training crop, whose width is twice that."""
    crop = setup.augmentation.last_crop_px
    assert crop is not None, "a run at tier paper crops"
    return crop[0]

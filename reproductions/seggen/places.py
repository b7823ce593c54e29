"""What a study needs from outside, and what its GPUs must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from methods.common.generators.captioners import Blip2Captions
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.stages.train_instances import InstanceTrainingConfig
from reproductions.requirements import gpu_estimates
from reproductions.requirements.gpu_estimates import GpuEstimate
from reproductions.requirements.inspect_labelled import labelled_folder
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.openers import open_semantic_segmenter
from reproductions.requirements.places import data, generator, published, shipped
from reproductions.requirements.published import DataSet, SingleFile
from reproductions.requirements.published_data import ADE20K, ADE20K_INSTANCES, COCO_PANOPTIC, COCO_STUFF, VOC_2012_VAL
from reproductions.requirements.published_weights import (
    BLIP2,
    HRNET_W48,
    MINIATURE_FLAT_VAE,
    RESNET50,
    STABLE_DIFFUSION_XL,
    SWIN_L,
)
from reproductions.requirements.trial import Trial, half_precision_trial, trial
from reproductions.seggen import openers
from reproductions.seggen.arms import ON_VOC, Arm, MaskStudy, Synthetic
from reproductions.seggen.recipe import InstanceTraining, PanopticTraining, SeggenStudy, SemanticTraining
from reproductions.study.request import Request

_BACKBONES: Mapping[str, SingleFile] = {
    "mask2former_r50": RESNET50,
    "mask2former_swin_l": SWIN_L,
    "hrnet_w48": HRNET_W48,
    "mask2former_r50_panoptic": RESNET50,
    "mask2former_swin_l_panoptic": SWIN_L,
    "mask2former_r50_instance": RESNET50,
    "mask2former_swin_l_instance": SWIN_L,
    "mask2former_r50_ade20k_panoptic": RESNET50,
    "mask2former_r50_ade20k_instance": RESNET50,
    "mask2former_r50_coco_stuff": RESNET50,
}
_GPU: Mapping[str, GpuEstimate] = {
    RESNET50.name: gpu_estimates.MASK2FORMER_R50,
    SWIN_L.name: gpu_estimates.MASK2FORMER_SWIN_L,
    HRNET_W48.name: gpu_estimates.HRNET_W48,
}
"""By the file that the backbone starts from."""


def _published_set(study: SeggenStudy) -> DataSet:
    """Return what tier paper trains and evaluates on."""
    if study.backbone == "mask2former_r50_coco_stuff":
        return COCO_STUFF
    if study.segments is not None:
        return ADE20K_INSTANCES
    return ADE20K if study.training.task == "semantic" else COCO_PANOPTIC


def needs(request: Request, study: SeggenStudy, arms: Sequence[Arm]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    own_layout = "classes.txt, and images and labels of training and validation"
    found = data(request, _published_set(study), labelled_folder, own_layout)
    if _generating(arms):
        found.append(generator("generator", request, STABLE_DIFFUSION_XL))
        if request.tier != "paper" and request.generator is None:
            found.append(shipped("vae", MINIATURE_FLAT_VAE))
        if isinstance(study.captions.captioner, Blip2Captions):
            found.append(published("captioner", BLIP2))
    if request.tier == "paper" and _published_set(study) is COCO_PANOPTIC and study.training.task == "panoptic":
        found += [published("unseen", VOC_2012_VAL)] if any(arm.id in ON_VOC for arm in arms) else []
    if study.training.start == "backbone":
        found.append(published("backbone", _BACKBONES[study.backbone]))
    return tuple(found)


def _generating(arms: Sequence[Arm]) -> bool:
    return any(isinstance(arm.how, Synthetic | MaskStudy) for arm in arms)


def gpu_needs(request: Request, study: SeggenStudy, arms: Sequence[Arm]) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers."""
    if request.tier != "paper":
        return ()
    training = study.training
    estimate = _GPU[_BACKBONES[study.backbone].name]
    found = [estimate.training(study.backbone, _side_px(training), training.recipe.batch_size)]
    if _generating(arms):
        teaching, sampling = study.text2mask, study.pictures
        found += [
            gpu_estimates.STABLE_DIFFUSION_XL_CONTROLNET_TRAINING.training(
                "Mask2Img, SDXL", study.mask2img.frames.size_px, study.mask2img.recipe.batch_size
            ),
            gpu_estimates.STABLE_DIFFUSION_XL_CONTROLNET.generation(
                "Mask2Img, SDXL", sampling.frames.size_px, sampling.batch_size, "pictures.batch_size"
            ),
        ]
        if any(isinstance(arm.how, MaskStudy) or "text2mask" in arm.topics for arm in arms):
            found.append(
                gpu_estimates.STABLE_DIFFUSION_XL_TRAINING.training(
                    "Text2Mask, SDXL", teaching.frames.size_px, teaching.recipe.batch_size
                )
            )
    return tuple(found)


def _side_px(training: SemanticTraining | PanopticTraining | InstanceTraining) -> int:
    """Return the side of a training crop."""
    match training.augmentation:
        case AugmentConfig() as augmentation:
            return augmentation.size_px
        case ShortSideAugmentConfig() as augmentation:
            assert augmentation.last_crop_px is not None, "images of any size"
            return max(augmentation.last_crop_px)
        case SemanticAugmentConfig() as augmentation:
            return augmentation.crop_px


def trials(request: Request, study: SeggenStudy, arms: Sequence[Arm]) -> tuple[Trial, ...]:
    """Return how each network that these arms need from outside is tried, one trial a network."""
    place = {need.role: need for need in needs(request, study, arms)}
    found = []
    if "generator" in place:
        found.append(half_precision_trial(place["generator"], "generator", openers.open_generator, study.masks))
    if "captioner" in place:
        found.append(trial(place["captioner"], "captioner", openers.open_captioner, study.captions))
    if "backbone" not in place:
        return tuple(found)
    training = study.training
    if not isinstance(training, SemanticTraining):
        config = InstanceTrainingConfig(
            segmenter=training.segmenter,
            recipe=training.recipe,
            augmentation=training.augmentation,
            start="backbone",
        )
        return (*found, trial(place["backbone"], "backbone", openers.open_panoptic, config))
    return (*found, trial(place["backbone"], "backbone", open_semantic_segmenter, training.segmenter))

"""What a study needs from outside, and what its GPUs must hold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from methods.common.generators.captioners import BlipCaptions
from methods.common.prompters.configs import PrompterConfig
from reproductions.requirements import gpu_estimates
from reproductions.requirements.inspect_labelled import labelled_folder
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.openers import open_captioner, open_semantic_segmenter
from reproductions.requirements.places import data, generator, installed, published
from reproductions.requirements.prompters import prompter_needs, prompter_trials
from reproductions.requirements.published_data import VOC_2012
from reproductions.requirements.published_weights import (
    BLIP,
    EFFICIENTNET_LITE0,
    RESNET50,
    STABLE_DIFFUSION_21,
)
from reproductions.requirements.trial import Trial, half_precision_trial, trial
from reproductions.sam_filter import openers
from reproductions.sam_filter.arms import Arm, GeneratedPairs, PilotStudy
from reproductions.sam_filter.recipe import SamFilterStudy
from reproductions.study.own_start import EFFICIENTNET
from reproductions.study.request import Request

_OWN_SIZE_PX = 512
"""Side of the pictures that the generator makes by itself."""


def needs(request: Request, study: SamFilterStudy, arms: Sequence[Arm]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    inspect = partial(labelled_folder, splits=(study.train_split, study.val_split))
    found = data(request, VOC_2012, inspect, "classes.txt, and images and labels of train and val")
    if _generating(arms):
        prompters = _prompters(study, arms)
        found.append(generator("generator", request, STABLE_DIFFUSION_21))
        found += [published("captioner", BLIP)] if study.prompts.captioner.kind != "template" else []
        found += prompter_needs(request, prompters)
    if study.classifier is None and any("imagenet" in arm.topics for arm in arms):
        of_own = study.backbone == EFFICIENTNET
        found.append(installed("backbone", EFFICIENTNET_LITE0) if of_own else published("backbone", RESNET50))
    return tuple(found)


def _prompters(study: SamFilterStudy, arms: Sequence[Arm]) -> dict[str, PrompterConfig]:
    """What turns names into masks, by the name of the setting."""
    reference: dict[str, PrompterConfig] = {"reference": study.reference} if _with_pilot(arms) else {}
    return {"prompter": study.prompter, **reference}


def _with_pilot(arms: Sequence[Arm]) -> bool:
    return any(isinstance(arm.how, PilotStudy) for arm in arms)


def _generating(arms: Sequence[Arm]) -> bool:
    return any(isinstance(arm.how, GeneratedPairs | PilotStudy) for arm in arms)


def gpu_needs(request: Request, study: SamFilterStudy, arms: Sequence[Arm]) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers and own data."""
    if request.tier != "paper" or request.data is not None:
        return ()
    crop_px, batch_size = study.augmentation.crop_px, study.recipe.batch_size
    needs = [gpu_estimates.MASK2FORMER_R50.training(study.backbone, crop_px, batch_size)]
    if _generating(arms):
        size_px, images = study.synthesis.size_px or _OWN_SIZE_PX, study.synthesis.batch_size
        what = "generation with attention capture"
        capture = gpu_estimates.STABLE_DIFFUSION_21_CAPTURE
        needs.append(capture.generation(what, size_px, images, "synthesis.batch_size"))
    if _with_pilot(arms) or any("filtered" in arm.topics for arm in arms):
        needs.append(gpu_estimates.SAM_VIT_H.one_by_one("segmenting by name, SAM ViT-H"))
    return tuple(needs)


def trials(request: Request, study: SamFilterStudy, arms: Sequence[Arm]) -> tuple[Trial, ...]:
    """Return how each network that these arms need from outside is tried, one trial a network."""
    place = {need.role: need for need in needs(request, study, arms)}
    found = []
    if "generator" in place:
        found.append(half_precision_trial(place["generator"], "generator", openers.open_generator, study.synthesis))
    if "captioner" in place and isinstance(study.prompts.captioner, BlipCaptions):
        found.append(trial(place["captioner"], "captioner", open_captioner, study.prompts.captioner))
    prompters = _prompters(study, arms) if _generating(arms) else {}
    found += prompter_trials(place, prompters)
    if "backbone" in place:
        segmenter = study.imagenet_segmenter or study.segmenter
        found.append(trial(place["backbone"], "backbone", open_semantic_segmenter, segmenter))
    return tuple(found)

"""What a study needs from outside, and what its GPUs must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from methods.common.generators.captioners import BlipCaptions
from methods.sam_filter.prompters.configs import ROLES, PrompterConfig, SalientConfig, Sam3PrompterConfig
from reproductions.requirements import gpu_estimates
from reproductions.requirements.inspect_labelled import labelled_folder
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.openers import CutterTrial, open_captioner, open_clip, open_cutter, open_sam
from reproductions.requirements.places import data, either, generator, published, shipped, with_own_code
from reproductions.requirements.published_data import VOC_2012
from reproductions.requirements.published_weights import (
    BIREFNET,
    BIREFNET_PACKAGES,
    BLIP,
    CLIP,
    GROUNDING_DINO,
    MINIATURE_CLIP,
    MINIATURE_CUTTER,
    MINIATURE_SAM,
    RESNET50,
    SAM,
    SAM3,
    SAM_RELEASE,
    STABLE_DIFFUSION_21,
)
from reproductions.requirements.trial import Trial, half_precision_trial, trial
from reproductions.sam_filter import openers
from reproductions.sam_filter.arms import Arm, GeneratedPairs, PilotStudy
from reproductions.sam_filter.recipe import SamFilterStudy
from reproductions.study.request import Request

_SMALL = {"sam": MINIATURE_SAM, "clip": MINIATURE_CLIP, "cutter": MINIATURE_CUTTER}
"""What stands in for a role of a prompter at the small tiers."""
_ORDER = ("sam", "detector", "clip", "cutter")
_OWN_SIZE_PX = 512
"""Side of the pictures that the generator makes by itself."""


def needs(request: Request, study: SamFilterStudy, arms: Sequence[Arm]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    inspect = partial(labelled_folder, splits=(study.train_split, study.val_split))
    found = data(request, VOC_2012, inspect, "classes.txt, and images and labels of train and val")
    if _generating(arms):
        prompters = _prompters(study, arms)
        roles = {role for config in prompters.values() for role in ROLES[config.kind]}
        found.append(generator("generator", request, STABLE_DIFFUSION_21))
        found += [published("captioner", BLIP)] if study.prompts.captioner.kind != "template" else []
        found += [_part(role, request, prompters) for role in _ORDER if role in roles]
    if study.classifier is None and any("imagenet" in arm.topics for arm in arms):
        found.append(published("backbone", RESNET50))
    return tuple(found)


def _prompters(study: SamFilterStudy, arms: Sequence[Arm]) -> dict[str, PrompterConfig]:
    """What turns names into masks, by the name of the setting."""
    reference: dict[str, PrompterConfig] = {"reference": study.reference} if _with_pilot(arms) else {}
    return {"prompter": study.prompter, **reference}


def _with_pilot(arms: Sequence[Arm]) -> bool:
    return any(isinstance(arm.how, PilotStudy) for arm in arms)


def _generating(arms: Sequence[Arm]) -> bool:
    return any(isinstance(arm.how, GeneratedPairs | PilotStudy) for arm in arms)


def _part(role: str, request: Request, prompters: Mapping[str, PrompterConfig]) -> Need:
    """A network of the prompters, which are given by the name of their setting."""
    if request.tier != "paper" and role in _SMALL:
        return shipped(role, _SMALL[role])
    if role == "cutter":
        salient = {name: config for name, config in prompters.items() if isinstance(config, SalientConfig)}
        allowed = {f"{name}.trust_remote_code": config.trust_remote_code for name, config in salient.items()}
        return with_own_code(role, BIREFNET, BIREFNET_PACKAGES, allowed)
    if role == "sam" and prompters["prompter"].kind != "sam3":
        return either(role, SAM, SAM_RELEASE)
    return published(role, {"sam": SAM3, "detector": GROUNDING_DINO, "clip": CLIP}[role])


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
    found += [_trial_of_part(role, place[role], prompters) for role in _ORDER if role in place]
    if "backbone" in place:
        segmenter = study.imagenet_segmenter or study.segmenter
        found.append(trial(place["backbone"], "backbone", openers.open_segmenter, segmenter))
    return tuple(found)


def _trial_of_part(role: str, need: Need, prompters: Mapping[str, PrompterConfig]) -> Trial:
    """Return the trial of a network of the prompters, with the settings of the first that has it."""
    config = next(config for config in prompters.values() if role in ROLES[config.kind])
    if role == "sam":
        if isinstance(config, Sam3PrompterConfig):
            return trial(need, role, openers.open_sam3, config)
        return trial(need, role, open_sam)
    if role == "detector":
        return trial(need, role, openers.open_detector, config)
    if role == "clip":
        return trial(need, role, open_clip)
    salient = [config for config in prompters.values() if isinstance(config, SalientConfig)]
    trusted = all(config.trust_remote_code for config in salient)
    return trial(need, role, open_cutter, CutterTrial(trust_remote_code=trusted))

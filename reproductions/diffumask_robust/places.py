"""What a study needs from outside, and what its GPUs must hold."""

from __future__ import annotations

from collections.abc import Sequence

from reproductions.diffumask_robust.arms import Arm, Attention, DiffuMask, MaskQuality, Real, Street
from reproductions.diffumask_robust.recipe import DiffuMaskRobustStudy
from reproductions.requirements import gpu_estimates
from reproductions.requirements.inspect_labelled import labelled_folder
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.places import data, generator, published, shipped, with_own_code
from reproductions.requirements.published_data import CITYSCAPES, VOC_2012, WORDNET_30
from reproductions.requirements.published_weights import (
    BIREFNET,
    BIREFNET_PACKAGES,
    MINIATURE_CUTTER,
    RESNET38,
    RESNET50,
    RESNET101D,
    STABLE_DIFFUSION_15,
)
from reproductions.study.request import Request


def needs(request: Request, study: DiffuMaskRobustStudy, arms: Sequence[Arm]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    found = data(request, VOC_2012, labelled_folder, "classes.txt, and images and labels of train and val")
    if _generating(arms):
        found.append(generator("generator", request, STABLE_DIFFUSION_15))
        found.append(_cutter(request, study))
        if study.prompts.lexicon == "wordnet":
            found.append(published("wordnet", WORDNET_30))
    if study.street.world is None and any(isinstance(arm.how, Street) for arm in arms):
        found.append(published("street", CITYSCAPES))
    if study.diffumask.affinity.start != "scratch" and any("affinity" in arm.topics for arm in arms):
        found.append(published("trunk", RESNET38))
    return (*found, *_backbones(study, arms))


def _generating(arms: Sequence[Arm]) -> bool:
    return any(isinstance(arm.how, Attention | DiffuMask | MaskQuality | Street) for arm in arms)


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
        isinstance(how, Attention | Street) or (isinstance(how, Real) and how.network == "deeplab")
        for how in _hows(arms)
    )
    other = any(
        isinstance(how, DiffuMask) or (isinstance(how, Real) and how.network != "deeplab") for how in _hows(arms)
    )
    return [
        *([published("backbone", RESNET101D)] if deeplab else []),
        *([published("plain_backbone", RESNET50)] if other else []),
    ]


def _hows(arms: Sequence[Arm]) -> list[object]:
    return [arm.how for arm in arms]


def gpu_needs(request: Request, study: DiffuMaskRobustStudy, arms: Sequence[Arm]) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers."""
    if request.tier != "paper":
        return ()
    return (
        gpu_estimates.MASK2FORMER_R50.training(
            "mask2former_r50", study.diffumask.augmentation.crop_px, study.diffumask.recipe.batch_size
        ),
    )

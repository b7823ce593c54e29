"""Where a study finds what it does not make itself: data, generators, cutter, CLIP, backbone weights."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from reproductions.mrca import published
from reproductions.mrca.arms import ARMS, ArmId
from reproductions.mrca.study import StudyConfig
from reproductions.requirements.inspect_data import cutouts_folder, lvis_folder, own_lvis_folder
from reproductions.requirements.inspect_weights import diffusers_folder, remote_code_folder, transformers_folder
from reproductions.requirements.need import Need
from reproductions.requirements.places import (
    OWN,
    data_elsewhere,
    data_root,
    hub,
    shipped,
    single_file,
    weights_root,
    with_tokenizer_and_images,
)
from reproductions.requirements.published import CLIP
from reproductions.study.paper import Request

_XPASTE_ARMS = frozenset({"xpaste", "xpaste_equal_pool"})


def places(request: Request, study: StudyConfig, arms: Collection[ArmId]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    pastes = any(arm.needs != "nothing" for arm in ARMS if arm.id in arms)
    found = [*_data(request), *(_objects(request, study, arms) if pastes else [])]
    return (*found, _backbone(study)) if request.tier == "paper" and request.data is None else tuple(found)


def _data(request: Request) -> list[Need]:
    if request.data is not None:
        remedy = ("name a folder with train.json, val.json and the images (docs/own-data.md)",)
        return [Need("data", "your data set", request.data, own_lvis_folder, remedy, OWN)]
    if request.tier != "paper":
        return []
    place = data_root() / "lvis"
    return [
        Need(
            "data",
            "LVIS v1, COCO 2017 images",
            place,
            lvis_folder,
            (*published.lvis_steps(place), data_elsewhere("lvis/")),
            published.LVIS_LICENCE,
            published.LVIS_SOURCE,
            checksums={},
        )
    ]


def _objects(request: Request, study: StudyConfig, arms: Collection[ArmId]) -> list[Need]:
    if request.objects is not None:
        inspect = partial(cutouts_folder, annotation_file=request.data / "train.json" if request.data else None)
        remedy = ("name a folder with one folder of RGBA PNGs a class (docs/own-data.md)",)
        return [Need("objects", "your cut-outs", request.objects, inspect, remedy, OWN)]
    judges = _published_judges(study, arms) if request.tier == "paper" else _shipped_judges()
    roles = ["generator"] if "mrca" in arms else []
    roles += ["xpaste_generator"] if _XPASTE_ARMS & set(arms) else []
    return [*(_generator(role, request) for role in roles), *judges]


def _generator(role: str, request: Request) -> Need:
    if request.generator is not None:
        remedy = ("name a folder that diffusers' save_pretrained wrote, with safetensors",)
        return Need(role, "your generator", request.generator, diffusers_folder, remedy, OWN)
    if request.tier != "paper":
        return shipped(role, "miniature generator", "stable_diffusion", diffusers_folder)
    if role == "generator":
        return hub(role, "SD3 medium (MRCA)", "stable-diffusion-3-medium", published.STABLE_DIFFUSION_3)
    return hub(role, "SD 1.5 (X-Paste)", "stable-diffusion-v1-5", published.STABLE_DIFFUSION_15)


def _published_judges(study: StudyConfig, arms: Collection[ArmId]) -> list[Need]:
    return [
        _cutter(study, arms),
        hub("clip", "CLIP ViT-L/14", "clip-vit-large-patch14", CLIP, with_tokenizer_and_images),
    ]


def _shipped_judges() -> list[Need]:
    return [
        shipped("cutter", "miniature cut-out network", "cutout", transformers_folder),
        shipped("clip", "miniature CLIP", "clip", with_tokenizer_and_images),
    ]


def _cutter(study: StudyConfig, arms: Collection[ArmId]) -> Need:
    """BiRefNet brings its own code; every arm that cuts must allow it."""
    folder = "BiRefNet"
    asked = {"mrca": study.mrca.cutting} if "mrca" in arms else {}
    asked |= {"xpaste": study.xpaste.cutting} if _XPASTE_ARMS & set(arms) else {}
    settings = " ".join(f"--set {name}.cutting.trust_remote_code=true" for name in asked)
    how_to_allow = f"(read the .py files in {weights_root() / folder}, then add to each command: {settings})"
    inspect = partial(
        remote_code_folder,
        allowed=all(cutting.trust_remote_code for cutting in asked.values()),
        how_to_allow=how_to_allow,
        packages=published.BIREFNET_PACKAGES,
    )
    need = hub("cutter", "BiRefNet", folder, published.BIREFNET, inspect)
    return replace(need, remedy=(*need.remedy, how_to_allow))


def _backbone(study: StudyConfig) -> Need:
    file = published.RESNET50 if study.backbone == "resnet50" else published.SWINL
    return single_file("backbone", f"{study.backbone} backbone", file)

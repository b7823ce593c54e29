"""Where a study finds what it does not make itself: data, generators, cutter, CLIP, backbone weights."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from methods.common.miniature.shipped import CHECKPOINTS
from reproductions.inspectors.data import cutouts_folder, lvis_folder, own_lvis_folder
from reproductions.inspectors.inspection import Inspection, Inspector
from reproductions.inspectors.weights import diffusers_folder, remote_code_folder, torch_file, transformers_folder
from reproductions.mrca import published
from reproductions.mrca.arms import ARMS, ArmId
from reproductions.mrca.study import StudyConfig
from reproductions.paper import Need, Request

_WEIGHTS_VARIABLE = "SEGREPRO_WEIGHTS"
_DATA_VARIABLE = "SEGREPRO_DATA"
_ELSEWHERE = "(or, if you have it elsewhere: name the folder that holds {what} in {variable})"
_OWN = "yours"
_SHIPPED = "as this repository"
_XPASTE_ARMS = frozenset({"xpaste", "xpaste_equal_pool"})


def places(request: Request, study: StudyConfig, arms: Collection[ArmId]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    pastes = any(arm.needs != "nothing" for arm in ARMS if arm.id in arms)
    found = [*_data(request), *(_objects(request, study, arms) if pastes else [])]
    return (*found, _backbone(study)) if request.tier == "paper" and request.data is None else tuple(found)


def _weights_root() -> Path:
    return Path(os.environ.get(_WEIGHTS_VARIABLE, "weights"))


def _data(request: Request) -> list[Need]:
    if request.data is not None:
        remedy = ("name a folder with train.json, val.json and the images (docs/own-data.md)",)
        return [Need("data", "your data set", request.data, own_lvis_folder, remedy, _OWN)]
    if request.tier != "paper":
        return []
    place = Path(os.environ.get(_DATA_VARIABLE, "data")) / "lvis"
    return [
        Need(
            "data",
            "LVIS v1, COCO 2017 images",
            place,
            lvis_folder,
            (*published.lvis_steps(place), _ELSEWHERE.format(what="lvis/", variable=_DATA_VARIABLE)),
            published.LVIS_LICENCE,
            published.LVIS_SOURCE,
            checksums={},
        )
    ]


def _objects(request: Request, study: StudyConfig, arms: Collection[ArmId]) -> list[Need]:
    if request.objects is not None:
        inspect = partial(cutouts_folder, annotation_file=request.data / "train.json" if request.data else None)
        remedy = ("name a folder with one folder of RGBA PNGs a class (docs/own-data.md)",)
        return [Need("objects", "your cut-outs", request.objects, inspect, remedy, _OWN)]
    judges = _published_judges(study, arms) if request.tier == "paper" else _shipped_judges()
    roles = ["generator"] if "mrca" in arms else []
    roles += ["xpaste_generator"] if _XPASTE_ARMS & set(arms) else []
    return [*(_generator(role, request) for role in roles), *judges]


def _generator(role: str, request: Request) -> Need:
    if request.generator is not None:
        remedy = ("name a folder that diffusers' save_pretrained wrote, with safetensors",)
        return Need(role, "your generator", request.generator, diffusers_folder, remedy, _OWN)
    if request.tier != "paper":
        return _shipped(role, "miniature generator", "stable_diffusion", diffusers_folder)
    root = _weights_root()
    if role == "generator":
        return _hub(role, "SD3 medium (MRCA)", root / "stable-diffusion-3-medium", published.STABLE_DIFFUSION_3)
    return _hub(role, "SD 1.5 (X-Paste)", root / "stable-diffusion-v1-5", published.STABLE_DIFFUSION_15)


def _published_judges(study: StudyConfig, arms: Collection[ArmId]) -> list[Need]:
    root = _weights_root()
    return [
        _cutter(root / "BiRefNet", study, arms),
        _hub("clip", "CLIP ViT-L/14", root / "clip-vit-large-patch14", published.CLIP, _inspect_clip),
    ]


def _shipped_judges() -> list[Need]:
    return [
        _shipped("cutter", "miniature cut-out network", "cutout", transformers_folder),
        _shipped("clip", "miniature CLIP", "clip", _inspect_clip),
    ]


def _inspect_clip(folder: Path) -> Inspection:
    return transformers_folder(folder, ("tokenizer", "images"))


def _cutter(place: Path, study: StudyConfig, arms: Collection[ArmId]) -> Need:
    """BiRefNet brings its own code; every arm that cuts must allow it."""
    asked = {"mrca": study.mrca.cutting} if "mrca" in arms else {}
    asked |= {"xpaste": study.xpaste.cutting} if _XPASTE_ARMS & set(arms) else {}
    settings = " ".join(f"--set {name}.cutting.trust_remote_code=true" for name in asked)
    how_to_allow = f"(read the .py files in {place}, then add to each command: {settings})"
    inspect = partial(
        remote_code_folder,
        allowed=all(cutting.trust_remote_code for cutting in asked.values()),
        how_to_allow=how_to_allow,
        packages=published.BIREFNET_PACKAGES,
    )
    need = _hub("cutter", "BiRefNet", place, published.BIREFNET, inspect)
    return replace(need, remedy=(*need.remedy, how_to_allow))


def _hub(role: str, what: str, place: Path, model: published.HubModel, inspect: Inspector = diffusers_folder) -> Need:
    steps = (*model.steps(place), _ELSEWHERE.format(what=f"{place.name}/", variable=_WEIGHTS_VARIABLE))
    return Need(role, what, place, inspect, steps, model.licence, model.source, model.checksums)


def _shipped(role: str, what: str, folder: str, inspect: Inspector) -> Need:
    remedy = ("check the repository out again, or train them anew: make checkpoints",)
    return Need(role, what, CHECKPOINTS / folder, inspect, remedy, _SHIPPED)


def _backbone(study: StudyConfig) -> Need:
    file = published.RESNET50 if study.backbone == "resnet50" else published.SWINL
    place = _weights_root() / file.name
    steps = (*file.steps(place), _ELSEWHERE.format(what=file.name, variable=_WEIGHTS_VARIABLE))
    return Need(
        "backbone",
        f"{study.backbone} backbone",
        place,
        torch_file,
        steps,
        file.licence,
        file.source,
        file.checksums,
    )

"""Where a study finds what it does not make itself: data, generator, cutter, CLIP, backbone weights."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from methods.common.miniature.shipped import CHECKPOINTS
from reproductions.mrca.arms import ARMS, ArmId
from reproductions.mrca.study import StudyConfig
from reproductions.paper import Request

_WEIGHTS_VARIABLE = "SEGREPRO_WEIGHTS"
_DATA_VARIABLE = "SEGREPRO_DATA"


@dataclass(frozen=True)
class Place:
    """One thing from outside."""

    role: str
    what: str
    path: Path
    remedy: str


def places(request: Request, study: StudyConfig, arms: Collection[ArmId]) -> tuple[Place, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    pastes = any(arm.needs != "nothing" for arm in ARMS if arm.id in arms)
    found = [*_data(request), *(_objects(request) if pastes else [])]
    return (*found, *_backbone(study)) if request.tier == "paper" and request.data is None else tuple(found)


def _data(request: Request) -> list[Place]:
    if request.data is not None:
        return [Place("data", "your data set", request.data, "name a folder with train.json, val.json and images")]
    if request.tier != "paper":
        return []
    root = Path(os.environ.get(_DATA_VARIABLE, "data")) / "lvis"
    return [
        Place(
            "data",
            "LVIS v1 with COCO 2017 images",
            root,
            f"put lvis_v1_train.json as train.json, lvis_v1_val.json as val.json, train2017/ and val2017/ into {root} "
            f"(lvisdataset.org, cocodataset.org), or name the parent folder in {_DATA_VARIABLE}",
        )
    ]


def _objects(request: Request) -> list[Place]:
    if request.objects is not None:
        return [
            Place("objects", "your cut-outs", request.objects, "name a folder with one folder of RGBA PNGs a class")
        ]
    own = request.generator
    if request.tier == "paper":
        root = Path(os.environ.get(_WEIGHTS_VARIABLE, "weights"))
        remedy = "download it (docs/cluster.md tells from where) or name the parent folder in " + _WEIGHTS_VARIABLE
        return [
            Place("generator", "MRCA's generator", own or root / "stable-diffusion-3-medium", remedy),
            Place("xpaste_generator", "X-Paste's generator", own or root / "stable-diffusion-v1-5", remedy),
            Place("cutter", "BiRefNet", root / "BiRefNet", remedy),
            Place("clip", "CLIP ViT-L/14", root / "clip-vit-large-patch14", remedy),
        ]
    remedy = "the shipped checkpoints are damaged: check the repository out again, or run `make checkpoints`"
    return [
        Place("generator", "MRCA's generator", own or CHECKPOINTS / "stable_diffusion", remedy),
        Place("xpaste_generator", "X-Paste's generator", own or CHECKPOINTS / "stable_diffusion", remedy),
        Place("cutter", "miniature cut-out network", CHECKPOINTS / "cutout", remedy),
        Place("clip", "miniature CLIP", CHECKPOINTS / "clip", remedy),
    ]


def _backbone(study: StudyConfig) -> list[Place]:
    root = Path(os.environ.get(_WEIGHTS_VARIABLE, "weights"))
    name = "resnet50_miil_21k.pth" if study.backbone == "resnet50" else "swin_large_patch4_window12_384_22k.pth"
    return [
        Place(
            "backbone",
            f"pretrained {study.backbone}",
            root / name,
            f"put {name} there, or name the folder in {_WEIGHTS_VARIABLE}",
        )
    ]

"""Where a study finds what it does not make itself: data, generator, captioner, prompter, backbone weights."""

from __future__ import annotations

from collections.abc import Collection

from methods.sam_filter.prompters.configs import ROLES
from reproductions.requirements.inspect_data import labelled_folder, voc_folder
from reproductions.requirements.inspect_weights import diffusers_folder, transformers_folder
from reproductions.requirements.need import Need
from reproductions.requirements.places import (
    OWN,
    data_elsewhere,
    data_root,
    hub,
    shipped,
    single_file,
    with_tokenizer_and_images,
)
from reproductions.requirements.published import CLIP
from reproductions.sam_filter import published
from reproductions.sam_filter.rows import ROWS, GeneratedRow
from reproductions.sam_filter.study import StudyConfig
from reproductions.study.paper import Request


def places(request: Request, study: StudyConfig, arms: Collection[str], with_pilot: bool) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    found = _data(request)
    rows = [row for arm, row in ROWS.items() if arm in arms]
    generated = [row for row in rows if isinstance(row, GeneratedRow)]
    if generated or with_pilot:
        found += [_generator(request), *_captioner(study)]
        kinds = {study.prompter.kind, study.reference.kind} if with_pilot else {study.prompter.kind}
        roles = {role for kind in kinds for role in ROLES[kind]}
        found += [_prompter(role, request, study) for role in ("sam", "detector", "clip", "cutter") if role in roles]
    if study.classifier is None and any(row.pretraining == "imagenet" for row in generated):
        found.append(single_file("backbone", "ResNet-50, ImageNet", published.RESNET50))
    return tuple(found)


def _data(request: Request) -> list[Need]:
    if request.data is not None:
        remedy = ("name a folder with classes.txt, and images and labels of train and val (docs/own-data.md)",)
        return [Need("data", "your data set", request.data, labelled_folder, remedy, OWN)]
    if request.tier != "paper":
        return []
    place = data_root() / "voc2012"
    steps = (*published.voc_steps(place), data_elsewhere("voc2012/"))
    return [
        Need(
            "data",
            "PASCAL VOC 2012 with SBD's labels",
            place,
            voc_folder,
            steps,
            published.VOC_LICENCE,
            published.VOC_SOURCE,
            checksums={},
        )
    ]


def _generator(request: Request) -> Need:
    if request.generator is not None:
        remedy = ("name a folder that diffusers' save_pretrained wrote, with safetensors",)
        return Need("generator", "your generator", request.generator, diffusers_folder, remedy, OWN)
    if request.tier != "paper":
        return shipped("generator", "miniature generator", "stable_diffusion", diffusers_folder)
    return hub("generator", "SD 2.1 base", "stable-diffusion-2-1-base", published.STABLE_DIFFUSION_21)


def _captioner(study: StudyConfig) -> list[Need]:
    if study.prompts.captioner.kind == "template":
        return []
    return [hub("captioner", "BLIP", "blip-image-captioning-base", published.BLIP, with_tokenizer_and_images)]


def _prompter(role: str, request: Request, study: StudyConfig) -> Need:
    if request.tier != "paper":
        folders = {"sam": "sam", "clip": "clip", "cutter": "cutout"}
        inspect = with_tokenizer_and_images if role == "clip" else transformers_folder
        return shipped(role, f"miniature {folders[role].replace('cutout', 'cut-out network')}", folders[role], inspect)
    if role == "detector":
        return hub(role, "Grounding DINO", "grounding-dino-base", published.GROUNDING_DINO, with_tokenizer_and_images)
    if role == "clip":
        return hub(role, "CLIP ViT-L/14", "clip-vit-large-patch14", CLIP, with_tokenizer_and_images)
    if study.prompter.kind == "sam3":
        return hub(role, "SAM 3", "sam3", published.SAM3, transformers_folder)
    return hub(role, "SAM ViT-H", "sam-vit-huge", published.SAM, transformers_folder)

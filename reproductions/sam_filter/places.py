"""Where a study finds what it does not make itself, and what its GPUs must hold.

What the GPUs of a paper-scale run must hold: estimates of ours, made without a GPU.

==================================  =========================================================================================
part                                from
==================================  =========================================================================================
Mask2Former R50, 512 px crops       MMSegmentation's README: 3,385 MB for 2 images on an A100; 44 M parameters of 16 bytes,
                                    1 GiB for CUDA, and the rest shared by the images
SD 2.1 base, guided, with capture   2.5 GiB of float16, 1 GiB for CUDA; an image's probabilities at 64 cells a side, 5 heads
                                    in float32, are 0.3 GiB at a time, its running sums 0.08 GiB, and the decoder's maps 1 GiB
SAM ViT-H, 1024 px                  2.5 GiB of float32, 1 GiB for CUDA, 2.5 GiB for attention without a gradient
==================================  =========================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence

from methods.sam_filter.prompters.configs import ROLES
from reproductions.requirements.inspect_data import labelled_folder, voc_folder
from reproductions.requirements.inspect_weights import diffusers_folder, transformers_folder
from reproductions.requirements.need import GpuNeed, Need
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
from reproductions.sam_filter.arms import Arm, GeneratedPairs, PilotStudy
from reproductions.sam_filter.recipe import SamFilterStudy
from reproductions.study.request import Request


def needs(request: Request, study: SamFilterStudy, arms: Sequence[Arm]) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    found = _data(request)
    if _generating(arms):
        kinds = {study.prompter.kind, study.reference.kind} if _with_pilot(arms) else {study.prompter.kind}
        roles = {role for kind in kinds for role in ROLES[kind]}
        found += [_generator(request), *_captioner(study)]
        found += [_prompter(role, request, study) for role in ("sam", "detector", "clip", "cutter") if role in roles]
    if study.classifier is None and any("imagenet" in arm.topics for arm in arms):
        found.append(single_file("backbone", "ResNet-50, ImageNet", published.RESNET50))
    return tuple(found)


def _with_pilot(arms: Sequence[Arm]) -> bool:
    return any(isinstance(arm.how, PilotStudy) for arm in arms)


def _generating(arms: Sequence[Arm]) -> bool:
    return any(isinstance(arm.how, GeneratedPairs | PilotStudy) for arm in arms)


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


def _captioner(study: SamFilterStudy) -> list[Need]:
    if study.prompts.captioner.kind == "template":
        return []
    return [hub("captioner", "BLIP", "blip-image-captioning-base", published.BLIP, with_tokenizer_and_images)]


def _prompter(role: str, request: Request, study: SamFilterStudy) -> Need:
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


# -- GPUs ----------------------------------------------------------------------------------------------------

_TRAINING_GIB, _GENERATION_GIB, _SEGMENTING_GIB = (1.7, 0.75), (3.5, 1.4), (3.5, 2.5)
"""For weights and CUDA, and for each image of 512 px (1024 px for SAM)."""
_SIDE_PX = 512


def gpu_needs(request: Request, study: SamFilterStudy, arms: Sequence[Arm]) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers and own data."""
    if request.tier != "paper" or request.data is not None:
        return ()
    needs = [_training(study)]
    if _generating(arms):
        needs.append(_generation(study))
    if _with_pilot(arms) or any("filtered" in arm.topics for arm in arms):
        fixed, image = _SEGMENTING_GIB
        remark = "one image goes through at a time, so a GPU of this size is needed"
        needs.append(GpuNeed("cut", "segmenting by name, SAM ViT-H", fixed, image, 1, remark))
    return tuple(needs)


def _training(study: SamFilterStudy) -> GpuNeed:
    fixed, image = _TRAINING_GIB
    image *= (study.augmentation.crop_px / _SIDE_PX) ** 2
    remark = "on one GPU the batch has to go through in {parts} parts of up to {images}"
    return GpuNeed("train", f"training {study.backbone}", fixed, image, study.recipe.batch_size, remark)


def _generation(study: SamFilterStudy) -> GpuNeed:
    fixed, image = _GENERATION_GIB
    remark = "make fewer at once, --set synthesis.batch_size={images}"
    return GpuNeed("generate", "generation with attention capture", fixed, image, study.synthesis.batch_size, remark)

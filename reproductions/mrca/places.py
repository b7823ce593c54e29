"""Where a study finds what it does not make itself, and what its GPUs must hold.

What the GPUs of a paper-scale run must hold: estimates of ours, made without a GPU.

How: parameters, and what autograd keeps for one image, were counted on torch's meta device with hooks on saved tensors;
heads and proposals (512 boxes an image) were added by hand; a fifth was added for workspaces and gaps, 1 GiB for
CUDA. Fused attention keeps no attention matrices, so those were left out for the denoiser, whose attention is fused.

==========================  ========================  ===========================================================
part                        parameters                kept for one image
==========================  ========================  ===========================================================
CenterNet2 R50, 640 px      77.7 M, 20 bytes each     0.16 GiB backbone in float16, 0.07 first stage, 0.5 heads
CenterNet2 Swin-L, 896 px   249.2 M, 20 bytes each    4.3 GiB backbone in float16 to 6.3 in float32, 0.14, 0.5
SD3 medium, 512 px, guided  15 GiB of bfloat16 and    1.1 GiB denoiser, 2.8 GiB VAE decoder, 0.3 segmenter
                            the float32 segmenter
SD 1.5, 512 px              3 GiB of float16          little: no gradient, the VAE decoder's largest maps
==========================  ========================  ===========================================================

20 bytes: weight, gradient, two moments of AdamW and the moving average, each in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from reproductions.mrca import published
from reproductions.mrca.arms import How, RandomPasting, RealOnly, Rounds
from reproductions.mrca.recipe import MrcaStudy
from reproductions.requirements.inspect_data import cutouts_folder, lvis_folder, own_lvis_folder
from reproductions.requirements.inspect_weights import diffusers_folder, remote_code_folder, transformers_folder
from reproductions.requirements.need import GpuNeed, Need
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
from reproductions.study.arms import Arm
from reproductions.study.request import Request

Arms = Sequence[Arm[How]]


def needs(request: Request, study: MrcaStudy, arms: Arms) -> tuple[Need, ...]:
    """List what these arms of the study need, by role. Nothing is looked up yet."""
    pastes = any(not isinstance(arm.how, RealOnly) for arm in arms)
    found = [*_data(request), *(_objects(request, study, arms) if pastes else [])]
    return (*found, _backbone(study)) if request.tier == "paper" and request.data is None else tuple(found)


def _generated(arms: Arms) -> bool:
    """Whether rounds generate their objects."""
    return any(isinstance(arm.how, Rounds) and not arm.how.given_pool for arm in arms)


def _pooled(arms: Arms) -> bool:
    """Whether X-Paste's pool is wanted."""
    return any(isinstance(arm.how, RandomPasting) for arm in arms)


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


def _objects(request: Request, study: MrcaStudy, arms: Arms) -> list[Need]:
    if request.objects is not None:
        inspect = partial(cutouts_folder, annotation_file=request.data / "train.json" if request.data else None)
        remedy = ("name a folder with one folder of RGBA PNGs a class (docs/own-data.md)",)
        return [Need("objects", "your cut-outs", request.objects, inspect, remedy, OWN)]
    judges = _published_judges(study, arms) if request.tier == "paper" else _shipped_judges()
    roles = ["generator"] if _generated(arms) else []
    roles += ["xpaste_generator"] if _pooled(arms) else []
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


def _published_judges(study: MrcaStudy, arms: Arms) -> list[Need]:
    return [
        _cutter(study, arms),
        hub("clip", "CLIP ViT-L/14", "clip-vit-large-patch14", CLIP, with_tokenizer_and_images),
    ]


def _shipped_judges() -> list[Need]:
    return [
        shipped("cutter", "miniature cut-out network", "cutout", transformers_folder),
        shipped("clip", "miniature CLIP", "clip", with_tokenizer_and_images),
    ]


def _cutter(study: MrcaStudy, arms: Arms) -> Need:
    """BiRefNet brings its own code; every arm that cuts must allow it."""
    folder = "BiRefNet"
    asked = {"mrca": study.mrca.cutting} if _generated(arms) else {}
    asked |= {"xpaste": study.xpaste.cutting} if _pooled(arms) else {}
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


def _backbone(study: MrcaStudy) -> Need:
    file = published.RESNET50 if study.backbone == "resnet50" else published.SWINL
    return single_file("backbone", f"{study.backbone} backbone", file)


# -- GPUs ----------------------------------------------------------------------------------------------------

_TRAINING_GIB = {"resnet50": (2.7, 0.9, 640), "swinl": (6.7, 7.2, 896)}
"""For weights and CUDA, for each image, and the side in pixels for which that holds."""
_SD3_GIB, _SD15_GIB = (17.0, 5.1), (4.0, 1.0)
"""For weights and CUDA, and for each image of 512 px."""
_SIDE_PX = 512


def gpu_needs(request: Request, study: MrcaStudy, arms: Arms) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers and for parts that a user brings."""
    if request.tier != "paper":
        return ()
    training = (_training(study),) if request.data is None else ()
    if request.objects is not None or request.generator is not None:
        return training
    guided = [_generation("mrca", "SD3 medium, guided", _SD3_GIB, study)] if _generated(arms) else []
    plain = [_generation("xpaste", "SD 1.5", _SD15_GIB, study)] if _pooled(arms) else []
    return (*training, *guided, *plain)


def _training(study: MrcaStudy) -> GpuNeed:
    fixed_gib, image_gib, side_px = _TRAINING_GIB[study.backbone]
    return GpuNeed(
        "train",
        f"training {study.backbone}",
        fixed_gib,
        image_gib * (study.augmentation.size_px / side_px) ** 2,
        study.recipe.batch_size,
        "on one GPU the batch has to go through in {parts} parts of up to {images}",
    )


def _generation(name: str, what: str, gib: tuple[float, float], study: MrcaStudy) -> GpuNeed:
    config = study.mrca.generation if name == "mrca" else study.xpaste.generation
    image_gib = gib[1] * (config.size_px / _SIDE_PX) ** 2
    remark = f"make fewer at once, --set {name}.generation.batch_size={{images}}"
    return GpuNeed("generate", f"generation, {what}", gib[0], image_gib, config.batch_size, remark)

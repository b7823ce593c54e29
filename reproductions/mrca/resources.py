"""What the GPUs of a paper-scale run must hold: estimates of ours, made without a GPU.

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

from collections.abc import Collection

from reproductions.mrca.arms import ArmId
from reproductions.mrca.study import StudyConfig
from reproductions.requirements.need import GpuNeed
from reproductions.study.paper import Request

_TRAINING_GIB = {"resnet50": (2.7, 0.9, 640), "swinl": (6.7, 7.2, 896)}
"""For weights and CUDA, for each image, and the side in pixels for which that holds."""
_SD3_GIB, _SD15_GIB = (17.0, 5.1), (4.0, 1.0)
"""For weights and CUDA, and for each image of 512 px."""
_SIDE_PX = 512


def gpu_needs(request: Request, study: StudyConfig, arms: Collection[ArmId]) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers and for parts that a user brings."""
    if request.tier != "paper":
        return ()
    training = (_training(study),) if request.data is None else ()
    if request.objects is not None or request.generator is not None:
        return training
    guided = [_generation("mrca", "SD3 medium, guided", _SD3_GIB, study)] if "mrca" in arms else []
    plain = [_generation("xpaste", "SD 1.5", _SD15_GIB, study)] if {"xpaste", "xpaste_equal_pool"} & set(arms) else []
    return (*training, *guided, *plain)


def _training(study: StudyConfig) -> GpuNeed:
    fixed_gib, image_gib, side_px = _TRAINING_GIB[study.backbone]
    return GpuNeed(
        "train",
        f"training {study.backbone}",
        fixed_gib,
        image_gib * (study.augmentation.size_px / side_px) ** 2,
        study.recipe.batch_size,
        "on one GPU the batch has to go through in {parts} parts of up to {images}",
    )


def _generation(name: str, what: str, gib: tuple[float, float], study: StudyConfig) -> GpuNeed:
    config = study.mrca.generation if name == "mrca" else study.xpaste.generation
    image_gib = gib[1] * (config.size_px / _SIDE_PX) ** 2
    remark = f"make fewer at once, --set {name}.generation.batch_size={{images}}"
    return GpuNeed("generate", f"generation, {what}", gib[0], image_gib, config.batch_size, remark)

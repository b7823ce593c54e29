"""What the GPUs of a paper-scale run must hold: estimates of ours, made without a GPU.

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

from collections.abc import Collection

from reproductions.requirements.need import GpuNeed
from reproductions.sam_filter.rows import ROWS, GeneratedRow
from reproductions.sam_filter.study import StudyConfig
from reproductions.study.paper import Request

_TRAINING_GIB, _GENERATION_GIB, _SEGMENTING_GIB = (1.7, 0.75), (3.5, 1.4), (3.5, 2.5)
"""For weights and CUDA, and for each image of 512 px (1024 px for SAM)."""
_SIDE_PX = 512


def gpu_needs(request: Request, study: StudyConfig, arms: Collection[str], with_pilot: bool) -> tuple[GpuNeed, ...]:
    """Return what GPUs must hold for these arms; nothing for small tiers and own data."""
    if request.tier != "paper" or request.data is not None:
        return ()
    rows = [row for arm, row in ROWS.items() if arm in arms and isinstance(row, GeneratedRow)]
    needs = [_training(study)]
    if rows or with_pilot:
        needs.append(_generation(study))
    if with_pilot or any(row.rule in ("score", "random_same_mix") for row in rows):
        fixed, image = _SEGMENTING_GIB
        remark = "one image goes through at a time, so a GPU of this size is needed"
        needs.append(GpuNeed("cut", "segmenting by name, SAM ViT-H", fixed, image, 1, remark))
    return tuple(needs)


def _training(study: StudyConfig) -> GpuNeed:
    fixed, image = _TRAINING_GIB
    image *= (study.augmentation.crop_px / _SIDE_PX) ** 2
    remark = "on one GPU the batch has to go through in {parts} parts of up to {images}"
    return GpuNeed("train", f"training {study.backbone}", fixed, image, study.recipe.batch_size, remark)


def _generation(study: StudyConfig) -> GpuNeed:
    fixed, image = _GENERATION_GIB
    remark = "make fewer at once, --set synthesis.batch_size={images}"
    return GpuNeed("generate", "generation with attention capture", fixed, image, study.synthesis.batch_size, remark)

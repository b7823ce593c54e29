"""Any diffusers text-to-image folder behind two functions: load it, and sample images with one seed each.

Shape legend: N images, H and W their size in pixels, 3 RGB channels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError

if TYPE_CHECKING:
    import torch


def load_text_to_image(folder: Path | str, device: torch.device | str, dtype: torch.dtype) -> Any:
    """Load a pipeline from a local diffusers directory, from safetensors files and without running foreign code.

    Args:
        folder: a directory with ``model_index.json``, as ``save_pretrained`` writes it.
        device: where the networks go.
        dtype: precision of the networks; files in another precision are converted.

    Returns:
        The diffusers pipeline that the folder names, silent (no progress bars), all networks in evaluation mode.

    Raises:
        InputError: the folder is missing, is not a pipeline directory, or cannot be loaded.
    """
    folder = Path(folder)
    _check_pipeline_folder(folder)
    import diffusers
    import transformers
    from diffusers import DiffusionPipeline

    for library in (diffusers, transformers):  # bars of loading would tear the log of a plan apart
        library.utils.logging.disable_progress_bar()
    try:
        pipeline = DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            str(folder), dtype=dtype, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"the generator in {folder} cannot be loaded ({reason}); save it again with save_pretrained"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _check_pipeline_folder(folder: Path) -> None:
    import diffusers

    index = folder / "model_index.json"
    if not folder.is_dir():
        raise InputError(f"there is no generator folder {folder}; give a diffusers directory")
    if not index.is_file():
        raise InputError(
            f"{folder} is not a diffusers pipeline directory: it has no model_index.json; give one that has"
        )
    try:
        name = json.loads(index.read_text())["_class_name"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{index} does not name a pipeline class; save the pipeline again with save_pretrained"
        ) from error
    if not isinstance(name, str) or not hasattr(diffusers, name):
        raise InputError(
            f"{index} names the pipeline class {name!r}, which diffusers does not have; use one of its own"
        )


def generate_images(
    pipeline: Any,
    prompts: Sequence[str],
    seeds: Sequence[int],
    num_steps: int,
    guidance_scale: float,
    size_px: int | None = None,
    **options: Any,
) -> NDArray[np.uint8]:
    """Sample one image for each prompt, each from its own seed, in one batch.

    An image depends on its prompt and seed only: its noise comes from a CPU generator of its own, so batch size, order
    and device change nothing but the last bits of floating-point sums.

    Args:
        pipeline: from :func:`load_text_to_image`, perhaps with guidance attached.
        prompts: N texts.
        seeds: N derived seeds in [0, 2**63).
        num_steps: denoising steps.
        guidance_scale: classifier-free guidance; at most 1 switches it off.
        size_px: side of the square images; None for the pipeline's own size.
        options: further arguments of the pipeline, such as ``negative_prompt``.

    Returns:
        uint8 [N, H, W, 3], RGB.
    """
    import torch

    assert len(prompts) == len(seeds), f"{len(prompts)} prompts but {len(seeds)} seeds"
    assert len(prompts) > 0, "no prompt"
    pipeline.set_progress_bar_config(disable=True)
    image_NHW3 = pipeline(
        list(prompts),
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        num_inference_steps=num_steps,
        guidance_scale=guidance_scale,
        height=size_px,
        width=size_px,
        output_type="np",
        **options,
    ).images
    return np.asarray((np.clip(image_NHW3, 0, 1) * 255).round(), dtype=np.uint8)

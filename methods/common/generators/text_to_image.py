"""Any diffusers text-to-image folder behind two functions: load it, and sample images with one seed each.

Shape legend: N images, H and W their size in pixels, 3 RGB channels.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError

if TYPE_CHECKING:
    import torch


def load_text_to_image(
    folder: Path | str,
    device: torch.device | str,
    dtype: torch.dtype,
    safety_checker: bool = False,
    leave_out: Sequence[str] = (),
) -> Any:
    """Load a pipeline from a local diffusers directory, whole, from safetensors files and without running foreign code.

    Args:
        folder: a directory with ``model_index.json``, as ``save_pretrained`` writes it.
        device: where the networks go.
        dtype: precision of the networks; files in another precision are converted.
        safety_checker: whether the folder's safety checker, if it has one, is loaded; it turns pictures black that are then
            no pictures of anything [C MRCA D66] [C SAM filter D39].

        leave_out: parts that the caller has elsewhere; the pipeline goes without them.

    Returns:
        The diffusers pipeline that the folder names, silent (no progress bars), all networks in evaluation mode.

    Raises:
        InputError: the folder is missing, is not a pipeline directory, cannot be loaded, or lacks weights of a network.
    """
    folder = Path(folder)
    index = _read_index(folder)
    from diffusers import DiffusionPipeline

    from methods.common.whole_weights import one_sentence

    given: dict[str, Any] = {name: None for name, kind in index.items() if kind == [None, None]}
    given |= dict.fromkeys(leave_out)
    given |= {} if safety_checker else _without_checker(index)
    with one_sentence(folder, "generator that can be loaded", "save it again with save_pretrained"):
        given |= _load_networks(folder, {name: kind for name, kind in index.items() if name not in given}, dtype)
        pipeline = DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            str(folder), dtype=dtype, use_safetensors=True, local_files_only=True, **given
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _without_checker(index: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by which a pipeline that can have a safety checker is loaded without it."""
    import diffusers

    known = inspect.signature(getattr(diffusers, index["_class_name"])).parameters
    return {
        name: value
        for name, value in (("safety_checker", None), ("requires_safety_checker", False))
        if name in known and "safety_checker" in index
    }


def _load_networks(folder: Path, index: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """Load the pipeline's networks one by one, because the pipeline itself says nothing of weights that are not there."""
    import torch
    from transformers import PreTrainedModel

    from methods.common.whole_weights import load_whole

    networks = {}
    for name, kind in index.items():
        network_class = _class_of(kind)
        if network_class is None or not issubclass(network_class, torch.nn.Module):
            continue  # tokenizers, schedulers, and classes that only the pipeline finds
        precision = "dtype" if issubclass(network_class, PreTrainedModel) else "torch_dtype"
        networks[name] = load_whole(
            network_class,
            folder / name,
            kind[1],
            f"the generator in {folder} cannot be loaded without it, so copy or download the folder again",
            use_safetensors=True,
            local_files_only=True,
            **{precision: dtype},
        )
    return networks


def _class_of(kind: Any) -> Any:
    """Return the class of a part as the index names it, ``[library, class]``; None for what is no part, or not ours to find."""
    import diffusers
    import transformers

    if not isinstance(kind, list) or len(kind) != 2 or not all(isinstance(word, str) for word in kind):
        return None
    library, name = kind
    module: Any = {"diffusers": diffusers, "transformers": transformers}.get(library)
    return getattr(module or getattr(diffusers.pipelines, library, None), name, None)


def _read_index(folder: Path) -> dict[str, Any]:
    """Read ``model_index.json``.

    Raises:
        InputError: the folder has none, or it names no pipeline class of diffusers.
    """
    import diffusers

    path = folder / "model_index.json"
    if not folder.is_dir():
        raise InputError(f"there is no generator folder {folder}; give a diffusers directory")
    if not path.is_file():
        raise InputError(
            f"{folder} is not a diffusers pipeline directory: it has no model_index.json; give one that has"
        )
    try:
        index: dict[str, Any] = json.loads(path.read_text())
        name = index["_class_name"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not name a pipeline class; save the pipeline again with save_pretrained"
        ) from error
    if not isinstance(name, str) or not hasattr(diffusers, name):
        raise InputError(f"{path} names the pipeline class {name!r}, which diffusers does not have; use one of its own")
    return index


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

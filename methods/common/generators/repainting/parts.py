"""The networks of a Stable Diffusion folder, loaded one by one; a folder may name another's for what they share.

``shared_parts.json`` in a folder, ``{"vae": "../stable_diffusion/vae"}``, says where parts lie that it does not hold itself. ``unet_base`` there
is a U-Net whose weights fill what the folder's own file lacks, as an adapter's does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from methods.common.errors import InputError, reason
from methods.common.files import file_sha256

if TYPE_CHECKING:
    import torch

SHARED_FILE = "shared_parts.json"
_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


class Parts(NamedTuple):
    """Networks in evaluation mode, on their device."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any

    def pipeline(self, pipeline_class: Any) -> Any:
        """Return a diffusers pipeline of these networks, silent and without a safety checker."""
        pipeline = pipeline_class(
            **self._asdict(), safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def load_parts(folder: Path, device: torch.device, dtype: torch.dtype) -> Parts:
    """Load the networks of a Stable Diffusion 1 or 2 folder from safetensors files; foreign code is never run.

    Args:
        folder: a diffusers directory.
        device: where the networks go.
        dtype: their precision; the VAE is always float32, as some overflow in float16.

    Raises:
        InputError: a part is missing or cannot be loaded.
    """
    import diffusers
    import torch
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    places = _places(folder)
    options = {"local_files_only": True, "use_safetensors": True}

    def network(loader: Any, part: str, precision: torch.dtype) -> Any:
        return loader.from_pretrained(places[part], torch_dtype=precision, **options).to(device).eval()

    tokenizer_class: Any = transformers.CLIPTokenizer
    return Parts(
        unet=_loaded("unet", places, lambda: _load_unet(places, device, dtype)),
        vae=_loaded("vae", places, lambda: network(diffusers.AutoencoderKL, "vae", torch.float32)),
        text_encoder=_loaded(
            "text_encoder", places, lambda: network(transformers.CLIPTextModel, "text_encoder", dtype)
        ),
        tokenizer=_loaded("tokenizer", places, lambda: tokenizer_class.from_pretrained(places["tokenizer"])),
        scheduler=_loaded("scheduler", places, lambda: _load_scheduler(places["scheduler"])),
    )


def shared_places(folder: Path) -> dict[str, Path]:
    """Return where the parts lie that a folder does not hold itself, by the name of the part; nothing for a folder that holds them all.

    Raises:
        InputError: the file that says so cannot be read.
    """
    shared = folder / SHARED_FILE
    if not shared.is_file():
        return {}
    try:
        return {str(part): folder / place for part, place in json.loads(shared.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{shared} cannot be read ({reason(error)}); write it again") from error


def _places(folder: Path) -> dict[str, Path]:
    """Return the folder of every part.

    Raises:
        InputError: one is nowhere.
    """
    shared = shared_places(folder)
    places = {part: shared.get(part, folder / part) for part in _PARTS}
    if "unet_base" in shared:
        places["unet_base"] = shared["unet_base"]
    for part, place in places.items():
        if not place.is_dir():
            raise InputError(f"{folder} has no {part}: there is no folder {place}; give a Stable Diffusion directory")
    return places


def _loaded(part: str, places: dict[str, Path], load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, ImportError, TypeError) as error:
        raise InputError(
            f"the {part} in {places[part]} cannot be loaded ({reason(error)[:300]}); save it again with save_pretrained"
        ) from error


def _load_unet(places: dict[str, Path], device: torch.device, dtype: torch.dtype) -> Any:
    import diffusers
    import torch

    network: Any = diffusers.UNet2DConditionModel
    if "unet_base" not in places:
        unet = network.from_pretrained(places["unet"], torch_dtype=dtype, local_files_only=True, use_safetensors=True)
        return unet.to(device).eval()
    unet = network.from_config(network.load_config(places["unet"]))
    weights = {**_weights(places["unet_base"]), **_weights(places["unet"])}
    unet.load_state_dict(weights)
    return torch.nn.Module.to(unet, device, dtype).eval()


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "diffusion_pytorch_model.safetensors")


def _load_scheduler(folder: Path) -> Any:
    import diffusers

    name = json.loads((folder / "scheduler_config.json").read_text())["_class_name"]
    return getattr(diffusers, name).from_pretrained(folder)


def unet_sha256(folder: Path) -> str:
    """Return the SHA-256 of a folder's U-Net file, by which a checkpoint is known wherever it was found; "" where it has several files."""
    files = sorted((folder / "unet").glob("*.safetensors"))
    return file_sha256(files[0]) if len(files) == 1 else ""

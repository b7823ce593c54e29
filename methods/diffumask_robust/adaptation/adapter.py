"""LoRA adapters of a U-Net through peft, and their files as diffusers writes them (section 7).

A folder holds ``pytorch_lora_weights.safetensors``, which any diffusers pipeline loads, and ``adapter.json``: rank, steps, and the checksum of
the U-Net that it was made for.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.whole_weights import one_sentence

WEIGHTS_FILE = "pytorch_lora_weights.safetensors"
RECORD_FILE = "adapter.json"
PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")
"""Query, key, value and output of every attention layer."""
_KEY = re.compile(r"unet\.(?P<module>.+)\.(?:lora\.(?P<old>down|up)|lora_(?P<new>[AB]))\.weight")
_REMEDY = "adapt this generator, or name the folder of an adapter that was made for it"


class AdapterRecord(NamedTuple):
    """What an adapter was made for."""

    rank: int
    iterations: int
    unet_sha256: str
    """Of the U-Net's weights."""


def add_adapter(unet: Any, rank: int, generator: torch.Generator) -> dict[str, nn.Parameter]:
    """Freeze a U-Net and put an update ``B A`` of a rank beside each projection; alpha is the rank, so that it is not scaled.

    A is drawn from a normal distribution of deviation ``1 / rank``, B is 0, so that nothing changes at first.

    Returns:
        what is trained, float32, by name.

    Source: section 7.
    """
    from peft import LoraConfig

    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(PROJECTIONS)))
    trained = {name: parameter for name, parameter in sorted(unet.named_parameters()) if parameter.requires_grad}
    for name, parameter in trained.items():
        drawn = torch.zeros(parameter.shape)
        if ".lora_A." in name:
            drawn.normal_(0, 1 / rank, generator=generator)
        parameter.data = drawn.to(parameter.device)
    return trained


def save_adapter(unet: Any, folder: Path, record: AdapterRecord) -> None:
    """Write an adapter's files."""
    from diffusers import StableDiffusionPipeline
    from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    folder.mkdir(parents=True, exist_ok=True)
    weights = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))  # type: ignore[no-untyped-call]
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=weights, safe_serialization=True)
    write_atomic(folder / RECORD_FILE, json.dumps(record._asdict(), indent=1).encode())


def apply_adapter(pipeline: Any, generator: Path, folder: Path, rank: int) -> None:
    """Add an adapter's updates to the weights of a pipeline's U-Net, after which no layer of it is left beside them.

    Args:
        pipeline: loaded from ``generator``.
        generator: a diffusers folder.
        folder: of the adapter.
        rank: that the plan asks for.

    Raises:
        InputError: the folder holds no adapter, one of another rank, or one for another U-Net.

    Source: section 7.
    """
    path = folder / WEIGHTS_FILE
    check_adapter(path, pipeline.unet, rank)
    record = read_record(folder)
    if record is not None and record.unet_sha256 != unet_checksum(generator):
        raise InputError(f"{path} was made for another U-Net than that of {generator}; {_REMEDY}")
    with one_sentence(folder, "LoRA that diffusers loads", _REMEDY):
        pipeline.load_lora_weights(folder, weight_name=WEIGHTS_FILE)
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
    pipeline.unet.requires_grad_(False)


def check_adapter(path: Path, unet: nn.Module, rank: int) -> None:
    """Compare a file with a U-Net, without loading it.

    Raises:
        InputError: it is no LoRA of a U-Net, of another rank, lacks a matrix, is for layers that the U-Net does not have in this size, or no finite numbers.
    """
    if not path.is_file():
        raise InputError(f"{path.parent} holds no LoRA: there is no {path.name}; {_REMEDY}")
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); {_REMEDY}") from None
    matches = {name: match for name in tensors if (match := _KEY.fullmatch(name))}
    if not matches or len(matches) < len(tensors):
        strange = next((name for name in tensors if name not in matches), "nothing at all")
        raise InputError(f"{path} is no LoRA of a U-Net's attention, as it holds {strange}; {_REMEDY}")
    modules = dict(unet.named_modules())
    down, up = set[str](), set[str]()
    for name, match in matches.items():
        tensor = tensors[name]
        is_down = (match["old"] or match["new"]) in ("down", "A")
        (down if is_down else up).add(match["module"])
        found = tensor.shape[0] if is_down else tensor.shape[-1]
        if found != rank:
            raise InputError(
                f"{path} is a LoRA of rank {found}, the plan asks for {rank}; set the rank to {found}, or name another folder"
            )
        layer = modules.get(match["module"])
        wanted = None if not isinstance(layer, nn.Linear) else layer.in_features if is_down else layer.out_features
        if wanted != (tensor.shape[-1] if is_down else tensor.shape[0]):
            raise InputError(
                f"{path} was made for another U-Net: {match['module']} has another size or is not there; {_REMEDY}"
            )
        if not torch.isfinite(tensor).all():
            raise InputError(f"{path} holds values that are no finite numbers in {name}; adapt the generator anew")
    if down != up:
        raise InputError(f"{path} has only one of the two matrices of {min(down ^ up)}; {_REMEDY}")


def read_record(folder: Path) -> AdapterRecord | None:
    """Read what an adapter was made for; None where another program wrote it.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return AdapterRecord(int(stored["rank"]), int(stored["iterations"]), str(stored["unet_sha256"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no record of an adapter ({reason(error)}); adapt the generator anew") from None


def unet_checksum(generator: Path) -> str:
    """Return the SHA-256 of the weight files of a generator's U-Net, one after the other by name."""
    total = hashlib.sha256()
    for path in sorted((generator / "unet").glob("*.safetensors")):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()

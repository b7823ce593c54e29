"""The weights of an extractor: from a diffusers folder, or from a folder of an extractor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from methods.common.errors import InputError, reason
from methods.common.generators.text_to_image import load_text_to_image
from methods.common.segmenters.backbones.generative.backbone import GenerativeBackbone
from methods.common.segmenters.backbones.generative.config import ExtractorConfig, GenerativeConfig
from methods.common.segmenters.backbones.generative.extractor import Extractor
from methods.common.segmenters.backbones.generative.networks import (
    attentions,
    cut_autoencoder,
    cut_unet,
    narrow_attention,
    num_kept,
)
from methods.common.segmenters.backbones.generative.networks_config import (
    AutoencoderShape,
    Networks,
    NoiseSchedule,
    UNetShape,
)
from methods.common.segmenters.backbones.generative.presets import generative_backbone
from methods.common.segmenters.saved import CONFIG_FILE, WEIGHTS_FILE, read_config, read_json_config, read_weights
from methods.common.stage import Config

_SAYS_NOTHING = {"sample_size", "force_upcast"}
"""Entries that two folders of the same networks may differ in."""
EXTRACTOR_FOLDER = "extractor"
"""Where stages write one, below their folder."""
_FIXED_OF_VAE = {"down_block_types": "DownEncoderBlock2D", "up_block_types": "UpDecoderBlock2D"}


def backbone_of(folder: Path, **choices: Any) -> GenerativeConfig:
    """Return the config of a diffusers folder as backbone; choices are those of :func:`generative_backbone`.

    Raises:
        InputError: the folder holds no Stable Diffusion 1 or 2, or does not have the tapped blocks.
    """
    try:
        return generative_backbone(networks_of(folder), **choices)
    except (ValidationError, ValueError) as error:
        raise InputError(f"{folder} cannot be read as asked: {_first(error)}") from error


def networks_of(folder: Path) -> Networks:
    """Read which networks a diffusers folder has, from its ``config.json`` files alone.

    Raises:
        InputError: a file is missing, or describes something else than a Stable Diffusion 1 or 2.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel

    schedule = _read(folder / "scheduler" / "scheduler_config.json")
    text = _read(folder / "text_encoder" / "config.json")
    if schedule.get("trained_betas") is not None or schedule.get("rescale_betas_zero_snr"):
        raise InputError(
            f"{folder}/scheduler has betas of its own, which an extractor cannot follow; give a Stable Diffusion 1 or 2"
        )
    try:
        return Networks(
            unet=UNetShape(**_shape(folder / "unet", UNet2DConditionModel, UNetShape, {})),
            vae=AutoencoderShape(**_shape(folder / "vae", AutoencoderKL, AutoencoderShape, _FIXED_OF_VAE)),
            schedule=NoiseSchedule(**{name: schedule[name] for name in NoiseSchedule.model_fields if name in schedule}),
            text_tokens=text.get("max_position_embeddings", Networks().text_tokens),
        )
    except (ValidationError, TypeError) as error:
        raise InputError(
            f"{folder} is no Stable Diffusion 1 or 2 that features can be read from: {_first(error)}"
        ) from error


def _shape(folder: Path, network_class: Any, shape: type[Config], fixed: Mapping[str, str]) -> dict[str, Any]:
    """Return the entries of a network's config that folders differ in; all others must be as everywhere."""
    usual = {
        name: parameter.default
        for name, parameter in inspect.signature(network_class.__init__).parameters.items()
        if name != "self"
    }
    found = {**usual, **{name: value for name, value in _read(folder / "config.json").items() if name in usual}}
    for name, value in found.items():
        expected = [fixed[name]] * len(found["block_out_channels"]) if name in fixed else usual[name]
        if name not in shape.model_fields and _plain(value) != _plain(expected):
            raise InputError(
                f"{folder / 'config.json'} sets {name} to {value!r}, which no Stable Diffusion 1 or 2 does; give a plain one"
            )
    return {name: value for name, value in found.items() if name in shape.model_fields}


def load_extractor(config: ExtractorConfig, place: Path) -> Extractor:
    """Return an extractor with the weights of a place, in evaluation mode on the CPU; see :func:`load_generator`."""
    extractor = Extractor.without_weights(config)
    load_generator(extractor, place)
    return extractor


def load_generator(backbone: GenerativeBackbone | Extractor, place: Path) -> None:
    """Fill an extractor in place, and encode its prompt.

    Args:
        backbone: or the extractor itself.
        place: a diffusers folder, whose heads are pruned where the config keeps only some; what an extractor's
            ``save_pretrained`` wrote; or a cell that has it in ``extractor/``.

    Raises:
        InputError: the place holds neither, or other networks than the config's.
    """
    extractor = backbone.extractor if isinstance(backbone, GenerativeBackbone) else backbone
    if (place / "model_index.json").is_file():
        _take_pipeline(extractor, place)
    elif (place / CONFIG_FILE).is_file():
        _take_extractor(extractor, place)
    elif (place / EXTRACTOR_FOLDER / CONFIG_FILE).is_file():
        _take_extractor(extractor, place / EXTRACTOR_FOLDER)
    else:
        raise InputError(
            f"{place} holds no generator; give a diffusers folder of Stable Diffusion, or one of an extractor"
        )


def _take_pipeline(extractor: Extractor, folder: Path) -> None:
    config = extractor.config
    _refuse_others(networks_of(folder), config.networks.model_copy(update={"heads_kept": 1.0}), folder)
    pipeline = load_text_to_image(folder, "cpu", torch.float32)
    fill(extractor, pipeline)


def fill(extractor: Extractor, pipeline: Any) -> None:
    """Copy what an extractor needs from a loaded pipeline, which loses what comes after the taps, and heads that are not kept."""
    config = extractor.config
    with torch.no_grad():
        text_1TD = pipeline.encode_prompt(config.prompt, pipeline.device, 1, False)[0]
        extractor.get_buffer("text_TD").copy_(text_1TD[0])
    if config.networks.heads_kept < 1:
        narrow_attention(pipeline.unet, strongest_heads(pipeline.unet, config.networks.heads_kept))
    cut_unet(pipeline.unet, config.taps)
    cut_autoencoder(pipeline.vae, config.taps)
    copy_weights(extractor.unet, pipeline.unet.state_dict())
    copy_weights(extractor.vae, pipeline.vae.state_dict())


def _take_extractor(extractor: Extractor, folder: Path) -> None:
    found = read_config(folder, type(extractor.config))
    _refuse_others(found.networks, extractor.config.networks, folder)
    for name in ("taps", "prompt"):
        mine, theirs = getattr(extractor.config, name), getattr(found, name)
        if mine != theirs:
            raise InputError(
                f"{folder / CONFIG_FILE} has {name} {theirs!r}, wanted is {mine!r}; give the folder of such an extractor"
            )
    weights = read_weights(folder)
    with torch.no_grad():
        try:
            extractor.get_buffer("text_TD").copy_(weights["text_TD"])
            for name, network in (("unet.", extractor.unet), ("vae.", extractor.vae)):
                copy_weights(
                    network, {key.removeprefix(name): value for key, value in weights.items() if key.startswith(name)}
                )
        except (KeyError, RuntimeError) as error:
            raise InputError(
                f"{folder / WEIGHTS_FILE} does not fit its {CONFIG_FILE} ({reason(error)}); make the extractor again"
            ) from error


def copy_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights by name; a layer with updates beside it takes them where it was."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if ".lora_" not in name:
                tensor.copy_(weights[name.replace(".base_layer.", ".")])


def strongest_heads(unet: Any, share: float) -> dict[str, list[int]]:
    """Return the heads that each attention keeps: those whose values, times what is made of them, weigh most [C InstSynth D54].

    Args:
        unet: of diffusers.
        share: of the heads, rounded up.
    """
    kept = {}
    for name, attention in attentions(unet):
        width = attention.to_q.out_features // attention.heads
        strength_H = attention.to_v.weight.detach().float().reshape(attention.heads, width, -1).flatten(1).norm(
            dim=1
        ) * attention.to_out[0].weight.detach().float().T.reshape(attention.heads, width, -1).flatten(1).norm(dim=1)
        best = strength_H.topk(num_kept(attention.heads, share)).indices
        kept[name] = sorted(int(head) for head in best)
    return kept


def _refuse_others(found: Networks, wanted: Networks, folder: Path) -> None:
    """Refuse networks that differ in more than what says nothing of them."""
    for part in ("unet", "vae", "schedule"):
        mine, theirs = getattr(wanted, part).model_dump(), getattr(found, part).model_dump()
        for name, value in mine.items():
            if theirs[name] != value and name not in _SAYS_NOTHING:
                raise InputError(
                    f"the {part} in {folder} has {name} {theirs[name]!r}, the backbone's config {value!r}; give the generator that the config "
                    "describes, or describe this one"
                )
    for name in ("text_tokens", "heads_kept"):
        if getattr(found, name) != getattr(wanted, name):
            raise InputError(
                f"{folder} has {name} {getattr(found, name)}, the backbone's config {getattr(wanted, name)}; give the generator that the "
                "config describes, or describe this one"
            )


def _read(path: Path) -> dict[str, Any]:
    return read_json_config(path, "a diffusers folder of Stable Diffusion")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _first(error: Exception) -> str:
    """Return the first thing that is wrong, in its own words."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}".removeprefix(": ").replace("Value error, ", "")

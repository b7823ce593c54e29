"""The finished miniature checkpoints as folders in the layouts of the real ones, float16 on disk.

``stable_diffusion`` loads with ``StableDiffusionPipeline.from_pretrained``, ``clip`` with ``CLIPModel.from_pretrained``,
``cutout`` with ``load_cutout``, ``sam`` with ``Sam.from_pretrained``, ``judges`` with ``load_judges``, ``segmenter`` with ``load_class_agnostic``. Pass float32 as dtype: files are small, not numbers.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTokenizer, SamImageProcessor

from methods.common.cutouts.miniature import MiniatureCutout
from methods.common.files import write_atomic
from methods.common.miniature.clip_training import build_image_processor
from methods.common.miniature.generator import build_noise_schedule
from methods.common.miniature.model_classes import (
    AutoencoderKL,
    CLIPModel,
    CLIPTextModel,
    DPMSolverMultistepScheduler,
    SamModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from methods.common.miniature.provenance import FILE_NAME, read_provenance
from methods.common.miniature.segmenter_training import SEGMENTER_FILE
from methods.common.miniature.tokenizer import load_tokenizer
from methods.common.miniature.training_configs import AssembleConfig
from methods.common.stage import Context, Inputs, Record

_PARTS = ("vae", "clip", "generator", "faulty_generator", "cutout", "sam", "segmenter", "judges")


def build_pipeline(vae: Any, text_encoder: Any, tokenizer: CLIPTokenizer, unet: Any) -> Any:
    """Return a plain Stable Diffusion pipeline with DPM-Solver++ of second order; no safety checker."""
    scheduler = DPMSolverMultistepScheduler.from_config(build_noise_schedule().config)
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def save_pipeline(pipeline: Any, folder: Path) -> None:
    """Save in float16; the text encoder's config asks for float32, so that loading without a dtype is right too."""
    for network in (pipeline.vae, pipeline.text_encoder, pipeline.unet):
        nn.Module.half(network)
    pipeline.save_pretrained(folder, safe_serialization=True)
    ask_for_float32(folder / "text_encoder" / "config.json")


def ask_for_float32(config_file: Path) -> None:
    """Let a saved transformers config ask for float32, whatever its weights are stored in."""
    config = json.loads(config_file.read_text())
    config["dtype"] = "float32"
    for tower in ("text_config", "vision_config"):
        if tower in config:
            config[tower]["dtype"] = "float32"
    write_atomic(config_file, json.dumps(config, indent=2).encode())


def save_clip(clip: Any, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Save a CLIP directory in float16 with tokenizer and image processor."""
    clip.to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    build_image_processor(clip.config.vision_config.image_size).save_pretrained(folder)
    ask_for_float32(folder / "config.json")


def save_sam(source: Path, folder: Path) -> None:
    """Save a trained Segment Anything folder in float16, with its image processor."""
    SamModel.from_pretrained(source, dtype=torch.float16).save_pretrained(folder)
    SamImageProcessor.from_pretrained(source).save_pretrained(folder)
    ask_for_float32(folder / "config.json")


def save_half(source: Path, target: Path) -> None:
    """Copy a safetensors file with its numbers in float16."""
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = load_file(source)
    half = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    save_file(half, target, metadata={"format": "pt"})


def forget_places(folder: Path) -> None:
    """Take out of every config below a folder where on this machine its network was loaded from."""
    for config_file in folder.rglob("config.json"):
        config = json.loads(config_file.read_text())
        if config.pop("_name_or_path", None) is not None:
            write_atomic(config_file, json.dumps(config, indent=2).encode())


def assemble(inputs: Inputs, config: AssembleConfig, context: Context) -> Record:
    """Put the trained parts together below ``context.out``, with ``training_provenance.json`` of all of them.

    Inputs: ``vae``, ``clip``, ``generator``, ``faulty_generator`` (which continues it and is the one that is kept), ``cutout``,
    ``sam``, ``segmenter``, ``judges``: the stages that trained them.
    """
    clip_folder, generator = inputs.folder("clip") / "clip", inputs.folder("faulty_generator")
    tokenizer = load_tokenizer(clip_folder)
    vae = AutoencoderKL.from_pretrained(inputs.folder("vae") / "vae")
    text_encoder = CLIPTextModel.from_pretrained(generator / "text_encoder", dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(generator / "unet")
    save_pipeline(build_pipeline(vae, text_encoder, tokenizer, unet), context.out / "stable_diffusion")
    save_clip(CLIPModel.from_pretrained(clip_folder, dtype=torch.float32), tokenizer, context.out / "clip")
    cutout = MiniatureCutout.from_pretrained(inputs.folder("cutout") / "cutout")
    cutout.save_pretrained(context.out / "cutout", torch.float16)
    save_sam(inputs.folder("sam") / "sam", context.out / "sam")
    save_half(inputs.folder("segmenter") / SEGMENTER_FILE, context.out / "segmenter" / SEGMENTER_FILE)
    save_half(inputs.folder("judges") / "judges.safetensors", context.out / "judges" / "judges.safetensors")
    forget_places(context.out)
    sources = {part: read_provenance(inputs.folder(part)) for part in _PARTS}
    write_atomic(context.out / FILE_NAME, json.dumps(sources, indent=2).encode())
    sizes = [path.stat().st_size for path in context.out.rglob("*") if path.is_file()]
    return {"megabytes": round(sum(sizes) / 1e6, 3)}

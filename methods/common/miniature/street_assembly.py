"""The finished parts of the street, float16 on disk.

Painters are folders that :func:`methods.common.generators.repainting.parts.load_parts` reads, the segmenter is one as a training saves it.
``inpainting`` holds U-Net, text encoder and scheduler, and shares the VAE and tokenizer of ``stable_diffusion`` beside it. ``gligen`` holds only
what was added to the inpainting U-Net, and shares everything else.
"""

import json
import shutil
from pathlib import Path

from methods.common.files import write_atomic
from methods.common.generators.repainting.parts import SHARED_FILE
from methods.common.miniature.assemble import ask_for_float32, forget_places, save_half
from methods.common.miniature.generator import build_noise_schedule
from methods.common.miniature.install import PAINTERS, STREET_PARTS, STREET_SEGMENTER
from methods.common.miniature.model_classes import AutoencoderKL, DPMSolverMultistepScheduler
from methods.common.miniature.provenance import FILE_NAME
from methods.common.miniature.street_segmenter_training import MODEL_FOLDER
from methods.common.miniature.tokenizer import load_tokenizer
from methods.common.miniature.training_configs import AssembleConfig
from methods.common.segmenters.saved import WEIGHTS_FILE
from methods.common.stage import Context, Inputs, Record

BESIDE = "stable_diffusion"
"""The folder beside them that holds what they share."""
_SHARED = {
    "inpainting": {part: f"../{BESIDE}/{part}" for part in ("vae", "tokenizer")},
    "gligen": {
        **{part: f"../{BESIDE}/{part}" for part in ("vae", "tokenizer")},
        **{part: f"../inpainting/{part}" for part in ("text_encoder", "scheduler")},
        "unet_base": "../inpainting/unet",
    },
}
_PIPELINES = {"inpainting": "StableDiffusionInpaintPipeline", "gligen": "StableDiffusionGLIGENPipeline"}
_OWN_PARTS = {
    "inpainting": {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    },
    "gligen": {"unet": ["diffusers", "UNet2DConditionModel"]},
}
"""What ``model_index.json`` names: the parts that lie in the folder itself."""
_WEIGHTS = {"unet": "diffusion_pytorch_model.safetensors", "text_encoder": "model.safetensors"}


def assemble_street(inputs: Inputs, config: AssembleConfig, context: Context) -> Record:
    """Put painters and segmenter together below ``context.out``, each with its ``training_provenance.json``.

    ``stable_diffusion`` there holds no more than what they share. Inputs: ``vae``, ``clip``, ``inpainting``, ``gligen``,
    ``street_segmenter``: the stages that trained them.
    """
    out = context.out
    vae = AutoencoderKL.from_pretrained(inputs.folder("vae") / "vae")
    vae.half().save_pretrained(out / BESIDE / "vae")
    load_tokenizer(inputs.folder("clip") / "clip").save_pretrained(out / BESIDE / "tokenizer")
    DPMSolverMultistepScheduler.from_config(build_noise_schedule().config).save_pretrained(
        out / "inpainting" / "scheduler"
    )
    for painter in PAINTERS:
        source = inputs.folder(painter)
        for part, file in _WEIGHTS.items():
            if (source / part).is_dir():
                _copy_in_half(source / part, out / painter / part, file)
        index = {"_class_name": _PIPELINES[painter], **_OWN_PARTS[painter]}
        write_atomic(out / painter / "model_index.json", json.dumps(index, indent=2).encode())
        write_atomic(out / painter / SHARED_FILE, json.dumps(_SHARED[painter], indent=2).encode())
        shutil.copyfile(source / FILE_NAME, out / painter / FILE_NAME)
    segmenter = inputs.folder(STREET_SEGMENTER)
    _copy_in_half(segmenter / MODEL_FOLDER, out / STREET_SEGMENTER / MODEL_FOLDER, WEIGHTS_FILE)
    shutil.copyfile(segmenter / FILE_NAME, out / STREET_SEGMENTER / FILE_NAME)
    ask_for_float32(out / "inpainting" / "text_encoder" / "config.json")
    forget_places(out)
    sizes = [path.stat().st_size for part in STREET_PARTS for path in (out / part).rglob("*") if path.is_file()]
    return {"megabytes": round(sum(sizes) / 1e6, 3)}


def _copy_in_half(source: Path, target: Path, file: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "config.json", target / "config.json")
    save_half(source / file, target / file)

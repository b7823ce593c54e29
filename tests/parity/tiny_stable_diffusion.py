"""The small Stable Diffusion of the reference data: real topology and tokenizer, weights by a formula."""

import csv
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from tests.parity.formula import formula_tensor

FOLDER = Path("parity", "attention_tiny_sd")
SUMS = {"unet": 8206.08971, "text_encoder": 185.03727, "vae": 476.18776}
"""Sum of all entries with salt 0, as the data's README gives it."""


def _weights(folder: Path, module: str, salt: int) -> dict[str, np.ndarray]:
    with (folder / "keys.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["module"] == module]
    made = {}
    for row in rows:
        shape = tuple(int(side) for side in row["shape"].split("x"))
        factor = {"formula x 4": 4, "formula x 2": 2}.get(row["values"], 1)
        made[row["name"]] = formula_tensor(row["name"], shape, salt) * np.float32(factor)
    for row in rows:
        if row["values"] == "copy of attn1.to_q":
            made[row["name"]] = made[row["name"].replace("to_k", "to_q")]
    return made


def _load(model: torch.nn.Module, weights: dict[str, np.ndarray]) -> torch.nn.Module:
    own = model.state_dict()
    state = {name if name in own else name.removeprefix("text_model."): value for name, value in weights.items()}
    missing = set(own) - set(state)
    assert all(name.endswith("position_ids") for name in missing), missing
    model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()}, strict=not missing)
    return model.eval()


def tiny_stable_diffusion(shared: Path, salt: int) -> StableDiffusionPipeline:
    folder = shared / FOLDER
    parts = {
        "unet": UNet2DConditionModel.from_config(json.loads((folder / "unet/config.json").read_text())),
        "vae": AutoencoderKL.from_config(json.loads((folder / "vae/config.json").read_text())),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**json.loads((folder / "text_encoder/config.json").read_text()))),
    }
    for name, model in parts.items():
        weights = _weights(folder, name, salt)
        if salt == 0:
            total = sum(value.astype(np.float64).sum() for value in weights.values())
            assert abs(total - SUMS[name]) < 1e-4, (name, total)
        _load(model, weights)
    pipeline = StableDiffusionPipeline(
        **parts,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        scheduler=PNDMScheduler.from_pretrained(folder / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def first_latents(seed: int) -> torch.Tensor:
    noise = np.random.RandomState(seed).standard_normal((1, 4, 64, 64))
    return torch.from_numpy(noise.astype(np.float32))

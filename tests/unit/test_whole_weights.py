"""Folders of transformers and diffusers load whole or not at all: one sentence names what is missing or of another shape."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from methods.common.clip import ClipScorer
from methods.common.errors import InputError
from methods.common.generators.captioners import Blip2Captions, BlipCaptions, load_captioner
from methods.common.generators.sampling import load_pipeline, sample_images
from methods.common.generators.text_to_image import load_text_to_image
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.prompters.grounding_dino_sam import load_detector
from methods.common.prompters.sam3 import load_sam3
from methods.common.segment_anything.load import load_sam
from methods.common.whole_weights import one_sentence
from methods.mrca.stages.generate import GenerateConfig
from methods.sam_filter.stages.sampler import Sampler
from methods.sam_filter.stages.synthesis_config import Order, SynthesizeConfig
from tests.unit.tiny_models import (
    change_weights,
    tiny_blip,
    tiny_blip2,
    tiny_detector,
    tiny_diffusion_with_checker,
    tiny_sam3,
)
from tests.unit.tiny_pipelines import tiny_sd3, tiny_stable_diffusion

CPU = torch.device("cpu")
SMALL = {"num_steps": 2, "size_px": 16, "guidance_scale": 3.0, "precision": "float32"}


def load_blip(folder: Path) -> object:
    return load_captioner(BlipCaptions(), folder, CPU)


def load_blip2(folder: Path) -> object:
    return load_captioner(Blip2Captions(), folder, CPU)


def copied(name: str):
    def make(folder: Path) -> Path:
        return Path(shutil.copytree(CHECKPOINTS / name, folder))

    return make


NETWORKS = {
    "CLIP": (copied("clip"), ClipScorer.from_pretrained, "visual_projection.weight"),
    "SAM": (copied("sam"), load_sam, "vision_encoder.neck.conv1.weight"),
    "SAM 3": (tiny_sam3, load_sam3, "detr_decoder.query_embed.weight"),
    "Grounding DINO": (tiny_detector, load_detector, "model.enc_output.weight"),
    "the captioner": (tiny_blip, load_blip, "vision_model.embeddings.patch_embedding.weight"),
    "BLIP-2": (tiny_blip2, load_blip2, "language_projection.weight"),
}


@pytest.mark.parametrize("what", NETWORKS)
def test_a_network_of_transformers_is_whole_or_refused(tmp_path: Path, what: str) -> None:
    make, load, weight = NETWORKS[what]
    folder = make(tmp_path / "model")
    load(folder)
    weights, whole = folder / "model.safetensors", (folder / "model.safetensors").read_bytes()
    assert weight in load_file(weights)
    change_weights(weights, drop=weight)
    with pytest.raises(InputError, match=f"lacks 1 of the weights of {what}, {weight} among them; ") as refused:
        load(folder)
    assert "\n" not in str(refused.value)
    weights.write_bytes(whole)
    change_weights(weights, reshape=weight)
    with pytest.raises(InputError, match=rf"1 weights of {what} in another shape, {weight} as \(\d+, .* instead of \("):
        load(folder)


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diffusion")
    tiny_stable_diffusion().save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("part", "file", "weight", "kind"),
    [
        ("unet", "diffusion_pytorch_model", "conv_in.weight", "UNet2DConditionModel"),
        ("vae", "diffusion_pytorch_model", "decoder.conv_out.bias", "AutoencoderKL"),
        ("text_encoder", "model", "", "CLIPTextModel"),
    ],
)
def test_every_network_of_a_pipeline_is_whole_or_refused(
    tmp_path: Path, diffusion: Path, part: str, file: str, weight: str, kind: str
) -> None:
    folder = Path(shutil.copytree(diffusion, tmp_path / "copy"))
    path = folder / part / f"{file}.safetensors"
    weight = weight or next(name for name in load_file(path) if "final_layer_norm.weight" in name)
    change_weights(path, drop=weight)
    with pytest.raises(
        InputError, match=f"/{part} lacks 1 of the weights of {kind}, .*; the generator in .*/copy cannot"
    ):
        load_text_to_image(folder, "cpu", torch.float32)
    shutil.copy(diffusion / part / path.name, path)
    change_weights(path, reshape=weight)
    with pytest.raises(InputError, match=f"/{part} holds 1 weights of {kind} in another shape, "):
        load_text_to_image(folder, "cpu", torch.float32)


def test_sd3_loads_whole_although_it_has_no_third_encoder(tmp_path: Path) -> None:
    tiny_sd3().save_pretrained(tmp_path)
    config = GenerateConfig(**SMALL)
    image_NHW3 = sample_images(load_pipeline(tmp_path, config, CPU), ["cat"], [1], config)
    assert np.array_equal(image_NHW3, sample_images(tiny_sd3(), ["cat"], [1], config))
    change_weights(tmp_path / "transformer" / "diffusion_pytorch_model.safetensors", drop="pos_embed.proj.bias")
    with pytest.raises(InputError, match=r"lacks 1 of the weights of SD3Transformer2DModel, pos_embed\.proj\.bias"):
        load_pipeline(tmp_path, config, CPU)


def test_no_room_says_nothing_of_the_folder() -> None:
    for error in (
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce] DefaultCPUAllocator"),
    ):
        with pytest.raises(type(error)) as raised, one_sentence("here", "CLIP"):
            raise error
        assert not isinstance(raised.value, InputError)


def fail_where_it_is_quiet(before: int) -> None:
    with one_sentence("here", "CLIP"):
        assert transformers.utils.logging.get_verbosity() > before
        raise KeyError


def test_libraries_are_as_talkative_afterwards_as_before() -> None:
    before = transformers.utils.logging.get_verbosity()
    with pytest.raises(InputError, match=r"here holds no CLIP \(KeyError\); name a folder"):
        fail_where_it_is_quiet(before)
    assert transformers.utils.logging.get_verbosity() == before


# -- the safety checker ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_diffusion_with_checker(tmp_path_factory.mktemp("checked"))


def test_the_stub_has_a_checker_that_blanks_every_picture_where_it_runs(with_checker: Path) -> None:
    config = GenerateConfig(**SMALL)
    checked = load_pipeline(with_checker, config, CPU, safety_checker=True)
    assert not sample_images(checked, ["cat"], [1], config).any()


def test_mrca_generates_without_the_generators_safety_checker(with_checker: Path, diffusion: Path) -> None:
    config = GenerateConfig(**SMALL)
    pipeline = load_pipeline(with_checker, config, CPU)
    assert pipeline.safety_checker is None
    image_NHW3 = sample_images(pipeline, ["cat"], [1], config)
    assert image_NHW3.any()
    assert np.array_equal(image_NHW3, sample_images(load_pipeline(diffusion, config, CPU), ["cat"], [1], config))


@pytest.mark.parametrize(("asked", "num_pictures"), [(False, 1), (True, 0)])
def test_sam_filter_runs_the_safety_checker_only_where_it_is_asked_for(
    with_checker: Path, asked: bool, num_pictures: int
) -> None:
    config = SynthesizeConfig(**SMALL, self_sides=(8,), cross_sides=(8,), safety_checker=asked)
    sampler = Sampler(with_checker, config, CPU, ["background", "cat"])
    order = Order({"id": "0", "caption": "a b; cat", "class_prompt": "cat"}, ("cat",), 1)
    assert len(sampler([order])) == num_pictures


def test_a_checker_that_is_not_wanted_need_not_be_there(tmp_path: Path, with_checker: Path) -> None:
    folder = Path(shutil.copytree(with_checker, tmp_path / "copy"))
    shutil.rmtree(folder / "safety_checker")
    assert json.loads((folder / "model_index.json").read_text())["safety_checker"][0] == "stable_diffusion"
    load_text_to_image(folder, "cpu", torch.float32)
    with pytest.raises(InputError, match="safety_checker holds no StableDiffusionSafetyChecker"):
        load_text_to_image(folder, "cpu", torch.float32, safety_checker=True)

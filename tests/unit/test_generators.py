"""The text-to-image seam: loading with clear refusals, and one seed for each image."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from tiny_pipelines import tiny_sd3, tiny_stable_diffusion

from methods.common.errors import InputError
from methods.common.generators.text_to_image import generate_images, load_text_to_image


def test_an_image_is_the_same_alone_and_in_any_batch():
    pipeline = tiny_stable_diffusion()
    together = generate_images(pipeline, ["a cat", "dog", "bird"], [5, 6, 7], 4, 3.0, 16)
    alone = generate_images(pipeline, ["dog"], [6], 4, 3.0, 16)
    reversed_order = generate_images(pipeline, ["bird", "dog"], [7, 6], 4, 3.0, 16)
    assert together.dtype == np.uint8
    assert together.shape == (3, 16, 16, 3)
    assert np.abs(together[1].astype(int) - alone[0]).max() <= 1
    assert np.abs(together[1:].astype(int) - reversed_order[::-1]).max() <= 1
    assert np.abs(together[0].astype(int) - together[1]).max() > 20  # seeds and prompts matter


def test_seed_decides_the_image_not_global_state():
    pipeline = tiny_sd3()
    torch.manual_seed(1)
    first = generate_images(pipeline, ["a cat"], [2**62], 3, 3.0, 16)
    torch.manual_seed(2)
    assert np.array_equal(generate_images(pipeline, ["a cat"], [2**62], 3, 3.0, 16), first)
    assert not np.array_equal(generate_images(pipeline, ["a cat"], [2**62 + 1], 3, 3.0, 16), first)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("generator")
    tiny_stable_diffusion("text").to(dtype=torch.float16).save_pretrained(path)
    return path


def test_a_saved_pipeline_loads_in_the_precision_asked_for_and_samples(folder):
    pipeline = load_text_to_image(folder, "cpu", torch.float32)
    assert pipeline.unet.dtype == pipeline.vae.dtype == torch.float32
    assert not pipeline.unet.training
    images = generate_images(pipeline, ["a cat"], [1], 3, 3.0, 16)
    original = generate_images(tiny_stable_diffusion("text"), ["a cat"], [1], 3, 3.0, 16)
    assert np.abs(images.astype(int) - original).max() <= 4  # weights went through float16


def test_folders_that_are_no_pipeline_are_the_users_mistake(tmp_path, folder):
    with pytest.raises(InputError, match="no generator folder"):
        load_text_to_image(tmp_path / "absent", "cpu", torch.float32)
    with pytest.raises(InputError, match=r"no model_index\.json"):
        load_text_to_image(tmp_path, "cpu", torch.float32)
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(InputError, match="does not name a pipeline class"):
        load_text_to_image(tmp_path, "cpu", torch.float32)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": ["mine", "Pipeline"]}))
    with pytest.raises(InputError, match="diffusers does not have"):
        load_text_to_image(tmp_path, "cpu", torch.float32)


def test_a_pipeline_without_its_weights_is_the_users_mistake(tmp_path, folder):
    (tmp_path / "model_index.json").write_text((folder / "model_index.json").read_text())
    with pytest.raises(InputError, match="holds no"):
        load_text_to_image(tmp_path, "cpu", torch.float32)


def test_pickled_weights_are_not_loaded(tmp_path, folder):
    copy = tmp_path / "copy"
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != "unet":
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (copy / "unet").mkdir()
    (copy / "unet" / "config.json").write_text((folder / "unet" / "config.json").read_text())
    torch.save(tiny_stable_diffusion("text").unet.state_dict(), copy / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(InputError, match="holds no"):
        load_text_to_image(copy, "cpu", torch.float32)

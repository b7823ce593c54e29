"""DeepFloyd IF's two stages, with random weights: saved, loaded by DiverGen's generating stage, and sampled as diffusers' own example does."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from methods.common.errors import InputError
from methods.common.generated.image_shards import read_images
from methods.common.generators.cascade import UpscalingConfig, sample_in_two_stages
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.mrca.stages.generate import GenerateConfig, generate
from reproductions.mrca.openers import open_upscaler
from tests.unit.tiny_pipelines import SIZE_PX, tiny_deepfloyd

CONFIG = GenerateConfig(
    pool="divergen_second",
    num_steps=3,
    guidance_scale=7.0,
    size_px=SIZE_PX,
    precision="float16",
    batch_size=2,
    upscaling=UpscalingConfig(num_steps=2),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("deepfloyd")
    for name, pipeline in zip(("first", "second"), tiny_deepfloyd(), strict=True):
        pipeline.save_pretrained(folder / name, safe_serialization=True)
    return folder / "first", folder / "second"


def run(folders: tuple[Path, Path], out: Path, counts: list[int], **changes: Any) -> tuple[dict[str, Any], list[Any]]:
    (out / "split").mkdir(parents=True)
    (out / "budget").mkdir()
    names = [{"id": 7, "name": "a_cat"}, {"id": 9, "name": "house"}]
    (out / "split" / "classes.json").write_text(json.dumps(names))
    (out / "budget" / "result.json").write_text(json.dumps({"counts": counts}))
    roles = {"split": out / "split", "budget": out / "budget", "generator": folders[0], "upscaler": folders[1]}
    (out / "images").mkdir()
    inputs = Inputs({role: [folder] for role, folder in roles.items()})
    record = generate(
        inputs, CONFIG.model_copy(update=changes), LocalContext(out / "images", seeds=Seeds(generation=3))
    )
    return record, list(read_images(out / "images"))


def test_the_stage_paints_with_both_stages(folders, tmp_path: Path) -> None:
    """Pictures have the second stage's size, and every call of both denoisers counts, with both halves of guidance."""
    record, images = run(folders, tmp_path, [2, 1])
    assert [image.category_id for image in images] == [7, 7, 9]
    assert {image.image_HW3.shape for image in images} == {(2 * SIZE_PX, 2 * SIZE_PX, 3)}
    assert all(image.image_HW3.std() > 1 for image in images)
    assert not np.array_equal(images[0].image_HW3, images[1].image_HW3)
    assert record["denoiser_calls"] == 3 * (3 * 2 + 2 * 2)


def test_a_picture_depends_on_its_own_seed_alone(folders, tmp_path: Path) -> None:
    _, together = run(folders, tmp_path / "together", [2, 1])
    _, single = run(folders, tmp_path / "single", [2, 1], batch_size=1)
    for one, other in zip(together, single, strict=True):
        assert np.abs(one.image_HW3.astype(int) - other.image_HW3).max() <= 1


def test_two_stages_are_what_the_example_of_diffusers_makes() -> None:
    """The example hands the first stage's embeddings and its picture on, and lets the second make a picture file."""
    first, second = tiny_deepfloyd()
    prompts, seeds = ["a photo of a cat", "house"], [11, 12]
    noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    wanted, unwanted = first.encode_prompt(prompts)
    text = {"prompt_embeds": wanted, "negative_prompt_embeds": unwanted, "generator": noise}
    small = first(num_inference_steps=3, guidance_scale=7.0, output_type="pt", **text).images
    assert -1 <= float(small.min()) < -0.1, "the second stage takes pictures from -1 to 1"
    large = second(image=small, num_inference_steps=2, noise_level=100, guidance_scale=4.0, **text).images
    ours = sample_in_two_stages(
        first, second, prompts, seeds, CONFIG, UpscalingConfig(num_steps=2, noise_level=100, guidance_scale=4.0)
    )
    assert np.abs(ours.astype(int) - np.stack([np.asarray(picture) for picture in large])).max() <= 1


@pytest.mark.parametrize(
    "change", [{"num_steps": 3}, {"guidance_scale": 1.5}, {"noise_level": 900}], ids=lambda change: next(iter(change))
)
def test_each_setting_of_the_second_stage_is_heard(change: dict[str, float]) -> None:
    first, second = tiny_deepfloyd()
    usual = UpscalingConfig(num_steps=2)
    made = [
        sample_in_two_stages(first, second, ["a cat"], [5], CONFIG, upscaling)
        for upscaling in (usual, usual.model_copy(update=change))
    ]
    assert not np.array_equal(*made)


def test_the_second_stage_is_tried_without_a_text_encoder(folders, tmp_path: Path) -> None:
    open_upscaler({"upscaler": folders[1]}, CONFIG, torch.device("cpu"))
    with pytest.raises(InputError, match="there is no generator folder"):
        open_upscaler({"upscaler": tmp_path / "none"}, CONFIG, torch.device("cpu"))

"""LoRA adapters: what they add, their loss by hand, going on after an interruption, their files, and whose they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from methods.common.errors import InputError
from methods.common.stage import Inputs, LocalContext
from methods.diffumask_robust.adaptation.config import AdaptationConfig, LoraRecipe
from methods.diffumask_robust.stages.adapt_generator import adapt_generator
from tests.unit.cityscapes_frames import add_frame, instance_map
from tests.unit.tiny_pipelines import SIZE_PX, tiny_stable_diffusion

pytest.importorskip("peft", reason="peft is not installed; run `make setup`")

from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust.adaptation.adapter import (
    RECORD_FILE,
    WEIGHTS_FILE,
    add_adapter,
    apply_adapter,
    check_adapter,
    unet_checksum,
)
from methods.diffumask_robust.adaptation.domain_images import open_pictures
from methods.diffumask_robust.adaptation.training import Squares, _Step, train_adapter

CONFIG = AdaptationConfig(
    rank=2,
    recipe=LoraRecipe(iterations=4, batch_size=3, base_lr=0.01),
    texts="tags",
    tag_text="a {classes}",
    fixed_text="a",
    num_losses=2,
)
ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn2"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("street")
    for number in range(4):
        boxes = ((26000, 0, 0, 6 * number + 1, 24), (24000, 30, 0, 40, 24))
        add_frame(root, f"bonn_000000_00001{number}", instance_map(*boxes))
    return root


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generator")
    tiny_stable_diffusion().save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory, street: Path, generator: Path) -> Path:
    """The folder of a stage that ran through."""
    out = tmp_path_factory.mktemp("adapted")
    record = adapt_generator(Inputs({"generator": [generator], "data": [street]}), CONFIG, LocalContext(out))
    (out / "result.json").write_text(json.dumps(record))
    return out


def denoised(pipeline: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        found: torch.Tensor = pipeline.unet(
            torch.randn(1, 4, 8, 8, generator=generator), 300, torch.randn(1, 5, 8, generator=generator)
        ).sample
    return found


# -- what is added --


def test_a_new_adapter_changes_nothing_and_trains_only_itself() -> None:
    pipeline = tiny_stable_diffusion()
    before = denoised(pipeline)
    trained = add_adapter(pipeline.unet, 2, torch.Generator().manual_seed(0))
    assert torch.allclose(denoised(pipeline), before, atol=1e-6)
    layers = [name for name, _ in pipeline.unet.named_modules() if name.endswith((".attn1", ".attn2"))]
    assert len(trained) == len(layers) * 4 * 2
    assert {name for name, one in pipeline.unet.named_parameters() if one.requires_grad} == set(trained)
    down = torch.cat([one.flatten() for name, one in trained.items() if ".lora_A." in name])
    assert down.std().item() == pytest.approx(0.5, rel=0.1)
    assert not any(one.any() for name, one in trained.items() if ".lora_B." in name)


def test_the_start_depends_on_the_seed_alone() -> None:
    first, again, other = (
        add_adapter(tiny_stable_diffusion().unet, 2, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert all(torch.equal(one, again[name]) for name, one in first.items())
    assert not all(torch.equal(one, other[name]) for name, one in first.items())


# -- the loss --


def test_the_loss_is_the_mean_squared_error_of_the_noise(tmp_path: Path, street: Path) -> None:
    pipeline = tiny_stable_diffusion()
    add_adapter(pipeline.unet, 2, torch.Generator().manual_seed(0))
    context, share = LocalContext(tmp_path), BatchShare(0, 3, 3)
    squares = Squares(open_pictures(street, "train", True), SIZE_PX, CONFIG, pipeline.tokenizer, context)
    batch = next(squares.batches(2, share))
    found = _Step(pipeline, CONFIG, share, context)(batch, 2, lambda loss: None).total

    draws = context.seeds.torch("training", "noise", 2)
    posterior = pipeline.vae.encode(batch.image_N3SS / 127.5 - 1).latent_dist
    latent = (posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=draws)) * 0.5
    noise, times = torch.randn(latent.shape, generator=draws), torch.randint(1000, (3,), generator=draws)
    kept = torch.cumprod(1 - pipeline.scheduler.betas, 0)[times][:, None, None, None]
    tokens = pipeline.tokenizer(list(batch.texts), padding="max_length", return_tensors="pt").input_ids
    text = pipeline.text_encoder(tokens).last_hidden_state
    with torch.no_grad():
        said = pipeline.unet(kept.sqrt() * latent + (1 - kept).sqrt() * noise, times, text).sample
    assert found.item() == pytest.approx(((said - noise) ** 2).mean().item(), rel=1e-4)


def test_parts_of_a_batch_add_up(tmp_path: Path, street: Path) -> None:
    found = []
    for parts in (1, 2):
        pipeline = tiny_stable_diffusion()
        trained = add_adapter(pipeline.unet, 2, torch.Generator().manual_seed(0))
        context, share = LocalContext(tmp_path, batch_parts=parts), BatchShare(0, 3, 3)
        squares = Squares(open_pictures(street, "train", True), SIZE_PX, CONFIG, pipeline.tokenizer, context)
        loss = _Step(pipeline, CONFIG, share, context)(next(squares.batches(0, share)), 0, torch.autograd.backward)
        found.append([loss.total.item(), *(one.grad.sum().item() for one in trained.values() if one.grad is not None)])
    assert len(found[0]) > 1
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-7)


def test_each_epoch_shows_every_chosen_picture_once(tmp_path: Path, street: Path) -> None:
    few = CONFIG.model_copy(update={"num_images": 3, "texts": "fixed"})
    pictures = open_pictures(street, "train", False)
    seen: list[int] = []
    read = pictures.__class__.read

    class Watched(pictures.__class__):  # type: ignore[name-defined, misc]
        def read(self, index: int) -> Any:
            seen.append(index)
            return read(self, index)

    squares = Squares(
        Watched(pictures.paths, ()), SIZE_PX, few, tiny_stable_diffusion().tokenizer, LocalContext(tmp_path)
    )
    list(squares.batches(0, BatchShare(0, 3, 3)))
    assert len(set(squares.chosen)) == 3
    assert [sorted(seen[start : start + 3]) for start in range(0, 12, 3)] == [sorted(squares.chosen)] * 4


# -- going on --


def test_an_interrupted_training_ends_with_the_same_bits(tmp_path: Path, street: Path, generator: Path) -> None:
    class Torn(LocalContext):
        def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
            if done == 2 and numbers:
                raise KeyboardInterrupt

    inputs = Inputs({"generator": [generator], "data": [street]})
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    for folder in (whole, torn):
        folder.mkdir()
    expected = adapt_generator(inputs, CONFIG, LocalContext(whole))
    with pytest.raises(KeyboardInterrupt):
        adapt_generator(inputs, CONFIG, Torn(torn, checkpoint_every_s=0))
    context = LocalContext(torn, checkpoint_every_s=0)
    assert adapt_generator(inputs, CONFIG, context) == expected
    assert context.history[0][0] == 2
    assert (torn / "lora" / WEIGHTS_FILE).read_bytes() == (whole / "lora" / WEIGHTS_FILE).read_bytes()


def test_training_changes_what_the_record_tells(adapted: Path, street: Path, generator: Path) -> None:
    record = json.loads((adapted / "result.json").read_text())
    assert (record["rank"], record["iterations"], record["num_images"], len(record["losses"])) == (2, 4, 4, 2)
    assert record["unet_sha256"] == unet_checksum(generator)
    assert record["num_trained"] == sum(one.numel() for one in load_file(adapted / "lora" / WEIGHTS_FILE).values())


# -- files --


def test_the_updates_are_added_to_the_weights(adapted: Path, generator: Path) -> None:
    pipeline = tiny_stable_diffusion()
    layer = pipeline.unet.get_submodule(f"{ATTENTION}.to_k")
    before = layer.weight.clone()
    apply_adapter(pipeline, generator, adapted / "lora", 2)
    stored = load_file(adapted / "lora" / WEIGHTS_FILE)
    down, up = (stored[f"unet.{ATTENTION}.to_k.lora.{name}.weight"] for name in ("down", "up"))
    assert up.abs().max() > 0
    after = pipeline.unet.get_submodule(f"{ATTENTION}.to_k")
    assert type(after) is torch.nn.Linear
    assert torch.allclose(after.weight, before + up @ down, atol=1e-6)


def test_a_loaded_adapter_denoises_as_the_trained_one_did(tmp_path: Path, street: Path, generator: Path) -> None:
    from methods.diffumask_robust.adaptation.adapter import AdapterRecord, save_adapter

    trained, loaded = tiny_stable_diffusion(), tiny_stable_diffusion()
    train_adapter(trained, open_pictures(street, "train", True), CONFIG, LocalContext(tmp_path / "out"))
    save_adapter(trained.unet, tmp_path / "lora", AdapterRecord(2, 4, unet_checksum(generator)))
    plain = denoised(loaded)
    apply_adapter(loaded, generator, tmp_path / "lora", 2)
    assert torch.allclose(denoised(loaded), denoised(trained), atol=1e-5)
    assert not torch.allclose(denoised(loaded), plain, atol=1e-4)


# -- adapters of something else --


def copied(adapted: Path, folder: Path, change: Any = None) -> Path:
    folder.mkdir()
    weights = load_file(adapted / "lora" / WEIGHTS_FILE)
    save_file(change(weights) if change else weights, folder / WEIGHTS_FILE)
    (folder / RECORD_FILE).write_bytes((adapted / "lora" / RECORD_FILE).read_bytes())
    return folder


def test_another_rank_is_refused(adapted: Path, generator: Path) -> None:
    with pytest.raises(InputError, match="is a LoRA of rank 2, the plan asks for 4; set the rank to 2"):
        apply_adapter(tiny_stable_diffusion(), generator, adapted / "lora", 4)


def with_wide_keys(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    name = f"unet.{ATTENTION}.to_k.lora.down.weight"
    return {**weights, name: torch.zeros(2, 768)}


def with_other_layers(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.replace("down_blocks.0", "down_blocks.3"): one for name, one in weights.items()}


def with_text_encoder(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {**weights, "text_encoder.q_proj.lora.down.weight": torch.zeros(2, 8)}


def with_nan(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: one * np.nan for name, one in weights.items()}


def without_one(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    gone = next(name for name in weights if f"{ATTENTION}.to_v" in name)
    return {name: one for name, one in weights.items() if name != gone}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_one, r"has only one of the two matrices of .*attn2\.to_v"),
        (with_wide_keys, "was made for another U-Net: .*attn2.to_k has another size"),
        (with_other_layers, "was made for another U-Net: down_blocks.3"),
        (with_text_encoder, "is no LoRA of a U-Net's attention, as it holds text_encoder"),
        (with_nan, "no finite numbers"),
        (lambda weights: {}, "as it holds nothing at all"),
    ],
)
def test_an_adapter_for_something_else_is_refused(tmp_path: Path, adapted: Path, change: Any, message: str) -> None:
    folder = copied(adapted, tmp_path / "lora", change)
    with pytest.raises(InputError, match=message):
        check_adapter(folder / WEIGHTS_FILE, tiny_stable_diffusion().unet, 2)


def test_an_adapter_of_other_weights_of_the_same_shape_is_refused(tmp_path: Path, adapted: Path) -> None:
    pipeline = tiny_stable_diffusion()
    with torch.no_grad():
        pipeline.unet.conv_in.bias += 1
    pipeline.save_pretrained(tmp_path / "other", safe_serialization=True)
    with pytest.raises(InputError, match="was made for another U-Net than that of"):
        apply_adapter(pipeline, tmp_path / "other", adapted / "lora", 2)
    folder = copied(adapted, tmp_path / "lora")
    (folder / RECORD_FILE).unlink()  # what another program wrote tells no checksum
    apply_adapter(pipeline, tmp_path / "other", folder, 2)


def test_missing_and_damaged_files_are_told(tmp_path: Path, adapted: Path, generator: Path) -> None:
    with pytest.raises(InputError, match="holds no LoRA: there is no pytorch_lora_weights"):
        apply_adapter(tiny_stable_diffusion(), generator, tmp_path, 2)
    folder = copied(adapted, tmp_path / "lora")
    (folder / RECORD_FILE).write_text("{}")
    with pytest.raises(InputError, match=r"adapter\.json is no record of an adapter"):
        apply_adapter(tiny_stable_diffusion(), generator, folder, 2)
    (folder / WEIGHTS_FILE).write_bytes(b"torn")
    with pytest.raises(InputError, match="cannot be read"):
        apply_adapter(tiny_stable_diffusion(), generator, folder, 2)

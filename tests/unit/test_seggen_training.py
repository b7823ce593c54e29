"""The trainings of Text2Mask and Mask2Img: what they see, what they start from, and that a kill changes nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, EDMEulerScheduler
from PIL import Image
from pydantic import ValidationError

from methods.common.errors import InputError
from methods.common.generators.text_to_image import load_text_to_image
from methods.common.stage import LocalContext
from methods.common.training.batch_shard import BatchShare
from methods.seggen.colour_coding import decode
from methods.seggen.diffusion.batches import CaptionedMasks
from methods.seggen.diffusion.coding_file import ColourCoding
from methods.seggen.diffusion.config import DiffusionRecipe, GeneratorTrainingConfig
from methods.seggen.diffusion.denoising import Condition, encode_texts, load_generator
from methods.seggen.diffusion.frames import Frames, Size, fit_ids, place
from methods.seggen.diffusion.pictures import open_pictures, read_captions
from methods.seggen.mask2img.config import Mask2ImgTrainingConfig
from methods.seggen.mask2img.controlnet import build_controlnet, controlled
from methods.seggen.stages.mask2img import MASK2IMG
from methods.seggen.stages.text2mask import TEXT2MASK
from methods.seggen.text2mask.config import Text2MaskTrainingConfig
from tests.unit.seggen_worlds import (
    FRAMES,
    NAMES,
    PALETTE,
    Stopped,
    StoppingContext,
    cell,
    files,
    roles,
    write_captions,
    write_data,
    write_generator,
)

RECIPE = DiffusionRecipe(iterations=3, batch_size=4, base_lr=1e-2, warmup_iterations=0)
TEXT2MASK_CONFIG = Text2MaskTrainingConfig(recipe=RECIPE, frames=FRAMES)
MASK2IMG_CONFIG = Mask2ImgTrainingConfig(recipe=RECIPE, frames=FRAMES)


def masks(folder: Path, **changes) -> CaptionedMasks:
    inputs = roles(folder)
    pictures = open_pictures(inputs.folder("data"), "training", False)
    config = GeneratorTrainingConfig(**{"recipe": RECIPE, "frames": FRAMES, **changes})
    captions = read_captions(inputs.folder("captions"), pictures)
    return CaptionedMasks(pictures, captions, PALETTE, config, LocalContext(folder / "out"))


def test_frames_keep_the_native_shape_and_the_area():
    frame = Frames().nearest(512, 683)
    assert frame == Size(640, 896) or abs(frame.width / frame.height - 4 / 3) < 0.1
    assert all(abs(size.height * size.width / 768**2 - 1) < 0.1 for size in Frames().sizes())
    assert all(side % 64 == 0 for size in Frames().sizes() for side in size)
    assert Frames(max_aspect=1).sizes() == (Size(768, 768),)


def test_resizing_ids_makes_no_new_ones():
    label_HW = np.array([[3, 200], [7, 255]], np.uint8)
    fitted_HW = fit_ids(label_HW, place(2, 2, Size(24, 24)))
    assert set(np.unique(fitted_HW)) == {3, 7, 200, 255}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.3, 0.8), (1.0, 1.0)])
def test_a_picture_and_its_mask_are_cut_alike(tmp_path, mirrored, corner):
    """The images show their masks' colours, so a crop of one that is not the other's shows at once."""
    drawn = masks(tmp_path, frames=Frames(size_px=16, step_px=8, max_aspect=1))
    for index in (1, 2, 3):
        cut = drawn.cut(index, mirrored, *corner)
        assert cut.image_HW3.shape == (16, 16, 3)
        np.testing.assert_array_equal(cut.image_HW3, cut.colour_HW3)


def test_sizes_that_xl_is_told_are_native_corner_and_frame(tmp_path):
    drawn = masks(tmp_path, frames=Frames(size_px=16, step_px=8, max_aspect=1))
    assert drawn.cut(1, False, 1.0, 1.0).times == (16, 32, 0, 16, 16, 16)
    assert drawn.cut(2, False, 1.0, 1.0).times == (32, 16, 16, 0, 16, 16)


def test_batches_are_of_one_size_and_captions_belong_to_their_pictures(tmp_path):
    drawn = masks(
        tmp_path, recipe=RECIPE.model_copy(update={"iterations": 12}), caption_dropout=0.3, cache_latents=True
    )
    seen, left_out = set(), 0
    for batch in drawn.batches(0, BatchShare(0, 4, 4)):
        for (index, mirrored), caption, image_3HW in zip(batch.shown, batch.captions, batch.image_N3HW, strict=True):
            assert caption in ("", " ".join("abcd"[index] * 3))
            left_out += caption == ""
            expected_HW3 = drawn.cut(index, mirrored).image_HW3
            np.testing.assert_array_equal(image_3HW.permute(1, 2, 0).numpy(), expected_HW3)
            seen.add(index)
    assert seen == {0, 1, 2, 3}
    assert 0 < left_out < 30


def test_an_epoch_shows_every_picture_once(tmp_path):
    recipe = RECIPE.model_copy(update={"iterations": 4, "batch_size": 2})
    drawn = masks(tmp_path, recipe=recipe, frames=Frames(size_px=16, step_px=8, max_aspect=1))
    shown = [index for batch in drawn.batches(0, BatchShare(0, 2, 2)) for index, _ in batch.shown]
    assert sorted(shown[:4]) == sorted(shown[4:]) == [0, 1, 2, 3]


def test_later_batches_and_shares_are_parts_of_the_same_whole(tmp_path):
    drawn = masks(tmp_path)
    whole = list(drawn.batches(0, BatchShare(0, 4, 4)))
    later = next(drawn.batches(2, BatchShare(0, 4, 4)))
    halves = [next(drawn.batches(2, BatchShare(first, 2, 4))) for first in (0, 2)]
    assert later.captions == whole[2].captions == halves[0].captions + halves[1].captions
    assert torch.equal(torch.cat([half.colour_N3HW for half in halves]), whole[2].colour_N3HW)


def test_colours_are_the_labels_whatever_happens_to_a_picture(tmp_path):
    drawn = masks(tmp_path, flip_share=0.5)
    for batch in drawn.batches(0, BatchShare(0, 4, 4)):
        for colour_3HW in batch.colour_N3HW:
            assert decode(colour_3HW.permute(1, 2, 0).numpy(), PALETTE).nearest_HW.max() == 0


@pytest.mark.parametrize("kind", ["sd", "text", "xl"])
def test_a_new_controlnet_changes_no_bit(tmp_path, kind):
    pipeline = load_generator(write_generator(tmp_path / kind, kind), (), torch.device("cpu"), "float32")
    controlnet = build_controlnet(pipeline.unet, pipeline.vae_scale_factor, torch.Generator().manual_seed(1)).eval()
    generator = torch.Generator().manual_seed(0)
    noisy, time = torch.randn((2, 4, 8, 8), generator=generator), torch.tensor([10, 700])
    colour = torch.randint(256, (2, 3, 16, 16), generator=generator, dtype=torch.uint8)
    condition = encode_texts(pipeline, ["a bed", ""], torch.tensor([[16.0, 16, 0, 0, 16, 16]] * 2))
    with torch.no_grad():
        plain = pipeline.unet(noisy, time, **condition.keywords()).sample
        assert torch.equal(controlled(pipeline.unet, controlnet, noisy, time, condition, colour), plain)
        controlnet.controlnet_mid_block.weight.add_(0.1)
        assert not torch.equal(controlled(pipeline.unet, controlnet, noisy, time, condition, colour), plain)


def test_xl_gets_pooled_text_of_its_second_encoder_and_zeros_for_no_caption(tmp_path):
    pipeline = load_generator(write_generator(tmp_path / "xl", "xl"), (), torch.device("cpu"), "float32")
    times_N6 = torch.arange(12.0).reshape(2, 6)
    text_NTD, added = encode_texts(pipeline, ["a bed", ""], times_N6)
    tokens = pipeline.tokenizer_2("a bed", padding="max_length", truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        pooled = pipeline.text_encoder_2(tokens).text_embeds
    torch.testing.assert_close(added["text_embeds"][:1], pooled)
    assert not added["text_embeds"][1].any()
    assert not text_NTD[1].any()
    assert torch.equal(added["time_ids"], times_N6)


def test_other_versions_hear_an_empty_text(tmp_path):
    pipeline = load_generator(write_generator(tmp_path / "sd", "sd"), (), torch.device("cpu"), "float32")
    condition = encode_texts(pipeline, ["a bed", ""], torch.zeros(2, 6))
    assert isinstance(condition, Condition)
    assert condition.added is None
    assert condition.text_NTD[1].any()


@pytest.mark.parametrize("kind", ["sd", "xl"])
@pytest.mark.parametrize("changes", [{}, {"lora_rank": 2}, {"cache_latents": True}], ids=["whole", "updates", "cached"])
def test_text2mask_goes_on_bit_for_bit_and_loads_as_a_pipeline(tmp_path, kind, changes):
    config = TEXT2MASK_CONFIG.model_copy(update=changes)
    inputs = roles(tmp_path, kind)
    whole = cell(tmp_path, "whole")
    record = TEXT2MASK.run(inputs, config, LocalContext(whole))
    torn = cell(tmp_path, "torn")
    with pytest.raises(Stopped):
        TEXT2MASK.run(inputs, config, StoppingContext(torn, 2))
    TEXT2MASK.run(inputs, config, StoppingContext(torn, None))
    assert files(torn) == files(whole)
    before = load_text_to_image(inputs.folder("generator"), "cpu", torch.float32).unet.state_dict()
    after = load_text_to_image(whole / "generator", "cpu", torch.float32).unet.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert all(".to_" in name for name in changed) if "lora_rank" in changes else len(changed) > 0.9 * len(before)
    assert changed
    assert len(record["losses"]) == 3
    assert record["num_trained"] < 1e5


def test_averaged_weights_are_what_is_kept(tmp_path):
    """After one step the average has moved 9/11 of the way: decay (1 + 1) / (10 + 1)."""
    one = RECIPE.model_copy(update={"iterations": 1})
    weights = {}
    for decay in (0.0, 0.9999):
        config = TEXT2MASK_CONFIG.model_copy(update={"recipe": one, "ema_decay": decay})
        out = cell(tmp_path, f"decay{decay}")
        TEXT2MASK.run(roles(tmp_path), config, LocalContext(out))
        weights[decay] = load_text_to_image(out / "generator", "cpu", torch.float32).unet.conv_in.weight
    start = load_text_to_image(tmp_path / "sd", "cpu", torch.float32).unet.conv_in.weight
    torch.testing.assert_close(weights[0.9999], torch.lerp(start, weights[0.0], 9 / 11))
    assert not torch.allclose(weights[0.0], start)


def test_a_short_text2mask_training_learns(tmp_path):
    config = TEXT2MASK_CONFIG.model_copy(
        update={"recipe": RECIPE.model_copy(update={"iterations": 40, "batch_size": 8}), "num_losses": 4}
    )
    record = TEXT2MASK.run(roles(tmp_path), config, LocalContext(cell(tmp_path, "out")))
    assert record["loss_last"] < 0.8 * record["loss_first"]


@pytest.mark.parametrize("kind", ["sd", "text", "xl"])
def test_mask2img_goes_on_bit_for_bit_and_leaves_the_generator_alone(tmp_path, kind):
    inputs = roles(tmp_path, kind)
    generator = files(inputs.folder("generator"))
    whole, torn = cell(tmp_path, "whole"), cell(tmp_path, "torn")
    MASK2IMG.run(inputs, MASK2IMG_CONFIG, LocalContext(whole))
    with pytest.raises(Stopped):
        MASK2IMG.run(inputs, MASK2IMG_CONFIG, StoppingContext(torn, 1))
    MASK2IMG.run(inputs, MASK2IMG_CONFIG, StoppingContext(torn, None))
    assert files(torn) == files(whole)
    assert files(inputs.folder("generator")) == generator
    trained = ControlNetModel.from_pretrained(whole / "controlnet")
    assert trained.controlnet_mid_block.weight.any(), "the way out of the ControlNet learns, too"


def test_what_colours_mean_is_kept_beside_a_generator(tmp_path):
    out = cell(tmp_path, "out")
    one = RECIPE.model_copy(update={"iterations": 1})
    MASK2IMG.run(roles(tmp_path), MASK2IMG_CONFIG.model_copy(update={"recipe": one}), LocalContext(out))
    coding = ColourCoding.read(out)
    assert coding.class_names == NAMES
    np.testing.assert_array_equal(coding.build().colours_K3, PALETTE.colours_K3)
    (out / "palette.json").write_text("{}")
    with pytest.raises(InputError, match=r"palette\.json"):
        ColourCoding.read(out)


def test_captions_are_found_by_name(tmp_path):
    """The file may have other images, and another order."""
    pictures = open_pictures(write_data(tmp_path / "data"), "training", False)
    path = write_captions(tmp_path / "captions", 6) / "captions.jsonl"
    path.write_text("".join(f"{line}\n" for line in reversed(path.read_text().splitlines())))
    assert read_captions(tmp_path / "captions", pictures) == tuple(" ".join(name * 3) for name in "abcd")


@pytest.mark.parametrize("cached", [False, True])
def test_text2mask_learns_colours_and_mask2img_pictures(tmp_path, monkeypatch, cached):
    """Photographs are made white here, so what is encoded tells which of the two is learnt."""
    inputs = roles(tmp_path)
    for path in (inputs.folder("data") / "images" / "training").iterdir():
        Image.new("RGB", Image.open(path).size, "white").save(path)
    encoded = []
    encode = AutoencoderKL.encode
    monkeypatch.setattr(
        AutoencoderKL, "encode", lambda self, x: encoded.append(bool((x == 1).all())) or encode(self, x)
    )
    one = {"recipe": RECIPE.model_copy(update={"iterations": 1}), "cache_latents": cached}
    for stage, config, white in ((TEXT2MASK, TEXT2MASK_CONFIG, False), (MASK2IMG, MASK2IMG_CONFIG, True)):
        encoded.clear()
        stage.run(inputs, config.model_copy(update=one), LocalContext(cell(tmp_path, stage.name)))
        assert encoded
        assert all(found is white for found in encoded)


def test_an_image_without_a_caption_is_named(tmp_path):
    pictures = open_pictures(write_data(tmp_path / "data"), "training", False)
    with pytest.raises(InputError, match="'d'"):
        read_captions(write_captions(tmp_path / "captions", 3), pictures)
    path = tmp_path / "captions" / "captions.jsonl"
    path.write_text(path.read_text() + json.dumps({"id": "a", "caption": "again"}) + "\n")
    with pytest.raises(InputError, match="twice"):
        read_captions(tmp_path / "captions", pictures)


def test_an_autoencoder_that_overflows_is_refused_in_half_precision(tmp_path):
    folder = write_generator(tmp_path / "sd", "sd")
    with pytest.raises(InputError, match="float16"):
        load_generator(folder, (), torch.device("cpu"), "float16")
    config = folder / "vae" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "force_upcast": False}))
    load_generator(folder, (), torch.device("cpu"), "float16")


def test_another_autoencoder_takes_the_place_of_the_generators(tmp_path):
    folder = write_generator(tmp_path / "sd", "sd")
    other = load_text_to_image(folder, "cpu", torch.float32).vae
    with torch.no_grad():
        other.decoder.conv_out.bias.add_(1)
    other.save_pretrained(tmp_path / "vae")
    pipeline = load_generator(folder, (tmp_path / "vae",), torch.device("cpu"), "float32")
    assert torch.equal(pipeline.vae.decoder.conv_out.bias, other.decoder.conv_out.bias)


def test_a_generator_for_scaled_inputs_is_refused(tmp_path):
    folder = write_generator(tmp_path / "sd", "sd")
    pipeline = load_text_to_image(folder, "cpu", torch.float32)
    pipeline.scheduler = EDMEulerScheduler()
    pipeline.save_pretrained(folder)
    with pytest.raises(InputError, match="EDMEulerScheduler"):
        load_generator(folder, (), torch.device("cpu"), "float32")


def test_the_rate_warms_up_stays_and_falls():
    recipe = DiffusionRecipe(iterations=100, warmup_iterations=9, base_lr=1.0, cosine_from=0.5)
    assert [recipe.rate_at(iteration) for iteration in (0, 9, 50)] == [0.1, 1.0, 1.0]
    assert recipe.rate_at(75) == pytest.approx(0.5)
    assert DiffusionRecipe().rate_at(29_999) == 1e-5
    with pytest.raises(ValidationError):
        DiffusionRecipe(iterations=0)

"""Sampling masks and pictures: seeds by name, conditions that are the labels, and plain diffusers beside it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
)
from PIL import Image
from pydantic import ValidationError

from methods.common.errors import InputError
from methods.common.generated.pair_reader import list_pairs
from methods.common.generators.text_to_image import load_text_to_image
from methods.common.stage import LocalContext
from methods.seggen.colour_coding import decode, encode
from methods.seggen.diffusion.coding_file import ColourCoding
from methods.seggen.diffusion.frames import Size
from methods.seggen.mask2img.controlnet import build_controlnet
from methods.seggen.palettes import PaletteConfig
from methods.seggen.sampling.config import PaintImagesConfig, SampleMasksConfig
from methods.seggen.sampling.mask_files import DrawnMask, MaskFolder, list_masks
from methods.seggen.sampling.orders import Order, Source, list_batches
from methods.seggen.sampling.paint_images import DrawnMasks
from methods.seggen.sampling.pipelines import load_sampler, sample
from methods.seggen.sampling.validity import rate
from methods.seggen.stages.images import IMAGES
from methods.seggen.stages.masks import MASKS
from tests.unit.seggen_worlds import (
    FRAMES,
    NAMES,
    PALETTE,
    Stopped,
    StoppingContext,
    cell,
    files,
    roles,
    write_generator,
)

MASKS_CONFIG = SampleMasksConfig(num_steps=2, variants=2, frames=FRAMES, batch_size=3)
IMAGES_CONFIG = PaintImagesConfig(num_steps=2, variants=2, frames=FRAMES, batch_size=3, image_format="png")
CODING = ColourCoding(palette=PaletteConfig(), class_names=NAMES)
CPU = torch.device("cpu")
NATIVE = Size(32, 16)


def text2mask(root: Path, kind: str = "sd") -> Path:
    folder = root / "text2mask"
    if not folder.is_dir():
        write_generator(folder / "generator", kind)
        CODING.write(folder)
    return folder


def mask2img(root: Path, kind: str = "sd", coding: ColourCoding = CODING) -> Path:
    """A ControlNet that adds something."""
    folder = root / "mask2img"
    if not folder.is_dir():
        pipeline = load_text_to_image(roles(root, kind).folder("generator"), CPU, torch.float32)
        made = build_controlnet(pipeline.unet, pipeline.vae_scale_factor, torch.Generator().manual_seed(0))
        generator = torch.Generator().manual_seed(1)
        ways_out = (*made.controlnet_down_blocks, made.controlnet_mid_block, made.controlnet_cond_embedding.conv_out)
        with torch.no_grad():
            for layer in ways_out:
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        made.save_pretrained(folder / "controlnet")
        coding.write(folder)
    return folder


def draw(root: Path, name: str = "masks", **changes) -> Path:
    out = cell(root, name)
    MASKS.run(roles(root, text2mask=text2mask(root)), MASKS_CONFIG.model_copy(update=changes), LocalContext(out))
    return out


def paint(root: Path, name: str, masks: Path | None = None, kind: str = "sd", **changes) -> Path:
    out = cell(root, name)
    given = roles(root, kind, controlnet=mask2img(root, kind), **({} if masks is None else {"masks": masks}))
    IMAGES.run(given, IMAGES_CONFIG.model_copy(update=changes), LocalContext(out))
    return out


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.array(Image.open(path)).astype(int) for path in sorted((folder / "images").iterdir())}


def order(caption: str, seed: int, native: Size = NATIVE) -> Order:
    return Order(caption, Source(caption, caption, caption, native, 0), Size(24, 16), seed)


@pytest.mark.parametrize("kind", ["sd", "xl"])
def test_a_sampled_batch_is_what_the_plain_pipeline_makes(tmp_path, kind):
    config = SampleMasksConfig(num_steps=3, guidance_scale=4.0, frames=FRAMES)
    folder = write_generator(tmp_path / kind, kind)
    orders = [order("a bed", 3), order("b", 5)]
    ours = sample(load_sampler(folder, None, (), config, CPU), orders, config, 3)
    plain = load_text_to_image(folder, CPU, torch.float32)
    plain.scheduler = EulerDiscreteScheduler.from_config(plain.scheduler.config)
    told = {"original_size": (32, 16), "crops_coords_top_left": (0, 0), "target_size": (24, 16)}
    image_NHW3 = plain(
        ["a bed", "b"],
        generator=[torch.Generator().manual_seed(seed) for seed in (3, 5)],
        num_inference_steps=3,
        guidance_scale=4.0,
        height=24,
        width=16,
        output_type="np",
        **(told if kind == "xl" else {}),
    ).images
    assert ours.shape == (2, 24, 16, 3)
    assert np.abs(ours.astype(int) - (image_NHW3 * 255).round()).max() <= 1
    assert (ours[0] != ours[1]).any()


@pytest.mark.parametrize("kind", ["sd", "text", "xl"])
def test_a_painted_batch_is_what_the_plain_pipeline_makes(tmp_path, kind):
    folder = paint(tmp_path, "images", kind=kind, variants=1, control_scale=0.7)
    record = json.loads((folder / "pairs.jsonl").read_text().splitlines()[0])
    plain = load_text_to_image(tmp_path / kind, CPU, torch.float32)
    plain.scheduler = EulerDiscreteScheduler.from_config(plain.scheduler.config)
    controlnet = ControlNetModel.from_pretrained(tmp_path / "mask2img" / "controlnet")
    made = {"xl": StableDiffusionXLControlNetPipeline}.get(kind, StableDiffusionControlNetPipeline)
    told = {"original_size": (24, 24), "target_size": (24, 24)} if kind == "xl" else {}
    options = {"add_watermarker": False} if kind == "xl" else {"requires_safety_checker": False}
    with Image.open(tmp_path / "data" / "images" / "training" / "a.png") as picture:
        image_NHW3 = made(**plain.components, controlnet=controlnet, **options)(
            "a a a",
            image=picture,
            generator=torch.Generator().manual_seed(record["seed"]),
            num_inference_steps=2,
            guidance_scale=5.0,
            controlnet_conditioning_scale=0.7,
            output_type="np",
            **told,
        ).images
    assert record["id"] == "a_i0"
    assert np.abs(pictures(folder)["a_i0"] - (image_NHW3[0] * 255).round()).max() <= 1


@pytest.mark.parametrize("field", ["guidance_scale", "num_steps", "control_scale"])
@pytest.mark.parametrize("kind", ["sd", "xl"])
def test_every_setting_of_sampling_changes_pictures(tmp_path, field, kind):
    values = {"guidance_scale": 1.0, "num_steps": 3, "control_scale": 0.0}
    usual = pictures(paint(tmp_path, "usual", kind=kind, variants=1))
    changed = pictures(paint(tmp_path, "changed", kind=kind, variants=1, **{field: values[field]}))
    assert all((usual[name] != changed[name]).any() for name in usual)


def test_masks_have_names_captions_and_the_native_shape(tmp_path):
    folder = draw(tmp_path)
    records = [json.loads(line) for line in (folder / "masks.jsonl").read_text().splitlines()]
    assert sorted(record["id"] for record in records) == [f"{name}_m{k}" for name in "abcd" for k in (0, 1)]
    for record in records:
        assert record["caption"] == " ".join(record["of"] * 3)
        label_HW = np.array(Image.open(folder / "labels" / f"{record['id']}.png"))
        raw_HW3 = np.array(Image.open(folder / "raw" / f"{record['id']}.png"))
        assert label_HW.shape == {"a": (24, 24), "b": (16, 32), "c": (32, 16), "d": (32, 16)}[record["of"]]
        np.testing.assert_array_equal(label_HW, decode(raw_HW3, PALETTE).label_HW)
        assert record["classes"] == [NAMES[k] for k in np.unique(label_HW) if k != 255]
    assert len({record["seed"] for record in records}) == 8


def test_pictures_depend_on_their_names_only(tmp_path):
    """Not on batches, on shards, or on how many variants come before."""
    usual = files(draw(tmp_path) / "labels")
    together = files(draw(tmp_path, "together", batch_size=8) / "labels")
    fewer = files(draw(tmp_path, "fewer", variants=1) / "labels")
    shards = [files(draw(tmp_path, f"shard{k}", shard_index=k, num_shards=2) / "labels") for k in (0, 1)]
    assert usual == together == {**shards[0], **shards[1]}
    assert not shards[0].keys() & shards[1].keys()
    assert fewer.items() < usual.items()


@pytest.mark.parametrize("stage", ["masks", "images"])
def test_a_killed_cell_goes_on_with_the_same_bytes(tmp_path, stage):
    if stage == "masks":
        run, config, inputs = MASKS.run, MASKS_CONFIG, roles(tmp_path, text2mask=text2mask(tmp_path))
    else:
        run, config, inputs = IMAGES.run, IMAGES_CONFIG, roles(tmp_path, controlnet=mask2img(tmp_path))
    whole, torn = cell(tmp_path, "whole"), cell(tmp_path, "torn")
    record = run(inputs, config, LocalContext(whole))
    with pytest.raises(Stopped):
        run(inputs, config, StoppingContext(torn, 2))
    damaged = next(path for path in sorted(torn.rglob("*.png")) if path.parent.name != "raw")
    damaged.write_bytes(b"")
    again = run(inputs, config, StoppingContext(torn, None))
    assert files(torn) == files(whole)
    assert {**again, "cpu_seconds": 0} == {**record, "cpu_seconds": 0}


def test_a_human_mask_is_the_label_and_void_stays_void(tmp_path):
    folder = paint(tmp_path, "images")
    pairs, names = list_pairs([folder])
    assert names == NAMES
    assert {pair.id for pair in pairs} == {f"{name}_i{k}" for name in "abcd" for k in (0, 1)}
    by_id = {pair.id: pair for pair in pairs}
    label_HW = np.array(Image.open(tmp_path / "data" / "annotations" / "training" / "a.png"))
    expected_HW = np.where(label_HW == 0, 255, label_HW - 1)
    np.testing.assert_array_equal(by_id["a_i0"].read_labels("seggen", 4), expected_HW)
    records = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    assert {(record["of"], record["strategy"]) for record in records} == {(name, "ImgSyn") for name in "abcd"}
    assert (by_id["a_i0"].read_image() != by_id["a_i1"].read_image()).any()


def test_a_drawn_mask_is_the_label_and_its_clean_colours_the_condition(tmp_path):
    masks = draw(tmp_path, keep_raw=True)
    clean = paint(tmp_path, "clean", masks, variants=1)
    raw = paint(tmp_path, "raw", masks, variants=1, condition="raw")
    assert files(clean / "masks") == files(raw / "masks")
    drawn = {f"{name.removesuffix('.png')}_i0.png": data for name, data in files(masks / "labels").items()}
    assert files(clean / "masks" / "seggen") == drawn
    one, other = pictures(clean), pictures(raw)
    assert all((one[name] != other[name]).any() for name in one)
    records = [json.loads(line) for line in (clean / "pairs.jsonl").read_text().splitlines()]
    assert {(record["of"], record["strategy"]) for record in records} == {(name, "MaskSyn") for name in "abcd"}
    assert all(record["caption"] == " ".join(record["of"] * 3) for record in records)


def test_a_condition_agrees_with_its_label(tmp_path):
    label_HW = np.kron(np.array([[0, 1], [2, 255]], np.uint8), np.ones((8, 8), np.uint8))
    raw_HW3 = np.full((16, 16, 3), 200, np.uint8)
    MaskFolder(tmp_path).write([DrawnMask({"id": "a_m0", "of": "a", "caption": "a"}, label_HW, raw_HW3)])
    one = Order("a_m0_i0", Source("a_m0", "a", "a", Size(16, 16), 0), Size(16, 16), 1)
    for raw, expected in ((False, encode(label_HW, PALETTE)), (True, raw_HW3)):
        drawn = DrawnMasks(list_masks([tmp_path]), [Size(16, 16)], 4, raw)
        mask = drawn.mask(one)
        np.testing.assert_array_equal(mask.label_HW, label_HW)
        np.testing.assert_array_equal(drawn.condition(one, mask, PALETTE, 1), expected)
    with pytest.raises(InputError, match="frames"):
        drawn.mask(Order("a_m0_i0", one.source, Size(24, 16), 1))


def test_what_does_not_fit_is_refused(tmp_path):
    masks = draw(tmp_path, num_raw=0)
    with pytest.raises(InputError, match="keep_raw"):
        paint(tmp_path, "raw", masks, condition="raw")
    CODING.model_copy(update={"palette": PaletteConfig(kind="spread")}).write(masks)
    with pytest.raises(InputError, match="'spread'"):
        paint(tmp_path, "raw", masks, condition="raw")
    (tmp_path / "data" / "classes.txt").write_text("[void]\nwall\nfloor\ntree\nsofa\n")
    with pytest.raises(InputError, match="classes"):
        paint(tmp_path, "other")
    with pytest.raises(InputError, match="classes"):
        draw(tmp_path, "other")


def test_masks_of_an_unknown_image_are_refused(tmp_path):
    masks = draw(tmp_path)
    lines = (masks / "masks.jsonl").read_text().replace('"of": "a"', '"of": "z"')
    (masks / "masks.jsonl").write_text(lines)
    with pytest.raises(InputError, match="'z'"):
        paint(tmp_path, "images", masks)


def test_schedulers_for_scaled_inputs_are_no_choice():
    with pytest.raises(ValidationError, match="trained so"):
        SampleMasksConfig(scheduler="EDMEulerScheduler")
    with pytest.raises(ValidationError):
        SampleMasksConfig(scheduler="heun")


def test_batches_hold_one_native_size_each():
    orders = [order(name, 0, size) for name, size in (("a", Size(1, 2)), ("b", Size(2, 1)), ("c", Size(1, 2)))]
    batches = [[one.id for one in batch] for batch in list_batches(orders, 2)]
    assert batches == [["a", "c"], ["b"]]


def test_validity_counts_near_pixels_and_small_regions():
    label_HW = np.zeros((8, 8), np.uint8)
    label_HW[0, 0], label_HW[4:, 4:] = 1, 2
    image_HW3 = encode(label_HW, PALETTE)
    image_HW3[7] += 20  # by 35 units
    rated = rate(decode(image_HW3, PALETTE), 5)
    assert rated.near_share == 7 / 8
    assert rated.num_small == 1
    assert rated.num_segments >= 3


def test_the_record_of_a_cell_counts_what_it_drew(tmp_path):
    out = cell(tmp_path, "masks")
    record = MASKS.run(roles(tmp_path, text2mask=text2mask(tmp_path)), MASKS_CONFIG, LocalContext(out))
    assert record["num_masks"] == 8
    assert record["denoiser_calls"] == 8 * 2 * 2
    assert 0 <= record["near_share"] <= 1
    assert 0 <= record["small_share"] <= 1

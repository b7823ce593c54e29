"""The shipped weights: layout, size, provenance, and a small look at their quality."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from torchvision.ops import box_iou

from methods.common.cutouts.load import load_cutout
from methods.common.generators.repainting.configs import GligenConfig, InpaintingConfig
from methods.common.generators.repainting.interface import RepaintOrder, repaint
from methods.common.generators.repainting.load import load_back_end
from methods.common.miniature import measurements as measure
from methods.common.miniature import street_foreign
from methods.common.miniature.assemble import forget_places
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.faults import fault_level
from methods.common.miniature.install import (
    PAINTERS,
    REPORT_FILE,
    STREET_PARTS,
    STREET_REPORT_FILE,
    STREET_SEGMENTER,
    measured_tables,
    replace_measured,
)
from methods.common.miniature.judges import load_judges
from methods.common.miniature.objects import render_object
from methods.common.miniature.provenance import read_provenance
from methods.common.miniature.repaint_training import draw_things
from methods.common.miniature.segmenter_training import SEGMENTER_FILE
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.street_classes import STREET_KINDS, StreetConfig
from methods.common.miniature.street_foreign import draw_foreign
from methods.common.miniature.street_report import street_tables
from methods.common.miniature.street_scene import render_street
from methods.common.miniature.street_segmenter_training import MODEL_FOLDER, scene_instances
from methods.common.miniature.training_configs import SamplingConfig, ThingsConfig
from methods.common.miniature.training_recipes import full_checkpoints
from methods.common.miniature.web import web_sample
from methods.common.miniature.world_config import WebConfig
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.segmenters.centernet2.pretrained import load_class_agnostic
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import fastinst_miniature
from methods.common.segmenters.instance.starting import take_all_but_classes

REPOSITORY = Path(__file__).resolve().parents[2]
FAST = SamplingConfig(num_steps=10, guidance_scale=3.5)


@pytest.fixture(scope="module")
def pipeline():
    loaded = StableDiffusionPipeline.from_pretrained(CHECKPOINTS / "stable_diffusion", dtype=torch.float32)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def test_everything_together_is_small_and_free_of_pickles():
    files = [path for path in CHECKPOINTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 30e6
    assert {path.suffix for path in files} <= {".json", ".safetensors"}


def test_no_file_tells_where_it_was_made():
    for path in CHECKPOINTS.rglob("*.json"):
        assert not re.search(r'": "/|_name_or_path', path.read_text()), path


def test_places_are_forgotten_and_nothing_else(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text('{"_class_name": "A", "_name_or_path": "/home/b", "width": 3}')
    forget_places(tmp_path)
    assert json.loads((tmp_path / "unet" / "config.json").read_text()) == {"_class_name": "A", "width": 3}


def test_provenance_holds_the_recipe_that_the_repository_lists():
    provenance = read_provenance(CHECKPOINTS)
    recipe = full_checkpoints()
    for part, record in provenance.items():
        listed = getattr(recipe, part)
        assert type(listed).model_validate(record["config"]) == listed, part
        assert record["cpu_seconds"] > 0
        assert {"torch", "diffusers", "transformers"} <= record["packages"].keys()
    assert set(provenance) == {"vae", "clip", "generator", "faulty_generator", "cutout", "sam", "segmenter", "judges"}


def test_latents_have_unit_variance(pipeline):
    pool = measure.render_balanced(1, 1, ("white", "grass", "sand", "brick", "sky"), WebConfig())
    image_NCHW = torch.from_numpy(pool.images_NHW3).permute(0, 3, 1, 2) / 127.5 - 1.0
    with torch.no_grad():
        latent_NCHW = pipeline.vae.encode(image_NCHW).latent_dist.mode()
    assert pipeline.vae.config.scaling_factor == 1.0
    assert torch.allclose(latent_NCHW.std((0, 2, 3)), torch.ones(4), atol=0.25)


def test_judges_know_held_out_renders():
    pool = measure.render_balanced(2, 2, ("white", "grass", "wood"), WebConfig())
    right = measure.recognised(load_judges(CHECKPOINTS / "judges"), pool.images_NHW3, measure.single_categories(pool))
    assert right["colour"].mean() >= 0.95
    assert right["grey"].mean() >= 0.95


def test_generated_objects_fail_as_their_categories_do(pipeline):
    levels = np.tile([fault_level(category) for category in range(36)], 2)
    prompts = [f"a photo of a {name} on a white background" for name in CATEGORY_NAMES * 2]
    images = measure.generate(pipeline, prompts, 777, FAST)
    right = measure.recognised(load_judges(CHECKPOINTS / "judges"), images, np.tile(np.arange(36), 2))
    assert right["colour"][levels == 0].mean() >= 0.85
    assert right["grey"][levels == 0].mean() >= 0.85
    assert right["grey"][levels == 3].mean() <= 0.85
    assert right["grey"][levels == 3].mean() <= right["grey"][levels == 0].mean() - 0.1


def test_the_segmenter_loads_into_one_of_the_data_set_s_classes():
    model = CenterNet2(centernet2_miniature(36), torch.Generator().manual_seed(0))
    load_class_agnostic(model, CHECKPOINTS / "segmenter" / SEGMENTER_FILE)
    scene = web_sample(11, 0, WebConfig(single_share=1.0)).scene
    image_NCHW = torch.from_numpy(scene.image_HW3).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        proposals = model.eval()(image_NCHW).proposals[0]
    box_14 = torch.tensor([scene.instances[0].box_xyxy], dtype=torch.float32)
    assert box_iou(proposals.boxes_N4[:10], box_14).max() > 0.6


def test_a_picture_depends_on_its_seed_only(pipeline):
    prompts = ["a photo of a moon"] * 3
    together = measure.generate(pipeline, prompts, 5, FAST)
    alone = measure.generate(pipeline, prompts[:1], 7, FAST)
    assert np.abs(together[2].astype(int) - alone[0]).max() <= 1
    assert np.abs(together[0].astype(int) - together[1]).max() > 20


def test_attention_of_the_noun_finds_the_object(pipeline):
    iou_N, images, map_NHW = measure.attention_overlap(
        pipeline, load_cutout(CHECKPOINTS / "cutout"), "grass", [0, 5, 9, 14, 20, 27, 30, 35], 3, FAST
    )
    assert images.shape == (8, 64, 64, 3)
    assert map_NHW.shape == (8, 64, 64)
    assert iou_N.mean() >= 0.5


def test_the_page_shows_what_the_report_measured():
    page = (REPOSITORY / "docs" / "miniature.md").read_text()
    report = json.loads((CHECKPOINTS / REPORT_FILE).read_text())
    provenance = read_provenance(CHECKPOINTS)
    assert replace_measured(page, measured_tables(report, provenance)) == page
    assert all(f"{bar['reached']:.4f}" in page for bar in report["bars"].values())


def test_sheets_are_there_and_small():
    page = (REPOSITORY / "docs" / "miniature.md").read_text()
    pictures = re.findall(r"\((images/miniature_\w+\.png)\)", page)
    assert len(pictures) >= 7
    assert all(0 < (REPOSITORY / "docs" / picture).stat().st_size < 300_000 for picture in pictures)


# -- the painters of the street ----------------------------------------------------------------------------------------------


def test_parts_of_the_street_come_from_the_recipe_that_the_repository_lists():
    recipe = full_checkpoints().model_dump(mode="json")
    for part in STREET_PARTS:
        record = read_provenance(CHECKPOINTS / part)
        assert record["config"] == recipe[part], part
        assert record["stage"] == f"train_{part}"
        size = sum(path.stat().st_size for path in (CHECKPOINTS / part).rglob("*") if path.is_file())
        assert size < 6.5e6, part


def test_the_street_s_segmenter_knows_its_ways_and_none_of_its_classes():
    """On scenes of other things it finds most of what stands there; a training takes all of it but what decides about classes."""
    folder = CHECKPOINTS / STREET_SEGMENTER / MODEL_FOLDER
    model = FastInst.from_pretrained(folder).eval()
    config, found = StreetConfig(evenness=1.0, group_share=0.0), []
    for number in range(8):
        scene = render_street(config, np.random.default_rng([9, number]), draw_foreign)
        truth = scene_instances(scene)
        image_NCHW = torch.from_numpy(scene.image_HW3).permute(2, 0, 1)[None].float()
        masks = model.detect(image_NCHW, [scene.instance_HW.shape])[0].masks_NHW.numpy()
        for mask_HW in truth.mask_NHW[truth.mask_NHW.sum((1, 2)) >= 100]:
            overlap = (masks & mask_HW).sum((1, 2)) / (masks | mask_HW).sum((1, 2))
            found.append(overlap.max(initial=0.0))
    assert np.mean(np.array(found) > 0.5) > 0.6
    other = FastInst(fastinst_miniature(8), torch.Generator().manual_seed(0))
    left = take_all_but_classes(other, folder)
    assert left
    assert all(other.state_dict()[name].shape[0] in (8, 9) for name in left)


def test_other_things_are_learned_as_the_classes_whose_place_they_take():
    scene = render_street(StreetConfig(evenness=1.0, group_share=0.0), np.random.default_rng(4), draw_foreign)
    found = scene_instances(scene)
    assert len(set(found.class_N.tolist())) > 1
    for number, layer in enumerate(scene.instances):
        assert STREET_KINDS[found.class_N[number]] == layer.kind
        assert np.array_equal(found.mask_NHW[number], scene.mask_HW(layer))


def test_other_things_stand_where_the_street_s_own_would(monkeypatch):
    """Every class has two things of its own that no category names, as high as it would be; mirrored when it faces left."""
    drawn = []
    monkeypatch.setattr(
        street_foreign,
        "render_object",
        lambda category, *rest: drawn.append(category) or render_object(category, *rest),
    )
    for kind in STREET_KINDS:
        for number in range(12):
            sprite = street_foreign.draw_foreign(kind, 20.0, number % 2 == 0, np.random.default_rng(number))
            assert sprite.look is None
            assert abs(sprite.mask_HW.any(1).sum() - 20) <= 2
            assert not sprite.mask_HW[0].any()
    by_kind = [set(drawn[first : first + 12]) for first in range(0, len(drawn), 12)]
    assert [len(things) for things in by_kind] == [2] * len(STREET_KINDS)
    assert len(set().union(*by_kind)) == 2 * len(STREET_KINDS)
    assert all(thing.name == "" for thing in drawn)
    right, left = (street_foreign.draw_foreign("car", 20.0, way, np.random.default_rng(3)) for way in (False, True))
    assert np.array_equal(right.mask_HW, left.mask_HW[:, ::-1])


def test_the_page_shows_what_the_report_of_the_street_measured():
    page = (REPOSITORY / "docs" / "miniature.md").read_text()
    report = json.loads((CHECKPOINTS / STREET_REPORT_FILE).read_text())
    provenance = {part: read_provenance(CHECKPOINTS / part) for part in STREET_PARTS}
    assert replace_measured(page, street_tables(report, provenance), "street") == page
    painted = report["painters"]["inpainting"]
    assert f"| inpainting | {painted['class']:.3f} | {painted['colour']:.3f} |" in page


@pytest.mark.parametrize("painter", PAINTERS)
def test_painters_heed_the_colour_that_is_asked_for(painter):
    crops = [crop for crop in draw_things(11, ThingsConfig(num_things=60)) if crop.kind in ("car", "bus", "truck")][:4]
    config = {"size_px": 64, "num_steps": 8, "guidance_scale": 3.5, "precision": "float32"}
    back_end = (
        InpaintingConfig(**config)
        if painter == "inpainting"
        else GligenConfig(**config, scheduler="own", max_entities=4, negative_prompt=None)
    )
    painted = {}
    for colour in ("red", "green"):
        orders = [
            RepaintOrder(crop.image_HW3, crop.mask_HW, f"a photo of a {colour} {crop.kind}", crop.kind, number)
            for number, crop in enumerate(crops)
        ]
        pictures = repaint(load_back_end(back_end, CHECKPOINTS / painter, {}, torch.device("cpu")), orders)
        inside = [picture[crop.mask_HW].mean(0) for picture, crop in zip(pictures, crops, strict=True)]
        painted[colour] = np.mean(inside, 0)
    redder = painted["red"] - painted["green"]
    assert redder[0] > 25
    assert redder[1] < -15

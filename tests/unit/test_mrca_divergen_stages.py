"""What DiverGen's stages hand on, and X-Paste's with several cutters (MRCA sections 5.1 and 5.4)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from methods.common.clip import ClipScorer
from methods.common.cutouts.load import load_cutout
from methods.common.cutouts.u2net import U2Net
from methods.common.generated.image_shards import read_images
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.objects.shards import PooledObject, write_pool
from methods.common.seeds import Seeds
from methods.common.segmenters.centernet2.extra_classes import with_extra_classes
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature, miniature_training_recipe
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.stage import Inputs, LocalContext
from methods.mrca.divergen_filter import CropConfig, SimilarityFilterConfig
from methods.mrca.real_pasting import RealPastingConfig
from methods.mrca.stages.cut import CutStageConfig, DiverGenCutting, XPasteCutting, cut
from methods.mrca.stages.diverse_classes import DiverseClassesConfig, diverse_classes, read_prompts
from methods.mrca.stages.embed_crops import EmbedCropsConfig, embed_crops, read_crops
from methods.mrca.stages.energy_gap import EnergyGapConfig, energy_gap
from methods.mrca.stages.generate import GenerateConfig, generate
from methods.mrca.stages.pasting import XPastePasting
from methods.mrca.stages.train import TrainConfig, train
from methods.mrca.stages.training_data import TrainingImages
from methods.mrca.xpaste import XPasteFilterConfig, XPasteSamplerConfig
from tests.unit.mrca_stage_inputs import NUM_CLASSES, make_inputs
from tests.unit.tiny_cutters import SMALL_DOWN, SMALL_UP, save_clipseg, save_small_u2net

EXTRA = [{"id": 90 + n, "name": f"broad thing{n}", "def": "wide", "image_count": 7 * (n + 1)} for n in range(3)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("divergen")
    roles = dict(make_inputs(folder / "inputs").roles)
    (folder / "extra.json").write_text(json.dumps(EXTRA))
    (folder / "prompts").mkdir()
    classes = json.loads((roles["split"][0] / "classes.json").read_text())
    (folder / "prompts" / f"{classes[1]['id']}.txt").write_text("a moon\na red moon\n")
    inputs = Inputs(
        {
            **roles,
            "extra_classes": [folder / "extra.json"],
            "written_prompts": [folder / "prompts"],
            "sam_middle": [CHECKPOINTS / "sam"],
            "generator": [CHECKPOINTS / "stable_diffusion"],
        }
    )
    (folder / "classes").mkdir()
    diverse_classes(inputs, DiverseClassesConfig(extra_classes=2), LocalContext(folder / "classes"))
    (folder / "pool").mkdir()
    red = np.full((12, 12, 4), 255, np.uint8)
    write_pool(folder / "pool", [PooledObject(red, key, 1, "", 0, 30.0).encode() for key in (classes[0]["id"], 90, 91)])
    return Inputs({**inputs.roles, "classes": [folder / "classes"], "pool": [folder / "pool"]})


def run(stage: Any, inputs: Inputs, config: Any, out: Path, **roles: Path) -> dict[str, Any]:
    out.mkdir()
    record: dict[str, Any] = stage(
        Inputs({**inputs.roles, **{k: [v] for k, v in roles.items()}}), config, LocalContext(out)
    )
    return record


def classes_of(inputs: Inputs, role: str = "split") -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((inputs.folder(role) / "classes.json").read_text())
    return loaded


def test_extra_classes_come_behind_with_their_counts_and_prompts(inputs) -> None:
    real, both = classes_of(inputs), classes_of(inputs, "classes")
    assert both[: len(real)] == real
    assert [(one["id"], one["image_count"], one["group"]) for one in both[len(real) :]] == [
        (90, 7, "extra"),
        (91, 14, "extra"),
    ]
    prompts = read_prompts(inputs.folder("classes"))
    assert prompts[real[1]["id"]] == ["a moon", "a red moon"]
    assert prompts[91] == ["single broad thing1, wide, in a white background"]
    assert len(prompts) == NUM_CLASSES + 2


def test_every_image_is_asked_for_by_its_own_classs_prompts(inputs, tmp_path) -> None:
    (tmp_path / "budget").mkdir()
    counts = [1, 3] + [0] * (NUM_CLASSES - 2) + [0, 1]
    (tmp_path / "budget" / "result.json").write_text(json.dumps({"counts": counts}))
    config = GenerateConfig(num_steps=1, guidance_scale=1, size_px=64, precision="float32", pool="divergen")
    folder = inputs.folder("classes")
    run(generate, inputs, config, tmp_path / "out", split=folder, prompts=folder, budget=tmp_path / "budget")
    prompts, real = read_prompts(folder), classes_of(inputs)
    found = [(image.category_id, image.prompt) for image in read_images(tmp_path / "out")]
    assert found == [
        (real[0]["id"], prompts[real[0]["id"]][0]),
        *((real[1]["id"], words) for words in ("a moon", "a red moon", "a moon")),
        (91, prompts[91][0]),
    ]


def test_every_training_object_is_embedded_for_its_own_class(inputs, tmp_path) -> None:
    record = run(embed_crops, inputs, EmbedCropsConfig(crop=CropConfig(padding_px=4, blur_px=2)), tmp_path / "crops")
    counts = {str(one["id"]): one["instance_count"] for one in classes_of(inputs) if one["instance_count"]}
    assert record["crops"] == counts
    crops = read_crops(tmp_path / "crops")
    assert {str(key): len(rows) for key, rows in crops.items()} == counts
    few = run(embed_crops, inputs, EmbedCropsConfig(max_crops=1), tmp_path / "few")
    assert set(few["crops"].values()) == {1}


def test_objects_are_compared_with_real_ones_of_their_own_class(inputs, tmp_path) -> None:
    """The crops of one class are its own pictures, those of the others are their opposites: only that class gets in."""
    images = list(read_images(inputs.folder("images")))
    picture_NHW3 = np.stack([image.image_HW3 for image in images])
    cutter, scorer = load_cutout(CHECKPOINTS / "cutout"), ClipScorer.from_pretrained(CHECKPOINTS / "clip")
    soft_NHW = cutter.soft_mask(torch.from_numpy(picture_NHW3).permute(0, 3, 1, 2).float() / 255).numpy()
    embedded_ND = scorer.embed_images(list(picture_NHW3 * (soft_NHW >= 0.5)[..., None])).numpy()
    ids = sorted({image.category_id for image in images})
    sign = {key: 1.0 if key == ids[1] else -1.0 for key in ids}
    (tmp_path / "crops").mkdir()
    rows = {
        str(key): sign[key] * embedded_ND[[image.category_id == key for image in images]].mean(0, keepdims=True)
        for key in ids
    }
    save_file(
        {key: np.ascontiguousarray(value) for key, value in rows.items()}, tmp_path / "crops" / "crops.safetensors"
    )
    rule = DiverGenCutting(filter=SimilarityFilterConfig(min_similarity=0.0))
    record = run(cut, inputs, CutStageConfig(rule=rule), tmp_path / "out", crops=tmp_path / "crops")
    assert set(record["accepted"]) == {str(ids[1])}
    assert all("clip_score" in record["outcomes"][str(key)] for key in ids if key != ids[1])


def test_several_cutters_compete_for_every_image(inputs, tmp_path) -> None:
    rule = XPasteCutting(filter=XPasteFilterConfig(max_clip_bar=-100))
    both = CutStageConfig(rule=rule, cutters=("cutter", "sam_middle"))
    record = run(cut, inputs, both, tmp_path / "both")
    assert sum(record["chosen"].values()) == record["generated"]
    assert min(record["chosen"].values()) > 0
    assert "chosen" not in run(cut, inputs, CutStageConfig(rule=rule), tmp_path / "one")


def test_u2net_and_clipseg_compete_in_the_stage(inputs, tmp_path, monkeypatch) -> None:
    """Loaded from the files that the roles name; U2-Net at the size of the official small one."""
    (tmp_path / "clipseg").mkdir()
    save_clipseg(tmp_path / "clipseg")
    save_small_u2net(tmp_path / "u2net.pth")
    monkeypatch.setattr(U2Net.__init__, "__defaults__", (SMALL_DOWN, SMALL_UP))
    rule = XPasteCutting(filter=XPasteFilterConfig(max_clip_bar=-100, min_area_fraction=0, max_area_fraction=1))
    config = CutStageConfig(rule=rule, cutters=("u2net", "clipseg"))
    record = run(cut, inputs, config, tmp_path / "cut", u2net=tmp_path / "u2net.pth", clipseg=tmp_path / "clipseg")
    assert record["chosen"].keys() == {"u2net", "clipseg"}
    assert sum(record["chosen"].values()) == record["generated"] > 0


def test_one_rule_alone_can_choose() -> None:
    with pytest.raises(ValueError, match="rule mrca cuts by one network"):
        CutStageConfig(cutters=("cutter", "sam_middle"))


def test_extra_classes_have_no_part_in_the_energy(inputs, tmp_path) -> None:
    model = CenterNet2.from_pretrained(inputs.folder("current") / "model")
    wider = with_extra_classes(
        model, model.config.model_copy(update={"extra_classes": 2}), torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        wider.cascade.heads[-1].classifier.bias[NUM_CLASSES : NUM_CLASSES + 2] = 50.0
    wider.save_pretrained(tmp_path / "wider" / "model")
    config = EnergyGapConfig(short_side_px=80, long_side_px=80)
    plain = run(energy_gap, inputs, config, tmp_path / "plain", model=inputs.folder("current"))
    extra = run(energy_gap, inputs, config, tmp_path / "extra", model=tmp_path / "wider")
    assert extra == pytest.approx(plain)
    assert plain["gap"] == pytest.approx(plain["val"] - plain["train"])
    assert plain["train"] != plain["val"]
    assert plain["num_train_boxes"] == sum(one["instance_count"] for one in classes_of(inputs))


def config(**changes: Any) -> TrainConfig:
    settings = {
        "segmenter": centernet2_miniature(NUM_CLASSES).model_copy(update={"extra_classes": 2}),
        "recipe": miniature_training_recipe().model_copy(update={"batch_size": 2, "iterations": 1}),
        "augmentation": AugmentConfig(size_px=64, min_scale=1.0, max_scale=1.2),
        "pasting": XPastePasting(sampler=XPasteSamplerConfig(min_objects_per_image=3, max_objects_per_image=3)),
        "start": "weights",
        "phase": "main",
        "last_iteration": 1,
    }
    return TrainConfig(**{**settings, **changes})


def test_a_training_goes_on_from_a_model_without_extra_classes(inputs, tmp_path) -> None:
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "model").symlink_to(inputs.folder("current") / "model")
    (tmp_path / "start" / "result.json").write_text('{"iterations_total": 5}')
    record = run(train, inputs, config(), tmp_path / "out", start=tmp_path / "start")
    assert record["iterations_total"] == 6
    saved = CenterNet2.from_pretrained(tmp_path / "out" / "model")
    assert (saved.config.num_classes, saved.config.extra_classes) == (NUM_CLASSES, 2)
    assert saved.cascade.class_weight_C[-2:].tolist() == pytest.approx([7**0.5, 14**0.5])


def test_extra_objects_are_pasted_under_their_own_names(inputs) -> None:
    images = TrainingImages(inputs, config(), Seeds())
    found = {index for number in range(6) for index in images.classes_of_objects(number)}
    assert found == {0, NUM_CLASSES, NUM_CLASSES + 1}
    names = {name for number in range(6) for name in images.sample(number, 0)[2]["names"].values()}
    assert "broad thing0" in names


def test_real_objects_come_from_another_image(inputs) -> None:
    pasting = config().pasting.model_copy(update={"real": RealPastingConfig(share=1)})
    images = TrainingImages(inputs, config(pasting=pasting), Seeds())
    others = [images._donor(number) for number in range(8)]
    own = [images.real[images.order.image_index(number)][0] for number in range(8)]
    assert (
        sum(
            one.image_HW3.shape != mine.shape or bool((one.image_HW3 != mine).any())
            for one, mine in zip(others, own, strict=True)
            if one is not None
        )
        >= 4
    )
    assert TrainingImages(inputs, config(), Seeds())._donor(0) is None

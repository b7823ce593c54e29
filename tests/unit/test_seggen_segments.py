"""Segments of real and generated images as targets, and the training on them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.coco_panoptic import open_coco_panoptic
from methods.common.miniature.coco_panoptic_view import DrawCocoPanopticConfig, draw_coco_panoptic
from methods.common.seeds import Seeds
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.instance.segmenters import load_segmenter
from methods.common.stage import Inputs, LocalContext
from methods.common.training.poly_recipe import PolyRecipe
from methods.seggen.mixed_segments import MixedSegments
from methods.seggen.mixing import MixedOrder, count_draws
from methods.seggen.mixing_config import MixedSegmentsSource
from methods.seggen.stages.train_panoptic import SegGenTrainPanopticConfig, train_panoptic
from tests.unit.labelled_data import refusal
from tests.unit.mask2former_scenes import config as small_network

REAL = MixedSegmentsSource(p_aug=0)
MIXED = MixedSegmentsSource(p_aug=0.5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    config = DrawCocoPanopticConfig(num_train=10, num_val=1, num_things=3, image_size_px=32, crowd_share=0.9)
    draw_coco_panoptic(Inputs(), config, LocalContext(folder, Seeds(data=1)))
    return folder


@pytest.fixture(scope="module")
def pairs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard with one gray picture for each real image, of its own segments."""
    folder = tmp_path_factory.mktemp("pairs")
    for part in ("images", "masks/seggen"):
        (folder / part).mkdir(parents=True)
    real = open_coco_panoptic(data, "train2017")
    (folder / "classes.json").write_text(json.dumps(real.class_names))
    lines = []
    for index in range(len(real)):
        name, ids = f"{real.name(index)}_i0", real[index].segment_HW
        Image.fromarray(np.full((*ids.shape, 3), 127, np.uint8)).save(folder / "images" / f"{name}.png")
        rgb = np.stack([ids & 255, (ids >> 8) & 255, ids >> 16], -1).astype(np.uint8)
        Image.fromarray(rgb).save(folder / "masks" / "seggen" / f"{name}.png")
        listed = [
            {"id": one.id, "category_id": real.categories[one.category].id, "iscrowd": int(one.is_crowd)}
            for one in real.segments(index)
        ]
        line = {"id": name, "classes": [], "of": real.name(index), "strategy": "ImgSyn", "segments_info": listed}
        lines.append(json.dumps(line))
    (folder / "pairs.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def opened(source: MixedSegmentsSource, data: Path, *pairs: Path) -> MixedSegments:
    return source.open(Inputs({"data": [data], "pairs": list(pairs)}), Seeds())


def test_targets_are_the_segments_without_crowds_things_one_by_one_and_stuff_at_once(data: Path) -> None:
    real, images = open_coco_panoptic(data, "train2017"), opened(REAL, data)
    crowds = void = 0
    assert len(images) == 10
    assert images.num_classes == len(real.class_names) == 11
    for index in range(10):
        sample = real[index]
        image_HW3, instances = images[index]
        wanted = [one for one in sample.segments if not one.is_crowd]
        crowds, void = crowds + len(sample.segments) - len(wanted), void + int((sample.segment_HW == 0).sum())
        assert np.array_equal(image_HW3, sample.image_HW3)
        assert instances.class_N.tolist() == images.classes(index) == [one.category for one in wanted]
        assert np.array_equal(instances.mask_NHW, [sample.segment_HW == one.id for one in wanted])
        stuff = [one.category for one in wanted if not real.is_thing[one.category]]
        assert len(stuff) == len(set(stuff))
        outside = ~np.isin(sample.segment_HW, [one.id for one in wanted])
        assert not instances.mask_NHW.any(0)[outside].any()
    assert min(crowds, void) > 0


def test_for_instances_the_things_are_taught_alone(data: Path) -> None:
    real, images = open_coco_panoptic(data, "train2017"), opened(REAL.model_copy(update={"segments": "things"}), data)
    assert images.num_classes == 3
    names = [name for name, thing in zip(real.class_names, real.is_thing, strict=True) if thing]
    for index in range(10):
        wanted = [one for one in real.segments(index) if real.is_thing[one.category] and not one.is_crowd]
        assert [names[label] for label in images.classes(index)] == [real.class_names[one.category] for one in wanted]


def test_generated_images_follow_the_real_ones_with_their_own_segments(data: Path, pairs: Path) -> None:
    images = opened(MIXED, data, pairs)
    assert len(images) == 20
    assert list(images.pool.image_of) == list(range(10))
    for index in range(10):
        real_HW3, real = images[index]
        generated_HW3, generated = images[10 + index]
        assert (generated_HW3 == 127).all()
        assert not np.array_equal(real_HW3, generated_HW3)
        assert np.array_equal(generated.mask_NHW, real.mask_NHW)
        assert images.classes(10 + index) == images.classes(index)


def test_pairs_that_do_not_fit_are_refused(data: Path, pairs: Path, tmp_path: Path) -> None:
    def changed(name: str, change) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for part in ("images", "masks", "classes.json"):
            (folder / part).symlink_to(pairs / part)
        lines = [change(json.loads(line)) for line in (pairs / "pairs.jsonl").read_text().splitlines()]
        (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return folder

    without = changed("without", lambda line: {key: line[key] for key in line if key != "segments_info"})
    assert "has no list `segments_info`" in refusal(lambda: opened(MIXED, data, without))
    strange = changed("strange", lambda line: line | {"segments_info": [{"id": 1, "category_id": 999}]})
    assert "of a category that the real images do not have" in refusal(lambda: opened(MIXED, data, strange))


def test_the_training_draws_both_and_counts_them(data: Path, pairs: Path, tmp_path: Path) -> None:
    network = small_network().model_copy(update={"num_classes": 11, "stuff_classes": tuple(range(3, 11))})
    recipe = PolyRecipe(iterations=3, batch_size=4, base_lr=1e-3, max_gradient_norm=1.0)
    settings = SegGenTrainPanopticConfig(
        segmenter=network, recipe=recipe, augmentation=AugmentConfig(size_px=32), source=MIXED, samples_before=7
    )
    roles = {"data": [data], "pairs": [pairs]}
    (tmp_path / "out").mkdir()
    record = train_panoptic(Inputs(roles), settings, LocalContext(tmp_path / "out"))
    images = opened(MIXED, data, pairs)
    order = MixedOrder(images.pool, MIXED, Seeds())
    assert record["drawn"] == count_draws(order, 7, 12, images.pool.strategy_of)
    assert 0 < record["drawn"]["shares"]["ImgSyn"] < 1
    assert record["num_images"] == 20
    assert record["loss_last"] > 0
    model = load_segmenter(tmp_path / "out" / "model")
    assert model.num_classes == 11
    second = settings.model_copy(update={"source": REAL, "start": "weights", "samples_before": 19})
    (tmp_path / "second").mkdir()
    record = train_panoptic(Inputs(roles | {"start": [tmp_path / "out"]}), second, LocalContext(tmp_path / "second"))
    assert record["drawn"]["shares"] == {"real": 1.0, "MaskSyn": 0.0, "ImgSyn": 0.0}
    wrong = settings.model_copy(update={"segmenter": network.model_copy(update={"stuff_classes": tuple(range(8))})})
    sentence = refusal(lambda: train_panoptic(Inputs(roles), wrong, LocalContext(tmp_path / "wrong")))
    assert "stuff_classes is (0, 1, 2, 3, 4, 5, 6, 7), but the classes without instances" in sentence
    assert "are (3, 4, 5, 6, 7, 8, 9, 10); set it to these" in sentence

"""The LVIS view: long tail, federated labels, official keys."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest

from methods.common.datasets.lvis import read_lvis
from methods.common.datasets.lvis_records import frequency_group
from methods.common.miniature.lvis_view import DrawLvisConfig, assign_classes, draw_lvis, long_tail_counts
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext

SMALL = DrawLvisConfig(num_train_images=60, num_val_images=40, num_categories=12, image_size_px=64, max_radius_px=16)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    out = tmp_path_factory.mktemp("lvis")
    record = draw_lvis(Inputs(), SMALL, LocalContext(out, Seeds(data=3)))
    return out, record


def test_default_tail_has_every_frequency_group_and_many_rare_classes():
    counts = long_tail_counts(600, 36, 0.45, 0.75)
    groups = Counter(frequency_group(count) for count in counts)
    assert counts[0] == 270
    assert counts[-1] == 1
    assert counts == sorted(counts, reverse=True)
    assert groups["r"] >= 12
    assert groups["c"] >= 8
    assert groups["f"] >= 3


def test_assignment_gives_each_class_its_images_and_every_image_a_class():
    chosen = assign_classes([1, 3, 10, 20], 30, np.random.default_rng(0))
    assert len(chosen) == 30
    assert all(1 <= len(classes) <= 4 and len(set(classes)) == len(classes) for classes in chosen)
    counts = Counter(category for classes in chosen for category in classes)
    assert [counts[category] for category in range(3)] == [1, 3, 10]
    assert counts[3] >= 20


def test_files_read_back_with_exact_counts(drawn):
    out, record = drawn
    train = read_lvis(out / "train.json", out, check_images="decode")
    val = read_lvis(out / "val.json", out, check_images="decode")
    assert (len(train.images), len(val.images)) == (60, 40)
    assert record["num_train_instances"] == train.num_annotations
    for category in train.categories:
        own = [a for a in train.iter_annotations() if a.category_id == category.id]
        assert category.instance_count == len(own)
        assert category.image_count == len({a.image_id for a in own}) >= 1
        assert category.frequency == frequency_group(category.image_count)
    assert train.categories == val.categories
    in_val = Counter(a.category_id for a in val.iter_annotations())
    assert min(in_val[category.id] for category in val.categories) >= 4


def test_official_keys_and_nothing_but_coco_url(drawn):
    out, _ = drawn
    content = json.loads((out / "train.json").read_text())
    image, annotation, category = content["images"][0], content["annotations"][0], content["categories"][0]
    assert "file_name" not in image
    assert image["coco_url"].endswith("/train2017/000000000001.png")
    assert {"neg_category_ids", "not_exhaustive_category_ids", "height", "width", "id"} <= image.keys()
    assert {"id", "image_id", "category_id", "segmentation", "bbox", "area"} <= annotation.keys()
    official = {"name", "synonyms", "synset", "def", "id", "frequency", "image_count", "instance_count"}
    assert official <= category.keys()


def test_negatives_are_absent_and_listed_classes_are_marked(drawn):
    out, _ = drawn
    val = read_lvis(out / "val.json", out)
    listed = 0
    for image in val.images:
        marked = {a.category_id for a in val.annotations[image.id]}
        assert not marked & set(image.neg_category_ids)
        assert set(image.not_exhaustive_category_ids) <= marked
        assert len(image.neg_category_ids) == min(SMALL.num_val_negatives, 12 - len(marked))
        listed += len(image.not_exhaustive_category_ids)
    assert listed >= 1


def test_masks_fit_their_images(drawn):
    out, _ = drawn
    train = read_lvis(out / "train.json", out)
    for image in train.images[:10]:
        picture = cv2.imread(str(train.image_path(image)))
        assert picture.shape == (image.height, image.width, 3)
        masks = [a.mask(image.height, image.width) for a in train.annotations[image.id]]
        assert np.sum(masks, axis=0).max() == 1


def test_the_data_seed_decides_everything(tmp_path):
    tiny = SMALL.model_copy(update={"num_train_images": 6, "num_val_images": 4})
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = tmp_path / name
        folder.mkdir()
        draw_lvis(Inputs(), tiny, LocalContext(folder, Seeds(data=seed, training=len(texts))))
        texts.append((folder / "train.json").read_text())
    assert texts[0] == texts[1] != texts[2]
    same = (tmp_path / "a/train2017/000000000001.png").read_bytes()
    assert same == (tmp_path / "b/train2017/000000000001.png").read_bytes()

"""Reading, checking and writing LVIS files."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools import mask as coco_mask

from methods.common.datasets.lvis import annotation_from_mask, frequency_group, read_lvis, write_lvis
from methods.common.datasets.rle import decode_mask, encode_mask, rle_fault, runs_to_rle, sum_runs
from methods.common.errors import InputError

SQUARE = [[2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0]]


def small_file() -> dict[str, Any]:
    """Two classes with ids apart, two images (one without instances), one polygon and one run-length mask."""
    half = np.zeros((8, 10), bool)
    half[:, :5] = True
    images = [
        {"id": 7, "width": 10, "height": 8, "coco_url": "http://images.cocodataset.org/train2017/000000000007.jpg"},
        {"id": 3, "width": 10, "height": 8, "coco_url": "http://images.cocodataset.org/val2017/000000000003.jpg"},
    ]
    for image in images:
        image |= {"neg_category_ids": [90], "not_exhaustive_category_ids": []}
    shared = {"image_id": 7, "category_id": 12}
    return {
        "info": {},
        "licenses": [],
        "images": images,
        "annotations": [
            {"id": 1, **shared, "segmentation": deepcopy(SQUARE), "bbox": [2, 1, 4.0, 3.0], "area": 12.0},
            {"id": 2, **shared, "segmentation": encode_mask(half), "bbox": [0, 0, 5, 8], "area": 40},
        ],
        "categories": [
            {"id": 90, "name": "cart_(golf)", "frequency": "c", "image_count": 11, "instance_count": 20},
            {"id": 12, "name": "b", "frequency": "r", "synonyms": ["bee"], "synset": "b.n.01", "def": "an insect"},
        ],
    }


def written(folder: Path, content: Any) -> Path:
    path = folder / "train.json"
    path.write_text(json.dumps(content))
    return path


def test_fields_order_and_masks(tmp_path: Path) -> None:
    dataset = read_lvis(written(tmp_path, small_file()))
    assert dataset.class_ids == [12, 90]
    assert dataset.class_index == {12: 0, 90: 1}
    assert [category.plain_name for category in dataset.classes] == ["b", "cart golf"]
    assert dataset.annotations[3] == []
    square, half = dataset.annotations[7]
    expected = np.zeros((8, 10), bool)
    expected[1:4, 2:6] = True
    np.testing.assert_array_equal(square.mask(8, 10), expected)
    assert half.mask(8, 10)[:, :5].all()
    assert half.mask(8, 10).sum() == half.area == 40
    assert square.bbox_xywh == (2.0, 1.0, 4.0, 3.0)


def test_written_file_has_the_official_keys_and_reads_back(tmp_path: Path) -> None:
    first = read_lvis(written(tmp_path, small_file()))
    write_lvis(first, tmp_path / "again.json")
    raw = json.loads((tmp_path / "again.json").read_text())
    assert set(raw["images"][0]) == {
        "id",
        "width",
        "height",
        "coco_url",
        "neg_category_ids",
        "not_exhaustive_category_ids",
    }
    assert set(raw["annotations"][0]) == {"id", "image_id", "category_id", "segmentation", "bbox", "area"}
    assert set(raw["categories"][0]) == {
        "id",
        "name",
        "synonyms",
        "synset",
        "def",
        "frequency",
        "image_count",
        "instance_count",
    }
    again = read_lvis(tmp_path / "again.json")
    assert (again.images, again.categories) == (first.images, first.categories)
    for one, two in zip(first.iter_annotations(), again.iter_annotations(), strict=True):
        assert (one.id, one.category_id, one.bbox_xywh, one.area) == (two.id, two.category_id, two.bbox_xywh, two.area)
        np.testing.assert_array_equal(one.mask(8, 10), two.mask(8, 10))


def set_field(part: str, index: int, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content[part][index][key] = value

    return change


def drop_field(part: str, index: int, key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[part][index].pop(key)


SHIFTED = [[value + 20 for value in SQUARE[0]]]
FAULTS: list[tuple[Callable[[dict[str, Any]], Any], list[str]]] = [
    (lambda content: content.pop("categories"), ["no annotation file of COCO or LVIS", "`categories`"]),
    (set_field("images", 0, "neg_category_ids", [5]), ["image 7", "`neg_category_ids`", "category 5"]),
    (set_field("images", 1, "not_exhaustive_category_ids", ["x"]), ["image 3", "`not_exhaustive_category_ids`"]),
    (drop_field("images", 1, "neg_category_ids"), ["image 3", "`neg_category_ids`", "missing"]),
    (set_field("images", 1, "id", 7), ["image 7", "`id`", "earlier record"]),
    (set_field("images", 0, "width", 0), ["image 7", "`width`", "is 0"]),
    (set_field("images", 0, "height", "8"), ["image 7", "`height`", "'8'"]),
    (set_field("images", 0, "coco_url", 4), ["image 7", "`coco_url`"]),
    (set_field("categories", 1, "frequency", "x"), ["category 12", "`frequency`", "'x'"]),
    (set_field("categories", 0, "name", " "), ["category 90", "`name`"]),
    (set_field("categories", 1, "id", 90), ["category 90", "`id`"]),
    (set_field("categories", 1, "synonyms", "bee"), ["category 12", "`synonyms`"]),
    (set_field("annotations", 1, "id", 1), ["annotation 1", "`id`"]),
    (set_field("annotations", 0, "image_id", 8), ["annotation 1", "`image_id`", "is 8"]),
    (set_field("annotations", 0, "category_id", 1204), ["annotation 1", "`category_id`", "is 1204"]),
    (set_field("annotations", 0, "category_id", -1), ["annotation 1", "`category_id`", "is -1"]),
    (set_field("annotations", 0, "category_id", True), ["annotation 1", "`category_id`", "True"]),
    (set_field("annotations", 0, "category_id", 2**80), ["annotation 1", "`category_id`"]),
    (drop_field("annotations", 1, "area"), ["annotation 2", "`area`", "missing"]),
    (set_field("annotations", 1, "area", 10**400), ["annotation 2", "`area`", "greater than any number"]),
    (set_field("images", 0, "neg_category_ids", [2**70]), ["image 7", "`neg_category_ids`", "category 1180591620"]),
    (set_field("annotations", 1, "area", float("nan")), ["annotation 2", "`area`"]),
    (set_field("annotations", 1, "bbox", [0, 0, -1, 2]), ["annotation 2", "`bbox`", "negative"]),
    (set_field("annotations", 1, "bbox", [0, float("inf"), 1, 2]), ["annotation 2", "`bbox`", "finite"]),
    (set_field("annotations", 1, "bbox", [0, 0, 1]), ["annotation 2", "`bbox`"]),
    (set_field("annotations", 1, "bbox", [0, 0, 1, None]), ["annotation 2", "`bbox`"]),
    (set_field("annotations", 1, "bbox", [0, 0, 30, 2]), ["annotation 2", "`bbox`", "outside"]),
    (set_field("annotations", 0, "segmentation", [[1, 1, 5, 1, 5, 5, 1]]), ["annotation 1", "odd number"]),
    (set_field("annotations", 0, "segmentation", [SQUARE[0], [1, 1, 5, 5]]), ["annotation 1", "fewer than 6"]),
    (set_field("annotations", 0, "segmentation", [[1, 1, 5, 1, 5, float("nan")]]), ["annotation 1", "not finite"]),
    (set_field("annotations", 0, "segmentation", [["1", 1, 5, 1, 5, 5]]), ["annotation 1", "`segmentation`"]),
    (set_field("annotations", 0, "segmentation", [1, 1, 5, 1, 5, 5]), ["annotation 1", "`segmentation`"]),
    (set_field("annotations", 0, "segmentation", SHIFTED), ["annotation 1", "outside its image"]),
    (set_field("annotations", 0, "segmentation", []), ["annotation 1", "is empty"]),
    (set_field("annotations", 0, "segmentation", [[1, 1, 5, 5, 3, 3]]), ["annotation 1", "no area"]),
    (set_field("annotations", 0, "segmentation", [[-1, 1, 0, 1, 0, 5, -1, 5]]), ["annotation 1", "no area"]),
    (set_field("annotations", 0, "segmentation", None), ["annotation 1", "`segmentation`"]),
    (set_field("annotations", 1, "segmentation", runs_to_rle([80], 8, 10)), ["annotation 2", "empty mask"]),
    (set_field("annotations", 1, "segmentation", runs_to_rle([0, 80], 10, 8)), ["annotation 2", "has size [10, 8]"]),
    (set_field("annotations", 1, "segmentation", runs_to_rle([0, 79], 8, 10)), ["annotation 2", "add up"]),
    (set_field("annotations", 1, "segmentation", {"size": [8, 10], "counts": "~~"}), ["annotation 2", "add up"]),
    (
        set_field("annotations", 1, "segmentation", {"size": [8, 10], "counts": [3, -3, 80]}),
        ["annotation 2", "negative run"],
    ),
    (set_field("annotations", 1, "segmentation", {"size": None, "counts": "x"}), ["annotation 2", "has size None"]),
    (set_field("annotations", 1, "segmentation", {"size": [8, 10], "counts": 3}), ["annotation 2", "counts"]),
    (set_field("annotations", 1, "segmentation", {"counts": "x"}), ["annotation 2", "`segmentation`"]),
    (lambda content: content.update(annotations=[]), ["no annotation"]),
    (lambda content: content.update(images=[], annotations=[]), ["`images` is empty"]),
    (lambda content: content.update(annotations={}), ["`annotations` is not a list"]),
    (lambda content: content.update(categories=[]), ["`categories` is empty"]),
    (lambda content: content.update(categories={"1": "a"}), ["`categories` is not a list"]),
    (lambda content: content.update(images=[3]), ["entry 0 of `images`"]),
]


@pytest.mark.parametrize(("damage", "words"), FAULTS, ids=[" ".join(words)[:60] for _, words in FAULTS])
def test_fault_is_named(tmp_path: Path, damage: Callable[[dict[str, Any]], Any], words: list[str]) -> None:
    content = small_file()
    damage(content)
    path = written(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_lvis(path)
    message = str(caught.value)
    assert str(path) in message
    assert all(word in message for word in words), message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "[" * 100_000, '{"images": []}', "\ufeff{}"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"train\.json"):
        read_lvis(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_lvis(tmp_path / "absent.json")


def test_points_a_little_outside_and_plain_run_lists_are_taken(tmp_path: Path) -> None:
    content = small_file()
    content["annotations"][0]["segmentation"] = [[-1.5, -1.5, 11.5, -1.5, 11.5, 9.5, -1.5, 9.5]]
    content["annotations"][1]["segmentation"] = {"size": [8, 10], "counts": [40, 16, 24]}
    overhanging, runs = read_lvis(written(tmp_path, content)).annotations[7]
    assert overhanging.mask(8, 10).all()
    assert np.flatnonzero(runs.mask(8, 10).any(0)).tolist() == [5, 6]


def test_ground_truth_may_hold_no_instance(tmp_path: Path) -> None:
    content = small_file() | {"annotations": []}
    assert read_lvis(written(tmp_path, content), allow_no_annotations=True).num_annotations == 0


def put_images(folder: Path, *relative: str) -> None:
    for name in relative:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 8)).save(folder / name)


def test_images_are_found_by_url_then_file_name_then_last_part(tmp_path: Path) -> None:
    content = small_file()
    content["images"][0]["file_name"] = "elsewhere/a.jpg"
    put_images(tmp_path, "000000000003.jpg", "elsewhere/a.jpg", "train2017/000000000007.jpg")
    dataset = read_lvis(written(tmp_path, content), tmp_path, "decode")
    paths = [dataset.image_path(image).relative_to(tmp_path).as_posix() for image in dataset.images]
    assert paths == ["train2017/000000000007.jpg", "000000000003.jpg"]
    (tmp_path / "train2017/000000000007.jpg").unlink()
    assert dataset.image_path(dataset.images[0]).name == "a.jpg"


@pytest.mark.parametrize("check", ["exists", "decode"])
def test_missing_image_is_named(tmp_path: Path, check: Any) -> None:
    put_images(tmp_path, "train2017/000000000007.jpg")
    with pytest.raises(InputError, match=r"image 3: there is no file .*val2017/000000000003\.jpg"):
        read_lvis(written(tmp_path, small_file()), tmp_path, check)


@pytest.mark.parametrize("check", ["exists", "decode"])
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_truncated_and_resized_images_are_named(tmp_path: Path, check: Any, ending: str) -> None:
    content = small_file()
    content["images"][1]["coco_url"] = f"http://images.cocodataset.org/val2017/000000000003.{ending}"
    put_images(tmp_path, "train2017/000000000007.jpg", f"val2017/000000000003.{ending}")
    path = written(tmp_path, content)
    victim = tmp_path / f"val2017/000000000003.{ending}"
    read_lvis(path, tmp_path, check)
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-8])
    with pytest.raises(InputError, match=r"image 3: .*truncated"):
        read_lvis(path, tmp_path, check)
    Image.new("RGB", (8, 10)).save(victim)
    with pytest.raises(InputError, match="is 8x10 but fields `width`, `height` say 10x8"):
        read_lvis(path, tmp_path, check)


def test_path_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    content = small_file()
    content["images"][0]["file_name"] = "../secret.jpg"
    with pytest.raises(InputError, match="out of the image folder"):
        read_lvis(written(tmp_path, content), tmp_path)


@pytest.mark.parametrize(("count", "group"), [(0, "r"), (1, "r"), (10, "r"), (11, "c"), (100, "c"), (101, "f")])
def test_frequency_rule(count: int, group: str) -> None:
    assert frequency_group(count) == group


masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


@settings(deadline=None)
@given(masks)
def test_run_lengths_round_trip(mask_HW: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_mask(encode_mask(mask_HW)), mask_HW)


@settings(max_examples=50, deadline=None)
@given(st.lists(masks, max_size=6), st.integers(1, 4))
def test_sums_of_runs_need_no_decoding(many: list[np.ndarray], block: int) -> None:
    sums = sum_runs([encode_mask(mask)["counts"] for mask in many], block)
    assert sums.sound.all()
    assert sums.area.tolist() == [mask.sum() for mask in many]
    assert sums.covered.tolist() == [mask.size for mask in many]


@settings(deadline=None)
@given(st.text(max_size=12))
def test_no_text_passes_that_pycocotools_would_read_differently(text: str) -> None:
    if rle_fault({"size": [6, 5], "counts": text}, 6, 5) is None:
        decoded = coco_mask.decode({"size": [6, 5], "counts": text})
        assert decoded.shape == (6, 5)
        assert decoded.sum() == sum_runs([text]).area[0]


@settings(deadline=None)
@given(masks.filter(lambda mask: mask.any()))
def test_annotation_from_mask_has_tight_box_and_area(mask_HW: np.ndarray) -> None:
    annotation = annotation_from_mask(1, 2, 3, mask_HW)
    x, y, width, height = map(int, annotation.bbox_xywh)
    assert mask_HW[y : y + height, x : x + width].sum() == mask_HW.sum() == annotation.area
    assert list(annotation.bbox_xywh) == coco_mask.toBbox(annotation.segmentation).tolist()


def test_real_v05_file(shared: Path, tmp_path: Path) -> None:
    source = shared / "data/lvis/lvis_val_100.json"
    raw = json.loads(source.read_text())
    dataset = read_lvis(source)
    assert (len(dataset.images), dataset.num_annotations, len(dataset.class_ids)) == (100, 977, 1230)
    for image in raw["images"]:
        del image["file_name"]
    as_v1 = read_lvis(written(tmp_path, raw))
    as_v1.image_root = tmp_path
    assert as_v1.image_candidates(as_v1.images[0])[0] == tmp_path / "val2017/000000266409.jpg"
    sizes = {image.id: (image.height, image.width) for image in dataset.images}
    drawn = [annotation.mask(*sizes[annotation.image_id]).sum() for annotation in dataset.iter_annotations()]
    stated = [annotation.area for annotation in dataset.iter_annotations()]
    assert np.median(np.abs(np.array(drawn) / np.array(stated) - 1)) < 0.01


def test_emoji_files(shared: Path) -> None:
    root = shared / "data/emoji_lvis"
    train = read_lvis(root / "train.json", root, "decode")
    val = read_lvis(root / "val.json", root)
    assert (len(train.images), train.num_annotations) == (321, 794)
    assert (len(val.images), val.num_annotations) == (400, 1015)
    assert train.class_ids == val.class_ids

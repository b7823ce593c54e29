"""Own data with instance masks: what tools export is read with the right values, and what would train wrong is one sentence."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.lvis_records import LvisDataset
from methods.common.datasets.own.reading import OwnData, count_own, read_own
from methods.common.datasets.rle import encode_mask
from methods.common.errors import InputError
from tests.unit.labelled_data import refusal
from tests.unit.own_instances import HEIGHT, WIDTH, Document, in_train, in_val, outline, write_own


def read(folder: Path) -> OwnData:
    return read_own(folder, "decode")


def found_images(dataset: LvisDataset) -> list[str]:
    assert dataset.image_root is not None
    return [dataset.image_path(image).relative_to(dataset.image_root).as_posix() for image in dataset.images]


LAYOUTS = {
    "this project's": (("train.json", "val.json"), ("train", "val")),
    "COCO's": (
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
        ("train2017", "val2017"),
    ),
    "mmdet's, Ultralytics'": (
        ("annotations/instances_train.json", "annotations/instances_val.json"),
        ("images/train", "images/val"),
    ),
    "Roboflow's": (("train/_annotations.coco.json", "valid/_annotations.coco.json"), ("train", "valid")),
    "FiftyOne's": (("train/labels.json", "validation/labels.json"), ("train/data", "validation/data")),
    "Label Studio's, an export a split": (("train/result.json", "val/result.json"), ("train/images", "val/images")),
    "CVAT's, an export a split": (
        ("train/annotations/instances_default.json", "val/annotations/instances_default.json"),
        ("train/images/default", "val/images/default"),
    ),
    "labelme2coco's": (("train.json", "val.json"), ("pictures", "pictures")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_tools_layout_is_read_as_it_comes(tmp_path: Path, layout: str) -> None:
    files, places = LAYOUTS[layout]
    data = read(write_own(tmp_path, files, places))
    for own, split, place in zip((data.train, data.val), ("train", "val"), places, strict=True):
        assert own.dataset.annotation_file == tmp_path / files[split == "val"]
        assert found_images(own.dataset) == [f"{place}/{split}_{number}.png" for number in (1, 2, 3)]
        assert own.dataset.num_annotations == 6
    assert count_own(tmp_path) == ({1: "cat", 2: "dog"}, 3)


def test_what_lvis_has_beyond_coco_is_derived_and_said(tmp_path: Path) -> None:
    def change(content: Document, split: str) -> None:
        content["annotations"] = [a for a in content["annotations"] if (a["image_id"], a["category_id"]) != (2, 2)]

    data = read(write_own(tmp_path, change=change))
    first, second, _ = data.train.dataset.images
    assert (first.neg_category_ids, second.neg_category_ids) == ((), (2,))
    assert first.not_exhaustive_category_ids == ()
    assert [category.frequency for category in data.val.dataset.classes] == ["r", "r"]
    assert any("`frequency` of 2 classes is derived" in note for note in data.notes)
    assert any("`neg_category_ids` of 3 images are derived" in note for note in data.notes)
    assert data.val.changed


def test_groups_are_those_of_the_training_file(tmp_path: Path) -> None:
    def many(content: Document) -> None:
        [one] = [image for image in content["images"] if image["id"] == 1]
        cat = content["annotations"][0]
        for number in range(10, 21):
            content["images"].append({**one, "id": number})
            content["annotations"].append({**cat, "id": 100 + number, "image_id": number})

    data = read(write_own(tmp_path, change=in_train(many)))
    assert [category.frequency for category in data.train.dataset.classes] == ["c", "r"], "14 and 3 training images"
    assert [category.frequency for category in data.val.dataset.classes] == ["c", "r"], "though val has 3 of each"


def test_crowds_are_neither_trained_on_nor_rated(tmp_path: Path) -> None:
    def change(content: Document, split: str) -> None:
        content["annotations"][1]["iscrowd"] = 1  # the dog of image 1

    data = read(write_own(tmp_path, change=change))
    for own in (data.train, data.val):
        assert [one.category_id for one in own.dataset.annotations[1]] == [1]
        image = own.dataset.images[0]
        assert (image.neg_category_ids, image.not_exhaustive_category_ids) == ((), (2,))
    assert "train.json: 1 of 6 annotations are crowds" in " ".join(data.notes)
    every = write_own(tmp_path / "all", change=lambda content, _: [a.update(iscrowd=1) for a in content["annotations"]])
    assert "all 6 annotations are crowds" in refusal(lambda: read(every))


def test_boxes_without_outline_are_left_open(tmp_path: Path) -> None:
    def change(content: Document) -> None:
        content["annotations"][1]["segmentation"] = []
        del content["annotations"][3]["segmentation"]

    data = read(write_own(tmp_path, change=in_train(change)))
    assert [len(found) for found in data.train.dataset.annotations.values()] == [1, 1, 2]
    assert [image.not_exhaustive_category_ids for image in data.train.dataset.images] == [(2,), (2,), ()]
    assert "2 of 6 annotations have a box and no outline" in " ".join(data.notes)
    boxes = write_own(tmp_path / "boxes", change=lambda c, _: [a.pop("segmentation") for a in c["annotations"]])
    assert "none of the 6 annotations has an outline, only boxes" in refusal(lambda: read(boxes))


def test_boxes_areas_and_numbers_may_be_left_out(tmp_path: Path) -> None:
    half_HW = np.zeros((HEIGHT, WIDTH), bool)
    half_HW[2:4, 5:9] = True

    def change(content: Document, split: str) -> None:
        for annotation in content["annotations"]:
            del annotation["bbox"], annotation["area"], annotation["id"]
        content["annotations"][0]["segmentation"] = encode_mask(half_HW)

    first, second, *_ = read(write_own(tmp_path, change=change)).train.dataset.iter_annotations()
    assert (first.id, first.bbox_xywh, first.area) == (1, (5.0, 2.0, 4.0, 2.0), 8.0)
    assert (second.id, second.bbox_xywh, second.area) == (2, (12.0, 8.0, 6.0, 5.0), 30.0)


def test_nulls_are_left_out_and_numbers_from_zero_are_raised(tmp_path: Path) -> None:
    def change(content: Document, split: str) -> None:
        for number, annotation in enumerate(content["annotations"]):
            annotation["id"] = number
        for image in content["images"]:
            image |= {"coco_url": None, "license": None}
        content["categories"][0] |= {"synonyms": None, "frequency": None}

    data = read(write_own(tmp_path, change=change))
    assert [one.id for one in data.train.dataset.iter_annotations()] == [1, 2, 3, 4, 5, 6]
    assert data.train.dataset.images[0].coco_url == ""


def renamed(content: Document, name: str) -> None:
    content["images"][0]["file_name"] = name


NAMES: list[tuple[str, str, str]] = [
    ("blanks as %20", "a%20b.png", "train/a b.png"),
    ("backslashes", "train\\a b.png", "train/a b.png"),
    ("a Windows path", "C:\\Users\\me\\set\\train\\a b.png", "train/a b.png"),
    ("an absolute path", "/home/me/set/train/a b.png", "train/a b.png"),
    ("a path from elsewhere", "../train/a b.png", "train/a b.png"),
    ("another folder, no other file of that name", "images/a b.png", "train/a b.png"),
    (
        "accents as letters of their own",
        unicodedata.normalize("NFD", "é.png"),
        "train/" + unicodedata.normalize("NFC", "é.png"),
    ),
]


@pytest.mark.parametrize(("what", "written", "file"), NAMES, ids=[name for name, _, _ in NAMES])
def test_names_mean_the_file_that_people_mean(tmp_path: Path, what: str, written: str, file: str) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: renamed(content, written)))
    (folder / "train/train_1.png").rename(folder / file)
    data = read(folder)
    assert found_images(data.train.dataset)[0] == file
    (folder / "train/._a b.png").write_bytes(b"of macOS")
    (folder / "__MACOSX/train").mkdir(parents=True)
    (folder / "__MACOSX/train/a b.png").write_bytes(b"")
    assert found_images(read(folder).train.dataset)[0] == file


def test_a_name_in_both_splits_is_the_one_of_its_own(tmp_path: Path) -> None:
    def change(content: Document, split: str) -> None:
        for image in content["images"]:
            image["file_name"] = f"{image['id']}.png"

    folder = write_own(tmp_path, files=("annotations/train.json", "annotations/val.json"))
    for place in ("train", "val"):
        for path in sorted((folder / place).iterdir()):
            path.rename(path.with_name(path.name.removeprefix(f"{place}_")))
    for split in ("train", "val"):
        content = json.loads((folder / f"annotations/{split}.json").read_text())
        change(content, split)
        (folder / f"annotations/{split}.json").write_text(json.dumps(content))
    data = read(folder)
    assert found_images(data.train.dataset)[0] == "train/1.png"
    assert found_images(data.val.dataset)[0] == "val/1.png"
    (folder / "train").rename(folder / "one")
    (folder / "val").rename(folder / "two")
    assert "one/1.png" in (told := refusal(lambda: read(folder)))
    assert "two/1.png may be 1.png; write the folder into its name" in told


def test_files_of_other_folders_are_not_taken_for_missing_ones(tmp_path: Path) -> None:
    """Frames of videos have the same names in every folder."""

    def change(content: Document) -> None:
        content["images"][0]["file_name"] = "b/0001.png"
        content["images"][1]["file_name"] = "a/0001.png"

    folder = write_own(tmp_path, change=in_train(change))
    (folder / "a").mkdir()
    (folder / "train/train_2.png").rename(folder / "a/0001.png")
    assert "image 1: there is no file b/0001.png" in refusal(lambda: read(folder))


def each(change: Callable[[Any], object], part: str = "annotations", step: int = 1) -> Callable[[Document], object]:
    return lambda content: [change(record) for record in content[part][::step]]


def scaled(factor_x: float, factor_y: float) -> Callable[[Any], None]:
    def change(record: Any) -> None:
        [points] = record["segmentation"]
        record["segmentation"] = [[v * (factor_y if k % 2 else factor_x) for k, v in enumerate(points)]]
        x, y, width, height = record["bbox"]
        record["bbox"] = [x * factor_x, y * factor_y, width * factor_x, height * factor_y]

    return change


REFUSED: list[tuple[str, Callable[[Document, str], object], list[str]]] = [
    (
        "names permuted",
        in_val(lambda c: c["categories"][0].update(name="dog") or c["categories"][1].update(name="cat")),
        ["category 1 is 'cat' in", "and 'dog' in", "give a class one id in both files"],
    ),
    ("val lacks one", in_val(lambda c: c["categories"].append({"id": 3, "name": "cow"})), ["lists category 3 ('cow')"]),
    (
        "train lacks one",
        in_train(lambda c: c["categories"].append({"id": 3, "name": "cow"})),
        ["lists category 3 ('cow'), which", "val.json does not"],
    ),
    (
        "frequency differs",
        lambda c, split: [k.update(frequency="r" if split == "train" else "f") for k in c["categories"]],
        ["has the frequency 'r' by", "and 'f' by"],
    ),
    (
        "two classes of one name",
        lambda c, _: c["categories"].append({"id": 3, "name": "cat"}),
        ["categories 1 and 3 are both called 'cat'"],
    ),
    (
        "coordinates in 0..1",
        in_train(each(scaled(1 / WIDTH, 1 / HEIGHT))),
        ["annotation 1: field `segmentation` has coordinates in 0..1 (6 of 6 annotations are so, next 2, 3, 4, ...)"],
    ),
    (
        "boxes in 0..1",
        in_train(each(lambda a: a.update(bbox=[0.1, 0.2, 0.25, 0.3]))),
        ["field `bbox` has coordinates in 0..1", "6 of 6"],
    ),
    (
        "a box elsewhere",
        in_train(lambda c: c["annotations"][2].update(bbox=[15.0, 10.0, 6.0, 5.0])),
        ["annotation 3: field `bbox` does not meet the annotation's outline; write [x, y, width, height]"],
    ),
    (
        "boxes by two corners",
        in_train(each(lambda a: a.update(bbox=[a["bbox"][0], a["bbox"][1], a["bbox"][0] + 6, a["bbox"][1] + 5]))),
        ["field `bbox`", "write [x, y, width, height]"],
    ),
    (
        "boxes by their centre",
        in_train(each(lambda a: a.update(bbox=[a["bbox"][0] + 3, a["bbox"][1] + 2.5, 6.0, 5.0]))),
        ["field `bbox` is written by its centre", "6 of 6"],
    ),
    (
        "two-point parts",
        in_train(each(lambda a: a["segmentation"].append([3, 3, 4, 4]), step=2)),
        ["annotation 1: ", "fewer than 6 numbers (3 of 6 annotations are so, next 3, 5); write x0, y0"],
    ),
    (
        "several rules at once",
        in_train(
            lambda c: (
                c["annotations"][1].update(segmentation=[[1, 1, 5, 5]]),
                c["annotations"][3].update(bbox=[0, 0, -1, 2]),
                c["annotations"][4].update(category_id=9),
            )
        ),
        [
            "annotation 5: field `category_id` is 9",
            "further faults: ",
            "annotation 4: field `bbox` has a negative size",
            "annotation 2: field `segmentation` has a polygon with fewer than 6 numbers",
        ],
    ),
    (
        "faults of images and of annotations",
        in_train(lambda c: (c["images"][0].update(width=0), c["annotations"][5].update(area=-1))),
        ["image 1: field `width` is 0", "annotation 6: field `area` is negative"],
    ),
    (
        "both files",
        lambda c, split: c["annotations"][0].update(area=-1 if split == "train" else "x"),
        ["train.json, annotation 1: field `area` is negative", "val.json, annotation 1: field `area` is 'x'"],
    ),
    (
        "outlines without a pixel",
        in_train(each(lambda a: a.update(segmentation=outline(a["bbox"][0], a["bbox"][1], 0.01, 5)))),
        ["no outline covers a pixel"],
    ),
]


@pytest.mark.parametrize(("what", "change", "words"), REFUSED, ids=[what for what, _, _ in REFUSED])
def test_what_would_train_wrong_is_one_sentence(
    tmp_path: Path, what: str, change: Callable[[Document, str], object], words: list[str]
) -> None:
    folder = write_own(tmp_path, change=change)
    told = refusal(lambda: read(folder))
    for word in words:
        assert word in told, told


def test_a_sliver_among_sound_outlines_is_left_out_and_said(tmp_path: Path) -> None:
    def change(content: Document) -> None:
        content["annotations"][2] |= {"segmentation": outline(2.2, 3, 0.1, 5), "bbox": [2.2, 3, 0.1, 5]}

    data = read(write_own(tmp_path, change=in_train(change)))
    assert [one.id for one in data.train.dataset.iter_annotations()] == [1, 2, 4, 5, 6]
    assert "1 of 6 outlines cover no pixel and are left out (first: annotation 3)" in " ".join(data.notes)


def test_a_file_that_needs_nothing_is_left_as_it_is(tmp_path: Path) -> None:
    def whole(content: Document, split: str) -> None:
        for category in content["categories"]:
            category["frequency"] = "r"
        for image in content["images"]:
            image |= {
                "neg_category_ids": [],
                "not_exhaustive_category_ids": [],
                "file_name": f"{split}/{image['file_name']}",
            }

    data = read(write_own(tmp_path, change=whole))
    assert (data.notes, data.train.changed, data.val.changed) == ((), False, False)


def tag(path: Path, orientation: int) -> None:
    with Image.open(path) as picture:
        exif = picture.getexif()
        exif[274] = orientation
        picture.load()
        picture.convert("RGB").save(path, exif=exif)


def test_a_picture_is_read_the_way_up_in_which_it_has_the_stated_size(tmp_path: Path) -> None:
    from methods.common.datasets.pictures import read_rgb
    from methods.common.segmenters.instance.training_images import RealImages

    folder = write_own(tmp_path)
    stored_HW3 = read_rgb(folder / "train/train_1.png", HEIGHT, WIDTH)
    tag(folder / "train/train_1.png", 6)
    assert (RealImages(read(folder).train.dataset)[0][0] == stored_HW3).all(), "annotated as stored"
    upright = Image.fromarray(stored_HW3).rotate(90, expand=True)  # what the camera held, so that 6 turns it back
    upright.save(folder / "train/train_1.png")
    tag(folder / "train/train_1.png", 6)
    assert (RealImages(read(folder).train.dataset)[0][0] == stored_HW3).all(), "annotated as seen"


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_tag_that_keeps_the_size_is_named(tmp_path: Path, orientation: int) -> None:
    folder = write_own(tmp_path)
    for number in (1, 3):
        tag(folder / f"val/val_{number}.png", orientation)
    told = refusal(lambda: read(folder))
    assert f"image 1: {folder}/val/val_1.png has the orientation tag {orientation}" in told
    assert "(2 of 3 images are faulty, next 3)" in told


def test_sixteen_bits_and_wrong_sizes_are_named(tmp_path: Path) -> None:
    folder = write_own(tmp_path)
    Image.fromarray(np.full((HEIGHT, WIDTH), 900, np.uint16)).save(folder / "train/train_1.png")
    assert "has 16 bits a channel; save it as RGB with 8 bits" in refusal(lambda: read(folder))
    Image.new("RGB", (HEIGHT, WIDTH)).save(folder / "train/train_1.png")
    assert f"is {HEIGHT}x{WIDTH} but fields `width`, `height` say {WIDTH}x{HEIGHT}" in refusal(lambda: read(folder))
    tag(folder / "train/train_1.png", 3)
    Image.new("RGB", (9, 7)).save(folder / "train/train_1.png")
    tag(folder / "train/train_1.png", 6)
    assert "is 9x7 (7x9 as seen, by its orientation tag 6) but" in refusal(lambda: read(folder))


def test_bytes_after_the_end_of_a_jpeg_are_fine_and_a_cut_one_is_not(tmp_path: Path) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: renamed(content, "train_1.jpg")))
    path = folder / "train/train_1.jpg"
    with Image.open(folder / "train/train_1.png") as stored:
        stored.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(4000))
    assert read(folder).train.dataset.num_annotations == 6
    path.write_bytes(whole[: len(whole) // 2] + bytes(4000))
    with pytest.raises(InputError, match=r"image 1: .* is truncated or damaged"):
        read(folder)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder = write_own(tmp_path)
    shutil.move(folder / "val.json", folder / "test.json")
    assert "has no val.json, nor annotations/instances_val.json, nor a folder val or valid or validation" in refusal(
        lambda: read(folder)
    )
    assert "has no val.json" in refusal(lambda: count_own(folder))
    for name in ("valid", "validation"):
        shutil.copy(folder / "test.json", folder / f"{name}.json")
    assert "valid.json and" in refusal(lambda: read(folder))
    for path in [*(folder / "train").iterdir()][1:]:
        path.unlink()
    assert "(2 of 3 images have none)" in refusal(lambda: read(folder))

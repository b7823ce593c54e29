"""Own annotation files as tools and people write them: numbers, flags and names in other forms mean the same, or are one sentence."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.own.annotation_files import told_name
from methods.common.datasets.own.reading import OwnData, read_own
from tests.unit.labelled_data import refusal
from tests.unit.own_instances import HEIGHT, WIDTH, Document, in_train, in_val, write_own
from tests.unit.test_own_instances import found_images, renamed, tag


def read(folder: Path) -> OwnData:
    return read_own(folder, "decode")


def as_numbers(kind: Any) -> Any:
    """Write every id by another kind of number."""

    def change(content: Document, split: str) -> None:
        for part in ("images", "categories", "annotations"):
            for record in content[part]:
                record |= {key: kind(value) for key, value in record.items() if key == "id" or key.endswith("_id")}
        content["annotations"] = content["annotations"][:-1]  # the dog of image 3

    return change


def test_ids_with_a_point_derive_the_same(tmp_path: Path) -> None:
    plain, pointed = (read(write_own(tmp_path / kind.__name__, change=as_numbers(kind))) for kind in (int, float))
    assert pointed.train.dataset.images[2].neg_category_ids == (2,)
    assert [image.neg_category_ids for image in pointed.train.dataset.images] == [
        image.neg_category_ids for image in plain.train.dataset.images
    ]


def test_frequency_is_counted_whatever_ids_are_written_as(tmp_path: Path) -> None:
    def many(content: Document, split: str) -> None:
        for number in range(10, 21):
            content["images"].append({**content["images"][0], "id": number})
            content["annotations"].append({**content["annotations"][0], "id": 90 + number, "image_id": float(number)})

    assert [one.frequency for one in read(write_own(tmp_path, change=many)).train.dataset.classes] == ["c", "r"]


@pytest.mark.parametrize(("identifier", "words"), [(str, "write a whole number"), (lambda v: v + 10**19, "2^63")])
def test_ids_that_are_none_are_named(tmp_path: Path, identifier: Any, words: str) -> None:
    assert words in refusal(lambda: read(write_own(tmp_path, change=as_numbers(identifier))))


@pytest.mark.parametrize(("written", "crowds"), [(True, 1), (1.0, 1), (False, 0), (0.0, 0), (None, 0)])
def test_a_crowd_is_marked_by_any_truth_value(tmp_path: Path, written: object, crowds: int) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: content["annotations"][1].update(iscrowd=written)))
    assert read(folder).train.dataset.num_annotations == 6 - crowds


@pytest.mark.parametrize("written", ["0", "1", 2, []])
def test_another_mark_of_a_crowd_is_refused(tmp_path: Path, written: object) -> None:
    """The text `0` would be true."""
    folder = write_own(tmp_path, change=in_train(lambda content: content["annotations"][1].update(iscrowd=written)))
    assert "annotation 2: field `iscrowd` is" in (told := refusal(lambda: read(folder)))
    assert told.endswith("write 0 or 1")


def test_class_names_of_either_unicode_form_are_one(tmp_path: Path) -> None:
    def accents(content: Document, split: str) -> None:
        form = "NFC" if split == "train" else "NFD"
        content["categories"][0]["name"] = unicodedata.normalize(form, "caf\u00e9")

    assert read(write_own(tmp_path / "both", change=accents)).val.dataset.num_annotations == 6

    def twice(content: Document, split: str) -> None:
        for record, form in zip(content["categories"], ("NFC", "NFD"), strict=True):
            record["name"] = unicodedata.normalize(form, "caf\u00e9")

    told = refusal(lambda: read(write_own(tmp_path / "one", change=twice)))
    assert "categories 1 and 2 are both called 'caf\u00e9'" in told


WRITTEN = {
    "an ending in capitals": "a.PNG",
    "other capitals": "train/A.png",
    "blanks around it": " a.png ",
    "what a URL asks": "https://example.org/set/a.png?rf=12",
    "Label Studio's local files": "/data/local-files/?d=set%5Ctrain%5Ca.png",
    "a share": "\\\\server\\set\\train\\a.png",
    "a drive": "D:/set/train/a.png",
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_name_means_the_file_that_people_mean(tmp_path: Path, written: str) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: renamed(content, written)))
    (folder / "train/train_1.png").rename(folder / "train/a.png")
    assert found_images(read(folder).train.dataset)[0] == "train/a.png"


def test_a_file_that_fits_to_the_letter_goes_first(tmp_path: Path) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: renamed(content, "A.png")))
    (folder / "train/train_1.png").rename(folder / "train/A.png")
    (folder / "train/a.png").write_bytes((folder / "train/train_2.png").read_bytes())
    assert found_images(read(folder).train.dataset)[0] == "train/A.png"
    (folder / "train/A.png").rename(folder / "train/.A.png")
    (folder / "other").mkdir()
    (folder / "other/a.png").write_bytes(b"")
    assert found_images(read(folder).train.dataset)[0] == "train/a.png", "the one of the split"


def test_a_file_of_another_ending_is_named(tmp_path: Path) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: renamed(content, "train_1.jpg")))
    assert "no file train_1.jpg below" in (told := refusal(lambda: read(folder)))
    assert "(there is train/train_1.png)" in told


def test_images_of_both_splits_are_told(tmp_path: Path) -> None:
    folder = write_own(tmp_path, change=in_val(lambda content: renamed(content, "train_2.png")))
    assert read(folder).notes[-1].startswith("1 images of val are images of train too (first: train_2.png)")
    assert "too" not in " ".join(read(write_own(tmp_path / "apart")).notes)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_tag_of_a_square_picture_is_named(tmp_path: Path, orientation: int) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: content["images"][0].update(width=HEIGHT)))
    Image.fromarray(np.zeros((HEIGHT, HEIGHT, 3), np.uint8)).save(folder / "train/train_1.png")
    for record in (content := json.loads((folder / "train.json").read_text()))["annotations"][:2]:
        record |= {"segmentation": [[1, 1, 6, 1, 6, 6]], "bbox": [1, 1, 5, 5]}
    (folder / "train.json").write_text(json.dumps(content))
    tag(folder / "train/train_1.png", orientation)
    assert f"has the orientation tag {orientation} " in refusal(lambda: read(folder))


@pytest.mark.parametrize("suffix", ["jpg", "tif", "webp"])
def test_a_tag_is_read_in_every_format(tmp_path: Path, suffix: str) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: renamed(content, f"x.{suffix}")))
    exif = Image.Exif()
    exif[274] = 3
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / f"train/x.{suffix}", exif=exif)
    assert "has the orientation tag 3 (seen turned by 180 degrees)" in refusal(lambda: read(folder))


@pytest.mark.parametrize("orientation", [0, 9])
def test_a_tag_that_means_nothing_changes_nothing(tmp_path: Path, orientation: int) -> None:
    folder = write_own(tmp_path)
    tag(folder / "train/train_1.png", orientation)
    assert read(folder).train.dataset.num_annotations == 6


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg"), ("CMYK", "tif"), ("YCbCr", "jpg"), ("1", "png")])
def test_other_colours_are_read_as_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    from methods.common.datasets.pictures import read_rgb

    folder = write_own(tmp_path, change=in_train(lambda content: renamed(content, f"x.{suffix}")))
    Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255)).convert(mode).save(folder / f"train/x.{suffix}")
    assert found_images(read(folder).train.dataset)[0] == f"train/x.{suffix}"
    assert read_rgb(folder / f"train/x.{suffix}", HEIGHT, WIDTH).min() > 240, "white stays white"


@pytest.mark.parametrize("array", [np.uint16, np.int32, np.float32])
def test_deep_tiffs_are_named(tmp_path: Path, array: Any) -> None:
    folder = write_own(tmp_path, change=in_train(lambda content: renamed(content, "x.tif")))
    Image.fromarray(np.ones((HEIGHT, WIDTH), array)).save(folder / "train/x.tif")
    assert "bits a channel; save it as RGB with 8 bits" in refusal(lambda: read(folder))


@pytest.mark.parametrize(
    ("codec", "mark", "is_read"), [("utf-8", b"\xef\xbb\xbf", True), ("utf-16", b"", False), ("latin-1", b"", False)]
)
def test_text_of_another_code_is_told(tmp_path: Path, codec: str, mark: bytes, is_read: bool) -> None:
    folder = write_own(tmp_path, change=lambda content, _: content["categories"][0].update(name="caf\u00e9"))
    content = json.loads((folder / "train.json").read_text())
    (folder / "train.json").write_bytes(mark + json.dumps(content, ensure_ascii=False).encode(codec))
    if is_read:
        assert read(folder).train.dataset.classes[0].name == "caf\u00e9"
    else:
        assert "train.json is not UTF-8 text; name an annotation file in JSON, saved as UTF-8" in refusal(
            lambda: read(folder)
        )


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("train.json", "train.json"),
        ("annotations/instances_val2017.json", "instances_val2017.json"),
        ("valid/_annotations.coco.json", "valid/_annotations.coco.json"),
        ("train/annotations/instances_default.json", "train/annotations/instances_default.json"),
        ("part.json", "part.json"),
    ],
)
def test_a_note_says_which_splits_file_it_means(tmp_path: Path, file: str, name: str) -> None:
    assert told_name(tmp_path / "set" / file) == name


def test_one_file_for_all_is_to_be_divided(tmp_path: Path) -> None:
    folder = write_own(tmp_path)
    (folder / "train.json").rename(folder / "result.json")
    (folder / "val.json").unlink()
    (folder / "expected.json").write_text('{"AP": 0.5}')
    told = refusal(lambda: read(folder))
    assert f"with one .json file ({folder / 'result.json'} names no split: divide it, its images too); put" in told

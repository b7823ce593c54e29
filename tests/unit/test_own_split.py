"""What the split stage makes of own data: what training and rating read, and photographs at the size that is worked with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.lvis import read_lvis
from methods.common.datasets.pictures import read_rgb
from methods.common.datasets.rle import encode_mask
from methods.common.errors import InputError
from methods.common.stage import Inputs, LocalContext
from methods.mrca.stages.split import (
    FEEDBACK_FILE,
    FIT_FILE,
    IMAGES,
    VAL_FILE,
    SplitConfig,
    image_folder,
    split,
    val_file,
)
from tests.unit.own_instances import Document, outline, write_own

FROM_VAL = SplitConfig(feedback_split="val")


def divided(folder: Path, config: SplitConfig = FROM_VAL) -> Inputs:
    out = folder.parent / "split"
    out.mkdir()
    inputs = Inputs({"data": [folder], "split": [out]})
    split(inputs, config, LocalContext(out))
    return inputs


def test_plain_coco_is_written_complete_for_training_and_rating(tmp_path: Path) -> None:
    def crowd(content: Document, split: str) -> None:
        content["annotations"][0]["iscrowd"] = 1

    folder = write_own(tmp_path / "data", change=crowd)
    inputs = divided(folder)
    assert val_file(inputs) == inputs.folder("split") / VAL_FILE
    assert image_folder(inputs) == folder
    for file in (inputs.folder("split") / FIT_FILE, val_file(inputs)):
        dataset = read_lvis(file, image_folder(inputs))  # looks at every image, too
        assert [len(found) for found in dataset.annotations.values()] == [1, 2, 2]
        assert dataset.images[0].not_exhaustive_category_ids == (1,)


def test_lvis_own_layout_is_rated_from_its_own_file(tmp_path: Path) -> None:
    def whole(content: Document, split: str) -> None:
        for category in content["categories"]:
            category["frequency"] = "r"
        for image in content["images"]:
            image |= {
                "neg_category_ids": [],
                "not_exhaustive_category_ids": [],
                "file_name": f"{split}/{image['file_name']}",
            }

    inputs = divided(write_own(tmp_path / "data", change=whole))
    assert val_file(inputs) == inputs.folder("data") / "val.json"
    assert not (inputs.folder("split") / VAL_FILE).exists()


def test_too_few_images_to_hold_one_out_name_the_setting(tmp_path: Path) -> None:
    def one(content: Document, split: str) -> None:
        content["images"] = content["images"][:1]
        content["annotations"] = content["annotations"][:2]

    with pytest.raises(
        InputError, match=r"add images, or take the feedback from val with --set split\.feedback_split=val"
    ):
        divided(write_own(tmp_path / "data", change=one), SplitConfig())


def large(folder: Path) -> Path:
    """Photographs of 96 x 64 px: a filled rectangle of polygons, one of run lengths, and a speck."""
    mask_HW = np.zeros((64, 96), bool)
    mask_HW[32:48, 48:80] = True

    def change(content: Document, split: str) -> None:
        for image in content["images"]:
            image |= {"width": 96, "height": 64}
            pixels_HW3 = np.zeros((64, 96, 3), np.uint8)
            pixels_HW3[8:24, 16:40] = 255
            Image.fromarray(pixels_HW3).save(folder / split / image["file_name"])
        first, second, third, *_ = content["annotations"]
        first |= {"segmentation": outline(16, 8, 24, 16), "bbox": [16, 8, 24, 16], "area": 384}
        second |= {"segmentation": encode_mask(mask_HW), "bbox": [48, 32, 32, 16], "area": 512}
        third |= {"segmentation": outline(50.2, 50.2, 1.5, 1.5), "bbox": [50.2, 50.2, 1.5, 1.5], "area": 2.25}
        content["annotations"] = [first, second, third]
        content["images"] = content["images"][:2]

    return write_own(folder, change=change)


def test_photographs_are_shrunk_once_with_their_outlines(tmp_path: Path) -> None:
    inputs = divided(large(tmp_path / "data"), FROM_VAL.model_copy(update={"long_side_px": 24}))
    folder = image_folder(inputs)
    assert folder == inputs.folder("split") / IMAGES
    for file in (inputs.folder("split") / FIT_FILE, inputs.folder("split") / FEEDBACK_FILE, val_file(inputs)):
        dataset = read_lvis(file, folder, "decode")
        first, second = dataset.images
        assert (first.width, first.height) == (24, 16)
        polygon, runs = dataset.annotations[first.id]
        assert (polygon.bbox_xywh, polygon.area) == ((4.0, 2.0, 6.0, 4.0), 24.0)
        expected_HW = np.zeros((16, 24), bool)
        expected_HW[2:6, 4:10] = True
        assert (polygon.mask(16, 24) == expected_HW).all()
        assert np.argwhere(runs.mask(16, 24)).min(0).tolist() == [8, 12]
        assert runs.mask(16, 24).sum() == 4 * 8
        image_HW3 = read_rgb(dataset.image_path(first), 16, 24)
        assert image_HW3[3:5, 5:9].min() > 200, "the picture goes with its outlines"
        assert image_HW3[8:, :].max() < 50
        assert dataset.annotations[second.id] == [], "the speck covers no pixel any more"
        assert second.not_exhaustive_category_ids == (1,)


def test_photographs_that_are_small_enough_stay_as_they_are(tmp_path: Path) -> None:
    inputs = divided(large(tmp_path / "data"), FROM_VAL.model_copy(update={"long_side_px": 96}))
    assert image_folder(inputs) == inputs.folder("data")
    assert read_lvis(val_file(inputs), image_folder(inputs)).images[0].width == 96


def test_a_shrunk_jpeg_is_turned_like_a_whole_one(tmp_path: Path) -> None:
    from methods.common.datasets.pictures import read_shrunk

    pixels_HW3 = np.zeros((64, 96, 3), np.uint8)
    pixels_HW3[:32, :48] = 255  # seen turned by 90 degrees, this corner is at the upper right
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels_HW3).save(tmp_path / "a.jpg", exif=exif)
    small_HW3 = read_shrunk(tmp_path / "a.jpg", (96, 64), (24, 16))
    assert small_HW3.shape == (24, 16, 3)
    assert small_HW3[1:11, 9:15].min() > 200
    assert small_HW3[13:, :].max() < 50


def test_the_plan_never_shrinks_below_what_training_and_test_want() -> None:
    from reproductions.mrca.plan import SeedPlanner
    from reproductions.mrca.recipe import mini, own_data

    study = own_data(3, 40, "mini")
    assert SeedPlanner(study, 0).split.config.long_side_px == 512  # type: ignore[attr-defined]
    wide = study.model_copy(update={"evaluation": study.evaluation.model_copy(update={"long_side_px": 1333})})
    assert SeedPlanner(wide, 0).split.config.long_side_px == 1333  # type: ignore[attr-defined]
    drawn = SeedPlanner(mini(), 0).split
    assert "long_side_px" not in json.dumps(drawn.identity), "the drawn world's cells are what they were"

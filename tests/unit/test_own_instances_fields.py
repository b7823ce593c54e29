"""Own data whose mistakes nothing shows: fields under other spellings, areas of other shapes, pictures that are turned on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.lvis import read_lvis, write_lvis
from methods.common.datasets.own.reading import OwnData, read_own
from methods.common.datasets.pictures import read_header, read_rgb, read_shrunk
from methods.common.errors import InputError
from tests.unit.labelled_data import refusal
from tests.unit.own_instances import Document, in_train, outline, write_own


def read(folder: Path) -> OwnData:
    return read_own(folder, "none")


def respelt(part: str, field: str, name: str, value: Any = None) -> Callable[[Document, str], object]:
    """Write a field of one list under another name, in the second and third record."""

    def change(content: Document) -> None:
        for record in content[part][1:3]:
            kept = record.pop(field, value)
            record[name] = kept if value is None else value

    return in_train(change)


SPELLINGS = [
    ("annotations", "iscrowd", "isCrowd", None),
    ("annotations", "iscrowd", "is_crowd", 1),
    ("annotations", "iscrowd", "crowd", 1),
    ("annotations", "bbox", "box", None),
    ("annotations", "area", "Area", None),
    ("annotations", "segmentation", "Segmentation", None),
    ("annotations", "category_id", "categoryId", None),
    ("annotations", "image_id", "imageId", None),
    ("images", "file_name", "fileName", None),
    ("images", "file_name", "filename", None),
    ("images", "width", "Width", None),
    ("images", "neg_category_ids", "negCategoryIds", [1]),
    ("images", "not_exhaustive_category_ids", "not_exhaustive_category_IDs", [2]),
    ("categories", "frequency", "Frequency", "c"),
    ("categories", "name", "Name", None),
]


@pytest.mark.parametrize(("part", "field", "name", "value"), SPELLINGS, ids=[name for _, _, name, _ in SPELLINGS])
def test_a_spelling_that_would_be_passed_over_is_refused(
    tmp_path: Path, part: str, field: str, name: str, value: Any
) -> None:
    told = refusal(lambda: read(write_own(tmp_path, change=respelt(part, field, name, value))))
    kind = {"annotations": "annotation", "images": "image", "categories": "category"}[part]
    assert f"train.json, {kind} 2: field `{name}` looks like `{field}`, which alone is read" in told
    assert told.count("looks like") == 1
    assert ("next 3" in told) == (part != "categories"), "of two classes the second alone"


def test_faults_of_all_lists_are_told_together(tmp_path: Path) -> None:
    def change(content: Document) -> None:
        content["annotations"][4]["is_crowd"] = 1
        content["images"][0]["FILE_NAME"] = "a.png"

    told = refusal(lambda: read(write_own(tmp_path, change=in_train(change))))
    assert "image 1: field `FILE_NAME` looks like `file_name`" in told
    assert "annotation 5: field `is_crowd` looks like `iscrowd`" in told


def test_a_spelling_that_says_the_same_is_taken(tmp_path: Path) -> None:
    def twice(content: Document, split: str) -> None:
        for record in content["annotations"]:
            record |= {"isCrowd": False, "attributes": {"is_crowd": 1}, "box_kind": "tight"}

    assert read(write_own(tmp_path, change=twice)).train.dataset.num_annotations == 6


def test_a_published_set_is_held_to_the_same_names(tmp_path: Path) -> None:
    folder = write_own(tmp_path)
    write_lvis(read(folder).train.dataset, folder / "lvis.json")
    content = (folder / "lvis.json").read_text()
    (folder / "other.json").write_text(content.replace('"area": 30.0', '"area": 30.0, "Ignore": 1', 1))
    assert read_lvis(folder / "lvis.json").num_annotations == 6
    with pytest.raises(InputError, match="annotation 1: field `Ignore` looks like `ignore`, which alone is read"):
        read_lvis(folder / "other.json")


def areas(*written: float | None, shape: Any = None) -> Callable[[Document, str], object]:
    """Write areas of the first annotations, whose outlines enclose 10 x 8 pixels each."""

    def change(content: Document) -> None:
        for record, area in zip(content["annotations"], written, strict=False):
            record |= {"segmentation": shape or outline(2, 3, 10, 8), "bbox": [2, 3, 10, 8], "area": area}

    return in_train(change)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ((80, 80), ""),
        ((95, 66), ""),
        ((120, 80, 0), "2 of 6 annotations is not that of their outline (first: annotation 1)"),
        ((80, 8_000), "1 of 6 annotations is not that of their outline (first: annotation 2)"),
        ((80, 80, 0.2), "1 of 6 annotations is not that of their outline (first: annotation 3)"),
        ((None, 80), ""),
    ],
)
def test_areas_of_other_shapes_are_told(tmp_path: Path, written: tuple[float | None, ...], told: str) -> None:
    notes = " ".join(read(write_own(tmp_path, change=areas(*written))).notes)
    assert (f"train.json: `area` of {told}; what is small, medium and large" in notes) == bool(told)
    assert ("is not that of their outline" in notes) == bool(told)


def test_what_outlines_share_counts_once(tmp_path: Path) -> None:
    """Two outlines that are nearly one have areas that come to nearly twice the mask's."""
    double = [*outline(2, 3, 10, 8), *outline(2, 3, 10, 7)]
    assert "not that of" not in " ".join(read(write_own(tmp_path / "one", change=areas(80, shape=double))).notes)
    assert "first: annotation 1" in " ".join(read(write_own(tmp_path / "both", change=areas(40, shape=double))).notes)
    mask = {"size": [16, 24], "counts": [2 * 16 + 3, *[8, 8] * 9, 8, 384 - (2 * 16 + 3) - 8 * 19]}
    for area, told in ((80, False), (150, True)):
        notes = read(write_own(tmp_path / str(area), change=areas(area, shape=mask))).notes
        assert any("not that of their outline" in note for note in notes) == told


def test_what_drawing_may_change_is_not_told(tmp_path: Path) -> None:
    """An outline of 4 x 3 pixels may cover 18: half the way around it is 7 more."""
    for area, told in ((18, False), (20, True)):
        notes = read(write_own(tmp_path / str(area), change=areas(area, shape=outline(2, 3, 4, 3)))).notes
        assert any("not that of their outline" in note for note in notes) == told


@pytest.mark.parametrize("suffix", ["tif", "png"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_tiff_is_turned_as_any_picture(tmp_path: Path, suffix: str, orientation: int) -> None:
    """Pillow turns a TIFF by itself, and reports its size so."""
    stored_HW3 = np.random.default_rng(orientation).integers(0, 256, (11, 14, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(stored_HW3).save(path, exif=exif)
    assert read_header(path)[1:] == (11, 14, orientation)
    assert (read_rgb(path, 11, 14) == stored_HW3).all(), "annotated as stored"
    seen_HW3 = {
        5: stored_HW3.swapaxes(0, 1),
        6: np.rot90(stored_HW3, -1),
        7: np.rot90(stored_HW3, 2).swapaxes(0, 1),
        8: np.rot90(stored_HW3, 1),
    }[orientation]
    assert (read_rgb(path, 14, 11) == seen_HW3).all(), "annotated as seen"
    for size, expected_HW3 in (((11, 14), stored_HW3), ((14, 11), seen_HW3)):
        assert (read_shrunk(path, size, size) == expected_HW3).all()

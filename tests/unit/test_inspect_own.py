"""Looks at what users bring: the readers' own sentences, notes where something is derived, and classes without cut-outs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.lvis_records import LvisDataset
from methods.common.errors import InputError
from reproductions.requirements.inspect_own import own_cutouts_folder, own_instances_folder
from reproductions.requirements.inspection import Inspection, inspect_place
from tests.unit.inspected import problem
from tests.unit.labelled_data import refusal
from tests.unit.own_instances import Document, write_own


def look(folder: Path) -> Inspection:
    return inspect_place(folder, lambda place: own_instances_folder(place, len_of_train))


def len_of_train(train: LvisDataset) -> int:
    return len(train.images)


def test_own_data_are_looked_at_by_their_reader(tmp_path: Path) -> None:
    folder = write_own(tmp_path)
    found = look(folder)
    assert found.state == "ok"
    assert any("`frequency` of 2 classes is derived" in note for note in found.notes)
    content = json.loads((folder / "val.json").read_text())
    content["annotations"][0]["area"] = -1
    (folder / "val.json").write_text(json.dumps(content))
    assert "val.json, annotation 1: field `area` is negative" in problem(look(folder))
    (folder / "train.json").unlink()
    assert "has no train.json" in problem(look(folder)).split("; ")[0]
    assert look(tmp_path / "absent").state == "missing"


def test_a_large_file_is_read_like_any_other(tmp_path: Path) -> None:
    def pad(content: Document, split: str) -> None:
        content["info"] = {"pad": " " * (1 << 26)}

    assert look(write_own(tmp_path, change=pad)).state == "ok", "without any key that LVIS alone has"


def test_too_few_images_to_hold_one_out_are_told(tmp_path: Path) -> None:
    def refuse(train: LvisDataset) -> None:
        raise InputError(f"{len(train.images)} images are too few")

    found = inspect_place(write_own(tmp_path), lambda place: own_instances_folder(place, refuse))
    assert problem(found) == "3 images are too few"


def write_cutouts(folder: Path, names: list[str]) -> Path:
    rgba_HW4 = np.zeros((20, 20, 4), np.uint8)
    rgba_HW4[4:16, 4:16] = (200, 30, 30, 255)
    for name in names:
        (folder / name).mkdir(parents=True)
        Image.fromarray(rgba_HW4).save(folder / name / "one.png")
    return folder


def test_cutouts(tmp_path: Path) -> None:
    data = write_own(tmp_path / "data")
    folder = write_cutouts(tmp_path / "cutouts", ["cat", "Dog"])
    assert own_cutouts_folder(folder, data) == Inspection("ok")
    (folder / ".hidden").mkdir()
    (folder / "note.txt").write_text("not a class")
    (folder / "cat" / "._one.png").write_bytes(b"of macOS")
    write_cutouts(folder / "__MACOSX", ["cat"])
    assert own_cutouts_folder(folder, data) == Inspection("ok")
    assert own_cutouts_folder(folder, None) == Inspection("ok")
    assert own_cutouts_folder(folder, tmp_path / "no data") == Inspection("ok"), "its own inspector tells"

    picture = folder / "cat" / "one.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-20])
    assert "truncated" in problem(own_cutouts_folder(folder, data))
    picture.write_bytes(b"no picture")
    assert "not a picture" in problem(own_cutouts_folder(folder, data))
    Image.new("RGB", (9, 9)).save(picture)
    assert "without transparency" in problem(own_cutouts_folder(folder, data))
    Image.new("RGBA", (9, 9)).save(picture)
    assert "transparent everywhere" in problem(own_cutouts_folder(folder, data))
    Image.new("RGBA", (9, 9), (1, 2, 3, 255)).save(picture)
    [note] = own_cutouts_folder(folder, data).notes
    assert note.startswith("cut-outs that are opaque everywhere, and would be pasted as rectangles: 1, ")
    shutil.rmtree(folder / "cat")
    assert own_cutouts_folder(folder, data).notes == (
        "classes without a cut-out, which are trained without pasting: 1 (cat)",
    )
    write_cutouts(folder, ["no such class"])
    assert "no class of the annotation file is called 'no such class'" in problem(own_cutouts_folder(folder, data))
    (tmp_path / "empty").mkdir()
    assert "holds no cut-out; put RGBA .png files" in problem(own_cutouts_folder(tmp_path / "empty", data))


@pytest.mark.parametrize(
    ("names", "folders", "expected"),
    [
        (["coat/jacket", "dog"], ["coat/jacket", "dog"], {1: "coat/jacket", 2: "dog"}),
        (["coat/jacket", "dog"], ["coat_jacket", "dog"], {1: "coat_jacket", 2: "dog"}),
        (["Cat", "cat"], ["cat", "Cat"], {1: "Cat", 2: "cat"}),
        (["traffic light", "e\u0301clair"], ["traffic_light", "\u00e9clair"], {1: "traffic_light", 2: "\u00e9clair"}),
        (["who?", "a:b"], ["who_", "a_b"], {1: "who_", 2: "a_b"}),
    ],
)
def test_a_folder_belongs_to_the_class_it_is_called_after(
    tmp_path: Path, names: list[str], folders: list[str], expected: dict[int, str]
) -> None:
    from methods.common.objects.cutout_folders import list_cutouts

    folder = write_cutouts(tmp_path, folders)
    found = list_cutouts(folder, dict(enumerate(names, start=1)))
    assert {class_id: path.parent.relative_to(folder).as_posix() for class_id, path in found} == expected


def test_a_folder_that_may_be_two_classes_is_refused(tmp_path: Path) -> None:
    from methods.common.objects.cutout_folders import list_cutouts

    folder = write_cutouts(tmp_path, ["CAT"])
    with pytest.raises(InputError, match="CAT may hold the cut-outs of 'Cat' or 'cat'; call it exactly like its class"):
        list_cutouts(folder, {1: "Cat", 2: "cat"})


def test_a_cutout_is_pasted_as_it_is_seen(tmp_path: Path) -> None:
    from methods.common.objects.cutout_folders import read_cutout

    rgba_HW4 = np.zeros((4, 6, 4), np.uint8)
    rgba_HW4[0] = (9, 8, 7, 255)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(rgba_HW4).save(tmp_path / "a.png", exif=exif)
    assert read_cutout(tmp_path, 1, tmp_path / "a.png").rgba_HW4.shape == (6, 1, 4), "the first row is at the right"


def test_classes_of_one_name_are_a_fault_of_the_data_alone(tmp_path: Path) -> None:
    def twice(content: Document, split: str) -> None:
        content["categories"].append({"id": 3, "name": "cat"})

    data = write_own(tmp_path / "data", change=twice)
    assert own_cutouts_folder(write_cutouts(tmp_path / "cutouts", ["cat"]), data) == Inspection("ok")


def test_many_faulty_cutouts_do_not_flood_the_table(tmp_path: Path) -> None:
    folder = write_cutouts(tmp_path / "cutouts", [f"class {number}" for number in range(9)])
    for path in folder.glob("*/one.png"):
        path.write_bytes(b"")
    found = own_cutouts_folder(folder, None)
    assert len(found.problems) == 4
    assert found.problems[-1] == "6 more pictures are faulty"


@pytest.mark.parametrize("suffix", ["webp", "jpg", "tif"])
def test_cutouts_of_another_format_are_not_left_out_without_a_word(tmp_path: Path, suffix: str) -> None:
    from methods.common.objects.cutout_folders import list_cutouts

    for name in ("cat/a.png", f"cat/b.{suffix}", "dog/LICENSE.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    told = refusal(lambda: list_cutouts(tmp_path, {1: "cat", 2: "dog"}))
    assert told == f"{tmp_path}/cat/b.{suffix} is no .png file; save cut-outs as RGBA PNG, or remove them"


def test_a_cutout_in_no_folder_is_told(tmp_path: Path) -> None:
    from methods.common.objects.cutout_folders import list_cutouts

    for name in ("a.png", "b.PNG", "._c.png"):
        (tmp_path / name).write_bytes(b"")
    told = refusal(lambda: list_cutouts(tmp_path, {1: "cat"}))
    assert (
        told
        == f"{tmp_path}/a.png lies in no class's folder (and 1 more); move it into one that is called like its class"
    )

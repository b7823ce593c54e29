"""Label maps in the layouts of other tools, and splits in which nothing can be learned."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.label_census import check_labels
from methods.common.datasets.labelled_folders import labelled_splits
from methods.common.datasets.labelled_images import IGNORED
from methods.common.datasets.open_labelled import open_labelled_images
from reproductions.requirements.inspect_labelled import labelled_folder
from tests.unit.inspected import problem
from tests.unit.labelled_data import random_image, refusal, write_image

LABEL_HW = np.array([[0, 1, 2, 255], [2, 2, 0, 0]], np.uint8)


def put(image: Path, labels: Path, label_HW: np.ndarray = LABEL_HW) -> None:
    for path in (image, labels):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_image(image, random_image(np.random.default_rng(0), *label_HW.shape))
    Image.fromarray(label_HW).save(labels)


def mmsegmentation(root: Path) -> None:
    for split in ("train", "val"):
        put(root / f"img_dir/{split}/a.jpg", root / f"ann_dir/{split}/a.png")


def camvid(root: Path) -> None:
    for split in ("train", "val"):
        put(root / f"{split}/a.png", root / f"{split}annot/a.png")


def roboflow(root: Path) -> None:
    for split in ("train", "valid"):
        put(root / f"{split}/a.jpg", root / f"{split}/a_mask.png")
        (root / split / "_classes.csv").write_text("Pixel Value, Class\n0, sky\n1, road\n2, car\n")


def nested(root: Path) -> None:
    for split in ("training", "validation"):
        put(root / f"images/{split}/a.jpg", root / f"labels/{split}/a.png")


def with_endings(root: Path) -> None:
    for split in ("train", "val"):
        put(root / f"{split}/images/a.jpg", root / f"{split}/masks/a_mask.png")


@pytest.mark.parametrize("write", [mmsegmentation, camvid, roboflow, nested, with_endings], ids=lambda f: f.__name__)
def test_each_layout_is_read_as_it_comes(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path)
    if write is not roboflow:
        (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    for split in ("train", "val"):
        data = open_labelled_images(tmp_path, split)
        assert [data.name(index) for index in range(len(data))] == ["a"]
        assert data.class_names == ("sky", "road", "car")
        assert data[0][1].tolist() == LABEL_HW.tolist()
    assert labelled_folder(tmp_path).state == "ok"


def test_ade20k_needs_no_list_and_rates_no_other(tmp_path: Path) -> None:
    for split in ("training", "validation"):
        put(
            tmp_path / f"images/{split}/a.jpg",
            tmp_path / f"annotations/{split}/a.png",
            np.array([[0, 1], [150, 2]], np.uint8),
        )
    data = open_labelled_images(tmp_path, "val")
    assert (len(data.class_names), data.class_names[0]) == (150, "wall")
    assert data[0][1].tolist() == [[IGNORED, 0], [149, 1]]


def test_names_with_blanks_and_accents_in_lists(tmp_path: Path) -> None:
    for name in ("photo 1 of train", "photo 2 of train", "e\u0301t\u00e9"):
        put(tmp_path / f"images/{name}.jpg", tmp_path / f"labels/{name}.png")
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text(
        "photo 2 of train\nphoto 1 of train.jpg\n\u00e9te\u0301\n", encoding="utf-8-sig"
    )
    data = open_labelled_images(tmp_path, "train")
    assert [data.name(index) for index in range(3)] == ["photo 2 of train", "photo 1 of train", "\u00e9t\u00e9"]


def test_a_split_of_another_name_is_named_with_its_option(tmp_path: Path) -> None:
    for split in ("train", "holdout"):
        put(tmp_path / f"{split}/images/a.jpg", tmp_path / f"{split}/labels/a.png")
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    assert labelled_splits(tmp_path) == ["holdout", "train"]
    assert "add --set val_split=holdout" in refusal(lambda: open_labelled_images(tmp_path, "val"))


def own(root: Path, names: str, *label_maps: np.ndarray) -> Path:
    (root / "classes.txt").write_text(names)
    for split in ("train", "val"):
        for number, label_HW in enumerate(label_maps):
            put(root / f"{split}/images/{number}.jpg", root / f"{split}/labels/{number}.png", label_HW)
    return root


def test_masks_of_0_and_255_are_refused(tmp_path: Path) -> None:
    folder = own(tmp_path, "background\ncar\n", np.array([[0, 255]], np.uint8), np.array([[255, 255]], np.uint8))
    told = problem(labelled_folder(folder, ["train"]))
    assert "no label map of" in told
    assert "holds class 'car', every rated pixel is 'background'; 255 is not rated, so masks of 0 and 255" in told


def test_masks_of_0_and_255_among_others_are_told(tmp_path: Path) -> None:
    mask_HW = np.array([[0, 1, 0]], np.uint8)
    folder = own(tmp_path, "background\ncar\n", mask_HW, 255 * mask_HW, 255 * mask_HW)
    [note] = check_labels(open_labelled_images(folder, "train"), "train")
    assert note.startswith("2 label maps of train hold one class and 255, which is not rated (first: 1); where 255")
    assert check_labels(open_labelled_images(own(tmp_path, "a\nb\n[c]\n", mask_HW), "val"), "val")


def test_one_class_beside_brackets_is_refused(tmp_path: Path) -> None:
    folder = own(tmp_path, "sky\n[void]\n", np.array([[0, 1]], np.uint8))
    assert "there is only one class, 'sky', so nothing can be told apart" in problem(labelled_folder(folder, ["train"]))


def test_labels_that_are_all_ignored_are_refused(tmp_path: Path) -> None:
    folder = own(tmp_path, "[void]\nsky\nroad\n", np.array([[0, 255]], np.uint8))
    assert "no pixel of" in (told := problem(labelled_folder(folder, ["val"])))
    assert "nothing but 255 and classes in brackets" in told


def test_a_class_that_no_map_holds_is_a_note(tmp_path: Path) -> None:
    folder = own(tmp_path, "sky\nroad\ncar\n", np.array([[0, 1]], np.uint8), np.array([[255, 1]], np.uint8))
    [note] = check_labels(open_labelled_images(folder, "train"), "train")
    assert note == "no label map of train holds 'car', so nothing is learned or rated of it"


def test_every_pair_is_looked_at_and_faults_are_counted(tmp_path: Path) -> None:
    folder = own(tmp_path, "sky\nroad\n", *[np.array([[0, 1]], np.uint8)] * 60)
    for number in (41, 57):
        Image.fromarray(np.array([[0, 9]], np.uint8)).save(folder / f"train/labels/{number}.png")
    told = problem(labelled_folder(folder, ["train"]))
    assert "41.png holds label 9" in told
    assert told.endswith("(2 of 60 pairs are faulty)")


def test_a_photograph_is_read_the_way_up_in_which_its_labels_are(tmp_path: Path) -> None:
    folder = own(tmp_path, "sky\nroad\ncar\n", LABEL_HW)
    path, stored = folder / "train/images/0.jpg", random_image(np.random.default_rng(1), 4, 2)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(stored).save(path, exif=exif, quality=100, subsampling=0)
    with Image.open(path) as picture:
        seen_HW3 = np.rot90(np.asarray(picture), -1)  # as a viewer shows tag 6
    assert (open_labelled_images(folder, "train")[0][0] == seen_HW3).all()
    exif[274] = 3
    Image.fromarray(random_image(np.random.default_rng(1), 2, 4)).save(path, exif=exif)
    assert "has the orientation tag 3 (seen turned by 180 degrees)" in refusal(
        lambda: open_labelled_images(folder, "train")
    )


@pytest.mark.parametrize(
    "line", ["images/a b.jpg", "images\\a b.jpg", "/home/me/set/images/a b.jpg", "a%20b", "./a b.JPG"]
)
def test_a_line_of_a_list_may_be_a_path(tmp_path: Path, line: str) -> None:
    put(tmp_path / "images/a b.jpg", tmp_path / "labels/a b.png")
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text(f"{line}\n")
    assert open_labelled_images(tmp_path, "train").name(0) == "a b"
    (tmp_path / "splits/train.txt").write_text(f"{line}\nother/a b.jpg\n")
    assert "names 'a b' twice" in refusal(lambda: open_labelled_images(tmp_path, "train"))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("images/a b.jpg labels/a b.png", "a b"),
        ("a b 1", "a b"),
        ("b.jpg\tlabels/b.png", "b"),
        ("images/b.jpg,labels/b.png", "b"),
        ("b -1", "b"),
    ],
)
def test_a_line_of_a_list_may_go_on(tmp_path: Path, line: str, name: str) -> None:
    for one in ("a b", "b"):
        put(tmp_path / f"images/{one}.jpg", tmp_path / f"labels/{one}.png")
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text(f"{line}\n")
    data = open_labelled_images(tmp_path, "train")
    assert [data.name(index) for index in range(len(data))] == [name]
    (tmp_path / "splits/train.txt").write_text(f"{name} {'b' if name == 'a b' else 'a b'}\n")
    assert "in one line; write a line for each image" in refusal(lambda: open_labelled_images(tmp_path, "train"))


def test_classes_of_either_unicode_form_are_one(tmp_path: Path) -> None:
    folder = own(tmp_path, "caf\u00e9\nroad\ncafe\u0301\n", LABEL_HW)
    assert "names 'caf\u00e9' twice" in refusal(lambda: open_labelled_images(folder, "train"))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_every_turning_tag_is_undone(tmp_path: Path, orientation: int) -> None:
    from PIL import ImageOps

    folder = own(tmp_path, "sky\nroad\ncar\n", LABEL_HW)
    exif = Image.Exif()
    exif[274] = orientation
    path = folder / "train/images/0.png"
    (folder / "train/images/0.jpg").unlink()
    Image.fromarray(random_image(np.random.default_rng(1), 4, 2)).save(path, exif=exif)
    with Image.open(path) as picture:
        seen = np.asarray(ImageOps.exif_transpose(picture))
    assert (open_labelled_images(folder, "train")[0][0] == seen).all()

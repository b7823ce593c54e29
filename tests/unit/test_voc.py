"""The reader of VOC's layout, and the label maps that are written for it."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from methods.common.datasets.labelled_images import IGNORED
from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.datasets.pictures import read_rgb
from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.voc import encode_labels, open_voc, voc_palette, write_labels
from methods.common.errors import InputError
from tests.unit.labelled_data import cut_file, random_image, refusal, write_image

NAMES = {"train": ["2007_000032", "2007_000039"], "val": ["2007_000033"]}


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Three photographs with labels, as VOC's archive unpacks."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, names in NAMES.items():
        for name in names:
            write_image(root / "JPEGImages" / f"{name}.jpg", random_image(rng, 12, 16))
            label_HW = rng.choice([0, 1, 20, 255], (12, 16)).astype(np.uint8)
            write_labels(root / "SegmentationClass" / f"{name}.png", label_HW)
        write_list(root, split, names)
    return root


def write_list(root: Path, split: str, names: list[str]) -> None:
    (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


def add_sbd(root: Path, name: str, shade: int = 3) -> None:
    """An image with labels of SBD, as a gray PNG."""
    (root / "SegmentationClassAug").mkdir(exist_ok=True)
    image_HW3 = random_image(np.random.default_rng(1), 12, 16)
    write_image(root / "JPEGImages" / f"{name}.jpg", image_HW3)
    Image.fromarray(np.full((12, 16), shade, np.uint8)).save(root / "SegmentationClassAug" / f"{name}.png")


@pytest.mark.parametrize("up", [0, 1, 2])
def test_images_come_in_the_order_of_the_list(voc: Path, up: int) -> None:
    folder = [voc, *voc.parents][up]
    data = open_labelled_images(folder, "train")
    assert [data.name(index) for index in range(len(data))] == NAMES["train"]
    assert (len(data.class_names), data.class_names[0], data.class_names[20]) == (21, "background", "tvmonitor")
    image_HW3, label_HW = data[1]
    assert (image_HW3.shape, image_HW3.dtype, label_HW.dtype) == ((12, 16, 3), np.uint8, np.uint8)
    assert (label_HW == read_labels(voc / "SegmentationClass" / "2007_000039.png")).all()
    assert set(np.unique(label_HW)) == {0, 1, 20, IGNORED}


def test_lossless_images_are_read_exactly(voc: Path) -> None:
    (voc / "JPEGImages" / "2007_000033.jpg").unlink()
    image_HW3 = random_image(np.random.default_rng(2), 12, 16)
    write_image(voc / "JPEGImages" / "2007_000033.png", image_HW3)
    assert (open_voc(voc, "val")[0][0] == image_HW3).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_photographs_of_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode)
    picture.save(tmp_path / "a.png")
    assert (read_rgb(tmp_path / "a.png", 4, 5) == 255).all()


def test_trainaug_joins_vocs_labels_and_sbds(voc: Path) -> None:
    add_sbd(voc, "2008_000002")
    add_sbd(voc, "2007_000032")  # VOC labels this one too
    write_list(voc, "trainaug", [*NAMES["train"], "2008_000002"])
    data = open_voc(voc, "trainaug")
    assert [bool((data[index][1] == 3).all()) for index in range(3)] == [False, False, True], "SBD's labels are all 3"


def test_lists_that_are_made_of_others(voc: Path) -> None:
    add_sbd(voc, "2008_000002")
    write_list(voc, "aug", ["2008_000002"])
    clean = [*NAMES["train"], "2008_000002"]

    def names(split: str) -> list[str]:
        data = open_voc(voc, split)
        return [data.name(index) for index in range(len(data))]

    assert names("trainaug") == clean
    assert names("trainaug_leaky") == [*clean, *NAMES["val"]]
    assert names("trainval") == [*NAMES["train"], *NAMES["val"]]
    write_list(voc, "trainaug", [*NAMES["train"], *NAMES["val"]])
    assert names("trainaug_leaky") == [*NAMES["train"], *NAMES["val"]], "no image twice, and a list's own file counts"
    write_list(voc, "trainaug_leaky", NAMES["val"])
    assert names("trainaug_leaky") == NAMES["val"]


def test_lists_that_name_two_files_a_line(voc: Path) -> None:
    lines = [f"/JPEGImages/{name}.jpg /SegmentationClassAug/{name}.png" for name in NAMES["train"]]
    write_list(voc, "trainaug", lines)
    data = open_voc(voc, "trainaug")
    assert [data.name(index) for index in range(len(data))] == NAMES["train"]


def test_own_classes_in_vocs_layout(voc: Path) -> None:
    (voc / "classes.txt").write_text("background\n" + "\n".join(f"thing {k}" for k in range(1, 21)))
    assert open_voc(voc, "val").class_names[20] == "thing 20"
    (voc / "classes.txt").write_text("background\ncoin\n")
    with pytest.raises(InputError, match=r"holds label 20 at row .* only the labels 0 to 1 and 255"):
        open_voc(voc, "val")


def _rgb(path: Path) -> None:
    Image.open(path).convert("RGB").save(path)


def _other_size(path: Path) -> None:
    write_labels(path, np.zeros((16, 12), np.uint8))


LABELS = "SegmentationClass/2007_000033.png"
PHOTOGRAPH = "JPEGImages/2007_000033.jpg"
LIST = "ImageSets/Segmentation/val.txt"


@pytest.mark.parametrize(
    ("place", "damage", "words"),
    [
        (LABELS, _rgb, ["2007_000033.png is RGB", "save class ids, not colours"]),
        (LABELS, _other_size, ["2007_000033.png is 12x16 pixels", "2007_000033.jpg is 16x12", "one size"]),
        (
            LABELS,
            lambda p: write_labels(p, np.full((12, 16), 21, np.uint8)),
            ["holds label 21 at row 0", "0 to 20 and"],
        ),
        (LABELS, cut_file, ["2007_000033.png is truncated", "write it again"]),
        (LABELS, lambda p: p.write_bytes(b""), ["2007_000033.png is empty", "write it again"]),
        (
            LABELS,
            Path.unlink,
            ["val.txt names '2007_000033'", "no 2007_000033.png of labels", "1 of 1", "add the files"],
        ),
        (PHOTOGRAPH, cut_file, ["2007_000033.jpg cannot be read", "truncated", "put a whole"]),
        (PHOTOGRAPH, lambda p: p.write_bytes(b"no picture"), ["2007_000033.jpg is not a picture", "JPEG or PNG"]),
        (PHOTOGRAPH, Path.unlink, ["val.txt names '2007_000033'", "no 2007_000033.jpg (or .png)", "correct the list"]),
        (LIST, lambda p: p.write_text("\n"), ["val.txt is empty", "name at least one image"]),
        (LIST, lambda p: p.write_text("a\na\n"), ["val.txt names 'a' twice", "remove"]),
        (LIST, lambda p: p.write_bytes(b"\xff\xfe\x00"), ["val.txt cannot be read"]),
        (LIST, Path.unlink, ["no list", "val.txt", "the lists there are train"]),
        ("classes.txt", lambda p: p.write_text(""), ["classes.txt names no class", "one class name a line"]),
    ],
)
def test_a_mistake_is_one_sentence(voc: Path, place: str, damage: Callable[[Path], object], words: list[str]) -> None:
    damage(voc / place)
    sentence = refusal(lambda: open_voc(voc, "val"))
    for word in words:
        assert word in sentence


def test_a_photograph_of_sixteen_bits_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(tmp_path / "a.png")
    assert "save it as RGB with 8 bits" in refusal(lambda: read_rgb(tmp_path / "a.png", 4, 4))


def test_two_images_of_one_name(voc: Path) -> None:
    write_image(voc / "JPEGImages" / "2007_000033.png", random_image(np.random.default_rng(0), 12, 16))
    assert "holds both 2007_000033.jpg and 2007_000033.png" in refusal(lambda: open_voc(voc, "val"))


def test_a_later_faulty_file_is_found_when_it_is_read(voc: Path) -> None:
    cut_file(voc / "SegmentationClass" / "2007_000039.png")
    data = open_voc(voc, "train")
    assert "2007_000039.png is truncated" in refusal(lambda: data[1])


def test_trainaug_without_its_list(voc: Path) -> None:
    assert "the list of 10,582 images" in refusal(lambda: open_voc(voc, "trainaug"))
    assert "the list of 10,582 images" in refusal(lambda: open_voc(voc, "trainaug_leaky"))


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    assert "holds no folders JPEGImages and ImageSets" in refusal(lambda: open_voc(tmp_path, "val"))
    assert "is no data set for semantic segmentation" in refusal(lambda: open_labelled_images(tmp_path, "val"))
    assert "is no data set" in refusal(lambda: open_labelled_images(tmp_path / "absent", "val"))


def test_the_palette_is_vocs() -> None:
    palette = voc_palette()
    assert palette[[0, 1, 2, 8, 15, 20, 255]].tolist() == [
        *([0, 0, 0], [128, 0, 0], [0, 128, 0], [64, 0, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192])
    ]
    assert len({tuple(colour) for colour in palette.tolist()}) == 256


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_label_maps_come_back_as_written(label_HW: np.ndarray) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.png")
        write_labels(path, label_HW)
        assert (read_labels(path) == label_HW).all()
        with Image.open(path) as picture:
            assert picture.mode == "P"
            assert (np.array(picture) == label_HW).all()
            assert (np.array(picture.convert("RGB")) == voc_palette()[label_HW]).all()
    assert encode_labels(label_HW) == encode_labels(label_HW.copy(order="F"))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_reader_gives_what_was_written(data: st.DataObject) -> None:
    num_classes = data.draw(st.integers(1, 255))
    shape = data.draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    labels = st.one_of(st.integers(0, num_classes - 1), st.just(IGNORED))
    written = data.draw(st.lists(arrays(np.uint8, shape, elements=labels), min_size=1, max_size=3))
    with TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
            (root / folder).mkdir(parents=True)
        for index, label_HW in enumerate(written):
            write_image(root / "JPEGImages" / f"{index}.png", np.full((*shape, 3), index, np.uint8))
            write_labels(root / "SegmentationClass" / f"{index}.png", label_HW)
        write_list(root, "any", [str(index) for index in reversed(range(len(written)))])
        (root / "classes.txt").write_text("\n".join(f"class {k}" for k in range(num_classes)))
        found = open_labelled_images(root, "any")
        assert len(found.class_names) == num_classes
        for position, index in enumerate(reversed(range(len(written)))):
            image_HW3, label_HW = found[position]
            assert found.name(position) == str(index)
            assert (image_HW3 == index).all()
            assert (label_HW == written[index]).all()

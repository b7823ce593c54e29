"""Own data for semantic segmentation: both layouts, the list of classes, and every mistake in one sentence."""

import pickle
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from methods.common.datasets.labelled_folders import labelled_splits
from methods.common.datasets.labelled_images import IGNORED, read_classes
from methods.common.datasets.open_labelled import open_labelled_images
from tests.unit.labelled_data import cut_file, random_image, refusal, write_image

CLASSES = "sky\n[void]\nroad\n"


def write_pair(folder: Path, name: str, label_HW: np.ndarray, suffix: str = ".jpg") -> None:
    for place in ("images", "labels"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    write_image(folder / "images" / f"{name}{suffix}", random_image(np.random.default_rng(0), *label_HW.shape))
    Image.fromarray(label_HW).save(folder / "labels" / f"{name}.png")


LABEL_HW = np.array([[0, 1, 2, 255], [2, 2, 0, 0]], np.uint8)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two splits as folders."""
    for split, names in {"train": "ba", "val": "c"}.items():
        for name in names:
            write_pair(tmp_path / split, name, LABEL_HW)
    (tmp_path / "classes.txt").write_text(CLASSES)
    return tmp_path


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """One set of files, splits as lists."""
    for name in "abc":
        write_pair(tmp_path, name, LABEL_HW, ".png")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train.txt").write_text("c.png\na\n")
    (tmp_path / "classes.txt").write_text(CLASSES)
    return tmp_path


def test_splits_as_folders(own: Path) -> None:
    (own / "train" / "images" / ".hidden.png").write_bytes(b"")
    (own / "train" / "images" / "notes.txt").write_text("not an image")
    assert labelled_splits(own) == ["train", "val"]
    data = open_labelled_images(own, "train")
    assert [data.name(index) for index in range(len(data))] == ["a", "b"]
    assert data.class_names == ("sky", "road")
    image_HW3, label_HW = data[0]
    assert image_HW3.shape == (2, 4, 3)
    assert label_HW.tolist() == [[0, IGNORED, 1, IGNORED], [1, 1, 0, 0]]


def test_splits_as_lists(listed: Path) -> None:
    data = open_labelled_images(listed, "train")
    assert [data.name(index) for index in range(len(data))] == ["c", "a"]


def test_workers_get_the_data_set_as_it_is(own: Path) -> None:
    data = open_labelled_images(own, "val")
    again = pickle.loads(pickle.dumps(data))
    assert again.class_names == data.class_names
    assert (again[0][1] == data[0][1]).all()


def test_void_first_moves_every_class_up(own: Path) -> None:
    (own / "classes.txt").write_text("[nothing]\r\nsky\r\nroad\r\n\r\n", encoding="utf-8-sig")
    data = open_labelled_images(own, "val")
    assert data.class_names == ("sky", "road")
    assert data[0][1].tolist() == [[IGNORED, 0, 1, IGNORED], [1, 1, IGNORED, IGNORED]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["names no class"]),
        ("[void]\n", ["names no class"]),
        ("a\n\nb\n", ["line 2 is empty", "name a class"]),
        ("a\nb\na\n", ["names 'a' twice", "its own name"]),
        ("".join(f"c{k}\n" for k in range(256)), ["has 256 lines", "at most 255"]),
    ],
)
def test_a_faulty_list_of_classes(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "classes.txt").write_text(text)
    sentence = refusal(lambda: read_classes(tmp_path / "classes.txt"))
    assert "classes.txt" in sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "val/labels/c.png").unlink(), ["c.jpg has no labels", "labels/c.png; add it"]),
        (lambda f: (f / "val/images/c.jpg").rename(f / "val/images/d.jpg"), ["d.jpg has no labels"]),
        (lambda f: write_pair(f / "val", "e", LABEL_HW) or (f / "val/images/e.jpg").unlink(), ["e.png has no image"]),
        (lambda f: (f / "val/images/c.jpg").unlink(), ["val/images holds no .jpg or .png"]),
        (lambda f: cut_file(f / "val/labels/c.png"), ["c.png is truncated"]),
        (lambda f: cut_file(f / "val/images/c.jpg"), ["c.jpg cannot be read", "put a whole JPEG"]),
        (lambda f: Image.new("RGB", (4, 2)).save(f / "val/labels/c.png"), ["c.png is RGB", "not colours"]),
        (lambda f: Image.new("L", (2, 4)).save(f / "val/labels/c.png"), ["c.png is 2x4 pixels", "is 4x2"]),
        (lambda f: Image.new("L", (4, 2), 7).save(f / "val/labels/c.png"), ["label 7 at row 0", "0 to 2 and 255"]),
        (
            lambda f: Image.fromarray(np.full((2, 4), 1000, np.uint16)).save(f / "val/labels/c.png"),
            ["label 1000 at row 0", "0 to 2 and 255"],
        ),
        (lambda f: (f / "classes.txt").unlink(), ["classes.txt cannot be read", "one class name a line"]),
        (lambda f: (f / "classes.txt").write_bytes(b"\xff\xfe"), ["classes.txt cannot be read"]),
        (lambda f: (f / "val").rename(f / "test"), ["no split 'val'", "val/images", "are test, train"]),
        (lambda f: [p.unlink() for p in (f / "val/labels").iterdir()] and (f / "val/labels").rmdir(), ["val/labels"]),
    ],
)
def test_a_mistake_is_one_sentence(own: Path, damage: Callable[[Path], object], words: list[str]) -> None:
    damage(own)
    sentence = refusal(lambda: open_labelled_images(own, "val"))
    for word in words:
        assert word in sentence


def test_lists_that_do_not_fit(listed: Path) -> None:
    assert "has no split 'val' (there is no splits/val.txt); the splits there are train" in refusal(
        lambda: open_labelled_images(listed, "val")
    )
    (listed / "splits" / "train.txt").write_text("a\nnowhere\n")
    assert "names 'nowhere', but there is no" in refusal(lambda: open_labelled_images(listed, "train"))
    (listed / "splits" / "train.txt").write_text("")
    assert "train.txt is empty" in refusal(lambda: open_labelled_images(listed, "train"))
    (listed / "splits" / "train.txt").unlink()
    assert "the splits there are none" in refusal(lambda: open_labelled_images(listed, "train"))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_reader_gives_what_was_written(data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.booleans(), min_size=1, max_size=255).filter(any), label="which labels are rated")
    numbers = st.one_of(st.integers(0, len(lines) - 1), st.just(IGNORED))
    shape = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    written_HW = data.draw(arrays(np.uint8, shape, elements=numbers))
    expected = [sum(lines[:k]) if rated else IGNORED for k, rated in enumerate(lines)]
    with TemporaryDirectory() as folder:
        write_pair(Path(folder, "any"), "a", written_HW)
        Path(folder, "classes.txt").write_text("\n".join(f"c{k}" if lines[k] else f"[c{k}]" for k in range(len(lines))))
        found = open_labelled_images(Path(folder), "any")
        assert found.class_names == tuple(f"c{k}" for k, rated in enumerate(lines) if rated)
        by_hand = [[IGNORED if k == IGNORED else expected[k] for k in row] for row in written_HW.tolist()]
        assert found[0][1].tolist() == by_hand

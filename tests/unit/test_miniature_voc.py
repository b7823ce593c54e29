"""The VOC view of the miniature world."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.common.datasets.labelled_images import IGNORED
from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.categories import CATEGORIES, CATEGORY_NAMES, SHAPES
from methods.common.miniature.voc_drawing import draw_image, label_map
from methods.common.miniature.voc_view import DRAW_VOC, DrawVocConfig, draw_voc
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from tests.contracts.contexts import attempt, files_of

SMALL = DrawVocConfig(num_train=36, num_val=18)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("voc")
    return out, draw_voc(Inputs(), SMALL, LocalContext(out, Seeds(data=3)))


def test_it_reads_back_as_voc(drawn: tuple[Path, dict]) -> None:
    out, record = drawn
    train, val = open_labelled_images(out, "trainaug"), open_labelled_images(out, "val")
    assert (len(train), len(val)) == (36, 18) == (record["num_train_images"], record["num_val_images"])
    assert train.class_names == ("background", *CATEGORY_NAMES[:9]) == val.class_names
    assert [train.name(0), val.name(17)] == ["train_000000", "val_000017"]
    assert {path.stem for path in (out / "ImageSets" / "Segmentation").iterdir()} == {
        *("train", "trainaug", "trainval", "val")
    }
    assert all(label_HW.shape == (64, 64) for _, label_HW in map(train.__getitem__, range(len(train))))
    image_HW3, label_HW = val[5]
    assert image_HW3.shape == (64, 64, 3)
    scene = draw_image(SMALL, "val", 5, Seeds(data=3))
    assert (image_HW3 == scene.image_HW3).all()
    assert (label_HW == label_map(scene, 1)).all()


def test_every_class_shape_and_background_occurs_about_equally(drawn: tuple[Path, dict]) -> None:
    out, _ = drawn
    train = open_labelled_images(out, "train")
    in_images = np.zeros(256, int)
    for index in range(len(train)):
        in_images[np.unique(train[index][1])] += 1
    assert in_images[0] == 36
    assert in_images[1:10].min() >= 4, "each class is the first one of four images"
    assert in_images[10:255].sum() == 0
    assert {CATEGORIES[k].shape for k in range(9)} == set(SHAPES)
    backgrounds = {draw_image(SMALL, "train", index, Seeds(data=3)).background for index in range(80)}
    assert backgrounds == set(BACKGROUNDS)


def test_most_images_show_one_large_object() -> None:
    counts = [len(draw_image(SMALL, "train", index, Seeds()).instances) for index in range(100)]
    assert 45 <= counts.count(1) <= 75
    assert {2, 3} <= set(counts) <= {1, 2, 3}
    single = DrawVocConfig(max_objects=1)
    assert {len(draw_image(single, "train", index, Seeds()).instances) for index in range(20)} == {1}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.sampled_from(["train", "val"]))
def test_borders_surround_objects_and_hide_none(index: int, border_px: int, split: str) -> None:
    scene = draw_image(SMALL, split, index, Seeds(data=1))
    label_HW = label_map(scene, border_px)
    inside_HW = np.zeros(label_HW.shape, bool)
    for instance in scene.instances:
        hidden_HW = label_HW[instance.mask_HW] == IGNORED
        assert (label_HW[instance.mask_HW][~hidden_HW] == instance.category + 1).all()
        inside_HW |= instance.mask_HW
    front = scene.instances[-1]
    assert (label_HW[front.mask_HW] == front.category + 1).all(), "nothing lies before the last object"
    outside_HW = label_HW[~inside_HW]
    assert set(np.unique(outside_HW)) <= {0, IGNORED}
    assert (label_HW == IGNORED).any() == (border_px > 0)
    padded_HW = np.pad(label_HW, 1, mode="edge")
    if border_px:
        for row, column in np.argwhere((label_HW > 0) & (label_HW < IGNORED)):
            beside = padded_HW[row : row + 3, column : column + 3]
            assert 0 not in beside, "between an object and background there is a border"


def test_an_image_depends_on_seed_split_and_number_only(drawn: tuple[Path, dict], tmp_path: Path) -> None:
    out, _ = drawn
    fewer = SMALL.model_copy(update={"num_train": 5, "num_val": 2})
    for name, seeds in (("same", Seeds(data=3, training=7, generation=9)), ("other", Seeds(data=4))):
        draw_voc(Inputs(), fewer, LocalContext(tmp_path / name, seeds))
    for place in ("JPEGImages", "SegmentationClass"):
        for path in (tmp_path / "same" / place).iterdir():
            assert path.read_bytes() == (out / place / path.name).read_bytes()
            assert path.read_bytes() != (tmp_path / "other" / place / path.name).read_bytes()
    pictures = {path.read_bytes() for path in (out / "JPEGImages").iterdir()}
    assert len(pictures) == 36 + 18


def test_a_killed_stage_ends_with_the_same_bytes(drawn: tuple[Path, dict], tmp_path: Path) -> None:
    out, record = drawn

    context, _ = attempt(draw_voc, Inputs(), SMALL, tmp_path, seeds=Seeds(data=3), kill_at=17)
    assert context.done[-1] == 17
    (tmp_path / "JPEGImages" / "train_000016.png").write_bytes(b"half a picture")
    again = LocalContext(tmp_path, Seeds(data=3))
    assert draw_voc(Inputs(), SMALL, again) == record
    assert again.history[-1][:3] == (18, 18, "val images")
    assert files_of(tmp_path) == files_of(out)


@pytest.mark.parametrize("size", [32, 48, 96])
def test_other_sizes(size: int) -> None:
    config = DrawVocConfig(image_size_px=size, max_objects=4, single_share=0.1, num_categories=36)
    for index in range(30):
        scene = draw_image(config, "val", index, Seeds())
        assert scene.image_HW3.shape == (size, size, 3)


def test_the_stage() -> None:
    assert (DRAW_VOC.seed_axes, DRAW_VOC.config_type) == (("data",), DrawVocConfig)
    with pytest.raises(ValidationError, match="max_single_radius is below min_single_radius"):
        DrawVocConfig(max_single_radius=0.1)

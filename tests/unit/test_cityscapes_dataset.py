"""Reading Cityscapes: frames, groups, records to train on, limited subsets, polygons, and what is wrong with files."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from methods.common.datasets.cityscapes import (
    CityscapesObject,
    find_frames,
    frame_of_image,
    objects_in,
    read_cityscapes,
)
from methods.common.datasets.cityscapes_layout import CityscapesPolygon, frame_paths
from methods.common.datasets.cityscapes_polygons import read_polygons
from methods.common.datasets.limited import limited_names
from methods.common.errors import InputError
from methods.common.miniature.street_classes import StreetConfig
from methods.common.miniature.street_drawing import draw_frame, scene_polygons
from methods.common.miniature.street_view import DrawCityscapesConfig, draw_cityscapes
from methods.common.seeds import Seeds
from methods.common.segmenters.instance.training_images import RealImages
from methods.common.stage import Inputs, LocalContext
from tests.unit.cityscapes_frames import add_frame, instance_map

CAR, PERSON, TRAIN, CARAVAN = 26, 24, 31, 29


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three frames: two cars, a person before one of them and a group; nothing; a train, a caravan and a group."""
    first = instance_map((26000, 2, 4, 12, 10), (26001, 20, 4, 40, 20), (24000, 25, 2, 29, 22), (24, 42, 2, 48, 9))
    add_frame(tmp_path, "aachen_000000_000019", first)
    add_frame(tmp_path, "bochum_000007_000019", instance_map())
    add_frame(
        tmp_path, "aachen_000002_000019", instance_map((31000, 0, 0, 48, 6), (29000, 3, 8, 9, 12), (33, 20, 8, 30, 12))
    )
    return tmp_path


def test_frames_come_by_name_with_their_files(root: Path) -> None:
    frames = find_frames(root, "train")
    assert [frame.name for frame in frames] == ["aachen_000000_000019", "aachen_000002_000019", "bochum_000007_000019"]
    assert frames[2].paths.image == root / "leftImg8bit/train/bochum/bochum_000007_000019_leftImg8bit.png"
    assert frames[2].paths.instances == root / "gtFine/train/bochum/bochum_000007_000019_gtFine_instanceIds.png"


def test_instances_and_groups_are_told_apart(root: Path) -> None:
    objects = [objects_in(frame.read_instance_ids()) for frame in find_frames(root, "train")]
    assert objects[0] == [
        CityscapesObject(24, PERSON, 6 * 7),
        CityscapesObject(24000, PERSON, 4 * 20),
        CityscapesObject(26000, CAR, 10 * 6),
        CityscapesObject(26001, CAR, 20 * 16 - 4 * 16),
    ]
    assert [one.is_group for one in objects[0]] == [True, False, False, False]
    assert objects[1] == [
        CityscapesObject(33, 33, 40),
        CityscapesObject(29000, CARAVAN, 24),
        CityscapesObject(31000, TRAIN, 288),
    ]
    assert objects[2] == []


def test_records_hold_the_visible_pixels_of_the_eight_classes(root: Path) -> None:
    dataset = read_cityscapes(find_frames(root, "train"), root)
    assert dataset.class_ids == [24, 25, 26, 27, 28, 31, 32, 33]
    assert [category.name for category in dataset.classes][::5] == ["person", "train"]
    assert [(image.id, image.height, image.width, frame_of_image(image)) for image in dataset.images] == [
        (1, 24, 48, "aachen_000000_000019"),
        (2, 24, 48, "aachen_000002_000019"),
        (3, 24, 48, "bochum_000007_000019"),
    ]
    found = [(one.id, one.image_id, one.category_id, one.bbox_xywh, one.area) for one in dataset.iter_annotations()]
    assert found == [
        (1, 1, PERSON, (25, 2, 4, 20), 80),
        (2, 1, CAR, (2, 4, 10, 6), 60),
        (3, 1, CAR, (20, 4, 20, 16), 256),
        (4, 2, TRAIN, (0, 0, 48, 6), 288),
    ]
    ids_HW = instance_map((26001, 20, 4, 40, 20), (24000, 25, 2, 29, 22))
    assert (dataset.annotations[1][2].mask(24, 48) == (ids_HW == 26001)).all()
    counts = {category.name: (category.image_count, category.instance_count) for category in dataset.categories}
    assert (counts["car"], counts["train"], counts["bus"]) == ((1, 2), (1, 1), (0, 0))


def test_a_training_passes_over_frames_without_instances(root: Path) -> None:
    dataset = read_cityscapes(find_frames(root, "train"), root)
    images = RealImages(dataset)
    assert [image.id for image in images.images] == [1, 2]
    image_HW3, instances = images[0]
    assert image_HW3.shape == (24, 48, 3)
    assert instances.class_N.tolist() == [0, 2, 2]
    assert instances.boxes_N4.tolist() == [[25, 2, 29, 22], [2, 4, 12, 10], [20, 4, 40, 20]]
    empty = [frame for frame in find_frames(root, "train") if frame.name.startswith("bochum")]
    with pytest.raises(InputError, match="no image with an annotation"):
        RealImages(read_cityscapes(empty, root))


def test_the_street_view_reads_back(tmp_path: Path) -> None:
    config = DrawCityscapesConfig(num_train=6, num_val=2, scene=StreetConfig(group_share=0.5))
    draw_cityscapes(Inputs(), config, LocalContext(tmp_path, Seeds(data=2)))
    frames = find_frames(tmp_path, "train")
    dataset = read_cityscapes(frames, tmp_path)
    for frame, image in zip(frames, dataset.images, strict=True):
        index = int(frame.name.split("_")[1])
        scene = draw_frame(config, "train", index, Seeds(data=2))
        rated = {one.instance_id: one for one in scene.instances if one.kind not in ("caravan", "trailer")}
        assert len(rated) == len(dataset.annotations[image.id])
        for (value, one), read in zip(sorted(rated.items()), dataset.annotations[image.id], strict=True):
            assert read.category_id == value // 1000
            assert (read.mask(96, 192) == scene.mask_HW(one)).all()
        polygons = read_polygons(frame.paths.polygons)
        assert (polygons.height, polygons.width) == (96, 192)
        for read_back, written in zip(polygons.polygons, scene_polygons(scene), strict=True):
            assert read_back.label == written.label
            assert (read_back.corners_N2 == written.corners_N2).all()


def test_limited_subsets_are_nested_of_the_right_size_and_decided_by_the_data_seed_alone() -> None:
    names = [f"aachen_{number:06d}_000019" for number in range(200)]
    parts = {share: limited_names(names, share, Seeds(data=3)) for share in (0.1, 0.25, 0.5, 1.0)}
    assert [len(part) for part in parts.values()] == [20, 50, 100, 200]
    assert set(parts[0.1]) < set(parts[0.25]) < set(parts[0.5])
    assert all(part == sorted(part) for part in parts.values())
    assert limited_names(names[::-1], 0.25, Seeds(data=3, training=5, generation=6)) == parts[0.25]
    other = set(limited_names(names, 0.25, Seeds(data=4)))
    assert 3 <= len(other & set(parts[0.25])) <= 27, "two seeds share about a quarter of a quarter"
    assert parts[0.1] != names[:20]
    assert len(limited_names(names[:4], 0.1, Seeds())) == 1
    with pytest.raises(AssertionError, match="outside"):
        limited_names(names, 0.0, Seeds())


def faulty(root: Path, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment) as caught:
        read_cityscapes(find_frames(root, "train"), root)
    assert "\n" not in str(caught.value)


FIRST = "aachen_000000_000019"


def test_an_id_map_of_8_bits_is_refused(root: Path) -> None:
    path = frame_paths(root, "train", "aachen", FIRST).instances
    cv2.imwrite(str(path), np.full((24, 48), 26, np.uint8))
    faulty(root, rf"{FIRST}_gtFine_instanceIds.png has 8 bits a pixel, .* write it with 16 bits")


def test_a_missing_id_map_is_named(root: Path) -> None:
    frame_paths(root, "train", "aachen", FIRST).instances.unlink()
    faulty(root, rf"there is no .*{FIRST}_gtFine_instanceIds.png, which belongs to .*{FIRST}_leftImg8bit.png; add it")


def test_a_missing_picture_is_named(root: Path) -> None:
    frame_paths(root, "train", "aachen", FIRST).image.unlink()
    faulty(root, rf"{FIRST}_gtFine_instanceIds.png has no picture in .*leftImg8bit/train; add the picture or remove")


def test_sizes_that_differ_are_named(root: Path) -> None:
    cv2.imwrite(str(frame_paths(root, "train", "aachen", FIRST).image), np.zeros((24, 50, 3), np.uint8))
    faulty(root, rf"{FIRST}_leftImg8bit.png is 50x24 pixels and .*instanceIds.png 48x24; give both the same size")


def test_a_damaged_picture_is_named(root: Path) -> None:
    frame_paths(root, "train", "aachen", FIRST).image.write_bytes(b"no picture")
    faulty(root, rf"{FIRST}_leftImg8bit.png cannot be read \(.*\); replace it")


@pytest.mark.parametrize(("value", "where"), [(34, 34), (7001, 7001), (35000, 35000), (50, 50)])
def test_values_of_no_class_are_named_with_their_place(root: Path, value: int, where: int) -> None:
    add_frame(root, FIRST, instance_map((value, 5, 3, 6, 4)))
    faulty(root, rf"instanceIds.png has label {where} at row 3, column 5; values are label ids")


def test_a_split_without_pictures_and_two_pictures_of_a_name_are_refused(root: Path) -> None:
    with pytest.raises(
        InputError, match=r"there is no <city>/\*_leftImg8bit.png in .*leftImg8bit/val; name the folder"
    ):
        find_frames(root, "val")
    paths = frame_paths(root, "train", "aachen", FIRST)
    other = paths.image.parent.with_name("zurich")
    other.mkdir()
    shutil.copy(paths.image, other)
    with pytest.raises(InputError, match=r"aachen/.* and .*zurich/.* are pictures of the same name; keep one"):
        find_frames(root, "train")


def test_cities_may_be_any_folders(root: Path) -> None:
    """As the release lays synthetic frames into further city folders."""
    old, new = (frame_paths(root, "train", city, FIRST) for city in ("aachen", "aachen_synthetic"))
    for here, there in ((old.image, new.image), (old.instances, new.instances)):
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(here, there)
    frames = find_frames(root, "train")
    assert frames[0].paths.instances == new.instances
    assert (
        read_cityscapes(frames, root).images[0].file_name
        == f"leftImg8bit/train/aachen_synthetic/{FIRST}_leftImg8bit.png"
    )


def test_polygons_are_checked(tmp_path: Path) -> None:
    outline = CityscapesPolygon("cargroup", np.array([[1, 2], [5, 2], [5, 6]], np.int32))
    path = add_frame(tmp_path, FIRST, instance_map(), polygons=[outline]).polygons
    read = read_polygons(path)
    assert (read.height, read.width, read.polygons[0].label) == (24, 48, "cargroup")
    good = json.loads(path.read_text())
    for change, message in (
        ({"label": "tram"}, r"object 0: the label is 'tram'; name a class of Cityscapes"),
        ({"polygon": [[1, 2], [3, 4]]}, r"object 0: `polygon` is no list of at least three points"),
        ({"polygon": [[1, 2, 3], [3, 4], [5, 6]]}, "no list of at least three points"),
        ({"polygon": None}, "no list of at least three points"),
    ):
        path.write_text(json.dumps({**good, "objects": [{**good["objects"][0], **change}]}))
        with pytest.raises(InputError, match=message):
            read_polygons(path)
    path.write_text(json.dumps({"imgHeight": 3}))
    with pytest.raises(
        InputError, match=r"is no polygon file of Cityscapes \('imgWidth' is missing\); download it again"
    ):
        read_polygons(path)
    with pytest.raises(InputError, match="is no polygon file of Cityscapes"):
        read_polygons(tmp_path / "none.json")

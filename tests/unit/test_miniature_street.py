"""The street view of the miniature world: scenes, crops, and the data set in Cityscapes' layout."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS, LABEL_BY_ID
from methods.common.datasets.cityscapes_layout import CityscapesPaths
from methods.common.miniature.street_background import ROAD, SKY, paint_street
from methods.common.miniature.street_classes import STREET_CLASSES, STREET_KINDS, StreetConfig
from methods.common.miniature.street_crops import thing_crops
from methods.common.miniature.street_drawing import CITIES, draw_frame, paths_of
from methods.common.miniature.street_objects import draw_thing, solid_region
from methods.common.miniature.street_scene import StreetScene, street_scene
from methods.common.miniature.street_view import DRAW_CITYSCAPES, DrawCityscapesConfig, draw_cityscapes
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from tests.contracts.contexts import attempt, files_of

STREET = StreetConfig()
SMALL = DrawCityscapesConfig(num_train=10, num_val=5)


@pytest.fixture(scope="module")
def scenes() -> list[StreetScene]:
    return [street_scene(3, index, StreetConfig(group_share=0.4)) for index in range(60)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("street")
    return out, draw_cityscapes(Inputs(), SMALL, LocalContext(out, Seeds(data=3)))


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def all_paths(split: str, out: Path) -> list[CityscapesPaths]:
    return [paths_of(out, split, k) for k in range({"train": 10, "val": 5}[split])]


def test_the_classes_are_those_of_cityscapes() -> None:
    assert [LABEL_BY_ID[STREET_CLASSES[kind].label_id].name for kind in STREET_KINDS] == list(STREET_KINDS)
    assert {label.name for label in INSTANCE_LABELS} == set(STREET_KINDS) - {"caravan", "trailer"}
    assert sum(about.share for about in STREET_CLASSES.values()) == pytest.approx(1)


def test_instance_ids_are_label_times_1000_plus_a_number_by_class_and_labels_agree(scenes: list[StreetScene]) -> None:
    groups = 0
    for scene in scenes:
        is_instance_HW = scene.instance_HW >= 1000
        assert (np.where(is_instance_HW, scene.instance_HW // 1000, scene.instance_HW) == scene.label_HW).all()
        assert scene.instance_HW.dtype == np.uint16
        assert scene.label_HW.dtype == np.uint8
        painted = [layer for layer in scene.layers if layer.number is not None]
        for kind, count in Counter(layer.kind for layer in painted).items():
            assert [layer.number for layer in painted if layer.kind == kind] == list(range(count))
        ids = {instance.instance_id for instance in scene.instances}
        assert ids == set(np.unique(scene.instance_HW[is_instance_HW]).tolist())
        assert all(scene.mask_HW(instance).any() for instance in scene.instances)
        in_groups = {layer.label_id for layer in scene.layers if layer.kind is not None and layer.number is None}
        assert in_groups <= {24, 26, 33}
        groups += len(in_groups & set(np.unique(scene.instance_HW).tolist()))
    assert groups > 20


def test_nearer_things_hide_farther_ones_but_never_too_much(scenes: list[StreetScene]) -> None:
    """Painting the outlines in order gives the maps again; poles and the bonnet may hide more, groups do."""
    split = 0
    for scene in scenes:
        painted_HW = scene.stuff_HW.astype(np.uint16)
        for layer in scene.layers:
            cv2.fillPoly(painted_HW, [layer.outline_N2], layer.instance_id)
        assert (painted_HW == scene.instance_HW).all()
        split += sum(cv2.connectedComponents(scene.mask_HW(one).astype(np.uint8))[0] > 2 for one in scene.instances)
    assert split > 5, "some things are cut in two by what stands before them"
    shares = []
    for index in range(40):
        scene = street_scene(5, index, StreetConfig(group_share=0, min_objects=8, max_objects=14))
        for layer in scene.layers:
            if layer.number is not None and layer.kind != "rider":
                full_HW = cv2.fillPoly(np.zeros(scene.label_HW.shape, np.uint8), [layer.outline_N2], 1)
                shares.append((scene.instance_HW == layer.instance_id).sum() / full_HW.sum())
    assert len(shares) > 150
    assert sum(share < 0.3 for share in shares) < 0.1 * len(shares)
    assert sum(share < 0.95 for share in shares) > 0.2 * len(shares)


def test_near_things_come_last_and_are_larger() -> None:
    """Persons of one scene, in the order of painting: the lower their feet, the taller they are."""
    rising, pairs = 0, 0
    for index in range(40):
        scene = street_scene(6, index, StreetConfig(group_share=0, min_objects=9, max_objects=9))
        persons = [layer.outline_N2[:, 1] for layer in scene.layers if layer.kind == "person"]
        for far, near in pairwise(persons):
            assert near.max() >= far.max() - 1
            rising += int(np.ptp(near) > np.ptp(far))
            pairs += 1
    assert pairs > 30
    assert rising > 0.8 * pairs


def test_things_are_single_regions_without_holes_in_every_size() -> None:
    rng = np.random.default_rng(0)
    for kind in STREET_KINDS:
        areas = []
        for height_px in (8.0, 16.0, 40.0):
            sprite = draw_thing(kind, height_px, bool(rng.integers(2)), rng)
            filled_HW = cv2.fillPoly(np.zeros(sprite.mask_HW.shape, np.uint8), [sprite.outline_N2], 1)
            assert (filled_HW == sprite.mask_HW).all()
            rows = np.flatnonzero(sprite.mask_HW.any(1))
            assert rows[-1] - rows[0] + 1 == pytest.approx(height_px, rel=0.1, abs=2)
            assert (sprite.rgba_HW4[..., 3][~sprite.mask_HW] < 200).all()
            areas.append(sprite.mask_HW.sum() / height_px**2)
        assert areas[1] == pytest.approx(areas[2], rel=0.25), f"the shape of a {kind} stays when it is far away"


def test_only_the_largest_region_of_a_mask_counts_and_its_holes_are_filled() -> None:
    mask_HW = np.zeros((9, 12), bool)
    mask_HW[1:8, 1:8] = True
    mask_HW[3:6, 3:6] = False
    mask_HW[2:4, 10:12] = True
    solid_HW, outline_N2 = solid_region(mask_HW)
    assert solid_HW.sum() == 49
    assert not solid_HW[:, 9:].any()
    assert set(map(tuple, outline_N2.tolist())) == {
        (x, y) for x in range(1, 8) for y in range(1, 8) if 1 in (x, y) or 7 in (x, y)
    }
    empty_HW, none_N2 = solid_region(np.zeros((3, 3), bool))
    assert (empty_HW.sum(), none_N2.shape) == (0, (0, 2))


def test_a_mirrored_thing_is_the_mirror_image() -> None:
    for kind in STREET_KINDS:
        one, other = (draw_thing(kind, 31.0, left, np.random.default_rng(5)) for left in (False, True))
        assert one.look == other.look
        assert (one.mask_HW[:, ::-1] != other.mask_HW).mean() < 0.03


def test_every_class_occurs_rare_ones_rarely_and_sizes_vary_strongly() -> None:
    small = StreetConfig(height_px=48)
    street, even, areas = Counter(), Counter(), []
    for index in range(75):
        street.update(one.kind for one in street_scene(0, index, small).layers if one.kind)
        even.update(
            one.kind for one in street_scene(1, index, small.model_copy(update={"evenness": 1.0})).layers if one.kind
        )
        if index % 3 == 0:
            scene = street_scene(2, index, STREET)
            areas += [int(scene.mask_HW(one).sum()) for one in scene.instances if one.kind in ("person", "car")]
    assert set(even) == set(STREET_KINDS)
    assert street["train"] < street["bus"] + street["truck"] < 0.4 * min(street["person"], street["car"])
    assert 1 <= street["train"] < 0.05 * street.total()
    assert even["train"] > 2 * street["train"]
    assert even["caravan"] + even["trailer"] < 0.6 * (even["bus"] + even["truck"])
    assert np.percentile(areas, 95) > 8 * np.percentile(areas, 5)
    assert 0.02 < np.mean(np.array(areas) < 100) < 0.3, "some are too small to be rated"


def test_phrases_and_captions_are_true(scenes: list[StreetScene]) -> None:
    phrases = {one.phrase for scene in scenes for one in scene.instances}
    assert {"a woman", "a man", "a male rider", "a female rider", "a red car", "a white bicycle"} <= phrases
    scene = next(scene for scene in scenes if len(scene.instances) == 2)
    first, second = scene.instances
    assert scene.caption == f"a photo of a street with {first.phrase} and {second.phrase}"
    assert street_scene(0, 0, StreetConfig(min_objects=0, max_objects=0)).caption == "a photo of a street"


def test_white_cars_are_brighter_than_black_ones() -> None:
    brightness: dict[str, list[float]] = {"white": [], "black": [], "red": [], "blue": []}
    for seed in range(60):
        sprite = draw_thing("car", 30.0, False, np.random.default_rng(seed))
        if sprite.look in brightness:
            red, _, blue = sprite.rgba_HW4[..., :3][sprite.mask_HW].mean(0)
            brightness[sprite.look].append(red - blue if sprite.look in ("red", "blue") else red)
    assert min(brightness["white"]) > max(brightness["black"]) + 40
    assert min(brightness["red"]) > 20 > -5 > max(brightness["blue"])


def test_crops_are_squares_around_their_thing() -> None:
    scene = street_scene(4, 2, StreetConfig(min_objects=9, max_objects=9))
    crops = list(thing_crops(scene, 48, min_px=60))
    large = [one for one in scene.instances if scene.mask_HW(one).sum() >= 60]
    assert [crop.phrase for crop in crops] == [one.phrase for one in large]
    assert len(crops) > 4
    for crop, one in zip(crops, large, strict=True):
        assert (crop.image_HW3.shape, crop.mask_HW.shape) == ((48, 48, 3), (48, 48))
        assert (crop.label_id, crop.kind) == (one.label_id, one.kind)
        assert crop.captions == (f"a photo of {one.phrase}", f"a photo of a {one.kind}")
        touched = [
            crop.mask_HW[0].any() and crop.mask_HW[-1].any(),
            crop.mask_HW[:, 0].any() and crop.mask_HW[:, -1].any(),
        ]
        assert any(touched), "the longer side of the box is the window's"
        mask_HW = scene.mask_HW(one)
        side = max(np.ptp(np.flatnonzero(mask_HW.any(1))), np.ptp(np.flatnonzero(mask_HW.any(0)))) + 1
        assert crop.mask_HW.sum() * (side / 48) ** 2 == pytest.approx(mask_HW.sum(), rel=0.12)
    wide = list(thing_crops(scene, 48, min_px=60, context=0.25))
    assert all(crop.mask_HW[[0, -1]].sum() + crop.mask_HW[:, [0, -1]].sum() == 0 for crop in wide)


def test_a_crop_of_its_own_size_is_the_scene_and_black_outside() -> None:
    scene = street_scene(4, 2, STREET)
    one = max(scene.instances, key=lambda one: scene.mask_HW(one).sum())
    rows, columns = (np.flatnonzero(scene.mask_HW(one).any(axis)) for axis in (1, 0))
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    crop = next(crop for crop in thing_crops(scene, int(side)) if crop.phrase == one.phrase)
    assert (np.sort(crop.image_HW3[crop.mask_HW], 0) == np.sort(scene.image_HW3[scene.mask_HW(one)], 0)).all()
    far = next(crop for crop in thing_crops(scene, 64, context=2.0))
    assert (far.image_HW3[:2] == 0).all()


def test_an_empty_street_is_seen_in_perspective() -> None:
    street = paint_street(STREET, np.random.default_rng(1))
    assert street.image_HW3.shape == (96, 192, 3)
    widths = [(street.label_HW[row] == ROAD).sum() for row in (50, 60, 75, 94)]
    assert widths == sorted(widths)
    assert widths[0] < 0.4 * widths[-1]
    assert not (street.label_HW[int(street.view.horizon_px) + 1 :] == SKY).all(1).any()
    assert street.view.row(0) == street.view.horizon_px < 96 == street.view.row(1)
    assert street.view.length_px(0.5, 2) == pytest.approx(96 - street.view.horizon_px)


def test_the_data_set_holds_the_scenes_under_cityscapes_names(drawn: tuple[Path, dict]) -> None:
    out, record = drawn
    assert (record["num_train_images"], record["num_val_images"]) == (10, 5)
    assert record["num_train_instances"] == sum(record["num_train_by_class"].values())
    total = Counter()
    for split in ("train", "val"):
        for index, paths in enumerate(all_paths(split, out)):
            scene = draw_frame(SMALL, split, index, Seeds(data=3))
            assert (read(paths.image)[..., ::-1] == scene.image_HW3).all()
            assert (read(paths.labels) == scene.label_HW).all()
            ids_HW = read(paths.instances)
            assert ids_HW.dtype == np.uint16
            assert (ids_HW == scene.instance_HW).all()
            total[split] += len(np.unique(ids_HW[ids_HW >= 1000]))
    assert total == {"train": record["num_train_instances"], "val": record["num_val_instances"]}
    assert (out / "leftImg8bit/train/birchow/birchow_000005_000019_leftImg8bit.png").is_file()
    assert (out / "gtFine/val/fernwick/fernwick_000003_000019_gtFine_polygons.json").is_file()
    assert not set(CITIES["train"]) & set(CITIES["val"])
    assert len(files_of(out)) == 15 * 4


def test_a_picture_depends_on_seed_split_and_number_only(drawn: tuple[Path, dict], tmp_path: Path) -> None:
    out, _ = drawn
    fewer = SMALL.model_copy(update={"num_train": 3, "num_val": 2})
    for name, seeds in (("same", Seeds(data=3, training=7, generation=9)), ("other", Seeds(data=4))):
        draw_cityscapes(Inputs(), fewer, LocalContext(tmp_path / name, seeds))
    for place, content in files_of(tmp_path / "same").items():
        assert content == (out / place).read_bytes()
    assert (
        read(all_paths("train", out)[0].image).tobytes()
        != read(paths_of(tmp_path / "other", "train", 0).image).tobytes()
    )
    pictures = {paths.image.read_bytes() for split in ("train", "val") for paths in all_paths(split, out)}
    assert len(pictures) == 15


def test_a_killed_stage_ends_with_the_same_bytes(drawn: tuple[Path, dict], tmp_path: Path) -> None:
    out, record = drawn
    context, _ = attempt(draw_cityscapes, Inputs(), SMALL, tmp_path, seeds=Seeds(data=3), kill_at=7)
    assert context.done[-1] == 7
    paths_of(tmp_path, "train", 6).instances.write_bytes(b"half a picture")
    again = LocalContext(tmp_path, Seeds(data=3))
    assert draw_cityscapes(Inputs(), SMALL, again) == record
    assert again.history[-1][:3] == (5, 5, "val pictures")
    assert files_of(tmp_path) == files_of(out)


def test_val_is_more_even_than_train() -> None:
    config = DrawCityscapesConfig(val_evenness=1.0, scene=StreetConfig(height_px=32))
    rare = Counter()
    for split in ("train", "val"):
        for index in range(40):
            kinds = [one.kind for one in draw_frame(config, split, index, Seeds()).layers]
            rare[split] += sum(kind in ("train", "bus", "truck") for kind in kinds)
    assert rare["val"] > 1.5 * rare["train"]


@pytest.mark.parametrize("height", [32, 64, 128])
def test_other_sizes(height: int) -> None:
    for index in range(15):
        scene = street_scene(2, index, StreetConfig(height_px=height, max_objects=12))
        assert scene.image_HW3.shape == (height, 2 * height, 3)
        assert scene.instance_HW.shape == (height, 2 * height)


def test_the_stage() -> None:
    assert (DRAW_CITYSCAPES.name, DRAW_CITYSCAPES.seed_axes) == ("draw_cityscapes", ("data",))
    with pytest.raises(ValidationError, match="max_objects is below min_objects"):
        StreetConfig(min_objects=5, max_objects=4)

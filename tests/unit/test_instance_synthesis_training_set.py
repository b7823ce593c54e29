"""What a segmenter is trained on: which frames and samples, with which instances, from which folder."""

import json
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.cityscapes import find_frames
from methods.common.datasets.limited import limited_names
from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.stage import Inputs
from methods.instance_synthesis.manifest import SAMPLES_FILE, SampleRow, write_rows
from methods.instance_synthesis.training_set import Shares, instances_by_class, read_frames, read_training_set
from methods.instance_synthesis.training_set_config import FramesSource
from tests.unit.instance_frames import id_map, street_frame, write_cityscapes, write_coco

NAMES = [f"aachen_{number:06d}_000019" for number in range(8)]
SEEDS = Seeds()
PERSON, CAR = 24, 26


def sample_row(name: str, frame: str, place: int) -> SampleRow:
    zeros = dict.fromkeys(("seed", "focus_seed", "offset", "num_tries", "focus_x0", "focus_y0", "checksum"), 0)
    known = {"layer": 0, "instance_id": 26001, "class_name": "car", "prompt": "", "ratio": 1.0, "num_instances": 2}
    return SampleRow(name=name, number=place, variant=1, frame=frame, focus_x1=64, focus_y1=32, **known, **zeros)


def write_samples(folder, frames):
    """Samples of these frames as an integration cell leaves them: two variants of one instance each; the car alone."""
    rows = []
    id_HW = id_map()
    id_HW[id_HW == 24000] = 7
    for place, frame in enumerate(frames):
        for variant in (1, 2):
            name = f"aachensynthetic_{NAMES.index(frame):06d}_{variant:06d}"
            write_cityscapes(folder, [street_frame(id_HW, name)])
            rows.append(sample_row(name, frame, place))
    write_rows(folder / SAMPLES_FILE, rows, SampleRow)
    return folder


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Eight frames, and their samples in two shards."""
    root = tmp_path_factory.mktemp("set")
    data = write_cityscapes(root / "data", [street_frame(name=name) for name in NAMES])
    shards = [write_samples(root / f"shard{part}", NAMES[part::2]) for part in (0, 1)]
    return data, shards


def read(places, shares=None, with_samples=True):
    data, shards = places
    return read_training_set(data, "cityscapes", "train", shards if with_samples else [], shares or Shares(), SEEDS)


def files(dataset):
    return [dataset.image_path(image).name.removesuffix("_leftImg8bit.png") for image in dataset.images]


def frames_of(dataset):
    """The real frame behind every image."""
    return [name if name in NAMES else NAMES[int(name.split("_")[1])] for name in files(dataset)]


def test_samples_are_added_to_all_real_frames(places) -> None:
    """InstSynth section 2.8: plain concatenation; both variants of every instance."""
    dataset = read(places)
    assert files(dataset)[:8] == NAMES
    assert len(dataset.images) == 8 + 16
    assert sorted(files(dataset)[8:]) == sorted(
        f"aachensynthetic_{number:06d}_{variant:06d}" for number in range(8) for variant in (1, 2)
    )


def test_each_image_has_its_own_instances_and_pixels(places) -> None:
    dataset = read(places)
    for image in dataset.images:
        found = sorted(one.category_id for one in dataset.annotations[image.id])
        is_real = dataset.image_path(image).name.startswith(tuple(NAMES))
        assert found == ([PERSON, CAR] if is_real else [CAR])
        car = next(one for one in dataset.annotations[image.id] if one.category_id == CAR)
        mask_HW = car.mask(image.height, image.width)
        assert (mask_HW == (id_map() == 26001)).all()
        assert car.image_id == image.id
    ids = [one.id for one in dataset.iter_annotations()]
    assert len(set(ids)) == len(ids)
    cars = next(category for category in dataset.categories if category.id == CAR)
    assert (cars.instance_count, cars.image_count) == (24, 24)
    people = next(category for category in dataset.categories if category.id == PERSON)
    assert people.instance_count == 8


def test_without_samples_only_real_frames_are_there(places) -> None:
    assert files(read(places, with_samples=False)) == NAMES


@pytest.mark.parametrize("percent", [10, 25, 50])
def test_samples_of_frames_that_are_left_out_go_with_them(places, percent) -> None:
    """InstSynth section 10, item 1: a study of limited data must not see the other frames through their samples."""
    dataset = read(places, Shares(percent=percent))
    kept = set(limited_names([frame.name for frame in find_frames(places[0], "train")], percent / 100, SEEDS))
    assert set(frames_of(dataset)) == kept
    assert len(dataset.images) == 3 * len(kept) == 3 * max(1, round(8 * percent / 100))


def test_smaller_shares_lie_inside_larger_ones(places) -> None:
    shares = [set(files(read(places, Shares(percent=percent)))) for percent in (10, 25, 50, 100)]
    for small, large in pairwise(shares):
        assert small < large


@pytest.mark.parametrize(("percent", "num_samples"), [(20, 2), (50, 8), (60, 12)])
def test_a_share_of_samples_is_of_all_training_images(places, percent, num_samples) -> None:
    names = files(read(places, Shares(synthetic_percent=percent)))
    assert names[:8] == NAMES
    assert len(names) - 8 == num_samples


def test_the_same_samples_are_drawn_whatever_they_show_and_nested(places, tmp_path) -> None:
    few, many = (set(files(read(places, Shares(synthetic_percent=percent)))) for percent in (20, 50))
    assert few < many
    other = places[0], [write_samples(tmp_path / "all", NAMES)]
    assert set(files(read(other, Shares(synthetic_percent=20)))) == few


def test_too_few_samples_for_a_share_are_refused(places) -> None:
    with pytest.raises(InputError, match="72, but there are 16; ask for a smaller share"):
        read(places, Shares(synthetic_percent=90))


def test_both_shares_work_together(places) -> None:
    dataset = read(places, Shares(percent=50, synthetic_percent=50))
    assert len(dataset.images) == 4 + 4
    assert set(frames_of(dataset)[4:]) <= set(frames_of(dataset)[:4])


def test_the_source_of_a_training_reads_the_roles_of_its_cell(places) -> None:
    data, shards = places
    inputs = Inputs({"data": [data], "samples": shards})
    found = FramesSource(percent=50, synthetic_percent=50).open(inputs, SEEDS)
    assert files(found) == files(read(places, Shares(percent=50, synthetic_percent=50)))


def test_instances_are_counted_by_class(places) -> None:
    """InstSynth section 2.6, step 6: all instances of a window count, not the repainted one alone; groups are none."""
    real, whole = (instances_by_class(read(places, with_samples=wanted)) for wanted in (False, True))
    assert (real["car"], real["person"], sum(real.values())) == (8, 8, 16)
    assert (whole["car"], whole["person"], sum(whole.values())) == (24, 8, 32)
    assert list(whole) == ["person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"]


# -- COCO's layout


def masks(*boxes):
    found = []
    for x0, y0, x1, y1 in boxes:
        mask_HW = np.zeros((24, 48), bool)
        mask_HW[y0:y1, x0:x1] = True
        found.append(mask_HW)
    return found


def test_cocos_layout_keeps_ids_and_overlapping_masks(tmp_path) -> None:
    boxes = masks((2, 2, 20, 20), (10, 4, 30, 18), (40, 0, 48, 8))
    dataset = read_frames(write_coco(tmp_path, boxes, crowd=(2,)), "coco", "train")
    assert [category.name for category in dataset.classes] == ["cat", "dog"]
    assert [image.id for image in dataset.images] == [7]
    found = {one.category_id: one.mask(24, 48) for one in dataset.annotations[7]}
    assert found.keys() == {70, 90}, "a crowd is no instance to learn"
    assert (found[70] == boxes[0]).all()
    assert (found[90] == boxes[1]).all()
    assert dataset.image_path(dataset.images[0]) == tmp_path / "train" / "one.png"


def test_samples_in_cocos_layout_join_by_the_names_of_their_classes(tmp_path) -> None:
    """Their own file numbers classes anew: the dog is class 1 there."""
    data = write_coco(tmp_path / "data", masks((2, 2, 20, 20), (10, 4, 30, 18)))
    cell = tmp_path / "cell"
    (cell / "train").mkdir(parents=True)
    Image.fromarray(np.zeros((24, 48, 3), np.uint8)).save(cell / "train" / "synthetic_000000_000001.png")
    (cell / "annotations").mkdir()
    document = {
        "images": [{"id": 1, "file_name": "synthetic_000000_000001.png", "height": 24, "width": 48}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[2, 2, 12, 2, 12, 12, 2, 12]]}],
    }
    (cell / "annotations" / "instances_train.json").write_text(json.dumps(document))
    write_rows(cell / SAMPLES_FILE, [sample_row("synthetic_000000_000001", "7", 0)], SampleRow)
    dataset = read_training_set(data, "coco", "train", [cell], Shares(), SEEDS)
    assert len(dataset.images) == 2
    assert [one.category_id for one in dataset.annotations[2]] == [90]
    assert dataset.image_path(dataset.images[1]).parent.parent == cell.resolve()


def test_names_of_images_may_hold_the_folder_of_their_split(tmp_path) -> None:
    """As LVIS files write them: ``train/000001.jpg``."""
    data = write_coco(tmp_path, masks((2, 2, 20, 20)))
    document = json.loads((data / "train.json").read_text())
    document["images"][0]["file_name"] = "train/one.png"
    (data / "train.json").write_text(json.dumps(document))
    dataset = read_frames(data, "coco", "train")
    assert dataset.image_path(dataset.images[0]) == data / "train" / "one.png"


# -- stuff -----------------------------------------------------------------------------------------------------------------

ROAD, SKY = 7, 23


def with_sky(id_HW):
    """The same frame, two rows of sky above it; groups keep their pixels."""
    sky_HW = id_HW.copy()
    sky_HW[:2] = SKY
    return sky_HW


def test_regions_of_stuff_follow_the_instances_of_their_frame_and_groups_are_neither(tmp_path) -> None:
    """InstSynth section 8.3: 19 classes, from the panoptic annotation; the group of cars is a crowd, which nobody learns."""
    id_HW = with_sky(id_map())
    data = write_cityscapes(tmp_path, [street_frame(id_HW)])
    dataset = read_frames(data, "cityscapes", "train", "things_and_stuff")
    assert len(dataset.class_ids) == 19
    assert [dataset.category_by_id[id].name for id in dataset.class_ids[::9]] == ["road", "terrain", "bicycle"]
    (image,) = dataset.images
    found = dataset.annotations[image.id]
    assert [one.category_id for one in found] == [PERSON, CAR, ROAD, SKY]
    assert [one.id for one in found] == [1, 2, 3, 4]
    for one, value in zip(found, (24000, 26001, ROAD, SKY), strict=True):
        assert (one.mask(image.height, image.width) == (id_HW == value)).all()


def test_stuff_is_read_from_the_label_ids(tmp_path) -> None:
    """Samples may redraw outlines in the maps of instance ids; classes of pixels stand in the label maps."""
    frame = street_frame()
    data = write_cityscapes(tmp_path, [frame])
    path = find_frames(data, "train")[0].paths.labels
    label_HW = frame.label_HW.copy()
    label_HW[28:] = 8
    Image.fromarray(label_HW).save(path)
    dataset = read_frames(data, "cityscapes", "train", "things_and_stuff")
    sidewalk = next(one for one in dataset.iter_annotations() if one.category_id == 8)
    assert sidewalk.area == 4 * 64
    Image.fromarray(label_HW[:-1]).save(path)
    with pytest.raises(InputError, match=r"gtFine_labelIds\.png"):
        read_frames(data, "cityscapes", "train", "things_and_stuff")


def test_with_stuff_samples_bring_theirs_and_counts_are_of_instances_alone(places) -> None:
    data, shards = places
    inputs = Inputs({"data": [data], "samples": shards})
    dataset = FramesSource(segments="things_and_stuff").open(inputs, SEEDS)
    assert [category.id for category in dataset.classes] == sorted(category.id for category in dataset.classes)
    regions = [one for one in dataset.iter_annotations() if one.category_id == ROAD]
    assert len(regions) == len(dataset.images) == 24
    things = read(places)
    assert instances_by_class(dataset, "things_and_stuff") == instances_by_class(things)
    assert files(dataset) == files(things)


def test_cocos_layout_has_no_stuff(tmp_path) -> None:
    data = write_coco(tmp_path, masks((2, 2, 20, 20)))
    with pytest.raises(InputError, match="lies in COCO's layout, which has no regions of stuff"):
        read_frames(data, "coco", "train", "things_and_stuff")

"""Support lists of few-shot learning: what is drawn, what a given list must hold, and which instances a training then knows."""

import json

import numpy as np
import pytest

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.segmenters.instance.instances import IGNORED
from methods.common.segmenters.instance.training_images import RealImages, collate
from methods.common.stage import Inputs, LocalContext
from methods.instance_synthesis.frame_files import open_frames
from methods.instance_synthesis.manifest import (
    MANIFEST_FILE,
    SAMPLES_FILE,
    InstanceRow,
    SampleRow,
    read_rows,
    write_rows,
)
from methods.instance_synthesis.paste import match_histogram
from methods.instance_synthesis.select import SelectConfig
from methods.instance_synthesis.stages.select import SelectStageConfig, select
from methods.instance_synthesis.stages.support import SupportStageConfig, support
from methods.instance_synthesis.support import SUPPORT_FILE, SupportConfig, by_frame, draw_support, read_support
from methods.instance_synthesis.training_set import instances_by_class
from methods.instance_synthesis.training_set_config import FramesSource
from tests.unit.instance_frames import street_frame, write_cityscapes
from tests.unit.test_instance_synthesis_training_set import sample_row

NAMES = [f"aachen_{number:06d}_000019" for number in range(6)]
PERSON, CAR, BUS = 24000, 26000, 28000
CONFIG = {"base": ("person", "car"), "novel": ("bus",), "min_area_px": 30}


def frame(name: str):
    """A person, two cars, two buses and one bus too small to be drawn."""
    id_HW = np.full((32, 64), 7, np.uint16)
    id_HW[4:20, 4:8] = PERSON
    id_HW[4:12, 12:20] = CAR
    id_HW[16:24, 12:20] = CAR + 1
    id_HW[4:12, 30:40] = BUS
    id_HW[16:24, 30:40] = BUS + 1
    id_HW[28:30, 50:54] = BUS + 2
    made = street_frame(id_HW, name)
    names = {24: "person", 26: "car", 28: "bus"}
    ids = [int(one) for one in np.unique(id_HW) if one >= 1000]
    kind = type(made.instances[0])
    return type(made)(
        name, made.image_HW3, made.id_LHW, tuple(kind(one, 0, names[one // 1000]) for one in ids), made.label_HW
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_cityscapes(tmp_path_factory.mktemp("few"), [frame(name) for name in NAMES])


def drawn(data, shots: int, seed: int = 0):
    config = SupportConfig(shots=shots, **CONFIG)
    return draw_support(open_frames(data, "cityscapes", "train"), config, Seeds(training=seed))


def listed(data, tmp_path, name="cell", **changes):
    """The folder of a support cell."""
    out = tmp_path / name
    out.mkdir()
    context = LocalContext(out, seeds=Seeds(training=changes.pop("seed", 0)))
    support(Inputs({"data": [data]}), SupportStageConfig(**{**CONFIG, "shots": 1, **changes}), context)
    return out


def known(data, folders=(), novel=("bus",), samples=()):
    roles = {"data": [data], "support": list(folders), "samples": list(samples)}
    return FramesSource(novel=novel).open(Inputs(roles), Seeds())


# -- the draw ------------------------------------------------------------------------------------------------------------------


def test_a_list_holds_k_of_each_class_none_of_them_small(data) -> None:
    rows = drawn(data, 5)
    assert [row.class_name for row in rows] == ["person"] * 5 + ["car"] * 5 + ["bus"] * 5
    assert len(set(rows)) == 15
    assert BUS + 2 not in {row.instance_id for row in drawn(data, 6)}


def test_fewer_shots_are_the_first_of_more_and_another_seed_draws_others(data) -> None:
    more = drawn(data, 5)
    assert {row for row in drawn(data, 2)} == {row for start in (0, 5, 10) for row in more[start : start + 2]}
    assert drawn(data, 5) == more
    assert set(drawn(data, 5, seed=1)) != set(more)


def test_a_class_without_enough_instances_is_refused(data) -> None:
    with pytest.raises(
        InputError, match="have 6 instances of class 'person' with at least 30 px, and the support asks for 7"
    ):
        drawn(data, 7)


def test_the_file_of_a_list_comes_back(data, tmp_path) -> None:
    folder = listed(data, tmp_path, shots=3, seed=2)
    assert read_support(folder / SUPPORT_FILE) == drawn(data, 3, seed=2)
    assert json.loads((folder / SUPPORT_FILE).read_text())["about"]["seed"] == 2


def give(data, rows, name="lists/seed0.json"):
    path = data / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"instances": rows}))


def row_of(frame: str, id: int, class_name: str) -> dict[str, object]:
    return {"frame": frame, "instance_id": id, "class_name": class_name}


ONE_EACH = [row_of(NAMES[0], PERSON, "person"), row_of(NAMES[1], CAR, "car"), row_of(NAMES[2], BUS, "bus")]


def test_a_given_list_is_taken_by_seed(data, tmp_path) -> None:
    give(data, ONE_EACH)
    folder = listed(data, tmp_path, given="lists/seed{seed}.json")
    assert by_frame(read_support(folder / SUPPORT_FILE)) == {
        name: frozenset({(0, id)}) for name, id in zip(NAMES, (PERSON, CAR, BUS), strict=False)
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [row_of("zurich_000000_000019", BUS, "bus"), *ONE_EACH],
            "names image 'zurich_000000_000019', which is not among the 6",
        ),
        (
            [*ONE_EACH[:2], row_of(NAMES[2], BUS + 7, "bus")],
            f"names instance {BUS + 7} of image '{NAMES[2]}' as 'bus', but",
        ),
        ([*ONE_EACH[:2], row_of(NAMES[2], CAR, "bus")], f"names instance {CAR} of image '{NAMES[2]}' as 'bus', but"),
        ([*ONE_EACH, ONE_EACH[2]], "2 times; name it once"),
        (ONE_EACH[:2], "names 0 instances of class 'bus'"),
        ([{"frame": NAMES[0]}], "is no support list: instances.0.instance_id: Field required"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(data, tmp_path, rows, message) -> None:
    give(data, rows, "wrong.json")
    with pytest.raises(InputError, match=message):
        listed(data, tmp_path, given="wrong.json")
    with pytest.raises(InputError, match="there is no support list"):
        listed(data, tmp_path, "other", given="nowhere.json")


# -- what a training knows -----------------------------------------------------------------------------------------------------


def counts(dataset):
    """Learnt and ignored instances by class name."""
    names = {category.id: category.name for category in dataset.categories}
    found = {"learnt": {}, "ignored": {}}
    for one in dataset.iter_annotations():
        kind = found["ignored" if one.crowd else "learnt"]
        kind[names[one.category_id]] = kind.get(names[one.category_id], 0) + 1
    return found


def test_the_base_stage_ignores_every_novel_instance_and_learns_all_others(data) -> None:
    dataset = known(data)
    assert counts(dataset) == {"learnt": {"person": 6, "car": 12}, "ignored": {"bus": 18}}
    assert {name: number for name, number in instances_by_class(dataset).items() if number} == {"person": 6, "car": 12}


def test_the_novel_stage_sees_the_frames_of_its_list_and_of_their_novel_instances_the_listed_ones(
    data, tmp_path
) -> None:
    give(data, ONE_EACH)
    dataset = known(data, [listed(data, tmp_path, given="lists/seed0.json")])
    assert len(dataset.images) == 3
    assert counts(dataset) == {"learnt": {"person": 3, "car": 6, "bus": 1}, "ignored": {"bus": 8}}
    (bus,) = [one for one in dataset.annotations[3] if one.category_id == 28 and not one.crowd]
    assert bus.bbox_xywh == (30, 4, 10, 8), "the bus of the list, not another one"


def test_without_novel_classes_everything_is_learnt(data) -> None:
    assert counts(known(data, novel=()))["ignored"] == {}


def test_a_class_of_other_data_is_refused(data) -> None:
    with pytest.raises(InputError, match="novel class 'zebra' is none of"):
        known(data, novel=("zebra",))


def test_samples_know_what_the_list_knows_of_their_frame(data, tmp_path) -> None:
    give(data, ONE_EACH)
    folder = tmp_path / "samples"
    name = "aachensynthetic_000000_000001"
    write_cityscapes(folder, [frame(name)])
    write_rows(folder / SAMPLES_FILE, [sample_row(name, NAMES[2], 0)], SampleRow)
    dataset = known(data, [listed(data, tmp_path, given="lists/seed0.json")], samples=[folder])
    assert len(dataset.images) == 4
    of_sample = dataset.annotations[4]
    assert [one.crowd for one in of_sample if one.category_id == 28] == [False, True, True]


def test_ignored_instances_are_no_targets_and_keep_their_boxes(data) -> None:
    images = RealImages(known(data))
    assert images.classes(0) == [0, 2, 2]
    assert images.num_ignored == 18
    image_HW3, instances = images[0]
    assert instances.class_N.tolist() == [0, 2, 2, IGNORED, IGNORED, IGNORED]
    (target,) = collate([(image_HW3, instances)]).targets
    assert target.classes_N.tolist() == [0, 2, 2]
    assert target.boxes_N4.tolist() == [[4, 4, 8, 20], [12, 4, 20, 12], [12, 16, 20, 24]]
    assert target.ignored_M4.tolist() == [[30, 4, 40, 12], [30, 16, 40, 24], [50, 28, 54, 30]]


def test_an_image_of_ignored_instances_alone_is_left_out(data) -> None:
    assert len(RealImages(known(data, novel=("bus",)))) == 6
    everything = known(data, novel=("bus", "person", "car"))
    with pytest.raises(InputError, match="has no image with an annotation"):
        RealImages(everything)


# -- what is made of a list ----------------------------------------------------------------------------------------------------


def test_the_instances_of_a_list_are_repainted_and_no_others(data, tmp_path) -> None:
    folder, out = listed(data, tmp_path, shots=3), tmp_path / "select"
    out.mkdir()
    config = SelectStageConfig(select=SelectConfig(per_frame=1, classes=("bus",)), num_variants=4)
    select(Inputs({"data": [data], "support": [folder]}), config, LocalContext(out))
    rows = read_rows(out / MANIFEST_FILE, InstanceRow)
    wanted = {(row.frame, row.instance_id) for row in drawn(data, 3) if row.class_name == "bus"}
    assert {(row.frame, row.instance_id) for row in rows} == wanted
    assert all(len(row.seeds) == 4 for row in rows)


def test_a_matched_histogram_is_that_of_the_real_crop() -> None:
    rng = np.random.default_rng(0)
    real, other = (rng.integers(low, high, (24, 24, 3), np.uint8) for low, high in ((100, 220), (0, 60)))
    assert np.array_equal(match_histogram(real, real), real)
    matched = match_histogram(other, real)
    for channel in range(3):
        assert abs(float(matched[..., channel].mean()) - float(real[..., channel].mean())) < 2
    by_hand = match_histogram(
        np.full((2, 2, 3), 9, np.uint8), np.array([[1, 2], [3, 4]], np.uint8)[..., None].repeat(3, 2)
    )
    assert (by_hand == 4).all(), "what is brightest in one is brightest in the other"

"""Our Cityscapes instance evaluation against cityscapesScripts, to 1e-9 and better."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS, LABELS
from methods.common.datasets.rle import encode_mask
from methods.common.errors import InputError
from methods.common.metrics.cityscapes import instance_overlaps as cityscapes_instance_overlaps
from methods.common.metrics.cityscapes.instance import (
    CityscapesInstanceEvaluation,
    InstancePrediction,
    evaluate_cityscapes_instance,
)
from methods.common.metrics.official.cityscapes_instance import evaluate_cityscapes_instance_officially
from tests.parity.cityscapes_coco_example import score_scenes
from tests.parity.cityscapes_instance_cases import (
    HEIGHT,
    WIDTH,
    anchor,
    distance_file,
    drawn,
    evaluation_case,
    run_list,
    two_cars,
    write_files,
)


def assert_equal(ours: Any, official: Any) -> None:
    rows = [(ours.metrics(), official.metrics()), *zip(ours.per_class(), official.per_class(), strict=True)]
    for mine, theirs in rows:
        assert list(mine) == list(theirs)
        for name, value in theirs.items():
            assert mine[name] == (value if value is None or isinstance(value, str) else pytest.approx(value, abs=1e-12))


def compare(truth: Any, predictions: Any, distances: Path | None = None) -> CityscapesInstanceEvaluation:
    ours = evaluate_cityscapes_instance(truth, predictions, distances)
    assert_equal(ours, evaluate_cityscapes_instance_officially(truth, predictions, distances))
    return ours


@settings(max_examples=200, deadline=None)
@given(case=evaluation_case())
def test_drawn_cases_equal_the_official_tool(case: Any) -> None:
    compare(*case)


@settings(max_examples=60, deadline=None)
@given(case=evaluation_case(), seed=st.integers(0, 99))
def test_drawn_distances_equal_the_official_tool(
    tmp_path_factory: pytest.TempPathFactory, case: Any, seed: int
) -> None:
    distances = distance_file(tmp_path_factory.getbasetemp(), case[0], seed)
    assert list(compare(*case, distances).metrics()) == ["AP", "AP50", "AP100m", "AP50m", "AP50_50m"]


@pytest.mark.parametrize("seed", range(4))
def test_distances_of_larger_objects(tmp_path: Path, seed: int) -> None:
    """Objects of more than 1,000 pixels, so that the three distance settings differ."""
    truth, predictions = drawn(seed)
    wide = {image_id: np.kron(image, np.ones((3, 3), image.dtype)) for image_id, image in truth.items()}
    found = {
        image_id: [one._replace(mask=np.kron(one.mask, np.ones((3, 3), bool))) for one in some]
        for image_id, some in predictions.items()
    }
    metrics = compare(wide, found, distance_file(tmp_path, wide, seed)).metrics()
    assert len(set(metrics.values())) == 5


@settings(max_examples=12, deadline=None)
@given(case=evaluation_case())
def test_files_equal_the_official_tool(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    truth, predictions = case
    truth = {image_id: np.maximum(image, 0) for image_id, image in truth.items()}
    compare(*write_files(tmp_path_factory.mktemp("files"), truth, predictions))


@pytest.mark.parametrize("seed", range(3))
def test_weights_equal_repeated_frames(tmp_path: Path, seed: int) -> None:
    truth, predictions = drawn(seed)
    distances = distance_file(tmp_path, truth, seed)
    evaluation = evaluate_cityscapes_instance(truth, predictions, distances)
    assert evaluation.metrics(np.ones(len(truth))) == evaluation.metrics()
    assert 0.05 < evaluation.metrics()["AP"] < 0.95  # type: ignore[operator]
    for _ in range(3):
        weight_I = np.random.default_rng(seed).integers(0, 4, len(truth)).astype(float)
        weight_I[-1] = 1  # the frame that keeps the official tool running
        times = {f"{name}x{k}": name for name, weight in zip(truth, weight_I, strict=True) for k in range(int(weight))}
        repeated = [{again: given[name] for again, name in times.items()} for given in (truth, predictions)]
        records = json.loads(distances.read_text())
        ending = "_gtFine_instanceIds.png"
        spread = {f"{again}{ending}": records[f"/elsewhere/{name}{ending}"] for again, name in times.items()}
        (tmp_path / "repeated.json").write_text(json.dumps(spread))
        official = evaluate_cityscapes_instance_officially(*repeated, tmp_path / "repeated.json")  # type: ignore[arg-type]
        assert evaluation.metrics(weight_I) == pytest.approx(official.metrics(), abs=1e-12)
    with pytest.raises(InputError, match="resampled"):
        official.metrics(weight_I)


def test_nothing_depends_on_processes_or_memory_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_processes: None
) -> None:
    truth, predictions = drawn(5)
    encoded = {name: [one._replace(mask=encode_mask(one.mask)) for one in found] for name, found in predictions.items()}
    folders = write_files(tmp_path, truth, predictions)
    seen: list[tuple[int, int]] = []
    expected = evaluate_cityscapes_instance(*folders, progress=lambda *done: seen.append(done))
    assert seen[-1] == (7, 7)
    assert expected.metrics() == evaluate_cityscapes_instance(*folders, num_processes=2).metrics()
    assert expected.metrics() == evaluate_cityscapes_instance(folders[0], encoded, num_processes=2).metrics()
    seen.clear()
    threads = evaluate_cityscapes_instance(truth, predictions, None, lambda *done: seen.append(done), 3)
    assert (threads.metrics(), seen) == (expected.metrics(), [(done, 7) for done in range(1, 8)])
    monkeypatch.setattr(cityscapes_instance_overlaps, "_MAX_AT_ONCE", 20)
    for form in (predictions, encoded):
        assert expected.metrics() == evaluate_cityscapes_instance(truth, form).metrics()


def test_example_computed_by_hand() -> None:
    """Two cars of 10 x 10: T [.9], F [.8], T [.7] at IoU 1; recalls 1/2, 1/2, 1 with precisions 1, 1/2, 2/3.

    Straight lines from (0, 1): 1/2 * 1 + 0 + 1/2 * (1/2 + 2/3) / 2 = 0.791667.
    """
    assert evaluate_cityscapes_instance(*two_cars()).metrics() == pytest.approx({"AP": 0.7916667, "AP50": 0.7916667})


def test_overlaps_exactly_at_every_threshold() -> None:
    """IoU k/20 with an object, and k/20 of a mask on void, for k = 10..19."""
    truth, predictions = {"a_9_9": anchor()[0]}, {"a_9_9": anchor()[1]}
    for k in range(10, 20):
        image, mask = np.full((HEIGHT, WIDTH), 7, np.uint16), np.zeros((HEIGHT, WIDTH), bool)
        image[:10, :20] = 26001
        mask[:10, :k] = True
        image[20:30, :k] = 0
        partly_void = np.zeros_like(mask)
        partly_void[20:30, :20] = True
        truth[f"a_{k}_0"] = image
        predictions[f"a_{k}_0"] = [InstancePrediction(26, 0.9, mask), InstancePrediction(26, k / 20, partly_void)]
    compare(truth, predictions)


def test_class_whose_predictions_are_all_ignored() -> None:
    """The official tool stops there; without a prediction that counts, nothing is found."""
    truth, predictions = two_cars()
    truth["a_0_0"][30:, :10] = 0
    predictions["a_0_0"] = [InstancePrediction(26, 0.5, truth["a_0_0"] == 0)]
    assert evaluate_cityscapes_instance(truth, predictions).metrics() == {"AP": 0.0, "AP50": 0.0}
    with pytest.raises(InputError, match="every prediction of a class is ignored"):
        evaluate_cityscapes_instance_officially(truth, predictions)


def test_numbers_without_objects_are_none() -> None:
    evaluation = compare({"a_0_0": np.full((4, 4), 26, np.uint8)}, {"a_0_0": []})
    assert evaluation.metrics() == {"AP": None, "AP50": None}
    assert [row["name"] for row in evaluation.per_class()] == [label.name for label in INSTANCE_LABELS]


def test_small_and_doubly_ignored_groups_and_small_objects_of_wide_images(tmp_path: Path) -> None:
    """A group below 100 px counts twice among ignored pixels; 32-bit ids and odd sizes go other ways through the code."""
    image = np.full((31, 97), 7, np.int64)
    image[:9, :9], image[10:20, 10:30], image[20:31, 90:] = 26, 26001, -1
    mask = np.zeros(image.shape, bool)
    mask[:9, :18] = True
    predictions = [InstancePrediction(26, 0.9, mask), InstancePrediction(26, 0.5, image == 26001)]
    predictions += [
        InstancePrediction(26, 0.4, np.asfortranarray(image == -1)),
        InstancePrediction(24, 0.1, image == 7),
    ]
    expected = compare({"a_0_0": image}, {"a_0_0": predictions}).metrics()
    rle = [one._replace(mask=encode_mask(one.mask)) for one in predictions]
    as_lists = [one._replace(mask={"size": [31, 97], "counts": run_list(one.mask)}) for one in predictions]
    for form in (rle, as_lists, [rle[0], predictions[1], as_lists[2], rle[3]]):
        assert compare({"a_0_0": image}, {"a_0_0": form}).metrics() == expected


@pytest.mark.parametrize("tree", ["dataset", "train_dataset"])
def test_official_layout_in_miniature(shared: Path, tmp_path: Path, tree: str) -> None:
    """Two trees of other projects, five pixels an image, with ids of 8 and of 16 bits."""
    truth = shared / "data" / "format_fixtures" / "datumaro" / "cityscapes_dataset" / tree / "gtFine"
    for path in truth.rglob("*_instanceIds.png"):
        name = path.name.removesuffix("_gtFine_instanceIds.png")
        Image.fromarray(np.array([[0, 0, 9, 9, 9]], np.uint8)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}_x.txt").write_text(f"{name}.png 27 0.5\n")
    evaluation = compare(truth, tmp_path)
    assert evaluation.image_ids == tuple(f"defaultcity_{ending}" for ending in IMAGES_IN_MINIATURE)
    assert evaluation.metrics() == {"AP": None, "AP50": None}


IMAGES_IN_MINIATURE = ("000001_000019", "000001_000031", "000001_000032", "000002_000045")


def test_the_official_tool_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as tool  # noqa: N813
    from cityscapesscripts.evaluation import instances2dict

    monkeypatch.chdir(tmp_path)
    modules = (np, tool, instances2dict)
    before, arguments = [dict(vars(module)) for module in modules], dict(vars(tool.args))
    evaluate_cityscapes_instance_officially(*drawn(0))
    with pytest.raises(InputError):
        evaluate_cityscapes_instance_officially({"a_0_0": np.full((2, 2), 77)}, {"a_0_0": []})
    assert [dict(vars(module)) for module in modules] == before
    assert (dict(vars(tool.args)), list(tmp_path.iterdir())) == (arguments, [])
    assert not Path(tool.args.gtInstancesFile).exists()


def test_labels_equal_the_official_table() -> None:
    from cityscapesscripts.helpers.labels import labels

    assert [tuple(label) for label in LABELS] == [tuple(label)[:7] for label in labels]


def test_where_cityscapes_and_coco_differ() -> None:
    """The worked example of the documents: (Cityscapes AP50, AP, COCO AP50, AP), by counting."""
    expected = {
        "one car, found exactly": (1, 1, 1, 1),
        "one car, found, but a wrong mask has a higher score": (1 / 4, 1 / 4, 1 / 2, 1 / 2),
        "two cars found, a wrong mask between their scores": (19 / 24, 19 / 24, 253 / 303, 253 / 303),
        "one car found, one of 81 pixels missed": (1, 1, 51 / 101, 51 / 101),
        "one car found, a mask with a higher score on void": (1, 1, 1 / 2, 1 / 2),
        "one car found, a mask with a higher score on a group": (1, 1, 1, 1),
        "one car, its mask covers exactly half of it": (0, 0, 1, 1 / 10),
        "all of these at once": (1 / 8, 1 / 8, 67 / 202, 271 / 2020),
    }
    found = score_scenes()
    for name, numbers in expected.items():
        print(f"{name}: {found[name]}")
        assert tuple(found[name].values()) == pytest.approx(numbers, abs=1e-12), name
    assert list(found) == list(expected)

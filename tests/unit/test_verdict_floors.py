"""Arms that have learnt nothing decide no claim, and what knowing nothing scores is counted from the ground truth."""

import json
from pathlib import Path

import numpy as np
import pytest

from methods.common.stages.evaluate_semantic import CONFUSION_FILE, percentages, scores_of_one_class
from reports.records import Evidence, Metric, Report
from reproductions.verdicts.differences import Gain, GainOverAll, NoGain
from tests.unit.bare_reports import bare_report

FLOOR = 8.0


def report(unit: str, floors: dict[str, float], **values: list[float]) -> Report:
    return bare_report([Metric(id="m", title="m", unit=unit)], "m", values, floors=floors)


def one(test: Gain | NoGain | GainOverAll, of: Report) -> Evidence:
    [found] = test.evidence(of, "small")
    return found


LOW, LOWER = [8.2, 8.25, 8.15], [4.05, 4.0, 3.95]


def test_two_arms_at_the_floor_decide_nothing_though_seeds_agree() -> None:
    found = one(Gain("a", "b", ("m",)), report("mIoU", {"m": FLOOR}, a=LOW, b=LOWER))
    assert (found.verdict, found.p_against, found.seeds_needed) == ("not resolved", None, None)
    assert found.reason == "neither arm scores more than knowing nothing does, by the 0.3 mIoU that would matter"
    assert found.mean == pytest.approx(4.2), "what was seen stays"


@pytest.mark.parametrize(("left", "right"), [("a", "b"), ("b", "a")])
def test_one_arm_above_the_floor_is_enough(left: str, right: str) -> None:
    found = one(Gain(left, right, ("m",)), report("mIoU", {"m": FLOOR}, a=[8.5, 8.55, 8.45], b=LOWER))
    assert found.verdict == ("holds" if left == "a" else "contradicted")


def test_each_arm_is_held_against_its_own_floor() -> None:
    of = report("mIoU", {"m": FLOOR}, a=LOW, b=LOWER)
    lower = [r.model_copy(update={"floors": {"m": 1.0}}) if r.arm == "b" else r for r in of.results]
    assert one(Gain("a", "b", ("m",)), of.model_copy(update={"results": tuple(lower)})).verdict == "holds"


def test_where_no_floor_is_known_there_is_none() -> None:
    assert one(Gain("a", "b", ("m",)), report("mIoU", {}, a=LOW, b=LOWER)).verdict == "holds"
    assert one(Gain("a", "b", ("m",)), report("%", {"m": FLOOR}, a=LOW, b=LOWER)).verdict == "holds"


def test_average_precision_of_nothing_is_zero() -> None:
    """Half a point of AP is what would matter."""
    few = {"a": [0.45, 0.46, 0.44], "b": [0.11, 0.1, 0.09]}
    assert one(Gain("a", "b", ("m",)), report("AP", {}, **few)).verdict == "not resolved"
    more = {"a": [0.65, 0.66, 0.64], "b": [0.11, 0.1, 0.09]}
    assert one(Gain("a", "b", ("m",)), report("AP", {}, **more)).verdict == "holds"


def test_arms_that_know_nothing_are_not_shown_to_be_equal() -> None:
    same = {"a": [0.2, 0.21, 0.19], "b": [0.2, 0.19, 0.21]}
    assert one(NoGain("a", "b", "m", 1.0), report("AP", {}, **same)).verdict == "not resolved"
    assert one(Gain("a", "b", ("m",)), report("AP", {}, **same)).verdict == "not resolved"
    learnt = {name: [value + 20 for value in known] for name, known in same.items()}
    assert one(NoGain("a", "b", "m", 1.0), report("AP", {}, **learnt)).verdict == "holds"
    assert one(Gain("a", "b", ("m",)), report("AP", {}, **learnt)).verdict == "equivalent"


def test_a_lead_over_arms_needs_one_that_has_learnt() -> None:
    of = report("mIoU", {"m": FLOOR}, a=LOW, b=LOWER, c=LOWER[::-1])
    assert one(GainOverAll("a", ("b", "c"), "m", "others"), of).verdict == "not resolved"
    learnt = report("mIoU", {"m": 1.0}, a=LOW, b=LOWER, c=LOWER[::-1])
    assert one(GainOverAll("a", ("b", "c"), "m", "others"), learnt).verdict == "holds"


def test_a_map_of_one_class_scores_its_share(tmp_path: Path) -> None:
    """By hand: 60 of 100 pixels are road, 40 car, none bus: road everywhere has IoU 60 and 0, a mean of 30 over the two that occur."""
    confusion = {"classes": ["road", "car", "bus"], "pixels": [[50, 10, 0], [5, 30, 5], [0, 0, 0]]}
    (tmp_path / CONFUSION_FILE).write_text(json.dumps(confusion))
    road, car = scores_of_one_class(tmp_path)
    assert road["iou"] == {"road": 60.0, "car": 0.0, "bus": None}
    assert (road["miou"], car["miou"]) == (30.0, 20.0)
    assert road["pixel_accuracy"] == 60.0


def test_no_map_of_one_class_scores_more_than_that(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 500)
    floors = []
    for label in range(4):
        confusion = np.zeros((4, 4), np.int64)
        np.add.at(confusion, (truth, np.full(500, label)), 1)
        floors.append(percentages(confusion, ("a", "b", "c", "d"))["miou"])
    (tmp_path / CONFUSION_FILE).write_text(
        json.dumps({"classes": ["a", "b", "c", "d"], "pixels": np.diag(np.bincount(truth)).tolist()})
    )
    assert [found["miou"] for found in scores_of_one_class(tmp_path)] == pytest.approx(floors)


def test_an_evaluation_without_label_maps_has_no_floor(tmp_path: Path) -> None:
    assert scores_of_one_class(tmp_path) == []

"""The stage that scores panoptic quality and IoU on Cityscapes: whose pixels, which classes, whose definition."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
from methods.common.datasets.png_labels import read_labels, read_rgb_ids
from methods.common.errors import InputError
from methods.common.metrics.official.panoptic import evaluate_panoptic_officially
from methods.common.segmenters.instance import segmenters
from methods.common.segmenters.instance.interface import PanopticSegmenter, PanopticSegments, PanopticThresholds
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.evaluate_panoptic import (
    LABELS_FOLDER,
    PANOPTIC_FILE,
    TRUTH_FILE,
    EvaluatePanopticConfig,
    evaluate_panoptic_cityscapes,
    segment_ids,
)
from tests.unit.cityscapes_frames import add_frame, instance_map

ROAD, SKY, PERSON, CAR = (
    next(one.train_id for one in EVALUATED_LABELS if one.name == name) for name in ("road", "sky", "person", "car")
)
NAMES = ["aachen_000000_000019", "bochum_000001_000019"]
TRUTHS = [
    instance_map((23, 0, 0, 48, 6), (26000, 0, 10, 20, 20), (24001, 30, 8, 40, 18)),
    instance_map((23, 0, 0, 48, 12), (26, 20, 14, 30, 20)),
]
"""Sky above road with a car and a person; sky and road with a group of cars."""


class Told(PanopticSegmenter):
    """Says what it was told of each frame: (training id, x0, y0, x1, y1) of segments, later ones in front; classes of pixels likewise."""

    num_classes = 19

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.told = {
            NAMES[0]: [
                (ROAD, 0, 6, 48, 24),
                (SKY, 0, 0, 48, 6),
                (CAR, 0, 10, 20, 15),
                (CAR, 0, 15, 20, 20),
                (PERSON, 30, 8, 40, 18),
            ],
            NAMES[1]: [(ROAD, 0, 12, 48, 24), (SKY, 0, 0, 40, 12), (CAR, 20, 14, 30, 20)],
        }
        self.panoptic, self.semantic = iter(NAMES), iter(NAMES)

    def losses(self, *arguments, **options):
        raise NotImplementedError

    def detect(self, *arguments, **options):
        raise NotImplementedError

    def save_pretrained(self, folder) -> None:
        raise NotImplementedError

    def segment_panoptic(self, image_NCHW, thresholds, image_sizes=None, output_sizes=None):
        assert image_NCHW.shape[2:] == (20, 40)
        assert thresholds == PanopticThresholds(0.7, 0.6)
        found = []
        for size in output_sizes:
            parts = self.told[next(self.panoptic)]
            segment_HW = torch.zeros(size, dtype=torch.int64)
            for number, (_, x0, y0, x1, y1) in enumerate(parts, start=1):
                segment_HW[y0:y1, x0:x1] = number
            found.append(PanopticSegments(segment_HW, torch.tensor([part[0] for part in parts])))
        return found

    def segment_semantic(self, image_NCHW, image_sizes=None, output_sizes=None):
        maps = []
        for size in output_sizes:
            class_HW = torch.full(size, SKY)
            for index, x0, y0, x1, y1 in self.told[next(self.semantic)]:
                class_HW[y0:y1, x0:x1] = index
            maps.append(class_HW)
        return maps


CONFIG = EvaluatePanopticConfig(short_side_px=20, long_side_px=40, object_threshold=0.7, overlap_threshold=0.6)


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    for name, id_HW in zip(NAMES, TRUTHS, strict=True):
        add_frame(tmp_path / "data", name, id_HW, "val")
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: Told())
    return Inputs({"data": [tmp_path / "data"], "model": [tmp_path / "cell"]})


def run(inputs: Inputs, out: Path, **changes):
    out.mkdir(exist_ok=True)
    return evaluate_panoptic_cityscapes(inputs, CONFIG.model_copy(update=changes), LocalContext(out))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_scores_are_those_of_the_definitions(inputs: Inputs, tmp_path: Path, batch_size: int) -> None:
    record = run(inputs, tmp_path / "out", batch_size=batch_size)
    assert (record["num_images"], record["split"]) == (2, "val")
    # Sky: 288 of 288, and 480 of 576. Half a car is no match twice: two false, one missed; the one on the group is neither. Road: all.
    expected = {SKY: (1 + 480 / 576) / 2, CAR: 0.0, PERSON: 1.0, ROAD: 1.0}
    pq = record["class_pq"]
    assert {index: pq[index] for index in expected} == pytest.approx(expected)
    assert [index for index, value in enumerate(pq) if value is not None] == sorted([ROAD, SKY, PERSON, CAR])
    assert record["metrics"]["PQ"] == pytest.approx(100 * np.mean([pq[i] for i in (ROAD, SKY, PERSON, CAR)]))
    assert record["metrics"]["PQ_th"] == pytest.approx(50.0)
    # Of pixels all is right: sky outside of its segment is sky, and the group's pixels are of cars.
    iou = record["class_iou"]
    assert [iou[index] for index in (ROAD, SKY, PERSON, CAR)] == pytest.approx([1.0] * 4)
    assert record["metrics"]["IoU"] == pytest.approx(100.0)


def test_the_official_evaluator_reads_the_files_and_agrees(inputs: Inputs, tmp_path: Path) -> None:
    record = run(inputs, tmp_path / "out")
    official = evaluate_panoptic_officially(tmp_path / "out" / TRUTH_FILE, tmp_path / "out" / PANOPTIC_FILE)
    for name in ("PQ", "SQ", "RQ", "PQ_th", "PQ_st"):
        assert record["metrics"][name] == pytest.approx(100 * official.metrics()[name])


def test_files_hold_label_ids_and_numbered_things(inputs: Inputs, tmp_path: Path) -> None:
    run(inputs, tmp_path / "out")
    document = json.loads((tmp_path / "out" / PANOPTIC_FILE).read_text())
    listed = {
        one["image_id"]: [(s["id"], s["category_id"]) for s in one["segments_info"]] for one in document["annotations"]
    }
    assert listed[NAMES[0]] == [(7, 7), (23, 23), (24001, 24), (26001, 26), (26002, 26)]
    id_HW = read_rgb_ids(tmp_path / "out" / "panoptic" / document["annotations"][0]["file_name"])
    assert (id_HW[12, 5], id_HW[17, 5], id_HW[0, 0]) == (26001, 26002, 23)
    label_HW = read_labels(tmp_path / "out" / LABELS_FOLDER / f"{NAMES[0]}.png")
    assert (label_HW[12, 5], label_HW[10, 35], label_HW[23, 47]) == (26, 24, 7)
    assert segment_ids([CAR, SKY, CAR]).tolist() == [0, 26001, 23, 26002]


def test_frames_that_are_there_are_not_segmented_again(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(inputs, tmp_path / "out")
    (tmp_path / "out" / LABELS_FOLDER / f"{NAMES[1]}.png").unlink()

    def second_alone(folder: Path) -> Told:
        told = Told()
        told.panoptic, told.semantic = iter(NAMES[1:]), iter(NAMES[1:])
        return told

    monkeypatch.setattr(segmenters, "load_segmenter", second_alone)
    assert run(inputs, tmp_path / "out") == whole
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: pytest.fail("nothing is left to segment"))
    assert run(inputs, tmp_path / "out") == whole


def test_a_network_that_knows_no_stuff_is_refused(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    told.num_classes = 8
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: told)
    with pytest.raises(InputError, match="does not know Cityscapes' 19 classes, things and stuff"):
        run(inputs, tmp_path / "out")

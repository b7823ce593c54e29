"""The stage that scores things in COCO's panoptic layout, against the official package."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from methods.common.datasets.coco_panoptic import ANNOTATIONS, open_coco_panoptic
from methods.common.miniature.coco_panoptic_view import DrawCocoPanopticConfig, draw_coco_panoptic
from methods.common.seeds import Seeds
from methods.common.segmenters.instance import segmenters
from methods.common.segmenters.instance.interface import Detections
from methods.common.segmenters.mask_queries.postprocess import boxes_of
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.evaluate_coco_instances import (
    DETECTIONS_FILE,
    EvaluateCocoInstancesConfig,
    evaluate_coco_instances,
)
from tests.unit.labelled_data import refusal
from tests.unit.seggen_worlds import cell

CONFIG = EvaluateCocoInstancesConfig(short_side_px=32, long_side_px=64)


class Mistaken(torch.nn.Module):
    """Says the things of each image by the places of their classes among things, some shifted, some of another class."""

    def __init__(self, data: Path) -> None:
        super().__init__()
        self.data = open_coco_panoptic(data, "val2017")
        self.things = [index for index, thing in enumerate(self.data.is_thing) if thing]
        self.num_classes, self.calls = len(self.things), 0

    def detect(self, image_NCHW, image_sizes=None, output_sizes=None, masks=True):
        answers = []
        for size in output_sizes:
            sample, rng = self.data[self.calls], np.random.default_rng(self.calls)
            self.calls += 1
            classes, found = [], [torch.zeros(size, dtype=torch.bool)]
            for one in sample.segments:
                if self.data.is_thing[one.category]:
                    place = self.things.index(one.category)
                    classes.append(place if rng.random() < 0.8 else (place + 1) % self.num_classes)
                    moved = np.roll(sample.segment_HW == one.id, int(rng.integers(0, 4)), axis=1)
                    found.append(torch.from_numpy(moved))
            mask = torch.stack(found)[1:]
            answers.append(
                Detections(boxes_of(mask), torch.linspace(0.9, 0.2, len(mask)), torch.tensor(classes).long(), mask)
            )
        return answers


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    data = cell(tmp_path, "data")
    config = DrawCocoPanopticConfig(num_train=1, num_val=12, num_things=5, image_size_px=48, crowd_share=0.8)
    draw_coco_panoptic(Inputs(), config, LocalContext(data, Seeds(data=3)))
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: Mistaken(data))
    return Inputs({"data": [data], "model": [tmp_path / "cell"]})


@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_scores_are_those_of_the_official_package(inputs: Inputs, tmp_path: Path, batch_size: int) -> None:
    config = CONFIG.model_copy(update={"batch_size": batch_size})
    record = evaluate_coco_instances(inputs, config, LocalContext(cell(tmp_path, "out")))
    coco = COCO(str(inputs.folder("data") / ANNOTATIONS / "instances_val2017.json"))
    evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "out" / DETECTIONS_FILE)), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert (record["num_images"], record["split"]) == (12, "val2017")
    assert 10 < record["metrics"]["AP"] < 95
    assert record["metrics"]["AP"] == pytest.approx(100 * evaluation.stats[0])
    assert record["metrics"]["AP50"] == pytest.approx(100 * evaluation.stats[1])
    assert len(record["resamples"]) == 100
    assert len({one["metrics"]["AP"] for one in record["resamples"]}) > 50


def test_what_cannot_be_scored_is_refused(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Mistaken(inputs.folder("data"))
    model.num_classes = 13
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: model)

    def said() -> str:
        return refusal(lambda: evaluate_coco_instances(inputs, CONFIG, LocalContext(cell(tmp_path, "out"))))

    assert "has 13 classes, the data 5; evaluate it on data of its own classes" in said()
    (inputs.folder("data") / ANNOTATIONS / "instances_val2017.json").unlink()
    assert "by which instances are scored; put COCO's instance annotations there" in said()

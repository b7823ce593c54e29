"""The stage that scores segments, detections and classes in COCO's panoptic layout, against the official packages."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from methods.common.datasets.coco_panoptic import ANNOTATIONS, CocoPanoptic, open_coco_panoptic
from methods.common.datasets.png_labels import read_labels, read_rgb_ids
from methods.common.errors import InputError
from methods.common.metrics.official.panoptic import evaluate_panoptic_officially
from methods.common.miniature.coco_panoptic_view import DrawCocoPanopticConfig, draw_coco_panoptic
from methods.common.seeds import Seeds
from methods.common.segmenters.instance import segmenters
from methods.common.segmenters.instance.interface import (
    Detections,
    PanopticSegmenter,
    PanopticSegments,
    PanopticThresholds,
)
from methods.common.segmenters.mask2former.panoptic import PanopticMask2Former
from methods.common.segmenters.mask2former.recipes import panoptic_miniature
from methods.common.segmenters.mask_queries.postprocess import boxes_of
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.evaluate_coco_panoptic import (
    DETECTIONS_FILE,
    LABELS_FOLDER,
    PANOPTIC_FILE,
    EvaluateCocoPanopticConfig,
    evaluate_coco_panoptic,
    segment_ids,
)
from tests.unit.seggen_worlds import Stopped, StoppingContext, files

CONFIG = EvaluateCocoPanopticConfig(short_side_px=32, long_side_px=64, object_threshold=0.7, overlap_threshold=0.6)


class Mistaken(PanopticSegmenter):
    """Says the truth of each image, with mistakes: a class is shifted, a column is lost, a thing is said twice."""

    def __init__(self, data: CocoPanoptic) -> None:
        super().__init__()
        self.num_classes = len(data.categories)
        self.data = data
        self.calls = {"panoptic": 0, "semantic": 0, "detect": 0}

    def losses(self, *arguments, **options):
        raise NotImplementedError

    def save_pretrained(self, folder) -> None:
        raise NotImplementedError

    def _next(self, call: str) -> int:
        self.calls[call] += 1
        return self.calls[call] - 1

    def _segments(self, index: int) -> list[tuple[int, torch.Tensor]]:
        sample, rng, found = self.data[index], np.random.default_rng(index), []
        for segment in sample.segments:
            category = segment.category if rng.random() < 0.8 else (segment.category + 1) % self.num_classes
            mask = torch.from_numpy(np.roll(sample.segment_HW == segment.id, int(rng.integers(0, 4)), axis=1))
            found.append((category, mask))
        return found

    def segment_panoptic(self, image_NCHW, thresholds, image_sizes=None, output_sizes=None):
        assert image_NCHW.shape[2:] == (32, 32)
        assert thresholds == PanopticThresholds(0.7, 0.6)
        answers = []
        for size in output_sizes:
            segment_HW, classes = torch.zeros(size, dtype=torch.int64), []
            for category, mask in self._segments(self._next("panoptic")):
                stuff_again = not self.data.is_thing[category] and category in classes
                classes += [] if stuff_again else [category]
                segment_HW[mask] = classes.index(category) + 1 if stuff_again else len(classes)
            answers.append(PanopticSegments(segment_HW, torch.tensor(classes)))
        return answers

    def segment_semantic(self, image_NCHW, image_sizes=None, output_sizes=None):
        maps = []
        for size in output_sizes:
            class_HW = torch.zeros(size, dtype=torch.int64)
            for category, mask in self._segments(self._next("semantic")):
                class_HW[mask] = category
            maps.append(class_HW)
        return maps

    def detect(self, image_NCHW, image_sizes=None, output_sizes=None, masks=True):
        answers = []
        for size in output_sizes:
            things = [one for one in self._segments(self._next("detect")) if self.data.is_thing[one[0]]]
            mask = torch.stack([torch.zeros(size, dtype=torch.bool), *(mask for _, mask in things)])[1:]
            scores = torch.linspace(0.9, 0.2, len(things))
            answers.append(Detections(boxes_of(mask), scores, torch.tensor([index for index, _ in things]), mask))
        return answers


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    config = DrawCocoPanopticConfig(num_train=1, num_val=12, num_things=5, image_size_px=48, crowd_share=0.8)
    draw_coco_panoptic(Inputs(), config, LocalContext(folder, Seeds(data=3)))
    return folder


@pytest.fixture
def inputs(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs:
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: Mistaken(open_coco_panoptic(data, "val2017")))
    return Inputs({"data": [data], "model": [tmp_path / "cell"]})


def run(inputs: Inputs, out: Path, **changes):
    out.mkdir(exist_ok=True)
    return evaluate_coco_panoptic(inputs, CONFIG.model_copy(update=changes), LocalContext(out))


@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_scores_are_those_of_the_official_packages(
    inputs: Inputs, data: Path, tmp_path: Path, batch_size: int
) -> None:
    record = run(inputs, tmp_path / "out", batch_size=batch_size)
    truth = data / ANNOTATIONS / "panoptic_val2017.json"
    official = evaluate_panoptic_officially(truth, tmp_path / "out" / PANOPTIC_FILE)
    assert len(json.loads(truth.read_text())["annotations"]) == record["num_images"] == 12
    assert 20 < record["metrics"]["PQ"] < 90
    for name in ("PQ", "SQ", "RQ", "PQ_th", "SQ_th", "RQ_th", "PQ_st", "SQ_st", "RQ_st"):
        assert record["metrics"][name] == pytest.approx(100 * official.metrics()[name]), name
    coco = COCO(str(data / ANNOTATIONS / "instances_val2017.json"))
    evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "out" / DETECTIONS_FILE)), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert 10 < record["metrics"]["AP_th"] < 95
    assert record["metrics"]["AP_th"] == pytest.approx(100 * evaluation.stats[0])


def test_classes_of_pixels_are_scored_over_all_segments_and_void_is_not(
    inputs: Inputs, data: Path, tmp_path: Path
) -> None:
    record = run(inputs, tmp_path / "out")
    images = open_coco_panoptic(data, "val2017")
    right, truth, predicted = (np.zeros(len(images.categories)) for _ in range(3))
    void = crowds = 0
    for index in range(len(images)):
        sample = images[index]
        class_HW = read_labels(tmp_path / "out" / LABELS_FOLDER / f"{images.name(index)}.png")
        known = sample.segment_HW > 0
        void, crowds = void + (~known).sum(), crowds + sum(segment.is_crowd for segment in sample.segments)
        for category in range(len(images.categories)):
            mine = sum(sample.segment_HW == one.id for one in sample.segments if one.category == category) > 0
            right[category] += (mine & (class_HW == category)).sum()
            truth[category] += np.sum(mine)
            predicted[category] += ((class_HW == category) & known).sum()
    assert void > 0
    assert crowds > 0
    union = truth + predicted - right
    iou = [None if whole == 0 else part / whole for part, whole in zip(right, union, strict=True)]
    assert record["class_iou"] == [None if value is None else pytest.approx(value) for value in iou]
    assert record["metrics"]["mIoU"] == pytest.approx(100 * np.mean([value for value in iou if value is not None]))
    assert len(record["resamples"]) == 100
    assert record["resamples"][0].keys() == {"metrics"}
    assert len({one["metrics"]["mIoU"] for one in record["resamples"]}) > 50


def test_files_hold_ids_that_tell_class_and_number(inputs: Inputs, data: Path, tmp_path: Path) -> None:
    run(inputs, tmp_path / "out")
    images = open_coco_panoptic(data, "val2017")
    document = json.loads((tmp_path / "out" / PANOPTIC_FILE).read_text())
    assert [one["image_id"] for one in document["annotations"]] == [images.image_id(index) for index in range(12)]
    ids = [category.id for category in images.categories]
    for one in document["annotations"]:
        id_HW = read_rgb_ids(tmp_path / "out" / "panoptic" / one["file_name"])
        assert sorted({*np.unique(id_HW).tolist()} - {0}) == [segment["id"] for segment in one["segments_info"]]
        for segment in one["segments_info"]:
            assert segment["area"] == (id_HW == segment["id"]).sum()
            assert segment["category_id"] == ids[segment["id"] // 1000 - 1]
    assert segment_ids([3, 0, 3]).tolist() == [0, 4000, 1000, 4001]


def test_an_interrupted_run_goes_on_after_its_last_picture(
    inputs: Inputs, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(inputs, tmp_path / "whole")
    (tmp_path / "out").mkdir()
    with pytest.raises(Stopped):
        evaluate_coco_panoptic(inputs, CONFIG, StoppingContext(tmp_path / "out", after=11))

    def last_alone(folder: Path) -> Mistaken:
        model = Mistaken(open_coco_panoptic(data, "val2017"))
        model.calls |= dict.fromkeys(model.calls, 11)
        return model

    monkeypatch.setattr(segmenters, "load_segmenter", last_alone)
    assert run(inputs, tmp_path / "out") == whole
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_mask2former_looks_at_each_picture_once(
    inputs: Inputs, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it finds at once is what it finds in three passes."""
    model = PanopticMask2Former(panoptic_miniature(13, tuple(range(5, 13))), torch.Generator().manual_seed(0)).eval()
    passes: list[int] = []
    model.register_forward_hook(lambda module, given, answer: passes.append(len(given[0])))
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: model)
    bounds = {"object_threshold": 0.0, "overlap_threshold": 0.0, "batch_size": 4}
    once = run(inputs, tmp_path / "once", **bounds)
    assert passes == [4, 4, 4]
    monkeypatch.setattr(PanopticMask2Former, "find_all", PanopticSegmenter.find_all)
    assert run(inputs, tmp_path / "thrice", **bounds) == once
    assert len(passes) == 3 + 9
    assert files(tmp_path / "once") == files(tmp_path / "thrice")
    assert once["num_detections"] > 0
    assert json.loads((tmp_path / "once" / PANOPTIC_FILE).read_text())["annotations"][0]["segments_info"]


def test_what_cannot_be_scored_is_refused(
    inputs: Inputs, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Mistaken(open_coco_panoptic(data, "val2017"))
    model.num_classes = 8
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: model)
    with pytest.raises(InputError, match="does not know the 13 classes of the data, things and stuff"):
        run(inputs, tmp_path / "out")
    instances = data / ANNOTATIONS / "instances_val2017.json"
    kept = instances.read_bytes()
    instances.unlink()
    with pytest.raises(InputError, match="by which AP of things is scored; put COCO's instance annotations there"):
        run(inputs, tmp_path / "none")
    instances.write_bytes(kept)

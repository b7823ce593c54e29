"""Segmenters of COCO on VOC's photographs: whose name is whose, and the numbers by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.datasets.label_conventions import VOC_2012
from methods.common.datasets.voc import write_labels
from methods.common.miniature.coco_panoptic_view import DrawCocoPanopticConfig, draw_coco_panoptic
from methods.common.segmenters.instance import segmenters
from methods.common.segmenters.instance.interface import PanopticSegmenter
from methods.common.stage import Inputs, LocalContext
from methods.seggen.stages.evaluate_voc import EvaluateVocConfig, evaluate_voc, translation
from tests.unit.labelled_data import refusal
from tests.unit.seggen_worlds import cell

CONFIG = EvaluateVocConfig(short_side_px=16, long_side_px=64)
COCO_THINGS = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "bird", "cat", "dog"),
    *("horse", "sheep", "cow", "bottle", "chair", "couch", "potted plant", "dining table", "tv", "banner"),
)


class ByColour(PanopticSegmenter):
    """Names a pixel by its red channel: class = red / 20."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.seen: list[tuple[int, ...]] = []

    def segment_semantic(self, image_NCHW, image_sizes=None, output_sizes=None):
        self.seen.append(tuple(image_NCHW.shape))
        class_NHW = (image_NCHW[:, 0] / 20).round().long()
        scaled = torch.nn.functional.interpolate(class_NHW[:, None].float(), output_sizes[0], mode="nearest")
        return list(scaled[:, 0].long())

    def losses(self, *arguments, **options):
        raise NotImplementedError

    detect = segment_panoptic = save_pretrained = losses


def test_names_that_differ_are_translated_and_others_are_background() -> None:
    label_of_class, rated = translation(COCO_THINGS, VOC_2012.class_names)
    assert rated == list(range(21))
    names = {VOC_2012.class_names[label]: COCO_THINGS[k] for k, label in enumerate(label_of_class) if label}
    assert len(names) == 20
    assert {name: other for name, other in names.items() if name != other} == {
        "aeroplane": "airplane",
        "motorbike": "motorcycle",
        "sofa": "couch",
        "pottedplant": "potted plant",
        "diningtable": "dining table",
        "tvmonitor": "tv",
    }
    assert label_of_class[COCO_THINGS.index("truck")] == label_of_class[COCO_THINGS.index("banner")] == 0
    sentence = refusal(lambda: translation(("wall", "floor"), VOC_2012.class_names))
    assert "knows none of the classes aeroplane, bicycle, bird ...; give photographs" in sentence


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Three things of the miniature, ``data``; and a photograph with background, two of them, a class that is not known, and a border."""
    data, voc = cell(tmp_path, "data"), tmp_path / "voc"
    draw_coco_panoptic(Inputs(), DrawCocoPanopticConfig(num_train=1, num_val=1, num_things=3), LocalContext(data))
    names = [line["name"] for line in _categories(data)]
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (voc / folder).mkdir(parents=True)
    (voc / "classes.txt").write_text("\n".join(["background", names[1], "zebra", names[0]]))
    truth_HW = np.array([[0, 0, 1, 1], [3, 3, 2, 255]], np.uint8).repeat(8, 0).repeat(8, 1)
    class_HW = np.array([[5, 1, 1, 0], [0, 2, 1, 1]], np.uint8).repeat(8, 0).repeat(8, 1)
    for name in ("first", "second"):
        Image.fromarray(np.stack([class_HW * 20] * 3, -1)).save(voc / "JPEGImages" / f"{name}.png")
        write_labels(voc / "SegmentationClass" / f"{name}.png", truth_HW)
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("first\nsecond\n")
    return Inputs({"data": [data], "unseen": [voc], "model": [tmp_path / "cell"]})


def _categories(data: Path) -> list[dict]:
    import json

    return json.loads((data / "annotations" / "panoptic_val2017.json").read_text())["categories"]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_scores_by_hand(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int) -> None:
    """Of eight places background has 1 right of 2, and one of another's; class 1 1 of 2 and one too many; class 0 1 of 2 and one too many."""
    model = ByColour(11)
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: model)
    config = CONFIG.model_copy(update={"batch_size": batch_size})
    record = evaluate_voc(inputs, config, LocalContext(cell(tmp_path, "out")))
    names = [line["name"] for line in _categories(inputs.folder("data"))]
    third = pytest.approx(100 / 3)
    assert record["iou"] == {"background": third, names[1]: third, "zebra": None, names[0]: third}
    assert (record["num_images"], record["miou"], record["miou_objects"]) == (2, third, third)
    assert model.seen == [(batch_size, 3, 16, 32)] * (2 // batch_size)


def test_another_network_is_refused(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: ByColour(12))
    sentence = refusal(lambda: evaluate_voc(inputs, CONFIG, LocalContext(cell(tmp_path, "out"))))
    assert "does not know the 11 classes of" in sentence

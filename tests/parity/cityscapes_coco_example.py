"""The same predictions of one class scored by Cityscapes' rules and by COCO's: small scenes, each with one reason to differ."""

import contextlib
import io
from typing import Any, NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from methods.common.datasets.rle import encode_mask
from methods.common.metrics.cityscapes.instance import InstancePrediction, evaluate_cityscapes_instance

HEIGHT, WIDTH = 80, 120
CAR, CAR_GROUP, VOID, ROAD = 26, 26, 0, 7

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


class Scene(NamedTuple):
    """What is drawn in the instance image, and which boxes of cars are predicted with which score."""

    drawn: tuple[tuple[int, Box], ...]
    predicted: tuple[tuple[float, Box], ...]


FIRST, SECOND, NOWHERE = (5, 5, 20, 20), (50, 5, 20, 20), (90, 50, 20, 20)
SMALL, AREA = (35, 50, 9, 9), (80, 5, 30, 20)
ONE_CAR = ((26001, FIRST),)
TWO_CARS = ((26001, FIRST), (26002, SECOND))

SCENES = {
    "one car, found exactly": Scene(ONE_CAR, ((0.9, FIRST),)),
    "one car, found, but a wrong mask has a higher score": Scene(ONE_CAR, ((0.9, NOWHERE), (0.5, FIRST))),
    "two cars found, a wrong mask between their scores": Scene(TWO_CARS, ((0.9, FIRST), (0.8, NOWHERE), (0.7, SECOND))),
    "one car found, one of 81 pixels missed": Scene((*ONE_CAR, (26002, SMALL)), ((0.9, FIRST),)),
    "one car found, a mask with a higher score on void": Scene((*ONE_CAR, (VOID, AREA)), ((0.9, AREA), (0.5, FIRST))),
    "one car found, a mask with a higher score on a group": Scene(
        (*ONE_CAR, (CAR_GROUP, AREA)), ((0.9, AREA), (0.5, FIRST))
    ),
    "one car, its mask covers exactly half of it": Scene(ONE_CAR, ((0.9, (5, 5, 10, 20)),)),
    "all of these at once": Scene(
        (*TWO_CARS, (26003, SMALL), (VOID, AREA)),
        ((0.95, AREA), (0.9, NOWHERE), (0.8, FIRST), (0.7, (50, 5, 10, 20))),
    ),
}


def score_scenes() -> dict[str, dict[str, float]]:
    """Return Cityscapes AP50 and AP and COCO AP50 and AP of every scene, in [0, 1]."""
    return {name: cityscapes_scores(scene) | coco_scores(scene) for name, scene in SCENES.items()}


def cityscapes_scores(scene: Scene) -> dict[str, float]:
    predictions = [InstancePrediction(CAR, score, mask_of(box)) for score, box in scene.predicted]
    metrics = evaluate_cityscapes_instance({"scene": instance_image(scene)}, {"scene": predictions}).metrics()
    return {f"Cityscapes {name}": float(metrics[name] or 0) for name in ("AP50", "AP")}


def coco_scores(scene: Scene) -> dict[str, float]:
    """Cars are instances, groups are crowds, void does not exist in COCO."""
    image = instance_image(scene)
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": CAR,
            "iscrowd": int(value < 1000),
            "area": int((image == value).sum()),
            "segmentation": encode_mask(image == value),
            "bbox": [0, 0, 1, 1],
        }
        for number, value in enumerate(
            (int(value) for value in np.unique(image) if value in (26, *range(26000, 27000))), 1
        )
    ]
    results = [
        {"image_id": 1, "category_id": CAR, "score": score, "segmentation": encode_mask(mask_of(box))}
        for score, box in scene.predicted
    ]
    return {f"COCO {name}": value for name, value in pycocotools_scores(annotations, results).items()}


def pycocotools_scores(annotations: list[dict[str, Any]], results: list[dict[str, Any]]) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": 1, "height": HEIGHT, "width": WIDTH}],
            "annotations": annotations,
            "categories": [{"id": CAR, "name": "car"}],
        }
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(results), "segm")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return {"AP50": float(evaluator.stats[1]), "AP": float(evaluator.stats[0])}


def instance_image(scene: Scene) -> np.ndarray:
    image = np.full((HEIGHT, WIDTH), ROAD, np.uint16)
    for value, box in scene.drawn:
        image[mask_of(box)] = value
    return image


def mask_of(box: Box) -> np.ndarray:
    x, y, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + height, x : x + width] = True
    return mask

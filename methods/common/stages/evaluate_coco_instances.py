"""Stage ``evaluate_coco_instances``: detect things on a split in COCO's panoptic layout, and score masks by COCO's definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DETECTIONS_FILE = "detections.json"


class EvaluateCocoInstancesConfig(Config):
    """What is evaluated, and at which size."""

    split: str = "val2017"
    """Which pictures: those of ``annotations/panoptic_<split>.json`` in the data folder."""
    short_side_px: int = Field(default=800, ge=16)
    """Pictures are resized so that their shorter side has this length. SegGen section 8.3 [code]"""
    long_side_px: int = Field(default=1333, ge=16)
    """... unless the longer side would pass this. SegGen section 8.3 [code]"""
    batch_size: int = Field(default=1, ge=1)
    """Pictures of one size that go through the network together."""


def evaluate_coco_instances(inputs: Inputs, config: EvaluateCocoInstancesConfig, context: Context) -> Record:
    """Detect on every picture of a split, write ``detections.json`` in COCO's results format, and score it.

    Roles: ``data`` (COCO's panoptic layout, with ``annotations/instances_<split>.json``), ``model`` (a cell with ``model/``, a segmenter of the
    things alone, in the order of their ids).

    Returns:
        ``num_images``, ``num_detections``, ``split``, and COCO's numbers of masks in percent (``metrics``); and these on
        resamples of the images (``resamples``, see :mod:`methods.common.metrics.resamples`).

    Raises:
        InputError: data or segmenter are missing or unreadable, or the segmenter knows other classes than the things.
    Source: SegGen section 10.
    """
    from methods.common.datasets.coco_panoptic import ANNOTATIONS, as_records, open_coco_panoptic
    from methods.common.metrics.detection.coco import evaluate_coco
    from methods.common.metrics.resamples import resampled
    from methods.common.segmenters.instance.prediction import detect_all
    from methods.common.stages.panoptic_maps import percent

    data = open_coco_panoptic(inputs.folder("data"), config.split)
    instances = inputs.folder("data") / ANNOTATIONS / f"instances_{config.split}.json"
    if not instances.is_file():
        raise InputError(
            f"there is no {instances}, by which instances are scored; put COCO's instance annotations there"
        )
    dataset = as_records(data, [category for category in data.categories if category.is_thing])
    sides_px, detections = (config.short_side_px, config.long_side_px), context.out / DETECTIONS_FILE
    model = inputs.folder("model") / "model"
    num_detections = detect_all(dataset, model, sides_px, config.batch_size, context, detections)
    scores = evaluate_coco(instances, detections, "segm")

    def metrics(weight_I: NDArray[np.float64] | None = None) -> dict[str, Any]:
        return {"metrics": {name: percent(value) for name, value in scores.metrics(weight_I).items()}}

    return {
        "num_images": len(data),
        "num_detections": num_detections,
        "split": config.split,
        **metrics(),
        "resamples": resampled(metrics, len(data)),
    }


EVALUATE_COCO_INSTANCES: Stage[EvaluateCocoInstancesConfig] = Stage(
    "evaluate_coco_instances", 1, EvaluateCocoInstancesConfig, evaluate_coco_instances, uses_gpu=True, kind="evaluate"
)

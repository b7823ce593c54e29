"""Stage ``evaluate_cityscapes``: detect on a split of Cityscapes and score by its own instance AP, with COCO's beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from methods.common.datasets.cityscapes_labels import Segments
from methods.common.growth import Added
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.cityscapes import CityscapesFrame
    from methods.common.datasets.lvis_records import LvisDataset
    from methods.common.metrics.cityscapes.instance import InstancePrediction

DETECTIONS_FILE = "detections.json"
COCO_FILE = "ground_truth_coco.json"


class EvaluateCityscapesConfig(Config):
    """What is evaluated, and at which size."""

    split: str = "val"
    """Which pictures: those of ``leftImg8bit/<split>`` in the data folder."""
    short_side_px: int = Field(default=1024, ge=16)
    """Pictures are resized so that their shorter side has this length; 1024 leaves Cityscapes' as they are."""
    long_side_px: int = Field(default=2048, ge=16)
    """... unless the longer side would pass this."""
    batch_size: int = Field(default=1, ge=1)
    """Pictures of one size that go through the network together."""
    segments: Annotated[Segments, Added(neutral="things")] = "things"
    """What the segmenter was trained on, which tells its classes: the 8 that have instances, or all 19, of which it finds things alone."""
    groups: Annotated[dict[str, tuple[str, ...]], Added(neutral={})] = {}
    """Classes by the name of a group, for which AP and AP50 are also told, as ``AP_<group>``; such as base and novel (InstSynth section 6.1)."""


def evaluate_cityscapes(inputs: Inputs, config: EvaluateCityscapesConfig, context: Context) -> Record:
    """Detect on every picture of a split, write ``detections.json`` (COCO's format, category ids are label ids), and score it.

    Of each class AP by Cityscapes' definition is kept, of each picture the share of its instances that COCO's finds.

    Roles: ``data`` (Cityscapes' layout), ``model`` (a cell with ``model/``, the segmenter).

    Returns:
        ``num_images``, ``num_detections`` and ``split``; AP and AP50 by Cityscapes' definition in percent (``metrics``), those of groups of
        classes too; AP of each class in
        [0, 1] in the order of the class indices (``class_ap``), None without objects to find; and COCO's numbers of masks in percent
        (``metrics_coco``), for which groups are crowds, while void and the limit of 100 px mean nothing; and ``metrics`` on resamples of the
        pictures (``resamples``, see :mod:`methods.common.metrics.resamples`).

    Raises:
        InputError: data or segmenter are missing or unreadable, or the segmenter has another number of classes.
    Source: InstSynth section 9.2; InstSynth section 10, item 17 asks which of the two is meant.
    """
    from methods.common.datasets.cityscapes import find_frames, read_cityscapes
    from methods.common.datasets.cityscapes_layout import TRUTH
    from methods.common.metrics.cityscapes.instance import evaluate_cityscapes_instance
    from methods.common.metrics.detection.coco import evaluate_coco
    from methods.common.metrics.resamples import resampled
    from methods.common.segmenters.instance.prediction import detect_all
    from methods.common.stages.evaluation_files import write_class_scores
    from methods.common.stages.shown_instances import keep_image_scores, write_picture_list

    data, detections = inputs.folder("data"), context.out / DETECTIONS_FILE
    frames = find_frames(data, config.split)
    dataset = read_cityscapes(frames, data)
    sides_px = config.short_side_px, config.long_side_px
    known = dataset if config.segments == "things" else with_all_classes(dataset)
    num_detections = detect_all(
        known, inputs.folder("model") / "model", sides_px, config.batch_size, context, detections
    )
    scores = evaluate_cityscapes_instance(data / TRUTH / config.split, predictions_by_frame(dataset, detections))
    (context.out / COCO_FILE).write_text(json.dumps(as_coco(frames, dataset)), encoding="utf-8")
    coco = evaluate_coco(context.out / COCO_FILE, detections, "segm")

    def metrics(weight_I: NDArray[np.float64] | None = None) -> dict[str, Any]:
        found = scores.metrics(weight_I)
        for group, names in config.groups.items():
            found |= {f"{name}_{group}": value for name, value in scores.metrics(weight_I, names).items()}
        return {"metrics": {name: _percent(value) for name, value in found.items()}}

    class_ap: list[Any] = [row["AP"] for row in scores.per_class()]
    write_class_scores(
        context.out,
        [category.name for category in dataset.classes],
        {"ap_mask": [_percent(value) for value in class_ap]},
    )
    write_picture_list(known, data, inputs, context.out)
    keep_image_scores(known, coco.matches, coco.image_ids, detections, context.out)
    return {
        "num_images": len(dataset.images),
        "num_detections": num_detections,
        "split": config.split,
        **metrics(),
        "class_ap": class_ap,
        "metrics_coco": {name: _percent(value) for name, value in coco.metrics().items()},
        "resamples": resampled(metrics, len(scores.image_ids)),
    }


def with_all_classes(dataset: LvisDataset) -> LvisDataset:
    """Return the same pictures, with class indices that count through all 19 evaluated classes."""
    from methods.common.datasets.cityscapes_labels import classes_of
    from methods.common.datasets.lvis_records import LvisCategory

    classes = [LvisCategory(label.id, label.name, "f") for label in classes_of("things_and_stuff")]
    return replace(dataset, categories=classes)


def predictions_by_frame(dataset: LvisDataset, detections: Path) -> dict[str, list[InstancePrediction]]:
    """Hand a results file on to Cityscapes' evaluation; every frame is there, also those where nothing was detected.

    Args:
        dataset: of ``read_cityscapes``.
        detections: what ``detect_all`` wrote for it.
    """
    from methods.common.datasets.cityscapes import frame_of_image
    from methods.common.metrics.cityscapes.instance import InstancePrediction

    found: dict[int, list[InstancePrediction]] = {image.id: [] for image in dataset.images}
    for one in json.loads(detections.read_text(encoding="utf-8")):
        found[one["image_id"]].append(InstancePrediction(one["category_id"], one["score"], one["segmentation"]))
    return {frame_of_image(image): found[image.id] for image in dataset.images}


def as_coco(frames: Sequence[CityscapesFrame], dataset: LvisDataset) -> dict[str, Any]:
    """Return COCO ground truth of some frames: their records, and groups of the same classes as crowds.

    Args:
        frames: from which ``dataset`` was read.
        dataset: of ``read_cityscapes``.
    """
    from methods.common.datasets.cityscapes import objects_in
    from methods.common.datasets.lvis_records import annotation_from_mask

    annotations = [(one, 0) for one in dataset.iter_annotations()]
    for frame, image in zip(frames, dataset.images, strict=True):
        id_HW = frame.read_instance_ids()
        for group in objects_in(id_HW):
            if group.is_group and group.label_id in dataset.class_index:
                number = len(annotations) + 1
                annotations.append((annotation_from_mask(number, image.id, group.label_id, id_HW == group.id), 1))
    return {
        "images": [{"id": image.id, "width": image.width, "height": image.height} for image in dataset.images],
        "categories": [{"id": category.id, "name": category.name} for category in dataset.classes],
        "annotations": [
            {
                "id": one.id,
                "image_id": one.image_id,
                "category_id": one.category_id,
                "segmentation": one.segmentation,
                "bbox": list(one.bbox_xywh),
                "area": one.area,
                "iscrowd": is_crowd,
            }
            for one, is_crowd in annotations
        ],
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value


EVALUATE_CITYSCAPES = Stage(
    "evaluate_cityscapes", 1, EvaluateCityscapesConfig, evaluate_cityscapes, uses_gpu=True, kind="evaluate"
)

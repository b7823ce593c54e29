"""LVIS average precision and recall by the definition of lvis-api, several times faster than it.

Definition: at most 300 detections an image over all classes, highest scores first; a detection counts only where its class
has instances or is listed as absent; unmatched detections of classes listed as not exhaustive are ignored; IoU thresholds
0.50:0.05:0.95, precision interpolated at 101 recalls; classes without ground truth are left out of every mean.
Instances without area do not take part. The federated rules are applied here, matching and accumulation run in hotcoco;
the parity tests hold the result to the official package.

Shape legend: T = 10 IoU thresholds, R = 101 recalls, K classes in the order of category ids, A = 4 area ranges
(all, up to 32^2, up to 96^2, above), N detections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.lvis import LvisAnnotation, LvisDataset, read_lvis
from methods.common.errors import InputError
from methods.common.metrics.detections import DetectionTable, IouType

MAX_DETECTIONS = 300
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
METRIC_NAMES = (
    "AP",
    "AP50",
    "AP75",
    "APs",
    "APm",
    "APl",
    "APr",
    "APc",
    "APf",
    "AR@300",
    "ARs@300",
    "ARm@300",
    "ARl@300",
)

_BEYOND_ALL_RANGES = 1e11


@dataclass(frozen=True)
class LvisScores:
    """What an LVIS evaluation found; None where nothing defines a value."""

    iou_type: IouType
    metrics: dict[str, float | None]
    """The thirteen official names (``METRIC_NAMES``), each in [0, 1]."""
    class_ap: dict[int, float | None]
    """AP in [0, 1] by category id, for every category of the file."""
    num_images: int
    num_annotations: int
    num_detections: int

    definition: str = "lvis-api 0.5.3: federated, 300 detections an image, IoU 0.50:0.05:0.95, 101 recalls"


def evaluate_lvis(
    ground_truth: Path | LvisDataset,
    detections: Path | Sequence[Mapping[str, Any]],
    iou_type: IouType,
) -> LvisScores:
    """Score detections against LVIS ground truth, boxes or masks.

    Args:
        ground_truth: LVIS annotation file, or one already read.
        detections: results JSON or its records: image_id, category_id, score, and bbox (x, y, width, height) or
            segmentation (run-length mask of the image's size).
        iou_type: `bbox` uses only boxes (a record list without any takes the boxes around its masks, with the masks' area);
            `segm` uses only masks, so that area is mask area.

    Raises:
        InputError: ground truth or detections are faulty; the message names file and record.
    """
    dataset = (
        ground_truth
        if isinstance(ground_truth, LvisDataset)
        else read_lvis(ground_truth, check_images="none", allow_no_annotations=True)
    )
    sizes = {image.id: (image.height, image.width) for image in dataset.images}
    table = DetectionTable(detections, sizes, dataset.class_ids)
    precision_TRKA, recall_TKA = _curves(_ground_truth(dataset, iou_type), _results(dataset, table, iou_type), iou_type)
    return LvisScores(
        iou_type=iou_type,
        metrics=summarise(precision_TRKA, recall_TKA, [category.frequency for category in dataset.classes]),
        class_ap={
            category_id: _mean_defined(precision_TRKA[:, :, index, 0])
            for index, category_id in enumerate(dataset.class_ids)
        },
        num_images=len(dataset.images),
        num_annotations=dataset.num_annotations,
        num_detections=len(table.records),
    )


def summarise(
    precision_TRKA: NDArray[np.float64], recall_TKA: NDArray[np.float64], frequency_K: Sequence[str]
) -> dict[str, float | None]:
    """Average curves into the official numbers; -1 marks what is undefined and takes no part."""
    every, groups = slice(None), np.array(frequency_K)
    metrics = {"AP": _mean_defined(precision_TRKA[..., 0])}
    for percent in (50, 75):
        metrics[f"AP{percent}"] = _mean_defined(precision_TRKA[percent / 100 == IOU_THRESHOLDS][..., 0])
    for area, name in enumerate("sml", start=1):
        metrics[f"AP{name}"] = _mean_defined(precision_TRKA[..., area])
    for name in "rcf":
        metrics[f"AP{name}"] = _mean_defined(precision_TRKA[every, every, groups == name, 0])
    for area, name in enumerate(("", "s", "m", "l")):
        metrics[f"AR{name}@{MAX_DETECTIONS}"] = _mean_defined(recall_TKA[..., area])
    return metrics


def _mean_defined(values: NDArray[np.float64]) -> float | None:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def _ground_truth(dataset: LvisDataset, iou_type: IouType) -> dict[str, Any]:
    """Return the ground truth in hotcoco's terms.

    The official package drops instances without area on loading; hotcoco does not. `ignore` becomes an area outside
    every range, which has the same effect in both.
    """
    faulty = next((a for a in dataset.iter_annotations() if a.id == 0), None)
    if faulty is not None:
        raise InputError(
            f"{dataset.annotation_file or 'ground truth'}, annotation 0: field `id` is 0, which the official evaluator "
            "takes for 'not matched'; number annotations from 1"
        )
    records = [_annotation_record(a, iou_type) for a in dataset.iter_annotations() if a.area > 0]
    images = [
        {
            "id": image.id,
            "width": image.width,
            "height": image.height,
            "neg_category_ids": list(image.neg_category_ids),
            "not_exhaustive_category_ids": list(image.not_exhaustive_category_ids),
        }
        for image in dataset.images
    ]
    categories = [{"id": c.id, "name": c.name, "frequency": c.frequency} for c in dataset.categories]
    return {"images": images, "annotations": records, "categories": categories}


def _annotation_record(annotation: LvisAnnotation, iou_type: IouType) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": annotation.id,
        "image_id": annotation.image_id,
        "category_id": annotation.category_id,
        "bbox": list(annotation.bbox_xywh),
        "area": _BEYOND_ALL_RANGES if annotation.ignore else annotation.area,
    }
    if iou_type == "segm":
        shape = annotation.segmentation
        record["segmentation"] = [part.tolist() for part in shape] if isinstance(shape, tuple) else dict(shape)
    return record


def _results(dataset: LvisDataset, table: DetectionTable, iou_type: IouType) -> list[dict[str, Any]]:
    """Return the detections that count, in the order given."""
    field, shapes, area_N = _shapes(table, iou_type)
    counted = best_per_image(table.image_id_N, table.score_N) & _known_presence(dataset, table) & (area_N > 0)
    image_ids, category_ids = table.image_id_N.tolist(), table.category_id_N.tolist()
    scores = table.score_N.tolist()
    return [
        {"image_id": image_ids[i], "category_id": category_ids[i], "score": scores[i], field: shapes[i]}
        for i in np.flatnonzero(counted).tolist()
    ]


def _shapes(table: DetectionTable, iou_type: IouType) -> tuple[str, Sequence[Any], NDArray[np.float64]]:
    """Return the field to compare, its values, and the area that the official package gives each detection."""
    if iou_type == "bbox" and (not table.records or "bbox" in table.records[0]):
        box_N4 = table.boxes()
        return "bbox", box_N4.tolist(), box_N4[:, 2] * box_N4[:, 3]
    masks, area_N = table.masks()
    return "segmentation", masks, area_N.astype(np.float64)


def best_per_image(
    image_id_N: NDArray[np.int64], score_N: NDArray[np.float64], limit: int = MAX_DETECTIONS
) -> NDArray[np.bool_]:
    """Mark the ``limit`` highest scores of each image; of equal scores the earlier record stays. Returns bool [N]."""
    order = np.lexsort((-score_N, image_id_N))
    sorted_ids = image_id_N[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_ids[1:] != sorted_ids[:-1]])[: len(order)])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    kept = np.zeros(len(order), bool)
    kept[order[rank < limit]] = True
    return kept


def _known_presence(dataset: LvisDataset, table: DetectionTable) -> NDArray[np.bool_]:
    """Mark detections whose class is annotated in their image or listed as absent from it, bool [N]."""
    num_classes, index = len(dataset.class_ids), dataset.class_index
    known = [
        row * num_classes + index[category_id]
        for row, image in enumerate(dataset.images)
        for category_id in {
            *image.neg_category_ids,
            *(a.category_id for a in dataset.annotations[image.id] if a.area > 0),
        }
    ]
    image_ids = np.array([image.id for image in dataset.images], np.int64)
    order = np.argsort(image_ids)
    row_N = order[np.searchsorted(image_ids[order], table.image_id_N)]
    class_N = np.searchsorted(np.array(dataset.class_ids, np.int64), table.category_id_N)
    return np.isin(row_N * num_classes + class_N, np.array(known, np.int64))


def _curves(
    ground_truth: dict[str, Any], results: list[dict[str, Any]], iou_type: IouType
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Match and accumulate; return precision [T, R, K, A] and recall [T, K, A], -1 where undefined."""
    import hotcoco

    truth = hotcoco.COCO(ground_truth)
    evaluator = hotcoco.LVISEval(truth, hotcoco.LVISResults(truth, results, max_dets=-1), iou_type)
    evaluator.evaluate()
    evaluator.accumulate()
    curves: Any = evaluator.eval
    precision, recall = curves["precision"], curves["recall"]
    assert precision.shape[0] == len(IOU_THRESHOLDS), precision.shape
    assert precision.shape[3:] == (4, 1), precision.shape
    return precision[..., 0], recall[..., 0]

"""pycocotools' own evaluator, run as it is, for whoever wants to check ours.

It prints as it goes, which is silenced, and cannot take an empty list of detections; an empty set of its own class is made
for it.
"""

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from methods.common.errors import InputError
from methods.common.files import AnyPath
from methods.common.metrics.detection.coco import METRIC_NAMES
from methods.common.metrics.detection.detections import file_or_records
from methods.common.metrics.detection.overlaps import Overlap
from methods.common.metrics.detection.precision_recall import official_mean
from methods.common.metrics.official.package_evaluation import PackageEvaluation


def evaluate_coco_officially(
    ground_truth: AnyPath, detections: AnyPath | Sequence[Mapping[str, Any]], iou_type: Overlap
) -> PackageEvaluation:
    """Score with pycocotools; same arguments and answer as :func:`evaluate_coco`, without its checks.

    For `segm` the box field of detections is dropped first, so that area is mask area.

    Raises:
        InputError: pycocotools has no Boundary AP.
    """
    if iou_type == "boundary":
        raise InputError("pycocotools has no Boundary AP; choose `bbox` or `segm`, or leave out --official")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    records = own_records(detections, without="bbox" if iou_type == "segm" else None)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(ground_truth))
        evaluator = COCOeval(truth, _results(truth, records), iou_type)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    precision_TRK = evaluator.eval["precision"][..., 0, -1]
    return PackageEvaluation(
        "pycocotools 2.0.11 itself",
        sorted(truth.imgs),
        {
            name: None if value == -1 else float(value)
            for name, value in zip(METRIC_NAMES, evaluator.stats.tolist(), strict=True)
        },
        [
            {
                "category_id": int(category_id),
                "name": truth.cats[category_id].get("name", ""),
                "AP": official_mean(precision_TRK[:, :, k]),
            }
            for k, category_id in enumerate(evaluator.params.catIds)
        ],
    )


def own_records(detections: AnyPath | Sequence[Mapping[str, Any]], without: str | None) -> list[dict[str, Any]]:
    """Return records that the package may change, without one field."""
    detections = file_or_records(detections)
    if not isinstance(detections, Path):
        return [{key: deepcopy(value) for key, value in record.items() if key != without} for record in detections]
    records: list[dict[str, Any]] = json.loads(detections.read_bytes())
    if without is not None:
        for record in records:
            record.pop(without, None)
    return records


def _results(truth: Any, records: list[dict[str, Any]]) -> Any:
    from pycocotools.coco import COCO

    if records:
        return truth.loadRes(records)
    empty = COCO()
    empty.dataset = {**truth.dataset, "annotations": []}
    empty.createIndex()
    return empty

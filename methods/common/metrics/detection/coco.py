"""COCO's twelve numbers by the definition of pycocotools, and Boundary AP, many times faster than the official tools.

Definition: at most 100 detections an image and class, highest scores first; IoU thresholds 0.50:0.05:0.95, precision
interpolated at 101 recalls; crowds are ignored, may be matched many times, and overlap them counts as the share of the
detection inside; classes without instances are left out of every mean. For Boundary AP the overlap is the smaller of mask
IoU and boundary IoU (see :mod:`methods.common.metrics.boundary`), for crowds the mask's alone. With masks, area is mask area:
a box field beside a mask, whose area pycocotools would take for small, medium and large, is not looked at.

Shape legend: K classes in the order of category ids, I images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.files import AnyPath, as_path
from methods.common.metrics.class_means import mean_note
from methods.common.metrics.detection.coco_ground_truth import read_ground_truth
from methods.common.metrics.detection.detections import file_or_records
from methods.common.metrics.detection.file_workers import workers
from methods.common.metrics.detection.matching import Matches, match
from methods.common.metrics.detection.overlaps import Overlap
from methods.common.metrics.detection.precision_recall import (
    Curves,
    at_percent,
    curves,
    num_instances,
    official_mean,
    recall_of_best,
)
from methods.common.metrics.detection.reading import read_and_measure
from methods.common.metrics.detection.remarks import detection_remarks, left_out_classes
from methods.common.metrics.evaluation import Progress

MAX_DETECTIONS = (1, 10, 100)
METRIC_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""In the order of pycocotools' `stats`."""

DEFINITIONS: dict[Overlap, str] = {
    "bbox": "pycocotools 2.0.11, boxes: 100 detections an image and class, IoU 0.50:0.05:0.95, 101 recalls",
    "segm": "pycocotools 2.0.11, masks: 100 detections an image and class, IoU 0.50:0.05:0.95, 101 recalls",
    "boundary": "Boundary AP of Cheng et al. 2021, dilation ratio 0.02, in the COCO protocol of pycocotools 2.0.11",
}


@dataclass(frozen=True, eq=False, repr=False)
class CocoEvaluation:
    """A finished COCO evaluation. It keeps 28 bytes a detection that counts, and no masks."""

    iou_type: Overlap
    image_ids: list[int]
    class_ids: list[int]
    class_names: list[str]
    num_annotations: int
    num_detections: int
    matches: Matches
    curves: Curves
    """With every image counted once."""
    num_annotations_K: NDArray[np.int64]
    """Of each class, crowds included."""
    remarks: tuple[str, ...]
    """What is odd about the files."""

    @property
    def definition(self) -> str:
        """What the numbers equal."""
        return DEFINITIONS[self.iou_type]

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return the twelve numbers (``METRIC_NAMES``), each in [0, 1]; None where nothing defines one."""
        found = self.curves if weight_I is None else curves(self.matches, weight_I)
        metrics = {"AP": official_mean(found.precision_ATRC[0])}
        for percent in (50, 75):
            metrics[f"AP{percent}"] = official_mean(found.precision_ATRC[0, at_percent(percent)])
        for area, name in enumerate("sml", start=1):
            metrics[f"AP{name}"] = official_mean(found.precision_ATRC[area])
        for limit in MAX_DETECTIONS[:-1]:
            metrics[f"AR{limit}"] = official_mean(recall_of_best(self.matches, limit, weight_I))
        metrics[f"AR{MAX_DETECTIONS[-1]}"] = official_mean(found.recall_ATC[0])
        for area, name in enumerate("sml", start=1):
            metrics[f"AR{name}"] = official_mean(found.recall_ATC[area])
        return metrics

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return AP by thresholds and areas, and AR, of every category of the file, with its name."""
        num_K = num_instances(self.matches).astype(int).tolist()
        rows: list[dict[str, str | int | float | None]] = []
        for k, (class_id, name) in enumerate(zip(self.class_ids, self.class_names, strict=True)):
            numbers = self.curves.row(k)
            numbers["AR100"] = numbers.pop("AR")
            rows.append({"category_id": class_id, "name": name, "num_instances": num_K[k], **numbers})
        return rows

    def notes(self) -> list[str]:
        """Say what is odd about the files, and over which classes the means are taken."""
        names = [name or str(class_id) for class_id, name in zip(self.class_ids, self.class_names, strict=True)]
        ignored = "that are all ignored" if self.iou_type == "boundary" else "of crowds alone"
        left_out = left_out_classes(names, num_instances(self.matches), self.num_annotations_K, ignored)
        return [*self.remarks, mean_note("AP", len(names), left_out)]


def evaluate_coco(
    ground_truth: AnyPath,
    detections: AnyPath | Sequence[Mapping[str, Any]],
    iou_type: Overlap,
    *,
    progress: Progress | None = None,
    num_processes: int = 1,
) -> CocoEvaluation:
    """Score detections against COCO ground truth: boxes, masks or boundaries of masks.

    Args:
        ground_truth: COCO annotation file.
        detections: results JSON or its records: image_id, category_id, score, and bbox (x, y, width, height) or
            segmentation (run-length mask of the image's size).
        iou_type: `bbox` uses only boxes (a record list without any takes the boxes around its masks, with the masks' area);
            `segm` and `boundary` use only masks.
        progress: told how much of a results file is done, in images.
        num_processes: for reading and measuring files, and as many threads for matching; the numbers do not depend on it.
            With more than one, a script guards its own beginning by ``if __name__ == "__main__":``.

    Raises:
        InputError: ground truth or detections are faulty; the message names file and record.
    """
    ground_truth, detections = as_path(ground_truth), file_or_records(detections)
    files = [file for file in (ground_truth, detections) if isinstance(file, Path)]
    with workers(num_processes, files, loops_in_c=iou_type != "boundary") as helpers:
        coco = read_ground_truth(ground_truth, iou_type, helpers)
        measured = read_and_measure(detections, coco.ground_truth, iou_type, helpers, progress)
    matches = match(coco.ground_truth, measured, limit=MAX_DETECTIONS[-1], num_threads=num_processes)
    return CocoEvaluation(
        iou_type,
        coco.ground_truth.canvas.image_id_I.tolist(),
        coco.ground_truth.canvas.class_id_K.tolist(),
        coco.class_names,
        coco.num_annotations,
        len(measured),
        matches,
        curves(matches, num_threads=num_processes),
        coco.num_annotations_K,
        (*coco.remarks, *detection_remarks(detections, measured.score_N, iou_type)),
    )

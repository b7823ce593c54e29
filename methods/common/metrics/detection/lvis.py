"""LVIS average precision and recall by the definition of lvis-api, many times faster than it.

Definition: at most 300 detections an image over all classes, highest scores first; a detection counts only where its class
has instances or is listed as absent; unmatched detections of classes listed as not exhaustive are ignored; IoU thresholds
0.50:0.05:0.95, precision interpolated at 101 recalls; classes without ground truth are left out of every mean.
Instances without area do not take part. The parity tests hold the result to the official package.

Shape legend: T = 10 IoU thresholds, R = 101 recalls, K classes in the order of category ids, C of them with instances,
A = 4 area ranges (all, up to 32^2, up to 96^2, above), N detections, I images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.lvis import LvisCategory, LvisDataset
from methods.common.files import AnyPath, as_path
from methods.common.metrics.class_means import mean_note
from methods.common.metrics.detection.detections import IouType, file_or_records
from methods.common.metrics.detection.file_workers import workers
from methods.common.metrics.detection.lvis_ground_truth import read_ground_truth
from methods.common.metrics.detection.lvis_identity import identity_notes
from methods.common.metrics.detection.matching import Matches, match
from methods.common.metrics.detection.overlaps import Measured
from methods.common.metrics.detection.precision_recall import Curves, at_percent, curves, num_instances, official_mean
from methods.common.metrics.detection.reading import read_and_measure
from methods.common.metrics.detection.remarks import detection_remarks, left_out_classes
from methods.common.metrics.evaluation import Progress

MAX_DETECTIONS = 300


@dataclass(frozen=True, eq=False, repr=False)
class LvisEvaluation:
    """A finished LVIS evaluation. It keeps 28 bytes a detection that counts, and no masks."""

    iou_type: IouType
    image_ids: list[int]
    categories: list[LvisCategory]
    """In the order of class indices."""
    num_annotations: int
    num_detections: int
    matches: Matches
    curves: Curves
    """With every image counted once."""
    num_annotations_K: NDArray[np.int64]
    """Of each class, those without area included."""
    remarks: tuple[str, ...]
    """What is odd about the files."""
    definition: str = "lvis-api 0.5.3: federated, 300 detections an image, IoU 0.50:0.05:0.95, 101 recalls"

    @property
    def num_images(self) -> int:
        """Number of images of the ground truth."""
        return len(self.image_ids)

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return the thirteen official numbers, each in [0, 1]; None where nothing defines one."""
        found = self.curves if weight_I is None else curves(self.matches, weight_I)
        return summarise(found, [category.frequency for category in self.categories])

    @cached_property
    def class_ap(self) -> dict[int, float | None]:
        """AP in [0, 1] by category id, for every category of the file."""
        return {category.id: self.curves.average_precision(k) for k, category in enumerate(self.categories)}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return AP by thresholds and areas, and AR, of every category of the file, with its name and frequency group."""
        num_K = np.bincount(self.matches.class_G, minlength=len(self.categories)).tolist()
        rows: list[dict[str, str | int | float | None]] = []
        for k, category in enumerate(self.categories):
            numbers = self.curves.row(k)
            numbers[f"AR@{MAX_DETECTIONS}"] = numbers.pop("AR")
            rows.append({"category_id": category.id, "name": category.name, "frequency": category.frequency})
            rows[-1] |= {"num_instances": num_K[k], **numbers}
        return rows

    def notes(self) -> list[str]:
        """Say what is odd about the files, over which classes the means are taken, and whether AP is the mean of its groups.

        The last must be; it is told where the file is LVIS v1 val.
        """
        class_ap = self.class_ap.values()  # in the order of the categories
        rated = [category.frequency for category, ap in zip(self.categories, class_ap, strict=True) if ap is not None]
        names = [category.name for category in self.categories]
        counted_K = num_instances(self.matches)
        left_out = left_out_classes(
            names, counted_K, self.num_annotations_K, "of ignored instances or such without area"
        )
        own = [*self.remarks, mean_note("AP", len(names), left_out)]
        return own + identity_notes(self.metrics(), rated, self.num_images, len(names))


def evaluate_lvis(
    ground_truth: AnyPath | LvisDataset,
    detections: AnyPath | Sequence[Mapping[str, Any]],
    iou_type: IouType,
    *,
    progress: Progress | None = None,
    num_processes: int = 1,
) -> LvisEvaluation:
    """Score detections against LVIS ground truth, boxes or masks.

    Args:
        ground_truth: LVIS annotation file, or one already read.
        detections: results JSON or its records: image_id, category_id, score, and bbox (x, y, width, height) or
            segmentation (run-length mask of the image's size).
        iou_type: `bbox` uses only boxes (a record list without any takes the boxes around its masks, with the masks' area);
            `segm` uses only masks, so that area is mask area.
        progress: told how much of a results file is done, in images.
        num_processes: for reading and measuring files, and as many threads for matching; the numbers do not depend on it.
            With more than one, a script guards its own beginning by ``if __name__ == "__main__":``.

    Raises:
        InputError: ground truth or detections are faulty; the message names file and record.
    """
    truth = ground_truth if isinstance(ground_truth, LvisDataset) else as_path(ground_truth)
    detections = file_or_records(detections)
    files = [file for file in (truth, detections) if isinstance(file, Path)]
    with workers(num_processes, files, loops_in_c=True) as helpers:
        lvis = read_ground_truth(truth, iou_type, helpers)
        measured = read_and_measure(detections, lvis.ground_truth, iou_type, helpers, progress)
    matches = match(lvis.ground_truth, _counted(measured), num_threads=num_processes)
    return LvisEvaluation(
        iou_type,
        lvis.ground_truth.canvas.image_id_I.tolist(),
        lvis.categories,
        lvis.num_annotations,
        len(measured),
        matches,
        curves(matches, num_threads=num_processes),
        lvis.num_annotations_K,
        (*lvis.remarks, *detection_remarks(detections, measured.score_N, iou_type)),
    )


def summarise(found: Curves, frequency_K: Sequence[str]) -> dict[str, float | None]:
    """Average curves into the official numbers; what is undefined takes no part."""
    precision_ATRC, group_C = found.precision_ATRC, np.array(frequency_K)[found.class_C]
    metrics = {"AP": official_mean(precision_ATRC[0])}
    for percent in (50, 75):
        metrics[f"AP{percent}"] = official_mean(precision_ATRC[0, at_percent(percent)])
    for area, name in enumerate("sml", start=1):
        metrics[f"AP{name}"] = official_mean(precision_ATRC[area])
    for name in "rcf":
        metrics[f"AP{name}"] = official_mean(precision_ATRC[0][..., group_C == name])
    for area, name in enumerate(("", "s", "m", "l")):
        metrics[f"AR{name}@{MAX_DETECTIONS}"] = official_mean(found.recall_ATC[area])
    return metrics


def _counted(measured: Measured) -> Measured:
    """Return the detections that take part where their class is known: the best of each image, with an area."""
    counted_N = best_per_image(measured.image_N, measured.score_N) & (measured.area_N > 0)
    return measured if counted_N.all() else measured.subset(counted_N)


def best_per_image(
    image_N: NDArray[np.integer], score_N: NDArray[np.float64], limit: int = MAX_DETECTIONS
) -> NDArray[np.bool_]:
    """Mark the ``limit`` highest scores of each image; of equal scores the earlier record stays. Returns bool (N,)."""
    kept = np.ones(len(image_N), bool)
    if not len(kept) or np.bincount(image_N).max() <= limit:
        return kept
    order = np.lexsort((-score_N, image_N))
    sorted_images = image_N[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_images[1:] != sorted_images[:-1]]))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    kept[order[rank >= limit]] = False
    return kept

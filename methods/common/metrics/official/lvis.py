"""The official lvis-api evaluator, run as it is, for whoever wants to check ours.

lvis 0.5.3 uses names that numpy has dropped; they are put back only while it runs. It also cannot take an empty list of
detections; an empty set of the official class is made for it.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.metrics.detection.detections import IouType
from methods.common.metrics.detection.precision_recall import official_mean
from methods.common.metrics.official.coco import own_records


@dataclass(frozen=True, eq=False, repr=False)
class OfficialLvisEvaluation:
    """What the package found; it cannot be resampled."""

    image_ids: list[int]
    values: dict[str, float | None]
    class_ap: dict[int, float | None]
    """AP in [0, 1] by category id, for every category of the file."""
    categories: list[dict[str, Any]]
    """In the order of their ids."""
    num_annotations: int
    num_detections: int
    definition: str = "the lvis package 0.5.3 itself"

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return the thirteen numbers; ``weight_I`` must be None."""
        if weight_I is not None:
            raise InputError("the lvis package's own evaluation cannot be resampled; leave out --official")
        return self.values

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return AP of every category of the file."""
        return [
            {
                "category_id": category["id"],
                "name": category["name"],
                "frequency": category["frequency"],
                "AP": self.class_ap[category["id"]],
            }
            for category in self.categories
        ]


@contextlib.contextmanager
def numpy_names_of_old() -> Iterator[None]:
    """Provide `np.float` and its kin while the block runs, and take away only what was added."""
    wanted = {"float": float, "int": int, "bool": bool, "object": object}
    added = {name: kind for name, kind in wanted.items() if name not in vars(np)}
    for name, kind in added.items():
        setattr(np, name, kind)
    try:
        yield
    finally:
        for name in added:
            delattr(np, name)


def evaluate_lvis_officially(
    ground_truth: Path, detections: Path | Sequence[Mapping[str, Any]], iou_type: IouType
) -> OfficialLvisEvaluation:
    """Score with the `lvis` package; same arguments and answer as :func:`evaluate_lvis`, without its checks.

    For `segm` the box field of detections is dropped first, so that area is mask area.
    """
    from lvis import LVIS, LVISEval

    records = own_records(detections, without="bbox" if iou_type == "segm" else None)
    with numpy_names_of_old(), _quiet():
        truth = LVIS(str(ground_truth))
        evaluator = LVISEval(truth, _results(truth, records), iou_type)
        evaluator.run()
    precision = evaluator.eval["precision"][..., 0]
    return OfficialLvisEvaluation(
        sorted(truth.imgs),
        {name: None if value == -1 else float(value) for name, value in evaluator.results.items()},
        {
            int(category_id): official_mean(curve)
            for category_id, curve in zip(evaluator.params.cat_ids, np.moveaxis(precision, 2, 0), strict=True)
        },
        truth.load_cats(evaluator.params.cat_ids),
        num_annotations=len(truth.anns),
        num_detections=len(records),
    )


def _results(truth: Any, records: list[dict[str, Any]]) -> Any:
    from lvis import LVISResults

    if records:
        return LVISResults(truth, records)
    empty = LVISResults.__new__(LVISResults)
    empty.logger = logging.getLogger("lvis.results")
    empty.dataset = {**truth.dataset, "annotations": []}
    empty._create_index()
    return empty


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the package's loggers, which it opens anew in every class."""
    loggers = [logging.getLogger(f"lvis.{part}") for part in ("lvis", "results", "eval")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

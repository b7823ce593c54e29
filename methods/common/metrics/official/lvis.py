"""The official lvis-api evaluator, run as it is, for whoever wants to check ours.

lvis 0.5.3 uses names that numpy has dropped; they are put back only while it runs. It also cannot take an empty list of
detections; an empty set of the official class is made for it.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from methods.common.files import AnyPath
from methods.common.metrics.detection.detections import IouType
from methods.common.metrics.detection.precision_recall import official_mean
from methods.common.metrics.official.coco import own_records
from methods.common.metrics.official.package_evaluation import PackageEvaluation


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
    ground_truth: AnyPath, detections: AnyPath | Sequence[Mapping[str, Any]], iou_type: IouType
) -> PackageEvaluation:
    """Score with the `lvis` package; same arguments and answer as :func:`evaluate_lvis`, without its checks.

    For `segm` the box field of detections is dropped first, so that area is mask area.
    """
    from lvis import LVIS, LVISEval

    records = own_records(detections, without="bbox" if iou_type == "segm" else None)
    with numpy_names_of_old(), _quiet():
        truth = LVIS(str(ground_truth))
        evaluator = LVISEval(truth, _results(truth, records), iou_type)
        evaluator.run()
    class_ap = [official_mean(curve) for curve in np.moveaxis(evaluator.eval["precision"][..., 0], 2, 0)]
    return PackageEvaluation(
        "the lvis package 0.5.3 itself",
        sorted(truth.imgs),
        {name: None if value == -1 else float(value) for name, value in evaluator.results.items()},
        [
            {"category_id": one["id"], "name": one["name"], "frequency": one["frequency"], "AP": ap}
            for one, ap in zip(truth.load_cats(evaluator.params.cat_ids), class_ap, strict=True)
        ],
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

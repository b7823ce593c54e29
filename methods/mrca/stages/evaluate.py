"""Stage ``mrca_evaluate``: detect on a split and score by the official LVIS definition, class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.common.segmenters.instance.prediction import DETECTIONS_FILE, EvaluateConfig, _detect_all
from methods.common.stage import Context, Inputs, Record, Stage

if TYPE_CHECKING:
    pass


def evaluate(inputs: Inputs, config: EvaluateConfig, context: Context) -> Record:
    """Return LVIS metrics in percent for boxes and masks, and per-class AP in [0, 1] in the order of class indices.

    Roles: ``data``, ``split``, ``model`` (a training cell; its averaged weights are evaluated).
    """
    from methods.common.datasets.lvis import read_lvis
    from methods.common.metrics.detection.lvis import evaluate_lvis
    from methods.mrca.stages.split import FEEDBACK_FILE

    data = inputs.folder("data")
    truth = data / "val.json" if config.split == "val" else inputs.folder("split") / FEEDBACK_FILE
    dataset = read_lvis(truth, data, "none")
    detections = context.out / DETECTIONS_FILE
    num_detections = _detect_all(dataset, inputs.folder("model") / "model", config, context, detections)
    record: Record = {"num_images": len(dataset.images), "num_detections": num_detections, "split": config.split}
    for name, iou_type in (("box", "bbox"), ("mask", "segm")):
        scores = evaluate_lvis(truth, detections, iou_type)  # type: ignore[arg-type]
        record[f"metrics_{name}"] = {key: _percent(value) for key, value in scores.metrics().items()}
        record[f"class_ap_{name}"] = [scores.class_ap.get(class_id) for class_id in dataset.class_ids]
    return record


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value


EVALUATE = Stage("mrca_evaluate", 1, EvaluateConfig, evaluate, uses_gpu=True, kind="evaluate")

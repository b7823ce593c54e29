"""Stage ``instance_synthesis_evaluate_coco``: detect on a split in COCO's layout and score masks by COCO's definition."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

DETECTIONS_FILE = "detections.json"
TRUTH_FILE = "ground_truth.json"
"""Written where something was derived or left out of the data's own file."""


class EvaluateCocoConfig(Config):
    """What is evaluated, and at which size."""

    split: str = "val"
    """Which images."""
    short_side_px: int = Field(default=800, ge=16)
    """Images are resized so that their shorter side has this length."""
    long_side_px: int = Field(default=1333, ge=16)
    """... unless the longer side would pass this."""
    batch_size: int = Field(default=1, ge=1)
    """Images of one size that go through the network together."""


def evaluate(inputs: Inputs, config: EvaluateCocoConfig, context: Context) -> Record:
    """Detect on every image of a split, write ``detections.json`` (COCO's format) and scores of classes and images, and score it.

    Roles: ``data`` (COCO's layout), ``model`` (a cell with ``model/``, the segmenter).

    Returns:
        ``num_images``, ``num_detections``, ``split``; AP and AP50 of masks, and COCO's other numbers, in percent (``metrics``).

    Raises:
        InputError: data or segmenter are missing or unreadable.
    """
    from methods.common.datasets.lvis import write_lvis
    from methods.common.metrics.detection.coco import evaluate_coco
    from methods.common.segmenters.instance.prediction import detect_all
    from methods.common.stages.evaluation_files import write_class_scores
    from methods.common.stages.shown_instances import keep_image_scores, write_picture_list
    from methods.instance_synthesis.frame_files import CocoFrames
    from methods.instance_synthesis.training_set import read_frames

    data, detections = inputs.folder("data"), context.out / DETECTIONS_FILE
    dataset = read_frames(data, "coco", config.split)
    sides_px, model = (config.short_side_px, config.long_side_px), inputs.folder("model") / "model"
    num_detections = detect_all(dataset, model, sides_px, config.batch_size, context, detections)
    own = CocoFrames(data, config.split).own
    truth = own.dataset.annotation_file
    if own.changed or truth is None:
        truth = context.out / TRUTH_FILE
        write_lvis(own.dataset, truth)
    scores = evaluate_coco(truth, detections, "segm")
    class_ap: dict[Any, Any] = {row["category_id"]: row["AP"] for row in scores.per_class()}
    by_class = [class_ap[category.id] for category in dataset.classes]
    names = [category.name for category in dataset.classes]
    write_class_scores(context.out, names, {"ap_mask": [_percent(value) for value in by_class]})
    write_picture_list(dataset, data, inputs, context.out)
    keep_image_scores(dataset, scores.matches, scores.image_ids, detections, context.out)
    return {
        "num_images": len(dataset.images),
        "num_detections": num_detections,
        "split": config.split,
        "metrics": {name: _percent(value) for name, value in scores.metrics().items()},
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


EVALUATE_COCO = Stage(
    "instance_synthesis_evaluate_coco", 1, EvaluateCocoConfig, evaluate, uses_gpu=True, kind="evaluate"
)
"""For own data alone: the paper's are evaluated by Cityscapes' definition."""

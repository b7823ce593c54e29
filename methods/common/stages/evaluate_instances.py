"""Stage ``evaluate_instances``: detect on a split and score by the official LVIS definition, class by class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from methods.common.growth import Added
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DETECTIONS_FILE = "detections.json"


class EvaluateInstancesConfig(Config):
    """What is evaluated, and at which size."""

    split: str = "val"
    """Which images: those of ``<split>.json`` in the data folder."""
    short_side_px: int = Field(default=800, ge=16)
    """Images are resized so that their shorter side has this length. [D], the detector framework's default"""
    long_side_px: int = Field(default=1333, ge=16)
    """... unless the longer side would pass this. [D]"""
    batch_size: int = Field(default=1, ge=1)
    """Images of one size that go through the network together."""
    batch_by_size: Annotated[bool, Added(neutral=False)] = False
    """Whether batches are of all images of one size, in place of neighbours only: fuller ones where sizes vary. Detections are then in
    the order of sizes; no number changes but by rounding."""


def evaluate_instances(inputs: Inputs, config: EvaluateInstancesConfig, context: Context) -> Record:
    """Evaluate a segmenter on a split of the data folder; see :func:`evaluate_on`.

    Roles: ``data`` (LVIS v1's layout), ``model`` (a training cell).
    """
    data = inputs.folder("data")
    return evaluate_on(data / f"{config.split}.json", data, inputs, config, context)


def evaluate_on(
    annotations: Path, images: Path, inputs: Inputs, config: EvaluateInstancesConfig, context: Context
) -> Record:
    """Detect on every image of an annotation file, write ``detections.json`` and scores of classes and images, and score it.

    Args:
        annotations: an LVIS v1 file.
        images: the folder from which it names images.
        inputs: role ``model`` (a cell with ``model/``, the segmenter).
        config: sizes.
        context: folder, device, checkpoints and progress.

    Returns:
        ``num_images``, ``num_detections`` and ``split``; for boxes and masks the official metrics in percent
        (``metrics_box``, ``metrics_mask``), and AP of each class in [0, 1] in the order of the class indices
        (``class_ap_box``, ``class_ap_mask``), None where the official definition has none; and the official metrics on resamples of the
        images (``resamples``, see :mod:`methods.common.metrics.resamples`).

    Raises:
        InputError: data or segmenter are missing or unreadable.
    """
    from methods.common.datasets.lvis import read_lvis
    from methods.common.metrics.detection.lvis import evaluate_lvis
    from methods.common.metrics.resamples import resampled
    from methods.common.segmenters.instance.prediction import detect_all
    from methods.common.stages.evaluation_files import write_class_scores
    from methods.common.stages.shown_instances import keep_image_scores, write_picture_list

    dataset = read_lvis(annotations, images, "none")
    model, detections = inputs.folder("model") / "model", context.out / DETECTIONS_FILE
    sides_px = config.short_side_px, config.long_side_px
    num_detections = detect_all(dataset, model, sides_px, config.batch_size, context, detections, config.batch_by_size)
    record: Record = {"num_images": len(dataset.images), "num_detections": num_detections, "split": config.split}
    scores = {
        "box": evaluate_lvis(annotations, detections, "bbox"),
        "mask": evaluate_lvis(annotations, detections, "segm"),
    }

    def metrics(weight_I: NDArray[np.float64] | None = None) -> dict[str, Any]:
        return {
            f"metrics_{kind}": {name: _percent(value) for name, value in of_kind.metrics(weight_I).items()}
            for kind, of_kind in scores.items()
        }

    for kind, of_kind in scores.items():
        record[f"class_ap_{kind}"] = [of_kind.class_ap.get(class_id) for class_id in dataset.class_ids]
    write_class_scores(
        context.out,
        [category.name for category in dataset.classes],
        {f"ap_{kind}": [_percent(value) for value in record[f"class_ap_{kind}"]] for kind in scores},
    )
    write_picture_list(dataset, images, inputs, context.out)
    keep_image_scores(dataset, scores["mask"].matches, scores["mask"].image_ids, detections, context.out)
    return {**record, **metrics(), "resamples": resampled(metrics, len(dataset.images))}


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value


EVALUATE_INSTANCES = Stage(
    "evaluate_instances", 1, EvaluateInstancesConfig, evaluate_instances, uses_gpu=True, kind="evaluate"
)

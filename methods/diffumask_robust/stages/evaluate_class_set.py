"""Stage ``robust_evaluate_class_set``: the common evaluation on a few classes that a data set shares with others (section 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig, evaluate_semantic
from methods.diffumask_robust.class_set import ClassSet

if TYPE_CHECKING:
    from methods.diffumask_robust.class_set_images import ClassSetImages

MEAN = "miou_of_classes"
"""The mean over the classes in the record."""


class EvaluateClassSetConfig(EvaluateSemanticConfig):
    """What is evaluated, and on which classes."""

    classes: ClassSet
    """What labels mean; everything else is background."""

    def open(self, folder: Path) -> ClassSetImages:
        """Open the images, with labels of the class set."""
        from methods.diffumask_robust.class_set_images import open_class_set

        return open_class_set(folder, self.split, self.classes, self.cityscapes_classes)


def evaluate_class_set(inputs: Inputs, config: EvaluateClassSetConfig, context: Context) -> Record:
    """Segment every image of a split and score it.

    Roles: ``data`` (in any known layout), ``model`` (a training cell).

    Returns:
        what :func:`~methods.common.stages.evaluate_semantic.evaluate_semantic` returns, and ``miou_of_classes``, the mean IoU over the
        classes of the set in percent, background left out; it is on every resample, too.

    Raises:
        InputError: as there, or the data set lacks a class of the set.
    Source: corrections, section 9.3, where DiffuMask's means have no background [DM].
    """
    names = config.classes.names
    record = evaluate_semantic(inputs, config, context)
    resamples = [{**one, MEAN: mean_iou(one["iou"], names)} for one in record["resamples"]]
    return {**record, MEAN: mean_iou(record["iou"], names), "resamples": resamples}


def mean_iou(iou: Mapping[str, Any], names: Sequence[str]) -> float | None:
    """Return the mean over these classes; None where one of them occurs neither in the truth nor in a prediction."""
    found = [iou[name] for name in names]
    return None if None in found else float(sum(found)) / len(found)


EVALUATE_CLASS_SET: Stage[EvaluateClassSetConfig] = Stage(
    "robust_evaluate_class_set", 1, EvaluateClassSetConfig, evaluate_class_set, uses_gpu=True, kind="evaluate"
)

"""Stage ``mrca_evaluate``: the common evaluation on the validation split, or on the images that steer the next rounds."""

from __future__ import annotations

from typing import Literal

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.evaluate_instances import EvaluateInstancesConfig, evaluate_on
from methods.mrca.stages.split import FEEDBACK_FILE, image_folder, val_file


class EvaluateConfig(EvaluateInstancesConfig):
    """What is evaluated, and at which size."""

    split: Literal["val", "feedback"] = "val"
    """``val`` for results; ``feedback`` for the accuracies that steer the next rounds."""


def evaluate(inputs: Inputs, config: EvaluateConfig, context: Context) -> Record:
    """Return LVIS metrics and AP of each class; see :func:`evaluate_on`.

    Roles: ``data``, ``split``, ``model`` (a training cell; its averaged weights are evaluated).
    """
    steers = config.split == "feedback"
    annotations = inputs.folder("split") / FEEDBACK_FILE if steers else val_file(inputs)
    return evaluate_on(annotations, image_folder(inputs), inputs, config, context)


EVALUATE = Stage("mrca_evaluate", 1, EvaluateConfig, evaluate, uses_gpu=True, kind="evaluate")

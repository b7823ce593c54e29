"""Stage ``mrca_budget``: how many objects of each class one round generates (section 3.3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.mrca.accuracy import shrink_accuracy
from methods.mrca.budget import (
    BudgetConfig,
    budget_weights,
    class_budget,
    classifier_change,
    early_budget,
    fill_undefined_accuracy,
    training_counts,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class BudgetStageConfig(Config):
    """Size and formula of a round's budget."""

    objects: int = Field(ge=0)
    """B, images to generate in the round over all classes."""
    formula: BudgetConfig = BudgetConfig()
    """Which formula shares them."""


def budget(inputs: Inputs, config: BudgetStageConfig, context: Context) -> Record:
    """Share the round's budget over the classes.

    An accuracy that is undefined is its group's, one of few objects is drawn towards it. Roles: ``split``; with feedback also ``feedback`` (evaluation of M_s), ``model`` and ``model_before`` (training cells of
    M_s and M_{s-1}) and ``pools`` (object pools of the rounds that M_s trained on).
    """
    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    real_C = np.array([category["instance_count"] for category in classes], np.int64)
    if not inputs.folders("feedback"):
        count_C = early_budget(config.objects, real_C, config.formula)
        return {"counts": count_C.tolist(), "feedback": False}
    ap_C = np.array(inputs.record("feedback")["class_ap_mask"], np.float64)  # None becomes NaN
    change_C = classifier_change(
        _classifier(inputs.folder("model")),
        _classifier(inputs.folder("model_before")),
        len(classes),
        config.formula.weight_change_rows,
    )
    synthetic_C = _accepted(inputs.folders("pools"), [category["id"] for category in classes])
    group_C = [category["group"] for category in classes]
    objects_C = np.array([category["feedback_instance_count"] for category in classes], np.int64)
    filled_C = fill_undefined_accuracy(ap_C, group_C)
    known_C = shrink_accuracy(filled_C, objects_C, group_C, config.formula.shrinkage)
    seen_C = training_counts(real_C, synthetic_C, config.formula.count_mode)
    count_C = class_budget(config.objects, known_C, change_C, seen_C, config.formula)
    return {
        "counts": count_C.tolist(),
        "feedback": True,
        "accuracy": known_C.tolist(),
        "accuracy_known": np.isfinite(ap_C).tolist(),
        "classifier_change": change_C.tolist(),
        "training_counts": seen_C.tolist(),
        "weights": budget_weights(known_C, change_C, seen_C, config.formula).tolist(),
    }


def _classifier(cell: Path) -> NDArray[np.floating]:
    from methods.common.segmenters.centernet2.model import CenterNet2

    weight: NDArray[np.floating] = CenterNet2.from_pretrained(cell / "model").classifier_weight.detach().numpy()
    return weight


def _accepted(pools: tuple[Path, ...], class_ids: list[int]) -> NDArray[np.int64]:
    """Count the pooled objects of each class."""
    position = {class_id: index for index, class_id in enumerate(class_ids)}
    count_C = np.zeros(len(class_ids), np.int64)
    for pool in pools:
        for class_id, count in json.loads((pool / "result.json").read_text())["accepted"].items():
            count_C[position[int(class_id)]] += count
    return count_C


BUDGET = Stage("mrca_budget", 2, BudgetStageConfig, budget)

"""Stage ``seggen_evaluate``: the common evaluation of a semantic segmenter, and the mean IoU of frequent, common and rare classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig, evaluate_semantic
from methods.seggen.stages.class_pixels import PIXELS_FILE, thirds

if TYPE_CHECKING:
    from methods.seggen.stages.class_pixels import Frequency


def evaluate(inputs: Inputs, config: EvaluateSemanticConfig, context: Context) -> Record:
    """Segment a split and score it; see :func:`evaluate_semantic`.

    Roles: ``data``, ``model``, and ``frequencies``, a cell of :mod:`methods.seggen.stages.class_pixels`.

    Returns:
        what :func:`evaluate_semantic` does, and ``miou_frequent``, ``miou_common`` and ``miou_rare``, in the resamples too; None where no class
        of a third occurs.
    """
    record = evaluate_semantic(inputs, config, context)
    groups = thirds(json.loads((inputs.folder("frequencies") / PIXELS_FILE).read_text()))
    resamples = [{**numbers, **means_of(numbers["iou"], groups)} for numbers in record["resamples"]]
    return {**record, **means_of(record["iou"], groups), "resamples": resamples}


def means_of(iou: Mapping[str, float | None], groups: Mapping[Frequency, list[str]]) -> dict[str, Any]:
    """Average the IoU of each third of the classes; classes without one do not count."""
    found: dict[str, Any] = {}
    for group, names in groups.items():
        known = [value for name in names if (value := iou[name]) is not None]
        found[f"miou_{group}"] = sum(known) / len(known) if known else None
    return found


EVALUATE = Stage("seggen_evaluate", 1, EvaluateSemanticConfig, evaluate, uses_gpu=True, kind="evaluate")

"""Stage ``sam_filter_evaluate``: the common evaluation of a semantic segmenter, on VOC val (section 8.3)."""

from __future__ import annotations

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig, evaluate_semantic


def evaluate(inputs: Inputs, config: EvaluateSemanticConfig, context: Context) -> Record:
    """Segment every image of a split and score it; see :func:`evaluate_semantic`."""
    return evaluate_semantic(inputs, config, context)


EVALUATE = Stage("sam_filter_evaluate", 1, EvaluateSemanticConfig, evaluate, uses_gpu=True, kind="evaluate")

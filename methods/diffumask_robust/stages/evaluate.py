"""Stage ``robust_evaluate``: the common evaluation of a semantic segmenter, at the images' own size (sections 6.5 and 9)."""

from __future__ import annotations

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig, evaluate_semantic


def evaluate(inputs: Inputs, config: EvaluateSemanticConfig, context: Context) -> Record:
    """Segment every image of a split and score it; two networks by the mean of their logits. See :func:`evaluate_semantic`."""
    return evaluate_semantic(inputs, config, context)


EVALUATE_ROBUST: Stage[EvaluateSemanticConfig] = Stage(
    "robust_evaluate", 1, EvaluateSemanticConfig, evaluate, uses_gpu=True, kind="evaluate"
)

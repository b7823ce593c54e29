"""Stage ``diffumask_score_fold``: how far the masks of one fold agree with a network that was trained on the others (section 10.5).

Inputs: roles ``pairs`` and ``labels`` (all shards of both, in the same order), and ``model``, a training cell whose source was
``FoldSource`` with the same folds.
Outputs: ``scores.jsonl``, a line a picture of the fold: id, class, iou; role ``scores`` of ``diffumask_prune``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from methods.common.errors import InputError
from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.diffumask_robust.stages.fold_source import in_folds, only_class

if TYPE_CHECKING:
    from methods.common.segmenters.semantic.interface import SemanticSegmenter
    from methods.diffumask_robust.label_files import ListedLabels

SCORES_FILE = "scores.jsonl"


class ScoreFoldConfig(Config):
    """Which fold, and at which size it is looked at."""

    num_folds: int = Field(default=3, ge=2)
    """Folds of the cross validation. [C D34]"""
    fold: int = Field(default=0, ge=0)
    """The fold that the network has not seen."""
    short_side_px: int = Field(default=512, ge=16)
    """Pictures are scaled so that the short side has this length."""
    max_long_side_px: int = Field(default=2048, ge=16)
    """... unless the long side would pass this."""

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= self.num_folds:
            raise ValueError("fold must be below num_folds")
        return self


def score_fold(inputs: Inputs, config: ScoreFoldConfig, context: Context) -> Record:
    """Predict every picture of the fold and write the IoU of its class with its mask.

    Returns:
        ``num_images`` and ``mean_iou``, None where the fold is empty.

    Raises:
        InputError: files are missing or do not belong together, or the network has other classes.
    """
    from methods.common.generated.pair_reader import list_pairs
    from methods.common.segmenters.semantic.segmenters import load_segmenter
    from methods.diffumask_robust.label_files import list_labels

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    listed = list_labels(pairs, inputs.folders("labels"))
    rated = [one for one, fold in in_folds(listed, config.num_folds) if fold == config.fold]
    folder = inputs.folder("model") / "model"
    model = load_segmenter(folder).to(context.device).eval()
    if model.num_classes != len(class_names):
        raise InputError(
            f"the pictures have {len(class_names)} classes, the segmenter in {folder} {model.num_classes}; train it on these pictures"
        )
    found = context.checkpoints.load()
    lines = keep_lines(context.out / SCORES_FILE, 0 if found is None else found[0])
    for number in range(len(lines), len(rated)):
        one = rated[number]
        lines.append(_score(one, class_names.index(only_class(one)), model, config, context))
        append_lines(context.out / SCORES_FILE, lines[-1:])
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, None)
        context.progress(number + 1, len(rated), "images")
    return {"num_images": len(lines), "mean_iou": sum(line["iou"] for line in lines) / len(lines) if lines else None}


def _score(
    one: ListedLabels, label: int, model: SemanticSegmenter, config: ScoreFoldConfig, context: Context
) -> dict[str, Any]:
    from methods.common.datasets.png_labels import check_same_size, read_labels
    from methods.common.segmenters.semantic.prediction import predict_labels
    from methods.diffumask_robust.diffumask.noise_learning import class_iou

    image_HW3, label_HW = one.pair.read_image(), read_labels(one.labels)
    check_same_size(image_HW3[..., 0], label_HW, one.labels)
    sizes = config.short_side_px, config.max_long_side_px
    predicted_HW = predict_labels(model, [image_HW3], *sizes, context.device)[0]
    return {"id": one.pair.id, "class": only_class(one), "iou": class_iou(predicted_HW, label_HW, label)}


SCORE_FOLD: Stage[ScoreFoldConfig] = Stage(
    "diffumask_score_fold", 1, ScoreFoldConfig, score_fold, uses_gpu=True, kind="filter"
)

"""Stage ``diffumask_prune``: noise learning leaves out the masks that the cross validation disagrees with (section 10.5).

Inputs: roles ``pairs`` and ``labels`` (all shards of both, in the same order), and ``scores``, the cell of ``diffumask_score_fold`` of every
fold.
Outputs: ``labels.jsonl`` of all pictures, ``labels/<id>.png`` and ``trusted/<id>.png`` of those that stay; role ``labels``, as one folder
for all shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.resumable_records import read_lines
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.diffumask_robust.stages.fold_source import only_class
from methods.diffumask_robust.stages.score_fold import SCORES_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from methods.diffumask_robust.label_files import ListedLabels


class PruneConfig(Config):
    """How much is left out."""

    pruned_share: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Share of the pictures of each class that go. [code] 0.7; [DM] 0.3 to 0.7, to which we add 0.8 and 0.9."""
    rule: Literal["agreement", "random"] = "agreement"
    """``random``: as many of each class, drawn at random; a control [C D39]."""


def prune(inputs: Inputs, config: PruneConfig, context: Context) -> Record:
    """Write the labels that stay.

    Returns:
        ``num_images`` (of use before), ``num_kept``, and the mean IoU of the cross validation, ``iou_before`` and ``iou_kept``.

    Raises:
        InputError: files are missing or do not belong together, or a picture has no score, or two.
    """
    from methods.common.generated.pair_reader import list_pairs
    from methods.diffumask_robust.diffumask.noise_learning import keep_best_of_each_class
    from methods.diffumask_robust.label_files import list_labels

    pairs, _ = list_pairs(inputs.folders("pairs"))
    listed = list_labels(pairs, inputs.folders("labels"))
    useful = [one for one in listed if not one.dropped]
    ids, names = [one.pair.id for one in useful], [only_class(one) for one in useful]
    iou = _read_scores(inputs.folders("scores"), ids)
    ranks = [iou[name] for name in ids]
    if config.rule == "random":
        ranks = [float(context.seeds.numpy("generation", "random pruning", name).random()) for name in ids]
    kept = keep_best_of_each_class(ids, names, ranks, config.pruned_share)
    _write(listed, kept, iou, context)
    return {
        "num_images": len(useful),
        "num_kept": len(kept),
        "iou_before": _mean([iou[name] for name in ids]),
        "iou_kept": _mean([iou[name] for name in sorted(kept)]),
    }


def _read_scores(folders: Sequence[Path], ids: Sequence[str]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for folder in folders:
        path = folder / SCORES_FILE
        for number, line in enumerate(read_lines(path), start=1):
            name, iou = line.get("id"), line.get("iou")
            if not isinstance(name, str) or not isinstance(iou, int | float) or name in scores:
                raise InputError(
                    f"{path}, line {number}: id {name!r} lacks its iou or is scored twice; name each fold once"
                )
            scores[name] = float(iou)
    if scores.keys() != set(ids):
        raise InputError(
            f"{len(scores)} pictures are scored, {len(ids)} are of use, and they are not the same; score every fold of these labels"
        )
    return scores


def _write(listed: Sequence[ListedLabels], kept: set[str], iou: dict[str, float], context: Context) -> None:
    """Copy what stays; the list names every picture, those that go with the reason."""
    from methods.diffumask_robust.label_files import write_kept

    lines = []
    for one in listed:
        name = one.pair.id
        pruned = "" if name in kept else f"agreement {iou.get(name, 0.0):.3f} is too low"
        lines.append({**one.line, "dropped": one.line["dropped"] or pruned, "iou": iou.get(name)})
    write_kept(context.out, listed, lines)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


PRUNE: Stage[PruneConfig] = Stage("diffumask_prune", 1, PruneConfig, prune, ("generation",), kind="filter")

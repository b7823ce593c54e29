"""Stage ``robust_filter_masks``: keep the pictures whose masks agree best with a prompter's (SAM filter section 4.4).

A control that no paper has: what filtering of whole pictures gives in place of trusting pixels.

Inputs: roles ``pairs`` and ``labels`` (all shards of both, in the same order), and ``named``, what a prompter found in each picture (a
cell a shard).
Outputs: ``labels.jsonl`` of all pictures, ``labels/<id>.png`` and ``trusted/<id>.png`` of those that stay; role ``labels``, as one folder
for all shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.diffumask_robust.label_files import ListedLabels


class FilterMasksConfig(Config):
    """How much is kept, and by what."""

    kept_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the pictures of use that stay, rounded down. [C D59]"""
    rule: Literal["agreement", "random"] = "agreement"
    """The best by score S1, or as many drawn at random, which tells the filter from the size of the set. [C D59]"""


def filter_masks(inputs: Inputs, config: FilterMasksConfig, context: Context) -> Record:
    """Write the labels that stay.

    Returns:
        ``num_images`` (of use before), ``num_kept``, and the mean of S1 in [0, 1], ``score_before`` and ``score_kept``.

    Raises:
        InputError: files are missing or do not belong together, or no picture is of use or kept.
    """
    from methods.common.generated.pair_reader import list_pairs
    from methods.common.generated.rankings import rank_at_random, rank_by_score
    from methods.diffumask_robust.label_files import list_labels, write_kept

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    listed = list_labels(pairs, inputs.folders("labels"))
    useful = [number for number, one in enumerate(listed) if not one.dropped]
    num_kept = int(config.kept_share * len(useful))
    if not num_kept:
        raise InputError(
            f"of {len(useful)} pictures of use a share of {config.kept_share} is none; keep more, or generate more"
        )
    score_I = _scores(listed, useful, inputs.folders("named"), class_names, context)
    ids = [listed[number].pair.id for number in useful]
    if config.rule == "random":
        ranking = rank_at_random(ids, context.seeds.numpy("generation", "random filter"))
    else:
        ranking = rank_by_score(ids, score_I)
    kept, score = {ids[place] for place in ranking[:num_kept]}, dict(zip(ids, score_I.tolist(), strict=True))
    lines = [_line(one, kept, score) for one in listed]
    write_kept(context.out, listed, lines)
    return {
        "num_images": len(useful),
        "num_kept": len(kept),
        "score_before": float(score_I.mean()),
        "score_kept": float(score_I[ranking[:num_kept]].mean()),
    }


def _scores(
    listed: Sequence[ListedLabels],
    useful: Sequence[int],
    folders: Sequence[Path],
    class_names: tuple[str, ...],
    context: Context,
) -> NDArray[np.float64]:
    """Return S1 of each picture of use with what was found in it, float64 (I,). SAM filter section 4.3."""
    import numpy as np

    from methods.common.datasets.png_labels import read_labels
    from methods.common.generated.pair_reader import NamedMaskFiles
    from methods.common.metrics.label_maps.mask_quality import agreement_with_masks

    named = NamedMaskFiles([one.pair for one in listed], folders)
    score_I = np.zeros(len(useful))
    for place, number in enumerate(useful):
        label_HW = read_labels(listed[number].labels)
        masks = {class_names.index(name): mask_HW for name, mask_HW in named.masks(number).items()}
        if any(mask_HW.shape != label_HW.shape for mask_HW in masks.values()):
            raise InputError(
                f"what was found in picture {listed[number].pair.id!r} has another size than its labels {listed[number].labels}; "
                "segment these pictures, not others"
            )
        score_I[place] = agreement_with_masks(label_HW, masks, len(class_names)).scores()["S1"]
        context.progress(place + 1, len(useful), "images")
    return score_I


def _line(one: ListedLabels, kept: set[str], score: dict[str, float]) -> dict[str, object]:
    """Return the line of a picture; one that goes says why."""
    name = one.pair.id
    out = "" if name in kept or one.dropped else f"score {score[name]:.3f} is not among those that are kept"
    return {**one.line, "dropped": one.line["dropped"] or out, "score": score.get(name)}


FILTER_MASKS: Stage[FilterMasksConfig] = Stage(
    "robust_filter_masks", 1, FilterMasksConfig, filter_masks, ("generation",), kind="filter"
)

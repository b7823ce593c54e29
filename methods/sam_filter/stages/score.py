"""Stage ``sam_filter_score``: how well each generated mask agrees with what the prompter found (section 4.3)."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError
from methods.common.files import write_atomic
from methods.common.metrics.label_maps.mask_quality import Uncertain
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.generated.pair_reader import ListedPair, NamedMaskFiles
    from methods.common.metrics.label_maps.mask_quality import MaskAgreement

SCORES = ("S1", "S2", "S3", "S4")
SCORES_FILE, PIXELS_FILE = "scores.csv", "pixels.json"


class ScoreConfig(Config):
    """Which masks are scored."""

    variant: str = "s32_c16"
    """Whose masks: a folder below ``masks`` of the pairs. [P] self-attention 32, cross-attention 16."""
    uncertain: Uncertain = "ignore"
    """Generated pixels of label 255: left out of both sets, background, or of all classes asked for.
    Section 4.3 [? D6]"""


def score(inputs: Inputs, config: ScoreConfig, context: Context) -> Record:
    """Write ``scores.csv`` (id, S1 to S4, num_classes) and ``pixels.json`` (labelled pixels by class), in the order of the pairs.

    Roles: ``pairs`` (cells of generated pairs) and ``named`` (what was found in each, in the same order).

    Raises:
        InputError: files are missing or faulty, or do not belong together.
    """
    from methods.common.generated.pair_reader import NamedMaskFiles, list_pairs

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    named = NamedMaskFiles(pairs, inputs.folders("named"))
    found = context.checkpoints.load()
    # A row: S1 to S4, the number of classes, whether anything was found, and labelled pixels by class.
    rows: list[list[Any]] = [] if found is None else found[1]
    for number in range(len(rows), len(pairs)):
        rows.append(_score_pair(pairs[number], named, number, class_names, config))
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, rows)
        context.progress(number + 1, len(pairs), "images")
    write_atomic(context.out / SCORES_FILE, _table(pairs, rows))
    pixels = {pair.id: row[-1] for pair, row in zip(pairs, rows, strict=True)}
    write_atomic(context.out / PIXELS_FILE, json.dumps({"variant": config.variant, "pixels": pixels}).encode())
    return {
        "num_images": len(pairs),
        "num_without_mask": sum(1 for row in rows if not row[5]),
        "mean": {name: sum(row[k] for row in rows) / len(rows) if rows else None for k, name in enumerate(SCORES)},
        "zero_share": {
            name: sum(row[k] == 0.0 for row in rows) / len(rows) if rows else None for k, name in enumerate(SCORES)
        },
    }


def _score_pair(
    pair: ListedPair, named: NamedMaskFiles, number: int, class_names: tuple[str, ...], config: ScoreConfig
) -> list[Any]:
    import numpy as np

    label_HW = pair.read_labels(config.variant, len(class_names))
    masks = named.masks(number)
    for name, mask_HW in masks.items():
        if mask_HW.shape != label_HW.shape:
            raise InputError(
                f"{pair.labels_path(config.variant)} is {label_HW.shape[1]}x{label_HW.shape[0]} pixels, the mask found of "
                f"{name!r} {mask_HW.shape[1]}x{mask_HW.shape[0]}; segment these pictures, not others"
            )
    agreement = agreement_of_pair(label_HW, masks, class_names, config.uncertain)
    count_L = np.bincount(label_HW.ravel(), minlength=256)
    pixels = {name: int(count_L[label]) for label, name in enumerate(class_names) if label and count_L[label]}
    scores = [float(value) for value in agreement.scores().values()]
    return [*scores, len(pair.classes), any(mask_HW.any() for mask_HW in masks.values()), pixels]


def agreement_of_pair(
    label_HW: NDArray[np.uint8], masks: dict[str, NDArray[np.bool_]], class_names: tuple[str, ...], uncertain: Uncertain
) -> MaskAgreement:
    """Compare one generated label map with the mask of each class asked for; the order of the classes changes nothing."""
    from methods.common.metrics.label_maps.mask_quality import agreement_with_masks

    by_label = {class_names.index(name): mask_HW for name, mask_HW in masks.items()}
    return agreement_with_masks(label_HW, by_label, len(class_names), uncertain)


def _table(pairs: list[ListedPair], rows: list[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", *SCORES, "num_classes"])
    table.writerows(
        [pair.id, *(repr(value) for value in row[:4]), row[4]] for pair, row in zip(pairs, rows, strict=True)
    )
    return text.getvalue().encode()


SCORE: Stage[ScoreConfig] = Stage("sam_filter_score", 1, ScoreConfig, score, (), kind="filter")

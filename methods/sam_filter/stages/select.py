"""Stage ``sam_filter_select``: which pairs are kept, and what that does to the set (sections 4.4 and 4.5)."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.generated.pair_reader import SELECTED_FILE, list_pairs
from methods.common.generated.rankings import Ranking, keep_first, rank_at_random, rank_by_score
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.sam_filter.selection import (
    Stratify,
    describe_selection,
    interleave_strata,
    rank_with_same_mix,
    strata_of,
)
from methods.sam_filter.stages.score import PIXELS_FILE, SCORES_FILE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.generated.pair_reader import ListedPair

STATISTICS_FILE = "statistics.json"
ScoreName = Literal["S1", "S2", "S3", "S4"]


class SelectConfig(Config):
    """How pairs are chosen."""

    rule: Literal["all", "score", "random", "random_same_mix"] = "score"
    """Everything; the best by score [P]; a random subset [P]; or a random subset that shows every set of classes as often as the
    best by score do, which is the control for what the filter does to the mix of classes [C D64]."""
    keep: int | None = Field(default=None, ge=1)
    """How many; None for rule ``all``, needed for the others. [P] 10 000, 20 000, 30 000."""
    score: ScoreName = "S1"
    """Which score ranks. Section 4.3 [? D5]"""
    stratify: Stratify = "none"
    """Rank in each stratum and keep the same share of all. Section 4.5."""
    variant: str = "s32_c16"
    """Whose masks: those that were scored."""

    @model_validator(mode="after")
    def _keep_fits_rule(self) -> SelectConfig:
        if (self.keep is None) != (self.rule == "all"):
            raise ValueError("keep is for every rule but `all`, and each of those needs it")
        return self


def select(inputs: Inputs, config: SelectConfig, context: Context) -> Record:
    """Write ``selected.txt`` (ids in rank order) and ``statistics.json``.

    Roles: ``pairs`` (cells of generated pairs) and ``scores`` (one cell of scores of all of them).

    Raises:
        InputError: fewer pairs than are to be kept, or scores of other pairs or of another variant.
    """
    pairs, class_names = list_pairs(inputs.folders("pairs"))
    folder = inputs.folder("scores")
    score_I = read_scores(folder / SCORES_FILE, pairs, config.score)
    pixels = _read_pixels(folder / PIXELS_FILE, pairs, config.variant)
    kept = _choose(pairs, score_I, config, context, str(folder / SCORES_FILE))
    statistics = describe_selection(kept, score_I, [pair.classes for pair in pairs], pixels, class_names[1:])
    best = rank_by_score([pair.id for pair in pairs], score_I)[: len(kept)]
    # Read beside a random subset: what it shares with the best is no control of them.
    statistics["share_among_best"] = len(set(kept.tolist()) & set(best.tolist())) / max(1, len(kept))
    write_atomic(context.out / SELECTED_FILE, "".join(f"{pairs[image].id}\n" for image in kept).encode())
    write_atomic(context.out / STATISTICS_FILE, json.dumps(statistics, indent=1).encode())
    told = ("cutoff_score", "zero_score_share", "share_among_best")
    return {"num_kept": len(kept), "num_images": len(pairs)} | {name: statistics[name] for name in told}


def _choose(
    pairs: Sequence[ListedPair], score_I: NDArray[np.float64], config: SelectConfig, context: Context, where: str
) -> Ranking:
    ids, classes = [pair.id for pair in pairs], [pair.classes for pair in pairs]
    strata = strata_of(classes, config.stratify)
    at_random = rank_at_random(ids, context.seeds.numpy("generation", "sam_filter", "selection"))
    by_score = interleave_strata(rank_by_score(ids, score_I), strata)
    if config.keep is None:
        return by_score
    if config.rule == "score":
        ranking = by_score
    elif config.rule == "random":
        ranking = interleave_strata(at_random, strata)
    else:
        ranking = rank_with_same_mix(by_score, at_random, [frozenset(names) for names in classes])
    return keep_first(ranking, config.keep, where)


def read_scores(path: Path, pairs: Sequence[ListedPair], score: ScoreName) -> NDArray[np.float64]:
    """Return one score of each pair, float64 (I,).

    Raises:
        InputError: the table is missing, damaged or of other pairs.
    """
    import numpy as np

    try:
        rows = list(csv.DictReader(path.read_text().splitlines()))
        ids, score_I = [row["id"] for row in rows], np.array([float(row[score]) for row in rows], np.float64)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is no table of scores ({reason(error)}); score the pairs again") from error
    if ids != [pair.id for pair in pairs]:
        raise InputError(f"{path} has scores of other pairs, or in another order; score these pairs")
    return score_I


def _read_pixels(path: Path, pairs: Sequence[ListedPair], variant: str) -> list[dict[str, int]]:
    try:
        found = json.loads(path.read_text())
        scored, pixels = found["variant"], [found["pixels"][pair.id] for pair in pairs]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is no count of labelled pixels ({reason(error)}); score the pairs again") from error
    if scored != variant:
        raise InputError(f"{path} is of masks {scored!r}, the selection asks for {variant!r}; select what was scored")
    return pixels


SELECT: Stage[SelectConfig] = Stage("sam_filter_select", 1, SelectConfig, select, ("generation",), kind="filter")

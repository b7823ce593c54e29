"""Generated pairs, each with the real image that it was made of and the strategy that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from methods.common.errors import InputError
from methods.common.generated.pair_reader import PAIRS_FILE, SELECTED_FILE, ListedPair, list_pairs
from methods.common.resumable_records import read_lines
from methods.common.stage import Inputs
from methods.seggen.mixing import STRATEGIES, Pool
from methods.seggen.replacement import Strategy


class MadePair(NamedTuple):
    """A pair and where it is from."""

    pair: ListedPair
    of: str
    """Name of the real image."""
    strategy: Strategy
    """How it was made."""


def read_made_pairs(inputs: Inputs) -> tuple[list[MadePair], tuple[str, ...]]:
    """Read the pairs of every shard in role ``pairs``, as far as role ``selection``, where it is given, names them; and the class names.

    Raises:
        InputError: a file is missing or faulty, a line lacks ``of`` or ``strategy``, or a name that was selected is of no pair.
    """
    shards = inputs.folders("pairs")
    if not shards:
        raise InputError("no generated pairs were given; name their shards as role 'pairs'")
    pairs, class_names = list_pairs(shards)
    records = [
        (f"{shard / PAIRS_FILE}, line {number}", record)
        for shard in shards
        for number, record in enumerate(read_lines(shard / PAIRS_FILE), start=1)
    ]
    made = []
    for pair, (where, record) in zip(pairs, records, strict=True):
        image, strategy = record.get("of"), record.get("strategy")
        if not isinstance(image, str) or strategy not in STRATEGIES:
            raise InputError(
                f"{where} lacks `of`, the real image, or `strategy` ({' or '.join(STRATEGIES)}); generate the pairs again"
            )
        made.append(MadePair(pair, image, strategy))
    if inputs.folders("selection"):
        made = _selected(made, inputs.folder("selection"))
    return made, class_names


def _selected(made: list[MadePair], folder: Path) -> list[MadePair]:
    names = [line for line in (folder / SELECTED_FILE).read_text().splitlines() if line]
    by_name = {one.pair.id: one for one in made}
    for name in names:
        if name not in by_name:
            raise InputError(
                f"{folder / SELECTED_FILE} names pair {name!r}, which is in no shard; select from the same shards"
            )
    if not names:
        raise InputError(f"{folder / SELECTED_FILE} names no pair; keep more pairs")
    return [by_name[name] for name in names]


def of_real_images(
    made: list[MadePair], place_of: Mapping[str, int], *, others_known: bool
) -> tuple[list[MadePair], Pool]:
    """Return the pairs that were made of real images that are there, and what there is to draw from.

    Args:
        made: pairs.
        place_of: index of each real image by its name.
        others_known: whether there are real images beside these, pairs of which are left out.

    Raises:
        InputError: a pair is of no real image.
    """
    kept = [one for one in made if one.of in place_of]
    if len(kept) < len(made) and not others_known:
        stranger = next(one for one in made if one.of not in place_of)
        raise InputError(
            f"pair {stranger.pair.id!r} was made of {stranger.of!r}, which is no image of the training split; name the "
            "split that the pairs were made of"
        )
    return kept, Pool(len(place_of), [place_of[one.of] for one in kept], [one.strategy for one in kept])


def labels_paths(made: list[MadePair], variant: str, filtered: tuple[Path, ...]) -> list[Path]:
    """Return where the masks of each pair lie: beside it, or in one of the cells that filtered them where there are any.

    Raises:
        InputError: a mask is missing.
    """
    paths = []
    for one in made:
        places = [folder / "masks" / variant / f"{one.pair.id}.png" for folder in filtered]
        found = next((path for path in places or [one.pair.labels_path(variant)] if path.is_file()), None)
        if found is None:
            where = ", ".join(str(path.parent) for path in places or [one.pair.labels_path(variant)])
            raise InputError(
                f"pair {one.pair.id!r} has no masks of the variant {variant!r} in {where}; set source.variant"
            )
        paths.append(found)
    return paths

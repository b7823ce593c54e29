"""Which states of a stage's folders a kill is tried in: what the harness would sweep is swept, and not more than a few are chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tests.contracts.watch import Change, State


def swept(state: State) -> State:
    """What the harness leaves of a killed attempt: nothing without a checkpoint, and never a file that was put aside half-written.

    Every going on sweeps with the harness's own code and compares, so that this cannot drift from it.
    """
    kept = {name: data for name, data in state.items() if not _is_part(name)}
    if any(name.startswith("checkpoints/step-") for name in kept):
        return kept
    return {name: data for name, data in kept.items() if not name.startswith("out/")}


def _is_part(name: str) -> bool:
    last = name.rsplit("/", 1)[-1]
    return last.startswith(".") and last.endswith(".part")


def to_go_on_from(changes: Iterable[Change]) -> list[Change]:
    """Changes of which something is left after sweeping, each time something else, in order."""
    found: list[Change] = []
    known: list[State] = []
    for change in changes:
        left = swept(change.state)
        if any(not name.endswith("/") for name in left) and left not in known:
            found.append(change)
            known.append(left)
    return found


def choose(changes: Sequence[Change], number: int) -> list[Change]:
    """Choose one in which most can go wrong, the last, the first, then one of each sort by what can go wrong, and others evenly."""
    if len(changes) <= number:
        return list(changes)
    sorts: dict[tuple[int, str, str], list[int]] = {}
    written_to = {change.name for change in changes if change.kind == "grown"}
    for index, change in enumerate(changes):
        rank = 0 if change.name in written_to else _RANKS[change.kind]
        sorts.setdefault((rank, change.kind, _NUMBERS.sub("#", change.name)), []).append(index)
    of_each_sort = [indices[len(indices) // 2] for _, indices in sorted(sorts.items())]
    evenly = [(2 * place + 1) * len(changes) // (2 * number) for place in range(number)]
    wanted = dict.fromkeys([of_each_sort[0], len(changes) - 1, 0, *of_each_sort[1:], *evenly])
    return [changes[index] for index in sorted(list(wanted)[:number])]


_RANKS = {"grown": 0, "gone": 1, "new": 2, "torn": 3}
"""A file that is written to again, then one that goes, then one that comes."""
_NUMBERS = re.compile(r"[0-9a-f]{16}|[0-9]+")

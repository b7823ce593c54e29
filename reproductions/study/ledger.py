"""The deviation ledger of a paper, read from ``deviations.csv`` beside its recipe.

A line is an entry. ``tiers`` names tiers (empty: all). ``concerns`` names topics or ids of arms (empty: every arm), so that a new arm
gets its entries by what it is. ``drawn_data`` is "yes" for what is said of the miniature world and no longer holds for own data.
Ids are stable; new entries go to the end.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from reports.records import Deviation
from reproductions.study.arms import Arm

LEDGER_FILE = "deviations.csv"


def read_ledger(folder: Path, arms: Sequence[Arm[object]], drawn_data: bool = True) -> tuple[Deviation, ...]:
    """Return every entry, with the arms that it concerns; nothing where there is no ledger.

    Args:
        folder: the paper's, below ``reproductions``.
        arms: all arms of the paper, those that are not run included.
        drawn_data: whether entries about the miniature world are wanted.
    """
    if not (folder / LEDGER_FILE).is_file():
        return ()
    with (folder / LEDGER_FILE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(_entry(row, arms) for row in rows if drawn_data or row["drawn_data"] != "yes")


def _entry(row: dict[str, str], arms: Sequence[Arm[object]]) -> Deviation:
    names = set(row["concerns"].split())
    known = {arm.id for arm in arms}.union(*(arm.topics for arm in arms))
    assert names <= known, f"{row['id']} concerns {sorted(names - known)}, which no arm is or has as a topic"
    concerned = tuple(arm.id for arm in arms if names & {arm.id, *arm.topics})
    fields = {name: row[name] for name in ("id", "what", "stated", "ours", "mark", "reason")}
    tiers = {"tiers": tuple(row["tiers"].split())} if row["tiers"] else {}
    return Deviation.model_validate(
        {**fields, **tiers, "arms": concerned, "incomparable": row["incomparable"] == "yes"}
    )

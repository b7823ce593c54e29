"""The printed numbers of a paper, read from ``targets.csv`` beside its recipe; a column that a paper does not need may be absent."""

from __future__ import annotations

import csv
from pathlib import Path

from reports.records import LostTarget, Target

TARGETS_FILE = "targets.csv"
_LOST = "missing"
"""Value of the column ``certainty`` for a number that could not be read."""


def read_targets(folder: Path) -> tuple[Target, ...]:
    """Return the printed and the inferred values, row by row and column by column as printed."""
    return tuple(
        Target.model_validate(_filled(row, without=("row",)))
        for row in _rows(folder)
        if row.get("certainty", "certain") != _LOST
    )


def read_lost_targets(folder: Path) -> tuple[LostTarget, ...]:
    """Return the cells whose value could not be read."""
    left_out = ("value", "decimals", "certainty", "high", "backbone_title")
    return tuple(
        LostTarget.model_validate(_filled(row, without=left_out))
        for row in _rows(folder)
        if row.get("certainty", "certain") == _LOST
    )


def _rows(folder: Path) -> list[dict[str, str]]:
    if not (folder / TARGETS_FILE).is_file():
        return []
    with (folder / TARGETS_FILE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _filled(row: dict[str, str], without: tuple[str, ...]) -> dict[str, str]:
    """Drop the columns of another record and the empty ones, which take their defaults."""
    return {name: value for name, value in row.items() if value and name not in without}

"""Faulty records of an annotation file, all of them counted and the first few named, so that one look is enough to mend the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from methods.common.errors import InputError

_NAMED = 3
"""Records that a sentence names of each rule, and rules that it names."""

FoundT = TypeVar("FoundT")


class FaultyRecordsError(InputError):
    """Some records of one list of a file break one rule; the message is one sentence."""

    def __init__(
        self, where: tuple[Path, str, int], names: Sequence[str], rows: Sequence[int], said: tuple[str, str, str]
    ) -> None:
        """Note what is wrong.

        Args:
            where: file, kind of record, number of records of that kind in the file.
            names: the faulty records' ids, in file order.
            rows: their places in the list that was looked at.
            said: field, what is wrong with the first one's, what to do.
        """
        self.where, self.names, self.rows = where, tuple(names), tuple(rows)
        self.field, self.fault, self.remedy = said
        super().__init__(f"{where[0]}, {self.first}{self._others()}; {self.remedy}")

    @property
    def first(self) -> str:
        """What is wrong with the first record."""
        return f"{self.where[1]} {self.names[0]}: field `{self.field}` {self.fault}"

    def _others(self) -> str:
        if len(self.names) == 1:
            return ""
        return (
            f" ({len(self.names):,} of {self.where[2]:,} {plural(self.where[1])} are so, next {named(self.names[1:])})"
        )

    def beside(self, others: Sequence[FaultyRecordsError]) -> InputError:
        """Return one sentence about these records and those that break other rules."""
        if not others:
            return self
        told = [other.first + other._others() for other in others[:_NAMED]]
        more = sum(len(other.names) for other in others[_NAMED:])
        told += [f"and {more:,} more faulty records"] if more else []
        return InputError(f"{self}; further faults: {', '.join(told)}")


def plural(kind: str) -> str:
    """Return the name of a list of records."""
    return "categories" if kind == "category" else f"{kind}s"


def named(names: Sequence[str]) -> str:
    """Name the first few."""
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


class Table(Protocol):
    """Records that can be looked at without some of them."""

    records: list[dict[str, Any]]

    def without(self: TableT, rows: Sequence[int]) -> TableT:
        """Return the table without the records of these places."""


TableT = TypeVar("TableT", bound=Table)


def gather(
    table: TableT, check: Callable[[TableT], FoundT], faults: list[FaultyRecordsError]
) -> tuple[TableT, FoundT | None]:
    """Check a table as often as it takes to know every faulty record: those that break a rule are left out for the next look.

    Args:
        table: the records.
        check: reads them all and raises about those that break one rule.
        faults: grows by what is found.

    Returns:
        What is left of the table, and what the check made of it; None where nothing is left.
    """
    whole = bool(table.records)
    while table.records or not whole:
        try:
            return table, check(table)
        except FaultyRecordsError as fault:
            faults.append(fault)
            table = table.without(fault.rows)
    return table, None


def raise_all(faults: Sequence[FaultyRecordsError]) -> None:
    """Raise one sentence about all faults, in the order in which they were found.

    Raises:
        InputError: there is any.
    """
    if faults:
        raise faults[0].beside(faults[1:])

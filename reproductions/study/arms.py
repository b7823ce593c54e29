"""An arm: one row of a paper's tables, or a control beside them, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

HowT_co = TypeVar("HowT_co", covariant=True)


@dataclass(frozen=True)
class Arm(Generic[HowT_co]):
    """Everything that is said of an arm: plan, tables, figures, claims and ledger all read it here."""

    id: str
    """As typed on the command line."""
    title: str
    """As printed in tables and figures."""
    what: str
    """One short sentence."""
    how: HowT_co
    """How it trains, in the paper's own terms; the planner turns it into cells."""
    control: bool = False
    """True for an arm that the paper does not have."""
    table: str = ""
    """For a control: the table beside which it stands; empty for all of them."""
    group: str = ""
    """Which group, or colour, of the figures it belongs to."""
    topics: frozenset[str] = frozenset()
    """What the deviation ledger may say of it: entries that concern one of these topics, or the id, are its entries."""
    row: bool = True
    """False for a study beside the tables, which can be named like an arm but has no row."""
    not_run: str = ""
    """For a row of the paper that this suite cannot run: why. It is known to targets and ledger, and never planned."""
    extra: bool = False
    """True for an arm that runs only where it is named or all are asked for, and at tier smoke, which tries everything."""
    asked_as: str = ""
    """A name that asks for it together with others that have the same; empty for none."""

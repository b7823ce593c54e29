"""What the command line knows of a paper: how to plan it, what it needs, how to report it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

from methods.common.errors import InputError
from reproductions.harness.plan import Plan
from reproductions.harness.site import Site
from reproductions.harness.store import Store
from reproductions.requirements.need import GpuNeed, Need

Tier = Literal["smoke", "mini", "paper"]

_MODULES = {
    "mrca": "reproductions.mrca.paper",
    "sam_filter": "reproductions.sam_filter.paper",
    "checkpoints": "reproductions.checkpoints.paper",
}
"""Where each id's ``PAPER`` object is; loaded only when it is asked for."""


@dataclass(frozen=True)
class Request:
    """What a user asks for, checked for form but not yet for sense."""

    paper_id: str
    store: Store
    tier: Tier = "mini"
    arms: tuple[str, ...] | None = None
    """None: all arms of the tier."""
    num_seeds: int = 3
    data: Path | None = None
    """A user's own data set instead of the tier's."""
    objects: Path | None = None
    """A user's own folder of cut-outs instead of a generator."""
    generator: Path | None = None
    """A user's own generator folder."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Changed settings, by dotted name."""
    site: Site = field(default_factory=Site)
    """The site file, or its defaults."""

    def command(self, verb: str = "run") -> str:
        """Return the exact command line that asks for this again."""
        words = ["segrepro", verb, self.paper_id, "--tier", self.tier, "--seeds", str(self.num_seeds)]
        words += ["--arms", ",".join(self.arms)] if self.arms is not None else []
        for option, place in (("--data", self.data), ("--objects", self.objects), ("--generator", self.generator)):
            words += [option, str(place)] if place is not None else []
        for name, value in self.settings.items():
            words += ["--set", f"{name}={value}"]
        return " ".join(words)


class Paper(Protocol):
    """One reproducible paper (or another plan that the command line can run)."""

    @property
    def id(self) -> str:
        """As typed on the command line."""

    @property
    def title(self) -> str:
        """As printed."""

    def plan(self, request: Request) -> Plan:
        """Return every cell behind the report.

        Raises:
            InputError: an unknown arm, tier or setting; missing data.
        """

    def needs(self, request: Request) -> Sequence[Need]:
        """Return what the plan needs from outside, without looking for it."""

    def gpu_needs(self, request: Request) -> Sequence[GpuNeed]:
        """Return what GPUs must hold for the plan; nothing where it runs on a CPU."""

    def report(self, request: Request, plan: Plan, out: Path) -> Path:
        """Write the report from what the store holds and return its main file."""


def load_paper(paper_id: str) -> Paper:
    """Return the paper of that id.

    Raises:
        InputError: there is none.
    """
    if paper_id not in _MODULES:
        raise InputError(f"unknown paper {paper_id!r}; choose one of {', '.join(sorted(_MODULES))}")
    paper: Paper = importlib.import_module(_MODULES[paper_id]).PAPER
    return paper


def check_tier(tier: str) -> Tier:
    """Return ``tier`` when it is one.

    Raises:
        InputError: it is not.
    """
    if tier not in get_args(Tier):
        raise InputError(f"unknown tier {tier!r}; choose one of {', '.join(get_args(Tier))}")
    return tier  # type: ignore[return-value]

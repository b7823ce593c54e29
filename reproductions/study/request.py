"""What a user asks of a paper, checked for form but not yet for sense."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from methods.common.errors import InputError
from reproductions.harness.site import Site
from reproductions.harness.store import Store

Tier = Literal["smoke", "mini", "paper"]
ALL_ARMS = ("all",)
"""Asks for every arm that makes sense, those that a tier leaves out unless they are named included."""
USUAL_STORE = ".segrepro"
"""Where finished work lies if nobody says otherwise."""


@dataclass(frozen=True)
class Request:
    """The options that name a plan."""

    paper_id: str
    store: Store
    tier: Tier = "mini"
    arms: tuple[str, ...] | None = None
    """None: the usual arms of the tier; :data:`ALL_ARMS`: every one."""
    num_seeds: int | None = None
    """None: as many as the paper takes at the tier."""
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
    site_file: Path | None = None
    """The site file that was named."""

    names_no_plan: bool = False
    """Whether neither the tier nor any other option of a plan was given, where those of the store can be meant as well."""
    assume_published: bool = False
    """Whether published data and weights that are not there are taken as if they were: for a plan that only counts."""

    def record(self) -> dict[str, Any]:
        """Return what is asked as plain JSON, places whole; :func:`request_from_record` reads it."""
        places = {"data": self.data, "objects": self.objects, "generator": self.generator}
        return {
            "paper_id": self.paper_id,
            "tier": self.tier,
            "arms": list(self.arms) if self.arms is not None else None,
            "num_seeds": self.num_seeds,
            "settings": dict(self.settings),
            **{name: str(place.resolve()) if place is not None else None for name, place in places.items()},
        }

    def again(self, verb: str) -> str:
        """Return the command line that does something else with the same plan: in the same store, by the same site file."""
        places = [("--store", self.store.root), ("--site", self.site_file)]
        words = [word for option, place in places if place is not None for word in (option, str(place))]
        return f"{self.command(verb)} {shlex.join(words)}"

    def to_repeat(self) -> str:
        """Return the command line that a report names: complete, and without the store where that is the usual one of this folder."""
        is_usual = self.store.root == Path(USUAL_STORE).resolve() and self.site_file is None
        return self.command() if is_usual else self.again("run")

    def command(self, verb: str = "run") -> str:
        """Return the exact command line that asks for this again, in whatever store."""
        words = ["segrepro", verb, self.paper_id, "--tier", self.tier]
        words += ["--seeds", str(self.num_seeds)] if self.num_seeds is not None else []
        words += ["--arms", ",".join(self.arms)] if self.arms is not None else []
        for option, place in (("--data", self.data), ("--objects", self.objects), ("--generator", self.generator)):
            words += [option, str(place)] if place is not None else []
        for name, value in self.settings.items():
            words += ["--set", f"{name}={value}"]
        return shlex.join(words)


def request_from_record(record: Mapping[str, Any], store: Store, site: Site) -> Request:
    """Return what was asked, in a store and by a site file.

    Raises:
        KeyError: something is missing in the record.
    """
    data, objects, generator = (
        None if record[name] is None else Path(record[name]) for name in ("data", "objects", "generator")
    )
    return Request(
        paper_id=record["paper_id"],
        store=store,
        tier=check_tier(record["tier"]),
        arms=tuple(record["arms"]) if record["arms"] is not None else None,
        num_seeds=record["num_seeds"],
        settings=record["settings"],
        site=site,
        data=data,
        objects=objects,
        generator=generator,
    )


def check_tier(tier: str) -> Tier:
    """Return ``tier`` when it is one.

    Raises:
        InputError: it is not.
    """
    if tier not in get_args(Tier):
        raise InputError(f"unknown tier {tier!r}; choose one of {', '.join(get_args(Tier))}")
    return tier  # type: ignore[return-value]

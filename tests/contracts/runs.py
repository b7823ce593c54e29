"""Running the stage of a finished smoke cell once more, on the inputs that the store holds, under watch."""

from __future__ import annotations

import json
import os
import random
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from methods.common.stage import Config, Inputs, Record
from reproductions.harness.cell import Cell
from reproductions.harness.store import Store
from tests.contracts.contexts import GuardedSeeds, WatchedContext
from tests.contracts.promises import in_small_units
from tests.contracts.watch import State, Watch, read_state, watching

STORE_FILES = ("result.json", "cell.json", "provenance.json", "seal.json")
"""What the store adds to a stage's own files."""
CLOCKS = frozenset({"cpu_seconds", "ms_per_image", "peak_mib"})
"""Fields of records and JSON files that say how long something took, or how much memory; the only ones that may differ between two runs."""


@dataclass(frozen=True)
class Finished:
    """What a stage left behind, without clocks."""

    record: Record
    files: State

    @classmethod
    def of(cls, record: Record, folder: Path) -> Finished:
        files = {
            name: _without_clocks_in(name, data) for name, data in read_state(folder).items() if name not in STORE_FILES
        }
        return cls(without_clocks(json.loads(json.dumps(record, default=repr))), files)


def without_clocks(value: Any) -> Any:
    """Leave out every field of :data:`CLOCKS`, however deep."""
    if isinstance(value, dict):
        return {key: without_clocks(item) for key, item in value.items() if key not in CLOCKS}
    return [without_clocks(item) for item in value] if isinstance(value, list) else value


def _without_clocks_in(name: str, data: bytes) -> bytes:
    if name.endswith(".json") and any(f'"{clock}"'.encode() in data for clock in CLOCKS):
        return json.dumps(without_clocks(json.loads(data))).encode()
    return data


@dataclass(frozen=True)
class Rerun:
    """One more run of a cell's stage."""

    finished: Finished
    raw_record: Record
    watch: Watch
    seeds: GuardedSeeds
    disturbed: list[str]
    """Inputs, and places beside the stage's own folders, that look different after the run."""
    num_signs: int
    """How often the stage told its progress."""
    asked_for_parts: bool
    """Whether the stage looked at ``batch_parts``."""


@dataclass(frozen=True)
class Bench:
    """A cell of a smoke plan, whose finished inputs and result a store holds."""

    cell: Cell
    store: Store

    @property
    def stored(self) -> Finished:
        """The result that the smoke run gave."""
        return Finished.of(self.store.record(self.cell), self.store.cell_folder(self.cell))

    @property
    def inputs(self) -> Inputs:
        roles = {role: [self.store.cell_folder(cell) for cell in cells] for role, cells in self.cell.inputs.items()}
        return Inputs(roles | {role: [external.path] for role, external in self.cell.external.items()})

    @property
    def small_units(self) -> Config:
        """The cell's config, with small units of work."""
        return in_small_units(self.cell.config)

    def run(self, work: Path, config: Config, *, luck: int = 0, batch_parts: int = 1) -> Rerun:
        """Run the stage below ``work``, which may hold what a killed attempt left.

        ``luck`` says how the global generators stand before, and how undeclared seeds differ from the cell's.
        """
        (work / "out").mkdir(parents=True, exist_ok=True)
        watch, seeds = Watch(work), GuardedSeeds.of(self.cell.stage, self.cell.seeds, luck)
        context = WatchedContext(work / "out", seeds, batch_parts=batch_parts, look=watch.look)
        elsewhere = work.with_name(f"{work.name}.elsewhere")
        elsewhere.mkdir()
        _stir(luck)
        others = [*(folder for folders in self.inputs.roles.values() for folder in folders), elsewhere]
        before = [_signs(place) for place in others]
        with chdir(elsewhere), watching(watch):
            record = self.cell.stage.run(self.inputs, config, context)
        disturbed = [str(place) for place, signs in zip(others, before, strict=True) if _signs(place) != signs]
        disturbed += [str(place) for place in work.iterdir() if place.name not in ("out", "checkpoints")]
        finished, num_signs = Finished.of(record, work / "out"), len(context.history)
        return Rerun(finished, record, watch, seeds, disturbed, num_signs, context.asked_for_parts)


def _stir(luck: int) -> None:
    """Set every global generator, which no stage may draw from."""
    random.seed(luck)
    np.random.seed(luck)  # noqa: NPY002 - the global one is meant
    torch.manual_seed(luck)


def _signs(place: Path) -> list[tuple[str, int, int, int]]:
    """What tells whether something was written to a place, without reading it."""
    paths = [Path(folder, name) for folder, _, names in os.walk(place) for name in names] or [place]
    statuses = [(str(path), path.stat()) for path in paths]
    return sorted((name, status.st_ino, status.st_size, status.st_mtime_ns) for name, status in statuses)

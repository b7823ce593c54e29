"""From finished cells to the plain records of a report. Reads the store, computes nothing but sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic

from methods.common.stages.evaluate_semantic import scores_of_one_class
from reports.records import Cost, Provenance, Result
from reproductions.harness.cell import Cell
from reproductions.harness.store import Store
from reproductions.study.arms import Arm
from reproductions.study.planner import CellsT, HowT, SeedPlanner, StudyT


@dataclass(frozen=True)
class Collector(Generic[StudyT, HowT, CellsT]):
    """Collects the records of one study over its seeds; what was not run is left out."""

    store: Store
    planners: Sequence[SeedPlanner[StudyT, HowT, CellsT]]
    """One a seed."""
    arms: Sequence[Arm[HowT]]
    """Those that were asked for."""
    backbone: str
    """Id of the study's segmenter."""
    metric_ids: Sequence[str]
    """Columns of the tables."""
    pictures: Path
    """Folder for pictures that are made for the report."""

    def metrics(self, record: dict[str, Any]) -> dict[str, float | None]:
        """Return the numbers of the tables by metric id from the record of an evaluation; the base finds them under these names."""
        return {name: record[name] for name in self.metric_ids}

    def cost(self, cells: CellsT) -> dict[str, Any]:
        """Return what a finished arm took, as fields of :class:`~reports.records.Cost`; the base knows training and evaluation."""
        trains = [self.store.record(cell) for cell in cells.trains]
        return {
            "warmup_iterations": sum(int(record["iterations"]) for record in trains[:-1]),
            "iterations": sum(int(record["iterations"]) for record in trains),
            "train_s": self.seconds(cells.trains),
            "evaluate_s": self.seconds(cells.wanted),
        }

    def extras(self) -> dict[str, Any]:
        """Return records that only this paper's report has, by field."""
        return {}

    # -- what every paper collects ---------------------------------------------------------------------------------------

    def each(self) -> Iterator[tuple[SeedPlanner[StudyT, HowT, CellsT], Arm[HowT], CellsT]]:
        """Go through every row of every seed."""
        for planner in self.planners:
            for arm in self.arms:
                if arm.row:
                    yield planner, arm, planner.arm(arm)

    def done(self, *cells: Cell | None) -> bool:
        """Whether all of these are there and finished."""
        return all(cell is not None and self.store.is_complete(cell) for cell in cells)

    def results(self) -> Iterator[Result]:
        """One a finished evaluation."""
        for planner, arm, cells in self.each():
            if cells.evaluation is not None and self.done(cells.evaluation):
                record = self.store.record(cells.evaluation)
                yield Result(
                    arm=arm.id,
                    backbone=self.backbone,
                    seed=planner.index,
                    metrics=self.metrics(record),
                    cells=(cells.evaluation.id,),
                    floors=self._floors(cells.evaluation, record),
                    resamples=tuple(self.metrics(record | numbers) for numbers in record.get("resamples", ())),
                )

    def _floors(self, evaluation: Cell, record: dict[str, Any]) -> dict[str, float]:
        """Return the best that a map of one class everywhere would score; nothing where no label maps were compared."""
        unknown = dict.fromkeys(record)
        floors: dict[str, float] = {}
        for of_class in scores_of_one_class(self.store.cell_folder(evaluation)):
            for metric, value in self.metrics(unknown | of_class).items():
                if value is not None:
                    floors[metric] = max(value, floors.get(metric, 0.0))
        return floors

    def costs(self) -> Iterator[Cost]:
        """One an arm and seed of which everything is finished."""
        for planner, arm, cells in self.each():
            if self.done(*cells.behind):
                named = {"arm": arm.id, "backbone": self.backbone, "seed": planner.index}
                yield Cost.model_validate({**named, **self.cost(cells)})

    def sum(self, cells: Iterable[Cell], name: str) -> int:
        """Add up one number of the records of cells."""
        return sum(int(self.store.record(cell)[name]) for cell in cells)

    def seconds(self, cells: Iterable[Cell]) -> float:
        """Add up what finished cells took, all attempts: GPU seconds, or CPU seconds where no GPU was used.

        A GPU works for one process alone, so its time is the clock's, times the processes that shared the cell. A CPU does not:
        beside other work the clock runs on, so there the processors' own time counts, of all threads and children.
        """
        return float(sum(machine_seconds(self.store.provenance(cell)) for cell in cells))


def machine_seconds(found: Mapping[str, Any]) -> float:
    """Return the seconds of a cell's provenance that count as its cost; see :meth:`Collector.seconds`."""
    return float(found["wall_s"] if found["gpu"] else found["cpu_s"]) * int(found.get("processes", 1))


def provenance(store: Store, cells: Iterable[Cell]) -> Provenance:
    """Sum up where the finished ones of these cells came from."""
    found = [store.provenance(cell) for cell in cells if store.is_complete(cell)]
    states = sorted({(item["commit"] or "unknown", item["dirty_diff_sha256"] or "") for item in found})
    packages = {name: version for item in found for name, version in item["packages"].items() if version}
    return Provenance(
        commit=", ".join(sorted({commit for commit, _ in states})) or "unknown",
        dirty=", ".join(sorted({dirty[:12] for _, dirty in states if dirty})) or None,
        packages=packages,
        hosts=tuple(sorted({item["host"] for item in found})),
        devices=tuple(sorted({item["gpu"] or f"CPU, {item['num_cpus']} cores" for item in found})),
        started=min((item["started_utc"] for item in found), default=""),
        finished=max((_finished(item) for item in found), default=""),
        cells=len(found),
        cpu_s=_sum(machine_seconds(item) for item in found if not item["gpu"]),
        gpu_s=_sum(machine_seconds(item) for item in found if item["gpu"]),
        store=store.root.name,
    )


def _sum(seconds: Iterable[float]) -> float | None:
    """Add up seconds, to a thousandth; None for none."""
    known = list(seconds)
    return round(sum(known), 3) if known else None


def _finished(found: dict[str, Any]) -> str:
    """When a cell's last attempt ended, ISO 8601."""
    last = found["attempts"][-1]
    ended = datetime.fromisoformat(last["started_utc"]) + timedelta(seconds=last["wall_s"])
    return ended.isoformat(timespec="seconds")

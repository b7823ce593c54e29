"""From finished cells to the plain records of a report. Reads the store, computes nothing but sums."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.records import Arm, Backbone, Cost, Result, Run, SeriesPoint
from reproductions.harness.cell import Cell
from reproductions.harness.store import Store
from reproductions.mrca.arms import ARMS, ArmId
from reproductions.mrca.claims import ENTROPY_CURRENT, ENTROPY_WARMUP, METRICS, read_targets
from reproductions.mrca.deviations import DEVIATIONS
from reproductions.mrca.plan import ArmCells, RoundCells, SeedPlanner
from reproductions.mrca.records import BudgetRound, ClassInfo, MrcaReport, ObjectSample, PastedSample
from reproductions.study.collector import seconds

_OF_THE_MINIATURE_WORLD = ("D43", "D47", "D53")
"""Ledger entries about the drawn data set, which own data replace."""
_SAMPLES_PER_ROUND = 12
_BACKBONES = {
    "miniature": "miniature CenterNet2",
    "resnet50": "CenterNet2, ResNet-50",
    "swinl": "CenterNet2, Swin-L",
}


@dataclass(frozen=True)
class Collector:
    """Collects the records of one study over its seeds."""

    store: Store
    planners: Sequence[SeedPlanner]
    arms: Sequence[ArmId]
    pictures: Path
    """Folder for pictures that are taken out of object pools."""

    @property
    def backbone(self) -> str:
        """Id of the study's segmenter."""
        return self.planners[0].study.backbone

    def report(self, run: Run, own_data: bool) -> MrcaReport:
        """Return everything that is there; what was not run is left out."""
        return MrcaReport(
            run=run,
            arms=tuple(
                Arm(id=arm.id, title=arm.title, what=arm.what, control=arm.control)
                for arm in ARMS
                if arm.id in self.arms
            ),
            backbones=(Backbone(id=self.backbone, title=_BACKBONES[self.backbone]),),
            metrics=METRICS,
            results=tuple(self._results()),
            costs=tuple(self._costs()),
            targets=() if own_data else read_targets(),
            beside={} if own_data else self._beside(),
            classes=tuple(self._classes()),
            budgets=tuple(self._budgets()),
            series=tuple(self._series()),
            objects=tuple(self._objects()),
            pasted=tuple(self._pasted()),
            deviations=tuple(item for item in DEVIATIONS if not (own_data and item.id in _OF_THE_MINIATURE_WORLD)),
        )

    # -- parts -----------------------------------------------------------------------------------------------------------

    def _done(self, *cells: Cell | None) -> bool:
        return all(cell is not None and self.store.is_complete(cell) for cell in cells)

    def _each(self) -> Iterator[tuple[SeedPlanner, ArmId, ArmCells]]:
        for planner in self.planners:
            for arm in self.arms:
                yield planner, arm, planner.arm(arm)

    def _rounds(self) -> Iterator[tuple[SeedPlanner, ArmId, RoundCells]]:
        for planner, arm, cells in self._each():
            for item in cells.rounds:
                yield planner, arm, item

    def _beside(self) -> dict[str, str]:
        if self.backbone == "miniature":
            return {"resnet50": "miniature", "swinl": "miniature"}
        return {self.backbone: self.backbone}

    def _results(self) -> Iterator[Result]:
        for planner, arm, cells in self._each():
            if self._done(cells.evaluation):
                record = self.store.record(cells.evaluation)
                metrics = {
                    f"{name}_{kind}": record[f"metrics_{kind}"][name]
                    for name in ("AP", "APr", "APc", "APf")
                    for kind in ("box", "mask")
                }
                yield Result(
                    arm=arm, backbone=self.backbone, seed=planner.index, metrics=metrics, cells=(cells.evaluation.id,)
                )

    def _costs(self) -> Iterator[Cost]:
        for planner, arm, cells in self._each():
            if not self._done(cells.evaluation, *cells.trains, *cells.images, *cells.cuts, *cells.pools):
                continue
            generated = sum(self.store.record(cell)["num_images"] for cell in cells.images)
            # A part of a larger pool costs its share of what the whole took.
            share = 1.0 if cells.equal_objects is None or not generated else cells.equal_objects / generated
            calls = sum(self.store.record(cell)["denoiser_calls"] for cell in cells.images)
            feedback = [item.feedback for item in cells.rounds if item.feedback is not None]
            yield Cost(
                arm=arm,
                backbone=self.backbone,
                seed=planner.index,
                objects_generated=round(share * generated) if cells.images or not cells.pools else None,
                objects_accepted=sum(sum(self.store.record(cell)["accepted"].values()) for cell in cells.pools),
                denoiser_calls=round(share * calls),
                warmup_iterations=self.store.record(cells.trains[0])["iterations"] if len(cells.trains) > 1 else 0,
                iterations=self.store.record(cells.trains[-1])["iterations_total"],
                generate_s=share * self._seconds(cells.images),
                cut_s=share * self._seconds(cells.cuts),
                train_s=self._seconds(cells.trains),
                evaluate_s=self._seconds([cells.evaluation, *feedback]),
            )

    def _seconds(self, cells: Iterable[Cell]) -> float:
        return seconds(self.store, cells)

    def _class_list(self) -> list[dict[str, Any]]:
        split = self.planners[0].split
        if not self._done(split):
            return []
        loaded: list[dict[str, Any]] = json.loads((self.store.cell_folder(split) / "classes.json").read_text())
        return loaded

    def _classes(self) -> Iterator[ClassInfo]:
        for item in self._class_list():
            yield ClassInfo(id=item["id"], name=item["name"], group=item["group"], train_images=item["image_count"])

    def _budgets(self) -> Iterator[BudgetRound]:
        ids = [str(item["id"]) for item in self._class_list()]
        for planner, arm, item in self._rounds():
            if item.budget is None or not self._done(item.budget):
                continue
            accepted = self.store.record(item.pool)["accepted"] if self._done(item.pool) else None
            yield BudgetRound(
                arm=arm,
                backbone=self.backbone,
                seed=planner.index,
                round=item.plan.number,
                objects=tuple(self.store.record(item.budget)["counts"]),
                accepted=None if accepted is None else tuple(accepted.get(class_id, 0) for class_id in ids),
            )

    def _series(self) -> Iterator[SeriesPoint]:
        for planner, arm, item in self._rounds():
            if item.entropy is None or not self._done(item.entropy):
                continue
            record = self.store.record(item.entropy)
            steering = max(item.plan.number - planner.study.mrca.rounds.feedback_lag, 0)
            for series, role, model in (
                (ENTROPY_CURRENT, "current", f"M_{steering}"),
                (ENTROPY_WARMUP, "warm_up", "M_0"),
            ):
                yield SeriesPoint(
                    series=series,
                    arm=arm,
                    backbone=self.backbone,
                    seed=planner.index,
                    round=item.plan.number,
                    value=record[role]["mean"],
                    standard_error=record[role]["standard_error"],
                    count=record["num_images"],
                    model=model,
                )

    def _objects(self) -> Iterator[ObjectSample]:
        """Take a few objects of each round, spread over the pool, out of the first seed's shards."""
        from PIL import Image

        from methods.common.objects.pool import ObjectPool

        names = {item["id"]: item["name"] for item in self._class_list()}
        for planner, arm, item in self._rounds():
            if planner.index != self.planners[0].index or item.images is None or not self._done(item.pool):
                continue
            pool = ObjectPool.open([self.store.cell_folder(item.pool)])
            for number in range(min(_SAMPLES_PER_ROUND, len(pool))):
                taken = pool[number * len(pool) // min(_SAMPLES_PER_ROUND, len(pool))]
                path = self.pictures / f"{arm}-seed{planner.index}-round{item.plan.number}-{number:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(taken.rgba_HW4).save(path)
                yield ObjectSample(
                    arm=arm, seed=planner.index, round=item.plan.number, category=names[taken.category_id], path=path
                )

    def _pasted(self) -> Iterator[PastedSample]:
        first = self.planners[0]
        for arm in self.arms:
            cells = first.arm(arm)
            trains = [(item.plan.number, item.train) for item in cells.rounds] or [(1, cells.trains[-1])]
            for number, train in trains:
                folder = self.store.cell_folder(train) / "samples"
                if not self._done(train) or not (folder / "samples.json").is_file():
                    continue
                for index, note in enumerate(json.loads((folder / "samples.json").read_text())):
                    yield PastedSample(
                        arm=arm,
                        seed=first.index,
                        round=number,
                        path=folder / f"{index:02d}.png",
                        instances_path=folder / f"{index:02d}_instances.png",
                        pasted=tuple(note["pasted"]),
                        names={int(key): name for key, name in note["names"].items()},
                    )

"""What MRCA's report collects beyond every paper's: classes, budgets, entropies, objects and pasted images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from reports.records import SeriesPoint
from reports.samples import CutOutSample, InstanceSample, save_sample
from reproductions.mrca.arms import How
from reproductions.mrca.claims import ENTROPY_CURRENT, ENTROPY_WARMUP
from reproductions.mrca.plan import ArmCells, RoundCells, SeedPlanner
from reproductions.mrca.recipe import MrcaStudy
from reproductions.mrca.records import BudgetRound, ClassInfo
from reproductions.study import collector
from reproductions.study.arms import Arm

_SAMPLES_PER_ROUND = 12


class Collector(collector.Collector[MrcaStudy, How, ArmCells]):
    """Collects the records of one study over its seeds."""

    def metrics(self, record: dict[str, Any]) -> dict[str, float | None]:
        """Return AP of boxes and masks, over all classes and by frequency."""
        named = (metric.split("_") for metric in self.metric_ids)
        return {f"{name}_{kind}": record[f"metrics_{kind}"][name] for name, kind in named}

    def cost(self, cells: ArmCells) -> dict[str, Any]:
        """Count objects and calls; a part of a larger pool costs its share of what the whole took."""
        generated = self.sum(cells.images, "num_images")
        share = 1.0 if cells.equal_objects is None or not generated else cells.equal_objects / generated
        feedback = [item.feedback for item in cells.rounds if item.feedback is not None]
        return {
            "objects_generated": round(share * generated) if cells.images or not cells.pools else None,
            "objects_accepted": sum(sum(self.store.record(cell)["accepted"].values()) for cell in cells.pools),
            "denoiser_calls": round(share * self.sum(cells.images, "denoiser_calls")),
            "warmup_iterations": self.store.record(cells.trains[0])["iterations"] if len(cells.trains) > 1 else 0,
            "iterations": self.store.record(cells.trains[-1])["iterations_total"],
            "generate_s": share * self.seconds(cells.images),
            "cut_s": share * self.seconds(cells.cuts),
            "train_s": self.seconds(cells.trains),
            "evaluate_s": self.seconds([*cells.wanted[:1], *feedback]),
        }

    def extras(self) -> dict[str, Any]:
        """Return the records that only this report has."""
        return {
            "classes": tuple(self._classes()),
            "budgets": tuple(self._budgets()),
            "series": tuple(self._series()),
            "objects": tuple(self._objects()),
            "pasted": tuple(self._pasted()),
        }

    def _rounds(self) -> Iterator[tuple[int, Arm[How], RoundCells]]:
        """Go through the rounds of every arm and seed that has some."""
        for planner, arm, cells in self.each():
            for item in cells.rounds:
                yield planner.index, arm, item

    def _class_list(self) -> list[dict[str, Any]]:
        first = self.planners[0]
        assert isinstance(first, SeedPlanner)
        if not self.done(first.split):
            return []
        loaded: list[dict[str, Any]] = json.loads((self.store.cell_folder(first.split) / "classes.json").read_text())
        return loaded

    def _classes(self) -> Iterator[ClassInfo]:
        for item in self._class_list():
            yield ClassInfo(id=item["id"], name=item["name"], group=item["group"], train_images=item["image_count"])

    def _budgets(self) -> Iterator[BudgetRound]:
        ids = [str(item["id"]) for item in self._class_list()]
        for seed, arm, item in self._rounds():
            if item.budget is None or not self.done(item.budget):
                continue
            accepted = self.store.record(item.pool)["accepted"] if self.done(item.pool) else None
            yield BudgetRound(
                arm=arm.id,
                backbone=self.backbone,
                seed=seed,
                round=item.plan.number,
                objects=tuple(self.store.record(item.budget)["counts"]),
                accepted=None if accepted is None else tuple(accepted.get(class_id, 0) for class_id in ids),
            )

    def _series(self) -> Iterator[SeriesPoint]:
        lag = self.planners[0].study.mrca.rounds.feedback_lag
        for seed, arm, item in self._rounds():
            if item.entropy is None or not self.done(item.entropy):
                continue
            record = self.store.record(item.entropy)
            steering = f"M_{max(item.plan.number - lag, 0)}"
            for series, role, model in ((ENTROPY_CURRENT, "current", steering), (ENTROPY_WARMUP, "warm_up", "M_0")):
                yield SeriesPoint(
                    series=series,
                    arm=arm.id,
                    backbone=self.backbone,
                    seed=seed,
                    round=item.plan.number,
                    value=record[role]["mean"],
                    standard_error=record[role]["standard_error"],
                    count=record["num_images"],
                    model=model,
                )

    def _objects(self) -> Iterator[CutOutSample]:
        """Take a few objects of each round, spread over the pool, out of the first seed's shards."""
        from methods.common.objects.pool import ObjectPool

        names = {item["id"]: item["name"] for item in self._class_list()}
        for seed, arm, item in self._rounds():
            if seed != self.planners[0].index or item.images is None or not self.done(item.pool):
                continue
            pool, number = ObjectPool.open([self.store.cell_folder(item.pool)]), item.plan.number
            for index in range(min(_SAMPLES_PER_ROUND, len(pool))):
                taken = pool[index * len(pool) // min(_SAMPLES_PER_ROUND, len(pool))]
                path = save_sample(self.pictures, f"{arm.id}-seed{seed}-round{number}-{index:02d}", taken.rgba_HW4)
                yield CutOutSample(arm=arm.id, row=f"round {number}", category=names[taken.category_id], path=path)

    def _pasted(self) -> Iterator[InstanceSample]:
        for arm in self.arms:
            cells = self.planners[0].arm(arm)
            rounds = [(f"round {item.plan.number}", item.train) for item in cells.rounds]
            for words, train in rounds or [(arm.title, cells.trains[-1])]:
                folder = self.store.cell_folder(train) / "samples"
                if not self.done(train) or not (folder / "samples.json").is_file():
                    continue
                for index, note in enumerate(json.loads((folder / "samples.json").read_text())):
                    yield InstanceSample(
                        arm=arm.id,
                        caption=words,
                        path=folder / f"{index:02d}.png",
                        instances_path=folder / f"{index:02d}_instances.png",
                        pasted=tuple(note["pasted"]),
                        names={int(key): name for key, name in note["names"].items()},
                    )

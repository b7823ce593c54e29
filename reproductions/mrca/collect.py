"""What MRCA's report collects beyond every paper's: classes, budgets, entropies, objects and pasted images."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from methods.mrca.budget import inverse_count_budget
from methods.mrca.stages.generate import GenerateConfig
from methods.mrca.stages.take_as_many import TAKE_AS_MANY
from reports.records import ScatterPoint, SeriesPoint
from reports.samples import CutOutSample, InstanceSample, save_sample
from reproductions.harness.cell import Cell
from reproductions.mrca.arms import How
from reproductions.mrca.claims import (
    ENTROPY_CURRENT,
    ENTROPY_LAST,
    ENTROPY_SAME,
    ENTROPY_WARMUP,
    UNGUIDED_LAST,
    UNGUIDED_WARMUP,
)
from reproductions.mrca.cost_section import CALLS
from reproductions.mrca.plan import ArmCells, SeedPlanner
from reproductions.mrca.plan_rounds import RoundCells
from reproductions.mrca.recipe import MrcaStudy
from reproductions.mrca.records import BudgetRound, ClassInfo, EnergyGap, FilterRate, GateRate, GuidanceCost
from reproductions.study import collector
from reproductions.study.arms import Arm

_SHOWN_CLASSES = 10
"""Of so many classes an object of each round is shown."""


class Collector(collector.Collector[MrcaStudy, How, ArmCells]):
    """Collects the records of one study over its seeds."""

    def metrics(self, record: dict[str, Any]) -> dict[str, float | None]:
        """Return AP of boxes and masks, over all classes and by frequency."""
        named = (metric.split("_") for metric in self.metric_ids)
        return {f"{name}_{kind}": record[f"metrics_{kind}"][name] for name, kind in named}

    def cost(self, cells: ArmCells) -> dict[str, Any]:
        """Count objects and calls; a part of a larger pool costs its share of what the whole took."""
        generated = self.sum(cells.images, "num_images")
        taken = self._objects_taken(cells)
        share = 1.0 if taken is None or not generated else taken / generated
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

    def _objects_taken(self, cells: ArmCells) -> int | None:
        """Return how many of the generated objects the arm may use: known to the plan, or to the cell that took them; None for all."""
        counted = [cell for cell in cells.pools if cell.stage is TAKE_AS_MANY]
        return self.sum(counted, "generated") if counted else cells.equal_objects

    def extras(self) -> dict[str, Any]:
        """Return the records that only this report has."""
        return {
            "classes": tuple(self._classes()),
            "budgets": tuple(self._budgets()),
            "guidance_costs": tuple(self._guidance_costs()),
            "gate_rates": tuple(self._gate_rates()),
            "filter_rates": tuple(self._filter_rates()),
            "energy_gaps": tuple(self._energy_gaps()),
            "points": tuple(self._points()),
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
            yield ClassInfo(
                id=item["id"],
                name=item["name"],
                group=item["group"],
                train_images=item["image_count"],
                feedback_images=item["feedback_image_count"],
            )

    def _budgets(self) -> Iterator[BudgetRound]:
        ids = [str(item["id"]) for item in self._class_list()]
        for seed, arm, item in self._rounds():
            if item.budget is None or not self.done(item.budget):
                continue
            budget, accepted = self.store.record(item.budget), self._accepted(item.pools)
            yield BudgetRound(
                arm=arm.id,
                backbone=self.backbone,
                seed=seed,
                round=item.plan.number,
                objects=tuple(budget["counts"]),
                accepted=None if accepted is None else tuple(accepted.get(class_id, 0) for class_id in ids),
                **(_beside_counts(budget) if budget["feedback"] else {}),
            )

    def _accepted(self, pools: tuple[Cell, ...]) -> Counter[str] | None:
        """Count a round's accepted objects by class; None while a shard is missing."""
        if not self.done(*pools):
            return None
        found: Counter[str] = Counter()
        for pool in pools:
            found.update(self.store.record(pool)["accepted"])
        return found

    def _guidance_costs(self) -> Iterator[GuidanceCost]:
        """Of the shards that were painted twice, with guidance and without."""
        for seed, arm, item in self._rounds():
            guided = item.images[: len(item.twins)]
            if item.is_guided and self.done(*guided, *item.twins):
                yield GuidanceCost(
                    arm=arm.id,
                    backbone=self.backbone,
                    seed=seed,
                    round=item.plan.number,
                    guided_s=self.seconds(guided),
                    unguided_s=self.seconds(item.twins),
                )

    def _gate_rates(self) -> Iterator[GateRate]:
        for planner, arm, cells in self.each():
            record = self.store.record(cells.trains[-1]) if self.done(cells.trains[-1]) else {}
            if "acceptance" in record:
                found = record["acceptance"]
                yield GateRate(
                    arm=arm.id,
                    backbone=self.backbone,
                    seed=planner.index,
                    rate=found["rate"],
                    by_part=tuple(found["rate_by_part"]),
                    cache_mib=found["cache_mib"],
                )

    def _filter_rates(self) -> Iterator[FilterRate]:
        """Of every arm's own cuttings, those of one generator together; given and real objects pass no filter."""
        for planner, arm, cells in self.each():
            found: dict[str, tuple[Counter[str], Counter[str]]] = {}
            if not self.done(*cells.cuts):
                continue
            for cut in cells.cuts:
                record = self.store.record(cut)
                for images in cut.inputs.get("images", ()):
                    assert isinstance(images.config, GenerateConfig), images.label
                    outcomes, chosen = found.setdefault(images.config.pool, (Counter(), Counter()))
                    for of_class in record["outcomes"].values():
                        outcomes.update(of_class)
                    chosen.update(record.get("chosen", {}))
            for pool, (outcomes, chosen) in found.items():
                yield FilterRate(
                    arm=arm.id,
                    backbone=self.backbone,
                    seed=planner.index,
                    pool=pool,
                    outcomes=dict(sorted(outcomes.items())),
                    chosen=dict(chosen),
                )

    def _energy_gaps(self) -> Iterator[EnergyGap]:
        for planner, arm, cells in self.each():
            if cells.gap is not None and self.done(cells.gap):
                found = self.store.record(cells.gap)
                yield EnergyGap(
                    arm=arm.id,
                    backbone=self.backbone,
                    seed=planner.index,
                    gap=found["gap"],
                    train=found["train"],
                    val=found["val"],
                )

    def _points(self) -> Iterator[ScatterPoint]:
        """Mask AP over thousands of denoiser calls."""
        results = {(result.arm, result.seed): result for result in self.results()}
        for cost in self.costs():
            result = results.get((cost.arm, cost.seed))
            ap = None if result is None else result.metrics["AP_mask"]
            if result is not None and ap is not None and cost.denoiser_calls is not None:
                yield ScatterPoint(
                    scatter=CALLS,
                    variant=cost.arm,
                    backbone=self.backbone,
                    seed=cost.seed,
                    x=cost.denoiser_calls / 1000,
                    y=ap,
                    cells=result.cells,
                )

    def _series(self) -> Iterator[SeriesPoint]:
        """Entropies of guided objects, of their unguided twins, and of round 1's objects under every model."""
        lag = self.planners[0].study.mrca.rounds.feedback_lag
        for seed, arm, item in self._rounds():
            steering = max(item.plan.number - lag, 0)
            place = {"arm": arm.id, "backbone": self.backbone, "seed": seed}
            if item.is_guided and self.done(item.entropy):
                guided = ((ENTROPY_CURRENT, steering), (ENTROPY_WARMUP, 0), (ENTROPY_LAST, -1))
                yield from self._seen(item.entropy, guided, {**place, "round": item.plan.number})
            if not self.done(item.twin_entropy):
                continue
            twins = ((UNGUIDED_WARMUP, 0), (UNGUIDED_LAST, -1))
            yield from self._seen(item.twin_entropy, twins, {**place, "round": item.plan.number})
            if item.plan.number == 1:
                for number in range(self._num_models(item.twin_entropy)):
                    yield from self._seen(item.twin_entropy, ((ENTROPY_SAME, number),), {**place, "round": number})

    def _num_models(self, cell: Cell | None) -> int:
        assert cell is not None, "a finished cell"
        return len(cell.inputs["models"])

    def _seen(
        self, cell: Cell | None, wanted: tuple[tuple[str, int], ...], place: dict[str, Any]
    ) -> Iterator[SeriesPoint]:
        """Yield what models, by number, see in the images of a finished entropy cell; -1 is the last one."""
        assert cell is not None, "a finished cell"
        record = self.store.record(cell)
        for series, model in wanted:
            number = model % self._num_models(cell)
            yield SeriesPoint(
                series=series,
                value=record["models"][number]["class_mean"],
                standard_error=record["models"][number]["standard_error"],
                count=record["num_images"],
                model=f"M_{number}",
                **place,
            )

    def _objects(self) -> Iterator[CutOutSample]:
        """Take an object of each of a few classes from each round of the first seed; the classes are those with objects in most rounds."""
        from methods.common.objects.pool import ObjectPool

        for arm in self.arms:
            cells = self.planners[0].arm(arm)
            rounds = [item for item in cells.rounds if item.images and self.done(*item.pools)]
            pools = {
                item.plan.number: ObjectPool.open(
                    [self.store.cell_folder(cell) for cell in item.pools], allow_empty=True
                )
                for item in rounds
            }
            shown = self._shown_classes([pool.category_id.tolist() for pool in pools.values()])
            for number, pool in pools.items():
                for category_id, name in shown.items():
                    places = np.flatnonzero(pool.category_id == category_id)
                    if len(places):
                        file = f"{arm.id}-seed{self.planners[0].index}-round{number}-class{category_id}"
                        path = save_sample(self.pictures, file, pool[int(places[0])].rgba_HW4)
                        yield CutOutSample(arm=arm.id, row=f"round {number}", category=name, path=path)

    def _shown_classes(self, by_round: list[list[int]]) -> dict[int, str]:
        """Name the classes that most rounds have objects of, from all frequency groups, in the order of the class list."""
        rounds_of = Counter(category_id for found in by_round for category_id in set(found))
        ranked: dict[str, list[int]] = {}
        for item in sorted(self._class_list(), key=lambda item: (-rounds_of[item["id"]], item["image_count"])):
            if rounds_of[item["id"]]:
                ranked.setdefault(item["group"], []).append(item["id"])
        dealt = [found for turn in zip_longest(*ranked.values()) for found in turn if found is not None]
        most = max(rounds_of.values(), default=0)
        chosen = sorted(dealt, key=lambda found: rounds_of[found] < most)[:_SHOWN_CLASSES]
        return {item["id"]: item["name"] for item in self._class_list() if item["id"] in chosen}

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


def _beside_counts(budget: dict[str, Any]) -> dict[str, Any]:
    """What 1/S alone would make of a round's budget, and how far the weights go with it."""
    count_C, weight_C = np.array(budget["training_counts"], np.int64), np.array(budget["weights"])
    share_C = 1.0 / np.maximum(count_C, 1)
    spread = min(float(share_C.std()), float(weight_C.std()))
    return {
        "by_count": tuple(inverse_count_budget(sum(budget["counts"]), count_C).tolist()),
        "count_correlation": float(np.corrcoef(share_C, weight_C)[0, 1]) if spread > 0 else None,
    }

"""From finished cells to the plain records of a report. Reads the store, computes nothing but sums."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reports.records import Arm, Backbone, Cost, Result, Run, ScatterPoint
from reproductions.harness.cell import Cell
from reproductions.harness.store import Store
from reproductions.sam_filter.arms import ARMS, OWN_ARMS, ArmId, OwnArmId
from reproductions.sam_filter.claims import METRICS, PILOT, STYLE, read_lost_targets, read_targets
from reproductions.sam_filter.deviations import DEVIATIONS
from reproductions.sam_filter.plan import ArmCells, SeedPlanner
from reproductions.sam_filter.records import (
    DrawnSample,
    FilterSample,
    SamFilterReport,
    ScoreHistogram,
    SelectionStatistics,
)
from reproductions.study.collector import seconds

_BACKBONES = {
    "convolutional": "small convolutional network",
    "mask2former_miniature": "miniature Mask2Former",
    "mask2former_r50": "Mask2Former, ResNet-50",
}
_SHOWN_SELECTION: ArmId = "sam_20k"
"""Whose keeping is marked in the samples."""
_CUT_OFFS: dict[str, ArmId] = {"10k": "sam_10k", "20k": "sam_20k", "30k": "sam_30k"}
_NUM_BINS = 25
_NUM_DRAWN = 3
"""Drawn pictures shown of each kind."""
_NUM_SAMPLES = 12
"""Generated images shown: a third each of the best, the middle and the worst."""


@dataclass(frozen=True)
class Collector:
    """Collects the records of the study over its seeds."""

    store: Store
    planners: Sequence[SeedPlanner]
    arms: Sequence[ArmId | OwnArmId]
    with_pilot: bool
    pictures: Path
    """Folder for pictures that are made for the report."""

    @property
    def backbone(self) -> str:
        """Id of the study's segmenter."""
        return self.planners[0].study.backbone

    def report(self, run: Run, own_data: bool) -> SamFilterReport:
        """Return everything that is there; what was not run is left out."""
        known: tuple[Any, ...] = OWN_ARMS if own_data else ARMS
        return SamFilterReport(
            run=run,
            arms=tuple(
                Arm(
                    id=arm.id,
                    title=arm.title,
                    what=arm.what,
                    control=arm.control,
                    table="" if own_data or not arm.control else arm.table,
                )
                for arm in known
                if arm.id in self.arms
            ),
            backbones=(Backbone(id=self.backbone, title=_BACKBONES[self.backbone]),),
            metrics=METRICS,
            results=tuple(self._results()),
            costs=tuple(self._costs()),
            targets=() if own_data else read_targets(),
            lost_targets=() if own_data else read_lost_targets(),
            beside={} if own_data else {"mask2former_r50": self.backbone},
            points=tuple(self._points()),
            histograms=tuple(self._histograms()),
            selections=tuple(self._selections()),
            filter_samples=tuple(self._filter_samples()),
            drawn_samples=tuple(self._drawn_samples()),
            deviations=() if own_data else DEVIATIONS,
            style=STYLE,
        )

    # -- parts -----------------------------------------------------------------------------------------------------------

    def _done(self, *cells: Cell | None) -> bool:
        return all(cell is not None and self.store.is_complete(cell) for cell in cells)

    def _each(self) -> Iterator[tuple[SeedPlanner, ArmId | OwnArmId, ArmCells]]:
        for planner in self.planners:
            for arm in self.arms:
                yield planner, arm, planner.arm(arm)

    def _results(self) -> Iterator[Result]:
        for planner, arm, cells in self._each():
            if self._done(cells.evaluation):
                metrics = {"miou": self.store.record(cells.evaluation)["miou"]}
                yield Result(
                    arm=arm, backbone=self.backbone, seed=planner.index, metrics=metrics, cells=(cells.evaluation.id,)
                )

    def _costs(self) -> Iterator[Cost]:
        for planner, arm, cells in self._each():
            generates = cells.selection is not None
            pairs = planner.pairs if generates else ()
            named = planner.named if cells.filtered else ()
            cuts = (*named, planner.scores) if cells.filtered else ()
            if not self._done(cells.evaluation, cells.train, *pairs, *cuts):
                continue
            first = cells.pretraining
            before = 0 if first is None else int(self.store.record(first)["iterations"])
            train = self.store.record(cells.train)
            yield Cost(
                arm=arm,
                backbone=self.backbone,
                seed=planner.index,
                objects_generated=self._sum(pairs, "num_images") if generates else None,
                training_images=train["num_images"],
                segmented_images=self._sum(named, "num_images") if cells.filtered else None,
                denoiser_calls=self._sum(pairs, "denoiser_calls") if generates else None,
                warmup_iterations=before,
                iterations=before + train["iterations"],
                generate_s=seconds(self.store, pairs),
                cut_s=seconds(self.store, cuts),
                pretrain_s=seconds(self.store, [first]) if first is not None else None,
                train_s=seconds(self.store, [cells.train]),
                evaluate_s=seconds(self.store, [cells.evaluation]),
            )

    def _sum(self, cells: Iterable[Cell], name: str) -> int:
        return sum(int(self.store.record(cell)[name]) for cell in cells)

    def _points(self) -> Iterator[ScatterPoint]:
        for planner in self.planners if self.with_pilot else ():
            for variant in planner.study.pilot_variants:
                cells = planner.pilot(variant)
                if self._done(cells.quality, cells.evaluation):
                    yield ScatterPoint(
                        scatter=PILOT,
                        variant=variant,
                        backbone=self.backbone,
                        seed=planner.index,
                        x=self.store.record(cells.quality)["miou"],
                        y=self.store.record(cells.evaluation)["miou"],
                        cells=(cells.quality.id, cells.evaluation.id),
                    )

    # -- the filter ------------------------------------------------------------------------------------------------------

    def _filter_planners(self) -> Iterator[SeedPlanner]:
        """Planners whose scores are there and are asked for."""
        for planner in self.planners:
            asked = any(planner.arm(arm).filtered for arm in self.arms)
            if asked and self._done(planner.scores, *planner.pairs, *planner.named):
                yield planner

    def _scores(self, planner: SeedPlanner) -> list[tuple[str, float]]:
        """Ids and scores S1, best first; ties by id."""
        with (self.store.cell_folder(planner.scores) / "scores.csv").open(newline="") as file:
            found = [(row["id"], float(row["S1"])) for row in csv.DictReader(file)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _histograms(self) -> Iterator[ScoreHistogram]:
        for planner in self._filter_planners():
            scores = [score for _, score in self._scores(planner)]
            counts, edges = np.histogram(scores, bins=_NUM_BINS, range=(0.0, 1.0))
            cut_offs = {
                name: scores[planner.study.kept(int(name[:-1]) // 10) - 1]
                for name, arm in _CUT_OFFS.items()
                if arm in self.arms
            }
            yield ScoreHistogram(
                score="S1",
                seed=planner.index,
                edges=tuple(edges.tolist()),
                counts=tuple(counts.tolist()),
                cut_offs=cut_offs,
            )

    def _selections(self) -> Iterator[SelectionStatistics]:
        for planner, arm, cells in self._each():
            if cells.selection is None or not self._done(cells.selection):
                continue
            path = self.store.cell_folder(cells.selection) / "statistics.json"
            yield _selection_statistics(json.loads(path.read_text()), arm, planner.index)

    def _filter_samples(self) -> Iterator[FilterSample]:
        """Take some of the best, of the middle and of the worst pairs of the first seed."""
        planner = next(self._filter_planners(), None)
        if planner is None:
            return
        ranked, kept = self._scores(planner), planner.study.kept(2)
        third = min(_NUM_SAMPLES // 3, len(ranked) // 3)
        middle = (len(ranked) - third) // 2
        places = [*range(third), *range(middle, middle + third), *range(len(ranked) - third, len(ranked))]
        names = {ranked[place][0] for place in places}
        folders, records = self._pairs_by_id(planner, names), {}
        for number, name in enumerate(sorted(names)):
            shard, record = folders[name]
            records[name] = (shard, record, self._draw_named(planner, shard, record, number))
        for place in places:
            name, score = ranked[place]
            shard, record, segmented = records[name]
            folder = self.store.cell_folder(planner.pairs[shard])
            png = folder / "images" / f"{name}.png"
            yield FilterSample(
                seed=planner.index,
                rank=place + 1,
                num_ranked=len(ranked),
                score=score,
                kept=place < kept,
                classes=tuple(record["classes"]),
                path=png if png.is_file() else png.with_suffix(".jpg"),
                mask_path=folder / "masks" / planner.study.variant / f"{name}.png",
                segmented_path=segmented,
            )

    def _pairs_by_id(self, planner: SeedPlanner, names: set[str]) -> dict[str, tuple[int, dict[str, Any]]]:
        found = {}
        for shard, cell in enumerate(planner.pairs):
            for record in _lines(self.store.cell_folder(cell) / "pairs.jsonl"):
                if record["id"] in names:
                    found[record["id"]] = (shard, record)
        return found

    def _draw_named(self, planner: SeedPlanner, shard: int, record: dict[str, Any], number: int) -> Path:
        """Write the prompter's masks of a pair as one label map."""
        from PIL import Image
        from pycocotools import mask as rle

        pairs = self.store.cell_folder(planner.pairs[shard])
        class_names: list[str] = json.loads((pairs / "classes.json").read_text())
        named = self.store.cell_folder(planner.named[shard]) / "named_masks.jsonl"
        masks = next(line["masks"] for line in _lines(named) if line["id"] == record["id"])
        label_HW: np.ndarray | None = None
        for name, code in masks.items():
            mask_HW = rle.decode({"size": code["size"], "counts": code["counts"].encode()}).astype(bool)
            label_HW = np.zeros(mask_HW.shape, np.uint8) if label_HW is None else label_HW
            label_HW[mask_HW] = class_names.index(name)
        assert label_HW is not None, record
        path = self.pictures / f"segmented-{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(label_HW).save(path)
        return path

    def _drawn_samples(self) -> Iterator[DrawnSample]:
        """Draw a few pictures of each kind that an arm is pre-trained on."""
        from PIL import Image

        from methods.sam_filter.semseg_fdsl import SemSegFdsl
        from methods.sam_filter.stages.sources import DrawnSource
        from methods.sam_filter.stages.train import TrainSemanticConfig

        shown: dict[str, DrawnSource] = {}
        for arm in self.arms:
            cell = self.planners[0].arm(arm).pretraining
            config = cell.config if cell is not None else None
            if isinstance(config, TrainSemanticConfig) and isinstance(config.source, DrawnSource):
                shown.setdefault(f"{config.source.drawn.contour}-{config.source.drawn.mask_noise}", config.source)
        for name, source in shown.items():
            drawn, noise = SemSegFdsl(source.drawn, source.num_images), source.drawn.mask_noise
            for index in range(min(_NUM_DRAWN, len(drawn))):
                image_HW3, mask_HW = drawn[index]
                path, mask_path = (self.pictures / f"drawn-{name}-{index}{end}.png" for end in ("", "-mask"))
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image_HW3).save(path)
                Image.fromarray(mask_HW).save(mask_path)
                yield DrawnSample(
                    contour=source.drawn.contour,
                    noise="" if noise == "none" else f"{noise}, up to {source.drawn.mask_noise_px} px",
                    path=path,
                    mask_path=mask_path,
                )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        for line in file:
            yield json.loads(line)


def _selection_statistics(found: dict[str, Any], arm: str, seed: int) -> SelectionStatistics:
    """Turn what the selection stage wrote into a record."""
    classes = tuple(found["images_per_class"]["before"])
    counts = {
        f"{what}_{when}": tuple(found[f"{what}_per_class"][when][name] for name in classes)
        for what in ("images", "pixels")
        for when in ("before", "after")
    }
    return SelectionStatistics(
        arm=arm,
        seed=seed,
        classes=classes,
        **counts,
        num_before=found["num_images"]["before"],
        num_after=found["num_images"]["after"],
        classes_an_image_before=found["images_by_num_classes"]["before"],
        classes_an_image_after=found["images_by_num_classes"]["after"],
        zero_share=found["zero_score_share"]["before"],
        cut_off=found["cutoff_score"],
        quantiles={f"{100 * float(share):g} %": value for share, value in found["score_quantiles"]["before"].items()},
    )

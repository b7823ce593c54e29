"""What this paper's report collects beyond every paper's: the pilot, the scores, what selections keep, samples."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reports.records import ScatterPoint
from reports.samples import LabelMapSample, save_sample
from reports.selections import ScoreHistogram, SelectionStatistics
from reproductions.harness.cell import Cell
from reproductions.sam_filter.arms import GeneratedPairs, How
from reproductions.sam_filter.claims import PILOT
from reproductions.sam_filter.plan import ArmCells
from reproductions.sam_filter.recipe import SamFilterStudy
from reproductions.study import collector

_KEPT_QUARTERS = 2
"""Of the selection whose keeping is marked in the samples."""
_NUM_BINS = 25
_NUM_DRAWN = 3
"""Drawn pictures shown of each kind."""
_NUM_RANKED = 4
"""Generated images shown of the best, the middle and the worst each."""


@dataclass(frozen=True)
class _Filter:
    """The filter's cells of one seed."""

    seed: int
    study: SamFilterStudy
    pairs: tuple[Cell, ...]
    named: tuple[Cell, ...]
    scores: Cell


class Collector(collector.Collector[SamFilterStudy, How, ArmCells]):
    """Collects the records of the study over its seeds."""

    def cost(self, cells: ArmCells) -> dict[str, Any]:
        """Count images and calls of the whole set that the arm's images are chosen from, which arms share."""
        generates = cells.selection is not None
        *before, train = cells.trains
        return {
            **super().cost(cells),
            "objects_generated": self.sum(cells.pairs, "num_images") if generates else None,
            "training_images": self.store.record(train)["num_images"],
            "segmented_images": self.sum(cells.named, "num_images") if cells.named else None,
            "denoiser_calls": self.sum(cells.pairs, "denoiser_calls") if generates else None,
            "generate_s": self.seconds(cells.pairs),
            "cut_s": self.seconds(cells.judged),
            "pretrain_s": self.seconds(before) if before else None,
            "train_s": self.seconds([train]),
        }

    def extras(self) -> dict[str, Any]:
        """Return the records that only this report has."""
        return {
            "points": tuple(self._points()),
            "histograms": tuple(self._histograms()),
            "selections": tuple(self._selections()),
            "filter_samples": tuple(self._filter_samples()),
            "drawn_samples": tuple(self._drawn_samples()),
        }

    def _points(self) -> Iterator[ScatterPoint]:
        for planner in self.planners:
            for cells in (one for arm in self.arms for one in planner.arm(arm).pilot):
                if self.done(cells.quality, cells.evaluation):
                    yield ScatterPoint(
                        scatter=PILOT,
                        variant=cells.variant,
                        backbone=self.backbone,
                        seed=planner.index,
                        x=self.store.record(cells.quality)["miou"],
                        y=self.store.record(cells.evaluation)["miou"],
                        cells=(cells.quality.id, cells.evaluation.id),
                    )

    # -- the filter ------------------------------------------------------------------------------------------------------

    def _filters(self) -> Iterator[_Filter]:
        """The filter of each seed whose scores are there and are asked for."""
        for planner in self.planners:
            for arm in self.arms:
                cells = planner.arm(arm)
                if cells.scores is not None and self.done(cells.scores, *cells.pairs, *cells.named):
                    yield _Filter(planner.index, planner.study, cells.pairs, cells.named, cells.scores)
                    break

    def _scores(self, of: _Filter) -> list[tuple[str, float]]:
        """Ids and scores S1, best first; ties by id."""
        with (self.store.cell_folder(of.scores) / "scores.csv").open(newline="") as file:
            found = [(row["id"], float(row["S1"])) for row in csv.DictReader(file)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _histograms(self) -> Iterator[ScoreHistogram]:
        for of in self._filters():
            scores = [score for _, score in self._scores(of)]
            counts, edges = np.histogram(scores, bins=_NUM_BINS, range=(0.0, 1.0))
            cut_offs = {
                f"top {10 * quarters}k": scores[of.study.kept(quarters) - 1] for quarters in self._quarters_by_score()
            }
            yield ScoreHistogram(
                score="S1",
                seed=of.seed,
                edges=tuple(edges.tolist()),
                counts=tuple(counts.tolist()),
                cut_offs=cut_offs,
            )

    def _quarters_by_score(self) -> list[int]:
        """Sizes of the plain selections by score that were asked for, in quarters."""
        plain = [arm.how for arm in self.arms if isinstance(arm.how, GeneratedPairs) and not arm.control]
        return sorted({how.quarters for how in plain if how.rule == "score" and how.pretraining is None})

    def _selections(self) -> Iterator[SelectionStatistics]:
        for planner, arm, cells in self.each():
            if cells.selection is None or not self.done(cells.selection):
                continue
            path = self.store.cell_folder(cells.selection) / "statistics.json"
            yield _selection_statistics(json.loads(path.read_text()), arm.id, planner.index)

    def _filter_samples(self) -> Iterator[LabelMapSample]:
        """Take some of the best, of the middle and of the worst pairs of the first seed."""
        of = next(self._filters(), None)
        if of is None:
            return
        ranked, kept = self._scores(of), of.study.kept(_KEPT_QUARTERS)
        places = places_by_rank(len(ranked))
        found = self._pairs_by_id(of, {ranked[place][0] for _, place in places})
        segmented = {name: self._draw_named(of, *found[name], number) for number, name in enumerate(sorted(found))}
        for group, place in places:
            name, score = ranked[place]
            shard, record = found[name]
            folder = self.store.cell_folder(of.pairs[shard])
            png = folder / "images" / f"{name}.png"
            fate, classes = "kept" if place < kept else "dropped", ", ".join(record["classes"]).replace("_", " ")
            yield LabelMapSample(
                group=group,
                caption=f"{score:.2f}, rank {place + 1:,} of {len(ranked):,}, {fate}: {classes}",
                path=png if png.is_file() else png.with_suffix(".jpg"),
                label_paths=(folder / "masks" / of.study.variant / f"{name}.png", segmented[name]),
            )

    def _pairs_by_id(self, of: _Filter, names: set[str]) -> dict[str, tuple[int, dict[str, Any]]]:
        found = {}
        for shard, cell in enumerate(of.pairs):
            for record in _lines(self.store.cell_folder(cell) / "pairs.jsonl"):
                if record["id"] in names:
                    found[record["id"]] = (shard, record)
        return found

    def _draw_named(self, of: _Filter, shard: int, record: dict[str, Any], number: int) -> Path:
        """Write the prompter's masks of a pair as one label map."""
        from pycocotools import mask as rle

        pairs = self.store.cell_folder(of.pairs[shard])
        class_names: list[str] = json.loads((pairs / "classes.json").read_text())
        named = self.store.cell_folder(of.named[shard]) / "named_masks.jsonl"
        masks = next(line["masks"] for line in _lines(named) if line["id"] == record["id"])
        label_HW: np.ndarray | None = None
        for name, code in masks.items():
            mask_HW = rle.decode({"size": code["size"], "counts": code["counts"].encode()}).astype(bool)
            label_HW = np.zeros(mask_HW.shape, np.uint8) if label_HW is None else label_HW
            label_HW[mask_HW] = class_names.index(name)
        assert label_HW is not None, record
        return save_sample(self.pictures, f"segmented-{number:02d}", label_HW)

    def _drawn_samples(self) -> Iterator[LabelMapSample]:
        """Draw a few pictures of each kind that an arm is pre-trained on."""
        from methods.sam_filter.semseg_fdsl import SemSegFdsl
        from methods.sam_filter.stages.drawn_source import DrawnSource
        from methods.sam_filter.stages.train import TrainConfig

        shown: dict[str, DrawnSource] = {}
        for arm in self.arms:
            cell = self.planners[0].arm(arm).pretraining
            config = cell.config if cell is not None else None
            if isinstance(config, TrainConfig) and isinstance(config.source, DrawnSource):
                shown.setdefault(f"{config.source.drawn.contour}-{config.source.drawn.mask_noise}", config.source)
        for name, source in shown.items():
            drawn, noise = SemSegFdsl(source.drawn, source.num_images), source.drawn.mask_noise
            words = "" if noise == "none" else f", {noise}, up to {source.drawn.mask_noise_px} px"
            for index in range(min(_NUM_DRAWN, len(drawn))):
                stem = f"drawn-{name}-{index}"
                image_HW3, mask_HW = drawn[index]
                yield LabelMapSample(
                    group=source.drawn.contour + words,
                    path=save_sample(self.pictures, stem, image_HW3),
                    label_paths=(save_sample(self.pictures, f"{stem}-mask", mask_HW),),
                )


def places_by_rank(total: int, most: int = _NUM_RANKED) -> list[tuple[str, int]]:
    """Return which places of a ranking are shown, from 0, with their group: ``most`` of the best, the middle and the worst each."""
    count = min(most, total // 3)
    starts = {"best": 0, "median": (total - count) // 2, "worst": total - count}
    return [(group, place) for group, start in starts.items() for place in range(start, start + count)]


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

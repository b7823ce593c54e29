"""What this paper's report collects beyond every paper's: masks, alignment, the unseen domain, network calls and samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reports.records import Result
from reports.samples import PictureRowSample
from reproductions.harness.cell import Cell
from reproductions.seggen.arms import Arm, How
from reproductions.seggen.plan import ArmCells
from reproductions.seggen.recipe import SeggenStudy
from reproductions.seggen.records import ClassGain, MaskRating, NetworkCalls
from reproductions.seggen.samples import sample_rows
from reproductions.study import collector

BY_CLASS = ("real", "both")
"""Arms whose IoU by class is compared."""
_SEMANTIC = ("miou", "miou_frequent", "miou_common", "miou_rare")
_PANOPTIC = {
    "PQ": "PQ",
    "PQ_things": "PQ_th",
    "PQ_stuff": "PQ_st",
    "AP_pan_things": "AP_th",
    "miou_pan": "mIoU",
}
"""Name in the record of the panoptic evaluation, by metric."""
_NUM_SAMPLES = 5


class Collector(collector.Collector[SeggenStudy, How, ArmCells]):
    """Collects the records of the study over its seeds."""

    def metrics(self, record: dict[str, Any]) -> dict[str, float | None]:
        """Return what the evaluation measured; the rest comes from other cells."""
        if "AP" in record.get("metrics", {}):
            return {"AP": record["metrics"]["AP"]}
        if "metrics" in record:  # resamples have no AP of things
            return {metric: record["metrics"].get(name) for metric, name in _PANOPTIC.items()}
        return {name: record[name] for name in _SEMANTIC}

    def results(self) -> Iterator[Result]:
        """One a finished evaluation, with what was measured of the arm's masks and images, and on the unseen domain."""
        cells = {(planner.index, arm.id): cells for planner, arm, cells in self.each()}
        for result in super().results():
            more, behind = self._measured(cells[result.seed, result.arm])
            update = {"metrics": {**result.metrics, **more}, "cells": (*result.cells, *(cell.id for cell in behind))}
            yield result.model_copy(update=update)

    def _measured(self, cells: ArmCells) -> tuple[dict[str, float | None], tuple[Cell, ...]]:
        found: dict[str, float | None] = {}
        behind: list[Cell] = []
        elsewhere = {"miou_ms": cells.several_scales, "miou_unseen": cells.unseen, "alignment": cells.alignment}
        for metric, cell in elsewhere.items():
            if cell is not None and self.done(cell):
                found[metric] = self.store.record(cell)["miou"]
                behind.append(cell)
        drawn = [cell for cell in cells.masks if self.done(cell) and "near_share" in self.store.record(cell)]
        if drawn and len(drawn) == len(cells.masks):
            records = [self.store.record(cell) for cell in drawn]
            total = sum(record["num_masks"] for record in records)
            found["valid_px"] = 100 * sum(record["near_share"] * record["num_masks"] for record in records) / total
            behind += drawn
        return found, tuple(behind)

    def cost(self, cells: ArmCells) -> dict[str, Any]:
        """Count images and calls of the whole set that the arm draws from, which arms share."""
        *before, train = cells.trains
        found = {
            **super().cost(cells),
            "training_images": self.store.record(train)["num_images"],
            "pretrain_s": self.seconds(before) if before else None,
            "train_s": self.seconds([train]),
        }
        if not cells.pairs:
            return found
        sampled = (*cells.masks, *cells.pairs)
        return {
            **found,
            "objects_generated": self.sum(cells.pairs, "num_images"),
            "denoiser_calls": self.sum(sampled, "denoiser_calls"),
            "generate_s": self.seconds((*cells.teaching, *sampled)),
            "cut_s": self.seconds(cells.judged) if cells.judged else None,
        }

    def extras(self) -> dict[str, Any]:
        """Return the records that only this report has."""
        return {
            "ratings": tuple(self._ratings()),
            "calls": tuple(self._calls()),
            "classes": tuple(self._classes()),
            "samples": tuple(self._samples()),
        }

    def _ratings(self) -> Iterator[MaskRating]:
        """Masks by their number of steps."""
        for planner in self.planners:
            for arm in self.arms:
                for steps, cell in planner.arm(arm).measured:
                    if self.done(cell):
                        known = {
                            name: value
                            for name, value in self.store.record(cell).items()
                            if name in MaskRating.model_fields
                        }
                        yield MaskRating(steps=steps, seed=planner.index, **known)

    def _arm(self, name: str) -> Arm | None:
        return next((arm for arm in self.arms if arm.id == name), None)

    def _calls(self) -> Iterator[NetworkCalls]:
        """What the sets of the main arms took."""
        jobs = {"mask_syn": ("Text2Mask", "Mask2Img, MaskSyn"), "img_syn": ("", "Mask2Img, ImgSyn")}
        for planner in self.planners:
            for name, (of_masks, of_pairs) in jobs.items():
                arm = self._arm(name)
                if arm is None:
                    continue
                cells = planner.arm(arm)
                for job, shards, count in ((of_masks, cells.masks, "num_masks"), (of_pairs, cells.pairs, "num_images")):
                    if shards and self.done(*shards):
                        yield NetworkCalls(
                            job=job,
                            seed=planner.index,
                            samples=self.sum(shards, count),
                            steps=self.store.record(shards[0])["num_steps"],
                            calls=self.sum(shards, "denoiser_calls"),
                            seconds=self.seconds(shards),
                        )

    def _classes(self) -> Iterator[ClassGain]:
        """IoU by class of the arms that are compared."""
        for planner, arm, cells in self.each():
            if arm.id not in BY_CLASS or cells.evaluation is None or not self.done(cells.evaluation):
                continue
            frequencies = cells.evaluation.inputs.get("frequencies", ())
            if not frequencies or not self.done(*frequencies):
                continue
            pixels: dict[str, int] = self.store.record(frequencies[0])["pixels"]
            total = max(1, sum(pixels.values()))
            for name, iou in self.store.record(cells.evaluation)["iou"].items():
                if iou is not None:
                    share = 100 * pixels[name] / total
                    yield ClassGain(arm=arm.id, seed=planner.index, name=name, share=share, iou=iou)

    def _samples(self) -> Iterator[PictureRowSample]:
        """What the first seed's generators make of a few real images."""
        planner = self.planners[0]
        found: dict[str, ArmCells] = {}
        for name in ("mask_syn", "img_syn", "jittered", "re_rendered"):
            arm = self._arm(name)
            if arm is not None and self.done(*(cells := planner.arm(arm)).pairs, *cells.masks):
                found[name] = cells
        if "mask_syn" not in found or "img_syn" not in found or planner.study.training.task != "semantic":
            return
        data = found["img_syn"].pairs[0]
        folder = self.store.cell_folder(data.inputs["data"][0]) if "data" in data.inputs else data.external["data"].path
        folders = {name: tuple(self.store.cell_folder(cell) for cell in cells.pairs) for name, cells in found.items()}
        masks = tuple(self.store.cell_folder(cell) for cell in found["mask_syn"].masks)
        yield from sample_rows(folder, planner.study.train_split, folders, masks, self.pictures, _NUM_SAMPLES)

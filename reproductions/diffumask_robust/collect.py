"""What this paper's report collects beyond every paper's: quality of masks, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from methods.diffumask_robust.stages.evaluate_class_set import MEAN
from reports.records import Result, ScatterPoint
from reports.samples import PictureRowSample
from reproductions.diffumask_robust.claims import GROUPS, MASK_NOISE
from reproductions.diffumask_robust.kinds import Arm, Attention, How, MaskQuality
from reproductions.diffumask_robust.plan import ArmCells, SeedPlanner
from reproductions.diffumask_robust.recipe import DiffuMaskRobustStudy
from reproductions.diffumask_robust.records import MaskRating
from reproductions.diffumask_robust.sampling_sheets import sample_rows
from reproductions.study import collector

_GROUP = GROUPS[0]
"""A class that only the street by groups has."""
_NOT_IN_GROUPS = "traffic light"
"""A class of Cityscapes that only the evaluation by 19 classes has."""
_NUM_SAMPLES = 6
"""Rows of the sheet of attention."""

_RATED = {"mask_iou": "miou", "right_trusted": "right_trusted", "right_distrusted": "right_distrusted"}
"""Name in the record of a rating, by metric."""

_MEANS = {"miou_groups": GROUPS, "miou_bird_dog": ("bird", "dog")}
"""Means over a few classes, by metric."""


class Collector(collector.Collector[DiffuMaskRobustStudy, How, ArmCells]):
    """Collects the records of the study over its seeds."""

    def metrics(self, record: dict[str, Any]) -> dict[str, float | None]:
        """Return mIoU and the IoU of classes that tables print apart; the rest comes from other cells.

        ImageNet-S counts classes that never occur, Cityscapes has 19 classes or two groups, and some networks know three classes and
        background: their means have names of their own.
        """
        if "boundary_miou" in record:
            own = {"miou_imagenet_s": "miou", "boundary_miou": "boundary_miou", "accuracy": "accuracy"}
            return {metric: record[name] for metric, name in own.items()}
        if "pooled_iou" in record:
            return {"protocol_iou": record["miou"], "protocol_pooled_iou": record["pooled_iou"]}
        if _NOT_IN_GROUPS in record["iou"]:
            return {"miou_19": record["miou"]}
        found: dict[str, float | None] = {}
        if MEAN in record:
            found["miou_3_classes"] = record[MEAN]
        elif _GROUP not in record["iou"]:
            found["miou"] = record["miou"]
        for name, value in record["iou"].items():
            if f"iou_{name}" in self.metric_ids:
                found[f"iou_{name}"] = value
        for metric, names in _MEANS.items():
            values = [record["iou"].get(name) for name in names]
            if all(name in record["iou"] for name in names):
                found[metric] = None if None in values else sum(values) / len(values)
        return found

    def results(self) -> Iterator[Result]:
        """One a finished evaluation, with what was measured of the masks that the arm is trained on."""
        cells = {(planner.index, arm.id): cells for planner, arm, cells in self.each()}
        for result in super().results():
            rated = cells[result.seed, result.arm].rated
            if len(rated) == 1 and self.done(rated[0].rating):
                record = self.store.record(rated[0].rating)
                more = {metric: record[name] for metric, name in _RATED.items()}
                behind = (*result.cells, rated[0].rating.id)
                result = result.model_copy(update={"metrics": {**result.metrics, **more}, "cells": behind})
            yield result

    def cost(self, cells: ArmCells) -> dict[str, Any]:
        """Count images and calls of the whole set that the arm's images are chosen from, which arms share."""
        before, last = cells.trains[:-1], cells.trains[-1:]
        found = {
            **super().cost(cells),
            "training_images": self.store.record(last[0])["num_images"] if last else None,
            "pretrain_s": self.seconds(before) if before else None,
            "train_s": self.seconds(last),
        }
        if not cells.pairs:
            return found
        return {
            **found,
            "objects_generated": self.sum(cells.pairs, "num_images"),
            "denoiser_calls": self.sum(cells.pairs, "denoiser_calls"),
            "generate_s": self.seconds(cells.pairs),
            "cut_s": self.seconds(cells.labels),
        }

    def extras(self) -> dict[str, Any]:
        """Return the records that only this report has."""
        return {
            "points": tuple(self._points()),
            "ratings": tuple(self._ratings()),
            "attention_samples": tuple(self._attention_samples()),
        }

    def _ratings(self) -> Iterator[MaskRating]:
        """The masks of every preset."""
        for planner, cells in self._mask_quality():
            for one in cells.rated:
                if self.done(one.rating, *one.labels):
                    record = self.store.record(one.rating)
                    names = ("num_images", "miou", "pooled_iou", "right_trusted", "right_distrusted")
                    foreground = {name: value for name, value in record["iou"].items() if name != "background"}
                    dropped = self.sum(one.labels, "num_dropped")
                    found = {name: record[name] for name in names}
                    yield MaskRating(
                        preset=one.preset, seed=planner.index, num_dropped=dropped, iou=foreground, **found
                    )

    def _mask_quality(self) -> Iterator[tuple[SeedPlanner, ArmCells]]:
        for planner in self.planners:
            for arm in self.arms:
                if isinstance(arm.how, MaskQuality):
                    yield cast("SeedPlanner", planner), planner.arm(arm)

    def _attention_samples(self) -> Iterator[PictureRowSample]:
        """Images of the first seed's first shard."""
        planner, cells = next(self._mask_quality(), (None, None))
        if planner is None or cells is None:
            return
        by_preset = {one.preset: one for one in cells.rated}
        own = by_preset[planner.study.label.preset]
        pairs, oracle = (own.rating.inputs[role][0] for role in ("pairs", "reference"))
        smoothed = own.smoothed[:1]
        if not self.done(pairs, oracle, own.labels[0], *smoothed):
            return
        labels = {"mask": self.store.cell_folder(own.labels[0])}
        if smoothed:
            labels["CRF"] = self.store.cell_folder(smoothed[0])
        yield from sample_rows(
            self.store.cell_folder(pairs),
            labels,
            self.store.cell_folder(oracle),
            self.pictures,
            tuple(by_preset),
            _NUM_SAMPLES,
        )

    def _points(self) -> Iterator[ScatterPoint]:
        """Masks of every kind that one network was trained on for the usual length, all pictures."""
        for planner, arm, cells in self.each():
            if not varies_masks(arm) or not cells.rated or not self.done(cells.evaluation, cells.rated[0].rating):
                continue
            assert cells.evaluation is not None
            rating = cells.rated[0].rating
            yield ScatterPoint(
                scatter=MASK_NOISE,
                variant=arm.id.removeprefix("plain_"),
                backbone=self.backbone,
                seed=planner.index,
                x=self.store.record(rating)["miou"],
                y=self.store.record(cells.evaluation)["miou"],
                cells=(rating.id, cells.evaluation.id),
            )


def varies_masks(arm: Arm) -> bool:
    """Tell whether an arm is one of those that differ in their masks only."""
    how = arm.how
    return isinstance(how, Attention) and (how.scheme, how.size, how.twice, how.words) == (
        "plain",
        "all",
        False,
        "hyponyms",
    )

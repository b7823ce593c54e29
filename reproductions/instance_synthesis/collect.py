"""What this paper's report collects beyond every paper's: quality of crops, counts, sensitivity to the generator, samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from methods.instance_synthesis.sizes import TITLES
from reports.records import Result, ScatterPoint
from reports.samples import InstanceSample, RepaintedSample, save_sample
from reproductions.instance_synthesis.arms import Arm, How, WithSamples
from reproductions.instance_synthesis.back_ends import GENERATORS, BackEndId
from reproductions.instance_synthesis.branch_b_arms import ARM_OF_RUNG, Sizes
from reproductions.instance_synthesis.branch_b_metrics import NOVEL_AP, few_shot_metrics
from reproductions.instance_synthesis.branch_b_plan import NOVEL
from reproductions.instance_synthesis.claims import CLASSES, PANOPTIC, QUALITY
from reproductions.instance_synthesis.plan import ArmCells, SampleCells
from reproductions.instance_synthesis.recipe import InstanceSynthesisStudy
from reproductions.instance_synthesis.records import RungCost
from reproductions.study import collector

if TYPE_CHECKING:
    from methods.instance_synthesis.frames import Frame
    from methods.instance_synthesis.manifest import InstanceRow

GENERATORS_STUDY = "generators"
"""Id of the points of the study over generators: similarity of crops on x, AP on y."""
LADDER_STUDY = "ladder"
"""Id of the points of the ladder of sizes: giga multiply-adds of an image on x, novel AP on y."""
_MEASURED = dict(
    zip(QUALITY, ("clip-similarity-release", "fid-paired-crops", "ssim-grey-release", "psnr"), strict=True)
)
"""Name in the records of a quality cell, by metric."""
_TITLES: dict[BackEndId, str] = {
    "gligen": "GLIGEN",
    "inpainting": "inpainting",
    "blended": "blended",
    "copy_paste": "copied",
    "identity": "untouched",
}
_COUNTED = ("real", "blended")
"""Whose training images stand beside the companion's Table I; its augmented counts name no generator."""
_SHOWN_INSTANCES, _SHOWN_SAMPLES = 6, 8
_MIN_SHOWN_PX = 250
"""Instances below it are too small to look at, where there are enough larger ones."""
_BRIGHTER = 8
"""By how much differences are drawn brighter."""


class Collector(collector.Collector[InstanceSynthesisStudy, How, ArmCells]):
    """Collects the records of the study over its seeds."""

    def metrics(self, record: dict[str, Any]) -> dict[str, float | None]:
        """Return what an evaluation measures; the rest comes from other cells."""
        found: dict[str, float | None] = record["metrics"]
        known = {name: found[name] for name in ("AP", "AP50")}
        return known if f"AP_{NOVEL}" not in found else known | few_shot_metrics(found)

    def results(self) -> Iterator[Result]:
        """One a finished evaluation, with what was measured of the same arm's crops and counts."""
        cells = {(planner.index, arm.id): cells for planner, arm, cells in self.each()}
        for result in super().results():
            of_arm = cells[result.seed, result.arm]
            more = {**self._quality(of_arm), **self._panoptic(of_arm)}
            if result.arm in _COUNTED:
                more |= self._counts(of_arm)
            behind = tuple(
                cell.id for cell in (of_arm.quality, of_arm.panoptic) if cell is not None and self.done(cell)
            )
            yield result.model_copy(update={"metrics": {**result.metrics, **more}, "cells": (*result.cells, *behind)})

    def _quality(self, cells: ArmCells) -> dict[str, float | None]:
        if cells.quality is None or not self.done(cells.quality):
            return {}
        measured = self.store.record(cells.quality)["metrics"]
        return {metric: measured[name] for metric, name in _MEASURED.items()}

    def _panoptic(self, cells: ArmCells) -> dict[str, float | None]:
        if cells.panoptic is None or not self.done(cells.panoptic):
            return {}
        measured = self.store.record(cells.panoptic)["metrics"]
        return {metric: measured[metric] for metric in PANOPTIC}

    def _counts(self, cells: ArmCells) -> dict[str, float | None]:
        counts = self.store.record(cells.trains[-1])["instances"]
        return {f"instances_{name}": float(counts[name]) for name in (*CLASSES, "total") if name in counts}

    def cost(self, cells: ArmCells) -> dict[str, Any]:
        """Count crops and calls of the arm's own samples; a share of the real images needs that share of them."""
        train = cells.trains[-1]
        found = {**super().cost(cells), "training_images": self.store.record(train)["num_images"]}
        if cells.made is None:
            return found
        share = self._share(train)
        generates = any(self.store.record(cell)["denoiser_calls"] for cell in cells.made.pictures)
        return {
            **found,
            "objects_generated": round(share * self.sum(cells.made.pictures, "num_pictures")) if generates else None,
            "denoiser_calls": round(share * self.sum(cells.made.pictures, "denoiser_calls")) if generates else None,
            "generate_s": share * self.seconds(cells.made.pictures),
            "cut_s": share * self.seconds([cells.made.manifest, *cells.made.samples]),
        }

    def _share(self, train: Any) -> float:
        """Of the samples that a training reads, by its share of the real images."""
        percent: int = train.config.source.percent
        return percent / 100

    def extras(self) -> dict[str, Any]:
        """Return the records that only this report has."""
        return {
            "points": (*self._points(), *self._points_of_ladder()),
            "repainted": tuple(self._repainted()),
            "focused": tuple(self._focused()),
            "ladder": tuple(self._ladder()),
        }

    def _ladder(self) -> Iterator[RungCost]:
        """What was measured of each rung; the two that read the same features have one arm."""
        of_ladder = [arm for arm in self.arms if isinstance(arm.how, Sizes)]
        for arm in of_ladder:
            cell = self.planners[0].arm(arm).sizes
            if cell is not None and self.done(cell):
                record = self.store.record(cell)
                for row in record["rungs"]:
                    known = {
                        "title": TITLES[row["rung"]],
                        "reader": ARM_OF_RUNG[row["rung"]],
                        "device": record["device"],
                    }
                    yield RungCost(**row, **known)

    def _points_of_ladder(self) -> Iterator[ScatterPoint]:
        """Novel AP of each rung over what it costs."""
        costs = {rung.reader: rung for rung in self._ladder()}
        for result in self.results() if costs else ():
            value = result.metrics.get(NOVEL_AP)
            if result.arm in costs and value is not None:
                rung = costs[result.arm]
                named = {"scatter": LADDER_STUDY, "variant": rung.title, "backbone": self.backbone, "seed": result.seed}
                yield ScatterPoint(**named, x=rung.multiply_adds / 1e9, y=value, cells=result.cells)

    def _points(self) -> Iterator[ScatterPoint]:
        """AP of each back end over how similar its crops are to the real ones; untouched crops are equal."""
        for planner, arm, cells in self.each():
            if not _is_whole(arm) or cells.evaluation is None or not self.done(cells.evaluation):
                continue
            assert isinstance(arm.how, WithSamples)
            similarity = self._quality(cells).get("clip_image_similarity")
            if arm.how.back_end == "identity":
                similarity = 1.0
            if similarity is not None:
                yield ScatterPoint(
                    scatter=GENERATORS_STUDY,
                    variant=_TITLES[arm.how.back_end],
                    backbone=self.backbone,
                    seed=planner.index,
                    x=similarity,
                    y=self.store.record(cells.evaluation)["metrics"]["AP"],
                    cells=(cells.evaluation.id,),
                )

    # -- pictures ----------------------------------------------------------------------------------------------------------

    def _made(self) -> dict[BackEndId, SampleCells]:
        """Samples of the first seed that are finished, by back end."""
        found: dict[BackEndId, SampleCells] = {}
        for arm in self.arms:
            made = self.planners[0].arm(arm).made
            if _is_whole(arm) and made is not None and self.done(made.manifest, *made.pictures, *made.samples):
                assert isinstance(arm.how, WithSamples)
                found[arm.how.back_end] = made
        return found

    def _repainted(self) -> Iterator[RepaintedSample]:
        """Some instances of the first seed, spread over the classes, under every generator that ran."""
        from methods.instance_synthesis.crop import crop_instance
        from methods.instance_synthesis.frame_files import open_frames
        from methods.instance_synthesis.paste import fit_to_window, paste_instance
        from methods.instance_synthesis.pictures import PictureShards

        made = {name: cells for name, cells in self._made().items() if name in (*GENERATORS, "copy_paste")}
        painters = [name for name in GENERATORS if name in made]
        if not painters:
            return
        study = self.planners[0].study
        frames = open_frames(self._data_folder(made[painters[0]]), study.layout, study.train_split)
        shards = {
            name: PictureShards([self.store.cell_folder(cell) for cell in cells.pictures])
            for name, cells in made.items()
        }
        for number, row in enumerate(_shown(self._rows(made[painters[0]]))):
            frame, stem = frames.read(row.frame), f"repainted-{number:02d}"
            crop = crop_instance(frame, frame.instance(row.instance_id, row.layer), row.window)
            pictures = {name: reader.read(row.number, 1) for name, reader in shards.items()}
            fitted, offset = fit_to_window(pictures[painters[-1]], crop, study.integration.paste)
            pasted = paste_instance(frame.image_HW3, fitted, crop, row.window)
            mask_HW = frame.mask(frame.instance(row.instance_id, row.layer))
            change = np.abs(pasted.astype(np.int16) - frame.image_HW3)
            change[mask_HW] = 0
            yield RepaintedSample(
                row=row.class_name,
                caption=f"{row.prompt!r}; {row.area_px} px, darkened by {offset}; largest change outside the mask: {change.max()}",
                crop_path=save_sample(self.pictures, f"{stem}-crop", crop.image_HW3),
                mask_path=save_sample(self.pictures, f"{stem}-mask", crop.mask_HW.astype(np.uint8) * np.uint8(255)),
                repainted={
                    _TITLES[name]: save_sample(self.pictures, f"{stem}-{name}", picture)
                    for name, picture in pictures.items()
                },
                pasted_title=_TITLES[painters[-1]],
                pasted_path=save_sample(self.pictures, f"{stem}-pasted", pasted),
                pasted_mask_path=save_sample(
                    self.pictures, f"{stem}-pasted-mask", mask_HW.astype(np.uint8) * np.uint8(255)
                ),
                difference_path=save_sample(
                    self.pictures, f"{stem}-change", np.clip(_BRIGHTER * change, 0, 255).astype(np.uint8)
                ),
            )

    def _data_folder(self, made: SampleCells) -> Any:
        """Where the frames of samples lie: a drawn world, or data from outside."""
        drawn = made.manifest.inputs.get("data")
        return self.store.cell_folder(drawn[0]) if drawn else made.manifest.external["data"].path

    def _rows(self, made: SampleCells) -> list[InstanceRow]:
        from methods.instance_synthesis.manifest import MANIFEST_FILE, InstanceRow, read_rows

        return read_rows(self.store.cell_folder(made.manifest) / MANIFEST_FILE, InstanceRow)

    def _focused(self) -> Iterator[InstanceSample]:
        """Some samples of the first seed as they are trained on, one a back end in turn."""
        from methods.instance_synthesis.manifest import SAMPLES_FILE, SampleRow, read_rows

        made, study = self._made(), self.planners[0].study
        names = [name for name in (*GENERATORS, "copy_paste", "identity") if name in made]
        readers = {
            name: [
                (self.store.cell_folder(cell), row)
                for cell in made[name].samples
                for row in read_rows(self.store.cell_folder(cell) / SAMPLES_FILE, SampleRow)
                if row.variant == 1
            ]
            for name in names
        }
        for number in range(_SHOWN_SAMPLES if names else 0):
            name = names[number % len(names)]
            rows = readers[name]
            if rows:
                folder, row = rows[(number * len(rows)) // _SHOWN_SAMPLES]
                yield self._focused_sample(number, name, folder, row, study)

    def _focused_sample(self, number: int, name: BackEndId, folder: Any, row: Any, study: Any) -> InstanceSample:
        from methods.instance_synthesis.frame_files import open_frames
        from methods.instance_synthesis.sample_files import SPLIT

        frame: Frame = open_frames(folder, study.layout, SPLIT).read(_frame_of(row, study.layout, folder))
        instances_HW = np.zeros(frame.size, np.uint8)
        painted: int | None = None
        shown = [one for one in frame.instances if not one.is_group]
        for place, one in enumerate(shown, start=1):
            instances_HW[frame.mask(one)] = place
            painted = place if (one.id, one.layer) == (row.instance_id, row.layer) else painted
        stem = f"focused-{number:02d}"
        pasted = () if painted is None or name == "identity" else (painted,)
        return InstanceSample(
            arm=next(arm.id for arm in self.arms if _is_whole(arm) and arm.how.back_end == name),  # type: ignore[union-attr]
            caption=_TITLES[name],
            path=save_sample(self.pictures, stem, frame.image_HW3),
            instances_path=save_sample(self.pictures, f"{stem}-instances", instances_HW),
            pasted=pasted,
            names={place: one.class_name for place, one in enumerate(shown, start=1)},
        )


def _frame_of(row: Any, layout: str, folder: Any) -> str:
    """Name of a sample as a frame of its own folder; COCO's frames are called by the ids of their images."""
    if layout == "cityscapes":
        return str(row.name)
    import json

    from methods.common.datasets.own.annotation_files import annotation_file
    from methods.instance_synthesis.sample_files import SPLIT

    images = json.loads(annotation_file(folder, SPLIT).read_text())["images"]
    return str(next(image["id"] for image in images if image["file_name"] == f"{row.name}.png"))


def _is_whole(arm: Arm) -> bool:
    """Whether an arm trains on every sample of all real images, as the paper's rows do."""
    how = arm.how
    return isinstance(how, WithSamples) and how.percent == 100 and not how.doubled and how.synthetic_percent is None


def _shown(rows: list[InstanceRow]) -> list[InstanceRow]:
    """Some rows, of as many classes as there are, large enough to look at where such are there; in the order of the classes."""
    large = [row for row in rows if row.area_px >= _MIN_SHOWN_PX] or rows
    by_class: dict[str, list[InstanceRow]] = {}
    for row in large:
        by_class.setdefault(row.class_name, []).append(row)
    chosen: list[InstanceRow] = []
    for place in range(max(map(len, by_class.values()), default=0)):
        for name in sorted(by_class):
            if place < len(by_class[name]) and len(chosen) < _SHOWN_INSTANCES:
                chosen.append(by_class[name][place])
    return sorted(chosen, key=lambda row: (row.class_name, row.number))

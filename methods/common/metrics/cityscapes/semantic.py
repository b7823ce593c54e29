"""Cityscapes pixel-level semantic labelling: IoU and iIoU of 19 classes and 7 categories, and a grouped protocol.

`official` equals `evalPixelLevelSemanticLabeling` of cityscapesScripts 2.3.0: one confusion matrix over all images; ground
truth of an ignored class does not count, while a prediction of one is a miss. iIoU weighs the true and missed pixels of each
instance by (average size of its class / its size), false positives stay plain pixels. An instance of a category counts as found
where any class of the category is predicted, caravan and trailer included, which the category's plain IoU leaves out.

`grouped` is DiffuMask's protocol: human = person and rider, vehicle = car, truck, bus and train, merged in ground truth and
predictions alike. Ground truth of motorcycles and bicycles is ignored, as of all classes that the official evaluation ignores;
a prediction of one is a miss on a group and nothing elsewhere. The released code ignores training ids 18 and 19 under a note that
says motorbike; 17 and 18 are meant here.

Shape legend: I images; L = 34 label ids; K classes with instances, G categories with instances; 2 weighted pixels: found, missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS, INSTANCE_LABELS, LABELS
from methods.common.files import AnyPath, as_path
from methods.common.metrics.cityscapes.frames import (
    INSTANCE_CATEGORIES,
    count_frame,
    count_frame_without_instances,
    pair_frames,
)
from methods.common.metrics.class_means import NO_PIXEL, mean_note
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.label_maps.confusion import mean_defined, none_if_nan, pool_images
from methods.common.metrics.label_maps.png_folders import map_images

Protocol = Literal["official", "grouped"]

DEFINITIONS: dict[Protocol, str] = {
    "official": "cityscapesScripts 2.3.0, evalPixelLevelSemanticLabeling",
    "grouped": "DiffuMask's grouped protocol: IoU of human (person, rider) and vehicle (car, truck, bus, train), "
    "motorcycle and bicycle ignored",
}
GROUPS = {"human": ("person", "rider"), "vehicle": ("car", "truck", "bus", "train")}
NOT_IN_GROUPED = ("motorcycle", "bicycle")

_IDS = {label.name: label.id for label in LABELS}
_EVALUATED_IDS = tuple(label.id for label in EVALUATED_LABELS)
_CATEGORIES = tuple(dict.fromkeys(label.category for label in EVALUATED_LABELS))


@dataclass(frozen=True, eq=False, repr=False)
class CityscapesSemanticEvaluation:
    """Confusion matrix and weighted instance pixels of every image; 9.4 kB an image."""

    protocol: Protocol
    image_ids: tuple[str, ...]
    count_ILL: NDArray[np.int64]
    class_IK2: NDArray[np.float64]
    category_IG2: NDArray[np.float64]

    @property
    def definition(self) -> str:
        """What the numbers equal."""
        return DEFINITIONS[self.protocol]

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return the averages in [0, 1].

        Official: `averageScoreClasses` (mIoU), `averageScoreInstClasses` (mean iIoU), `averageScoreCategories`,
        `averageScoreInstCategories`. Grouped: `IoU human`, `IoU vehicle` and `mIoU`, their mean.
        """
        scores = self._scores(weight_I)
        if self.protocol == "grouped":
            group_iou = scores["groups"]
            return {f"IoU {name}": none_if_nan(value) for name, value in group_iou.items()} | {"mIoU": _mean(group_iou)}
        return {
            "averageScoreClasses": _mean(scores["classes"]),
            "averageScoreInstClasses": _mean(scores["classes iIoU"]),
            "averageScoreCategories": _mean(scores["categories"]),
            "averageScoreInstCategories": _mean(scores["categories iIoU"]),
        }

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return IoU and iIoU of each class and category, or IoU of each group."""
        scores = self._scores(None)
        if self.protocol == "grouped":
            return [{"name": name, "kind": "group", "IoU": none_if_nan(iou)} for name, iou in scores["groups"].items()]
        return [
            {
                "name": name,
                "kind": kind,
                "IoU": none_if_nan(iou),
                "iIoU": none_if_nan(scores[f"{table} iIoU"].get(name, np.nan)),
            }
            for kind, table in (("class", "classes"), ("category", "categories"))
            for name, iou in scores[table].items()
        ]

    def notes(self) -> list[str]:
        """Say over which classes mIoU is the mean, and warn if ground truth or predictions look like training ids."""
        name, table = ("mIoU", "groups") if self.protocol == "grouped" else ("averageScoreClasses", "classes")
        iou = self._scores(None)[table]
        nowhere = [name for name, value in iou.items() if np.isnan(value)]
        return [*_told_of_training_ids(self.count_ILL.sum(0)), mean_note(name, len(iou), {NO_PIXEL: nowhere})]

    def _scores(self, weight_I: NDArray[np.float64] | None) -> dict[str, dict[str, float]]:
        """Return IoU by name in each table, NaN where undefined."""
        count_LL = pool_images(self.count_ILL, weight_I)
        if self.protocol == "grouped":
            counted = [label.id for label in EVALUATED_LABELS if label.name not in NOT_IN_GROUPED]
            groups = {group: [_IDS[name] for name in names] for group, names in GROUPS.items()}
            return {"groups": {group: area_iou(count_LL, ids, ids, counted) for group, ids in groups.items()}}
        members = {name: [x.id for x in EVALUATED_LABELS if x.category == name] for name in _CATEGORIES}
        every = {name: [x.id for x in LABELS if x.category == name and x.id >= 0] for name in INSTANCE_CATEGORIES}
        class_K2, category_G2 = pool_images(self.class_IK2, weight_I), pool_images(self.category_IG2, weight_I)
        return {
            "classes": {x.name: area_iou(count_LL, [x.id], [x.id]) for x in EVALUATED_LABELS},
            "classes iIoU": {
                label.name: instance_iou(found_missed, count_LL, [label.id], [label.id])
                for label, found_missed in zip(INSTANCE_LABELS, class_K2, strict=True)
            },
            "categories": {name: area_iou(count_LL, ids, ids) for name, ids in members.items()},
            "categories iIoU": {
                name: instance_iou(found_missed, count_LL, members[name], every[name])
                for name, found_missed in zip(INSTANCE_CATEGORIES, category_G2, strict=True)
            },
        }


def _told_of_training_ids(count_LL: NDArray[np.int64]) -> list[str]:
    """Say where values look like training ids: none is above 18, or most would be right as such and are not as label ids."""
    to_training = np.array([label.train_id for label in EVALUATED_LABELS])
    to_label = np.array(_EVALUATED_IDS)
    right = int(count_LL[to_label, to_label].sum())
    notes = []
    for what, pixels_L, as_training in (
        ("ground-truth pixel", count_LL.sum(1), int(count_LL[to_training, to_label].sum())),
        ("prediction", count_LL.sum(0), int(count_LL[to_label, to_training].sum())),
    ):
        if as_training > right and 2 * as_training > count_LL[to_label].sum():
            notes.append(
                f"WARNING: most of the {what}s fit the other side as training ids ({as_training:,} pixels, {right:,} as label ids); turn them "
                "back into label ids"
            )
        elif not pixels_L[to_training.max() + 1 :].any():
            notes.append(f"no {what} is above 18; if these are training ids, turn them back into label ids")
    return notes


def area_iou(
    count_LL: NDArray[np.float64],
    truth: Sequence[int],
    predicted: Sequence[int],
    counted: Sequence[int] = _EVALUATED_IDS,
) -> float:
    """Return the IoU of merged labels over the ground truth that counts, NaN if they never occur.

    Args:
        count_LL: pixels by label id of ground truth and prediction.
        truth: ids that are the class in ground truth.
        predicted: ids that are the class in predictions.
        counted: ids whose ground truth counts.
    """
    found = count_LL[np.ix_(truth, predicted)].sum()
    union = count_LL[truth].sum() + count_LL[np.ix_(counted, predicted)].sum() - found
    return float(found / union) if union else float("nan")


def instance_iou(
    found_missed_2: NDArray[np.float64], count_LL: NDArray[np.float64], truth: Sequence[int], predicted: Sequence[int]
) -> float:
    """Return the iIoU of merged labels: instances by weighted pixels, false positives by plain pixels; NaN if undefined."""
    others = [label for label in _EVALUATED_IDS if label not in truth]
    union = found_missed_2.sum() + count_LL[np.ix_(others, predicted)].sum()
    return float(found_missed_2[0] / union) if union else float("nan")


def _mean(value: dict[str, float]) -> float | None:
    return mean_defined(np.array(list(value.values())))


def evaluate_cityscapes_semantic(
    ground_truth: AnyPath,
    predictions: AnyPath,
    protocol: Protocol = "official",
    *,
    num_processes: int = 1,
    progress: Progress | None = None,
) -> CityscapesSemanticEvaluation:
    """Score predicted label maps against Cityscapes ground truth.

    Args:
        ground_truth: folder with `*_gtFine_labelIds.png`, below any folders; `official` also takes the
            `*_gtFine_instanceIds.png` beside them.
        predictions: folder with one `<city>_<sequence>_<frame>*.png` for each, below any folders: label ids (not training
            ids) at full size, gray.
        protocol: `official` or `grouped`.
        num_processes: how many processes decode.
        progress: told (images done, images in all).

    Raises:
        InputError: a file is missing, faulty or of another size, or holds an unknown id.
    """
    frames = pair_frames(as_path(ground_truth), as_path(predictions))
    count = count_frame if protocol == "official" else count_frame_without_instances
    counts = map_images(count, frames, num_processes, progress)
    count_ILL, class_IK2, category_IG2 = (np.stack(parts) for parts in zip(*counts, strict=True))
    return CityscapesSemanticEvaluation(
        protocol, tuple(frame.name for frame in frames), count_ILL, class_IK2, category_IG2
    )

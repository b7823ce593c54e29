"""Instance AP by the definition of Cityscapes, from its files or from masks in memory.

Definition (cityscapesScripts 2.3.0, `evalInstanceLevelSemanticLabeling`), for each of 8 classes and IoU thresholds
0.50:0.05:0.95: objects of at least 100 pixels have to be found; a prediction finds one where their IoU is above the threshold;
of several the best score is right, the others are wrong; one that finds nothing is wrong, unless more than the threshold's
share of its pixels is void, group or object that need not be found. AP is the area under the precision-recall curve as it is,
with straight lines between the scores and no envelope. With distances, AP100m and AP50m ask only for objects within that distance, of
at least 1,000 pixels and distance confidence 0.5.

Where the official tool stops with an error because every prediction of a class is ignored at some threshold, the AP there is 0.

Shape legend: H, W image; I images; C = 8 classes; D distance settings (1 or 3); T = 10 thresholds.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS
from methods.common.datasets.png_labels import read_labels
from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.cityscapes import instance_files as files
from methods.common.metrics.cityscapes.instance_curves import ClassMatches, class_matches
from methods.common.metrics.cityscapes.instance_matching import (
    FrameMatches,
    InstancePrediction,
    ObjectDistance,
    match_frame,
)
from methods.common.metrics.class_means import mean_note
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.label_maps.png_folders import map_images

__all__ = ["CityscapesInstanceEvaluation", "InstancePrediction", "evaluate_cityscapes_instance"]


def evaluate_cityscapes_instance(
    ground_truth: AnyPath | Mapping[str, NDArray[Any]],
    predictions: AnyPath | Mapping[str, Sequence[InstancePrediction]],
    distances: AnyPath | None = None,
    progress: Progress | None = None,
    num_processes: int = 1,
) -> "CityscapesInstanceEvaluation":
    """Score instance predictions on Cityscapes.

    A mapping may make its values as they are asked for; no more than num_processes + 2 frames are kept. Of folders, each process
    holds one frame and one mask at a time.

    Args:
        ground_truth: a folder, searched for `*_gtFine_instanceIds.png`, or integers [H, W] by image id: 1000 * label id
            + number for an object, otherwise the label id.
        predictions: a folder, searched for one `<image id>*.txt` an image with lines `mask.png label_id score`, or
            predictions by image id.
        distances: a `gtInstances.json` whose objects carry `medDist` and `distConf`; adds AP100m, AP50m and AP50_50m.
        progress: told (frames done, frames in all).
        num_processes: how many frames are compared at once: in processes where both are folders, otherwise in threads (the
            mappings are read by the caller's). The result does not depend on it.

    Raises:
        InputError: ground truth, predictions or distances are faulty; the message names file and line, or image and number.
    """
    ground_truth = as_path(ground_truth) if isinstance(ground_truth, str) else ground_truth
    predictions = as_path(predictions) if isinstance(predictions, str) else predictions
    distances = as_path(distances)
    both_folders = isinstance(ground_truth, Path) and isinstance(predictions, Path)
    frames = _Frames(ground_truth, predictions, distances)
    if both_folders:
        matches = map_images(_match, list(frames), num_processes, progress)
    else:
        matches = []
        for found in _match_in_threads(frames, num_processes):
            matches.append(found)
            if progress:
                progress(len(matches), len(frames.image_ids))
    without_pixel = [place for found in matches for place in found.places_without_pixel]
    classes = class_matches(matches)
    return CityscapesInstanceEvaluation(frames.image_ids, classes, distances is not None, tuple(without_pixel))


@dataclass(frozen=True, eq=False, repr=False)
class CityscapesInstanceEvaluation:
    """Instance AP of Cityscapes; keeps 36 bytes a prediction and 64 a frame, with distances 76 and 192."""

    image_ids: tuple[str, ...]
    classes: tuple[ClassMatches, ...]
    """In the order of `INSTANCE_LABELS`."""
    with_distances: bool
    places_without_pixel: tuple[str, ...] = ()
    """Where predictions stand that show nothing."""
    definition: str = (
        "cityscapesScripts 2.3.0, evalInstanceLevelSemanticLabeling: IoU above 0.50:0.05:0.95, objects of at least 100 px, "
        "void and groups ignored, no interpolation"
    )

    def metrics(
        self, weight_I: NDArray[np.float64] | None = None, classes: Sequence[str] | None = None
    ) -> dict[str, float | None]:
        """Return AP and AP50, with distances also AP100m, AP50m and AP50_50m, in [0, 1]; None without objects to find.

        Args:
            weight_I: how often each image counts; None for once.
            classes: over whose AP the mean is taken; None for all.

        Raises:
            InputError: a class is none of the 8.
        """
        names = [label.name for label in INSTANCE_LABELS]
        for name in classes or ():
            if name not in names:
                raise InputError(f"{name!r} is none of the classes that are evaluated: {', '.join(names)}")
        chosen = [names.index(name) for name in (names if classes is None else classes)]
        return self._named(self._average_precision(weight_I)[chosen])

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """Return the same numbers for each of the 8 classes."""
        ap_CDT = self._average_precision(None)
        return [
            {"id": label.id, "name": label.name, **self._named(ap_CDT[[index]])}
            for index, label in enumerate(INSTANCE_LABELS)
        ]

    def notes(self) -> list[str]:
        """Say over which classes AP is the mean and which masks show nothing; warn if nothing found can count or scores give no order."""
        to_find = [bool(matches.num_objects_ID[:, 0].any()) for matches in self.classes]
        missing = [label.name for label, there in zip(INSTANCE_LABELS, to_find, strict=True) if not there]
        reason = "without an object to find (at least 100 pixels, no group)"
        notes = []
        if not any(len(matches.image_N) for matches in self.classes):
            notes.append(
                "no prediction counts: none with a pixel is of a class with instances (label ids 24 to 33, not training ids)"
            )
        elif all(len(matches.first_U) < 2 for matches in self.classes) and max(map(_num_predictions, self.classes)) > 1:
            notes.append("all predictions of a class have one score, so that scores do not tell which of them to trust")
        if self.places_without_pixel:
            places = self.places_without_pixel
            notes.append(f"predictions without a pixel, which find nothing: {len(places)} (first: {places[0]})")
        return [*notes, mean_note("AP", len(INSTANCE_LABELS), {reason: missing})]

    def _average_precision(self, weight_I: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Return AP by class, distance setting and threshold, NaN without objects to find."""
        weight_I = np.ones(len(self.image_ids)) if weight_I is None else weight_I
        return np.stack([matches.average_precision(weight_I) for matches in self.classes])

    def _named(self, ap_CDT: NDArray[np.float64]) -> dict[str, float | None]:
        named = {"AP": ap_CDT[:, 0], "AP50": ap_CDT[:, 0, :1]}
        if self.with_distances:
            named |= {"AP100m": ap_CDT[:, 1], "AP50m": ap_CDT[:, 2], "AP50_50m": ap_CDT[:, 2, :1]}
        return {name: None if np.isnan(ap).all() else float(np.nanmean(ap)) for name, ap in named.items()}


def _num_predictions(matches: ClassMatches) -> int:
    return len(matches.image_N)


class _Frame(NamedTuple):
    """One frame, small enough to hand to another process where it comes from files."""

    image_id: str
    truth: Path | NDArray[Any]
    given: Path | Sequence[InstancePrediction]
    root: Path
    distances: Mapping[int, ObjectDistance] | None


class _Frames:
    """The frames to compare, one after the other."""

    def __init__(
        self,
        ground_truth: Path | Mapping[str, NDArray[Any]],
        predictions: Path | Mapping[str, Sequence[InstancePrediction]],
        distances: Path | None,
    ) -> None:
        self._truth = files.find_ground_truth(ground_truth) if isinstance(ground_truth, Path) else ground_truth
        self.image_ids = tuple(self._truth)
        self._root = predictions if isinstance(predictions, Path) else Path()
        if not isinstance(predictions, Path):
            _check_ids(self.image_ids, predictions)
        self._given: Mapping[str, Path] | Mapping[str, Sequence[InstancePrediction]] = (
            files.find_predictions(predictions, self.image_ids) if isinstance(predictions, Path) else predictions
        )
        self._distances = None if distances is None else files.read_distances(distances, self.image_ids)

    def __iter__(self) -> Iterator[_Frame]:
        for image_id in self.image_ids:
            distances = None if self._distances is None else self._distances[image_id]
            yield _Frame(image_id, self._truth[image_id], self._given[image_id], self._root, distances)


def _check_ids(image_ids: Sequence[str], predictions: Mapping[str, Any]) -> None:
    if not image_ids:
        raise InputError("the ground truth holds no image; give at least one")
    missing = [image_id for image_id in image_ids if image_id not in predictions]
    if missing:
        raise InputError(
            f"the predictions have no entry for image {missing[0]}; give an empty list if nothing was found"
        )
    unknown = predictions.keys() - set(image_ids)
    if unknown:
        raise InputError(
            f"the predictions name image {min(unknown)}, which the ground truth does not have; correct the id"
        )


def _match(frame: _Frame) -> FrameMatches:
    if isinstance(frame.truth, Path):
        name, instance_ids_HW = str(frame.truth), read_labels(frame.truth)
    else:
        name, instance_ids_HW = f"image {frame.image_id} of the ground truth", frame.truth
    if isinstance(frame.given, Path):
        given: Iterable[tuple[str, InstancePrediction]] = files.read_predictions(frame.given, frame.root)
    else:
        given = ((f"image {frame.image_id}, prediction {number}", one) for number, one in enumerate(frame.given))
    return match_frame(instance_ids_HW, name, given, frame.distances)


def _match_in_threads(frames: Iterable[_Frame], num_threads: int) -> Iterator[FrameMatches]:
    """Compare frames in order, so many at once; numpy lets other threads work while it goes through pixels."""
    if num_threads == 1:
        yield from map(_match, frames)
        return
    with ThreadPoolExecutor(num_threads) as pool:
        running: deque[Future[FrameMatches]] = deque()
        for frame in frames:
            running.append(pool.submit(_match, frame))
            if len(running) > num_threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

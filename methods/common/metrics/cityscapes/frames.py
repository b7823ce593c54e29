"""The images of a Cityscapes semantic evaluation: which files belong together, and what each image contributes.

Shape legend: H, W pixels; N pixels or runs of them; L = 34 label ids; P pairs of them; J instance ids, 0 on; K classes, G categories
with instances; 2 weighted pixels: found, missed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.binary_masks import white_of_a_mask
from methods.common.datasets.cityscapes_ids import (
    INSTANCE_ID_RULE,
    NUM_LABELS,
    TRAINING_ID_FAULT,
    holds_training_ids,
    unknown_instance_ids,
    unknown_label_ids,
)
from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS, LABEL_BY_ID
from methods.common.datasets.file_names import NamedFiles, common_form, near_name
from methods.common.datasets.png_labels import LabelMap, check_same_size, read_labels, where_label_is
from methods.common.errors import InputError
from methods.common.metrics.label_maps.confusion import (
    PairCounts,
    count_pairs,
    count_pairs_of_runs,
    gather_runs,
)
from methods.common.metrics.label_maps.png_folders import list_png_files

AVERAGE_INSTANCE_PX = {
    "bicycle": 4672.3249222261,
    "bus": 35732.1511111111,
    "car": 12794.0202738185,
    "motorcycle": 6298.7200839748,
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "train": 67583.7075812274,
    "truck": 27855.1264367816,
}
"""Average instance size of each class in pixels, over the data set; numbers of cityscapesScripts 2.3.0."""

INSTANCE_CATEGORIES = ("human", "vehicle")
_CATEGORY_L = np.array([LABEL_BY_ID[label].category_id for label in range(NUM_LABELS)])
_TRUTH_SUFFIX = "_gtFine_labelIds"
_FRAME = re.compile(r"[^_]+_\d+_\d+")


class Frame(NamedTuple):
    """The files of one image."""

    name: str
    """`city_sequence_frame`."""
    labels: Path
    instances: Path
    prediction: Path


class FrameCounts(NamedTuple):
    """What one image contributes."""

    count_LL: NDArray[np.int64]
    """Pixels by label id of ground truth and prediction."""
    class_K2: NDArray[np.float64]
    """Weighted pixels of the instances of each class, in the order of ``INSTANCE_LABELS``."""
    category_G2: NDArray[np.float64]
    """The same for the categories of ``INSTANCE_CATEGORIES``."""


def pair_frames(ground_truth: Path, predictions: Path) -> list[Frame]:
    """Find the files of every image, by `city_sequence_frame`; predictions of other images are left alone.

    Raises:
        InputError: a folder is missing or empty, or an image has no prediction, or several files of a kind.
    """
    truths = {name: path for name, path in list_png_files(ground_truth).items() if name.endswith(_TRUTH_SUFFIX)}
    if not truths:
        raise InputError(f"there is no *{_TRUTH_SUFFIX}.png in {ground_truth}; give Cityscapes' gtFine/<split> folder")
    by_frame: dict[str, list[Path]] = {}
    for path in list_png_files(predictions).values():
        by_frame.setdefault(_frame_name(path), []).append(path)
    frames: dict[str, Frame] = {}
    for _, path in sorted(truths.items()):
        name = common_form(path.name)[: -len(f"{_TRUTH_SUFFIX}.png")]
        if _frame_name(path) != name:
            raise InputError(
                f"{path} is not named city_sequence_frame{_TRUTH_SUFFIX}.png, digits for the last two; rename it"
            )
        found = sorted(by_frame.get(name, []))
        if not found:
            near = near_name(name, by_frame)
            raise InputError(f"there is no prediction {name}*.png in {predictions} for {path}{near}; add it")
        if len(found) > 1:
            raise InputError(f"{found[0]} and {found[1]} are both predictions of {name}; keep one")
        if name in frames:
            raise InputError(f"{frames[name].labels} and {path} are ground truth of the same image; keep one of them")
        instances = NamedFiles(path.parent).find(path.name.replace("labelIds", "instanceIds"))
        frames[name] = Frame(name, path, instances, found[0])
    return list(frames.values())


def _frame_name(path: Path) -> str:
    """Return `city_sequence_frame` of a file in Unicode's composed form, whatever follows; "" if it isn't named so."""
    match = _FRAME.match(common_form(path.name))
    return match[0] if match else ""


def count_frame(frame: Frame) -> FrameCounts:
    """Count the label pairs of one image and weigh the pixels of its instances."""
    truth_HW, prediction_HW = _read_label_ids(frame)
    instance_HW = read_labels(frame.instances)
    if instance_HW.shape != truth_HW.shape:
        raise InputError(
            f"{frame.instances} is {instance_HW.shape[1]}x{instance_HW.shape[0]} pixels, {frame.labels.name} beside it "
            f"{truth_HW.shape[1]}x{truth_HW.shape[0]}; take both from one data set"
        )
    (truth_N, prediction_N, instance_N), length_N = gather_runs(truth_HW, prediction_HW, instance_HW)
    faulty_N = unknown_instance_ids(instance_N)
    if faulty_N.any():
        what = where_label_is(instance_HW, int(instance_N[faulty_N][0]))
        raise InputError(f"{frame.instances} has {what}; {INSTANCE_ID_RULE}; write the official ids")
    if holds_training_ids(truth_N, instance_N):
        raise InputError(f"{frame.labels} {TRAINING_ID_FAULT}")
    count_LL = _as_matrix(count_pairs_of_runs(truth_N, prediction_N, length_N))
    return FrameCounts(count_LL, *weigh_instances(instance_N, prediction_N, length_N))


def count_frame_without_instances(frame: Frame) -> FrameCounts:
    """Count the label pairs of one image; the instance map is not read, its numbers are 0."""
    count_LL = _as_matrix(count_pairs(*_read_label_ids(frame)))
    return FrameCounts(count_LL, np.zeros((len(INSTANCE_LABELS), 2)), np.zeros((len(INSTANCE_CATEGORIES), 2)))


def _read_label_ids(frame: Frame) -> tuple[LabelMap, LabelMap]:
    """Read ground truth and prediction, of one size and with known ids."""
    truth_HW, prediction_HW = read_labels(frame.labels), read_labels(frame.prediction)
    check_same_size(truth_HW, prediction_HW, frame.prediction)
    for path, label_HW in ((frame.labels, truth_HW), (frame.prediction, prediction_HW)):
        if unknown_label_ids(label_HW.max()).any():
            white = white_of_a_mask(np.unique(label_HW))
            if white is not None:
                raise InputError(
                    f"{path} holds nothing but 0 and {white}, as a mask does; write Cityscapes' label ids, 0 to 33"
                )
            raise InputError(
                f"{path} has {where_label_is(label_HW, int(label_HW.max()))}; Cityscapes' label ids are 0 to 33 "
                "(training ids must be turned back into label ids)"
            )
    return truth_HW, prediction_HW


def _as_matrix(pairs: PairCounts) -> NDArray[np.int64]:
    count_LL = np.zeros((NUM_LABELS, NUM_LABELS), np.int64)
    count_LL[pairs.first_P, pairs.second_P] = pairs.count_P
    return count_LL


def weigh_instances(
    instance_N: LabelMap, prediction_N: LabelMap, length_N: NDArray[np.int64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add up the found and missed pixels of instances, each weighted by its class's average size over its own.

    Args:
        instance_N: 1000 * label id + number for instances, of every pixel or run; what is not above 1000 is none.
        prediction_N: predicted label ids.
        length_N: pixels of each run; None if these are pixels.

    Returns:
        Weighted (found, missed) pixels of the classes of ``INSTANCE_LABELS`` [K, 2] and of the categories of
        ``INSTANCE_CATEGORIES`` [G, 2].
    """
    chosen_N = instance_N > 1000
    instance_N, prediction_N = instance_N[chosen_N], prediction_N[chosen_N]
    pixels_N = np.ones(len(instance_N)) if length_N is None else length_N[chosen_N].astype(np.float64)
    label_N = instance_N.astype(np.int64) // 1000  # maps without objects may have 8 bits
    is_alike_N = _CATEGORY_L[prediction_N] == _CATEGORY_L[label_N]
    size_J, right_J, alike_J = (
        np.bincount(instance_N, pixels_N * good_N) for good_N in (1, prediction_N == label_N, is_alike_N)
    )
    class_K2 = np.zeros((len(INSTANCE_LABELS), 2))
    category_G2 = np.zeros((len(INSTANCE_CATEGORIES), 2))
    for index, label in enumerate(INSTANCE_LABELS):
        of_class = slice(1000 * label.id, 1000 * (label.id + 1))
        size = size_J[of_class]
        weight = np.divide(AVERAGE_INSTANCE_PX[label.name], size, out=np.zeros(len(size)), where=size > 0)
        for total_2, found in (
            (class_K2[index], right_J[of_class]),
            (category_G2[INSTANCE_CATEGORIES.index(label.category)], alike_J[of_class]),
        ):
            total_2 += (found @ weight, (size - found) @ weight)
    return class_K2, category_G2

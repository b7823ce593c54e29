"""Scores of the single images of an instance evaluation, and its best and worst images as label maps.

Shape legend: H, W pixels; I images.
"""

from __future__ import annotations

import json
import mmap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.lvis_records import LvisDataset, LvisImage
from methods.common.datasets.pictures import read_rgb
from methods.common.datasets.rle import decode_mask
from methods.common.metrics.detection.image_scores import found_per_image
from methods.common.metrics.detection.matching import Matches
from methods.common.metrics.score_files import PICTURES_FILE
from methods.common.stage import Inputs
from methods.common.stages.evaluation_files import Extremes, Shown, write_image_scores, write_shown

_BEGINS = b'{"image_id": '
_BETWEEN = b", " + _BEGINS
"""How the records of a results file of ours begin, and what is from one to the next."""
COUNTED = "guesses for the classes that are there"
"""Words of the picture with the detections by which the score goes; the prediction beside it shows as many, the surest of any class."""
_COLOURS = 250
"""Labels that classes share when they are drawn; 0 is background."""


def keep_image_scores(
    dataset: LvisDataset, matches: Matches, image_ids: Sequence[int], detections: Path, folder: Path
) -> None:
    """Write what share of each image's instances is found, and the images in which it is least and most.

    What counts as found: :func:`~methods.common.metrics.detection.image_scores.found_per_image`.

    Args:
        dataset: images and truth.
        matches: of masks.
        image_ids: of the images, in the order of ``matches``.
        detections: results file.
        folder: of the evaluation.
    """
    num_I, found_I = found_per_image(matches, len(image_ids))
    score_I = 100.0 * np.divide(found_I, num_I, out=np.full(len(num_I), np.nan), where=num_I > 0)
    images = {image.id: image for image in dataset.images}
    names = [dataset.image_candidates(images[image_id])[-1].name for image_id in image_ids]
    write_image_scores(folder, names, {"score": score_I, "instances": num_I, "found": found_I})
    extremes: Extremes[int] = Extremes()
    for index, score in enumerate(score_I.tolist()):
        extremes.offer(score, index, image_ids[index])
    chosen = extremes.chosen()
    found = _surest_first(detections, [image_id for *_, image_id in chosen])
    shown = [
        Shown(
            word,
            score,
            f"{names[index]}, {int(found_I[index])} of {int(num_I[index])} instances",
            read_rgb(dataset.image_path(images[image_id]), images[image_id].height, images[image_id].width),
            _truth(dataset, images[image_id]),
            _drawn(dataset, images[image_id], found[image_id][: int(num_I[index])]),
            {COUNTED: _drawn(dataset, images[image_id], _counted(dataset, image_id, found[image_id]))},
        )
        for word, score, index, image_id in chosen
    ]
    write_shown(folder, shown, "instances found")


@dataclass(frozen=True)
class LabelMaps:
    """Label maps that an evaluation keeps beside its list of pictures."""

    files: Sequence[Path]
    """One a picture, in their order; some may be gone for want of room."""
    names: Mapping[int, str]
    """Classes by value."""


def write_picture_list(
    dataset: LvisDataset, images: Path, inputs: Inputs, folder: Path, maps: LabelMaps | None = None
) -> None:
    """Write which pictures and classes the predictions beside it are of; see :data:`~methods.common.metrics.score_files.PICTURES_FILE`.

    Args:
        dataset: that was evaluated, with the classes that predictions name.
        images: the folder from which it names pictures.
        inputs: of the evaluation, one of which holds that folder.
        folder: of the evaluation.
        maps: label maps below it, where there are any.
    """
    role, below = next(
        (role, images.relative_to(place).as_posix())
        for role, places in inputs.roles.items()
        for place in places
        if images.is_relative_to(place)
    )
    pictures = [
        {
            "id": image.id,
            "width": image.width,
            "height": image.height,
            "file_name": dataset.image_path(image).relative_to(images).as_posix(),
        }
        for image in dataset.images
    ]
    categories = [{"id": category.id, "name": category.name} for category in dataset.classes]
    document: dict[str, Any] = {"role": role, "below": below, "images": pictures, "categories": categories}
    if maps is not None:
        files = [path.relative_to(folder).as_posix() for path in maps.files]
        document["label_maps"] = {"files": files, "names": {str(value): name for value, name in maps.names.items()}}
    (folder / PICTURES_FILE).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def _surest_first(detections: Path, image_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Read the detections of a few images, highest scores first.

    The file has those of an image together and may be larger than memory, so it is searched, not read.
    """
    with detections.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {
            image_id: sorted(_records_of(data, image_id), key=lambda record: -record["score"]) for image_id in image_ids
        }


def _counted(dataset: LvisDataset, image_id: int, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of detections, surest first, those by which the score goes: of each class as many as there are instances."""
    left = Counter(annotation.category_id for annotation in dataset.annotations[image_id])
    kept = []
    for record in records:
        if left[record["category_id"]] > 0:
            left[record["category_id"]] -= 1
            kept.append(record)
    return kept


def _records_of(data: mmap.mmap, image_id: int) -> Iterator[dict[str, Any]]:
    """Go through the records of one image, which lie one after another."""
    begins = b'{"image_id": %d, ' % image_id
    start = data.find(begins)
    while start >= 0 and data[start : start + len(begins)] == begins:
        stop = data.find(_BETWEEN, start)
        yield json.loads(data[start : stop if stop >= 0 else data.rfind(b"]")])
        start = stop + len(_BETWEEN) - len(_BEGINS) if stop >= 0 else -1


def _label(dataset: LvisDataset, category_id: int) -> int:
    return 1 + dataset.class_index[category_id] % _COLOURS


def _truth(dataset: LvisDataset, image: LvisImage) -> NDArray[np.uint8]:
    """Every instance in the colour of its class, small ones above large ones: uint8 [H, W]."""
    label_HW = np.zeros((image.height, image.width), np.uint8)
    for annotation in sorted(dataset.annotations[image.id], key=lambda one: -one.area):
        label_HW[annotation.mask(image.height, image.width)] = _label(dataset, annotation.category_id)
    return label_HW


def _drawn(dataset: LvisDataset, image: LvisImage, records: list[dict[str, Any]]) -> NDArray[np.uint8]:
    """Detections in the colours of their classes, surer ones above: uint8 [H, W]."""
    label_HW = np.zeros((image.height, image.width), np.uint8)
    for record in reversed(records):
        label_HW[decode_mask(record["segmentation"])] = _label(dataset, record["category_id"])
    return label_HW

"""Cityscapes' frames as panoptic annotations: a JSON that lists each frame's segments, and a PNG that draws them.

Ids of segments are those of the maps of instance ids: 1000 * label id + number for an instance; the label id alone for a class without
instances, and for a group of a class that has some, which is a crowd. Ignored classes are void. Files are those that
``createPanopticImgs`` of cityscapesScripts 2.3.0 writes with label ids.

Shape legend: H, W pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes import CityscapesFrame
from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS, FIRST_INSTANCE_ID, LABEL_BY_ID
from methods.common.datasets.id_maps import pixels_by_id
from methods.common.files import write_atomic

PANOPTIC_SUFFIX = "_panoptic.png"


def write_panoptic_truth(frames: Sequence[CityscapesFrame], file: Path) -> None:
    """Write ground truth of some frames: ``file``, and a PNG each in the folder of its name without ``.json``.

    Raises:
        InputError: a map of ids is missing or faulty.
    """
    annotations = []
    for frame in frames:
        id_HW = frame.read_instance_ids()
        segments = segments_in(id_HW)
        kept_HW = np.where(np.isin(id_HW, [one["id"] for one in segments]), id_HW, 0).astype(np.uint16)
        write_segments(file.with_suffix("") / f"{frame.name}{PANOPTIC_SUFFIX}", kept_HW)
        annotations.append(_annotation(frame.name, segments))
    write_atomic(file, json.dumps({"annotations": annotations, "categories": _categories()}).encode())


def write_panoptic_results(segments: Mapping[str, Sequence[Mapping[str, Any]]], file: Path) -> None:
    """Write the JSON of predictions whose PNGs lie in the folder of its name without ``.json``.

    Args:
        segments: by frame, those of its PNG; see :func:`segments_in`.
        file: the JSON.
    """
    annotations = [_annotation(name, found) for name, found in segments.items()]
    write_atomic(file, json.dumps({"annotations": annotations}).encode())


def segments_in(id_HW: NDArray[np.uint16]) -> list[dict[str, Any]]:
    """List the segments of the 19 evaluated classes in a map of ids, by id: ``id``, ``category_id`` (label id), ``area`` and ``iscrowd``."""
    counts, found = pixels_by_id(id_HW), []
    for id in np.flatnonzero(counts).tolist():
        alone = id < FIRST_INSTANCE_ID
        label = LABEL_BY_ID[id if alone else id // FIRST_INSTANCE_ID]
        if not label.ignored:
            crowd = int(alone and label.has_instances)
            found.append({"id": id, "category_id": label.id, "area": int(counts[id]), "iscrowd": crowd})
    return found


def write_segments(path: Path, id_HW: NDArray[np.uint16]) -> None:
    """Write a map of ids as the RGB of a panoptic PNG, R + 256 G, atomically; folders are made."""
    import cv2

    rgb_HW3 = np.stack([id_HW & 255, id_HW >> 8, np.zeros_like(id_HW)], axis=-1).astype(np.uint8)
    ok, encoded = cv2.imencode(".png", rgb_HW3[..., ::-1])
    assert ok, f"cannot encode a map of shape {id_HW.shape}"
    write_atomic(path, bytes(encoded))


def _annotation(name: str, segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"image_id": name, "file_name": f"{name}{PANOPTIC_SUFFIX}", "segments_info": list(segments)}


def _categories() -> list[dict[str, Any]]:
    return [{"id": one.id, "name": one.name, "isthing": int(one.has_instances)} for one in EVALUATED_LABELS]

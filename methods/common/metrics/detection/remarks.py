"""What is odd about annotations and detections though each record is sound: said under the numbers.

The remarks hold whoever computes the numbers, this package or the official one.

Shape legend: N annotations or detections in file order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from methods.common.datasets.faulty_records import named
from methods.common.datasets.record_rules import distant_areas
from methods.common.metrics.detection.annotations import Annotations
from methods.common.metrics.detection.ground_truth import Bools, Floats, Ints
from methods.common.metrics.detection.overlaps import Overlap


def annotation_remarks(
    annotations: Annotations, counted_N: Bools, sized_N: Bools, overlap: Overlap, package: str
) -> tuple[str, ...]:
    """Say which instances no detection can find, and which have an area that is not their shape's.

    Args:
        annotations: all of a file.
        counted_N: those that have to be found.
        sized_N: those whose `area` has a say in that, or in which objects are small, medium and large.
        overlap: what is compared.
        package: the official one, for its treatment of id 0.
    """
    remarks = []
    if (annotations.id_N == 0).any():
        remarks.append(
            f"annotation 0: {package} takes the id 0 for 'not matched', so that with it (--official) this object never counts "
            "as found; here it counts like any other"
        )
    empty = np.flatnonzero((annotations.extent_N == 0) & counted_N)
    if len(empty):
        lack = "without area" if overlap == "bbox" else "without a pixel inside their image"
        remarks.append(
            f"objects to find {lack}: {len(empty):,} (first: annotation {annotations.id_N[empty[0]]}); no detection can find them, "
            "so that AP and AR cannot reach 1"
        )
    return (*remarks, *_area_remarks(annotations, sized_N, overlap, package))


def _area_remarks(annotations: Annotations, sized_N: Bools, overlap: Overlap, package: str) -> list[str]:
    of_masks = overlap != "bbox"
    is_other_N = distant_areas(annotations.area_N, annotations.extent_N, annotations.box_N4, of_masks=of_masks)
    places = np.flatnonzero(is_other_N & sized_N)
    if not len(places):
        return []
    area, extent = annotations.area_N[places[0]], annotations.extent_N[places[0]]
    ids = named(annotations.id_N[places].astype(str).tolist())
    whose = "annotation" if len(places) == 1 else "annotations"
    shape = "mask" if of_masks else "box"
    left_out = "" if package != "lvis-api" else ", and what has the area 0 takes no part"
    return [
        f"`area` of {len(places):,} of {len(annotations.area_N):,} annotations is not that of the {shape} (the first: {area:g}, its {shape} has "
        f"{extent:g}; {whose} {ids}); small, medium and large go by `area`, as in {package}{left_out}"
    ]


def detection_remarks(
    detections: Path | Sequence[Mapping[str, Any]], score_N: Floats, overlap: Overlap
) -> tuple[str, ...]:
    """Say where scores give no order, and where boxes beside masks are not looked at.

    Args:
        detections: results file or records.
        score_N: of all detections.
        overlap: what is compared.
    """
    remarks = []
    if len(score_N) > 1 and score_N.min() == score_N.max():
        remarks.append(
            f"all {len(score_N):,} detections have the score {score_N[0]:g}; which of them count first is then the order of the "
            "file, and AP depends on it"
        )
    if overlap != "bbox" and len(score_N) and {"bbox", "segmentation"} <= set(_first_record(detections)):
        remarks.append(
            "the detections hold boxes and masks; their area here (--official too) is that of the masks, while the official "
            "package called on the same file takes the boxes', which moves the numbers of small, medium and large objects"
        )
    return tuple(remarks)


def left_out_classes(
    names: Sequence[str], num_counted_K: Floats, num_annotations_K: Ints, ignored: str
) -> dict[str, list[str]]:
    """Return the classes that no mean takes, by reason.

    Args:
        names: of the classes.
        num_counted_K: instances that have to be found.
        num_annotations_K: annotations of any kind.
        ignored: the reason of classes that have annotations, none of which has to be found.
    """
    columns = list(zip(names, num_counted_K.tolist(), num_annotations_K.tolist(), strict=True))
    return {
        "without instances": [name for name, _, in_all in columns if not in_all],
        ignored: [name for name, counted, in_all in columns if in_all and not counted],
    }


_CHUNK = 2**20


def _first_record(detections: Path | Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first record, which tells the official packages what a results file holds."""
    if not isinstance(detections, Path):
        return detections[0] if detections else {}
    with detections.open(encoding="utf-8-sig", errors="replace") as file:
        text = file.read(_CHUNK)
        found = _first_object(text)
        return (
            _first_object(text + file.read()) or {} if found is None else found
        )  # a first record longer than the chunk


def _first_object(text: str) -> Mapping[str, Any] | None:
    try:
        return dict(json.JSONDecoder().raw_decode(text, text.index("{"))[0])
    except ValueError:
        return None

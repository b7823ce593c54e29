"""Drawing the view as COCO panoptic: images, segment maps and records below one folder. ``coco_panoptic_view.py`` holds what is asked for.

Shape legend: H, W pixels; 3 colours. Source: our choice; keys as in COCO 2017.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_panoptic import write_segments
from methods.common.datasets.rle import encode_mask
from methods.common.files import write_atomic
from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.stuff_drawing import Split, StuffScene, draw_scenes, write_captions, write_image
from methods.common.stage import Context, Record

if TYPE_CHECKING:
    from methods.common.miniature.coco_panoptic_view import DrawCocoPanopticConfig

_FIRST_STUFF_ID = 92  # as in COCO
_FIRST_IMAGE_ID: dict[Split, int] = {"train": 1, "val": 500_001}
"""So that no name occurs in both splits, as in COCO."""


def thing_id(category: int) -> int:
    """Return the id of a thing's category; every sixth number is left out, as some are in COCO."""
    return category + category // 5 + 1


def stuff_id(background: int) -> int:
    """Return the id of a background's category; every fourth number is left out."""
    return _FIRST_STUFF_ID + background + background // 3


@dataclass
class _Split:
    """The records of one split in the making."""

    images: list[dict[str, Any]] = field(default_factory=list)
    panoptic: list[dict[str, Any]] = field(default_factory=list)
    instances: list[dict[str, Any]] = field(default_factory=list)
    captions: list[dict[str, Any]] = field(default_factory=list)


def segments_of(
    drawn: StuffScene, crowd: bool
) -> tuple[NDArray[np.uint16], list[tuple[int, int, NDArray[np.bool_], bool]]]:
    """Return a scene's map of segment ids, and each segment's id, category id, mask and whether it is a crowd.

    Args:
        drawn: the scene.
        crowd: whether objects of the class that occurs most often become one segment; with one object of each it is left.
    """
    counts = Counter(instance.category for instance in drawn.things)
    crowded = next((category for category, count in counts.most_common(1) if crowd and count > 1), None)
    label_HW = drawn.class_HW
    segments = [(stuff_id(drawn.stuff_class), label_HW == 1 + drawn.stuff_class, False)]
    segments += [(thing_id(one.category), one.mask_HW, False) for one in drawn.things if one.category != crowded]
    if crowded is not None:
        together_HW = label_HW == 1 + len(BACKGROUNDS) + crowded
        segments.append((thing_id(crowded), together_HW, True))
    id_HW, found = np.zeros(label_HW.shape, np.uint16), []
    for number, (category_id, mask_HW, is_crowd) in enumerate(segments, start=1):
        if mask_HW.any():
            id_HW[mask_HW] = number
            found.append((number, category_id, mask_HW, is_crowd))
    return id_HW, found


def draw_splits(
    config: DrawCocoPanopticConfig, plans: Mapping[Split, Sequence[Sequence[int]]], context: Context
) -> Record:
    """Draw both splits below ``context.out``.

    Args:
        config: sizes and looks.
        plans: the things that each image of a split shows.
        context: folder, data seed and progress.

    Returns:
        numbers of images, classes, segments and crowds.
    """
    told: list[tuple[str, str]] = []
    segments: list[dict[str, Any]] = []
    for split, plan in plans.items():
        if not plan:
            continue
        records = _Split()
        (context.out / f"{split}2017").mkdir(parents=True, exist_ok=True)
        for index, drawn in enumerate(draw_scenes(split, plan, config, context.seeds)):
            image_id = _FIRST_IMAGE_ID[split] + index
            name = f"{image_id:012d}"
            crowd = context.seeds.numpy("data", "stuff scenes", split, index, "crowd").uniform() < config.crowd_share
            write_image(context.out / f"{split}2017" / f"{name}.png", drawn.scene.image_HW3)
            _record(drawn, crowd, image_id, context.out / "annotations" / f"panoptic_{split}2017", records)
            told.append((name, drawn.caption))
            context.progress(index + 1, len(plan), f"{split} images")
        _write(context.out / "annotations", split, records, config.num_things)
        segments += [segment for annotation in records.panoptic for segment in annotation["segments_info"]]
    write_captions(context.out, told)
    return {
        **{f"num_{split}_images": len(plan) for split, plan in plans.items()},
        "num_classes": len(BACKGROUNDS) + config.num_things,
        "num_segments": len(segments),
        "num_crowds": sum(segment["iscrowd"] for segment in segments),
    }


def _record(drawn: StuffScene, crowd: bool, image_id: int, folder: Path, records: _Split) -> None:
    """Write the segment map of an image and add its records."""
    height, width = drawn.scene.image_HW3.shape[:2]
    name = f"{image_id:012d}"
    id_HW, found = segments_of(drawn, crowd)
    write_segments(folder / f"{name}.png", id_HW)
    segments = []
    for number, category_id, mask_HW, is_crowd in found:
        common = {
            "category_id": category_id,
            "area": int(mask_HW.sum()),
            "bbox": _box(mask_HW),
            "iscrowd": int(is_crowd),
        }
        segments.append({"id": number, **common})
        if category_id < _FIRST_STUFF_ID:
            annotation_id = len(records.instances) + 1
            records.instances.append(
                {"id": annotation_id, "image_id": image_id, "segmentation": encode_mask(mask_HW), **common}
            )
    records.images.append({"id": image_id, "file_name": f"{name}.png", "height": height, "width": width})
    records.panoptic.append({"image_id": image_id, "file_name": f"{name}.png", "segments_info": segments})
    records.captions.append({"id": image_id, "image_id": image_id, "caption": drawn.caption})


def _box(mask_HW: NDArray[np.bool_]) -> list[int]:
    """Left, top, width, height."""
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    return [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1]


def _write(folder: Path, split: Split, records: _Split, num_things: int) -> None:
    things: list[dict[str, Any]] = [
        {"id": thing_id(k), "name": name, "supercategory": "thing"}
        for k, name in enumerate(CATEGORY_NAMES[:num_things])
    ]
    stuff: list[dict[str, Any]] = [
        {"id": stuff_id(k), "name": name, "supercategory": "stuff"} for k, name in enumerate(BACKGROUNDS)
    ]
    all_categories = [{**one, "isthing": int(one in things)} for one in (*things, *stuff)]
    files = {
        "panoptic": {"images": records.images, "annotations": records.panoptic, "categories": all_categories},
        "instances": {"images": records.images, "annotations": records.instances, "categories": things},
        "captions": {"images": records.images, "annotations": records.captions},
    }
    for kind, document in files.items():
        write_atomic(folder / f"{kind}_{split}2017.json", json.dumps(document).encode())

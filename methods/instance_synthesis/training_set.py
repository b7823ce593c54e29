"""What a segmenter is trained on: real frames, perhaps a share of them, and the samples that were made of just these.

Real frames and samples lie in folders of their own; the records of all of them name files below the one folder that holds them all.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from methods.common.datasets.cityscapes import find_frames, frame_of_image, read_cityscapes
from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS, Segments
from methods.common.datasets.limited import limited_names
from methods.common.datasets.lvis_records import (
    LvisAnnotation,
    LvisCategory,
    LvisDataset,
    LvisImage,
    annotation_from_mask,
    frequency_group,
)
from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.instance_synthesis.frame_files import CocoFrames, Layout
from methods.instance_synthesis.manifest import SAMPLES_FILE, SampleRow, read_rows
from methods.instance_synthesis.novel import NovelClasses
from methods.instance_synthesis.sample_files import SPLIT


@dataclass(frozen=True)
class Shares:
    """How much of what there is a segmenter is trained on."""

    percent: int = 100
    """Of the real frames, in (0, 100]; samples of the others go with them."""
    synthetic_percent: int | None = None
    """Of samples among all training images, in [0, 100); None for every sample."""


def read_training_set(
    data: Path,
    layout: Layout,
    split: str,
    samples: Sequence[Path],
    shares: Shares,
    seeds: Seeds,
    segments: Segments = "things",
    novel: NovelClasses | None = None,
) -> LvisDataset:
    """Read real frames and samples as one set of records.

    Args:
        data: the data set's folder.
        layout: in which it lies; samples lie in the same.
        split: of the real frames.
        samples: integration cells, none for real frames alone.
        shares: how much of both.
        seeds: the data seed draws shares: smaller ones lie inside larger ones, and are the same whatever the samples show [C D2].
        segments: see :func:`read_frames`.
        novel: classes of which only some instances may be known, or none; None where all are.

    Raises:
        InputError: a file is missing or faulty, or there are too few samples for the share.
    """
    novel = novel or NovelClasses()
    real = read_frames(data, layout, split, segments)
    frames = {image.id: _frame_name(image, layout) for image in real.images}
    kept = set(limited_names(list(frames.values()), shares.percent / 100, seeds))
    kept = kept if novel.support is None else kept & novel.support.keys()
    real = _only(real, [image for image in real.images if frames[image.id] in kept])
    real = novel.hidden(real, layout, frames)
    known = {frames[image.id] for image in real.images}
    parts, left = [real], []
    for folder in samples:
        rows = read_rows(folder / SAMPLES_FILE, SampleRow)
        of_known = {row.name for row in rows if row.frame in known}
        if of_known:
            part, frame_of = read_frames(folder, layout, SPLIT, segments), {row.name: row.frame for row in rows}
            parts.append(
                novel.hidden(part, layout, {image.id: frame_of[_sample_name(image, layout)] for image in part.images})
            )
            left.append(of_known)
    chosen = _chosen(set().union(*left), len(real.images), shares.synthetic_percent, seeds)
    parts[1:] = [
        _only(part, [image for image in part.images if _sample_name(image, layout) in chosen]) for part in parts[1:]
    ]
    return joined(parts)


def read_frames(folder: Path, layout: Layout, split: str, segments: Segments = "things") -> LvisDataset:
    """Read the records of one split in either layout; the evaluated classes of Cityscapes, or every class of COCO. Groups are left out.

    Images and classes keep the ids of a COCO file.

    Args:
        folder: the data set's.
        layout: in which it lies.
        split: such as ``train``.
        segments: whether regions of Cityscapes' classes without instances are records, too.

    Raises:
        InputError: a file is missing or faulty, or stuff is asked for of COCO's layout, which has none.
    """
    if layout == "cityscapes":
        return read_cityscapes(find_frames(folder, split), folder, segments)
    if segments != "things":
        raise InputError(
            f"{folder} lies in COCO's layout, which has no regions of stuff; set source.segments to things, or give Cityscapes' layout"
        )
    source = CocoFrames(folder, split)
    images, annotations = [], {}
    for name in source.names:
        frame, number = source.read(name, with_image=False), int(name)
        height, width = frame.size
        path = source.image_path(name).relative_to(folder).as_posix()
        images.append(LvisImage(number, width, height, file_name=path))
        annotations[number] = [
            annotation_from_mask(place, number, source.class_ids[one.class_name], frame.mask(one))
            for place, one in enumerate(frame.instances, start=1)
            if not one.is_group and frame.mask(one).any()
        ]
    categories = [LvisCategory(id, name, "f") for name, id in source.class_ids.items()]
    return LvisDataset(categories, images, annotations, folder, source.own.dataset.annotation_file)


def joined(parts: Sequence[LvisDataset]) -> LvisDataset:
    """Join sets whose classes have the same names, or some of those of the first, into one below the folder that holds all of them.

    Images and annotations are numbered anew, part after part; counts and frequency groups are those of the whole.
    """
    folders = [part.image_root for part in parts]
    assert all(folder is not None for folder in folders), "every part has a folder"
    root = Path(os.path.commonpath([str(folder.resolve()) for folder in folders if folder is not None]))
    id_of = {category.name: category.id for category in parts[0].categories}
    images: list[LvisImage] = []
    annotations: dict[int, list[LvisAnnotation]] = {}
    num_before = 0
    for part in parts:
        assert part.image_root is not None
        class_id = {category.id: id_of[category.name] for category in part.categories}
        for image in part.images:
            number = len(images) + 1
            path = (part.image_root.resolve() / (image.file_name or "")).relative_to(root)
            images.append(replace(image, id=number, file_name=path.as_posix()))
            annotations[number] = [
                replace(one, id=num_before + place, image_id=number, category_id=class_id[one.category_id])
                for place, one in enumerate(part.annotations[image.id], start=1)
            ]
            num_before += len(annotations[number])
    return LvisDataset(_counted(parts[0].categories, annotations), images, annotations, root)


def instances_by_class(dataset: LvisDataset, segments: Segments = "things") -> dict[str, int]:
    """Count the instances of each class by its name, in the order of the class indices; regions of stuff are no instances.

    Args:
        dataset: the records.
        segments: what they hold, see :func:`read_frames`.
    """
    things = {label.name for label in INSTANCE_LABELS}
    return {
        category.name: category.instance_count
        for category in dataset.classes
        if segments == "things" or category.name in things
    }


def _counted(
    categories: Sequence[LvisCategory], annotations: Mapping[int, Sequence[LvisAnnotation]]
) -> list[LvisCategory]:
    learnt = [[one.category_id for one in found if not one.crowd] for found in annotations.values()]
    instances = Counter(known for found in learnt for known in found)
    images = Counter(known for found in learnt for known in set(found))
    return [
        replace(
            category,
            frequency=frequency_group(images[category.id]),
            image_count=images[category.id],
            instance_count=instances[category.id],
        )
        for category in categories
    ]


def _only(dataset: LvisDataset, images: list[LvisImage]) -> LvisDataset:
    kept = {image.id: dataset.annotations[image.id] for image in images}
    return LvisDataset(dataset.categories, images, kept, dataset.image_root)


def _chosen(names: set[str], num_real: int, percent: int | None, seeds: Seeds) -> set[str]:
    if percent is None:
        return names
    count = round(num_real * percent / (100 - percent))
    if count > len(names):
        raise InputError(
            f"{percent} % samples beside {num_real} real images are {count}, but there are {len(names)}; ask for a smaller share"
        )
    return set(sorted(names, key=lambda name: seeds.derive("data", "share of samples", name))[:count])


def _frame_name(image: LvisImage, layout: Layout) -> str:
    """As samples call the frame that they were made of."""
    return frame_of_image(image) if layout == "cityscapes" else str(image.id)


def _sample_name(image: LvisImage, layout: Layout) -> str:
    return frame_of_image(image) if layout == "cityscapes" else Path(image.file_name or "").stem

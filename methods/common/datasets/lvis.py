"""Read, check and write instance data in the LVIS v1 layout (v0.5 files, which add `file_name`, read as well)."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np

from methods.common.datasets import lvis_checks as checks
from methods.common.datasets.lvis_records import (
    Frequency,
    LvisAnnotation,
    LvisCategory,
    LvisDataset,
    LvisImage,
    Polygons,
    annotation_from_mask,
    frequency_group,
)
from methods.common.datasets.pictures import check_whole
from methods.common.datasets.record_rules import LARGEST_SIDE_PX
from methods.common.errors import InputError, reason
from methods.common.files import write_atomic

__all__ = [
    "Frequency",
    "LvisAnnotation",
    "LvisCategory",
    "LvisDataset",
    "LvisImage",
    "Polygons",
    "annotation_from_mask",
    "frequency_group",
    "read_categories",
    "read_images",
    "read_lvis",
    "write_lvis",
]

CheckImages = Literal["none", "exists", "decode"]


def read_lvis(
    annotation_file: Path,
    image_root: Path | None = None,
    check_images: CheckImages = "exists",
    *,
    allow_no_annotations: bool = False,
) -> LvisDataset:
    """Read an LVIS file and check all of it once, so that nothing behind it needs to.

    Args:
        annotation_file: LVIS v1 JSON.
        image_root: folder that holds the images; None when they are not needed (then none is checked).
        check_images: `exists` looks for every file, its stated size and its end; `decode` also decodes it.
        allow_no_annotations: accept a file whose images hold no instance, as ground truth may.

    Raises:
        InputError: the file is unreadable or not LVIS, or a record or an image is faulty; the message names file,
            record and field. Outlines may pass the border by the tolerance of :mod:`lvis_checks`.
    """
    store = checks.PolygonStore()
    raw = parse_annotation_file(annotation_file, store)
    kinds = {"category": "categories", "image": "images", "annotation": "annotations"}
    of_categories, of_images, of_annotations = (
        checks.RecordTable(annotation_file, kind, raw[key]).check_names(checks.FIELDS[kind])
        for kind, key in kinds.items()
    )
    categories = read_categories(of_categories)
    images = read_images(of_images, categories)
    annotations = read_annotations(of_annotations, store, images, categories)
    if not annotations and not allow_no_annotations:
        raise InputError(f"{annotation_file}: there is no annotation in it; annotate at least one instance")
    by_image: dict[int, list[LvisAnnotation]] = {image.id: [] for image in images}
    for annotation in annotations:
        by_image[annotation.image_id].append(annotation)
    dataset = LvisDataset(categories, images, by_image, image_root, annotation_file)
    if image_root is not None and check_images != "none":
        _check_images(dataset, decode=check_images == "decode")
    return dataset


def parse_annotation_file(file: Path, store: checks.PolygonStore) -> dict[str, Any]:
    """Read the JSON of a file with `images`, `annotations` and `categories`; the outlines go into the store.

    Raises:
        InputError: it cannot be read, is no JSON, or lacks one of the three.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); name an existing annotation file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text; name an annotation file in JSON, saved as UTF-8") from error
    try:
        raw: Any = json.loads(text, object_hook=store.absorb)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{file} is not readable JSON ({reason(error)}); download or write it again") from error
    content: dict[str, Any] = raw if isinstance(raw, dict) else {}
    for key in ("images", "annotations", "categories"):
        if key not in content:
            raise InputError(f"{file} is no annotation file of COCO or LVIS: it has no `{key}`; name one that has")
    return content


def read_categories(table: checks.RecordTable) -> list[LvisCategory]:
    """Check and return the classes."""
    if not table.records:
        raise InputError(f"{table.file}: `categories` is empty; list at least one class")
    table.unique_ids()
    names = table.values("name", (str,), "the class name")
    for index, name in enumerate(names):
        if not name.strip():
            table.blame(index, "name", "is blank", "write the class name")
    for index, frequency in enumerate(table.values("frequency", (str,), '"r", "c" or "f"')):
        if frequency not in ("r", "c", "f"):
            table.blame(index, "frequency", f"is {frequency!r:.20}", 'write "r", "c" or "f"')
    return [_category(table, index) for index in range(len(names))]


def _category(table: checks.RecordTable, index: int) -> LvisCategory:
    record = table.records[index]
    counts = {key: record.get(key, 0) for key in ("image_count", "instance_count")}
    for key, count in counts.items():
        if type(count) is not int or count < 0:
            table.blame(index, key, f"is {count!r:.40}", "write a count of training images or instances")
    synonyms = record.get("synonyms", [])
    texts = {key: record.get(key, "") for key in ("synset", "def")}
    if not isinstance(synonyms, list) or not all(isinstance(word, str) for word in synonyms):
        table.blame(index, "synonyms", "is not a list of texts", "write a list of names")
    for key, text in texts.items():
        if not isinstance(text, str):
            table.blame(index, key, "is not text", "write text, or leave it out")
    return LvisCategory(
        id=int(record["id"]),
        name=record["name"],
        frequency=record["frequency"],
        synonyms=tuple(synonyms),
        synset=texts["synset"],
        definition=texts["def"],
        **counts,
    )


def read_images(table: checks.RecordTable, categories: list[LvisCategory]) -> list[LvisImage]:
    """Check and return the images."""
    if not table.records:
        raise InputError(f"{table.file}: `images` is empty; list at least one image")
    class_ids = np.array([category.id for category in categories], np.int64)
    ids = table.unique_ids()
    widths, heights = (table.integers(side, 1, LARGEST_SIDE_PX) for side in ("width", "height"))
    negative = table.id_lists("neg_category_ids", class_ids)
    not_exhaustive = table.id_lists("not_exhaustive_category_ids", class_ids)
    for index, record in enumerate(table.records):
        for key in ("coco_url", "file_name"):
            if not isinstance(record.get(key, ""), str):
                table.blame(index, key, f"is {record[key]!r:.40}", "write text, or leave it out")
    columns = zip(ids.tolist(), widths.tolist(), heights.tolist(), negative, not_exhaustive, table.records, strict=True)
    return [
        LvisImage(
            id=image_id,
            width=width,
            height=height,
            coco_url=record.get("coco_url", ""),
            file_name=record.get("file_name"),
            neg_category_ids=neg,
            not_exhaustive_category_ids=open_ended,
            license=record.get("license"),
        )
        for image_id, width, height, neg, open_ended, record in columns
    ]


def read_annotations(
    table: checks.RecordTable,
    store: checks.PolygonStore,
    images: list[LvisImage],
    categories: list[LvisCategory],
) -> list[LvisAnnotation]:
    """Check and return the annotations, whose outlines are in the store."""
    if not table.records:
        return []
    ids = table.unique_ids()
    image_ids = np.array([image.id for image in images], np.int64)
    category_ids = np.array([category.id for category in categories], np.int64)
    image_index = checks.references(table, "image_id", image_ids)
    category_index = checks.references(table, "category_id", category_ids)
    width_N = np.array([image.width for image in images], np.int64)[image_index]
    height_N = np.array([image.height for image in images], np.int64)[image_index]
    box_N4 = checks.boxes(table, width_N, height_N)
    area_N = checks.areas(table)
    masks = checks.segmentations(table, store, width_N, height_N)
    flags = table.flags("ignore"), table.flags("iscrowd")
    columns = (ids, image_ids[image_index], category_ids[category_index], area_N, *flags)
    rows = zip(*(column.tolist() for column in columns), box_N4.tolist(), masks, strict=True)
    return [
        LvisAnnotation(
            id,
            image_id,
            category_id,
            mask,
            (x, y, width, height),
            area,
            ignore,
            crowd,
        )
        for id, image_id, category_id, area, ignore, crowd, (x, y, width, height), mask in rows
    ]


def _check_images(dataset: LvisDataset, decode: bool) -> None:
    """Look at every image file; the first fault in file order is raised."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        for start in range(0, len(dataset.images), 256):
            list(pool.map(lambda image: check_image(dataset, image, decode), dataset.images[start : start + 256]))


def check_image(dataset: LvisDataset, image: LvisImage, decode: bool) -> None:
    """Make sure that an image's file is whole and has the size that its record states.

    Raises:
        InputError: it is missing, no picture, cut short, of another size or depth, or does not tell which way up it was annotated.
    """
    path = dataset.image_path(image)
    where = f"{dataset.annotation_file}, image {image.id}: "
    try:
        header = check_whole(path, decode)
        orientation = header.orientation_for(image.height, image.width)
    except InputError as error:
        raise InputError(f"{where}{error}") from error
    if orientation is None:
        raise InputError(
            f"{where}{path} is {header.told_size()} but fields `width`, `height` say {image.width}x{image.height}; "
            "correct the record or replace the file"
        )


def write_lvis(dataset: LvisDataset, annotation_file: Path) -> None:
    """Write a dataset with the official v1 keys, atomically. Reading it back gives the same records."""
    images = [_image_record(image) for image in dataset.images]
    content = {
        "info": {"description": "LVIS v1 layout", "version": "1.0"},
        "licenses": [],
        "images": images,
        "annotations": [_annotation_record(annotation) for annotation in dataset.iter_annotations()],
        "categories": [_category_record(category) for category in dataset.categories],
    }
    write_atomic(annotation_file, json.dumps(content).encode())


def _image_record(image: LvisImage) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": image.id,
        "width": image.width,
        "height": image.height,
        "coco_url": image.coco_url,
        "neg_category_ids": list(image.neg_category_ids),
        "not_exhaustive_category_ids": list(image.not_exhaustive_category_ids),
    }
    optional = {"file_name": image.file_name, "license": image.license}
    return record | {key: value for key, value in optional.items() if value is not None}


def _annotation_record(annotation: LvisAnnotation) -> dict[str, Any]:
    shape = annotation.segmentation
    record: dict[str, Any] = {
        "id": annotation.id,
        "image_id": annotation.image_id,
        "category_id": annotation.category_id,
        "segmentation": [polygon.tolist() for polygon in shape] if isinstance(shape, tuple) else dict(shape),
        "bbox": list(annotation.bbox_xywh),
        "area": annotation.area,
    }
    return record | ({"ignore": 1} if annotation.ignore else {}) | ({"iscrowd": 1} if annotation.crowd else {})


def _category_record(category: LvisCategory) -> dict[str, Any]:
    return {
        "id": category.id,
        "name": category.name,
        "synonyms": list(category.synonyms),
        "synset": category.synset,
        "def": category.definition,
        "frequency": category.frequency,
        "image_count": category.image_count,
        "instance_count": category.instance_count,
    }

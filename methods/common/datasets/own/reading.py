"""Own data with instance masks, read: both splits found, completed, checked as a whole, every image looked at, and held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from methods.common.datasets import lvis
from methods.common.datasets.faulty_records import FaultyRecordsError, gather, named, raise_all
from methods.common.datasets.file_names import common_form
from methods.common.datasets.lvis_checks import FIELDS, PolygonStore, RecordTable
from methods.common.datasets.lvis_records import Frequency, LvisAnnotation, LvisCategory, LvisDataset, LvisImage
from methods.common.datasets.own import completion
from methods.common.datasets.own.annotation_files import annotation_file, told_name
from methods.common.datasets.own.completion import Completed
from methods.common.datasets.own.picture_files import PictureFiles
from methods.common.datasets.own.rules import annotations_of_other_areas, check_annotations, covers_no_pixel
from methods.common.errors import InputError

CheckImages = Literal["none", "exists", "decode"]
_BLOCK = 256


@dataclass(frozen=True)
class OwnSplit:
    """One split of own data."""

    dataset: LvisDataset
    notes: tuple[str, ...]
    """What was derived or left out, one sentence each."""
    changed: bool
    """Whether the file itself says something else, so that readers of the file would see other data."""


@dataclass(frozen=True)
class OwnData:
    """Both splits of own data, which list the same classes."""

    train: OwnSplit
    val: OwnSplit

    @property
    def notes(self) -> tuple[str, ...]:
        """What was derived or left out, and what says less than it seems."""
        told = [
            *_told_of_images(_files(self.train.dataset), _files(self.val.dataset)),
            *_told_of_unlearned(self.train.dataset, self.val.dataset),
        ]
        return (*self.train.notes, *self.val.notes, *told)


def _told_of_images(trained: list[Path], rated: list[Path]) -> list[str]:
    """Say which pictures several records have."""
    told = []
    again = [path for path, number in Counter(trained).items() if number > 1]
    if again:
        told.append(
            f"{len(again):,} images of train are listed more than once (first: {again[0].name}), so what is held out of training may be in it"
        )
    known = set(trained)
    both = [path for path in rated if path in known]
    if both:
        told.append(
            f"{len(both):,} images of val are images of train too (first: {both[0].name}), so val says less than it seems"
        )
    return told


def _told_of_unlearned(train: LvisDataset, val: LvisDataset) -> list[str]:
    """Say which classes are rated and never trained on."""
    learned = {annotation.category_id for annotation in train.iter_annotations()}
    rated = {annotation.category_id for annotation in val.iter_annotations()}
    lacking = [train.category_by_id[class_id].name for class_id in sorted(rated - learned)]
    if not lacking:
        return []
    return [
        f"classes that val holds and train does not, of which nothing is learned and which count as missed: {len(lacking):,} "
        f"({named(lacking)})"
    ]


def _files(dataset: LvisDataset) -> list[Path]:
    return [dataset.image_path(image) for image in dataset.images] if dataset.image_root is not None else []


def read_own(folder: Path, check_images: CheckImages = "exists", *, keep_crowds: bool = False) -> OwnData:
    """Read the splits ``train`` and ``val`` of own data (docs/own-data.md).

    Args:
        folder: holds the annotation files and the images.
        check_images: ``exists`` looks at every image's size, end, depth and orientation; ``decode`` also decodes it.
        keep_crowds: leave crowds in, marked.

    Raises:
        InputError: something is missing or faulty; all faulty records of a file are counted and the first few named.
    """
    train = _told(lambda: read_own_split(folder, "train", check_images=check_images, keep_crowds=keep_crowds))
    groups = None if isinstance(train, InputError) else _groups(train.dataset)
    val = _told(lambda: read_own_split(folder, "val", groups, check_images=check_images, keep_crowds=keep_crowds))
    faults = [fault for fault in (train, val) if isinstance(fault, InputError)]
    if faults:
        raise InputError("; ".join(map(str, faults))) from faults[0]
    assert isinstance(train, OwnSplit)
    assert isinstance(val, OwnSplit)
    _check_same_classes(train.dataset, val.dataset)
    return OwnData(train, val)


def _told(read: Callable[[], OwnSplit]) -> OwnSplit | InputError:
    """Return what is wrong instead of raising it, so that the other split is looked at too."""
    try:
        return read()
    except InputError as error:
        return error


def _groups(dataset: LvisDataset) -> dict[int, Frequency]:
    return {category.id: category.frequency for category in dataset.categories}


def count_own(folder: Path) -> tuple[dict[int, str], int]:
    """Return the classes of own data, name by id, and the number of training images, without checking anything else.

    Raises:
        InputError: there is no annotation file of both splits, or the training file has no readable classes and images.
    """
    train, _ = annotation_file(folder, "train"), annotation_file(folder, "val")
    raw = lvis.parse_annotation_file(train, PolygonStore())
    table = RecordTable(train, "category", raw["categories"])
    names = dict(zip(table.unique_ids().tolist(), table.values("name", (str,), "the class name"), strict=True))
    if not names or not raw["images"]:
        raise InputError(f"{train} lists no category or no image; see docs/own-data.md")
    return names, len(raw["images"])


def read_own_split(
    folder: Path,
    split: str,
    groups: dict[int, Frequency] | None = None,
    *,
    check_images: CheckImages = "exists",
    keep_crowds: bool = False,
) -> OwnSplit:
    """Read one split of own data.

    Args:
        folder: the data folder.
        split: ``train`` or ``val``, or the beginning of another file.
        groups: frequency group by class of the training file, for a file that states none; None counts in this file.
        check_images: what is looked at of each image; ``none`` finds the files only.
        keep_crowds: leave crowds in, marked.

    Raises:
        InputError: the file is missing, a record or an image is faulty.
    """
    file = annotation_file(folder, split)
    dataset, done = _read_records(file, groups)
    dataset.image_root = folder
    if dataset.num_annotations == 0:
        raise InputError(f"{file}: there is no annotation in it; annotate at least one instance")
    if not keep_crowds:
        completion.take_out_crowds(dataset, done)
    for image in dataset.images:
        completion.with_open_classes(image, done)
    _take_out_empty(dataset, done)
    _number_from_one(dataset, done)
    done.changed |= bool(PictureFiles(folder, split).locate(dataset))
    if check_images != "none":
        _check_images(dataset, decode=check_images == "decode")
    return OwnSplit(dataset, tuple(done.notes), done.changed)


def _read_records(file: Path, groups: dict[int, Frequency] | None) -> tuple[LvisDataset, Completed]:
    store, done = PolygonStore(), Completed()
    raw = lvis.parse_annotation_file(file, store)
    tables = [
        RecordTable(file, kind, raw[key])
        for kind, key in (("category", "categories"), ("image", "images"), ("annotation", "annotations"))
    ]
    faults: list[FaultyRecordsError] = []
    for table in tables:
        gather(table, lambda one: one.check_names(FIELDS[one.kind]), faults)
        completion.drop_nulls(table, done)
    raise_all(faults)
    categories, images, annotations = tables
    annotations = completion.take_out_boxes(annotations, done)
    completion.complete_categories(categories, annotations, groups, done)
    completion.complete_images(images, annotations, categories, done)
    completion.complete_annotations(annotations, store, done)
    return _checked(categories, images, annotations, store, done), done


def _checked(
    categories: RecordTable, images: RecordTable, annotations: RecordTable, store: PolygonStore, done: Completed
) -> LvisDataset:
    """Check every record; what is found faulty in one list does not hide what is faulty in the next."""
    faults: list[FaultyRecordsError] = []
    _, classes = gather(categories, lvis.read_categories, faults)
    _check_names(categories.file, classes or [])
    raise_all(faults)
    assert classes is not None
    sound, pictures = gather(images, lambda table: lvis.read_images(table, classes), faults)
    pictures = pictures or []
    if faults:
        gone = {record.get("id") for record in images.records} - {record["id"] for record in sound.records}
        of_gone = [row for row, record in enumerate(annotations.records) if record.get("image_id") in gone]
        annotations = annotations.without(of_gone)
    image_of = {image.id: image for image in pictures}
    loose: list[int] = []
    of_other_area: list[int] = []

    def read(table: RecordTable) -> list[LvisAnnotation]:
        nonlocal loose, of_other_area
        found = lvis.read_annotations(table, store, pictures, classes)
        loose = check_annotations(table, found, image_of)
        of_other_area = annotations_of_other_areas(found, image_of)
        return found

    _, instances = gather(annotations, read, faults)
    raise_all(faults)
    if loose:
        done.notes.append(
            f"{told_name(annotations.file)}: {len(loose):,} of {len(annotations.records):,} boxes share less than half with the box around their "
            f"outline (first: annotation {loose[0]}), and are trained on and rated as written"
        )
    if of_other_area:
        done.notes.append(
            f"{told_name(annotations.file)}: `area` of {len(of_other_area):,} of {len(annotations.records):,} annotations is not that of their "
            f"outline (first: annotation {of_other_area[0]}); what is small, medium and large goes by `area` as written; leave it "
            "out to have it derived"
        )
    by_image: dict[int, list[LvisAnnotation]] = {image.id: [] for image in pictures}
    for instance in instances or []:
        by_image[instance.image_id].append(instance)
    return LvisDataset(classes, pictures, by_image, None, categories.file)


def _check_names(file: Path, classes: list[LvisCategory]) -> None:
    seen: dict[str, int] = {}
    for category in classes:
        name = common_form(category.name)
        if name in seen:
            raise InputError(
                f"{file}: categories {seen[name]} and {category.id} are both called {name!r}; merge them into one, or rename one of them"
            )
        seen[name] = category.id


def _take_out_empty(dataset: LvisDataset, done: Completed) -> None:
    image_of = {image.id: image for image in dataset.images}
    empty = {
        annotation.id
        for annotation in dataset.iter_annotations()
        if covers_no_pixel(annotation, image_of[annotation.image_id])
    }
    if not empty:
        return
    file = dataset.annotation_file
    if len(empty) == dataset.num_annotations:
        raise InputError(f"{file}: no outline covers a pixel; write coordinates in pixels of the image")
    done.note(
        f"{told_name(file) if file else 'the file'}: {len(empty):,} of {dataset.num_annotations:,} outlines cover no pixel and are left out (first: "
        f"annotation {min(empty)})"
    )
    for image_id, inside in dataset.annotations.items():
        dataset.annotations[image_id] = [one for one in inside if one.id not in empty]


def _number_from_one(dataset: LvisDataset, done: Completed) -> None:
    """Number annotations anew where one has the number 0, which evaluators take for 'not matched'."""
    annotations = list(dataset.iter_annotations())
    if any(annotation.id == 0 for annotation in annotations):
        done.changed = True
        for number, annotation in enumerate(annotations, start=1):
            annotation.id = number


def _check_images(dataset: LvisDataset, decode: bool) -> None:
    """Look at every image file; all faults are counted, and the first few named."""
    found: list[tuple[LvisImage, str]] = []
    with ThreadPoolExecutor(max_workers=4) as pool:
        for start in range(0, len(dataset.images), _BLOCK):
            block = dataset.images[start : start + _BLOCK]
            told = pool.map(lambda image: _image_fault(dataset, image, decode), block)
            found += [(image, fault) for image, fault in zip(block, told, strict=True) if fault is not None]
    if found:
        others = named([str(image.id) for image, _ in found[1:]])
        more = f" ({len(found):,} of {len(dataset.images):,} images are faulty, next {others})" if others else ""
        raise InputError(found[0][1] + more)


def _image_fault(dataset: LvisDataset, image: LvisImage, decode: bool) -> str | None:
    try:
        lvis.check_image(dataset, image, decode)
    except InputError as error:
        return str(error)
    return None


def _check_same_classes(train: LvisDataset, val: LvisDataset) -> None:
    """Hold the classes of both files against each other, by id, name and frequency group."""
    here, there = train.category_by_id, val.category_by_id
    for class_id in sorted(here.keys() | there.keys()):
        one, other = here.get(class_id), there.get(class_id)
        if one is None or other is None:
            (has, lacks), category = ((train, val), one) if one is not None else ((val, train), other)
            assert category is not None
            raise InputError(
                f"{has.annotation_file} lists category {class_id} ({category.name!r}), which {lacks.annotation_file} does not; give both "
                "files the same list of categories"
            )
        if common_form(one.name) != common_form(other.name):
            raise InputError(
                f"category {class_id} is {one.name!r} in {train.annotation_file} and {other.name!r} in {val.annotation_file}, so every class "
                "would be rated against another one; give a class one id in both files"
            )
        if one.frequency != other.frequency:
            raise InputError(
                f"category {class_id} ({one.name!r}) has the frequency {one.frequency!r} by {train.annotation_file} and "
                f"{other.frequency!r} by {val.annotation_file}; it says how many training images hold the class, so write the same in "
                "both files, or leave it out of both"
            )

"""LVIS v1 with its images on disk.

LVIS v1's training annotations are a gigabyte of JSON, and parsing that takes far more time and memory than a look should.
So the files are read once from end to end and their records counted by a key that each kind of record has; the split
stage parses and checks every record before anything trains. Images are looked for by name only. Own data are read as the split stage
reads them: :mod:`reproductions.requirements.inspect_own`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reproductions.requirements.file_checks import FaultyFileError, check_is_file, check_is_folder, fault, refusal
from reproductions.requirements.inspection import Inspection, judge


@dataclass(frozen=True)
class LvisCounts:
    """How many records of each kind a file holds; the names are the file's own."""

    images: int
    annotations: int
    categories: int


LVIS_V1 = {"train.json": LvisCounts(100_170, 1_270_141, 1_203), "val.json": LvisCounts(19_809, 244_707, 1_203)}
"""Train, and the images of val: MRCA section 2.1. The annotations of val are 244.7 thousand there; the exact number is
what public descriptions of LVIS v1 val print (19,809 images, 244,707 instances, 1,203 categories)."""

_BLOCK_BYTES = 1 << 24
_LONGEST_RECORD_BYTES = 1 << 26

ImageNames = tuple[str, str | None]
"""What an image record says of its file: ``coco_url``, ``file_name``."""


@dataclass
class _Scan:
    """What one reading of an annotation file found."""

    counts: LvisCounts
    images: list[ImageNames]


def lvis_folder(folder: Path) -> Inspection:
    """Inspect LVIS v1: both annotation files with the published numbers of records, and every image that they list."""
    check_is_folder(folder)
    problems: list[str] = []
    for name, published in LVIS_V1.items():
        problems += _file_faults(folder, name, published)
    return judge(problems, [] if problems else ["each record is checked by the split stage, before anything trains"])


def _file_faults(folder: Path, name: str, published: LvisCounts) -> list[str]:
    scans: list[_Scan] = []

    def read(path: Path) -> None:
        scans.append(_scan(path))

    problems = fault(folder, folder / name, read)
    for scan in scans:
        problems += _count_faults(name, scan.counts, published)
        problems += _image_faults(folder, name, scan.images) if not problems else []
    return problems


def _count_faults(name: str, found: LvisCounts, published: LvisCounts) -> list[str]:
    other = [
        f"{number:,} {kind} where LVIS v1 has {vars(published)[kind]:,}"
        for kind, number in vars(found).items()
        if number != vars(published)[kind]
    ]
    return [f"{name} holds {', '.join(other)}: another file, or a damaged one"] if other else []


def _scan(path: Path) -> _Scan:
    """Count records by a key that each record of a kind has once; collect the images' names.

    Raises:
        FaultyFileError: it does not begin and end as a JSON object.
    """
    _check_both_ends(path)
    totals = dict.fromkeys((b'"neg_category_ids"', b'"segmentation"', b'"synset"'), 0)
    urls: list[bytes] = []
    names: list[bytes] = []
    for text in _whole_records(path):
        for key in totals:
            totals[key] += text.count(key)
        urls += re.findall(rb'"coco_url"\s*:\s*"([^"\\]*)"', text) if b'"coco_url"' in text else []
        names += re.findall(rb'"file_name"\s*:\s*"([^"\\]*)"', text) if b'"file_name"' in text else []
    images: list[ImageNames] = [(url.decode(errors="replace"), None) for url in urls]
    if not urls:
        images = [("", name.decode(errors="replace")) for name in names]
    return _Scan(LvisCounts(*totals.values()), images)


def _check_both_ends(path: Path) -> None:
    size = check_is_file(path)
    with path.open("rb") as file:
        if file.read(64).lstrip()[:1] != b"{":
            raise FaultyFileError("is not an LVIS file: it does not begin as a JSON object")
        file.seek(max(0, size - 64))
        if file.read(64).rstrip()[-1:] != b"}":
            raise FaultyFileError("is cut short: it does not end as a JSON object")


def _whole_records(path: Path) -> Iterator[bytes]:
    """Read a JSON file in pieces that end with a closing brace, so that no key is torn in two."""
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            text = rest + block
            end = text.rfind(b"}") + 1
            yield text[:end]
            rest = text[end:]
            if len(rest) > _LONGEST_RECORD_BYTES:
                raise FaultyFileError("is not an LVIS file: it holds a record of more than 64 MiB")


def _image_faults(root: Path, name: str, images: Sequence[ImageNames]) -> list[str]:
    """Compare the images that a file lists with what lies in the folders, by one listing of each folder."""
    listings = _Listings()
    absent: list[str] = []
    try:
        for coco_url, file_name in images:
            places = _places(coco_url, file_name)
            if not any(leaf in listings.names(root / folder) for folder, leaf in places):
                absent.append(
                    "/".join(filter(None, places[0])) if places else coco_url or file_name or "one without a name"
                )
    except OSError as error:
        return [refusal(error, root)]
    if not absent:
        return []
    few = f"{len(absent):,} of the {len(images):,} images of {name} are not there, the first is {absent[0]}"
    empty = sorted({folder for folder in (path.rpartition("/")[0] for path in absent) if not (root / folder).is_dir()})
    return [few + (f" (there is no folder {empty[0]}/)" if empty else "")]


def _places(coco_url: str, file_name: str | None) -> list[tuple[str, str]]:
    """Where an image may lie, as (folder, file) below the data folder: the rule of ``LvisDataset.image_candidates``."""
    named = ["/".join(coco_url.split("?")[0].rsplit("/", 2)[-2:])] if coco_url else []
    named += [file_name] if file_name else []
    inside = [path.rpartition("/") for path in named if not path.startswith("/") and ".." not in path.split("/")]
    return [*dict.fromkeys([(folder, leaf) for folder, _, leaf in inside] + [("", leaf) for _, _, leaf in inside])]


class _Listings:
    """The names in each folder, listed once."""

    def __init__(self) -> None:
        self._known: dict[Path, frozenset[str]] = {}

    def names(self, folder: Path) -> frozenset[str]:
        if folder not in self._known:
            try:
                self._known[folder] = frozenset(os.listdir(folder))  # noqa: PTH208 - names only, of a hundred thousand files
            except (FileNotFoundError, NotADirectoryError, ValueError):  # a name with a zero byte is a ValueError
                self._known[folder] = frozenset()
        return self._known[folder]

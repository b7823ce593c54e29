"""Where the annotation file of a split lies: as this project, COCO, and the tools that export COCO's format name it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from methods.common.errors import InputError

SPLIT_NAMES = {"train": ("train", "training"), "val": ("val", "valid", "validation")}
"""What folders and files call a split."""

_BESIDE = re.compile(r"[-_. ]*(lvis_v1|instances?|annotations?|coco|labels?|19\d\d|20\d\d)[-_. ]*")
_HIDDEN = (".", "__MACOSX")
_DEEPEST = 3
"""Parts of ``train/annotations/instances_default.json``."""


def names_of(split: str) -> tuple[str, ...]:
    """Return what a split may be called, its own name first."""
    return SPLIT_NAMES.get(split, (split,))


def is_hidden(name: str) -> bool:
    """Whether a file or folder is not the user's own: hidden ones (``._x.png`` too), and what macOS adds to archives."""
    return name.startswith(_HIDDEN)


def is_called(name: str, split: str) -> bool:
    """Whether a file or folder is named after a split, with or without what tools add: ``instances_train2017``."""
    return _BESIDE.sub("", name.casefold()) in names_of(split)


def told_name(file: Path) -> str:
    """Return what to call an annotation file in a note: its name, with the folders above it as far as the one named after a split."""
    parts = [file.name]
    for place in file.parents:
        if any(is_called(part.partition(".")[0], split) for part in parts for split in SPLIT_NAMES) or not place.name:
            break
        parts.insert(0, place.name)
    return "/".join(parts) if len(parts) <= _DEEPEST else file.name


def annotation_file(folder: Path, split: str) -> Path:
    """Find the annotation file of a split of own data.

    Looked for, in this order: ``<split>.json``; a file named after the split in the folder or in ``annotations``, such as
    ``annotations/instances_train2017.json``; the only JSON file in a folder named after the split or in its ``annotations``, such as
    ``valid/_annotations.coco.json``.

    Raises:
        InputError: there is none, or more than one of a kind.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; own data are a folder as docs/own-data.md describes")
    if (folder / f"{split}.json").is_file():
        return folder / f"{split}.json"
    for found in _candidates(folder, split):
        if len(found) > 1:
            some = " and ".join(map(str, found[:2]))
            raise InputError(f"both {some} may hold the annotations of {split}; keep one, or call it {split}.json")
        if found:
            return found[0]
    others = [path for place in (folder, folder / "annotations") for path in _json_files(place)]
    undivided = [path for path in others if not any(is_called(path.stem, name) for name in SPLIT_NAMES)]
    largest = max(undivided, key=lambda path: path.stat().st_size, default=None)  # others hold results, or a report
    instead = f" ({largest} names no split: divide it, its images too)" if largest else ""
    raise InputError(
        f"{folder} has no {split}.json, nor annotations/instances_{split}.json, nor a folder {' or '.join(names_of(split))} with "
        f"one .json file{instead}; put the annotations there (docs/own-data.md has the layout of each tool)"
    )


def _candidates(folder: Path, split: str) -> Iterator[list[Path]]:
    for place in (folder, folder / "annotations"):
        yield [path for path in _json_files(place) if is_called(path.stem, split)]
    for place in _folders(folder, split):
        yield _json_files(place)
        yield _json_files(place / "annotations")


def _folders(folder: Path, split: str) -> list[Path]:
    above = [folder, folder / "annotations"]
    places = [path for place in above if place.is_dir() for path in sorted(place.iterdir()) if path.is_dir()]
    return [path for path in places if not is_hidden(path.name) and is_called(path.name, split)]


def _json_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ".json" and path.is_file() and not is_hidden(path.name)
    )

"""Captions that lie beside images already: true ones of the miniature world, and those that people wrote for COCO (section 3)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from methods.common.errors import InputError, reason
from methods.common.resumable_records import read_lines

OWN_FILE = "captions.jsonl"


def short_form(caption: str) -> str:
    """Return a caption as those look that are in print: lower case, single blanks, no full stop.

    Source: section 3 [SG].
    """
    return " ".join(caption.split()).rstrip(". ").lower()


def own_captions(folder: Path, names: Sequence[str]) -> list[str]:
    """Read the captions that data bring: ``captions.jsonl``, an object a line with ``id``, an image's name, and ``caption``.

    Args:
        folder: of the data.
        names: of the images that need one; the file may know others, too.

    Raises:
        InputError: the file is missing or faulty, or an image has no caption.
    """
    path = folder / OWN_FILE
    by_name: dict[str, str] = {}
    for number, record in enumerate(read_lines(path), start=1):
        name, caption = record.get("id"), record.get("caption")
        if not isinstance(name, str) or not isinstance(caption, str):
            raise InputError(f"{path}, line {number} lacks `id` or `caption`; write both as texts")
        if name in by_name:
            raise InputError(f"{path}, line {number}: image {name!r} has a caption already; keep one of them")
        by_name[name] = caption
    return _in_order(by_name, names, path)


def peoples_captions(folder: Path, split: str, names: Sequence[str]) -> list[str]:
    """Read one caption by people for each image: of COCO's five the one with the smallest id.

    Args:
        folder: of data in COCO's layout.
        split: such as ``train2017``, whose file is ``annotations/captions_train2017.json``.
        names: of the images that need one: their file names without ending.

    Raises:
        InputError: the file is missing or faulty, or an image has no caption.
    Source: section 3; which of the five is our choice [C D11].
    """
    path = folder / "annotations" / f"captions_{split}.json"
    try:
        document = json.loads(path.read_bytes())
        name_of = {record["id"]: Path(record["file_name"]).stem for record in document["images"]}
        annotations = sorted(document["annotations"], key=lambda record: int(record["id"]))
        by_name: dict[str, str] = {}
        for record in annotations:
            by_name.setdefault(name_of[record["image_id"]], _text(record))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds no captions as COCO has them ({reason(error)}); put its captions there"
        ) from error
    return _in_order(by_name, names, path)


def _text(record: dict[str, Any]) -> str:
    caption = record["caption"]
    if not isinstance(caption, str):
        raise TypeError("a caption is no text")
    return caption


def _in_order(by_name: dict[str, str], names: Sequence[str], path: Path) -> list[str]:
    """Return the images' captions; says whether some images lack one or the file is about others."""
    missing = [name for name in names if not by_name.get(name, "").strip()]
    if len(missing) == len(names):
        raise InputError(
            f"{path} is about other images: it has a caption for none of the {len(names):,} here, such as {names[0]!r}; "
            "give the captions of these images"
        )
    if missing:
        raise InputError(
            f"{path} has no caption for {len(missing):,} of {len(names):,} images, {missing[0]!r} among them; add what is missing"
        )
    return [by_name[name] for name in names]

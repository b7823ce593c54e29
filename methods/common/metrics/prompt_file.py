"""A prompt for each picture of a folder, from a JSON, CSV or text file."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from methods.common.errors import InputError
from methods.common.metrics.image_folders import ImageFolder


def read_prompts(path: Path, images: ImageFolder) -> list[str]:
    """Return the prompt of each picture, in the folder's order.

    Args:
        path: `.json`, an object from file name to prompt; `.csv`, UTF-8 with columns `file` and `prompt`; or `.txt`, one
            prompt a line in the order of file names. File names with or without ending.
        images: the folder.

    Raises:
        InputError: an unreadable file, an empty prompt, a prompt without a picture or a picture without a prompt.
    """
    if not path.is_file():
        raise InputError(f"there is no file of prompts {path}; name one that exists")
    if path.suffix.lower() not in _READERS:
        raise InputError(f"{path} must end in .json, .csv or .txt; rename it to what it holds")
    try:
        prompts = _READERS[path.suffix.lower()](path, images)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    return _in_order(path, prompts, images)


def _in_order(path: Path, prompts: Mapping[str, str], images: ImageFolder) -> list[str]:
    by_name = {name: file.stem for file in images.paths for name in (file.stem, file.name)}
    found: dict[str, str] = {}
    for name, prompt in prompts.items():
        if not prompt.strip():
            raise InputError(f"{path}: the prompt of {name!r} is empty; write one or remove the image")
        if name not in by_name:
            raise InputError(
                f"{path}: prompt of {name!r} has no image of that name in {images.folder}; add it or remove the prompt"
            )
        if by_name[name] in found:
            raise InputError(f"{path}: image {by_name[name]!r} has two prompts; keep one")
        found[by_name[name]] = prompt
    for file in images.paths:
        if file.stem not in found:
            raise InputError(f"{file} has no prompt in {path}; add one or remove the image")
    return [found[name] for name in images.names]


def _read_json(path: Path, _: ImageFolder) -> dict[str, str]:
    try:
        prompts = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON ({error}); write an object from file name to prompt") from error
    if not isinstance(prompts, dict) or not all(isinstance(prompt, str) for prompt in prompts.values()):
        raise InputError(f"{path} must hold one JSON object from file name to prompt, both strings; rewrite it so")
    return prompts


def _read_csv(path: Path, _: ImageFolder) -> dict[str, str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not {"file", "prompt"} <= set(rows.fieldnames or ()):
            raise InputError(f"{path} has no columns file and prompt in its first line; name them so")
        prompts: dict[str, str] = {}
        for row in rows:
            if row["file"] in prompts:
                raise InputError(f"{path}, line {rows.line_num}: image {row['file']!r} has two prompts; keep one")
            prompts[row["file"]] = row["prompt"] or ""
    return prompts


def _read_lines(path: Path, images: ImageFolder) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    if len(lines) != len(images.paths):
        raise InputError(
            f"{path} has {len(lines)} lines and {images.folder} {len(images.paths)} images; write one prompt a line, in the order "
            "of file names"
        )
    return dict(zip(images.names, lines, strict=True))


_READERS = {".json": _read_json, ".csv": _read_csv, ".txt": _read_lines}

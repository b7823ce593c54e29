"""A prompt for each picture of a folder, from a JSON, CSV or text file."""

import csv
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from methods.common.datasets.file_names import common_form, near_name
from methods.common.errors import InputError, reason
from methods.common.metrics.generated_images.image_folders import ImageFolder, refuse_twins


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
        raise InputError(f"{path} is not UTF-8 text ({reason(error)}); save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name a file of prompts") from error
    return _in_order(path, prompts, images)


def order_notes(path: Path, images: ImageFolder) -> list[str]:
    """Say where the lines of a text file go to names whose numbers have another order: `10` is before `2`."""
    stems = [path.stem for path in images.paths]
    numbers = [list(map(int, _NUMBER.findall(stem))) for stem in stems]
    if path.suffix.lower() != ".txt" or len({_NUMBER.sub("0", stem) for stem in stems}) > 1:
        return []
    first = next(
        (line for line, (here, there) in enumerate(zip(numbers, sorted(numbers), strict=True)) if here != there), None
    )
    if first is None:
        return []
    return [
        f"WARNING: line {first + 1} of {path} is the prompt of {images.paths[first].name}, by the order of names, not of the numbers in them; write "
        "a .json or .csv, or numbers with leading zeros, if that is not meant"
    ]


_NUMBER = re.compile(r"\d+")


def check_text(text: str, where: str) -> str:
    """Return a text that a tokenizer can take.

    Raises:
        InputError: it holds half a character (a lone surrogate), which is no text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where} holds half a character at place {error.start + 1}; write whole ones") from error
    return text


def _in_order(path: Path, prompts: Mapping[str, str], images: ImageFolder) -> list[str]:
    refuse_twins(images)
    by_name = {common_form(name): common_form(file.stem) for file in images.paths for name in (file.stem, file.name)}
    found: dict[str, str] = {}
    for written, prompt in prompts.items():
        name = common_form(written)
        if not prompt.strip():
            raise InputError(f"{path}: the prompt of {name!r} is empty; write one or remove the image")
        if name not in by_name:
            raise InputError(
                f"{path}: prompt of {name!r} has no image of that name in {images.folder}{near_name(name, by_name)}; add it or remove the prompt"
            )
        if by_name[name] in found:
            raise InputError(f"{path}: image {by_name[name]!r} has two prompts; keep one")
        found[by_name[name]] = check_text(prompt, f"{path}: the prompt of {name!r}")
    for file in images.paths:
        if common_form(file.stem) not in found:
            raise InputError(f"{file} has no prompt in {path}; add one or remove the image")
    return [found[name] for name in images.names]


def _read_json(path: Path, _: ImageFolder) -> dict[str, str]:
    try:
        prompts = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=partial(_no_name_twice, path))
    except (UnicodeDecodeError, InputError):
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({reason(error)}); write an object from file name to prompt") from error
    if not isinstance(prompts, dict) or not all(isinstance(prompt, str) for prompt in prompts.values()):
        raise InputError(f"{path} must hold one JSON object from file name to prompt, both strings; rewrite it so")
    return prompts


def _no_name_twice(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: image {twice!r} has two prompts; keep one")
    return dict(pairs)


def _read_csv(path: Path, _: ImageFolder) -> dict[str, str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        try:
            header = next(rows, [])
            if not {"file", "prompt"} <= set(header):
                raise InputError(f"{path} has no columns file and prompt in its first line; name them so")
            if len(set(header)) < len(header):
                raise InputError(f"{path} names a column twice in its first line; keep one of each")
            file_column, prompt_column = header.index("file"), header.index("prompt")
            prompts: dict[str, str] = {}
            for row in filter(None, rows):
                where = f"{path}, line {rows.line_num}"
                if len(row) != len(header):
                    raise InputError(
                        f"{where} has {len(row)} columns and the first line {len(header)}; put a prompt with a comma in quotes"
                    )
                if row[file_column] in prompts:
                    raise InputError(f"{where}: image {row[file_column]!r} has two prompts; keep one")
                prompts[row[file_column]] = row[prompt_column]
        except csv.Error as error:
            raise InputError(f"{path}, line {rows.line_num} is no CSV ({reason(error)}); write it again") from error
    return prompts


def _read_lines(path: Path, images: ImageFolder) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    if len(lines) != len(images.paths):
        raise InputError(
            f"{path} has {len(lines)} lines and {images.folder} {len(images.paths)} images; write one prompt a line, in the order "
            "of file names"
        )
    return dict(zip(images.names, lines, strict=True))


_READERS = {".json": _read_json, ".csv": _read_csv, ".txt": _read_lines}

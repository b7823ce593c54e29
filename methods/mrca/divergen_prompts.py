"""DiverGen's classes and prompts: extra classes, one prompt from a dictionary, or many that a language model wrote (section 5.4).

Extra classes come in a JSON file: a list of records with ``id``, ``name``, ``def`` and ``image_count``, as in LVIS' annotation files;
those whose id the data have are left out, so the released list of all 1453 serves as it is. Written prompts come in a folder with a
file ``<category id>.txt`` for each class that has some, one prompt a line, as released.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from methods.common.errors import InputError, reason
from methods.mrca.prompts import plain_name


@dataclass(frozen=True)
class ExtraClass:
    """A class that exists in training alone."""

    id: int
    name: str
    definition: str
    image_count: int
    """What the federated loss takes for its number of training images [B]."""


def dictionary_prompt(name: str, definition: str) -> str:
    """Return the prompt of a class for which nobody wrote any; without a definition that part is left out. Source: section 5.4 [B]."""
    parts = [f"single {plain_name(name)}", *([definition] if definition else []), "in a white background"]
    return ", ".join(parts)


def read_extra_classes(file: Path, known_ids: Collection[int], number: int) -> list[ExtraClass]:
    """Read the first ``number`` classes of a list that the data do not have, by id.

    Raises:
        InputError: the file is not readable, a record lacks something, or there are fewer.
    """
    try:
        records = json.loads(file.read_text())
        found = [
            ExtraClass(int(one["id"]), str(one["name"]), str(one["def"]), int(one["image_count"])) for one in records
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is no list of classes ({reason(error)}); give a JSON list of records with id, name, def and image_count"
        ) from error
    new = sorted((one for one in found if one.id not in known_ids), key=lambda one: one.id)
    if len(new) < number:
        raise InputError(
            f"{file} has {len(new)} classes that the data do not have, {number} are asked for; ask for fewer"
        )
    return new[:number]


def read_written_prompts(folder: Path, known_ids: Collection[int] | None = None) -> dict[int, tuple[str, ...]]:
    """Read the prompts that were written for classes, by category id; those of known classes, or of all.

    Raises:
        InputError: no such folder, a file that is no category id, one that is not readable, or one without a prompt.
    """
    if not folder.is_dir():
        raise InputError(
            f"there is no folder of prompts {folder}; give one with a file <category id>.txt for each class"
        )
    prompts: dict[int, tuple[str, ...]] = {}
    for file in sorted(folder.glob("*.txt")):
        if not file.stem.isdigit():
            raise InputError(f"{file} is named after no category; call it <category id>.txt or remove it")
        if known_ids is not None and int(file.stem) not in known_ids:
            continue
        try:
            lines = tuple(line.strip() for line in file.read_text().splitlines() if line.strip())
        except (OSError, ValueError) as error:
            raise InputError(f"{file} is not readable text ({reason(error)}); write it again in UTF-8") from error
        if not lines:
            raise InputError(f"{file} has no prompt; write one a line or remove it")
        prompts[int(file.stem)] = lines
    return prompts


def all_prompts(
    classes: Sequence[tuple[int, str, str]], written: Mapping[int, tuple[str, ...]]
) -> dict[int, tuple[str, ...]]:
    """Return the prompts of every class, given as (id, name, definition): those written for it, or the one of the dictionary."""
    return {
        category_id: written.get(category_id, (dictionary_prompt(name, definition),))
        for category_id, name, definition in classes
    }


def prompt_of_image(prompts: Sequence[str], index: int) -> str:
    """Return the prompt of a class' image by its number: all prompts in turn, so that each is used equally often.

    Source: section 5.4 [B]: 128 prompts of 8 images each, or one of 1024.
    """
    return prompts[index % len(prompts)]

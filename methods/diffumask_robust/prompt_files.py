"""Prompts on disk: ``prompts.jsonl``, a line a picture, and ``classes.json``, the names by class id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from methods.common.errors import InputError, reason
from methods.common.generators.attention_heat_maps import AttentionPrompt
from methods.common.resumable_records import read_lines
from methods.diffumask_robust.prompts import AugmentedPrompt

PROMPTS_FILE = "prompts.jsonl"
_MAX_CLASSES = 255


def read_prompts(path: Path, class_names: Sequence[str]) -> list[AugmentedPrompt]:
    """Read prompts, each checked.

    Args:
        path: of ``prompts.jsonl``.
        class_names: by class id.

    Raises:
        InputError: the file is missing or faulty, an id repeats or cannot be a file name, or a prompt names no class or an unknown one.
    """
    prompts, seen = [], set()
    for number, line in enumerate(read_lines(path), start=1):
        where = f"{path}, line {number}"
        found = AugmentedPrompt.from_record(line, where)
        name = found.prompt.id
        if name in seen or name in ("", ".", "..") or any(letter in name for letter in "/\\\0"):
            raise InputError(
                f"{where}: the id {name!r} occurs twice or cannot be a file name; give each prompt its own"
            )
        unknown = [one for one in found.prompt.class_ids if not 0 <= one < len(class_names)]
        if unknown:
            raise InputError(f"{where}: class {unknown[0]} is none of the {len(class_names)} classes; correct the span")
        seen.add(name)
        prompts.append(found)
    return prompts


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read the class names by class id.

    Raises:
        InputError: the file is missing, no list of different names, or names more classes than labels hold.
    """
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); write a JSON list of class names") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(f"{path} is no list of different names; write a JSON list of class names")
    if not 2 <= len(names) <= _MAX_CLASSES:
        raise InputError(f"{path} has {len(names)} names; label maps hold 2 to {_MAX_CLASSES} classes")
    return tuple(names)


def attention_prompt(prompt: AugmentedPrompt, class_names: Sequence[str]) -> AttentionPrompt:
    """Return what a capture reads of a prompt: each class word at its span alone."""
    return AttentionPrompt(prompt.prompt.text, prompt.prompt.attention_words(class_names))

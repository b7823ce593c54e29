"""Prompts on disk: ``prompts.jsonl``, a line a picture, and ``classes.json``, the names by label. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from methods.common.errors import InputError, reason
from methods.common.resumable_records import read_lines

PROMPTS_FILE = "prompts.jsonl"
_MAX_LABEL = 254


class PromptSpan(NamedTuple):
    """A class word of a caption."""

    class_name: str
    first: int
    """Its first character."""
    end: int
    """The one after its last."""


class PromptRecord(NamedTuple):
    """What one picture is painted from."""

    id: str
    """Also the picture's file name."""
    caption: str
    spans: tuple[PromptSpan, ...]
    line: dict[str, Any]
    """The whole record, with what else is kept of it, such as relation and base prompt."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its classes, each once, in order."""
        return tuple(dict.fromkeys(span.class_name for span in self.spans))


def prompt_line(name: str, caption: str, spans: Sequence[PromptSpan], **kept: Any) -> dict[str, Any]:
    """Return a prompt's record."""
    return {"id": name, "caption": caption, "spans": [list(span) for span in spans], **kept}


def read_prompts(path: Path, class_names: Sequence[str]) -> list[PromptRecord]:
    """Read prompts, each checked.

    Args:
        path: of ``prompts.jsonl``.
        class_names: by label, background first where there is one.

    Raises:
        InputError: the file is missing or faulty, an id repeats or cannot be a file name, or a prompt names no class, an unknown one, or a
            span that is no part of its caption.
    """
    prompts, seen = [], set()
    for number, line in enumerate(read_lines(path), start=1):
        prompt = _parse(line, class_names, f"{path}, line {number}")
        if prompt.id in seen:
            raise InputError(f"{path}, line {number}: the id {prompt.id!r} occurs twice; give each prompt its own")
        seen.add(prompt.id)
        prompts.append(prompt)
    return prompts


def _parse(line: dict[str, Any], class_names: Sequence[str], where: str) -> PromptRecord:
    name, caption, spans = line.get("id"), line.get("caption"), line.get("spans")
    if not isinstance(name, str) or name in ("", ".", "..") or any(letter in name for letter in "/\\\0"):
        raise InputError(f"{where}: the id {name!r} cannot be a file name; give each prompt one that can")
    if not isinstance(caption, str) or not caption.strip():
        raise InputError(f"{where}: 'caption' is missing or no text; write one")
    if not isinstance(spans, list) or not spans:
        raise InputError(f"{where}: the prompt {caption!r} names no class; mark the span of each class word")
    return PromptRecord(name, caption, tuple(_span(one, caption, class_names, where) for one in spans), line)


def _span(one: Any, caption: str, class_names: Sequence[str], where: str) -> PromptSpan:
    if not isinstance(one, list) or len(one) != 3 or one[0] not in class_names:
        raise InputError(f"{where}: {one!r} is no span [class, first, end] of a known class; name one of the classes")
    span = PromptSpan(*one)
    if not (isinstance(span.first, int) and isinstance(span.end, int) and 0 <= span.first < span.end <= len(caption)):
        raise InputError(
            f"{where}: characters {span.first} to {span.end} are no part of the caption {caption!r}; mark the class word there"
        )
    return span


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read the class names by label.

    Raises:
        InputError: the file is missing, no list of different names, or names more classes than labels hold.
    """
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); write a JSON list of class names") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(f"{path} is no list of different names; write a JSON list of class names")
    if not 2 <= len(names) <= _MAX_LABEL + 1:
        raise InputError(f"{path} has {len(names)} names; label maps hold 2 to {_MAX_LABEL + 1} classes")
    return tuple(names)

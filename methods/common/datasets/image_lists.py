"""Lists of images: a text file that names one a line, found among the pictures of a folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from methods.common.datasets.file_names import common_form
from methods.common.errors import InputError, reason

_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_image_list(path: Path, known: Collection[str] = ()) -> list[str]:
    r"""Read the names of images, without suffix, from a text file; see :func:`pair_by_name`.

    Args:
        path: the list.
        known: names that a whole line may be, spaces included; a line may also be a path to such a name, of any system, or part of a
            URL: ``images\\a%20b.jpg`` is ``a b``.

    Raises:
        InputError: it cannot be read, is empty, or names an image twice or several in a line.
    """
    try:
        text = common_form(path.read_text(encoding="utf-8-sig"))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the image list {path} cannot be read ({reason(error)}); give a text file with a name a line"
        ) from error
    found = [_names_in(line, known) for line in lines]
    several = next((names for names in found if len(names) > 1), None)
    if several is not None:
        raise InputError(
            f"the image list {path} names {several[0]!r} and {several[1]!r} in one line; write a line for each image"
        )
    names = [name for name, *_ in found]
    if not names:
        raise InputError(f"the image list {path} is empty; name at least one image")
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InputError(f"the image list {path} names {twice!r} twice; remove one of the lines")
    return names


def _names_in(line: str, known: Collection[str]) -> list[str]:
    """Return the name that a line begins with, and other names of images that follow it; a flag or its label map may."""
    words = line.split()
    for end in range(len(words), 0, -1):
        name = _known_as(line if end == len(words) else " ".join(words[:end]), known)
        if name is not None:
            rest = " ".join(words[end:])
            others = (
                [_known_as(rest, known)] if _known_as(rest, known) else [_known_as(word, known) for word in words[end:]]
            )
            return [name, *(other for other in others if other not in (None, name))]
    word = _name_among(words)
    return [_known_as(word, known) or _bare(word)]


def _known_as(text: str, known: Collection[str]) -> str | None:
    """Return the known name that a text means: itself, or the last part of a path, also of a URL."""
    meant = (name for form in (str, unquote) for name in (_bare(form(text)), re.split(r"[/\\]", _bare(form(text)))[-1]))
    return next((name for name in meant if name in known), None)


def _name_among(words: Sequence[str]) -> str:
    return next((word for word in words if word.endswith(".png")), words[0])


def _bare(name: str) -> str:
    """Drop a picture's suffix, and what a path says without need (`./`)."""
    name = PurePosixPath(name).as_posix()
    return name[: -len(Path(name).suffix)] if name.lower().endswith(_PICTURE_SUFFIXES) else name

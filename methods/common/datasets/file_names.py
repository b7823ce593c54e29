"""Names of files as people mean them: Unicode's composed form, endings in any case; and why a name has no partner.

macOS writes `ü` as two characters (NFD), other systems as one (NFC); both are one name here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote

_NUMBER = re.compile(r"\d+")
_CITYSCAPES_ENDING = re.compile(r"_(leftImg8bit|gt(Fine|Coarse)_[A-Za-z]+)$")
_BETWEEN_WORDS = re.compile(r"[ ._+-]+")


def common_form(name: str) -> str:
    """Return a name in Unicode's composed form (NFC)."""
    return normalize("NFC", name)


def has_ending(name: str, ending: str) -> bool:
    """Say whether a name has an ending, in upper or lower case."""
    return name[-len(ending) :].lower() == ending.lower()


def near_name(name: str, others: Collection[str]) -> str:
    """Return the name among others that was perhaps meant, with what sets it apart, in brackets; nothing if there is none."""
    for difference, form in _FORMS:
        wanted = form(name)
        found = min((other for other in others if other != name and form(other) == wanted), default=None)
        if found is not None:
            return f" (there is {found!r}: {difference})"
    found = min((other for other in others if _goes_on(other, name) or _goes_on(name, other)), default=None)
    return "" if found is None else f" (there is {found!r}: the name goes on)"


def _without_zeros(name: str) -> str:
    return _NUMBER.sub(lambda number: number[0].lstrip("0") or "0", name)


def _plainly(name: str) -> str:
    """Return a name without what programs write differently: full-width letters, `%20`, blanks, dashes and underscores, case."""
    return _BETWEEN_WORDS.sub("_", normalize("NFKC", unquote(name))).casefold()


def _goes_on(longer: str, name: str) -> bool:
    return len(longer) > len(name) and longer.startswith(name) and longer[len(name)] in "_-. "


_FORMS = (
    ("upper and lower case differ", str.casefold),
    ("its number has other leading zeros", _without_zeros),
    ("it lies in another folder", lambda name: PurePosixPath(name).name),
    ("its number has other leading zeros, in another folder", lambda name: _without_zeros(PurePosixPath(name).name)),
    ("another ending of Cityscapes", lambda name: _CITYSCAPES_ENDING.sub("", PurePosixPath(name).name)),
    ("it is spelled differently", _plainly),
)


class NamedFiles:
    """Finds the files that a document names below a folder, whatever Unicode form and case of ending they have on the disk."""

    def __init__(self, folder: Path) -> None:
        """Look at nothing yet."""
        self._folder = folder
        self._by_form: dict[Path, dict[str, Path]] = {}

    def find(self, name: str) -> Path:
        """Return the file of a name; where there is none, the path as it is written."""
        path = self._folder / name
        if "\0" in name or path.exists():
            return path
        if path.parent not in self._by_form:
            self._by_form[path.parent] = _files_by_form(path.parent)
        return self._by_form[path.parent].get(_form(path.name), path)


def _form(name: str) -> str:
    stem, dot, ending = common_form(name).rpartition(".")
    return f"{stem}{dot}{ending.lower()}"


def _files_by_form(folder: Path) -> dict[str, Path]:
    try:
        return {_form(path.name): path for path in sorted(folder.iterdir())}
    except OSError:
        return {}

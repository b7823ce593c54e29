"""``--set name=value``: change one field of a complete config, through the same validation as everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, TypeVar

from pydantic import ValidationError

from methods.common.errors import InputError
from methods.common.stage import Config

ConfigT = TypeVar("ConfigT", bound=Config)

_EXAMPLE = "segrepro plan mrca --set recipe.base_lr=0.001"
_NEAR = 0.6
"""Likeness from which a name is offered in place of another."""
_SHORT = 60
"""Characters of a wrong value that a message shows; beyond, it is a whole config."""


def parse_settings(texts: list[str]) -> dict[str, str]:
    """Split ``name=value`` texts.

    Raises:
        InputError: one has no ``=``.
    """
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--set {text!r} is not name=value; write it as in `{_EXAMPLE}`")
        pairs[name] = value
    return pairs


def changed(config: ConfigT, settings: Mapping[str, str]) -> ConfigT:
    """Return ``config`` with the settings applied: choices of a kind first, so that others can set what only the chosen kind has.

    Raises:
        InputError: a name does not exist or a value does not fit.
    """
    choices = {name: text for name, text in settings.items() if _last(name) == "kind"}
    others = {name: text for name, text in settings.items() if name not in choices}
    return _applied(_applied(config, choices), others)


def _applied(config: ConfigT, settings: Mapping[str, str]) -> ConfigT:
    document = config.model_dump(mode="json")
    for name, text in settings.items():
        _set(document, name, _parse(text))
    try:
        return type(config).model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        given = repr(first["input"])
        raise InputError(
            f"setting {place or ', '.join(settings)}: {first['msg'].removeprefix('Value error, ')}"
            + (f" (given {given})" if len(given) <= _SHORT else "")
        ) from error


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _set(document: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    owner: Any = document
    for part in parents:
        owner = owner.get(part) if isinstance(owner, dict) else None
    if not isinstance(owner, dict) or last not in owner:
        raise InputError(f"there is no setting {name!r}; {_instead(document, name)}")
    if last == "kind" and owner["kind"] != value:
        owner.clear()  # another choice has fields of its own, which take their defaults
    owner[last] = value


def nearest_settings(known: Sequence[str], name: str) -> list[str]:
    """Return up to three settings that may have been meant, the likeliest first: those of the same last part, else those most alike."""
    same = [other for other in known if _last(other) == _last(name)]
    near = sorted(same or dict.fromkeys(known), key=lambda other: -sum(_likeness(other, name)))
    return [other for other in near if same or max(_likeness(other, name)) >= _NEAR][:3]


def _instead(document: dict[str, Any], name: str) -> str:
    """Say what may have been meant."""
    near = nearest_settings(list(_names(document)), name)
    if near:
        return f"nearest: {', '.join(near)}"
    return f"settings are below {', '.join(key for key, value in document.items() if isinstance(value, dict))}"


def _likeness(known: str, name: str) -> tuple[float, float]:
    """Compare the last parts, of which one word may be given, then the whole names; each in [0, 1]."""
    last = SequenceMatcher(None, _last(known), _last(name)).ratio()
    is_word = _last(name) in _last(known).split("_")
    return max(last, _NEAR * is_word), SequenceMatcher(None, known, name).ratio()


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _names(document: Mapping[str, Any], start: str = "") -> Iterator[str]:
    """Every setting of a config by its dotted name, those that hold others included."""
    for key, value in document.items():
        yield start + key
        if isinstance(value, dict):
            yield from _names(value, f"{start}{key}.")

"""``--set name=value``: change one field of a complete config, through the same validation as everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError

from methods.common.errors import InputError
from methods.common.stage import Config

ConfigT = TypeVar("ConfigT", bound=Config)


def parse_settings(texts: list[str]) -> dict[str, str]:
    """Split ``name=value`` texts.

    Raises:
        InputError: one has no ``=``.
    """
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--set {text!r} is not name=value; write for instance --set mrca.num_rounds=5")
        pairs[name] = value
    return pairs


def changed(config: ConfigT, settings: Mapping[str, str]) -> ConfigT:
    """Return ``config`` with the settings applied.

    Raises:
        InputError: a name does not exist or a value does not fit.
    """
    document = config.model_dump(mode="json")
    for name, text in settings.items():
        _set(document, name.split("."), name, _parse(text))
    try:
        return type(config).model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"setting {place}: {first['msg']} (given {first['input']!r})") from error


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _set(document: Any, path: list[str], name: str, value: Any) -> None:
    for part in path[:-1]:
        document = document.get(part) if isinstance(document, dict) else None
    if not isinstance(document, dict) or path[-1] not in document:
        known = [key for key in document if isinstance(key, str)] if isinstance(document, dict) else []
        near = get_close_matches(path[-1], known, n=3) or known[:8]
        raise InputError(f"there is no setting {name!r}" + (f"; nearest: {', '.join(near)}" if near else ""))
    if path[-1] == "kind" and document["kind"] != value:
        document.clear()  # another choice has fields of its own, which take their defaults
    document[path[-1]] = value

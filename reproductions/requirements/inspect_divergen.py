"""What DiverGen's release brings beside code: its list of classes and its written prompts."""

from __future__ import annotations

from pathlib import Path

from methods.common.errors import InputError
from methods.mrca.divergen_prompts import read_extra_classes, read_written_prompts
from reproductions.requirements.inspection import Inspection, judge


def class_list(file: Path) -> Inspection:
    """Inspect a JSON list of classes."""
    try:
        read_extra_classes(file, (), 1)
    except InputError as error:
        return judge([str(error)])
    return judge([])


def prompts_folder(folder: Path) -> Inspection:
    """Inspect a folder of written prompts, those of every class in it."""
    try:
        written = read_written_prompts(folder)
    except InputError as error:
        return judge([str(error)])
    return judge([] if written else [f"{folder} holds no prompts"])

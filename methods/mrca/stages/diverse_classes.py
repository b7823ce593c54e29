"""Stage ``mrca_diverse_classes``: the classes that DiverGen trains with, and what its generators are asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from pathlib import Path

_PROMPTS = "prompts.json"
EXTRA = "extra"
"""Frequency group of classes that exist in training alone."""


class DiverseClassesConfig(Config):
    """How many classes are added."""

    extra_classes: int = Field(default=250, ge=0)
    """Classes that exist in training alone [B]."""
    with_definitions: bool = True
    """Whether prompts that nobody wrote give the dictionary's definition [B]."""


def diverse_classes(inputs: Inputs, config: DiverseClassesConfig, context: Context) -> Record:
    """Write ``classes.json`` with the extra classes behind those of the data, and the prompts of each class.

    Roles: ``data``, ``split``, ``extra_classes`` (a list of classes), ``written_prompts`` (a folder of prompts); see
    :mod:`methods.mrca.divergen_prompts`.
    """
    from methods.common.datasets.lvis import read_lvis
    from methods.mrca.divergen_prompts import all_prompts, read_extra_classes, read_written_prompts
    from methods.mrca.stages.split import FIT_FILE, image_folder

    dataset = read_lvis(inputs.folder("split") / FIT_FILE, image_folder(inputs), "none")
    classes: list[dict[str, Any]] = json.loads((inputs.folder("split") / "classes.json").read_text())
    known = {category["id"] for category in classes}
    extra = read_extra_classes(inputs.folder("extra_classes"), known, config.extra_classes)
    written = read_written_prompts(inputs.folder("written_prompts"), known)
    named = [(category.id, category.name, category.definition) for category in dataset.classes]
    named += [(one.id, one.name, one.definition) for one in extra]
    if not config.with_definitions:
        named = [(category_id, name, "") for category_id, name, _ in named]
    prompts = all_prompts(named, written)
    more = [
        {
            "id": one.id,
            "name": one.name,
            "folder_name": one.name,
            "group": EXTRA,
            "image_count": one.image_count,
            "instance_count": 0,
            "feedback_image_count": 0,
            "feedback_instance_count": 0,
        }
        for one in extra
    ]
    (context.out / "classes.json").write_text(json.dumps([*classes, *more], indent=1))
    (context.out / _PROMPTS).write_text(json.dumps({str(key): lines for key, lines in prompts.items()}, indent=1))
    return {
        "num_classes": len(classes),
        "num_extra_classes": len(extra),
        "num_classes_with_written_prompts": len(written),
        "num_prompts": sum(map(len, prompts.values())),
    }


def read_prompts(folder: Path) -> dict[int, list[str]]:
    """Read the prompts of each class by category id."""
    return {int(key): lines for key, lines in json.loads((folder / _PROMPTS).read_text()).items()}


DIVERSE_CLASSES = Stage("mrca_diverse_classes", 1, DiverseClassesConfig, diverse_classes)

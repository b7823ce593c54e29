"""The support list of few-shot learning: the K instances of each class that the novel stage learns from (section 6.1).

A list is a file, so that another suite can train on the same instances. Base classes have K instances, too: the frames of a list hold both,
and what the base stage has learnt is trained on beside what is new [C D61].
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from methods.common.datasets.id_maps import pixels_by_id
from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.seeds import Seeds
from methods.common.stage import Config
from methods.instance_synthesis.frame_files import FrameSource
from methods.instance_synthesis.frames import Frame

SUPPORT_FILE = "support.json"


class SupportConfig(Config):
    """Which instances a support list holds."""

    base: tuple[str, ...] = ("person", "rider", "car", "bicycle", "motorcycle")
    """Classes of the base stage. Section 6.1"""
    novel: tuple[str, ...] = ("truck", "bus", "train")
    """Classes that the base stage does not learn: the three rarest in train. Section 6.1"""
    shots: int = Field(default=5, ge=1)
    """K, the instances of each class; those of fewer are the first of more. Section 6.1: 1, 5 or 10."""
    min_area_px: int = Field(default=100, ge=1)
    """Instances with fewer pixels are not drawn; as many as the evaluation asks to be found [C D62]."""
    given: str | None = None
    """A list to take instead of drawing one, below the data folder; ``{seed}`` in it becomes the number of the seed. None draws."""

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        both = set(self.base) & set(self.novel)
        if both or not self.base or not self.novel:
            raise ValueError(f"base and novel need classes of their own; {', '.join(sorted(both)) or 'one is empty'}")
        return self


@dataclass(frozen=True)
class SupportRow:
    """One instance of a list."""

    frame: str
    layer: int
    """Which map of ids of the frame it lies in."""
    instance_id: int
    class_name: str


def draw_support(source: FrameSource, config: SupportConfig, seeds: Seeds) -> list[SupportRow]:
    """Draw K instances of each class, by a seed for each instance; in the order of the classes, each class in the order of the draw.

    Raises:
        InputError: a class has too few instances, or a frame is faulty.
    """
    found: dict[str, list[SupportRow]] = {name: [] for name in (*config.base, *config.novel)}
    for name in source.names:
        for row, area_px in _instances(source.read(name, with_image=False)):
            if row.class_name in found and area_px >= config.min_area_px:
                found[row.class_name].append(row)
    _check_enough({name: len(rows) for name, rows in found.items()}, config, "the data have")
    return [row for rows in found.values() for row in sorted(rows, key=lambda row: _place(row, seeds))[: config.shots]]


def _place(row: SupportRow, seeds: Seeds) -> int:
    return seeds.derive("training", "support", row.class_name, row.frame, row.layer, row.instance_id)


def _instances(frame: Frame) -> Iterable[tuple[SupportRow, int]]:
    counts = [pixels_by_id(id_HW) for id_HW in frame.id_LHW]
    for one in frame.instances:
        if not one.is_group:
            yield SupportRow(frame.name, one.layer, one.id, one.class_name), int(counts[one.layer][one.id])


def _check_enough(counts: Mapping[str, int], config: SupportConfig, who: str) -> None:
    for name in (*config.base, *config.novel):
        if counts.get(name, 0) < config.shots:
            raise InputError(
                f"{who} {counts.get(name, 0)} instances of class {name!r} with at least {config.min_area_px} px, and the support asks for "
                f"{config.shots}; ask for fewer shots, or leave the class out of the base and novel classes"
            )


def check_support(rows: Sequence[SupportRow], source: FrameSource, config: SupportConfig, where: str) -> None:
    """Compare a list that was given with the data.

    Raises:
        InputError: it names a frame or an instance that is not there, one twice, or has too few of a class.
    """
    known = set(source.names)
    frames: dict[str, set[SupportRow]] = {}
    for row in rows:
        if row.frame not in known:
            raise InputError(
                f"{where} names image {row.frame!r}, which is not among the {len(known)} training images of the data; give the list that "
                "belongs to these data"
            )
        if row.frame not in frames:
            frames[row.frame] = {one for one, _ in _instances(source.read(row.frame, with_image=False))}
        if row not in frames[row.frame]:
            raise InputError(
                f"{where} names instance {row.instance_id} of image {row.frame!r} as {row.class_name!r}, but the image has none such; "
                "correct the list"
            )
    for row, times in Counter(rows).items():
        if times > 1:
            raise InputError(
                f"{where} names instance {row.instance_id} of image {row.frame!r} {times} times; name it once"
            )
    _check_enough(Counter(row.class_name for row in rows), config, f"{where} names")


def write_support(path: Path, rows: Sequence[SupportRow], config: SupportConfig, seed: int) -> None:
    """Write a list, one instance a line."""
    lines = ",\n".join(f"  {json.dumps(asdict(row))}" for row in rows)
    head = {"shots": config.shots, "seed": seed, "base": config.base, "novel": config.novel}
    write_atomic(path, f'{{"about": {json.dumps(head)},\n "instances": [\n{lines}\n ]}}\n'.encode())


class _Listed(Config):
    frame: str
    layer: int = 0
    instance_id: int
    class_name: str


class _List(Config):
    about: dict[str, Any] = Field(default_factory=dict)
    instances: tuple[_Listed, ...]


def read_support(path: Path) -> list[SupportRow]:
    """Read a list.

    Raises:
        InputError: it is missing, or no such list.
    """
    try:
        found = _List.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"there is no support list {path} ({reason(error)}); correct support.given") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(
            f"{path} is no support list: {place}: {first['msg']}; it has `instances`, each with frame, instance_id and class_name"
        ) from error
    return [SupportRow(one.frame, one.layer, one.instance_id, one.class_name) for one in found.instances]


def by_frame(rows: Iterable[SupportRow]) -> dict[str, frozenset[tuple[int, int]]]:
    """Return (layer, id) of the listed instances by frame, frames in the order of their names."""
    found: dict[str, set[tuple[int, int]]] = {}
    for row in rows:
        found.setdefault(row.frame, set()).add((row.layer, row.instance_id))
    return {frame: frozenset(found[frame]) for frame in sorted(found)}

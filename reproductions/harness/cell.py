"""A cell: one stage with one complete config, its seeds and its inputs; the unit of work and of caching."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from methods.common.growth import identity_document, read_stored
from methods.common.seeds import Seeds
from methods.common.stage import Config, Stage
from reproductions.harness.packages import may_define_stages

IDENTITY_FORMAT = 1
"""Raised when the identity document itself changes shape; every cell is then made anew."""


@dataclass(frozen=True)
class External:
    """Data or weights from outside the store. The fingerprint is part of the identity, the place is not."""

    path: Path
    fingerprint: str


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
"""Made once: a plan of ten thousand cells serialises ten thousand documents."""


def canonical_json(value: Any) -> str:
    """Serialise with sorted keys and no spaces, so that equal documents are equal text. Rejects NaN and infinity."""
    return _CANONICAL.encode(value)


_CONFIGS: dict[tuple[type[Config], str], tuple[dict[str, Any], str]] = {}
"""Of each config, by its type and all that it says, what identities hold of it. The seeds of a plan have the same configs, and writing
one out takes most of the time of planning a cell."""


def id_of(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a canonical identity, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()


@dataclass(frozen=True)
class Cell:
    """One planned piece of work.

    ``label``, ``cost_s`` and ``disk_bytes`` are for people and the scheduler and do not enter the identity.
    """

    stage: Stage[Any]
    config: Config
    seeds: Seeds
    label: str
    inputs: Mapping[str, Sequence[Cell]] = field(default_factory=dict)
    external: Mapping[str, External] = field(default_factory=dict)
    cost_s: float = 1.0
    """Rough expected seconds of one process; orders the queue, weighs the progress bar, and is what `plan` assumes."""
    disk_bytes: float = 1e6
    """Rough expected size when finished; what `plan` assumes until the store can tell."""

    def __post_init__(self) -> None:
        assert type(self.config) is self.stage.config_type, f"{self.label}: config of another stage"
        assert not set(self.inputs) & set(self.external), f"{self.label}: a role is both a cell and external"

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The document whose SHA-256 is the id: everything that decides the result, defaults included.

        Fields that a config was given later are left out while they are neutral.
        """
        return {
            "format": IDENTITY_FORMAT,
            "stage": self.stage.name,
            "version": self.stage.version,
            "config": self._config[0],
            "seeds": {axis: getattr(self.seeds, axis) for axis in self.stage.seed_axes},
            "inputs": {role: [cell.id for cell in cells] for role, cells in self.inputs.items()},
            "external": {role: external.fingerprint for role, external in self.external.items()},
        }

    @cached_property
    def id(self) -> str:
        """The id of its identity (:func:`id_of`), whose first key by the alphabet is the config."""
        others = {name: value for name, value in self.identity.items() if name != "config"}
        text = f'{{"config":{self._config[1]},{canonical_json(others)[1:]}'
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def _config(self) -> tuple[dict[str, Any], str]:
        """The config's part of the identity, and its canonical text; those of equal configs are the same."""
        key = type(self.config), self.config.model_dump_json()
        if key not in _CONFIGS:
            document = identity_document(self.config)
            _CONFIGS[key] = document, canonical_json(document)
        return _CONFIGS[key]

    def spec(self, scale: str) -> dict[str, Any]:
        """What a job on any machine needs to run the cell, beyond the store itself.

        ``scale`` names the plan, within which expected seconds can be compared.
        """
        return {
            "id": self.id,
            "identity": self.identity,
            "module": self.stage.run.__module__,
            "label": self.label,
            "cost_s": self.cost_s,
            "scale": scale,
            "external": {role: str(external.path) for role, external in self.external.items()},
        }


@dataclass(frozen=True)
class CellSpec:
    """A cell as read back from the store: enough to run it, without the plan that made it."""

    id: str
    identity: dict[str, Any]
    module: str
    label: str
    cost_s: float
    scale: str
    external: dict[str, str]

    @property
    def stage_name(self) -> str:
        """Name of the stage, also the folder that holds the finished cell."""
        return str(self.identity["stage"])

    @property
    def needs(self) -> list[str]:
        """Ids of every input cell."""
        return [cell_id for ids in self.identity["inputs"].values() for cell_id in ids]

    def stage(self) -> Stage[Any]:
        """Find the stage object in the module that the plan named.

        Raises:
            ValueError: this code has no such stage, or another version of it.
        """
        if not may_define_stages(self.module):
            raise ValueError(
                f"cell {self.id[:12]} names the module {self.module!r}, of no package that registers a paper here; install its package"
            )
        for value in vars(importlib.import_module(self.module)).values():
            if isinstance(value, Stage) and value.name == self.stage_name and value.version == self.identity["version"]:
                return value
        raise ValueError(
            f"module {self.module} defines no stage {self.stage_name!r} of version {self.identity['version']}; "
            "it was planned by other code, run the same command again"
        )

    def config(self) -> Config:
        """Rebuild the config, and make sure that it says what the identity says.

        Fields that came after the identity was written down are at their neutral values.
        """
        config: Config = read_stored(self.stage().config_type, self.identity["config"])
        assert identity_document(config) == self.identity["config"], f"{self.label}: its config does not survive JSON"
        return config


def check_record(value: Any, path: str = "") -> None:
    """Refuse what JSON would lose or bend: NaN, infinity, foreign types, keys that are not text.

    Raises:
        ValueError: names the place in the record.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"the record's key {key!r} at {path or 'the top'} is not text")
            check_record(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check_record(item, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the record's {path} is {value}; only finite numbers are results (use None for undefined)")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError(f"the record's {path} is a {type(value).__name__}; records hold plain numbers and text")

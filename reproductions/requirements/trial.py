"""One model of a plan, and how it is opened to see whether it would start; saying so opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.stage import Config
from reproductions.requirements.need import Need

if TYPE_CHECKING:
    import torch

TinyBatch = Callable[[], object]
"""Sends the least through an open model that tells whether it works."""
Opener = Callable[[Mapping[str, Path], Any, "torch.device"], TinyBatch | None]
"""Opens a model by the loader of the stages that use it. Takes places by role, the trial's config and the device; returns the tiny batch,
or None where none can be run. Raises InputError in one sentence for what a user can mend."""


@dataclass(frozen=True)
class Trial:
    """A model that a plan loads."""

    what: str
    """What people call it, and what for."""
    places: Mapping[str, Path]
    """What it is loaded from, by role."""
    opener: Opener
    """A function at the top of a module, which a process of its own can find."""
    config: Config = field(default_factory=Config)
    """What the opener is told; mostly the stage's own config."""
    bytes_per_weight: int = 4
    """The least precision in which it can be opened where there is no GPU."""

    def document(self) -> dict[str, Any]:
        """As JSON, for the process that makes the trial."""
        return {
            "opener": _name(self.opener),
            "config_type": _name(type(self.config)),
            "config": self.config.model_dump(mode="json"),
            "places": {role: str(place) for role, place in self.places.items()},
        }


def trial(need: Need, role: str, opener: Opener, config: Config | None = None) -> Trial:
    """Return the trial of one need, which the opener knows by a role; nothing is opened."""
    return Trial(f"{need.what} as {need.role}", {role: need.place}, opener, config or Config())


def half_precision_trial(need: Need, role: str, opener: Opener, config: Config) -> Trial:
    """Return the trial of a network that can be opened in half precision where float32 has no room."""
    return replace(trial(need, role, opener, config), bytes_per_weight=2)


def _name(thing: Any) -> str:
    assert "<" not in thing.__qualname__, f"{thing} cannot be found from another process"
    return f"{thing.__module__}:{thing.__qualname__}"

"""What a stage is: a pure step from finished inputs and a complete config to a folder of plain files.

The harness runs stages; a test runs one with :class:`LocalContext` and nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

from methods.common.growth import STORED, neutral_documents
from methods.common.seeds import Axis, Seeds
from methods.common.training.distributed import ALONE, Team

if TYPE_CHECKING:  # a plan is made without loading torch
    import torch

    from methods.common.state_file import Checkpoints

Record = dict[str, Any]
"""What a stage returns: numbers and names that fit into JSON. It becomes the cell's ``result.json``."""


class Config(BaseModel):
    """Base of every config: frozen, unknown keys forbidden, each field described by the text under it.

    A stage's config decides which stored results are its own. A new field therefore tells under which value the stage
    does just what it did without it, and results that are stored keep their identity::

        class PasteConfig(Config):
            min_visible_px: int = 300
            feather_px: Annotated[float, Added(neutral=0.0)] = Field(default=2.0, ge=0)  # new: a soft rim

    With ``feather_px=0.0`` the identity is the one from before, and a stored config without the field is read as 0.0; the
    default of 2.0, like any other value, makes new cells. :class:`methods.common.growth.Added` says more, and
    ``docs/store.md`` when a stage's ``version`` must be raised instead.
    """

    # what JSON has no number for stays apart from none, so that it is refused and not lost
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, ser_json_inf_nan="constants")

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        """Refuse added fields that cannot work, as soon as the class is there."""
        neutral_documents(cls)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_neutral_values(cls, given: Any, info: ValidationInfo) -> Any:
        """Read a stored document, in which added fields at their neutral values are left out."""
        if info.context is not STORED or not isinstance(given, dict):
            return given
        return {**neutral_documents(cls), **given}


@dataclass(frozen=True)
class Inputs:
    """Folders that a stage reads, by role: finished cells of earlier stages, and data or weights from outside."""

    roles: Mapping[str, Sequence[Path]] = field(default_factory=dict)

    def folders(self, role: str) -> tuple[Path, ...]:
        """Return every folder in a role, in the plan's order; empty when the role is not given."""
        return tuple(self.roles.get(role, ()))

    def folder(self, role: str) -> Path:
        """Return the one folder in a role."""
        folders = self.folders(role)
        assert len(folders) == 1, f"role {role!r} holds {len(folders)} folders, one was expected"
        return folders[0]

    def record(self, role: str) -> Record:
        """Return the record that the one cell in a role returned."""
        loaded: Record = json.loads((self.folder(role) / "result.json").read_text())
        return loaded


class Context(Protocol):
    """All that a stage may use of its surroundings."""

    @property
    def out(self) -> Path:
        """The only folder a stage writes to. After a restart it may hold files of the attempt before."""

    @property
    def device(self) -> torch.device:
        """Where networks run."""

    @property
    def seeds(self) -> Seeds:
        """The source of every random stream."""

    @property
    def checkpoints(self) -> Checkpoints:
        """State to go on from after an interruption."""

    @property
    def team(self) -> Team:
        """The processes that run this stage together. Only its first process writes."""

    @property
    def batch_parts(self) -> int:
        """In at least how many parts this process's share of a batch goes through the network, >= 1. Never changes a result."""

    @property
    def curves(self) -> Path | None:
        """Folder for curves of a running training that TensorBoard shows; None where nobody asked for them. No part of the result."""

    def checkpoint_due(self) -> bool:
        """True when it is time to save again, equally for the whole team. When it fires never changes a result."""

    def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        """Tell how far the stage is, with a few live numbers such as the loss. Cheap enough for every step.

        Collective like :meth:`checkpoint_due`: every process of a team makes the same calls in the same order.
        """


ConfigT = TypeVar("ConfigT", bound=Config)

StageKind = Literal["prepare", "generate", "cut", "filter", "train", "evaluate"]
"""What a stage does, as far as what it needs of a machine goes."""


@dataclass(frozen=True)
class Stage(Generic[ConfigT]):
    """A named, versioned pure function. Raise ``version`` when the same config would give other results."""

    name: str
    version: int
    config_type: type[ConfigT]
    run: Callable[[Inputs, ConfigT, Context], Record]
    """A module-level function in the module that defines the stage; heavy imports belong inside it."""
    seed_axes: tuple[Axis, ...] = ()
    """The axes it draws from; only these enter the cell's identity."""
    uses_gpu: bool = False
    kind: StageKind = "prepare"
    """Its kind, by which a site gives partitions, memory and time."""
    runs_on_team: bool = False
    """Whether several processes may run it together, with the same result."""


@dataclass
class LocalContext:
    """A context for tests and notebooks: a folder, seeds, no harness."""

    out: Path
    seeds: Seeds = field(default_factory=Seeds)
    checkpoint_every_s: float = 60.0
    history: list[tuple[int, int, str, dict[str, float]]] = field(default_factory=list)
    team: Team = ALONE
    batch_parts: int = 1
    curves: Path | None = None
    _saved_at: float = field(default_factory=time.monotonic)

    @property
    def device(self) -> torch.device:
        """The CPU."""
        import torch

        return torch.device("cpu")

    @property
    def checkpoints(self) -> Checkpoints:
        """Checkpoints beside the output folder."""
        from methods.common.state_file import Checkpoints

        return Checkpoints(self.out.with_name(self.out.name + ".checkpoints"))

    def checkpoint_due(self) -> bool:
        """True every ``checkpoint_every_s`` seconds."""
        if time.monotonic() - self._saved_at < self.checkpoint_every_s:
            return False
        self._saved_at = time.monotonic()
        return True

    def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        """Keep what was reported."""
        self.history.append((done, total, unit, numbers))

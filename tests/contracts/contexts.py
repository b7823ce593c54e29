"""Contexts for tests of stages: seeds that guard the declared axes, and a process that is killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from methods.common.seeds import Axis, Seeds
from methods.common.stage import Config, Inputs, LocalContext, Record, Stage
from methods.common.state_file import Checkpoints
from methods.common.training.history import PACE_FILE


class Killed(BaseException):
    """Stands for the end of the process: no stage catches it, and what follows in ``finally`` must not matter."""


@dataclass
class MortalContext(LocalContext):
    """Saves at every ``save_every``-th opportunity, and is killed at the ``kill_at``-th sign of progress (from 1)."""

    kill_at: int = 0
    """0: it lives."""
    save_every: int = 1
    opportunities: int = 0

    @property
    def done(self) -> list[int]:
        """How far the stage was at each sign of progress."""
        return [done for done, *_ in self.history]

    def checkpoint_due(self) -> bool:
        self.opportunities += 1
        return self.opportunities % self.save_every == 0

    def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        super().progress(done, total, unit, **numbers)
        if len(self.history) == self.kill_at:
            raise Killed


def attempt(
    run: Callable[[Inputs, Any, Any], Record], inputs: Inputs, config: Config, out: Path, **options: Any
) -> tuple[MortalContext, Record | None]:
    """Run a stage once in a folder that may hold files of the attempt before; the record is None if it was killed."""
    out.mkdir(parents=True, exist_ok=True)
    context = MortalContext(out, **options)
    try:
        return context, run(inputs, config, context)
    except Killed:
        return context, None


def files_of(folder: Path) -> dict[str, bytes]:
    """The bytes of every file below a folder, by relative name, but for what tells how fast it went."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != PACE_FILE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


class GuardedSeeds(Seeds):
    """Refuses axes that a stage has not declared, and remembers those that it drew from."""

    declared: tuple[Axis, ...] = ()
    _drawn: set[str] = PrivateAttr(default_factory=set)

    @classmethod
    def of(cls, stage: Stage[Any], seeds: Seeds, shift: int) -> GuardedSeeds:
        """The declared axes of ``seeds``; the others are ``shift`` further, so that who reads them betrays itself."""
        values = {axis: getattr(seeds, axis) for axis in Seeds.model_fields}
        moved = {axis: value if axis in stage.seed_axes else value + shift for axis, value in values.items()}
        return cls(declared=stage.seed_axes, **moved)

    @property
    def drawn(self) -> frozenset[str]:
        return frozenset(self._drawn)

    def derive(self, axis: Axis, *parts: str | int) -> int:
        assert axis in self.declared, f"the stage draws from the {axis!r} seeds but does not list them in seed_axes"
        self._drawn.add(axis)
        return super().derive(axis, *parts)


@dataclass
class WatchedContext(LocalContext):
    """Saves at every opportunity, in a folder ``out`` beside ``checkpoints`` as the harness has it; every call is a look at it."""

    look: Callable[[], None] = lambda: None
    asked_for_parts: bool = False

    def __getattribute__(self, name: str) -> Any:
        if name == "batch_parts":
            self.asked_for_parts = True
        return super().__getattribute__(name)

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.out.parent / "checkpoints")

    def checkpoint_due(self) -> bool:
        self.look()
        return True

    def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        super().progress(done, total, unit, **numbers)
        self.look()

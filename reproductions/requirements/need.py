"""What a plan needs from outside, and what its GPUs must hold; saying so looks at nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from methods.common.stage import StageKind
from reproductions.requirements.inspection import Inspector


@dataclass(frozen=True)
class Need:
    """One thing from outside that a plan needs. Saying so looks at nothing; :mod:`reproductions.requirements.preflight` does."""

    role: str
    """What cells call it."""
    what: str
    """What people call it."""
    place: Path
    """Where it is looked for."""
    inspect: Inspector
    """Tells whether it is whole."""
    remedy: tuple[str, ...]
    """How to get it: one step a line, commands as they are typed."""
    licence: str = ""
    """Its licence, and the gate before it where there is one."""
    source: str = ""
    """Address of the publisher's page."""
    checksums: Mapping[str, tuple[str, ...]] | None = None
    """SHA-256 of files as published, by name below ``place`` ("." is the place itself), one for each published revision;
    empty when none is known, None where nothing is published."""
    is_copy: bool = False
    """Whether the publisher has withdrawn it, so that what is there is somebody's copy and may be other files."""
    is_read: Callable[[PurePosixPath], bool] | None = None
    """Which files of it count for its identity, by their path below ``place``; None counts all."""
    is_own: bool = False
    """Whether the user brings it, so that it is looked at before every run and nobody is told to remove it."""

    @property
    def is_published(self) -> bool:
        """Whether it can be had from a publisher; not what users bring, nor what belongs to this repository."""
        return bool(self.source)


@dataclass(frozen=True)
class GpuNeed:
    """What one GPU must hold for one kind of stage; an estimate of ours, never a measurement."""

    kind: StageKind
    what: str
    fixed_gib: float
    """Whatever the number of images: weights, optimiser, CUDA itself."""
    image_gib: float
    """For each image that goes through together."""
    batch_size: int
    """Images that go through together when there is room."""
    split_remark: str
    """What to do when fewer fit; ``{images}`` that fit and ``{parts}`` of the batch are put in."""

    @property
    def least_gib(self) -> float:
        """For one image at a time."""
        return self.fixed_gib + self.image_gib

    @property
    def whole_gib(self) -> float:
        """For the whole batch."""
        return self.fixed_gib + self.batch_size * self.image_gib

    def images_that_fit(self, memory_gib: float) -> int:
        """How many images fit together into a GPU, at least one."""
        return max(1, int((memory_gib - self.fixed_gib) / self.image_gib))

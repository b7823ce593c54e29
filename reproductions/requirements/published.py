"""How published weights and data are described: from where, under which licence, how to get them, their checksums.

Nothing is downloaded here; the steps are for people. Options of ``hf`` are those of the huggingface_hub that
``requirements.lock`` names.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from reproductions.requirements.inspect_weights import torch_file
from reproductions.requirements.inspection import Inspector

Checksums = Mapping[str, tuple[str, ...]]
"""SHA-256 by file below the place, one for each published revision; a file without one has none that we found published."""


@dataclass(frozen=True)
class HubModel:
    """A model repository of the Hugging Face Hub."""

    title: str
    """What people call it."""
    repository: str
    licence: str
    inspect: Inspector
    """Tells whether a copy is whole."""
    checksums: Checksums = field(default_factory=dict)
    revision: str | None = None
    """Commit to take, where it matters or is known."""
    leave_out: tuple[str, ...] = ()
    """Patterns of files that are not used here."""
    gated: bool = False
    copies: tuple[str, ...] = ()
    """Repositories of others with the same weights, the one to take first; for what its publisher has withdrawn, and so only
    where ``repository`` is not served any more."""
    part: str = ""
    """Which part of the repository is meant, if not all that is used of it elsewhere; it has a folder of its own, so that what else is
    downloaded does not change what it is known by."""

    @property
    def is_withdrawn(self) -> bool:
        """Whether only copies are to be had, which may hold other files than the published ones."""
        return bool(self.copies)

    @property
    def name(self) -> str:
        """Of the folder that holds a copy."""
        name = self.repository.rsplit("/", 1)[-1].removesuffix("-diffusers")
        return f"{name}-{self.part}" if self.part else name

    @property
    def source(self) -> str:
        """Address of the model page, or that of the first copy."""
        return f"https://huggingface.co/{(*self.copies, self.repository)[0]}"

    def steps(self, place: Path) -> tuple[str, ...]:
        """How to get it to ``place``."""
        words = [_hf(), "download", (*self.copies, self.repository)[0]]
        words += ["--revision", self.revision] if self.revision is not None else []
        words += [word for pattern in self.leave_out for word in ("--exclude", pattern)]
        download = shlex.join([*words, "--local-dir", str(place)])
        gate = (
            f"(open {self.source}, sign in and accept the licence)",
            f"{_hf()} auth login  # with a read token from https://huggingface.co/settings/tokens",
        )
        if self.is_withdrawn:
            others = f"; others: {', '.join(self.copies[1:])}" if self.copies[1:] else ""
            return (f"({self.repository} was withdrawn by its publisher; this is a copy{others})", download)
        return (*gate, download) if self.gated else (download,)


def _hf() -> str:
    """The Hub's command: by name where a shell finds it, else the one of this environment."""
    own = Path(sys.executable).with_name("hf")
    if shutil.which("hf") is not None or not own.exists():
        return "hf"
    return shlex.quote(str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own))


@dataclass(frozen=True)
class SingleFile:
    """One file behind one address."""

    title: str
    """What people call it."""
    url: str
    licence: str
    source: str
    """Page that names it."""
    inspect: Inspector = torch_file
    """Tells whether a copy is whole."""
    checksums: Checksums = field(default_factory=dict)
    by_hand: str = ""
    """How people get it where no address serves the file, which ``url`` then only names; empty where one does."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]

    def steps(self, place: Path) -> tuple[str, ...]:
        """How to get it to ``place``."""
        if self.by_hand:
            return (f"({self.by_hand}, and put the file at {place})",)
        return (shlex.join(["curl", "-fL", "--create-dirs", "-o", str(place), self.url]),)


@dataclass(frozen=True)
class InstalledFile:
    """Weights that a Python package holds, so that they are there wherever this project's optional dependencies are."""

    title: str
    """What people call it."""
    package: str
    """Name on the index."""
    module: str
    """Folder of the installed package."""
    name: str
    """The file's path below it."""
    licence: str
    extra: str
    """Of this project's optional dependencies, which brings the package."""
    inspect: Inspector = torch_file
    """Tells whether it is whole."""
    checksums: Checksums = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Address of the publisher's page."""
        return f"https://pypi.org/project/{self.package}/"

    def place(self) -> Path | None:
        """Where the file lies; None where the package is not installed. Nothing of the package is run."""
        found = find_spec(self.module)
        folders = None if found is None else found.submodule_search_locations
        return Path(folders[0]) / self.name if folders else None


@dataclass(frozen=True)
class DataSet:
    """A published data set."""

    title: str
    """What people call it."""
    name: str
    """Of the folder that holds it, or of the file that it is."""
    licence: str
    source: str
    """Address of the publisher's page."""
    inspect: Inspector
    """Tells whether a copy is whole."""
    steps: Callable[[Path], tuple[str, ...]]
    """How to get it to a place."""
    checksums: Checksums = field(default_factory=dict)
    is_file: bool = False
    """Whether it is one file, and no folder."""


Published = HubModel | SingleFile | DataSet

"""How published weights are described: from where, under which licence, how to get them, their checksums.

Nothing is downloaded here; the steps are for people. Options of ``hf`` are those of the huggingface_hub that
``requirements.lock`` names.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class HubModel:
    """A model repository of the Hugging Face Hub."""

    repository: str
    licence: str
    checksums: Mapping[str, tuple[str, ...]]
    revision: str | None = None
    """Commit to take, where it matters or is known."""
    leave_out: tuple[str, ...] = ()
    """Patterns of files that are not used here."""
    gated: bool = False

    @property
    def source(self) -> str:
        """Address of the model page."""
        return f"https://huggingface.co/{self.repository}"

    def steps(self, place: Path) -> tuple[str, ...]:
        """How to get it to ``place``."""
        words = [_hf(), "download", self.repository]
        words += ["--revision", self.revision] if self.revision is not None else []
        words += [word for pattern in self.leave_out for word in ("--exclude", pattern)]
        download = shlex.join([*words, "--local-dir", str(place)])
        gate = (
            f"(open {self.source}, sign in and accept the licence)",
            f"{_hf()} auth login  # with a read token from https://huggingface.co/settings/tokens",
        )
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

    url: str
    licence: str
    source: str
    """Page that names it."""
    checksums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]

    def steps(self, place: Path) -> tuple[str, ...]:
        """How to get it to ``place``."""
        return (shlex.join(["curl", "-fL", "--create-dirs", "-o", str(place), self.url]),)


CLIP = HubModel(
    "openai/clip-vit-large-patch14",
    "MIT (github.com/openai/CLIP)",
    # LFS pointer at the revision below, 1,710,540,580 bytes.
    {"model.safetensors": ("a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",)},
    revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    leave_out=("*.bin", "*.h5", "*.msgpack"),
)
"""Of several papers: MRCA's filter, and SAM's masks named by CLIP."""

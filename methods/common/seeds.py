"""Named seed axes, and the one rule that derives every random stream from them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import torch

Axis = Literal["data", "generation", "training"]


def derive_seed(*parts: str | int) -> int:
    """Derive a seed in [0, 2**63) from an ordered list of names and numbers.

    The first eight bytes of SHA-256 over the JSON list, so that ("a", 1) and ("a1",) differ and neither order of
    calls nor the number of processes matters. Source: our choice.
    """
    digest = hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Seeds(BaseModel):
    """One integer for each axis of randomness; arms that share a seed index are paired on all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: int = Field(default=0, ge=0, description="which world, subset and held-out split")
    generation: int = Field(default=0, ge=0, description="prompts, latents and everything else about generated objects")
    training: int = Field(default=0, ge=0, description="initial weights, order of images, augmentation, pasting")

    def derive(self, axis: Axis, *parts: str | int) -> int:
        """Derive the seed of one stream, e.g. ``derive("generation", round, class_id, index)``."""
        return derive_seed(axis, getattr(self, axis), *parts)

    def numpy(self, axis: Axis, *parts: str | int) -> np.random.Generator:
        """Return a NumPy generator for one stream."""
        return np.random.default_rng(self.derive(axis, *parts))

    def torch(self, axis: Axis, *parts: str | int) -> torch.Generator:
        """Return a CPU torch generator for one stream."""
        import torch  # here, so that planning and `--help` start without it

        return torch.Generator().manual_seed(self.derive(axis, *parts))

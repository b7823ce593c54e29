"""A loss and the named parts that it is the sum of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Losses:
    """The loss of some images of a batch. Over all images of the batch, losses add up to the batch's."""

    total: Tensor
    """What is trained, a scalar."""
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    """What adds up to it, weighted, by name; empty where it has no named parts."""

    @classmethod
    def of(cls, parts: Mapping[str, Tensor]) -> Self:
        """Add up named parts, in float32."""
        parts = {name: part.float() for name, part in parts.items()}
        return cls(torch.stack(list(parts.values())).sum(), parts)

    def detach(self) -> Losses:
        """Return the values without what they were computed from."""
        return Losses(self.total.detach(), {name: part.detach() for name, part in self.parts.items()})

    def __add__(self, other: Losses) -> Losses:
        """Return the loss of the images of both, which have the same parts."""
        return Losses(self.total + other.total, {name: part + other.parts[name] for name, part in self.parts.items()})

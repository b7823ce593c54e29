"""Several semantic segmenters that decide together: the mean of their scores.

Shape legend: N images, H, W pixels, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn

from methods.common.files import write_atomic
from methods.common.segmenters.saved import CONFIG_FILE, read_config
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.stage import Config
from methods.common.training.batch_shard import BatchShare


class AveragedConfig(Config):
    """What the folder of several segmenters holds."""

    kind: Literal["averaged"] = "averaged"
    """Which segmenter this is."""
    members: tuple[str, ...]
    """Folders below, each of a segmenter, in the order of the sum."""


class AveragedSegmenter(SemanticSegmenter):
    """The mean of the logits of several networks (Attn2mask section 6.5)."""

    def __init__(self, members: Mapping[str, SemanticSegmenter]) -> None:
        """Take networks of the same classes, by name."""
        super().__init__()
        counts = {member.num_classes for member in members.values()}
        assert len(counts) == 1, f"members have {sorted(counts)} classes"
        self.num_classes = counts.pop()
        self.members = nn.ModuleDict(members)

    def each(self) -> list[SemanticSegmenter]:
        """Return the networks."""
        return [member for member in self.members.values() if isinstance(member, SemanticSegmenter)]

    def scores(self, image_N3HW: Tensor) -> Tensor:
        """Return the mean of the members' scores, float32 [N, K, H, W]."""
        return torch.stack([member.scores(image_N3HW) for member in self.each()]).mean(0)

    def losses(
        self, image_N3HW: Tensor, label_NHW: Tensor, generator: torch.Generator, share: BatchShare
    ) -> Mapping[str, Tensor]:
        """Return the losses of each member by itself, named ``member.loss``."""
        return {
            f"{name}.{kind}": loss
            for name, member in zip(self.members, self.each(), strict=True)
            for kind, loss in member.losses(image_N3HW, label_NHW, generator, share).items()
        }

    @property
    def backbone(self) -> nn.Module:
        """That of the first member."""
        return self.each()[0].backbone

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Those of all members."""
        return tuple(
            f"members.{name}.{layer}"
            for name, member in zip(self.members, self.each(), strict=True)
            for layer in member.class_layers
        )

    def save_pretrained(self, folder: Path | str) -> None:
        """Write ``config.json`` and a folder for each member, the config last."""
        for name, member in zip(self.members, self.each(), strict=True):
            (Path(folder) / name).mkdir(parents=True, exist_ok=True)
            member.save_pretrained(Path(folder) / name)
        config = AveragedConfig(members=tuple(self.members))
        write_atomic(Path(folder) / CONFIG_FILE, (json.dumps(config.model_dump(), indent=2) + "\n").encode())

    @classmethod
    def from_pretrained(cls, folder: Path, load_member: Callable[[Path], SemanticSegmenter]) -> Self:
        """Read what :meth:`save_pretrained` wrote, on the CPU and in evaluation mode.

        Args:
            folder: where it lies.
            load_member: reads a segmenter of any kind.

        Raises:
            InputError: a file is missing, unreadable, or does not fit the other.
        """
        config = read_config(folder, AveragedConfig)
        return cls({name: load_member(folder / name) for name in config.members}).eval()

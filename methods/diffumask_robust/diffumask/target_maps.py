"""The heat map of the one class that a picture was generated for.

Shape legend: M maps of a picture, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.generated.pair_reader import PAIRS_FILE, ListedPair, list_pairs
from methods.common.generators.attention_heat_maps import scale_maps
from methods.common.generators.attention_masks import normalise
from methods.common.resumable_records import read_lines
from methods.diffumask_robust.heat_map_files import MAPS, read_maps, read_preset


class Target(NamedTuple):
    """What a picture was generated for."""

    pair: ListedPair
    record: dict[str, Any]
    """Its line in the list of pictures."""
    class_name: str
    label: int


class TargetMaps:
    """The pictures of a cell, each of one class, and the heat map of that class by one preset."""

    def __init__(self, folder: Path, preset: str, *, rescaled: bool = False) -> None:
        """Read the lists.

        Args:
            folder: a cell of pictures with heat maps.
            preset: whose heat maps.
            rescaled: whether maps are scaled to [0, 1] once more, by their smallest and largest value [C D51].

        Raises:
            InputError: a file is missing or faulty, or the preset was not taken.
        """
        pairs, self.class_names = list_pairs((folder,))
        self._folder, self._name, self._rescaled = folder, preset, rescaled
        self._preset = read_preset(folder, preset)
        self.targets = list_targets(pairs, read_lines(folder / PAIRS_FILE), self.class_names)

    def map_of(self, target: Target, size: tuple[int, int]) -> NDArray[np.float32]:
        """Return the heat map of a picture's class, in about [0, 1], [H, W]; the maximum where a prompt names it twice.

        Args:
            target: one of ``targets``.
            size: height and width of the picture.

        Raises:
            InputError: its file is missing or damaged.
        """
        path = self._folder / MAPS / self._name / f"{target.pair.id}.png"
        map_Mhw = torch.from_numpy(read_maps(path, target.record["ranges"][self._name]))
        names = [target.class_name] * len(map_Mhw)
        scaled_MHW = scale_maps(map_Mhw, names, self._preset, size).scaled_MHW
        if self._rescaled:
            scaled_MHW = normalise(scaled_MHW)[0]
        found: NDArray[np.float32] = scaled_MHW.amax(0).float().cpu().numpy()
        return found


def list_targets(
    pairs: Sequence[ListedPair], records: Sequence[dict[str, Any]], class_names: Sequence[str]
) -> list[Target]:
    """Return the target of each picture.

    Raises:
        InputError: a picture was generated for no class, or for several.
    Source: section 10.1 [code].
    """
    targets = []
    for pair, record in zip(pairs, records, strict=True):
        if len(pair.classes) != 1:
            raise InputError(
                f"picture {pair.id!r} of {pair.shard} shows {len(pair.classes)} classes; DiffuMask wants prompts that name one"
            )
        name = pair.classes[0]
        targets.append(Target(pair, record, name, class_names.index(name)))
    return targets

"""AffinityNet's training labels on disk.

    seeds.jsonl              a line a picture: id, classes, split, levels, shares of cells
    seeds/<id>.png           gray PNG, a pixel a cell: 0 background, 1 the class, 2 another class, 255 not known

Shape legend: h, w cells.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.generated.pair_reader import ListedPair
from methods.common.resumable_records import read_lines

SEEDS_FILE, SEEDS = "seeds.jsonl", "seeds"


class ListedSeeds(NamedTuple):
    """The labels of the cells of one picture."""

    pair: ListedPair
    labels: Path

    def read(self) -> NDArray[np.uint8]:
        """Return the label of each cell, uint8 [h, w].

        Raises:
            InputError: the file is missing or damaged.
        """
        from methods.common.datasets.png_labels import read_labels

        return read_labels(self.labels).astype(np.uint8)


def encode_seeds(label_hw: NDArray[np.uint8]) -> bytes:
    """Return labels of cells as the bytes of a gray PNG."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(label_hw).save(data, "PNG")
    return data.getvalue()


def list_seeds(pairs: Sequence[ListedPair], folders: Sequence[Path]) -> list[ListedSeeds]:
    """Return the seeds of all pictures, in their order.

    Args:
        pairs: the pictures of all shards.
        folders: with the seeds of the shards, in the same order.

    Raises:
        InputError: a list is missing or faulty, or is of other pictures.
    """
    lines = [(folder, line) for folder in folders for line in read_lines(folder / SEEDS_FILE)]
    names = [line.get("id") for _, line in lines]
    if names != [pair.id for pair in pairs]:
        raise InputError(
            f"the {len(lines)} lines of {SEEDS_FILE} are not of the {len(pairs)} pictures in their order; name the seeds of every shard"
        )
    return [
        ListedSeeds(pair, folder / SEEDS / f"{pair.id}.png") for pair, (folder, _) in zip(pairs, lines, strict=True)
    ]

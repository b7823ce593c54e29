"""Labels of generated pictures on disk: label maps, where they are trusted, and a list that says which images are of use.

    labels.jsonl             a line a picture: id, classes, dropped (why, or empty), foreground (share)
    labels/<id>.png          palette PNG, 0 background, 255 nothing known
    trusted/<id>.png         gray PNG, 0 or 1

Shape legend: H, W pixels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.generated.pair_reader import ListedPair
from methods.common.resumable_records import read_lines

LABELS_FILE, LABELS, TRUSTED = "labels.jsonl", "labels", "trusted"


class ListedLabels(NamedTuple):
    """The labels of one picture."""

    pair: ListedPair
    labels: Path
    trusted: Path
    line: dict[str, Any]
    """Its line in the list."""

    @property
    def dropped(self) -> bool:
        """Whether the picture is of no use."""
        return bool(self.line["dropped"])


def encode_trusted(trusted_HW: NDArray[np.bool_]) -> bytes:
    """Return where labels are trusted as the bytes of a gray PNG of 0 and 1."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(trusted_HW.astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


def write_labels_of(folder: Path, name: str, label_HW: NDArray[np.uint8], trusted_HW: NDArray[np.bool_]) -> None:
    """Write the labels of a picture, and where they are trusted, each atomically."""
    from methods.common.datasets.voc import encode_labels
    from methods.common.files import write_atomic

    write_atomic(folder / LABELS / f"{name}.png", encode_labels(label_HW))
    write_atomic(folder / TRUSTED / f"{name}.png", encode_trusted(trusted_HW))


def write_kept(folder: Path, listed: Sequence[ListedLabels], lines: Sequence[dict[str, Any]]) -> None:
    """Write a list of labels anew with a copy of the labels of all pictures that are still of use.

    Args:
        folder: where.
        listed: labels of all pictures.
        lines: their new lines; ``dropped`` says which go.

    Raises:
        InputError: a file is missing.
    """
    from methods.common.errors import reason
    from methods.common.files import write_atomic
    from methods.common.resumable_records import append_lines, keep_lines

    for below in (LABELS, TRUSTED):
        (folder / below).mkdir(exist_ok=True)
    keep_lines(folder / LABELS_FILE, 0)
    for one, line in zip(listed, lines, strict=True):
        for below, path in ((LABELS, one.labels), (TRUSTED, one.trusted)) if not line["dropped"] else ():
            try:
                write_atomic(folder / below / path.name, path.read_bytes())
            except OSError as error:
                raise InputError(f"{path} cannot be read ({reason(error)}); label the pictures again") from error
    append_lines(folder / LABELS_FILE, list(lines))


def read_trusted(path: Path) -> NDArray[np.bool_]:
    """Read where labels are trusted, bool [H, W].

    Raises:
        InputError: the file is missing or damaged, or holds another number than 0 and 1.
    """
    from methods.common.datasets.png_labels import read_labels

    trusted_HW = read_labels(path)
    if trusted_HW.max(initial=0) > 1:
        raise InputError(f"{path} holds {int(trusted_HW.max())}; write 1 where labels are trusted and 0 elsewhere")
    return trusted_HW.astype(bool)


def list_labels(pairs: Sequence[ListedPair], folders: Sequence[Path]) -> list[ListedLabels]:
    """Return the labels of all pictures, in their order.

    Args:
        pairs: the pictures of all shards.
        folders: with the labels of the shards, in the same order.

    Raises:
        InputError: a list is missing or faulty, or is of other pictures.
    """
    lines = [(folder, line) for folder in folders for line in read_lines(folder / LABELS_FILE)]
    if len(lines) != len(pairs):
        raise InputError(
            f"{len(lines)} lines of {LABELS_FILE} come with {len(pairs)} pictures; name the labels of every shard"
        )
    found = []
    for pair, (folder, line) in zip(pairs, lines, strict=True):
        if line.get("id") != pair.id or not isinstance(line.get("dropped"), str):
            raise InputError(
                f"{folder / LABELS_FILE} has a line of {line.get('id')!r} where the picture is {pair.id!r}, or without `dropped`; "
                "label these pictures"
            )
        file = f"{pair.id}.png"
        found.append(ListedLabels(pair, folder / LABELS / file, folder / TRUSTED / file, line))
    return found

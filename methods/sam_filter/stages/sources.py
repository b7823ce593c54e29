"""What a segmenter is trained on: generated pairs, real images, or drawn shapes. Imports nothing heavy.

Shape legend: H, W pixels; 3 RGB channels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config, Inputs
from methods.sam_filter.semseg_fdsl import SemSegFdslConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.seeds import Seeds

SELECTED_FILE = "selected.txt"


class PairsSource(Config):
    """Generated pairs that a selection kept. Roles: ``pairs`` (all shards of them) and ``selection``."""

    kind: Literal["pairs"] = "pairs"
    """Which source this is."""
    variant: str = "s32_c16"
    """Whose masks: a folder below ``masks`` of the pairs. [P] self-attention 32, cross-attention 16."""


class RealSource(Config):
    """A split of real images. Role: ``data``."""

    kind: Literal["real"] = "real"
    """Which source this is."""
    split: str = "trainaug"
    """Its name. ``trainaug`` is the usual training list without VOC val (section 8.3)."""


class DrawnSource(Config):
    """SemSegFDSL, drawn on the fly; which pictures depends on the training seed (section 7)."""

    kind: Literal["drawn"] = "drawn"
    """Which source this is."""
    drawn: SemSegFdslConfig = SemSegFdslConfig()
    """Which pictures."""
    num_images: int = Field(default=20_000, ge=1)
    """How many. [P]"""


Source = Annotated[PairsSource | RealSource | DrawnSource, Field(discriminator="kind")]


def open_source(source: PairsSource | RealSource | DrawnSource, inputs: Inputs, seeds: Seeds) -> LabelledImages:
    """Open the training images of a source.

    Raises:
        InputError: something is missing or faulty.
    """
    if isinstance(source, PairsSource):
        return open_pairs(inputs.folders("pairs"), inputs.folder("selection"), source.variant)
    if isinstance(source, RealSource):
        from methods.common.datasets.open_labelled import open_labelled_images

        return open_labelled_images(inputs.folder("data"), source.split)
    return DrawnImages(source, seeds.derive("training", "drawn pictures"))


def open_pairs(shards: tuple[Path, ...], selection: Path, variant: str) -> LabelledImages:
    """Open the selected pairs, in the order of the selection.

    Raises:
        InputError: nothing is selected, a selected pair is in no shard or has no mask of the variant, or shards name different
            classes.
    """
    from methods.common.datasets.labelled_images import ImageFiles, LabelledFiles, all_rated
    from methods.common.generated.pair_reader import list_pairs

    pairs, class_names = list_pairs(shards)
    pair_of = {pair.id: pair for pair in pairs}
    selected = [line for line in (selection / SELECTED_FILE).read_text().splitlines() if line]
    if not selected:
        raise InputError(f"{selection / SELECTED_FILE} names no pair; keep more pairs")
    for name in selected:
        if name not in pair_of:
            raise InputError(
                f"{selection / SELECTED_FILE} names pair {name!r}, which is in none of {len(shards)} shards; "
                "select from the same shards"
            )
    for shard in dict.fromkeys(pair_of[name].shard for name in selected):
        _check_variant(shard, variant)
    kept = [pair_of[name] for name in selected]
    files = [ImageFiles(pair.id, pair.image_path(), pair.labels_path(variant)) for pair in kept]
    return LabelledFiles(files, all_rated(class_names))


def _check_variant(shard: Path, variant: str) -> None:
    if not (shard / "masks" / variant).is_dir():
        there = ", ".join(sorted(path.name for path in (shard / "masks").glob("*"))) or "none"
        raise InputError(f"{shard} has no masks of the variant {variant!r}; there are {there}, so set source.variant")


class DrawnImages:
    """SemSegFDSL as labelled images."""

    def __init__(self, source: DrawnSource, seed: int) -> None:
        from methods.sam_filter.semseg_fdsl import SemSegFdsl

        self._drawn = SemSegFdsl(source.drawn, source.num_images, seed)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Background, then the categories by number."""
        return ("background", *(f"shape {label}" for label in range(1, self._drawn.config.num_categories + 1)))

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._drawn)

    def name(self, index: int) -> str:
        """Return the number of the picture in six digits."""
        return f"{index:06d}"

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw one picture: uint8 RGB [H, W, 3], labels uint8 [H, W]."""
        return self._drawn[index]

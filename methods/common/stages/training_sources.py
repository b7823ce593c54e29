"""What a semantic segmenter is trained on: generated pairs or real images. Imports nothing heavy.

A paper that trains on something else adds a subclass of :class:`TrainingSource` to the union in its own config.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.generated.pair_reader import SELECTED_FILE, list_pairs
from methods.common.growth import Added
from methods.common.stage import Config, Inputs

CityscapesClasses = Literal["19", "groups"]
"""See :data:`methods.common.datasets.cityscapes_semantic.CityscapesClasses`, which needs NumPy."""

if TYPE_CHECKING:
    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.seeds import Seeds
    from methods.common.segmenters.image_order import ImageOrder


class TrainingSource(Config):
    """Base of every source. A subclass has a field ``kind``, a literal by which a config tells sources apart."""

    @abstractmethod
    def open(self, inputs: Inputs, seeds: Seeds) -> LabelledImages:
        """Open the training images.

        Args:
            inputs: the stage's folders; the source says which roles it reads.
            seeds: of the stage.

        Raises:
            InputError: something is missing or faulty.
        """

    def order(self, images: LabelledImages, seeds: Seeds) -> ImageOrder:
        """Return which image each sample of a training shows: every image once an epoch, unless a source knows better.

        Args:
            images: that :meth:`open` returned.
            seeds: of the stage.
        """
        from methods.common.segmenters.semantic.training_images import epochs

        return epochs(len(images), seeds)


class PairsSource(TrainingSource):
    """Generated pairs that a selection kept. Roles: ``pairs`` (all shards of them) and ``selection``."""

    kind: Literal["pairs"] = "pairs"
    """Which source this is."""
    variant: str = "s32_c16"
    """Whose masks: a folder below ``masks`` of the pairs. [P] self-attention 32, cross-attention 16."""

    def open(self, inputs: Inputs, seeds: Seeds) -> LabelledImages:
        """Open the selected pairs; see :func:`open_pairs`."""
        return open_pairs(inputs.folders("pairs"), inputs.folder("selection"), self.variant)


class RealSource(TrainingSource):
    """A split of real images. Role: ``data``."""

    kind: Literal["real"] = "real"
    """Which source this is."""
    split: str = "trainaug"
    """Its name. ``trainaug`` is the usual training list without VOC val (SAM filter section 8.3)."""
    max_images: Annotated[int | None, Added(neutral=None)] = Field(default=None, ge=1)
    """So many of its images, drawn by name, the same in every run; a smaller number lies within a larger one. None for all."""

    def open(self, inputs: Inputs, seeds: Seeds) -> LabelledImages:
        """Open the split, in whichever known layout it lies."""
        from methods.common.datasets.open_labelled import open_labelled_images

        images = open_labelled_images(inputs.folder("data"), self.split)
        if self.max_images is None:
            return images
        from methods.common.datasets.limited import LimitedImages

        return LimitedImages(images, self.max_images)


class CityscapesSource(TrainingSource):
    """A split of Cityscapes' layout. Role: ``data``."""

    kind: Literal["cityscapes"] = "cityscapes"
    """Which source this is."""
    split: str = "train"
    """Its name."""
    classes: CityscapesClasses = "19"
    """Its 19 classes, or background, human and vehicle (Attn2mask section 9.3)."""
    max_images: Annotated[int | None, Added(neutral=None)] = Field(default=None, ge=1)
    """So many of its images, drawn by name as for :class:`RealSource`. None for all."""

    def open(self, inputs: Inputs, seeds: Seeds) -> LabelledImages:
        """Open the split."""
        from methods.common.datasets.cityscapes_semantic import open_cityscapes_semantic
        from methods.common.datasets.limited import LimitedImages

        images = open_cityscapes_semantic(inputs.folder("data"), self.split, self.classes)
        return images if self.max_images is None else LimitedImages(images, self.max_images)


def open_pairs(shards: tuple[Path, ...], selection: Path, variant: str) -> LabelledImages:
    """Open the selected pairs, in the order of the selection.

    Args:
        shards: folders of generated pairs.
        selection: the folder whose ``selected.txt`` names pairs, an id a line.
        variant: whose masks.

    Raises:
        InputError: nothing is selected, a selected pair is in no shard or has no mask of the variant, or shards name different
            classes.
    """
    from methods.common.datasets.labelled_images import ImageFiles, LabelledFiles, all_rated

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

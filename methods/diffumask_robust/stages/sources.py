"""What a segmenter of this paper is trained on. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.generated.pair_reader import list_pairs
from methods.common.growth import Added
from methods.common.stage import Inputs
from methods.common.stages.training_sources import CityscapesSource, RealSource, TrainingSource
from methods.diffumask_robust.class_set import ClassSet

if TYPE_CHECKING:
    from methods.common.seeds import Seeds
    from methods.diffumask_robust.class_set_images import ClassSetImages
    from methods.diffumask_robust.trusted_images import LabelledPictures, TrustedImages


class LabelledSource(TrainingSource):
    """Generated pictures with labels, without those that are of no use. Roles: ``pairs`` and ``labels`` (all shards of both)."""

    kind: Literal["labelled"] = "labelled"
    """Which source this is."""
    max_images: int | None = Field(default=None, ge=1)
    """The first so many generated pictures, before any is dropped; None for all. A smaller set lies within a larger one."""
    has_background: Annotated[bool, Added(neutral=True)] = True
    """Whether the data set has a background class. Without one, as in Cityscapes, labels count the classes from 0, and what no word claims
    is 255 (section 7)."""

    def open(self, inputs: Inputs, seeds: Seeds) -> LabelledPictures:
        """Open the pictures.

        Raises:
            InputError: files are missing or do not belong together, there are too few, or none is of use.
        """
        from methods.diffumask_robust.label_files import list_labels
        from methods.diffumask_robust.trusted_images import LabelledPictures

        folders = inputs.folders("pairs")
        pairs, class_names = list_pairs(folders)
        listed = sorted(list_labels(pairs, inputs.folders("labels")), key=lambda one: one.pair.id)
        if self.max_images is not None and len(listed) < self.max_images:
            raise InputError(
                f"source.max_images is {self.max_images}, but there are {len(listed)} pictures; generate more"
            )
        kept = [one for one in listed[: self.max_images] if not one.dropped]
        if not kept:
            raise InputError(f"none of {len(listed)} pictures is of use; look at `dropped` in their labels.jsonl")
        return LabelledPictures(kept, class_names, self.has_background)


class ClassSetSource(TrainingSource):
    """All images of a split of real data, with labels of a few classes (section 9). Role: ``data``."""

    kind: Literal["class_set"] = "class_set"
    """Which source this is."""
    split: str = "train"
    """Its name."""
    classes: ClassSet
    """What labels mean."""

    def open(self, inputs: Inputs, seeds: Seeds) -> ClassSetImages:
        """Open the split, in whichever known layout it lies."""
        from methods.diffumask_robust.class_set_images import open_class_set

        return open_class_set(inputs.folder("data"), self.split, self.classes)


def open_trusted(source: LabelledSource | RealSource | CityscapesSource, inputs: Inputs, seeds: Seeds) -> TrustedImages:
    """Open a source with where labels are trusted: everywhere in real images."""
    from methods.diffumask_robust.trusted_images import AllTrusted

    return source.open(inputs, seeds) if isinstance(source, LabelledSource) else AllTrusted(source.open(inputs, seeds))

"""Which instances of novel classes a training may know (section 6.1); all others are neither learnt nor background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from methods.common.datasets.cityscapes import evaluated_instances
from methods.common.datasets.cityscapes_layout import IMAGE_SUFFIX, IMAGES, INSTANCE_SUFFIX, TRUTH
from methods.common.datasets.lvis_records import LvisAnnotation, LvisDataset, LvisImage
from methods.common.datasets.png_labels import read_labels
from methods.common.errors import InputError
from methods.instance_synthesis.frame_files import Layout
from methods.instance_synthesis.support import SUPPORT_FILE, by_frame, read_support


@dataclass(frozen=True)
class NovelClasses:
    """What is known of novel classes."""

    names: frozenset[str] = frozenset()
    """Of the classes."""
    support: Mapping[str, frozenset[tuple[int, int]]] | None = None
    """(layer, id) of the instances that are learnt, by frame; None where there is no list, and none is."""

    @classmethod
    def of(cls, names: Sequence[str], support: Sequence[Path]) -> NovelClasses:
        """Read the list of a support cell, where there is one.

        Raises:
            InputError: it cannot be read.
        """
        listed = [by_frame(read_support(folder / SUPPORT_FILE)) for folder in support]
        return cls(frozenset(names), listed[0] if listed else None)

    def hidden(self, dataset: LvisDataset, layout: Layout, frames: Mapping[int, str]) -> LvisDataset:
        """Return the same records, in which instances of novel classes that are not listed are crowds, which a training ignores.

        Args:
            dataset: of real frames or of samples.
            layout: in which they lie.
            frames: by id of an image, the real frame that it shows; its instances have that frame's ids.

        Raises:
            InputError: a class is none of the data's, or the layout keeps no ids.
        """
        if not self.names:
            return dataset
        if layout != "cityscapes":
            raise InputError("few-shot learning follows instances by their ids; give data in Cityscapes' layout")
        known = {category.name for category in dataset.categories}
        if self.names - known:
            raise InputError(
                f"novel class {min(self.names - known)!r} is none of {', '.join(sorted(known))}; correct the classes of the support"
            )
        novel = {category.id for category in dataset.categories if category.name in self.names}
        annotations = dict(dataset.annotations)
        for image in dataset.images:
            if any(one.category_id in novel for one in annotations[image.id]):
                kept = (self.support or {}).get(frames[image.id], frozenset())
                annotations[image.id] = _hide(dataset, image, novel, kept)
        return replace(dataset, annotations=annotations)


def _hide(
    dataset: LvisDataset, image: LvisImage, novel: set[int], kept: frozenset[tuple[int, int]]
) -> list[LvisAnnotation]:
    path = str(dataset.image_path(image)).replace(f"/{IMAGES}/", f"/{TRUTH}/").replace(IMAGE_SUFFIX, INSTANCE_SUFFIX)
    ids = [one.id for one in evaluated_instances(read_labels(Path(path)))]
    return [
        replace(one, crowd=True) if one.category_id in novel and (0, id) not in kept else one
        for one, id in zip(dataset.annotations[image.id], ids, strict=True)
    ]

"""Stage ``instance_synthesis_quality``: generated crops beside the real ones, before pasting (sections 9.3 and 9.4)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, overload

from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from methods.common.metrics.generated_images.crop_pairs import CropPair, FeatureNetwork


class QualityConfig(Config):
    """What is compared, and by which networks."""

    layout: Literal["cityscapes", "coco"] = "cityscapes"
    """Layout of the data set."""
    split: str = "train"
    """Split that the manifest was made of."""
    features: Literal["inception", "clip"] = "inception"
    """Behind the Fréchet distance: the network of FID (role ``inception``), or CLIP's embeddings, and the number is then no FID."""
    allow_few: bool = False
    """Whether fewer crops than features are compared; the distance is then too high, for every generator alike [C D19]."""


def quality(inputs: Inputs, config: QualityConfig, context: Context) -> Record:
    """Compare every generated crop with its source.

    Roles: ``data``, ``manifest``, ``pictures`` (all parts of a generation), ``clip``, and ``inception`` where it is asked for.

    Returns:
        ``num_pairs``; ``metrics``, by the names of :mod:`methods.common.metrics.generated_images.crop_pairs`; ``definitions`` likewise.

    Raises:
        InputError: an input is faulty, or there are too few crops.
    """
    from methods.common.clip import ClipScorer
    from methods.common.metrics.generated_images.crop_pairs import (
        ClipFeatureNetwork,
        InceptionFeatureNetwork,
        measure_clip,
        measure_paired_fid,
        measure_pixels,
    )

    pairs = CropPairs(inputs, config)
    clip = inputs.folder("clip")
    scorer = ClipScorer.from_pretrained(clip, context.device)
    found = measure_clip(pairs, scorer)
    context.progress(1, 3, "measures")
    network: FeatureNetwork
    if config.features == "clip":
        network = ClipFeatureNetwork(scorer, clip.name)
    else:
        network = InceptionFeatureNetwork(inputs.folder("inception"), context.device)
    found |= measure_paired_fid(pairs, network, config.split, allow_few=config.allow_few)
    context.progress(2, 3, "measures")
    found |= measure_pixels(pairs)
    context.progress(3, 3, "measures")
    return {
        "num_pairs": len(pairs),
        "metrics": {name: one.value for name, one in found.items()},
        "definitions": {name: one.definition for name, one in found.items()},
    }


class CropPairs(Sequence["CropPair"]):
    """All generated crops with their sources, row after row of the manifest, read when they are asked for."""

    def __init__(self, inputs: Inputs, config: QualityConfig) -> None:
        from methods.instance_synthesis.frame_files import open_frames
        from methods.instance_synthesis.manifest import MANIFEST_FILE, InstanceRow, read_rows
        from methods.instance_synthesis.pictures import PictureShards

        self._read = lru_cache(maxsize=2)(open_frames(inputs.folder("data"), config.layout, config.split).read)
        self._pictures = PictureShards(inputs.folders("pictures"))
        rows = read_rows(inputs.folder("manifest") / MANIFEST_FILE, InstanceRow)
        self._tasks = [(row, variant) for row in rows for variant in range(1, len(row.seeds) + 1)]

    def __len__(self) -> int:
        return len(self._tasks)

    @overload
    def __getitem__(self, index: int) -> CropPair: ...

    @overload
    def __getitem__(self, index: slice) -> list[CropPair]: ...

    def __getitem__(self, index: int | slice) -> CropPair | list[CropPair]:
        from methods.common.metrics.generated_images.crop_pairs import CropPair
        from methods.instance_synthesis.crop import crop_instance

        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        row, variant = self._tasks[index]
        frame = self._read(row.frame)
        crop = crop_instance(frame, frame.instance(row.instance_id, row.layer), row.window)
        return CropPair(self._pictures.read(row.number, variant), crop.image_HW3, row.prompt, variant)


QUALITY = Stage("instance_synthesis_quality", 1, QualityConfig, quality, uses_gpu=True, kind="evaluate")

"""Stage ``seggen_copies``: copies of real images with other pixels and the same masks, the controls of ImgSyn.

Inputs: role ``data``, and role ``drawn`` for re-rendered ones: the same scenes with another look, a folder a variant.
Outputs: a shard in the format of ImgSyn's pairs.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.segmenters.semantic.augmentation_config import PhotometricConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.labelled_images import LabelledImages

VARIANT = "seggen"
"""Name of the masks, as those of ImgSyn."""


class CopiesConfig(Config):
    """Which copies, and which part of them a cell makes."""

    kind: Literal["jittered", "re-rendered"]
    """Other colours by the segmenter's own augmentation [C D28], or the same scene drawn with another look [C D29]."""
    split: str = "training"
    """Of the real images."""
    variants: int = Field(default=50, ge=1)
    """Copies of each image."""
    photometric: PhotometricConfig = PhotometricConfig()
    """How colours of jittered copies change."""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """Format of the copies."""
    shard_index: int = Field(default=0, ge=0)
    """Which part of the work this cell does."""
    num_shards: int = Field(default=1, ge=1)
    """Number of such cells; image i belongs to part i mod n."""


def copy_images(inputs: Inputs, config: CopiesConfig, context: Context) -> Record:
    """Write the copies of this cell's images.

    Returns:
        ``num_images``, copies that were written, and ``denoiser_calls``, which is 0.

    Raises:
        InputError: data are unreadable, or drawn scenes are not the same or not as many as there are variants.
    """
    from methods.common.datasets.open_labelled import open_labelled_images
    from methods.common.files import write_atomic
    from methods.common.generated.pair_reader import CLASSES_FILE
    from methods.common.generated.pair_writer import Pair, PairFolder

    images = open_labelled_images(inputs.folder("data"), config.split)
    drawn = [open_labelled_images(folder, config.split) for folder in inputs.folders("drawn")]
    if len(drawn) != (config.variants if config.kind == "re-rendered" else 0):
        raise InputError(
            f"{config.variants} {config.kind} copies of each image were asked for and {len(drawn)} drawings of them given; give role 'drawn' "
            "one a variant, and none for jittered copies"
        )
    write_atomic(context.out / CLASSES_FILE, json.dumps(images.class_names).encode())
    folder = PairFolder(context.out, config.image_format, (VARIANT,))
    folder.keep(())
    own = range(config.shard_index, len(images), config.num_shards)
    for done, index in enumerate(own, start=1):
        name, (image_HW3, label_HW) = images.name(index), images[index]
        present = sorted(set(label_HW.ravel().tolist()) - {255})
        classes = [images.class_names[label] for label in present]
        for variant in range(config.variants):
            record = {"id": f"{name}_c{variant}", "classes": classes, "of": name, "strategy": "ImgSyn"}
            copy_HW3 = (
                _jittered(image_HW3, config, context, name, variant)
                if config.kind == "jittered"
                else _redrawn(drawn[variant], index, name, label_HW)
            )
            folder.write([Pair(record, copy_HW3, {VARIANT: label_HW})])
        context.progress(done, len(own), "images")
    return {"num_images": len(own) * config.variants, "denoiser_calls": 0}


def _jittered(
    image_HW3: NDArray[np.uint8], config: CopiesConfig, context: Context, name: str, variant: int
) -> NDArray[np.uint8]:
    """Change the colours of an image."""
    from methods.common.segmenters.semantic.augmentation import distort_colours

    return distort_colours(image_HW3, config.photometric, context.seeds.numpy("generation", "jitter", name, variant))


def _redrawn(drawn: LabelledImages, index: int, name: str, label_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the drawing of the same scene."""
    image_HW3, drawn_HW = drawn[index]
    if drawn.name(index) != name or drawn_HW.shape != label_HW.shape or (drawn_HW != label_HW).any():
        raise InputError(
            f"the drawing {drawn.name(index)!r} does not show the scene {name!r}; draw the same world with another look"
        )
    return image_HW3


COPIES = Stage("seggen_copies", 1, CopiesConfig, copy_images, ("generation",), kind="generate")

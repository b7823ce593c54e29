"""Stage ``seggen_move_masks``: human masks that were mirrored, scaled and shifted, in the place of drawn ones; the control of Text2Mask."""

from __future__ import annotations

import json

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.seggen.moved_masks import Move


class MoveMasksConfig(Config):
    """Which masks are moved, and how far."""

    split: str = "training"
    """Of the real images."""
    variants: int = Field(default=10, ge=1)
    """Moved masks of each image."""
    move: Move = Move()
    """How far."""
    shard_index: int = Field(default=0, ge=0)
    """Which part of the work this cell does."""
    num_shards: int = Field(default=1, ge=1)
    """Number of such cells; image i belongs to part i mod n."""


def move_masks(inputs: Inputs, config: MoveMasksConfig, context: Context) -> Record:
    """Write moved masks in the format of drawn ones, each with the caption of its image. Roles: ``data``, ``captions``.

    A mask that shows nothing after its move is left as it was.

    Returns:
        ``num_masks``, and ``denoiser_calls``, which is 0.

    Raises:
        InputError: data or captions are unreadable.
    """
    import numpy as np

    from methods.common.files import write_atomic
    from methods.seggen.diffusion.coding_file import ColourCoding
    from methods.seggen.diffusion.pictures import open_pictures, read_captions
    from methods.seggen.moved_masks import move_labels
    from methods.seggen.palettes import PaletteConfig
    from methods.seggen.sampling.mask_files import DrawnMask, MaskFolder
    from methods.seggen.sampling.validity import present_classes

    pictures = open_pictures(inputs.folder("data"), config.split, False)
    captions, names = read_captions(inputs.folder("captions"), pictures), pictures.class_names
    ColourCoding(palette=PaletteConfig(), class_names=names).write(context.out)
    write_atomic(context.out / "classes.json", json.dumps(names).encode())
    folder = MaskFolder(context.out)
    folder.keep(())
    own = range(config.shard_index, len(pictures), config.num_shards)
    for done, index in enumerate(own, start=1):
        name, label_HW = pictures.name(index), pictures.read(index)[1].label_HW
        for variant in range(config.variants):
            generator = context.seeds.numpy("generation", "moved mask", name, variant)
            moved_HW = move_labels(label_HW, config.move, generator)
            kept_HW = moved_HW if np.any(moved_HW != 255) else label_HW
            classes = [names[label] for label in present_classes(kept_HW, len(names))]
            record = {"id": f"{name}_m{variant}", "of": name, "caption": captions[index], "classes": classes}
            folder.write([DrawnMask(record, kept_HW, None)])
        context.progress(done, len(own), "masks")
    return {"num_masks": len(own) * config.variants, "denoiser_calls": 0}


MOVE_MASKS = Stage("seggen_move_masks", 1, MoveMasksConfig, move_masks, ("generation",), kind="generate")

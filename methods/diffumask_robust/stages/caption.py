"""Stage ``robust_caption``: captions of real images, as base prompts in place of the template (section 3, item 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from methods.common.errors import InputError
from methods.common.generators.captioners import BlipCaptions, CaptionerConfig, caption_seed, load_captioner
from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.diffumask_robust.base_prompts import CAPTIONS_FILE

if TYPE_CHECKING:
    from methods.common.datasets.labelled_images import LabelledImages


class CaptionConfig(Config):
    """Which images are captioned, and by what."""

    captioner: CaptionerConfig = BlipCaptions()
    """Where captions come from. Section 13"""
    split: str = "train"
    """List of images of role ``data``."""
    num_images: int | None = Field(default=None, ge=1)
    """The first so many of the list; None for all."""


def caption(inputs: Inputs, config: CaptionConfig, context: Context) -> Record:
    """Write ``captions.jsonl``, a caption an image, in their order; role ``captions`` of the prompts.

    Roles: ``data`` (a data set for semantic segmentation; its labels say what the template's captioner names), ``captioner`` (a BLIP
    folder, for that captioner only).

    Returns:
        ``num_images``, ``num_captions`` (distinct ones), and ``images_per_class``: how many of the images show each class.

    Raises:
        InputError: data or captioner are missing or faulty, or there are fewer images.
    """
    from methods.common.datasets.open_labelled import open_labelled_images

    images = open_labelled_images(inputs.folder("data"), config.split)
    count = len(images) if config.num_images is None else config.num_images
    if count > len(images):
        raise InputError(f"num_images is {count}, but the split {config.split!r} has {len(images)}; ask for fewer")
    folders = inputs.folders("captioner")
    captioner = load_captioner(config.captioner, folders[0] if folders else None, context.device)
    path = context.out / CAPTIONS_FILE
    found = context.checkpoints.load()
    lines = keep_lines(path, 0 if found is None else found[0])
    for number in range(len(lines), count):
        name, present = images.name(number), _classes_of(images, number)
        pixels = images[number][0] if captioner.looks else None
        text = captioner.captions(pixels, present, [caption_seed(context.seeds, name, 0)])[0] if present else ""
        lines.append({"image": name, "caption": text, "shown": present})
        append_lines(path, lines[-1:])
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, None)
        context.progress(number + 1, count, "images")
    per_class = {name: sum(name in line["shown"] for line in lines) for name in images.class_names[1:]}
    return {
        "num_images": count,
        "num_captions": len({line["caption"] for line in lines}),
        "images_per_class": {name: number for name, number in per_class.items() if number},
    }


def _classes_of(images: LabelledImages, number: int) -> list[str]:
    """Name the classes that an image shows, in the order of their labels."""
    import numpy as np

    from methods.common.datasets.labelled_images import IGNORED

    labels = np.unique(images[number][1]).tolist()
    return [images.class_names[label] for label in labels if label not in (0, IGNORED)]


CAPTION: Stage[CaptionConfig] = Stage("robust_caption", 1, CaptionConfig, caption, ("generation",), uses_gpu=True)

"""Stage ``seggen_captions``: one caption for each image of a split, which both generators learn from and are asked with (section 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.generators.captioners import (
    Blip2Captions,
    BlipCaptions,
    TemplateCaptions,
    caption_seed,
    load_captioner,
)
from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.seeds import Seeds
    from methods.seggen.diffusion.pictures import Pictures

_LARGE_BYTES = 1 << 20


class OwnCaptions(Config):
    """Captions that the data bring in ``captions.jsonl``, as the miniature world does."""

    kind: Literal["own"] = "own"
    """Which captions these are."""


class PeoplesCaptions(Config):
    """Captions by people, from COCO's ``annotations/captions_<split>.json``; one of the five of an image."""

    kind: Literal["people"] = "people"
    """Which captions these are."""


class CaptionsConfig(Config):
    """Whose captions, and of which images."""

    split: str = "training"
    """Images that get one."""
    max_images: int | None = Field(default=None, ge=1)
    """So many of them, drawn by name; None for all."""
    captioner: Annotated[
        Blip2Captions | BlipCaptions | TemplateCaptions | OwnCaptions | PeoplesCaptions, Field(discriminator="kind")
    ] = Blip2Captions()
    """Where captions come from. Section 3 [S]"""
    shuffled: bool = False
    """Whether each image gets the caption of another one, as a control."""


def caption_images(inputs: Inputs, config: CaptionsConfig, context: Context) -> Record:
    """Write ``captions.jsonl``, in the order of the images: ``id``, ``caption``, ``image_sha256`` (of its pixels), ``captioner``.

    Roles: ``data`` (for semantic segmentation, or panoptic), ``captioner`` (the folder of a network, for captioners that are one).

    Returns:
        ``num_images``, ``captioner``, ``mean_words``, ``longest_words``.

    Raises:
        InputError: the data are faulty, the captioner cannot be loaded, or captions that exist already are missing or of other images.
    """
    from methods.seggen.diffusion.pictures import CAPTIONS_FILE

    pictures = _open(inputs.folder("data"), config)
    captioner = _captioner(pictures, inputs, config, context)
    kind = _identity(config, inputs)
    shown = _shown(len(pictures), config, context.seeds)
    path = context.out / CAPTIONS_FILE
    found = context.checkpoints.load()
    records = keep_lines(path, 0 if found is None else found[0])
    for index in range(len(records), len(pictures)):
        image_HW3, _ = pictures.read(index)
        record = {
            "id": pictures.name(index),
            "caption": captioner(shown[index]),
            "image_sha256": hashlib.sha256(image_HW3.tobytes()).hexdigest(),
            "captioner": kind,
        }
        append_lines(path, [record])
        records.append(record)
        if context.checkpoint_due():
            context.checkpoints.save(index + 1, None)
        context.progress(index + 1, len(pictures), "captions")
    words = [len(record["caption"].split()) for record in records]
    return {
        "num_images": len(records),
        "captioner": kind,
        "mean_words": sum(words) / len(words),
        "longest_words": max(words),
    }


def _open(folder: Path, config: CaptionsConfig) -> Pictures:
    from methods.seggen.diffusion.pictures import open_pictures

    panoptic = (folder / "annotations" / f"panoptic_{config.split}.json").is_file()
    return open_pictures(folder, config.split, panoptic, config.max_images)


def _captioner(pictures: Pictures, inputs: Inputs, config: CaptionsConfig, context: Context) -> Callable[[int], str]:
    """Return what captions an image by its number."""
    from methods.seggen.captions import own_captions, peoples_captions, short_form

    asked, folder = config.captioner, inputs.folder("data")
    if isinstance(asked, OwnCaptions | PeoplesCaptions):
        names = [pictures.name(index) for index in range(len(pictures))]
        ready = (
            own_captions(folder, names)
            if isinstance(asked, OwnCaptions)
            else peoples_captions(folder, config.split, names)
        )
        return lambda index: short_form(ready[index])
    places = inputs.folders("captioner")
    network = load_captioner(asked, places[0] if places else None, context.device)

    def look(index: int) -> str:
        image_HW3, mask = pictures.read(index)
        names = _classes_in(mask.label_HW, pictures.class_names)
        seed = caption_seed(context.seeds, pictures.name(index), 0)
        # A network may say nothing at all; then the classes are named.
        return short_form(network.captions(image_HW3, names, [seed])[0]) or " and ".join(names) or "a photo"

    return look


def _classes_in(label_HW: NDArray[np.uint8], class_names: Sequence[str]) -> list[str]:
    """Name the classes of a mask, those with most pixels first."""
    import numpy as np

    counts = np.bincount(label_HW.ravel(), minlength=len(class_names))[: len(class_names)]
    return [class_names[k] for k in np.argsort(-counts, kind="stable") if counts[k]]


def _shown(num_images: int, config: CaptionsConfig, seeds: Seeds) -> list[int]:
    """Return whose caption each image gets: its own, or, shuffled, that of the next one in a random circle."""
    if not config.shuffled or num_images == 1:
        return list(range(num_images))
    circle = seeds.numpy("generation", "shuffled captions").permutation(num_images).tolist()
    following = dict(zip(circle, circle[1:] + circle[:1], strict=True))
    return [following[index] for index in range(num_images)]


def _identity(config: CaptionsConfig, inputs: Inputs) -> str:
    """Name the captioner, and for a network what its folder holds: small files by their bytes, large ones by name and size."""
    if isinstance(config.captioner, OwnCaptions | PeoplesCaptions | TemplateCaptions):
        return config.captioner.kind
    digest, folder = hashlib.sha256(), inputs.folder("captioner")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)} {size} ".encode())
        if size <= _LARGE_BYTES:
            digest.update(path.read_bytes())
    return f"{config.captioner.kind} {digest.hexdigest()[:12]}"


CAPTIONS = Stage("seggen_captions", 1, CaptionsConfig, caption_images, ("generation",), uses_gpu=True, kind="prepare")

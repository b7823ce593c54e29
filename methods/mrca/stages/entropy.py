"""Stage ``mrca_entropy``: how unsure several segmenters are of the same images; it changes nothing, it only measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from methods.common.generated.image_shards import GeneratedImage


class EntropyConfig(Config):
    """How the images are looked at."""

    batch_size: int = Field(default=32, ge=1)
    """Images looked at together."""
    max_images: int = Field(default=2048, ge=1)
    """At most this many images, spread evenly over the round's list."""


def entropy(inputs: Inputs, config: EntropyConfig, context: Context) -> Record:
    """Entropy of the class distribution on whole generated images, in nats, under each of several segmenters.

    Every segmenter looks at the same images, so that a difference between segmenters is none of images, and the reverse. The
    background logit is left out, as in the guidance (section 3.4). Roles: ``images`` (generation cells), ``models`` (training
    cells, M_0 first).

    Returns:
        ``num_images``; ``models``, in the order of the role, each with ``mean`` over images, ``class_mean``, the mean over the
        classes of the images of their means, and the ``standard_error`` of that one (None when no class has two images).
    """
    from methods.common.errors import InputError
    from methods.common.generated.image_shards import count_images

    total = sum(count_images(folder) for folder in inputs.folders("images"))
    if not total:
        raise InputError("the round generated no image, so no entropy can be measured; raise mrca.objects_per_round")
    step = -(-total // config.max_images)
    num_images, models = len(range(0, total, step)), inputs.folders("models")
    found = context.checkpoints.load()
    classes, measured = ([], [[] for _ in models]) if found is None else (found[1]["classes"], found[1]["measured"])
    for number, (folder, values) in enumerate(zip(models, measured, strict=True)):
        if len(values) == num_images:
            continue
        pictures = _pictures(inputs.folders("images"), len(values) * step, step)
        for category_ids, more in _entropies(folder / "model", pictures, config, context):
            values += more
            classes += category_ids if number == 0 else []
            done = number * num_images + len(values)
            if context.checkpoint_due():
                context.checkpoints.save(done, {"classes": classes, "measured": measured})
            context.progress(done, len(models) * num_images, "images")
    return {"num_images": num_images, "models": [_summary(values, classes) for values in measured]}


def _summary(values: Sequence[float], classes: Sequence[int]) -> Record:
    """Average over images and over classes; the error of the latter takes images of all classes to scatter alike."""
    value_N = np.array(values)
    known, place_N = np.unique(classes, return_inverse=True)
    count_C = np.bincount(place_N)
    mean_C = np.bincount(place_N, value_N) / count_C
    degrees, error = len(value_N) - len(known), None
    if degrees > 0:
        variance = float(((value_N - mean_C[place_N]) ** 2).sum()) / degrees
        error = float(np.sqrt(variance * (1 / count_C).sum())) / len(known)
    return {"mean": float(value_N.mean()), "class_mean": float(mean_C.mean()), "standard_error": error}


def _pictures(folders: tuple[Path, ...], first: int, step: int) -> Iterator[GeneratedImage]:
    """Yield every ``step``-th image of all folders together, from number ``first`` on."""
    from methods.common.generated.image_shards import count_images, read_images

    for folder in folders:
        count = count_images(folder)
        yield from read_images(folder, first, step)
        first = first - count if first >= count else (first - count) % step


def _entropies(
    model: Path, pictures: Iterator[GeneratedImage], config: EntropyConfig, context: Context
) -> Iterator[tuple[list[int], list[float]]]:
    """Yield category ids and entropies of each batch."""
    import torch

    from methods.common.segmenters.centernet2.model import CenterNet2
    from methods.mrca.guidance import class_entropy

    segmenter = CenterNet2.from_pretrained(model).to(context.device).eval()
    while batch := list(islice(pictures, config.batch_size)):
        image_NCHW = torch.from_numpy(np.stack([image.image_HW3 for image in batch])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            logits_NK = segmenter.classify_whole_image(image_NCHW.float().to(context.device))
            values = class_entropy(logits_NK[:, :-1]).double().tolist()
        yield [image.category_id for image in batch], values


ENTROPY = Stage("mrca_entropy", 2, EntropyConfig, entropy, uses_gpu=True, kind="evaluate")

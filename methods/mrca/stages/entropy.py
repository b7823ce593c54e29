"""Stage ``mrca_entropy``: how unsure two segmenters are of one round's images; it changes nothing, it only measures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ROLES = ("current", "warm_up")
"""The segmenters that look at the images."""


class EntropyConfig(Config):
    """How the images are looked at."""

    batch_size: int = Field(default=32, ge=1)
    """Images looked at together."""
    max_images: int = Field(default=2048, ge=1)
    """At most this many images, spread evenly over the round's list."""


def entropy(inputs: Inputs, config: EntropyConfig, context: Context) -> Record:
    """Mean entropy of the class distribution on whole generated images, in nats, under each segmenter.

    The background logit is left out, as in the guidance (section 3.4). Roles: ``images`` (generation cells),
    ``current`` (training cell of the model that steered the round), ``warm_up`` (training cell of M_0).
    """
    from methods.common.errors import InputError
    from methods.common.generated.image_shards import count_images

    total = sum(count_images(folder) for folder in inputs.folders("images"))
    if not total:
        raise InputError("the round generated no image, so no entropy can be measured; raise mrca.objects_per_round")
    step = -(-total // config.max_images)
    num_images = len(range(0, total, step))
    found = context.checkpoints.load()
    measured: dict[str, list[float]] = {role: [] for role in ROLES} if found is None else found[1]
    for number, role in enumerate(ROLES):
        model, values = inputs.folder(role) / "model", measured[role]
        if len(values) == num_images:
            continue
        for more in _entropies(model, _pictures(inputs.folders("images"), len(values) * step, step), config, context):
            values += more
            done = number * num_images + len(values)
            if context.checkpoint_due():
                context.checkpoints.save(done, measured)
            context.progress(done, len(ROLES) * num_images, "images")
    return {"num_images": num_images, **{role: _summary(np.array(values)) for role, values in measured.items()}}


def _summary(value_N: NDArray[np.float64]) -> Record:
    count = len(value_N)
    error = float(value_N.std(ddof=1) / np.sqrt(count)) if count > 1 else None
    return {"mean": float(value_N.mean()), "standard_error": error}


def _pictures(folders: tuple[Path, ...], first: int, step: int) -> Iterator[NDArray[np.uint8]]:
    """Yield every ``step``-th image of all folders together, from number ``first`` on."""
    from methods.common.generated.image_shards import count_images, read_images

    for folder in folders:
        count = count_images(folder)
        for image in read_images(folder, first, step):
            yield image.image_HW3
        first = first - count if first >= count else (first - count) % step


def _entropies(
    model: Path, pictures: Iterator[NDArray[np.uint8]], config: EntropyConfig, context: Context
) -> Iterator[list[float]]:
    """Yield the entropies of each batch."""
    import torch

    from methods.common.segmenters.centernet2.model import CenterNet2
    from methods.mrca.guidance import class_entropy

    segmenter = CenterNet2.from_pretrained(model).to(context.device).eval()
    while batch := list(islice(pictures, config.batch_size)):
        image_NCHW = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            logits_NK = segmenter.classify_whole_image(image_NCHW.float().to(context.device))
            yield class_entropy(logits_NK[:, :-1]).double().tolist()


ENTROPY = Stage("mrca_entropy", 1, EntropyConfig, entropy, uses_gpu=True, kind="evaluate")

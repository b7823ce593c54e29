"""Stage ``mrca_entropy``: how unsure two segmenters are of one round's images; it changes nothing, it only measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from numpy.typing import NDArray


class EntropyConfig(Config):
    """How the images are looked at."""

    batch_size: int = Field(default=32, ge=1)
    """Images looked at together."""
    max_images: int = Field(default=2048, ge=1)
    """At most this many images, spread evenly over the round's list."""


def entropy(inputs: Inputs, config: EntropyConfig, context: Context) -> Record:
    """Mean entropy of the class distribution on whole generated images, in nats, under each segmenter.

    The background logit is left out, as in the guidance (specification 3.4). Roles: ``images`` (generation cells),
    ``current`` (training cell of the model that steered the round), ``warm_up`` (training cell of M_0).
    """
    pictures = _pictures(inputs.folders("images"), config.max_images)
    measured = {}
    for number, role in enumerate(("current", "warm_up")):
        values = _entropies(inputs.folder(role) / "model", pictures, config.batch_size, context.device)
        measured[role] = {
            "mean": float(values.mean()),
            "standard_error": float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None,
        }
        context.progress(number + 1, 2, "models")
    return {"num_images": len(pictures), **measured}


def _pictures(folders: tuple[Path, ...], max_images: int) -> list[NDArray[np.uint8]]:
    from methods.common.errors import InputError
    from methods.mrca.stages.image_shards import read_images

    pictures = [image.image_HW3 for folder in folders for image in read_images(folder)]
    if not pictures:
        raise InputError("the round generated no image, so no entropy can be measured; raise mrca.objects_per_round")
    stride = -(-len(pictures) // max_images)
    return pictures[::stride]


def _entropies(
    model: Path, pictures: list[NDArray[np.uint8]], batch_size: int, device: torch.device
) -> NDArray[np.float64]:
    import torch

    from methods.common.segmenters.centernet2.model import CenterNet2
    from methods.mrca.guidance import class_entropy

    segmenter = CenterNet2.from_pretrained(model).to(device).eval()
    values = []
    with torch.inference_mode():
        for start in range(0, len(pictures), batch_size):
            image_NCHW = torch.from_numpy(np.stack(pictures[start : start + batch_size])).permute(0, 3, 1, 2)
            logits_NK = segmenter.classify_whole_image(image_NCHW.float().to(device))
            values.append(class_entropy(logits_NK[:, :-1]).cpu().numpy())
    return np.concatenate(values).astype(np.float64)


ENTROPY = Stage("mrca_entropy", 1, EntropyConfig, entropy, uses_gpu=True)

"""Stage ``mrca_embed_crops``: what real training objects look like to CLIP, class by class."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.mrca.divergen_filter import CropConfig

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_FILE = "crops.safetensors"
_BATCH = 64


class EmbedCropsConfig(Config):
    """How real objects are shown to CLIP, and how many."""

    crop: CropConfig = CropConfig()
    """How an object is cut out."""
    max_crops: int = Field(default=1000, ge=1)
    """At most this many of a class, spread evenly over its instances [C D83]."""


def embed_crops(inputs: Inputs, config: EmbedCropsConfig, context: Context) -> Record:
    """Embed crops of the training images; write unit vectors for each category.

    Roles: ``data``, ``split``, ``clip``. An instance whose mask is empty is left out.

    Returns:
        ``crops``: how many there are of each category, by its id.
    """
    import numpy as np
    from safetensors.numpy import save_file

    from methods.common.clip import ClipScorer

    scorer = ClipScorer.from_pretrained(inputs.folder("clip"), context.device)
    found: dict[int, list[NDArray[np.float32]]] = {}
    crops, total = _crops(inputs, config), 0
    while batch := list(islice(crops, _BATCH)):
        embedded_ND = scorer.embed_images([crop for _, crop in batch]).numpy()
        for (category_id, _), embedded_D in zip(batch, embedded_ND, strict=True):
            found.setdefault(category_id, []).append(embedded_D)
        total += len(batch)
        context.progress(total, total, "crops")
    save_file({str(key): np.stack(rows) for key, rows in sorted(found.items())}, context.out / _FILE)
    return {"crops": {str(key): len(rows) for key, rows in sorted(found.items())}}


def read_crops(folder: Path) -> dict[int, NDArray[np.float32]]:
    """Read what the stage wrote: unit vectors (R, D) by category id; none for a category without real objects."""
    from safetensors.numpy import load_file

    return {int(key): rows for key, rows in load_file(folder / _FILE).items()}


def _crops(inputs: Inputs, config: EmbedCropsConfig) -> Iterator[tuple[int, Any]]:
    """Yield category id and crop of the chosen instances, image after image."""
    import numpy as np

    from methods.common.datasets.lvis import read_lvis
    from methods.common.datasets.pictures import read_rgb
    from methods.mrca.divergen_filter import real_crop
    from methods.mrca.stages.split import FIT_FILE, image_folder

    dataset = read_lvis(inputs.folder("split") / FIT_FILE, image_folder(inputs), "none")
    counts: dict[int, int] = {}
    for rows in dataset.annotations.values():
        for item in rows:
            counts[item.category_id] = counts.get(item.category_id, 0) + 1
    chosen = {
        key: set(np.linspace(0, count - 1, min(count, config.max_crops)).round().astype(int).tolist())
        for key, count in counts.items()
    }
    seen = dict.fromkeys(counts, 0)
    for image in dataset.images:
        wanted = []
        for item in dataset.annotations[image.id]:
            if seen[item.category_id] in chosen[item.category_id]:
                wanted.append(item)
            seen[item.category_id] += 1
        if not wanted:
            continue
        image_HW3 = read_rgb(dataset.image_path(image), image.height, image.width)
        for item in wanted:
            mask_HW = item.mask(image.height, image.width)
            if mask_HW.any():
                yield item.category_id, real_crop(image_HW3, mask_HW, config.crop)


EMBED_CROPS = Stage("mrca_embed_crops", 1, EmbedCropsConfig, embed_crops, uses_gpu=True, kind="cut")

"""Stage ``mrca_energy_gap``: how much surer a segmenter is of objects it was trained on than of others; it measures only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from methods.common.segmenters.centernet2.model import CenterNet2


class EnergyGapConfig(Config):
    """How the objects are looked at."""

    temperature: float = Field(default=0.9, gt=0)
    """Of the free energy [B]."""
    short_side_px: int = Field(default=800, ge=16)
    """Images are resized to this short side, as at test [D]."""
    long_side_px: int = Field(default=1333, ge=16)
    """But to no longer side than this [D]."""
    max_images: int = Field(default=2000, ge=1)
    """At most this many images of each split, spread evenly [C D85]."""


def energy_gap(inputs: Inputs, config: EnergyGapConfig, context: Context) -> Record:
    """Free energy of the true boxes of training and validation images, by the last stage's logits without background.

    Roles: ``data``, ``split``, ``model`` (a training cell). Extra classes have no part in the energy, as they have none at test.

    Returns:
        ``gap`` and the mean energies ``train`` and ``val``, with the number of boxes of each.
    """
    from methods.common.segmenters.centernet2.model import CenterNet2
    from methods.mrca.energy import train_val_gap
    from methods.mrca.stages.split import FIT_FILE, val_file

    segmenter = CenterNet2.from_pretrained(inputs.folder("model") / "model").to(context.device).eval()
    train_R = _energies(segmenter, inputs.folder("split") / FIT_FILE, inputs, config, context)
    val_R = _energies(segmenter, val_file(inputs), inputs, config, context)
    return {
        "gap": train_val_gap(train_R, val_R),
        "train": float(train_R.mean()),
        "val": float(val_R.mean()),
        "num_train_boxes": len(train_R),
        "num_val_boxes": len(val_R),
    }


def _energies(
    segmenter: CenterNet2, annotations: Path, inputs: Inputs, config: EnergyGapConfig, context: Context
) -> NDArray[np.float64]:
    """Look at every true box of a split."""
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    from methods.common.datasets.lvis import read_lvis
    from methods.common.datasets.pictures import read_rgb
    from methods.common.segmenters.instance.short_side import short_side_size
    from methods.mrca.energy import free_energy
    from methods.mrca.stages.split import image_folder

    dataset = read_lvis(annotations, image_folder(inputs), "none")
    images = [image for image in dataset.images if dataset.annotations[image.id]]
    step = -(-len(images) // config.max_images)
    found, shown = [], images[::step]
    for number, image in enumerate(shown, start=1):
        image_HW3 = read_rgb(dataset.image_path(image), image.height, image.width)
        size = short_side_size(image.height, image.width, config.short_side_px, config.long_side_px)
        picture_13HW = torch.from_numpy(image_HW3.copy()).permute(2, 0, 1)[None].float().to(context.device)
        box_N4 = torch.tensor([item.bbox_xywh for item in dataset.annotations[image.id]], device=context.device).float()
        box_N4[:, 2:] += box_N4[:, :2]
        box_N4 *= torch.tensor([size[1] / image.width, size[0] / image.height] * 2, device=context.device)
        with torch.inference_mode():
            picture_13HW = interpolate(picture_13HW, size, mode="bilinear", antialias=True)
            prepared, _ = segmenter.prepare(picture_13HW)
            logits_NK = segmenter.cascade.classify(segmenter.pyramid_features(prepared), [box_N4])
        logits_NC = logits_NK[:, : segmenter.config.num_classes].double().cpu().numpy()
        found.append(free_energy(logits_NC, config.temperature))
        context.progress(number, len(shown), "images")
    return np.concatenate(found)


ENERGY_GAP = Stage("mrca_energy_gap", 1, EnergyGapConfig, energy_gap, uses_gpu=True, kind="evaluate")

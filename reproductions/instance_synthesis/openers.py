"""How the models of the study are opened in a trial: by the loaders of its stages.

An opener's places, config and result are those of :data:`~reproductions.requirements.trial.Opener`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.common.errors import InputError
from methods.common.generators.repainting.configs import BlendedLatentConfig, GligenConfig, InpaintingConfig
from methods.common.stage import Inputs
from methods.common.stages.train_instances import InstanceTrainingConfig
from reproductions.requirements.openers import SIDE_PX, Places
from reproductions.requirements.trial import TinyBatch

if TYPE_CHECKING:
    import torch


def open_painter(
    places: Places, config: BlendedLatentConfig | InpaintingConfig | GligenConfig, device: torch.device
) -> TinyBatch:
    """Open a generator that repaints; role ``generator``. One crop of two steps, as small as the network takes."""
    import numpy as np

    from methods.common.generators.repainting.interface import RepaintOrder, repaint
    from methods.common.generators.repainting.load import load_back_end

    side_px = min(SIDE_PX, config.size_px)
    small = config.model_copy(update={"num_steps": 2, "size_px": side_px})
    painter = load_back_end(small, places["generator"], {}, device)
    mask_SS = np.zeros((side_px, side_px), bool)
    mask_SS[side_px // 4 : -side_px // 4, side_px // 4 : -side_px // 4] = True
    crop_SS3 = np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3), np.uint8)

    def paint() -> None:
        [picture_SS3] = repaint(painter, [RepaintOrder(crop_SS3, mask_SS, "a photo of a car", "car", 0)])
        if not picture_SS3[mask_SS].any():
            raise InputError(
                f"the generator in {places['generator']} paints black; set another precision, or copy it again"
            )

    return paint


def open_segmenter(places: Places, config: InstanceTrainingConfig, device: torch.device) -> TinyBatch:
    """Open the segmenter as a training starts; roles ``backbone`` or ``start``, and ``tokenizer``."""
    import torch

    from methods.common.stages.train_instances import build_to_train

    inputs = Inputs({role: [place] for role, place in places.items()})
    model = build_to_train(inputs, config, torch.Generator().manual_seed(0)).to(device).eval()
    return lambda: model.detect(
        torch.full((1, 3, SIDE_PX, 2 * SIDE_PX), 127.0, device=device), [(SIDE_PX, 2 * SIDE_PX)]
    )

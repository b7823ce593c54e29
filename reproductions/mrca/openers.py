"""How the models of a study are opened in a trial: by the loaders of its stages.

An opener's places, config and result are those of :data:`~reproductions.requirements.trial.Opener`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.common.errors import InputError
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.mrca.stages.generate import GenerateConfig
from reproductions.requirements.openers import SIDE_PX, Places, fits_in_float32, open_halved_generator
from reproductions.requirements.trial import TinyBatch

if TYPE_CHECKING:
    import torch


def open_generator(places: Places, config: GenerateConfig, device: torch.device) -> TinyBatch | None:
    """Open a generator; role ``generator``. Guidance climbs brightness: there is no segmenter yet."""
    from methods.common.generators.sampling import load_pipeline, sample_images
    from methods.mrca.guidance import EntropyGuidance

    place = places["generator"]
    if not fits_in_float32(place, device):
        open_halved_generator(place, config, device, safety_checker=False)
        return None
    pipeline = load_pipeline(place, config, device)
    small = config.model_copy(update={"num_steps": 2, "size_px": min(SIDE_PX, config.size_px)})

    def sample() -> None:
        if config.guidance is None:
            picture_NHW3 = sample_images(pipeline, ["a photo of a cat"], [0], small)
        else:
            guidance = EntropyGuidance(config.guidance, lambda image_NCHW: image_NCHW.mean((1, 2, 3)))
            with guidance.attached(pipeline):
                picture_NHW3 = sample_images(pipeline, ["a photo of a cat"], [0], small)
        if not picture_NHW3.any():
            raise InputError(f"the generator in {place} makes a black picture; set another precision, or copy it again")

    return sample


def open_upscaler(places: Places, config: GenerateConfig, device: torch.device) -> None:
    """Open the second stage of a generator, without the text encoder that it shares; role ``upscaler``."""
    from methods.common.generators.cascade import load_upscaler

    load_upscaler(places["upscaler"], config, device)


def open_segmenter(places: Places, config: CenterNet2Config, device: torch.device) -> TinyBatch:
    """Open the segmenter with pretrained weights; role ``backbone``, or ``pretrained`` for all but its classifiers."""
    import torch

    from methods.common.segmenters.backbones.weights import load_backbone_weights
    from methods.common.segmenters.centernet2.model import CenterNet2
    from methods.common.segmenters.centernet2.pretrained import load_class_agnostic

    model = CenterNet2(config, torch.Generator().manual_seed(0))
    if "backbone" in places:
        load_backbone_weights(model.backbone, places["backbone"])
    if "pretrained" in places:
        load_class_agnostic(model, places["pretrained"])
    model.to(device).eval()
    return lambda: model.detect(torch.full((1, 3, SIDE_PX, SIDE_PX), 127.0, device=device))

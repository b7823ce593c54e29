"""How the models of the study are opened in a trial: by the loaders of its stages.

An opener's places, config and result are those of :data:`~reproductions.requirements.trial.Opener`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.common.stage import Inputs
from methods.common.stages.train_instances import InstanceTrainingConfig
from methods.seggen.sampling.config import SampleMasksConfig
from methods.seggen.stages.captions import CaptionsConfig
from reproductions.requirements.openers import SIDE_PX, Places, a_picture, fits_in_float32, open_halved_generator
from reproductions.requirements.trial import TinyBatch

if TYPE_CHECKING:
    import torch


def open_generator(places: Places, config: SampleMasksConfig, device: torch.device) -> TinyBatch | None:
    """Open the generator that both are taught from; role ``generator``. One small picture of two steps."""
    place = places["generator"]
    if not fits_in_float32(place, device):
        open_halved_generator(place, config, device, safety_checker=False)
        return None
    from methods.seggen.diffusion.frames import Size
    from methods.seggen.sampling.orders import Order, Source
    from methods.seggen.sampling.pipelines import load_sampler, sample

    short = config.model_copy(update={"num_steps": 2})
    pipeline = load_sampler(place, None, (), short, device)
    size = Size(SIDE_PX, SIDE_PX)
    order = Order("trial", Source("trial", "trial", "a room", size, 0), size, 0)
    return lambda: sample(pipeline, [order], short, short.num_steps)


def open_captioner(places: Places, config: CaptionsConfig, device: torch.device) -> TinyBatch:
    """Open the captioner; role ``captioner``."""
    from methods.common.generators.captioners import Blip2Captions, BlipCaptions, load_captioner

    assert isinstance(config.captioner, Blip2Captions | BlipCaptions), "another captioner needs no network"
    captioner = load_captioner(config.captioner, places["captioner"], device)
    return lambda: captioner.captions(a_picture(), ["wall"], [0])


def open_panoptic(places: Places, config: InstanceTrainingConfig, device: torch.device) -> TinyBatch:
    """Open a panoptic segmenter as a training starts; role ``backbone``."""
    import torch

    from methods.common.stages.train_instances import build_to_train

    inputs = Inputs({role: [place] for role, place in places.items()})
    model = build_to_train(inputs, config, torch.Generator().manual_seed(0)).to(device).eval()
    return lambda: model.detect(torch.full((1, 3, SIDE_PX, SIDE_PX), 127.0, device=device), [(SIDE_PX, SIDE_PX)])

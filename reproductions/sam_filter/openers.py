"""How the models of the study are opened in a trial: by the loaders of its stages.

An opener's places, config and result are those of :data:`~reproductions.requirements.trial.Opener`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.common.errors import InputError
from methods.sam_filter.stages.synthesis_config import CaptureSteps, Order, SynthesizeConfig
from reproductions.requirements.openers import Places, fits_in_float32, open_halved_generator
from reproductions.requirements.trial import TinyBatch

if TYPE_CHECKING:
    import torch


def open_generator(places: Places, config: SynthesizeConfig, device: torch.device) -> TinyBatch | None:
    """Open the generator; role ``generator``. One picture of two steps, of the study's size: only there attention has the asked sides."""
    from methods.sam_filter.stages.sampler import Sampler

    place = places["generator"]
    if not fits_in_float32(place, device):
        open_halved_generator(place, config, device, config.safety_checker)
        return None
    short = config.model_copy(update={"num_steps": 2, "capture_steps": CaptureSteps()})
    sampler = Sampler(place, short, device, ["background", "cat"])
    order = Order({"id": "trial", "caption": "a cat; cat", "class_prompt": "cat"}, ("cat",), 0)

    def sample() -> None:
        if not sampler([order]) and not config.safety_checker:
            raise InputError(f"the generator in {place} makes a black picture; set another precision, or copy it again")

    return sample

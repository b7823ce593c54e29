"""How models that several papers load are opened in a trial: by the loaders of the stages, with the least that can go through them.

An opener's places, config and result are those of :data:`~reproductions.requirements.trial.Opener`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.cutouts.names import CutterName
from methods.common.errors import InputError
from methods.common.generators.captioners import BlipCaptions
from methods.common.generators.sampling import SamplingConfig
from methods.common.segmenters.semantic.segmenters import SegmenterConfig
from methods.common.stage import Config
from reproductions.requirements.trial import TinyBatch

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Places = Mapping[str, Path]

SIDE_PX = 64
"""Of a square picture that goes through a model which takes any size."""


def a_picture() -> NDArray[np.uint8]:
    """Return a picture of noise, uint8 (64, 96, 3)."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def fits_in_float32(place: Path, device: torch.device) -> bool:
    """Tell whether a model can be opened as stages without a GPU open it; on a GPU its own precision is enough."""
    from reproductions.requirements.inspect_machine import free_memory_bytes
    from reproductions.requirements.inspect_weights import count_weights, weight_files

    free = free_memory_bytes()
    counts = [count_weights(path) for path in weight_files(place)]
    return device.type == "cuda" or free is None or 4 * (sum(counts) + max(counts, default=0)) <= free


def open_halved_generator(place: Path, config: SamplingConfig, device: torch.device, safety_checker: bool) -> None:
    """Load a generator in the precision that it has on a GPU, where memory is not enough for float32."""
    import torch

    from methods.common.generators.text_to_image import load_text_to_image

    load_text_to_image(place, device, getattr(torch, config.precision), safety_checker)


class CutterTrial(Config):
    """How a cut-out network is opened."""

    trust_remote_code: bool
    """Whether its folder may run its own code."""
    name: CutterName = "cutter"
    """Which cut-out network it is."""


def open_cutter(places: Places, config: CutterTrial, device: torch.device) -> TinyBatch:
    """Open a cut-out network; role ``cutter``."""
    import torch

    from methods.common.cutouts.load import load_cutter

    cutter = load_cutter(config.name, places["cutter"], device, trust_remote_code=config.trust_remote_code)

    def cut() -> None:
        with torch.inference_mode():
            picture_13HW = torch.from_numpy(a_picture()).permute(2, 0, 1)[None].float().to(device) / 255
            soft_NHW = cutter(picture_13HW, ["a photo of a cat"])
        if not soft_NHW.isfinite().all():
            raise InputError(f"{places['cutter']} makes masks that are no numbers; download it again")

    return cut


def open_clip(places: Places, config: Config, device: torch.device) -> TinyBatch:
    """Open CLIP; role ``clip``."""
    import numpy as np

    from methods.common.clip import ClipScorer

    scorer = ClipScorer.from_pretrained(places["clip"], device)

    def score() -> None:
        if not np.isfinite(scorer.score([a_picture()], ["a photo of a cat"])).all():
            raise InputError(f"{places['clip']} makes scores that are no numbers; download it again")

    return score


def open_sam(places: Places, config: Config, device: torch.device) -> TinyBatch:
    """Open Segment Anything, a folder of transformers or a file of the release; role ``sam``."""
    import numpy as np

    from methods.common.segment_anything.load import load_sam

    sam = load_sam(places["sam"], device)

    def segment() -> None:
        image = sam.embed(a_picture())
        sam.masks_in_boxes(image, np.array([[8, 8, 40, 40]], np.float32))
        logits_PMHW, _ = sam.masks_at_points(image, np.array([[20, 20]], np.float32))
        if not logits_PMHW.isfinite().all():
            raise InputError(f"{places['sam']} makes masks that are no numbers; download it again")

    return segment


def open_captioner(places: Places, config: BlipCaptions, device: torch.device) -> TinyBatch:
    """Open the captioner; role ``captioner``."""
    from methods.common.generators.captioners import load_captioner

    captioner = load_captioner(config, places["captioner"], device)
    return lambda: captioner.captions(a_picture(), ["cat"], [0])


def open_semantic_segmenter(places: Places, config: SegmenterConfig, device: torch.device) -> TinyBatch:
    """Open a semantic segmenter with ImageNet weights in its backbone; role ``backbone``."""
    import torch

    from methods.common.segmenters.semantic.segmenters import build_segmenter
    from methods.common.segmenters.semantic.starting import take_published_backbone

    model = build_segmenter(config, torch.Generator().manual_seed(0))
    take_published_backbone(model, places["backbone"])
    model.to(device).eval()

    def score() -> None:
        with torch.inference_mode():
            model.scores(torch.full((1, 3, SIDE_PX, SIDE_PX), 127.0, device=device))

    return score

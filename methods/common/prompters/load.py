"""Which prompter a config asks for. Its networks are loaded here, and nowhere before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.prompters.configs import (
    AutomaticClipConfig,
    GroundingDinoSamConfig,
    PrompterConfig,
    Sam3PrompterConfig,
)
from methods.common.prompters.interface import NamedSegmenter

if TYPE_CHECKING:  # a plan is made without loading torch
    import torch


def load_prompter(
    config: PrompterConfig, folder: Callable[[str], Path], device: torch.device | None = None
) -> NamedSegmenter:
    """Load the networks behind a config.

    Args:
        config: which prompter.
        folder: the folder of weights in a role; ``ROLES`` lists the roles of each kind.
        device: where networks run; CPU by default.
    Raises:
        InputError: a folder does not hold what is needed.
    """
    if isinstance(config, GroundingDinoSamConfig):
        from methods.common.prompters.grounding_dino_sam import GroundingDinoSam, load_detector
        from methods.common.segment_anything.load import load_sam

        detector, processor = load_detector(folder("detector"), device)
        return GroundingDinoSam(detector, processor, load_sam(folder("sam"), device), config)
    if isinstance(config, AutomaticClipConfig):
        from methods.common.clip import ClipScorer
        from methods.common.prompters.automatic_clip import AutomaticClip
        from methods.common.segment_anything.load import load_sam

        sam = load_sam(folder("sam"), device)
        return AutomaticClip(sam, ClipScorer.from_pretrained(folder("clip"), device), config)
    if isinstance(config, Sam3PrompterConfig):
        from methods.common.prompters.sam3 import Sam3Prompter, load_sam3

        return Sam3Prompter(*load_sam3(folder("sam"), device), config)
    from methods.common.cutouts.load import load_cutout
    from methods.common.prompters.salient import Salient

    trusted = config.trust_remote_code
    return Salient(load_cutout(folder("cutter"), device, trust_remote_code=trusted), config)

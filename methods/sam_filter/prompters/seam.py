"""What a prompter is to the filter, and which one a config asks for.

Shape suffixes: H, W pixels; 3 colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from methods.sam_filter.prompters.configs import (
    AutomaticClipConfig,
    GroundingDinoSamConfig,
    PrompterConfig,
    Sam3PrompterConfig,
)

if TYPE_CHECKING:  # a plan is made without loading torch
    import torch

NamedMasks = dict[str, NDArray[np.bool_]]
"""For each name the union of its instances, bool (H, W); empty where none was found."""


class NamedSegmenter(Protocol):
    """Finds what is named. T4 of specification 4.2 is any object of this form, an oracle for instance."""

    def segment(self, image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
        """Return a mask for each of the picture's class names, in their order; each name is asked for on its own.

        Args:
            image_HW3: RGB, uint8.
            class_names: distinct, in written form.
        """


def empty_masks(image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
    """Return "not found" for every name."""
    return {name: np.zeros(image_HW3.shape[:2], bool) for name in class_names}


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
        from methods.common.cutouts.sam import Sam
        from methods.sam_filter.prompters.grounding_dino_sam import GroundingDinoSam, load_detector

        detector, processor = load_detector(folder("detector"), device)
        return GroundingDinoSam(detector, processor, Sam.from_pretrained(folder("sam"), device), config)
    if isinstance(config, AutomaticClipConfig):
        from methods.common.clip import ClipScorer
        from methods.common.cutouts.sam import Sam
        from methods.sam_filter.prompters.automatic_clip import AutomaticClip

        sam = Sam.from_pretrained(folder("sam"), device)
        return AutomaticClip(sam, ClipScorer.from_pretrained(folder("clip"), device), config)
    if isinstance(config, Sam3PrompterConfig):
        from methods.sam_filter.prompters.sam3 import Sam3Prompter, load_sam3

        return Sam3Prompter(*load_sam3(folder("sam"), device), config)
    from methods.common.cutouts.seam import load_cutout
    from methods.sam_filter.prompters.salient import Salient

    trusted = config.trust_remote_code
    return Salient(load_cutout(folder("cutter"), device, trust_remote_code=trusted), config)

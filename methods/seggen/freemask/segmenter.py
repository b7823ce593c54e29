"""The segmenter that judges generated images, and what it knew of real ones.

Shape legend: N images, H, W pixels; 3 RGB; K classes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from methods.common.datasets.labelled_images import IGNORED
from methods.common.errors import InputError, reason
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.segmenters.semantic.segmenters import load_segmenter

LOSSES_FILE = "class_losses.json"
"""Mean losses by class name, in the order of the labels."""


def load_judge(folder: Path, class_names: Sequence[str], device: torch.device) -> SemanticSegmenter:
    """Load a semantic segmenter, ready to judge images of some classes.

    Raises:
        InputError: the folder holds none, or one with another number of classes.
    """
    model = load_segmenter(folder)
    if model.num_classes != len(class_names):
        raise InputError(
            f"the segmenter in {folder} has {model.num_classes} classes, the images {len(class_names)}; train it on the same classes"
        )
    return model.to(device).eval()


@torch.no_grad()
def losses_of_pixels(
    model: SemanticSegmenter, image_HW3: NDArray[np.uint8], label_HW: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return the cross-entropy of each pixel with its label, float32 [H, W], 0 where the label is 255.

    The image is judged whole and at its own size, without augmentation. Source: section 9, step 1 [code].
    """
    device = next(model.parameters()).device
    image_13HW = torch.tensor(image_HW3).permute(2, 0, 1)[None].float().to(device)
    label_1HW = torch.tensor(label_HW)[None].long().to(device)
    loss_1HW = functional.nll_loss(
        model.log_probabilities(image_13HW), label_1HW, ignore_index=IGNORED, reduction="none"
    )
    found: NDArray[np.float32] = loss_1HW[0].float().cpu().numpy()
    return found


def read_class_losses(folder: Path, class_names: Sequence[str]) -> NDArray[np.float64]:
    """Read what a cell of ``freemask_class_losses`` wrote, float64 (K,); infinite for classes without a real pixel.

    Raises:
        InputError: it is missing, or knows other classes.
    """
    path = folder / LOSSES_FILE
    try:
        by_name = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); name a cell of freemask_class_losses") from error
    if list(by_name) != list(class_names):
        raise InputError(
            f"{path} knows other classes than the pairs; take the losses on real images of the same classes"
        )
    return np.array([np.inf if value is None else value for value in by_name.values()])

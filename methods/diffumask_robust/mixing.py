"""Boundary mixing: objects of one image of a batch pasted onto another, with the labels that both networks give (section 6.3).

Shape legend: N images of a batch, H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from methods.common.datasets.labelled_images import IGNORED
from methods.diffumask_robust.boundary import paste_boundary
from methods.diffumask_robust.co_training_config import MixingConfig


class Draws(Protocol):
    """What mixing draws with; ``np.random.Generator`` is one."""

    def random(self) -> float:
        """Return a number in [0, 1)."""

    def choice(self, a: Any, size: Any, replace: Any, /) -> Any:
        """Return some of ``a``."""


@dataclass(frozen=True)
class Labels:
    """Labels of a batch, and where they are trusted."""

    label_NHW: Tensor
    """int64, 255 where nothing is known."""
    trusted_NHW: Tensor
    """bool."""


@dataclass(frozen=True)
class MixedBatch:
    """A batch to train on."""

    image_N3HW: Tensor
    """Of the given batch's type."""
    labels: Labels
    boundary_NHW: Tensor
    """bool; the rims of what was pasted, all False during the warm-up."""
    source_N: tuple[int, ...]
    """Which image of the given batch each one is, or is pasted onto."""


def mix_batch(
    image_N3HW: Tensor, offline: Labels, online: Labels | None, config: MixingConfig, draws: Draws
) -> MixedBatch:
    """Paste classes of each image's partner onto it, with some probability.

    Image i and i + N/2 are partners, in both directions. Pasted are the partner's pixels with a chosen label, during the warm-up all, afterwards
    the confident ones. A composite has online labels and online reliability everywhere; an image that is not mixed keeps the offline ones.

    Args:
        image_N3HW: N even.
        offline: what the data set says.
        online: what both networks say; None during the warm-up, in which composites take offline labels and there are no boundaries.
        config: chances and choices.
        draws: for each image in the released order one ``random()``, and for each composite with candidates one ``choice``.

    Raises:
        ValueError: an odd number of images.
    Source: section 6.3 [code].
    """
    num_images = len(image_N3HW)
    if num_images % 2:
        raise ValueError(f"the batch has {num_images} images; mixing pairs them, so give an even batch_size")
    taken = offline if online is None else online
    half = num_images // 2
    interleaved = [place for first in range(half) for place in (first, first + half)]
    image, label, trusted = image_N3HW.clone(), offline.label_NHW.clone(), offline.trusted_NHW.clone()
    region_NHW = torch.zeros_like(offline.trusted_NHW)
    for place in interleaved:
        if not draws.random() < config.probability:
            continue
        partner = (place + half) % num_images
        region_HW = _region(taken, partner, config.share_of_classes, draws, trusted_only=online is not None)
        if config.nothing_pasted == "as_meant" and not bool(region_HW.any()):
            continue
        region_NHW[place] = region_HW
        image[place] = torch.where(region_HW, image_N3HW[partner], image_N3HW[place])
        label[place] = torch.where(region_HW, taken.label_NHW[partner], taken.label_NHW[place])
        trusted[place] = torch.where(region_HW, taken.trusted_NHW[partner], taken.trusted_NHW[place])
    boundary_NHW = (
        torch.zeros_like(region_NHW)
        if online is None
        else paste_boundary(region_NHW, config.boundary_radius_px, config.border)
    )
    order = interleaved if config.order == "as_released" else list(range(num_images))
    return MixedBatch(image[order], Labels(label[order], trusted[order]), boundary_NHW[order], tuple(order))


def _region(labels: Labels, partner: int, share: float, draws: Draws, *, trusted_only: bool) -> Tensor:
    """Return what of a partner is pasted, bool [H, W]: pixels of some of its foreground classes."""
    label_HW = labels.label_NHW[partner]
    allowed_HW = labels.trusted_NHW[partner] if trusted_only else torch.ones_like(label_HW, dtype=torch.bool)
    chosen = choose_classes(torch.unique(label_HW[allowed_HW]).tolist(), share, draws)
    return allowed_HW & torch.isin(label_HW, torch.tensor(chosen, dtype=label_HW.dtype, device=label_HW.device))


def choose_classes(present: Sequence[int], share: float, draws: Draws) -> list[int]:
    """Draw a share of the foreground classes, rounded up; draws nothing where there are none.

    Args:
        present: labels, in any order; 0 and 255 are left out.
        share: in [0, 1].
        draws: one ``choice``.
    Source: section 6.3 [code].
    """
    candidates = sorted(set(present) - {0, IGNORED})
    if not candidates:
        return []
    return [int(one) for one in draws.choice(candidates, int(np.ceil(len(candidates) * share)), False)]

"""Boundary mixing: objects of one image of a batch pasted onto another, with the labels that both networks give (section 6.3).

Shape legend: N images of a batch, H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from methods.common.datasets.labelled_images import IGNORED
from methods.common.stage import Config
from methods.diffumask_robust.boundary import Border, paste_boundary

Probability = Annotated[float, Field(ge=0, le=1)]


class MixingConfig(Config):
    """How images are mixed."""

    probability: Probability = 0.5
    """Chance of each image to be a composite. [code]"""
    share_of_classes: Probability = 0.5
    """Share of the partner's foreground classes that is pasted, rounded up. [code]"""
    confidence: Probability = 0.95
    """Online labels above this probability are trusted. [code]"""
    boundary_radius_px: Annotated[int, Field(ge=1)] = 1
    """Of the square kernel that widens and narrows a pasted region; 1 is 3x3. [code]"""
    border: Border = "as_released"
    """What is outside of an image, for the boundary of a region. [C D47]"""
    nothing_pasted: Literal["as_released", "as_meant"] = "as_released"
    """A composite onto which nothing could be pasted: ``as_released`` it has the online labels and reliability all the same; ``as_meant`` it
    stays as it was [C D46]."""
    order: Literal["as_meant", "as_released"] = "as_meant"
    """Of the mixed batch: its own, or interleaved, 0, N/2, 1, N/2 + 1, .. as released [C D45]."""


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

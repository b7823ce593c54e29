"""From mean attention maps to label maps with an uncertain band, for every variant at once (SAM filter section 2.4).

Shape legend: R cells a side of self-attention, r of cross-attention, M maps of one image (one a name in its class prompt), T tokens,
F columns of maps refined together, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from methods.common.datasets.labelled_images import IGNORED
from methods.common.generators.class_prompts import NamedTokens

CONSTANT_RANGE = 1e-6
"""A map whose range is below this share of its largest magnitude counts as constant: less is rounding of float32 attention. Our choice."""


class Thresholds(NamedTuple):
    """Bounds of the uncertain band, on normalised attention."""

    upper: float = 0.6
    """From here on, the class [DD]."""
    lower: float = 0.5
    """Below, background; from here to ``upper``, uncertain [DD]."""


class AttentionLabelMap(NamedTuple):
    """One variant's labels of one image."""

    label_HW: NDArray[np.uint8]
    constant: tuple[str, ...]
    """Names whose map was constant and gave nothing."""


def class_maps(cross_QT: Tensor, names: Sequence[NamedTokens]) -> Tensor:
    """Return one map a name, [M, r, r]: the mean over its tokens. Source: SAM filter section 2.4, step 1 [DD]."""
    side = round(cross_QT.shape[0] ** 0.5)
    map_MQ = torch.stack([cross_QT[:, list(name.positions)].mean(1) for name in names])
    return map_MQ.reshape(len(names), side, side)


def refine(self_QQ: Tensor, map_QF: Tensor, powers: Sequence[int]) -> dict[int, Tensor]:
    """Return ``A^power maps`` for each power: A is applied to the maps again and again, which costs no product of two matrices.

    Args:
        self_QQ: self-attention A, rows sum to 1 up to rounding, which is taken out.
        map_QF: maps as columns; all that share A go together.
        powers: whole numbers >= 0; 4 in the publication.

    Returns:
        float64 [Q, F]: a high power is almost flat, and what is left of a map may be a millionth of it.
    Source: SAM filter section 2.4, step 3 [DD]: a matrix power.
    """
    self_QQ, map_QF = self_QQ.double(), map_QF.double()
    self_QQ = self_QQ / self_QQ.sum(1, keepdim=True)
    refined = {}
    for power in range(max(powers) + 1):
        if power in powers:
            refined[power] = map_QF
        if power < max(powers):
            map_QF = self_QQ @ map_QF
    return refined


def normalise(map_MHW: Tensor) -> tuple[Tensor, Tensor]:
    """Scale each map to [0, 1]; a constant map becomes all 0, so that it yields background.

    Returns:
        the maps, and which of them were constant, bool (M,).
    Source: SAM filter section 2.4, step 4 [DD]; constant maps are our choice [C SAM filter D37].
    """
    low_M, high_M = map_MHW.amin((1, 2)), map_MHW.amax((1, 2))
    range_M = high_M - low_M
    # A map with anything that is not a number is constant too: every comparison with it is false.
    constant_M = ~(range_M > CONSTANT_RANGE * torch.maximum(low_M.abs(), high_M.abs()))
    scaled_MHW = (map_MHW - low_M[:, None, None]) / torch.where(constant_M, 1.0, range_M)[:, None, None]
    return torch.where(constant_M[:, None, None], 0.0, scaled_MHW), constant_M


def label_pixels(map_MHW: Tensor, label_M: Tensor, thresholds: Thresholds) -> Tensor:
    """Return labels, uint8 [H, W]: the label of the largest map, 255 in the uncertain band, 0 below.

    Maps that carry the same label count by their maximum, as the largest of all maps does. The first map wins where several are equal.

    Args:
        map_MHW: normalised maps.
        label_M: label of each map, uint8.
        thresholds: of the uncertain band.
    Source: SAM filter section 2.4, step 6 [DD].
    """
    value_HW, best_HW = map_MHW.float().max(0)
    uncertain_HW = torch.where(value_HW >= thresholds.lower, IGNORED, 0).to(torch.uint8)
    return torch.where(value_HW >= thresholds.upper, label_M[best_HW], uncertain_HW)


def resize(map_MHW: Tensor, height: int, width: int) -> Tensor:
    """Resize maps bicubically, without antialiasing. Source: SAM filter section 2.4, steps 2 and 5 [DD]."""
    if map_MHW.shape[1:] == (height, width):
        return map_MHW
    return interpolate(map_MHW[None], (height, width), mode="bicubic", align_corners=False)[0]


def label_maps(
    self_attention: Mapping[int, Tensor],
    cross_attention: Mapping[int, Tensor],
    powers: Sequence[int],
    names: Sequence[NamedTokens],
    labels: Mapping[str, int],
    size: tuple[int, int],
    thresholds: Thresholds,
) -> dict[tuple[int, int, int], AttentionLabelMap]:
    """Make the label map of every variant of one image from one capture.

    Args:
        self_attention: by cells a side R, float32 [R * R, R * R].
        cross_attention: by cells a side r, float32 [r * r, T].
        powers: powers of self-attention.
        names: of the class prompt, with their tokens.
        labels: label of each name, in 1 to 254.
        size: height and width of the image in pixels.
        thresholds: of the uncertain band.

    Returns:
        by (R, r, power).
    """
    coarse = {side: class_maps(cross_QT, names) for side, cross_QT in cross_attention.items()}
    device = next(iter(coarse.values())).device
    label_M = torch.tensor([labels[name.class_name] for name in names], dtype=torch.uint8, device=device)
    made = {}
    for self_side, self_QQ in self_attention.items():
        map_FRR = torch.cat([resize(map_Mrr, self_side, self_side) for map_Mrr in coarse.values()])
        for power, map_QF in refine(self_QQ, map_FRR.flatten(1).T, powers).items():
            scaled_FRR, constant_F = normalise(map_QF.T.reshape(-1, self_side, self_side))
            fine_FHW = resize(scaled_FRR.float(), *size)
            for number, cross_side in enumerate(coarse):
                own = slice(number * len(names), (number + 1) * len(names))
                flat = constant_F[own].tolist()
                constant = tuple(name.class_name for name, is_flat in zip(names, flat, strict=True) if is_flat)
                label_HW = label_pixels(fine_FHW[own], label_M, thresholds).cpu().numpy()
                made[self_side, cross_side, power] = AttentionLabelMap(label_HW, constant)
    return made

"""From heat maps of an image's classes to its label map (section 5).

    mask = make_pseudo_mask(map_Chw, class_ids, (512, 512), PseudoMaskConfig())
    margin_HW = score_margins(mask.score_KHW, mask.place_HW)

Shape legend: C maps, h, w cells, H, W pixels; K scores: the background's, then one a class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from methods.common.datasets.labelled_images import IGNORED
from methods.common.generators.attention_masks import normalise
from methods.diffumask_robust.pseudo_mask_config import PseudoMaskConfig

LabelFilter = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Changes places of scores, uint8 [H, W], such as a dense CRF does."""


class ClassScores(NamedTuple):
    """What a label map is the argmax of."""

    score_KHW: NDArray[np.float32]
    """The background's score, then those of the classes."""
    class_ids: tuple[int, ...]
    """Of the scores from the second on, each once, in the order in which they were given first."""
    constant: tuple[int, ...]
    """Classes all of whose maps say nothing."""


class PseudoMask(NamedTuple):
    """The labels of one image, and what margins are taken from."""

    label_HW: NDArray[np.uint8]
    """Class ids; 0 background, or 255 where weak pixels are ignored."""
    place_HW: NDArray[np.uint8]
    """Which of the scores each label is; 0 for the background's."""
    score_KHW: NDArray[np.float32]
    """Before any filter."""
    class_ids: tuple[int, ...]
    """Of the scores from the second on."""
    dropped: str
    """Why the image is of no use, in a few words; empty where it is."""


def scale_each(map_Chw: Tensor) -> tuple[Tensor, Tensor]:
    """Scale each map to [0, 1]; one that is constant, or has a value that is no finite number, becomes 0.

    No epsilon is added to the range: a map whose range is nearly 0 is named instead [C D2].

    Returns:
        the maps, float32, and which of them say nothing, bool (C,).

    Source: section 5.1.
    """
    finite_C = map_Chw.isfinite().flatten(1).all(1)
    clean_Chw = torch.where(finite_C[:, None, None], map_Chw, 0.0)
    scaled_Chw, constant_C = normalise(clean_Chw)
    return scaled_Chw.float(), constant_C


def score_classes(scaled_Chw: Tensor, class_ids: Sequence[int], size: tuple[int, int], beta: float) -> ClassScores:
    """Return the score of each class, and the background's: ``1 - max - beta``.

    Maps are resized bilinearly, and the background is that of the picture's pixels, so that (3) is a plain threshold at each of them
    [C D1]. Maps of one class count by their maximum [C D3]. A value that is no finite number counts as 0.

    Args:
        scaled_Chw: maps in about [0, 1]; already scaled.
        class_ids: class of each map; one may occur several times.
        size: height and width of the picture in pixels.
        beta: what the background is lowered by.

    Raises:
        ValueError: no class, or not one class a map.

    Source: section 5.2, equation 3 [R].
    """
    if not class_ids or scaled_Chw.dim() != 3 or len(scaled_Chw) != len(class_ids):
        raise ValueError(
            f"there are {len(class_ids)} class ids for maps of shape {tuple(scaled_Chw.shape)}; give [C, h, w] with one class id a map"
        )
    clean_Chw = scaled_Chw.float().nan_to_num(0.0, 0.0, 0.0)
    distinct = tuple(dict.fromkeys(class_ids))
    own = [[number for number, class_id in enumerate(class_ids) if class_id == one] for one in distinct]
    silent = [not bool(clean_Chw[numbers].any()) for numbers in own]
    if clean_Chw.shape[1:] != size:
        clean_Chw = interpolate(clean_Chw[None], size, mode="bilinear", align_corners=False)[0]
    class_score = torch.stack([clean_Chw[numbers].amax(0) for numbers in own])
    background_1HW = 1 - class_score.amax(0, keepdim=True) - beta
    constant = tuple(class_id for class_id, is_silent in zip(distinct, silent, strict=True) if is_silent)
    return ClassScores(torch.cat((background_1HW, class_score)).cpu().numpy(), distinct, constant)


def make_pseudo_mask(
    map_Chw: Tensor,
    class_ids: Sequence[int],
    size: tuple[int, int],
    config: PseudoMaskConfig,
    *,
    is_scaled: bool = False,
    label_filter: LabelFilter | None = None,
) -> PseudoMask:
    """Make the label map of one image; only the classes that are given can win.

    Args:
        map_Chw: heat maps, float32; a class has one or several. Any finite range where they are still to be scaled.
        class_ids: class of each map, in [0, 254]; 0 only where weak pixels are ignored, as 0 is background otherwise.
        size: height and width of the picture in pixels.
        config: beta, and which images are kept.
        is_scaled: the maps are of about [0, 1] and stay as they are.
        label_filter: changes the label map; scores stay those before it.

    Raises:
        ValueError: as :func:`score_classes`, or a class id that is no label.

    Source: sections 5.1, 5.2 and 5.4.
    """
    lowest = 1 if config.weak_pixels == "background" else 0
    faulty = [class_id for class_id in class_ids if not lowest <= class_id < IGNORED]
    if faulty:
        raise ValueError(f"a class id is {faulty[0]}; give ids in {lowest} to {IGNORED - 1}")
    scaled_Chw = map_Chw if is_scaled else scale_each(map_Chw)[0]
    scores = score_classes(scaled_Chw, class_ids, size, config.beta)
    place_HW = scores.score_KHW.argmax(0).astype(np.uint8)
    if label_filter is not None:
        place_HW = label_filter(place_HW)
    weak = 0 if config.weak_pixels == "background" else IGNORED
    label_HW = np.array([weak, *scores.class_ids], np.uint8)[place_HW]
    dropped = why_dropped(place_HW, scores.constant, config)
    return PseudoMask(label_HW, place_HW, scores.score_KHW, scores.class_ids, dropped)


def why_dropped(place_HW: NDArray[np.uint8], constant: Sequence[int], config: PseudoMaskConfig) -> str:
    """Tell in a few words why an image is of no use, or return an empty text.

    One class whose map says nothing is enough: its objects would be labelled background. The share of foreground is that of the final
    label map, after any filter [C D4].

    Source: section 5.4.
    """
    if constant:
        return f"constant map of class {', '.join(map(str, constant))}"
    share = float((place_HW > 0).mean())
    if share < config.min_foreground:
        return f"foreground {share:.2%} is below {config.min_foreground:.2%}"
    if config.weak_pixels == "background" and share > config.max_foreground:
        return f"foreground {share:.2%} is above {config.max_foreground:.2%}"
    return ""

"""Which synthetic pairs are kept: rankings of which every prefix is a selection, so that top 10k lies inside top 20k.

Shape suffixes: I images. A ranking is an order of image numbers, int64 (I,).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from methods.common.generated.rankings import Ranking

Stratify = Literal["none", "n_classes", "rarest_class"]

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Shares at which score quantiles are told."""


def strata_of(classes: Sequence[Sequence[str]], stratify: Stratify) -> list[Hashable]:
    """Return the stratum of each image.

    Args:
        classes: the names asked for in each image, distinct.
        stratify: ``none``, by number of names, or by the image's rarest class: the one that the fewest images name, the first
            in the alphabet of several.
    Source: section 4.5; what "rarest" counts is our choice [? D65].
    """
    if stratify == "n_classes":
        return [len(names) for names in classes]
    if stratify == "rarest_class":
        num_images = Counter(name for names in classes for name in set(names))
        return [min(names, key=lambda name: (num_images[name], name)) if names else "" for names in classes]
    return [""] * len(classes)


def interleave_strata(ranking: Ranking, strata: Sequence[Hashable]) -> Ranking:
    """Merge the rankings within strata so that every prefix holds each stratum by its share of all images.

    Image j = 0, 1, ... of the n in its stratum stands at (j + 1/2) / n; images are ordered by that, then as before. A prefix so
    holds each stratum's share of it rounded, as by the method of Sainte-Laguë, and prefixes are nested; quotas by largest
    remainders would not be. Source: our choice [? D65].
    """
    sizes = Counter(strata)
    seen: Counter[Hashable] = Counter()
    place_I = np.empty(len(ranking))
    for rank, image in enumerate(ranking):
        stratum = strata[image]
        place_I[rank] = (seen[stratum] + 0.5) / sizes[stratum]
        seen[stratum] += 1
    merged: Ranking = ranking[np.argsort(place_I, kind="stable")]
    return merged


def rank_with_same_mix(ranking: Ranking, at_random: Ranking, mix: Sequence[Hashable]) -> Ranking:
    """Rank at random so that every prefix has as many images of each kind as the same prefix of another ranking.

    Where ``ranking`` has its j-th image of a kind, the result has the j-th image of that kind in ``at_random``. With the set of
    named classes as kind, filtered and random subsets differ in their masks and not in what they show. Source:
    our choice [C D64].

    Args:
        ranking: the one to follow.
        at_random: the same images in any order.
        mix: kind of each image.
    """
    waiting: dict[Hashable, list[int]] = {}
    for image in at_random[::-1]:
        waiting.setdefault(mix[image], []).append(int(image))
    return np.array([waiting[mix[image]].pop() for image in ranking], np.int64)


def describe_selection(
    kept: Ranking,
    score_I: NDArray[np.float64],
    classes: Sequence[Sequence[str]],
    pixels: Sequence[Mapping[str, int]],
    class_names: Sequence[str],
) -> dict[str, Any]:
    """Say what a selection does to the set. Source: section 4.4 lists what to report.

    Args:
        kept: numbers of the images that stay.
        score_I: score of every image.
        classes: the names asked for in each image.
        pixels: labelled pixels of each image by class name.
        class_names: foreground classes, in the order of the tables.
    Returns:
        score quantiles, cut-off (lowest score kept), share of zero scores, and images and pixels a class, classes an image;
        each ``before`` and ``after``.
    """
    every = np.arange(len(score_I))
    before_after = {"before": every, "after": kept}

    def both(tell: Any) -> dict[str, Any]:
        return {name: tell(images) for name, images in before_after.items()}

    def quantiles(images: Ranking) -> dict[str, float]:
        values = np.quantile(score_I[images], QUANTILES) if len(images) else np.full(len(QUANTILES), np.nan)
        return {f"{share:g}": float(value) for share, value in zip(QUANTILES, values, strict=True) if value == value}

    def images_a_class(images: Ranking) -> dict[str, int]:
        counts = Counter(name for image in images for name in set(classes[image]))
        return {name: counts[name] for name in class_names}

    def pixels_a_class(images: Ranking) -> dict[str, int]:
        return {name: sum(pixels[image].get(name, 0) for image in images) for name in class_names}

    def classes_an_image(images: Ranking) -> dict[str, int]:
        return {str(n): count for n, count in sorted(Counter(len(classes[image]) for image in images).items())}

    return {
        "num_images": both(len),
        "score_quantiles": both(quantiles),
        "cutoff_score": float(score_I[kept].min()) if len(kept) else None,
        "zero_score_share": both(lambda images: float((score_I[images] == 0).mean()) if len(images) else None),
        "images_per_class": both(images_a_class),
        "pixels_per_class": both(pixels_a_class),
        "images_by_num_classes": both(classes_an_image),
    }

"""Limited data: a share of a training split, drawn by name."""

from __future__ import annotations

from collections.abc import Collection

from methods.common.seeds import Seeds


def limited_names(names: Collection[str], fraction: float, seeds: Seeds) -> list[str]:
    """Keep a share of the images, by name: the same for the same data seed, and within any larger share of it.

    Every image gets a number from seed and name; those with the smallest are kept, ``round(fraction * images)`` of them but at least one.

    Args:
        names: of the images of a training split, each once.
        fraction: in (0, 1]; 1 keeps all.
        seeds: the data seed decides.
    Returns:
        names, sorted.

    Source: InstSynth section 10, item 1; by image, as it says no more.
    """
    assert 0 < fraction <= 1, f"fraction {fraction} is outside (0, 1]"
    count = max(1, round(fraction * len(names)))
    return sorted(sorted(names, key=lambda name: seeds.derive("data", "limited", name))[:count])

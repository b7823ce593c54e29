"""What a sampling cell makes, in batches of pictures of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from methods.common.seeds import Seeds
from methods.seggen.diffusion.frames import Size
from methods.seggen.sampling.config import SeggenSamplingConfig


@dataclass(frozen=True)
class Source:
    """What variants are made of."""

    name: str
    """The first part of the variants' names."""
    of: str
    """Name of the real image whose caption it has."""
    caption: str
    size: Size
    """Native size of that image."""
    index: int
    """Its place in what it was listed from."""


@dataclass(frozen=True)
class Order:
    """One picture to sample."""

    id: str
    source: Source
    frame: Size
    """What is sampled."""
    seed: int


def list_orders(
    sources: Sequence[Source], letter: str, variants: int, config: SeggenSamplingConfig, seeds: Seeds
) -> list[Order]:
    """List this cell's pictures; all variants of a source are in one cell.

    The seed of a picture comes from its name, never from order, batch or shard.

    Args:
        sources: all of them, also those of other shards.
        letter: between a source's name and the number of the variant: ``m`` for masks, ``i`` for images.
        variants: of each source.
        config: frames, and which shard this is.
        seeds: the generation seed.
    """
    orders = []
    for position, source in enumerate(sources):
        if config.has(position):
            frame = config.frames.nearest(*source.size)
            for number in range(variants):
                name = f"{source.name}_{letter}{number}"
                orders.append(Order(name, source, frame, seeds.derive("generation", "picture", name)))
    return orders


def list_batches(orders: Sequence[Order], batch_size: int) -> list[list[Order]]:
    """Put pictures together that have one frame and one native size, in the order in which a size comes first."""
    by_size: dict[tuple[Size, Size], list[Order]] = {}
    for order in orders:
        by_size.setdefault((order.frame, order.source.size), []).append(order)
    return [
        alike[first : first + batch_size] for alike in by_size.values() for first in range(0, len(alike), batch_size)
    ]

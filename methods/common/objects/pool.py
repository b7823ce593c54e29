"""The object pool: cut-outs with their class and origin in Parquet shards, read by random access.

Readers keep 48 bytes an object in memory, for class, round, seed and place, and read single objects from disk, so a pool of a
million objects takes some 50 MB. Each process opens the files for itself: a pool may be pickled or inherited by a
data-loading worker. One pool object is not for several threads. How shards are written: :mod:`.shards`.

Shape legend: N objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.objects.shard_reading import INDEX, ShardFiles, index_shard
from methods.common.objects.shards import PooledObject, StoredObject, write_pool_shard

__all__ = [
    "ObjectPool",
    "PooledObject",
    "StoredObject",
    "write_pool_shard",
]


class ObjectPool:
    """Random access to the objects of many shards: ``pool[i]``, ``len(pool)``, ``pool.category_id``.

    Indices follow the order of the folders or files given, shards sorted by name, rows in order.
    """

    def __init__(self, files: ShardFiles, index_N: NDArray[Any]) -> None:
        self._files = files
        self._index_N = index_N

    @classmethod
    def open(cls, places: Path | str | Iterable[Path | str], allow_empty: bool = False) -> ObjectPool:
        """Open a pool.

        Args:
            places: one or more folders with ``*.parquet`` shards, or shard files.
            allow_empty: whether a pool without any object is fine.

        Raises:
            InputError: a place is missing, a file is no shard, or the pool is empty and must not be.
        """
        given = [places] if isinstance(places, Path | str) else list(places)
        paths = _list_shards(given)
        parts = [index_shard(path, number) for number, path in enumerate(paths)]
        pool = cls(ShardFiles(paths), np.concatenate([np.zeros(0, INDEX), *parts]))
        if len(pool) == 0 and not allow_empty:
            where = ", ".join(map(str, given))
            raise InputError(f"the object pool at {where} is empty: no object passed the filter; lower its thresholds")
        return pool

    @property
    def category_id(self) -> NDArray[np.int32]:
        """Category id of each object, int32 (N,)."""
        return np.asarray(self._index_N["category_id"])

    @property
    def round_index(self) -> NDArray[np.int32]:
        """Round of each object, int32 (N,)."""
        return np.asarray(self._index_N["round_index"])

    @property
    def image_seed(self) -> NDArray[np.int64]:
        """Seed of the image that each object comes from, int64 (N,)."""
        return np.asarray(self._index_N["image_seed"])

    @property
    def clip_score(self) -> NDArray[np.float32]:
        """CLIP score of each object, 100 x cosine, float32 (N,); NaN where it was never scored."""
        return np.asarray(self._index_N["clip_score"])

    def __len__(self) -> int:
        """Number of objects."""
        return len(self._index_N)

    def __getitem__(self, index: int) -> PooledObject:
        """Read one object from disk."""
        return self.read(index).decode()

    def read(self, index: int) -> StoredObject:
        """Read one object from disk without decoding its pixels."""
        if not 0 <= index < len(self._index_N):
            raise IndexError(f"object {index} of a pool of {len(self)}")
        return self._files.read(self._index_N[index].item())

    def __iter__(self) -> Iterator[PooledObject]:
        """Read every object in order."""
        return (self[index] for index in range(len(self)))

    def read_all(self) -> Iterator[StoredObject]:
        """Read every object in order without decoding its pixels."""
        return (self.read(index) for index in range(len(self)))

    def select(self, indices: NDArray[Any]) -> ObjectPool:
        """Return the pool of some of the objects, by index or bool mask, without copying any of them."""
        return ObjectPool(self._files, self._index_N[indices])


def _list_shards(places: Iterable[Path | str]) -> list[Path]:
    """List shard files: folders give theirs sorted by name, files stand for themselves."""
    shards: list[Path] = []
    for place in map(Path, places):
        if place.is_dir():
            shards += sorted(place.glob("*.parquet"))
        elif place.is_file():
            shards.append(place)
        else:
            raise InputError(f"there is no object pool at {place}; give a folder with .parquet shards or a shard")
    return shards

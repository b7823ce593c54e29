"""The object pool: cut-outs with their class and origin in Parquet shards, read by random access.

Readers keep 48 bytes an object in memory, for class, round, seed and place, and read single objects from disk, so a pool of a
million objects takes some 50 MB. Each process opens the files for itself: a pool may be pickled or inherited by a
data-loading worker. One pool object is not for several threads. How shards are written: :mod:`.shards`.

Shape legend: H, W pixels; 4 RGBA; N objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from methods.common.errors import InputError, reason
from methods.common.objects.shard_reading import INDEX, ShardFiles, index_shard
from methods.common.objects.shards import PooledObject, StoredObject, write_pool_shard

__all__ = [
    "ObjectPool",
    "PooledObject",
    "StoredObject",
    "list_cutouts",
    "read_cutout",
    "read_folder_of_cutouts",
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


def read_folder_of_cutouts(folder: Path, class_names: Mapping[int, str]) -> Iterator[PooledObject]:
    """Read own cut-outs: ``<folder>/<class name>/*.png`` with transparency, tightly cropped on reading.

    A folder is named like its class, with blanks or underscores. The layout is checked before the first object comes,
    each picture when it is read.

    Args:
        folder: the folder of class folders.
        class_names: class name of each category id of the annotation file.

    Yields:
        Objects by category id, then file name; ``round_index`` and ``image_seed`` 0, ``clip_score`` NaN, ``prompt``
        the file's path below ``folder``.

    Raises:
        InputError: no such folder, a folder that is no class, a class without any cut-out, a file without transparency
            or without any opaque pixel, an unreadable file.
    """
    return (read_cutout(folder, *item) for item in list_cutouts(folder, class_names))


def list_cutouts(folder: Path, class_names: Mapping[int, str]) -> list[tuple[int, Path]]:
    """Check the layout of a folder of own cut-outs; return (category id, file) of each, by category id, then file name."""
    files = _list_by_class(Path(folder), class_names)
    return [(category_id, path) for category_id, paths in files.items() for path in paths]


def read_cutout(folder: Path, category_id: int, path: Path) -> PooledObject:
    """Read one own cut-out that :func:`list_cutouts` found."""
    return PooledObject(_read_rgba(path), category_id, 0, str(path.relative_to(folder)), 0, float("nan"))


def _list_by_class(folder: Path, class_names: Mapping[int, str]) -> dict[int, list[Path]]:
    """Find the cut-outs of each class; every class needs one, every folder a class."""
    if not folder.is_dir():
        raise InputError(f"there is no folder of cut-outs {folder}; give one with a folder of PNG files for each class")
    by_name = {_folder_key(name): category_id for category_id, name in class_names.items()}
    files: dict[int, list[Path]] = {category_id: [] for category_id in sorted(class_names)}
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if _folder_key(place.name) not in by_name:
            raise InputError(f"{place}: no class of the annotation file is called {place.name!r}; rename or remove it")
        pictures = sorted(path for path in place.iterdir() if path.suffix.lower() == ".png")
        files[by_name[_folder_key(place.name)]] += pictures
    for category_id, pictures in files.items():
        if not pictures:
            name = class_names[category_id]
            raise InputError(f"class {name!r} has no cut-out; put at least one RGBA .png file into {folder / name}")
    return files


def _folder_key(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()


def _read_rgba(path: Path) -> NDArray[np.uint8]:
    """Read one picture with transparency and crop it to what is opaque."""
    try:
        with Image.open(path) as picture:
            if "A" not in picture.getbands() and "transparency" not in picture.info:
                raise InputError(f"{path} is {picture.mode}, without transparency; save the cut-out as RGBA PNG")
            rgba_HW4 = np.asarray(picture.convert("RGBA"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} cannot be read as a picture ({reason(error)}); replace or remove it") from error
    opaque_HW = rgba_HW4[..., 3] >= 128
    if not opaque_HW.any():
        raise InputError(f"{path} is transparent everywhere; replace or remove it")
    rows, columns = np.flatnonzero(opaque_HW.any(axis=1)), np.flatnonzero(opaque_HW.any(axis=0))
    return np.ascontiguousarray(rgba_HW4[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])

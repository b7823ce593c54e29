"""The object pool: cut-outs with their class and origin in Parquet shards, read by random access.

A shard is a plain Parquet file, one row an object, the cut-out as PNG bytes; any Parquet reader opens it. Shards
appear whole or not at all. Readers map them into memory and decode the rows they need, so a million objects take as
little memory as a hundred, apart from 24 bytes an object for class, round and seed. Each process opens the files for itself:
a pool may be pickled or inherited by a data-loading worker. One pool object is not for several threads.

Shape legend: H, W pixels; 4 RGBA; N objects.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from methods.common.errors import InputError
from methods.common.files import write_atomic

_SCHEMA = pa.schema(
    [
        ("category_id", pa.int32()),
        ("round_index", pa.int32()),
        ("image_seed", pa.int64()),
        ("clip_score", pa.float32()),
        ("prompt", pa.string()),
        ("png", pa.binary()),
    ]
)
_ROWS_PER_GROUP = 4  # a reader has to read a whole group for one object; each group costs some 500 bytes of its own
_MAX_OPEN_SHARDS = 64


@dataclass(frozen=True)
class PooledObject:
    """One cut-out and where it comes from."""

    rgba_HW4: NDArray[np.uint8]
    """RGBA, tightly cropped; alpha from 128 on is object."""
    category_id: int
    """Category id of the annotation file."""
    round_index: int
    """Round it was made in, from 1; 0 for objects that were not generated."""
    prompt: str
    """What the generator was asked for, or the file it was read from."""
    image_seed: int
    """Seed of the image; 0 for objects that were not generated."""
    clip_score: float
    """100 x cosine; NaN if it was never scored."""


def encode_png(rgba_HW4: NDArray[np.uint8]) -> bytes:
    """Encode RGBA pixels as PNG, lossless."""
    import cv2

    ok, encoded = cv2.imencode(".png", cv2.cvtColor(rgba_HW4, cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert ok, f"cannot encode pixels of shape {rgba_HW4.shape}"
    return bytes(encoded)


def decode_png(png: bytes) -> NDArray[np.uint8]:
    """Decode what :func:`encode_png` wrote, uint8 (H, W, 4)."""
    import cv2

    bgra = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert bgra is not None, "a damaged picture in an object pool"
    return np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA))


def write_pool_shard(path: Path, objects: Iterable[PooledObject]) -> int:
    """Write one shard atomically; equal objects give equal bytes.

    Args:
        path: file to write, ending in ``.parquet``; its folder is made if absent.
        objects: the shard's objects, in order; may be empty. Held in memory, so a shard is some thousand objects.

    Returns:
        The number of objects written.
    """
    assert path.suffix == ".parquet", f"{path} would not be found by ObjectPool.open"
    rows = [
        {
            "category_id": item.category_id,
            "round_index": item.round_index,
            "image_seed": item.image_seed,
            "clip_score": item.clip_score,
            "prompt": item.prompt,
            "png": encode_png(item.rgba_HW4),
        }
        for item in objects
    ]
    buffer = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist(rows, schema=_SCHEMA),
        buffer,
        row_group_size=_ROWS_PER_GROUP,
        compression="none",
        use_dictionary=False,
        write_statistics=False,  # of a picture they would be the picture once more
    )
    write_atomic(path, buffer.getvalue())
    return len(rows)


class _Shards:
    """Open Parquet files of a pool, the most recently used ones kept open."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._open: OrderedDict[int, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self.paths, "_open": OrderedDict()}

    def file(self, shard: int) -> Any:
        """Return the open file of a shard."""
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        if len(self._open) >= _MAX_OPEN_SHARDS:
            _, oldest = self._open.popitem(last=False)
            oldest.close()
        self._open[shard] = _open_shard(self.paths[shard])
        return self._open[shard]


def _open_shard(path: Path) -> Any:
    try:
        file = pq.ParquetFile(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({error}); delete it and make it again") from error
    missing = [name for name in _SCHEMA.names if name not in file.schema_arrow.names]
    if missing:
        raise InputError(
            f"{path} is not a shard of an object pool: column {missing[0]!r} is missing; give another file"
        )
    return file


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


class ObjectPool:
    """Random access to the objects of many shards: ``pool[i]``, ``len(pool)``, ``pool.category_id``.

    Indices follow the order of the folders or files given, shards sorted by name, rows in order.
    """

    def __init__(
        self,
        shards: _Shards,
        shard: NDArray[np.int32],
        row: NDArray[np.int32],
        category_id: NDArray[np.int32],
        round_index: NDArray[np.int32],
        image_seed: NDArray[np.int64],
    ) -> None:
        self._shards = shards
        self._shard = shard
        self._row = row
        self.category_id = category_id
        """Category id of each object, int32 [N]."""
        self.round_index = round_index
        """Round of each object, int32 [N]."""
        self.image_seed = image_seed
        """Seed of the image that each object comes from, int64 [N]."""

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
        shards = _Shards(_list_shards(given))
        # Empty columns first, so that a pool without shards has columns too.
        columns: list[list[NDArray[Any]]] = [[np.zeros(0, np.int32)] for _ in range(5)]
        for number in range(len(shards.paths)):
            table = shards.file(number).read(["category_id", "round_index", "image_seed"], use_threads=False)
            columns[0].append(np.full(len(table), number, np.int32))
            columns[1].append(np.arange(len(table), dtype=np.int32))
            columns[2].append(table["category_id"].to_numpy())
            columns[3].append(table["round_index"].to_numpy())
            columns[4].append(table["image_seed"].to_numpy())
        pool = cls(shards, *(np.concatenate(column) for column in columns))
        if len(pool) == 0 and not allow_empty:
            where = ", ".join(map(str, given))
            raise InputError(f"the object pool at {where} is empty: no object passed the filter; lower its thresholds")
        return pool

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.category_id)

    def __getitem__(self, index: int) -> PooledObject:
        """Read one object from disk."""
        if not 0 <= index < len(self):
            raise IndexError(f"object {index} of a pool of {len(self)}")
        group, offset = divmod(int(self._row[index]), _ROWS_PER_GROUP)
        file = self._shards.file(int(self._shard[index]))
        table = file.read_row_group(group, columns=_SCHEMA.names, use_threads=False)
        row = {name: table[name][offset].as_py() for name in _SCHEMA.names}
        return PooledObject(decode_png(row.pop("png")), **row)

    def __iter__(self) -> Iterator[PooledObject]:
        """Read every object in order."""
        return (self[index] for index in range(len(self)))

    def select(self, indices: NDArray[Any]) -> ObjectPool:
        """Return the pool of some of the objects, by index or bool mask, without copying any of them."""
        return ObjectPool(
            self._shards,
            self._shard[indices],
            self._row[indices],
            self.category_id[indices],
            self.round_index[indices],
            self.image_seed[indices],
        )

    def count_by_class(self, class_ids: Sequence[int]) -> NDArray[np.int64]:
        """Count the objects of each category id, in the order given, int64 [C]."""
        return np.array([np.count_nonzero(self.category_id == class_id) for class_id in class_ids], dtype=np.int64)


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
    files = _list_cutouts(Path(folder), class_names)
    return (
        PooledObject(_read_cutout(path), category_id, 0, str(path.relative_to(folder)), 0, float("nan"))
        for category_id, paths in files.items()
        for path in paths
    )


def _list_cutouts(folder: Path, class_names: Mapping[int, str]) -> dict[int, list[Path]]:
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


def _read_cutout(path: Path) -> NDArray[np.uint8]:
    """Read one picture with transparency and crop it to what is opaque."""
    try:
        with Image.open(path) as picture:
            if "A" not in picture.getbands() and "transparency" not in picture.info:
                raise InputError(f"{path} is {picture.mode}, without transparency; save the cut-out as RGBA PNG")
            rgba_HW4 = np.asarray(picture.convert("RGBA"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} cannot be read as a picture ({error}); replace or remove it") from error
    opaque_HW = rgba_HW4[..., 3] >= 128
    if not opaque_HW.any():
        raise InputError(f"{path} is transparent everywhere; replace or remove it")
    rows, columns = np.flatnonzero(opaque_HW.any(axis=1)), np.flatnonzero(opaque_HW.any(axis=0))
    return np.ascontiguousarray(rgba_HW4[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])

"""Features of a frozen extractor on disk, found again by the image that they are of.

A folder holds ``features.json`` (of which weights, with which config), ``features.jsonl`` (a line an image) and safetensors files, one a
batch. An image is known by its pixels as the network sees them, so whoever prepares it, the same image gives the same features.

Shape legend: N images, C channels, H, W pixels, h, w cells of a map.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.growth import identity_document
from methods.common.resumable_records import append_lines, keep_batches, read_lines
from methods.common.segmenters.backbones.generative.config import Stored
from methods.common.segmenters.backbones.generative.extractor import Extractor

INDEX_FILE, LINES_FILE = "features.json", "features.jsonl"
_REMEDY = "extract the features again with this generator, or train with the one that they are of"


def image_key(image_3HW: Tensor) -> str:
    """Return what an image in [-1, 1] is known by; pixels of 0 to 255 keep apart, and from padding."""
    steps = (image_3HW.detach().float() * 255).round().to(torch.int16).cpu().contiguous()
    digest = hashlib.blake2b(repr(tuple(steps.shape)).encode(), digest_size=16)
    digest.update(steps.numpy().tobytes())
    return digest.hexdigest()


class FeatureCache:
    """Features of several folders, read as they are asked for; what none has is computed."""

    def __init__(self, folders: Sequence[Path], extractor: Extractor) -> None:
        """Open folders.

        Args:
            folders: that stages wrote.
            extractor: with the weights that the features must be of.

        Raises:
            InputError: a folder holds no features, or those of other weights or choices.
        """
        wanted = description(extractor)
        self.hits = self.misses = 0
        self._places: dict[str, Path] = {}
        for folder in folders:
            _check(folder, wanted)
            for line in read_lines(folder / LINES_FILE):
                self._places[line["key"]] = folder / line["file"]
        self._files: dict[Path, Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> FeatureCache:
        """Averages of a network read the same files."""
        return self

    def __len__(self) -> int:
        """Number of images."""
        return len(self._places)

    def maps(self, image_N3HW: Tensor, extractor: Extractor) -> list[Tensor]:
        """Return the map of each tap, [N, C, h, w] float32, of images in [-1, 1]; those that no folder has are computed together."""
        keys = [image_key(image) for image in image_N3HW]
        missing = [row for row, key in enumerate(keys) if key not in self._places]
        self.hits, self.misses = self.hits + len(keys) - len(missing), self.misses + len(missing)
        computed: list[Tensor] = extractor(image_N3HW[missing].float()) if missing else []
        rows = {row: [maps[place].float() for maps in computed] for place, row in enumerate(missing)}
        number = len(extractor.config.taps)
        for row, key in enumerate(keys):
            if row not in rows:
                rows[row] = [tensor.to(image_N3HW.device).float() for tensor in self._read(key, number)]
        return [torch.stack([rows[row][tap] for row in range(len(keys))]) for tap in range(number)]

    def _read(self, key: str, number: int) -> list[Tensor]:
        path = self._places[key]
        try:
            if path not in self._files:
                self._files[path] = safe_open(path, framework="pt", device="cpu")
            return [self._files[path].get_tensor(f"{key}.{tap}") for tap in range(number)]
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} cannot be read ({reason(error)}); extract the features again") from error


class FeatureWriter:
    """Writes the features of a running stage; goes on after a kill with the first batch that is not whole."""

    def __init__(self, folder: Path, extractor: Extractor, stored: Stored) -> None:
        """Begin or go on in a folder."""
        self._folder, self._dtype = folder, getattr(torch, stored)
        write_atomic(folder / INDEX_FILE, (json.dumps(description(extractor), indent=1) + "\n").encode())

    def write(self, number: int, keys: Sequence[str], maps: Sequence[Tensor]) -> list[int]:
        """Write the features of a batch of images, a map [N, C, h, w] for each tap; return their checksums."""
        name = f"features-{number:06d}.safetensors"
        tensors = {
            f"{key}.{tap}": of_tap[row].detach().to(self._dtype).cpu().contiguous()
            for row, key in enumerate(keys)
            for tap, of_tap in enumerate(maps)
        }
        data = save(tensors)
        (self._folder / name).write_bytes(data)  # a torn file is found by its checksum
        append_lines(self._folder / LINES_FILE, [{"key": key, "file": name} for key in keys])
        return [zlib.crc32(data)] * len(keys)

    def keep(self, checksums: Sequence[Sequence[int]]) -> int:
        """Keep the first whole batches and cut the list after them; return how many are whole."""
        on_disk: dict[str, int | None] = {}

        def checksum_of(record: Mapping[str, Any]) -> int | None:
            name = str(record.get("file", ""))
            if name not in on_disk:
                path = self._folder / name
                on_disk[name] = zlib.crc32(path.read_bytes()) if path.is_file() else None
            return on_disk[name]

        return keep_batches(self._folder / LINES_FILE, checksums, checksum_of)


def description(extractor: Extractor) -> dict[str, Any]:
    """Return what features depend on: the weights' checksum, and time step, taps and all other choices."""
    return {"weights_sha256": extractor.weights_sha256(), "extractor": identity_document(extractor.config)}


def _check(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Refuse features that an extractor would not give."""
    path = folder / INDEX_FILE
    try:
        found = json.loads(path.read_text())
        weights, choices = found["weights_sha256"], dict(found["extractor"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); name a folder with extracted features") from error
    for name, value in wanted["extractor"].items():
        if choices.get(name) != value:
            raise InputError(
                f"the features in {folder} were made with another {name} ({_brief(choices.get(name))} instead of {_brief(value)}); {_REMEDY}"
            )
    if weights != wanted["weights_sha256"]:
        raise InputError(
            f"the features in {folder} are of other weights (SHA-256 {weights[:12]} instead of {wanted['weights_sha256'][:12]}); {_REMEDY}"
        )


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

"""Picture files as text inside a page: sheets and figures whole, images of an evaluation small and side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from reports.label_maps import coloured

_QUALITY = 78
_TILE_PX, _GAP_PX = 120, 4
_LABEL_MODES = ("L", "P", "I;16")


def embedded(path: Path) -> str:
    """Return a picture file as a data URI: as it is, or as JPEG where that is less than two thirds of it."""
    data = path.read_bytes()
    with Image.open(path) as image:
        jpeg = _jpeg(image.convert("RGB"))
    return _uri("jpeg", jpeg) if 3 * len(jpeg) < 2 * len(data) else _uri("png", data)


def strip(paths: Sequence[Path]) -> tuple[str, int, int]:
    """Return pictures of one size side by side, label maps in colour, as one JPEG data URI with its width and height."""
    tiles = [_tile(path) for path in paths]
    height = max(tile.height for tile in tiles)
    width = sum(tile.width for tile in tiles) + _GAP_PX * (len(tiles) - 1)
    canvas, x = Image.new("RGB", (width, height), "white"), 0
    for tile in tiles:
        canvas.paste(tile, (x, 0))
        x += tile.width + _GAP_PX
    return _uri("jpeg", _jpeg(canvas)), width, height


def _tile(path: Path) -> Image.Image:
    """One picture, reduced or enlarged to the height of tiles; labels keep hard edges."""
    with Image.open(path) as image:
        is_labels = image.mode in _LABEL_MODES
        shown = coloured(np.asarray(image).astype(np.uint8)) if is_labels else image.convert("RGB")
    size = max(1, round(shown.width * _TILE_PX / shown.height)), _TILE_PX
    is_small = shown.height <= _TILE_PX
    return shown.resize(size, Image.Resampling.NEAREST if is_labels or is_small else Image.Resampling.LANCZOS)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"

"""Reading label maps from PNG files, exactly: the stored numbers of gray or palette files, or ids in RGB.

Every chunk's checksum is verified first, so that a damaged file is never half read. What decodes then gets nothing but the
pixels: no palette, which would turn labels into colours, no gamma, no transparency. Nearly all files are inflated by libdeflate and
their rows put together by a loop in C, in a fraction of the time that OpenCV takes (`benchmarks/bench_png_metrics.py`); interlaced
ones, those of fewer than 8 bits, and all that is odd are OpenCV's.

Shape legend: H, W pixels; C channels.
"""

import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import deflate
import numpy as np
from numpy.typing import NDArray

from methods.common.compiled.library import library
from methods.common.compiled.png_rows import undo_filters
from methods.common.errors import InputError, reason

LabelMap = NDArray[np.unsignedinteger[Any]]
"""Labels of pixels, uint8, uint16 or uint32 [H, W]."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB, _PALETTE = 0, 2, 3  # colour types, Sec. 11.2.1 of the PNG specification
_COLOURS = {_GRAY: "gray", _RGB: "RGB", _PALETTE: "palette", 4: "gray with transparency", 6: "RGB with transparency"}
_MOST_INFLATED = 1032
"""Times that deflate makes data shorter at most; a header that claims more pixels is wrong. Source: zlib's technical details."""
_LARGEST = 1 << 30
"""Bytes of pixels that are decoded at once by the quick way; OpenCV has a limit of its own."""


class _Png(NamedTuple):
    """The parts of a PNG file that hold its pixels."""

    header: bytes
    """Data of the header chunk: width, height, bits, colour type, ..."""
    pixels: bytes
    """Whole chunks, from the first with pixels to the end of the file."""
    deflated: list[memoryview]
    """Data of the chunks with pixels; empty where others lie between these, which the specification forbids."""

    @property
    def bits(self) -> int:
        return self.header[8]

    @property
    def colour(self) -> int:
        return self.header[9]

    @property
    def kind(self) -> str:
        return f"{_COLOURS.get(self.colour, 'of unknown colour type')} with {self.bits} bits"


def read_labels(path: Path) -> LabelMap:
    """Read a label map of one channel, uint8 or uint16 [H, W].

    Args:
        path: a PNG, gray or with a palette, whose stored numbers are the labels; colours mean nothing.

    Raises:
        InputError: the file is missing, no PNG, damaged, or has several channels.
    """
    png = _read_checked(path)
    if png.colour not in (_GRAY, _PALETTE):
        raise InputError(f"{path} is {png.kind}, not a label map of one channel; save class ids, not colours")
    label_HW = _decode(path, png, _GRAY)
    # Decoders stretch fewer than 8 bits to 0..255.
    return label_HW if png.bits >= 8 else label_HW // np.uint8(255 // (2**png.bits - 1))


def read_rgb_ids(path: Path) -> NDArray[np.uint32]:
    """Read ids stored in colours, R + 256 G + 65536 B, uint32 [H, W].

    Raises:
        InputError: the file is missing, no PNG, damaged, or not RGB with 8 bits a channel.
    """
    import cv2

    png = _read_checked(path)
    if png.colour != _RGB or png.bits != 8:
        raise InputError(f"{path} is {png.kind}; ids must be stored as 8-bit RGB: R + 256 G + 65536 B")
    rgba_HW4 = cv2.cvtColor(_decode(path, png, _RGB), cv2.COLOR_RGB2RGBA)
    id_HW = np.asarray(rgba_HW4).view("<u4")[..., 0]
    id_HW &= np.uint32(0xFFFFFF)
    return id_HW


def check_same_size(truth_HW: NDArray[Any], prediction_HW: NDArray[Any], prediction: Path) -> None:
    """Raise InputError unless a prediction has the size of its ground truth."""
    if truth_HW.shape != prediction_HW.shape:
        height, width = prediction_HW.shape
        raise InputError(
            f"{prediction} is {width}x{height} pixels, its ground truth {truth_HW.shape[1]}x{truth_HW.shape[0]}; "
            "predict at the ground truth's size"
        )


def where_label_is(label_HW: NDArray[Any], value: int) -> str:
    """Name the first pixel that holds a label, for an error message."""
    row, column = np.argwhere(label_HW == value)[0].tolist()
    return f"label {value} at row {row}, column {column}"


def _read_checked(path: Path) -> _Png:
    """Read a file whose chunks all have the right length and checksum."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); put the PNG there") from error
    except ValueError as error:  # a null byte in the name
        raise InputError(f"{str(path)!r} is no name of a file ({reason(error)}); correct it") from error
    if len(data) < len(_SIGNATURE) and _SIGNATURE.startswith(data):
        raise InputError(f"{path} is {'truncated' if data else 'empty'}; write it again")
    if data[:8] != _SIGNATURE:
        raise InputError(f"{path} is not a PNG file; save label maps as PNG")
    position, kind, first_pixels, after_pixels = 8, b"", 0, 0
    view, deflated = memoryview(data), []
    while kind != b"IEND":
        if position + 12 > len(data):
            raise InputError(f"{path} is truncated; write it again")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise InputError(f"{path} is truncated; write it again")
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise InputError(f"{path} is damaged (a checksum is wrong); write it again")
        if kind == b"IDAT":
            first_pixels = first_pixels or position
            after_pixels = end + 4
            deflated.append(view[position + 8 : end])
        position = end + 4
    if data[8:16] != b"\0\0\0\x0dIHDR" or not first_pixels:
        raise InputError(f"{path} is damaged (it has no header or no pixels); write it again")
    in_a_row = after_pixels - first_pixels == sum(12 + len(part) for part in deflated)
    return _Png(data[16:29], data[first_pixels:position], deflated if in_a_row else [])


def _decode(path: Path, png: _Png, colour: int) -> NDArray[Any]:
    """Decode the pixels as if they had another colour type with as many channels; RGB is [H, W, C], gray [H, W]."""
    plain = _decode_plain(png)
    return _decode_any(path, png, colour) if plain is None else plain


def _decode_plain(png: _Png) -> NDArray[Any] | None:
    """Decode as :func:`_decode` does; None where something is uncommon or wrong, or there is no compiled loop."""
    width, height, bits, colour, *methods = struct.unpack(">II5B", png.header)
    num_bytes = (3 if colour == _RGB else 1) * bits // 8
    size = height * (width * num_bytes + 1)
    largest = min(_LARGEST, _MOST_INFLATED * sum(map(len, png.deflated)))
    if any(methods) or bits not in (8, 16) or num_bytes > 3 or not 0 < size <= largest or library() is None:
        return None
    try:
        rows = deflate.zlib_decompress(b"".join(png.deflated), size)
    except deflate.DeflateError:
        return None
    pixels_HWC = undo_filters(rows, height, width, num_bytes) if len(rows) == size else None
    if pixels_HWC is None or colour == _RGB:
        return pixels_HWC
    return pixels_HWC[..., 0] if bits == 8 else pixels_HWC.view(">u2")[..., 0].astype(np.uint16)


def _decode_any(path: Path, png: _Png, colour: int) -> NDArray[Any]:
    """Decode as :func:`_decode` does, by OpenCV."""
    import cv2

    header = b"IHDR" + png.header[:9] + bytes([colour]) + png.header[10:]
    data = _SIGNATURE + b"\0\0\0\x0d" + header + zlib.crc32(header).to_bytes(4) + png.pixels
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise InputError(f"{path} cannot be decoded ({error.err}); write it again") from error
    if pixels is None:
        raise InputError(f"{path} is damaged (its pixels cannot be decoded); write it again")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if colour == _RGB else pixels)

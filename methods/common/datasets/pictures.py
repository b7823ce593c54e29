"""Pictures of data sets: how large they are, which way up, whether they are whole, and their pixels. Everything that reads one reads it here.

The rule for orientation tags: a picture is read the way up in which it has the size that its annotations state. Cameras turn the
picture and write a tag; tools then annotate either the stored pixels or the picture as it is seen, and no file says which. Where
the size fits both, the picture is refused, for outlines would lie turned on it and nobody would notice. Source: our choice.

Shape legend: H, W image in pixels; C colour channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError, reason

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_PLAIN_MODES = ("RGB", "L", "P", "PA", "RGBA", "LA", "1", "CMYK", "YCbCr", "RGBX", "RGBa", "La")
"""Pillow's; eight bits a channel at most."""
_ORIENTATION, _BITS_PER_SAMPLE = 274, 258  # tags of EXIF and of TIFF
_SEEN = {
    2: "mirrored",
    3: "turned by 180 degrees",
    4: "upside down and mirrored",
    5: "mirrored along the diagonal",
    6: "turned by 90 degrees",
    7: "mirrored along the other diagonal",
    8: "turned by 270 degrees",
}
"""How a viewer shows the stored pixels. Source: EXIF 2.32, tag 274."""
_SIDES_SWAP = (5, 6, 7, 8)
_UNDONE_BY = {6: 8, 8: 6}
"""What turns a picture back that an orientation has turned; each of the others undoes itself."""
_TURNED_BY_PILLOW = "TIFF"
_JPEG_END = b"\xff\xd9"
_TAIL_BYTES = 512
_BITS = 8


class Header(NamedTuple):
    """What is known of a picture without its pixels."""

    path: Path
    height: int
    """As stored, pixels."""
    width: int
    orientation: int
    """1 to 8 as EXIF has it; 1 where there is no tag."""

    @property
    def size_seen(self) -> tuple[int, int]:
        """Height and width of what a viewer shows."""
        return (self.width, self.height) if self.orientation in _SIDES_SWAP else (self.height, self.width)

    def orientation_for(self, height: int, width: int) -> int | None:
        """Return how to turn the stored pixels so that they have a stated size, as an orientation; None if no way does.

        Raises:
            InputError: the size fits the stored pixels and the picture as seen, which differ.
        """
        is_stored, is_seen = (self.height, self.width) == (height, width), self.size_seen == (height, width)
        if is_stored and is_seen and self.orientation != 1:
            raise InputError(
                f"{self.path} has the orientation tag {self.orientation} (seen {_SEEN[self.orientation]}), and its size does not tell "
                "whether it was annotated as stored or as seen; save it without the tag: turned upright if it was annotated as seen "
                "(`mogrify -auto-orient`), else with its pixels as they are (`exiftool -Orientation=`)"
            )
        if is_stored:
            return 1
        return self.orientation if is_seen else None

    def told_size(self) -> str:
        """Return the size in words, with what the tag makes of it."""
        stored = f"{self.width}x{self.height}"
        if self.orientation == 1:
            return stored
        height, width = self.size_seen
        return f"{stored} ({width}x{height} as seen, by its orientation tag {self.orientation})"


def read_header(path: Path) -> Header:
    """Read what is known of a picture without its pixels.

    Raises:
        InputError: the file is missing, no picture, too large to open, or has more than eight bits a channel.
    """
    with _opened(path) as picture:
        return _header(path, picture)


def check_whole(path: Path, decode: bool = False) -> Header:
    """Make sure that a picture has its end, at a hundredth of the cost of decoding it; where bytes follow the end, it is decoded.

    Raises:
        InputError: as :func:`read_header`, or it is cut short.
    """
    with _opened(path) as picture:
        header = _header(path, picture)
        ends_whole = _has_end(path, picture.format)
        if decode or not ends_whole:
            picture.load()
        return header


def read_rgb(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """Read a picture the way up in which it has the stated size, uint8 RGB [H, W, 3].

    Raises:
        InputError: it cannot be read, has another size, or the size does not tell which way up it was annotated.
    """
    with _opened(path) as picture:
        header = _header(path, picture)
        orientation = header.orientation_for(height, width)
        if orientation is None:
            raise InputError(
                f"{path} is {header.told_size()} pixels, its annotations say {width}x{height}; mend one of them"
            )
        return turned(_stored(picture, header, "RGB"), orientation)


def read_shrunk(path: Path, size: tuple[int, int], new_size: tuple[int, int]) -> NDArray[np.uint8]:
    """Read a large picture smaller than it is, uint8 RGB [H, W, 3], in a fraction of the time and memory where it is a JPEG.

    Args:
        path: the picture.
        size: height and width that its annotations state.
        new_size: height and width to return.

    Raises:
        InputError: as :func:`read_rgb`.
    """
    import cv2

    with _opened(path) as picture:
        header = _header(path, picture)
        orientation = header.orientation_for(*size)
        assert orientation is not None, "checked before"
        height, width = new_size[:: -1 if orientation in _SIDES_SWAP else 1]
        picture.draft(
            "RGB", (2 * width, 2 * height)
        )  # decodes a JPEG at a half, a quarter or an eighth, at least this large
        stored_HW3 = _stored(picture, header, "RGB")
    small_HW3 = cv2.resize(stored_HW3, (width, height), interpolation=cv2.INTER_AREA)
    return turned(np.asarray(small_HW3, np.uint8), orientation)


def read_rgba_as_seen(path: Path) -> NDArray[np.uint8]:
    """Read a picture with transparency as a viewer shows it, uint8 RGBA [H, W, 4].

    Raises:
        InputError: it cannot be read, or has no transparency.
    """
    with _opened(path) as picture:
        header = _header(path, picture)
        if "A" not in picture.getbands() and "transparency" not in picture.info:
            raise InputError(f"{path} is {picture.mode}, without transparency; save the cut-out as RGBA PNG")
        return turned(_stored(picture, header, "RGBA"), header.orientation)


def turned(image_HWC: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn stored pixels into what a viewer shows; 1 leaves them.

    Source: EXIF 2.32, tag 274: the tag says at which side of the picture the stored first row and first column are.
    """
    if orientation in _SIDES_SWAP:
        image_HWC = image_HWC.swapaxes(0, 1)
    flip_rows, flip_columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    image_HWC = image_HWC[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    return np.ascontiguousarray(image_HWC)


def _stored(picture: Picture, header: Header, mode: str) -> NDArray[np.uint8]:
    """Decode the pixels as they are stored; Pillow turns those of a TIFF by their tag, which is undone."""
    if picture.mode in ("P", "PA") and "transparency" in picture.info:
        pixels_HWC = np.asarray(picture.convert("RGBA").convert(mode), np.uint8)  # Pillow warns of the direct way
    else:
        pixels_HWC = np.asarray(picture.convert(mode), np.uint8)
    undone = _UNDONE_BY.get(header.orientation, header.orientation)
    return turned(pixels_HWC, undone) if picture.format == _TURNED_BY_PILLOW else pixels_HWC


@contextmanager
def _opened(path: Path) -> Iterator[Picture]:
    """Open a picture; whatever a decoder makes of its bytes becomes one sentence."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            yield picture
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a picture; put a JPEG or PNG file there") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large to open safely ({reason(error)}); save it smaller") from error
    except (OSError, SyntaxError, ValueError, MemoryError, OverflowError) as error:
        raise InputError(
            f"{path} cannot be read, it is truncated or damaged ({reason(error)}); put a whole JPEG or PNG file there"
        ) from error


def _header(path: Path, picture: Picture) -> Header:
    bits = _bits(path, picture)
    if picture.mode not in _PLAIN_MODES or bits > _BITS:
        what = f"has {bits} bits a channel" if bits > _BITS else f"is of mode {picture.mode}"
        raise InputError(f"{path} {what}; save it as RGB with 8 bits a channel, its values scaled to 0..255")
    if picture.format == "PNG":
        _check_png_end(path)
    width, height = picture.size
    orientation = _orientation(picture)
    if picture.format == _TURNED_BY_PILLOW and orientation in _SIDES_SWAP:
        height, width = width, height
    return Header(path, height, width, orientation)


def _bits(path: Path, picture: Picture) -> int:
    """Bits a channel in the file, where Pillow would reduce them without a word."""
    if picture.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    found: Any = getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, _BITS)
    return int(max(found)) if isinstance(found, tuple) else int(found)


def _orientation(picture: Picture) -> int:
    if picture.format == "PNG" and "exif" not in picture.info:
        return 1  # asking for it would decode the pixels
    found = picture.getexif().get(_ORIENTATION, 1)
    return found if found in _SEEN else 1


def _has_end(path: Path, format_name: str | None) -> bool:
    """Whether a picture's end is seen; a JPEG may have it and more after it."""
    if format_name not in ("JPEG", "MPO"):
        return True
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return _JPEG_END in file.read()


def _check_png_end(path: Path) -> None:
    """Go from chunk to chunk, by their lengths, to the one that ends the file.

    Raises:
        OSError: there is none.
    """
    size, place = path.stat().st_size, 8
    with path.open("rb") as file:
        while place + 12 <= size:
            file.seek(place)
            head = file.read(8)
            if head[4:] == b"IEND":
                return
            place += 12 + int.from_bytes(head[:4])
    raise OSError("its end is missing")

"""Folders of pictures for metrics that look at whole images: listing, pairing and reading, with checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.errors import InputError, reason

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_MODES_OF_8_BITS = frozenset({"1", "CMYK", "HSV", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr"})


@dataclass(frozen=True)
class ImageFolder:
    """The pictures directly inside a folder."""

    folder: Path
    paths: tuple[Path, ...]
    """By file name."""

    @property
    def names(self) -> tuple[str, ...]:
        """File names without their ending."""
        return tuple(path.stem for path in self.paths)


def list_images(folder: Path) -> ImageFolder:
    """List the pictures directly inside a folder; other files and hidden ones are passed over.

    Raises:
        InputError: no such folder, no picture in it, or two that differ only in their ending.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of images {folder}; name one that exists")
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    paths = tuple(sorted((path for path in found if not path.is_dir()), key=lambda path: path.name))
    if not paths:
        raise InputError(
            f"{folder} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}); name the folder that holds the files "
            "themselves, folders inside it are not searched"
        )
    by_stem: dict[str, Path] = {}
    for path in paths:
        other = by_stem.setdefault(path.stem, path)
        if other != path:
            raise InputError(f"{folder} holds both {other.name} and {path.name}; keep one of the two")
    return ImageFolder(folder, paths)


def partners_of(images: ImageFolder, others: ImageFolder) -> ImageFolder:
    """Return the other folder in the order of this one; both hold pictures of the same names, whatever their endings.

    Raises:
        InputError: a picture of one folder has no partner in the other.
    """
    for here, there in ((images, others), (others, images)):
        partners = set(there.names)
        alone = [path.name for path in here.paths if path.stem not in partners]
        if alone:
            raise InputError(
                f"{here.folder / alone[0]} has no image of that name in {there.folder}, unpaired images in all: {len(alone)}; "
                "give paired images the same file name"
            )
    by_stem = {path.stem: path for path in others.paths}
    return ImageFolder(others.folder, tuple(by_stem[name] for name in images.names))


@dataclass(frozen=True)
class RgbImage:
    """A picture as RGB, and the mode its file has."""

    picture: Image.Image
    mode_of_file: str


def read_rgb(path: Path) -> RgbImage:
    """Read a picture whole and convert it to 8-bit RGB: grey is repeated, a palette applied, transparency dropped.

    Orientation tags are not applied, as in the published evaluators.

    Raises:
        InputError: the file is damaged or no picture, or has more than 8 bits a channel.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            picture.verify()  # of a PNG every checksum, which decoding does not need
        with Image.open(path) as picture:
            if picture.mode not in _MODES_OF_8_BITS or _is_deep(picture):
                raise InputError(f"{path} has more than 8 bits a channel (mode {picture.mode}); save it as 8-bit RGB")
            # By way of RGBA, of whose transparency Pillow does not warn.
            whole = picture.convert("RGBA") if "transparency" in picture.info and picture.mode == "P" else picture
            return RgbImage(whole.convert("RGB"), picture.mode)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as an image ({reason(error)}); replace or remove it") from error


def _is_deep(picture: Image.Image) -> bool:
    """Say whether a file has more than 8 bits a channel, which Pillow's mode does not tell of colours; it would drop the others."""
    from PIL.ImageFile import ImageFile

    tiles = picture.tile if isinstance(picture, ImageFile) else []
    for tile in tiles:
        words = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        deep_raw = any(isinstance(word, str) and ";16" in word for word in words)
        deep_ppm = tile.codec_name in ("ppm", "ppm_plain") and isinstance(words[-1], int) and words[-1] > 255
        if deep_raw or deep_ppm:
            return True
    return False


def conversion_notes(images: ImageFolder, modes: Sequence[str]) -> list[str]:
    """Say how many pictures of a folder were not RGB, if any.

    Args:
        images: the folder.
        modes: the mode of each of its files, in order.
    """
    converted = [(path, mode) for path, mode in zip(images.paths, modes, strict=True) if mode != "RGB"]
    if not converted:
        return []
    first, mode = converted[0]
    return [
        f"{len(converted)} of the {len(images.paths)} images in {images.folder} are not RGB and were converted "
        f"(first: {first.name}, mode {mode})"
    ]

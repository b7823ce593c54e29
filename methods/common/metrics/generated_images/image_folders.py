"""Folders of pictures for metrics that look at whole images: listing, pairing and reading, with checks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from methods.common.datasets.file_names import common_form, near_name
from methods.common.errors import InputError, reason

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_OTHER_SUFFIXES = frozenset({".avif", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jxl", ".tga"})
"""Of pictures that the published evaluators pass over."""
_MODES_OF_8_BITS = frozenset({"1", "CMYK", "HSV", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr"})


@dataclass(frozen=True)
class ImageFolder:
    """The pictures directly inside a folder."""

    folder: Path
    paths: tuple[Path, ...]
    """By file name."""
    num_inside: int = 0
    """Pictures in folders inside it, which do not count."""
    others: tuple[str, ...] = ()
    """File names of pictures of formats that are not read."""

    @property
    def names(self) -> tuple[str, ...]:
        """File names without their ending, in Unicode's composed form; with it where two differ in nothing else."""
        stems = [common_form(path.stem) for path in self.paths]
        often = Counter(stems)
        return tuple(stem if often[stem] == 1 else path.name for stem, path in zip(stems, self.paths, strict=True))


def list_images(folder: Path) -> ImageFolder:
    """List the pictures directly inside a folder; files that are none and hidden ones are passed over.

    Raises:
        InputError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of images {folder}; name one that exists")
    found = [path for path in folder.iterdir() if _is_picture(path.name)]
    paths = tuple(sorted((path for path in found if not path.is_dir()), key=lambda path: path.name))
    others = sorted(path.name for path in folder.iterdir() if _is_picture(path.name, _OTHER_SUFFIXES))
    if not paths:
        there = f"; there is {others[0]}, save such pictures as PNG" if others else ""
        raise InputError(
            f"{folder} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}{there}); name the folder that holds the files "
            "themselves, folders inside it are not searched"
        )
    inner = (names for place, _, names in os.walk(folder) if Path(place) != folder)
    return ImageFolder(folder, paths, sum(map(_is_picture, chain.from_iterable(inner))), tuple(others))


def _is_picture(name: str, suffixes: Collection[str] = IMAGE_SUFFIXES) -> bool:
    return Path(name).suffix.lower() in suffixes and name[0] != "."


def refuse_twins(images: ImageFolder) -> None:
    """Refuse pictures that differ only in their ending, where something is paired with them by name.

    Raises:
        InputError: there are such.
    """
    by_stem: dict[str, Path] = {}
    for path in images.paths:
        other = by_stem.setdefault(common_form(path.stem), path)
        if other != path:
            raise InputError(f"{images.folder} holds both {other.name} and {path.name}; keep one of the two")


def partners_of(images: ImageFolder, others: ImageFolder) -> ImageFolder:
    """Return the other folder in the order of this one; both hold pictures of the same names, whatever their endings.

    Raises:
        InputError: a picture of one folder has no partner in the other, or two differ only in their ending.
    """
    for one in (images, others):
        refuse_twins(one)
    for here, there in ((images, others), (others, images)):
        partners = set(there.names)
        alone = [name for name in here.names if name not in partners]
        if alone:
            path = here.paths[here.names.index(alone[0])]
            other = next(
                (f" (there is {name}: save it as PNG)" for name in there.others if Path(name).stem == alone[0]), ""
            )
            near = other or near_name(alone[0], partners)
            raise InputError(
                f"{path} has no image of that name in {there.folder}{near}, unpaired images in all: "
                f"{len(alone)}; give paired images the same file name"
            )
    by_name = dict(zip(others.names, others.paths, strict=True))
    return replace(others, paths=tuple(by_name[name] for name in images.names))


class FileForm(NamedTuple):
    """What of a picture's file the pixels as RGB do not show."""

    mode: str
    orientation: int
    """Its tag; 1 for upright, or none."""
    num_frames: int


@dataclass(frozen=True)
class RgbImage:
    """A picture as RGB, and what its file has beside."""

    picture: Image.Image
    form: FileForm


def read_rgb(path: Path) -> RgbImage:
    """Read a picture whole and convert it to 8-bit RGB: grey is repeated, a palette applied, transparency dropped.

    Orientation tags are not applied, but for those of TIFFs, and of several frames the first is taken, as in the published evaluators.

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
            form = _form(picture)
            # By way of RGBA, of whose transparency Pillow does not warn.
            whole = picture.convert("RGBA") if "transparency" in picture.info and picture.mode == "P" else picture
            return RgbImage(whole.convert("RGB"), form)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as an image ({reason(error)}); replace or remove it") from error


_ORIENTATION = 274
_WITH_PREVIEWS = "MPO"
"""A JPEG of cameras, whose further frames belong to the first."""


def _form(picture: Image.Image) -> FileForm:
    num_frames = 1 if picture.format == _WITH_PREVIEWS else int(getattr(picture, "n_frames", 1))
    is_turned = picture.format == "TIFF"  # by Pillow
    has_tags = picture.format != "PNG" or "exif" in picture.info  # asking a PNG decodes it
    orientation = picture.getexif().get(_ORIENTATION, 1) if has_tags and not is_turned else 1
    return FileForm(picture.mode, orientation if orientation in range(2, 9) else 1, num_frames)


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


def folder_notes(images: ImageFolder, forms: Sequence[FileForm]) -> list[str]:
    """Say what of a folder is not taken as people see it, or not at all, if anything.

    Args:
        images: the folder.
        forms: of each of its files, in order.
    """
    told = []
    by_path = list(zip(images.paths, forms, strict=True))
    converted = [(path, form) for path, form in by_path if form.mode != "RGB"]
    if converted:
        first, form = converted[0]
        told.append(
            f"{len(converted)} of the {len(images.paths)} images in {images.folder} are not RGB and were converted "
            f"(first: {first.name}, mode {form.mode})"
        )
    turned = [(path, form) for path, form in by_path if form.orientation != 1]
    if turned:
        first, form = turned[0]
        told.append(
            f"orientation tags of {len(turned):,} images in {images.folder} are not followed, as in the published evaluators (first: "
            f"{first.name}, tag {form.orientation}); save them upright to have them taken as they are seen"
        )
    moving = [(path, form) for path, form in by_path if form.num_frames > 1]
    if moving:
        first, form = moving[0]
        told.append(
            f"{len(moving):,} images in {images.folder} have several frames, of which the first counts (first: {first.name}, "
            f"{form.num_frames:,} frames)"
        )
    if images.others:
        told.append(
            f"{len(images.others):,} pictures of other formats in {images.folder} do not count (first: {images.others[0]}); save them as PNG"
        )
    if images.num_inside:
        told.append(f"{images.num_inside:,} images in folders inside {images.folder} do not count")
    return told

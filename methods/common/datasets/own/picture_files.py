"""Which file below the data folder an image record means, however its tool writes names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from methods.common.datasets.file_names import common_form
from methods.common.datasets.lvis_records import LvisDataset, LvisImage
from methods.common.datasets.own.annotation_files import is_called, is_hidden
from methods.common.errors import InputError
from methods.common.files import MADE_HERE

Parts = tuple[str, ...]


class PictureFiles:
    r"""The files below a folder by their last part, listed once and only if a name is not there as written.

    A record means the file that its name ends with, or that ends with its name: ``images/a.jpg`` is found as ``train/images/a.jpg``, and
    ``C:\\me\\images\\a.jpg`` as ``images/a.jpg``. A file of the same last part alone is taken where no other file and no other record
    has it. Of several, those in a folder named after the split go first. Blanks written ``%20``, backslashes, accents that are
    encoded otherwise (NFC, NFD), what a URL asks (``?rf=1``), and blanks around a name make no difference; nor do capitals, where no file
    fits to the letter. Source: our choice.
    """

    def __init__(self, root: Path, split: str) -> None:
        self._root, self._split = root, split
        self._found: dict[str, list[PurePosixPath]] | None = None
        self._any_case: dict[str, list[PurePosixPath]] = {}

    def locate(self, dataset: LvisDataset) -> list[LvisImage]:
        """Return the images whose file has another name than their record says, with ``file_name`` set to the one below the folder.

        Raises:
            InputError: images without a file, all counted, the first few named.
        """
        moved: list[LvisImage] = []
        absent: list[tuple[LvisImage, str]] = []
        shared = _shared_names(dataset.images)
        for image in dataset.images:
            if _is_there(dataset, image):
                continue
            try:
                path = self._file_of(image, shared)
            except InputError as error:
                raise InputError(f"{dataset.annotation_file}, image {image.id}: {error}") from error
            if path is None:
                absent.append((image, image.file_name or image.coco_url))
            else:
                image.file_name, image.coco_url = str(path), ""
                moved.append(image)
        if absent:
            raise InputError(self._absence(dataset, absent))
        return moved

    def _absence(self, dataset: LvisDataset, absent: Sequence[tuple[LvisImage, str]]) -> str:
        image, name = absent[0]
        few = f" ({len(absent):,} of {len(dataset.images):,} images have none)" if len(absent) > 1 else ""
        if not name:
            return f"{dataset.annotation_file}, image {image.id}{few}: `coco_url` and `file_name` are both empty; write the file's name"
        alike = next(
            (path for paths in self._any_case.values() for path in paths if path.stem == PurePosixPath(name).stem), None
        )
        instead = "" if alike is None else f" (there is {alike})"
        return (
            f"{dataset.annotation_file}, image {image.id}: there is no file {name} below {self._root}{instead}{few}; "
            "put the images there, or correct the names"
        )

    def _file_of(self, image: LvisImage, shared: Mapping[str, int]) -> PurePosixPath | None:
        written = _written(image)
        for form in (str, str.casefold):
            for parts in written:
                found = self._below(parts[-1], form)
                nested = [path for path in found if _is_nested(_folded(path.parts, form), _folded(parts, form))]
                if not nested and len(found) == 1 and shared.get(parts[-1].casefold(), 0) == 1:
                    nested = found
                if nested:
                    return self._only(nested, parts)
        return None

    def _only(self, found: Sequence[PurePosixPath], parts: Parts) -> PurePosixPath:
        longest = max(min(len(path.parts), len(parts)) for path in found)
        found = [path for path in found if min(len(path.parts), len(parts)) == longest]
        of_split = [path for path in found if any(is_called(part, self._split) for part in path.parts[:-1])]
        found = of_split or found
        if len(found) > 1:
            raise InputError(
                f"both {self._root / found[0]} and {self._root / found[1]} may be {'/'.join(parts)}; write the folder into its name"
            )
        return found[0]

    def _below(self, name: str, form: Callable[[str], str]) -> list[PurePosixPath]:
        if self._found is None:
            self._found = {}
            for path in files_below(self._root):
                self._found.setdefault(common_form(path.name), []).append(path)
                self._any_case.setdefault(common_form(path.name).casefold(), []).append(path)
        return (self._found if form is str else self._any_case).get(form(name), [])


def files_below(root: Path) -> Iterable[PurePosixPath]:
    """Every file below a folder, as a path from there on, hidden ones and reports left out; linked folders are followed."""
    entered: set[str] = set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = (
            [] if real in entered or MADE_HERE in names else sorted(name for name in folders if not is_hidden(name))
        )
        entered.add(real)
        if MADE_HERE in names:
            continue
        below = PurePosixPath(Path(place).relative_to(root).as_posix())
        yield from (below / name for name in sorted(names) if not is_hidden(name))


def _is_there(dataset: LvisDataset, image: LvisImage) -> bool:
    try:
        return any(path.is_file() for path in dataset.image_candidates(image))
    except (InputError, ValueError):  # a name out of the folder, or with a zero byte
        return False


def _shared_names(images: Iterable[LvisImage]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for image in images:
        for name in {parts[-1].casefold() for parts in _written(image)}:
            counts[name] = counts.get(name, 0) + 1
    return counts


def _written(image: LvisImage) -> list[Parts]:
    """The names that a record may mean, as parts: as written, then with ``%20`` and the like decoded, then as a URL names them.

    Label Studio's URLs of local files have the name behind ``?d=``.
    """
    names = [name for name in (image.file_name, image.coco_url) if name]
    for name in tuple(names):
        path, asked, rest = name.partition("?")
        names += (
            [path, *(value.removeprefix("d=") for value in rest.split("&") if value.startswith("d="))] if asked else []
        )
    written = [_parts(form(name)) for form in (str, unquote) for name in names]
    return list(dict.fromkeys(parts for parts in written if parts))


def _parts(name: str) -> Parts:
    """Split a name at either slash; drives, and what leads nowhere, are left out."""
    parts = [
        part for part in re.split(r"[/\\]+", name.strip()) if part not in ("", ".", "..") and not part.endswith(":")
    ]
    return _folded(parts, str)


def _folded(parts: Iterable[str], form: Callable[[str], str]) -> Parts:
    return tuple(form(common_form(part)) for part in parts)


def _is_nested(one: Parts, other: Parts) -> bool:
    """Whether one path ends with the other."""
    length = min(len(one), len(other))
    return one[-length:] == other[-length:]

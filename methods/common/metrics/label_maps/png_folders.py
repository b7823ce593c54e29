"""Folders of PNG files: which prediction belongs to which ground truth, and working through the pairs in parallel.

Memory: each process holds one image's files at a time, decoded, and some ten bytes a pixel of working space;
what it returns for each image stays in memory.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar
from unicodedata import normalize

from methods.common.datasets.file_names import common_form, has_ending, near_name
from methods.common.datasets.image_lists import read_image_list
from methods.common.errors import InputError
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.processes import process_pool
from methods.common.opencv import one_opencv_thread, use_one_opencv_thread

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

ALONE_S = 0.01
"""Seconds of work for which starting processes does not pay; tests of processes set it to 0."""

_MAX_CHUNK = 32  # images sent to a process at once
_MIN_CHUNKS = 16  # for each process, so that all end at about the same time
_AHEAD = 4  # for each process, before the first answer
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


class PngPair(NamedTuple):
    """Ground truth and prediction of one image."""

    name: str
    """Path below the ground-truth folder, without `.png`."""
    ground_truth: Path
    prediction: Path


def pair_by_name(
    ground_truth: Path, predictions: Path, image_list: Path | None = None, *, may_be_listed: bool = True
) -> list[PngPair]:
    """Pair the PNG files of two folders, subfolders included, that have the same path below their folder.

    Args:
        ground_truth: folder of label maps.
        predictions: folder of predictions; without an image list every file in it needs a ground truth.
        image_list: text file that names the images to evaluate, one a line, with or without suffix (VOC's `ImageSets`). Of
            several words on a line the one that ends in `.png` counts, else the first (ImageNet-S' lists), unless the
            whole line is a name.
        may_be_listed: whether the metric takes an image list, for the advice.

    Returns:
        The pairs, sorted by name, or in the order of the list.

    Raises:
        InputError: a folder or the list is missing or empty, or a file has no partner.
    """
    truths, predicted = list_png_files(ground_truth), list_png_files(predictions)
    names = sorted(truths) if image_list is None else _listed(image_list, truths)
    or_a_list = ", or name the images to evaluate in an image list" if may_be_listed else ""
    unknown = next((name for name in names if name not in truths), None)
    if unknown is not None:
        raise InputError(
            f"{image_list} names {unknown!r}, but there is no {ground_truth / unknown}.png{near_name(unknown, truths)}; "
            "correct either"
        )
    missing = [name for name in names if name not in predicted]
    if len(missing) == len(names):
        raise InputError(
            f"the files in {predictions} have other names than those in {ground_truth}: {min(predicted)}.png there, "
            f"{names[0]}.png here{_instead_of(names[0], predictions, predicted)}; name predictions like their ground truth"
        )
    if missing:
        raise InputError(
            f"there is no prediction {predictions / missing[0]}.png{_instead_of(missing[0], predictions, predicted)}, and "
            f"{len(missing)} of {len(names)} are missing in all; add them{or_a_list}"
        )
    surplus = [] if image_list is not None else sorted(predicted.keys() - truths.keys())
    if surplus:
        raise InputError(
            f"prediction {predictions / surplus[0]}.png has no ground truth in {ground_truth}"
            f"{near_name(surplus[0], truths)}; remove it{or_a_list}"
        )
    return [PngPair(name, truths[name], predicted[name]) for name in names]


def _listed(image_list: Path, truths: Mapping[str, Path]) -> list[str]:
    """Read the names of a list, in the form that files have here."""
    known = {form for name in truths for form in (name, normalize("NFD", name))}
    return [common_form(name) for name in read_image_list(image_list, known)]


def _instead_of(name: str, folder: Path, names: Collection[str]) -> str:
    """Say which file was perhaps meant: one of a similar name, or one that is no PNG."""
    near = near_name(name, names)
    if near:
        return near
    other = min((path for path in walk_files(folder) if path.stem == PurePosixPath(name).name), default=None)
    return "" if other is None else f" (there is {other.name}; save label maps as PNG)"


def list_png_files(folder: Path) -> dict[str, Path]:
    """Find the PNG files of a folder and its subfolders, linked ones too, by path below the folder without suffix.

    Paths are in Unicode's composed form, and the suffix may be in upper case; hidden files are passed over.

    Raises:
        InputError: no such folder, no PNG in it, or a subfolder that cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; give the folder of PNG files")
    files: dict[str, Path] = {}
    for place, names in _walk(folder):
        inner = place.relative_to(folder).as_posix()
        within = "" if inner == "." else f"{inner}/"
        for name in names:
            if not has_ending(name, ".png") or name.startswith("."):
                continue
            other = files.setdefault(common_form(within + name)[:-4], place / name)
            if other != place / name:
                raise InputError(f"{other} and {place / name} have one name, but for its form or ending; keep one")
    if not files:
        found = min((path.name for path in walk_files(folder) if not path.name.startswith(".")), default=None)
        instead = "" if found is None else f" ({found} is none)"
        raise InputError(f"there is no .png file in {folder}{instead}; give the folder of PNG files")
    return files


def walk_files(folder: Path) -> Iterator[Path]:
    """Find every file below a folder, through links to folders too, but for a link back to a folder that it lies in.

    Raises:
        InputError: a subfolder cannot be read.
    """
    return (place / name for place, names in _walk(folder) for name in names)


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Find every folder below a folder, itself included, and the names of the files in each; see :func:`walk_files`."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}); make it readable") from error

    around = {str(folder): {_identity(folder)}}
    for place, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        outer = around.pop(place)
        inner = {name: _identity(Path(place, name)) for name in subfolders}
        subfolders[:] = sorted(name for name in subfolders if inner[name] not in outer)
        around |= {os.path.join(place, name): outer | {inner[name]} for name in subfolders}  # noqa: PTH118
        yield Path(place), names


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def map_images(
    work: Callable[[ItemT], ResultT],
    items: Sequence[ItemT],
    num_processes: int = 1,
    progress: Progress | None = None,
) -> list[ResultT]:
    """Call ``work`` on every item, in several processes, and return the results in order.

    Args:
        work: a function of a module, or `functools.partial` of one; its answer should be small.
        items: what it is called with, one at a time.
        num_processes: 1 works in this process.
        progress: told after every chunk of at most 32 items.

    Raises:
        InputError: what ``work`` raised for the first faulty item; nothing else is started then.
    """
    assert num_processes >= 1, num_processes
    size = max(1, min(_MAX_CHUNK, len(items) // (_MIN_CHUNKS * num_processes)))
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    results: list[ResultT] = []
    with one_opencv_thread():  # more would not speed this up, and hinder copying this process
        for part in _in_order(work, chunks, num_processes):
            results += part
            if progress is not None:
                progress(len(results), len(items))
    return results


def _in_order(
    work: Callable[[ItemT], ResultT], chunks: Sequence[Sequence[ItemT]], num_processes: int
) -> Iterator[list[ResultT]]:
    """Yield the results of each chunk; processes are started only for what a moment's work has left over."""
    if num_processes == 1:
        yield from (_work_on(work, chunk) for chunk in chunks)
        return
    start = time.monotonic()
    ready: list[list[ResultT]] = []  # told about later: who hears of it may start a thread, see `start_method`
    while len(ready) < len(chunks) and time.monotonic() - start < ALONE_S:
        ready.append(_work_on(work, chunks[len(ready)]))
    left = chunks[len(ready) :]
    if not left:
        yield from ready
        return
    with process_pool(num_processes, [getattr(work, "func", work).__module__, "cv2"], _prepare_process) as pool:
        first = [pool.submit(_work_on, work, chunk) for chunk in left[: _AHEAD * num_processes]]
        yield from ready
        last = _help(work, left[len(first) :], first[0])
        rest = left[len(first) : len(left) - len(last)]
        yield from (future.result() for future in [*first, *(pool.submit(_work_on, work, chunk) for chunk in rest)])
        yield from (one.result() for one in last)


def _help(
    work: Callable[[ItemT], ResultT], chunks: Sequence[Sequence[ItemT]], first: Future[list[ResultT]]
) -> list[Future[list[ResultT]]]:
    """Work here too, from the end, until the first process has answered, as they take a while to start; return what was done."""
    done: list[Future[list[ResultT]]] = []
    for chunk in reversed(chunks):
        if first.done():
            break
        done.append(Future())
        try:
            done[-1].set_result(_work_on(work, chunk))
        except InputError as error:  # an earlier chunk may have one, which comes first
            done[-1].set_exception(error)
    return done[::-1]


def _work_on(work: Callable[[ItemT], ResultT], items: Sequence[ItemT]) -> list[ResultT]:
    return [work(item) for item in items]


def _prepare_process() -> None:
    """Use one thread, and keep freed memory for the next image, whose pages would cost a fifth of the decoding time anew."""
    use_one_opencv_thread()
    c_library = ctypes.CDLL(None)
    if hasattr(c_library, "mallopt"):
        c_library.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        c_library.mallopt(_M_TRIM_THRESHOLD, 1 << 30)

"""The files of Cityscapes' instance evaluation: instance images, prediction texts with mask images, distances of objects.

Everything is checked on the way in; a message names file and line. Masks are read one at a time, when they are compared.
"""

import json
import math
import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS
from methods.common.datasets.file_names import NamedFiles, common_form, has_ending, near_name
from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.record_rules import is_number, whole_fault
from methods.common.errors import InputError, reason
from methods.common.metrics.cityscapes.instance_matching import InstancePrediction, ObjectDistance, check_prediction
from methods.common.metrics.cityscapes.instance_overlaps import CLASS_OF_LABEL_ID
from methods.common.metrics.label_maps.png_folders import walk_files

GROUND_TRUTH_ENDING = "_gtFine_instanceIds.png"

_PNG_START = b"\x89PNG\r\n\x1a\n"
_GREY_OF_1_OR_8_BITS = (b"\x01\x00", b"\x08\x00")
_LINE = "a line is `mask.png label_id score`, with single spaces"


def find_ground_truth(folder: Path) -> dict[str, Path]:
    """Return the instance images anywhere below a folder by image id (`<city>_<sequence>_<frame>`), sorted.

    Raises:
        InputError: no folder, no such files, or two of one image.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name the folder with the ground truth, for instance gtFine/val")
    found: dict[str, Path] = {}
    paths = [path for path in walk_files(folder) if has_ending(path.name, GROUND_TRUTH_ENDING)]
    for path in sorted(paths, key=lambda path: (path.name, path)):
        image_id = common_form(path.name[: -len(GROUND_TRUTH_ENDING)])
        if image_id in found:
            raise InputError(f"{found[image_id]} and {path} are ground truth of the same image; keep one of them")
        found[image_id] = path
    if not found:
        raise InputError(f"{folder} holds no *{GROUND_TRUTH_ENDING}; name the folder with the ground truth")
    return found


def find_predictions(folder: Path, image_ids: Sequence[str]) -> dict[str, Path]:
    """Return the text file of each image, by image id: the one whose name starts with it and ends with `.txt`.

    Raises:
        InputError: no folder, or an image with no or several files.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name the folder with the predictions")
    texts = sorted((common_form(path.name), path) for path in walk_files(folder) if has_ending(path.name, ".txt"))
    found = {}
    for image_id in image_ids:
        following = islice(texts, bisect_left(texts, (image_id,)), None)
        starting = takewhile(lambda text: text[0].startswith(image_id), following)  # noqa: B023 - used up at once
        # The number of another frame may go on.
        matching = [path for name, path in starting if not name[len(image_id)].isdigit()]
        if not matching:
            near = near_name(image_id, ["_".join(name[:-4].split("_")[:3]) for name, _ in texts])
            raise InputError(
                f"{folder} has no prediction file {image_id}*.txt{near}; write an empty one if nothing was found"
            )
        if len(matching) > 1:
            raise InputError(f"{matching[0]} and {matching[1]} are both predictions for {image_id}; keep one of them")
        found[image_id] = matching[0]
    return found


def read_predictions(text_file: Path, root: Path) -> Iterator[tuple[str, InstancePrediction]]:
    """Read the predictions of one image, each with the words that name its place; masks are read as they are asked for.

    Masks of classes without evaluated instances are not read. Of two lines with one mask the later one counts, as in the
    official tool.

    Args:
        text_file: lines `mask.png label_id score`; masks relative to the file.
        root: the folder that masks must lie in.

    Raises:
        InputError: a line or a mask is faulty.
    """
    within, named = Path(_plain(root)), NamedFiles(Path())
    lines: dict[str, tuple[str, int, float]] = {}
    for number, line in enumerate(_lines(text_file), start=1):
        place = f"{text_file}, line {number}"
        mask_file, label_id, score = _parse(line, place)
        check_prediction(label_id, score, place)
        mask_path = _plain(text_file.parent / mask_file)
        if Path(mask_file).is_absolute() or not Path(mask_path).is_relative_to(within):
            raise InputError(
                f"{place}: the mask {mask_file} is not within {root}; give its path relative to the text file"
            )
        lines[mask_path] = (place, label_id, score)
    for mask_path, (place, label_id, score) in lines.items():
        if label_id in CLASS_OF_LABEL_ID:
            yield place, InstancePrediction(label_id, score, read_mask(named.find(mask_path), place))


def _plain(path: Path) -> str:
    """Return the absolute path without `..`; links stay as they are, as in the official tool."""
    return os.path.abspath(path)  # noqa: PTH100


def _lines(text_file: Path) -> list[str]:
    try:
        text = text_file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{text_file} cannot be read ({reason(error)}); write the prediction file again") from error
    return text.removesuffix("\n").split("\n") if text else []


def _parse(line: str, place: str) -> tuple[str, int, float]:
    fields = line.split(" ")
    if len(fields) != 3:
        raise InputError(f"{place}: found {line!r:.80}; {_LINE}")
    try:
        label_id, score = _number(fields[1]), _number(fields[2])
        if label_id != int(label_id):
            raise InputError(f"{place}: the label id is {fields[1]}; write a whole number")
    except (ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{place}: found {line!r:.80}; {_LINE}, the last two numbers") from error
    return fields[0], int(label_id), score


def _number(text: str) -> float:
    if "_" in text or not text.isascii():  # which Python takes within numbers
        raise ValueError
    return float(text)


def read_mask(path: Path, place: str) -> NDArray[Any]:
    """Read one predicted mask, [H, W]; anything but 0 belongs to the instance.

    Grey PNGs of 1 or 8 bits take the quick way; everything else becomes grey by Pillow, as in the official tool.

    Args:
        path: a picture.
        place: names the line that asks for it.

    Raises:
        InputError: the file is missing, truncated or no picture, or shows nothing as grey though other numbers than 0 are stored.
    """
    from PIL import Image

    try:
        with path.open("rb") as file:
            head = file.read(26)
        if head[:8] == _PNG_START and head[24:] in _GREY_OF_1_OR_8_BITS:
            return read_labels(path)
        with Image.open(path) as picture:
            mask_HW = np.array(picture.convert("L"))
            if not mask_HW.any() and _stored(path, picture).any():
                raise InputError(
                    f"the mask {path} is black as a picture, though it holds other numbers than 0; save it grey, with 255 for the object"
                )
            return mask_HW
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{place}: the mask {path} cannot be read ({reason(error)}); write it again") from error


def _stored(path: Path, picture: Any) -> NDArray[Any]:
    """Return the numbers of a picture as they are stored: of a palette's places, or of colours with all their bits."""
    import cv2

    if picture.mode == "P":
        return np.asarray(picture)
    colours = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.zeros(0) if colours is None else np.atleast_3d(colours)[..., :3]


def read_distances(path: Path, image_ids: Sequence[str]) -> dict[str, dict[int, ObjectDistance]]:
    """Read a `gtInstances.json` of cityscapesScripts whose records carry `medDist` (metres) and `distConf`.

    Returns:
        By image id and instance id, the objects and groups of the evaluated classes.

    Raises:
        InputError: no such file, an image without a record, or an object without these fields.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is not readable JSON ({reason(error)}); name a gtInstances.json with distances"
        ) from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path} is no object with a record for each image; name a gtInstances.json with distances")
    by_id = {Path(name).name.removesuffix(GROUND_TRUTH_ENDING): name for name in content}
    missing = [image_id for image_id in image_ids if image_id not in by_id]
    if missing:
        raise InputError(f"{path} has no record of image {missing[0]}; take the distances of this ground truth")
    return {image_id: _distances_of(content[by_id[image_id]], f"{path}, image {image_id}") for image_id in image_ids}


def _distances_of(by_label: Any, place: str) -> dict[int, ObjectDistance]:
    found: dict[int, ObjectDistance] = {}
    for label in INSTANCE_LABELS:
        try:
            for record in by_label.get(label.name, []):
                instance_id, pixels = (_whole_number(record, field) for field in ("instID", "pixelCount"))
                found[instance_id] = ObjectDistance(
                    pixels, *(_finite(record, name) for name in ("medDist", "distConf"))
                )
        except (AttributeError, TypeError, KeyError, ValueError, OverflowError) as error:
            fields = "instID, pixelCount, medDist and distConf"
            raise InputError(
                f"{place}, {label.name}: {reason(error)}; give a list of objects by label name, each with {fields}"
            ) from error
    return found


def _whole_number(record: Any, field: str) -> int:
    fault = whole_fault(record[field])
    if fault is not None:
        raise ValueError(f"`{field}` {fault[0]}")
    return int(record[field])


def _finite(record: Any, field: str) -> float:
    value = record[field]
    if not is_number(type(value)) or not math.isfinite(value):
        raise ValueError(f"`{field}` is {value!r:.40}, no finite number")
    return float(value)

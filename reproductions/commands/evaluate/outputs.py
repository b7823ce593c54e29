"""What an evaluation prints and writes."""

from __future__ import annotations

import csv
import io
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from reproductions.commands.evaluate.task import Request, Task

if TYPE_CHECKING:
    from methods.common.metrics.bootstrap import Difference
    from methods.common.metrics.evaluation import Evaluation

_PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pillow": "PIL",
    "opencv-python-headless": "cv2",
    "pyarrow": "pyarrow",
    "pycocotools": "pycocotools",
    "lvis": "lvis",
    "cityscapesscripts": "cityscapesscripts",
    "torch": "torch",
    "torchvision": "torchvision",
    "transformers": "transformers",
    "torchmetrics": "torchmetrics",
    "torch-fidelity": "torch_fidelity",
}
"""Packages that can have a part in a number, and the module that shows that they had."""


def check_outputs(outputs: Mapping[str, Path | None], inputs: Mapping[str, Path]) -> None:
    """Make sure that every output can be written, before the work begins.

    Raises:
        InputError: an output cannot be written, would replace an input, or is asked for twice.
    """
    taken = {_resolved(path): f"the input {name.replace('_', '-')}" for name, path in inputs.items()}
    for option, path in outputs.items():
        if path is None:
            continue
        place = _place(option, path)
        folder = next((input_place for input_place in place.parents if input_place in taken), None)
        if place in taken:
            raise InputError(f"{option} {path} would replace {taken[place]}; name another file")
        if folder is not None and _is_of_the_input(place):
            raise InputError(f"{option} {path} lies in {taken[folder]} and would be a part of it; name another file")
        taken[place] = f"the file of {option}"
        _check_writable(option, path)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link in a circle, which its reader will name
        return path.absolute()


def _place(option: str, path: Path) -> Path:
    """Return where an output goes.

    Raises:
        InputError: it names no file: it is empty, a dot, the root, or a link in a circle.
    """
    if not path.name:
        raise InputError(f"{option} is empty or {str(path)!r}, which names no file; name one")
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{option} {path} cannot be written ({reason(error)}); name another file") from error


def _is_of_the_input(place: Path) -> bool:
    """Say whether an output that lies in an input folder is one of its files, or would be taken for one next time.

    JSON and CSV are no form of any folder's files; JSON that is there already must be a former output.
    """
    if place.suffix == ".json" and place.is_file():
        with place.open("rb") as file:
            return b'"segrepro evaluate ' not in file.read(64)
    return place.suffix not in (".json", ".csv")


def _check_writable(option: str, path: Path) -> None:
    trial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.is_dir():
            raise InputError(f"{option} {path} is a folder; name a file")
        if path.exists() and not path.is_file():
            raise InputError(f"{option} {path} is a device or a pipe, no file; name a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"{option} {path} lies below {error.filename}, which is no folder; name another file"
        ) from error
    except OSError as error:
        raise InputError(
            f"{option} {path} cannot be written ({error.strerror}); name a file in a folder that you may write to"
        ) from error


def document(
    request: Request, task: Task, evaluation: Evaluation, inputs: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """Return everything that makes the numbers traceable; floats at full precision, None where undefined."""
    return {
        "command": shlex.join(["segrepro", *sys.argv[1:]]),
        "metric": request.metric,
        "definition": evaluation.definition,
        "scale": task.scale,
        "metrics": evaluation.metrics(),
        "notes": notes(evaluation),
        "num_images": len(evaluation.image_ids),
        "settings": task.settings,
        "inputs": inputs,
        "packages": _versions(),
        "seconds": seconds,
    }


def notes(evaluation: Evaluation) -> list[str]:
    """Return what an evaluation has to tell beside its numbers."""
    from methods.common.metrics.evaluation import Noted

    return evaluation.notes() if isinstance(evaluation, Noted) else []


def _versions() -> dict[str, str]:
    from importlib.metadata import version
    from platform import python_version

    taking_part = [name for name, module in _PACKAGES.items() if module in sys.modules]
    return {
        "python": python_version(),
        "segrepro": version("segrepro"),
        **{name: version(name) for name in taking_part},
    }


def write_document(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, all of it or nothing."""
    from reproductions.harness.files import json_bytes

    _write("--json", path, json_bytes(content))


def write_per_class(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write CSV, all of it or nothing; undefined values are empty.

    Raises:
        InputError: there are no classes.
    """
    if not rows:
        raise InputError(f"there are no values by class to write to {path}; leave out --per-class")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write("--per-class", path, text.getvalue().encode(errors="backslashreplace"))


def _write(option: str, path: Path, data: bytes) -> None:
    try:
        write_atomic(path.resolve(), data)  # a link stays one
    except OSError as error:
        raise InputError(
            f"{option} {path} cannot be written ({error.strerror}); make room or name another file"
        ) from error


def metrics_text(metrics: Mapping[str, float | None], scale: str) -> str:
    """Return the table of one evaluation."""
    return _table(("metric", f"value {scale}"), [(name, _number(value)) for name, value in metrics.items()])


def differences_text(differences: Mapping[str, Difference], num_resamples: int, scale: str) -> str:
    """Return the table of a comparison, with a line for everything that speaks against an interval or a p-value."""
    rows = [
        (
            name,
            _number(one.first),
            _number(one.second),
            _number(one.difference),
            "undefined" if one.low is None else f"{_number(one.low)} to {_number(one.high)}",
            _p_value(one),
        )
        for name, one in differences.items()
    ]
    header = ("metric", "A", "B", "A - B", "95 % interval", "p")
    reservations = [
        f"{name}: {reservation}"
        for name, one in differences.items()
        for reservation in _reservations(one, num_resamples)
    ]
    if num_resamples < _FEWEST_RESAMPLES:
        reservations.append(f"fewer than {_FEWEST_RESAMPLES} resamples: no p-value can be below 0.05")
    return "\n".join([f"values {scale}", _table(header, rows), *reservations])


_FEWEST_RESAMPLES = 40


def _reservations(one: Difference, num_resamples: int) -> Iterator[str]:
    if one.difference is None:
        return
    if one.num_resamples < num_resamples:
        yield f"{one.num_resamples} of {num_resamples} resamples define it; the others are left out"
    if one.is_biased and one.bias is not None:
        yield f"resamples lay {_number(one.bias)} beside A - B and were moved there; read interval and p with care"


def _p_value(one: Difference) -> str:
    least = 2 / (one.num_resamples + 1)
    return f"<= {least:.5f}" if one.p_value is not None and one.p_value <= least < 1 else _number(one.p_value)


def _number(value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.5f}" if value == 0 or abs(value) >= 0.01 else f"{value:.4g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align the first column left and the others right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )

"""The official Cityscapes instance evaluation, run as it is, for whoever wants to check ours.

cityscapesScripts 2.3.0 uses `np.in1d`, which numpy 2 has dropped, and cannot write numpy's integers as JSON; it keeps the ground truth it
has seen in its own folder, for every later run, and ends the process on bad input. While it runs, and only then, the name is put
back, nothing is written, and its errors become exceptions. Arrays and run-length masks reach it as if they were files.
"""

import contextlib
import json
import os
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS
from methods.common.datasets.rle import decode_mask, runs_to_rle
from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.cityscapes import instance_files as files
from methods.common.metrics.cityscapes.instance_matching import InstancePrediction
from methods.common.metrics.official.package_evaluation import PackageEvaluation

_AVERAGES = {"AP": "allAp", "AP50": "allAp50%", "AP100m": "allAp100m", "AP50m": "allAp50m", "AP50_50m": "allAp50%50m"}
_OF_CLASS = {"AP": "ap", "AP50": "ap50%", "AP100m": "ap100m", "AP50m": "ap50m", "AP50_50m": "ap50%50m"}


def _named(values: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float | None]:
    given = {ours: float(values[official]) for ours, official in names.items() if official in values}
    return {name: None if np.isnan(value) else value for name, value in given.items()}


def evaluate_cityscapes_instance_officially(
    ground_truth: AnyPath | Mapping[str, NDArray[Any]],
    predictions: AnyPath | Mapping[str, Sequence[InstancePrediction]],
    distances: AnyPath | None = None,
) -> PackageEvaluation:
    """Score with cityscapesScripts; arguments as in :func:`evaluate_cityscapes_instance`, without its checks.

    Raises:
        InputError: the official tool stops with an error; the message repeats it.
    """
    ground_truth = as_path(ground_truth) if isinstance(ground_truth, str) else ground_truth
    predictions = as_path(predictions) if isinstance(predictions, str) else predictions
    distances = as_path(distances)
    if isinstance(ground_truth, Path):
        names, arrays = {i: str(path) for i, path in files.find_ground_truth(ground_truth).items()}, {}
    else:
        names = {image_id: f"{image_id}{files.GROUND_TRUTH_ENDING}" for image_id in ground_truth}
        arrays = {name: partial(ground_truth.__getitem__, image_id) for image_id, name in names.items()}
    pictures = _Pictures(arrays)
    with tempfile.TemporaryDirectory() as scratch, _official_tool(pictures) as tool:
        options, given = _options(tool, Path(scratch) / "gtInstances.json"), list(names)
        if isinstance(predictions, Path):
            options.predictionPath = os.path.abspath(predictions)  # noqa: PTH100
            given = [tool.getPrediction(name, options) for name in names.values()]
        else:
            tool.readPredInfo = lambda image_id, _: pictures.show(image_id, predictions[image_id])
        if distances is not None:
            options.distanceAvailable = True
            _name_anew(distances, Path(options.gtInstancesFile), names)
        averages = tool.evaluateImgLists(given, list(names.values()), options)["averages"]
    return PackageEvaluation(
        "cityscapesScripts 2.3.0 itself, evalInstanceLevelSemanticLabeling",
        tuple(names),
        _named(averages, _AVERAGES),
        [
            {"id": label.id, "name": label.name, **_named(averages["classes"][label.name], _OF_CLASS)}
            for label in INSTANCE_LABELS
        ],
    )


def _options(tool: Any, ground_truth_cache: Path) -> Any:
    """Return the tool's own settings, without its files; the cache does not exist yet."""
    silent = {"quiet": True, "JSONOutput": False, "gtInstancesFile": str(ground_truth_cache)}
    return types.SimpleNamespace(**{**vars(tool.args), **silent, "predictionPath": None, "predictionWalk": None})


def _name_anew(distances: Path, copy: Path, names: Mapping[str, str]) -> None:
    """Copy a file of distances, with the paths that it gives the images turned into ours; the tool compares whole paths."""
    content = json.loads(distances.read_bytes())
    by_id = {Path(name).name.removesuffix(files.GROUND_TRUTH_ENDING): value for name, value in content.items()}
    copy.write_text(json.dumps({os.path.abspath(name): by_id[image_id] for image_id, name in names.items()}))  # noqa: PTH100


class _Pictures:
    """Stands in for Pillow's `Image` module: opens arrays by name, and files as ever."""

    def __init__(self, instance_images: Mapping[str, Callable[[], NDArray[Any]]]) -> None:
        self._instance_images = instance_images
        self._masks: dict[str, Any] = {}

    def open(self, name: str) -> Any:
        """Return what the tool takes for an image."""
        if name in self._instance_images:
            return _Picture(self._instance_images[name]())
        return _Picture(_drawn(self._masks[name])) if name in self._masks else Image.open(name)

    def show(self, image_id: str, predictions: Sequence[InstancePrediction]) -> dict[str, dict[str, Any]]:
        """List the predictions of one image as the tool does from its text file, and keep their masks until the next image."""
        names = [f"{image_id}, prediction {number}" for number in range(len(predictions))]
        self._masks = dict(zip(names, (one.mask for one in predictions), strict=True))
        return {
            name: {"labelID": one.label_id, "conf": one.score} for name, one in zip(names, predictions, strict=True)
        }


@dataclass(frozen=True)
class _Picture:
    array: NDArray[Any]

    def convert(self, mode: str) -> "_Picture":
        assert mode == "L"
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype)


def _drawn(mask: Any) -> NDArray[Any]:
    if isinstance(mask, np.ndarray):
        return mask
    counts = mask["counts"]
    encoded = runs_to_rle(counts, *mask["size"]) if isinstance(counts, list) else mask
    return np.ascontiguousarray(decode_mask(encoded))


@contextlib.contextmanager
def _official_tool(pictures: _Pictures) -> Iterator[Any]:
    """Give the official module, changed as this file's head says while the block runs."""
    from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as tool  # noqa: N813
    from cityscapesscripts.evaluation import instances2dict
    from cityscapesscripts.helpers import csHelpers

    changes: list[tuple[Any, dict[str, Any]]] = [
        (np, {} if "in1d" in vars(np) else {"in1d": np.isin}),
        (csHelpers, {"printError": _stop}),
        (instances2dict, {"Image": pictures}),
        (tool, {"Image": pictures, "printError": _stop, "writeDict2JSON": _write_nothing}),
        (tool, {"readPredInfo": tool.readPredInfo}),
    ]
    with contextlib.ExitStack() as stack, warnings.catch_warnings(category=RuntimeWarning, action="ignore"):
        for module, names in changes:
            stack.enter_context(_replaced(module, names))
        try:
            yield tool
        except InputError:
            raise
        except IndexError as error:
            raise InputError(
                "the official tool stops with an error where every prediction of a class is ignored; leave --official out"
            ) from error
        except (KeyError, ValueError, TypeError, OSError, SyntaxError) as error:
            fault = f"{type(error).__name__}: {error}"
            raise InputError(f"the official tool stops with {fault}; leave --official out to hear where") from error


@contextlib.contextmanager
def _replaced(module: Any, names: dict[str, Any]) -> Iterator[None]:
    before = {name: vars(module)[name] for name in names if name in vars(module)}
    for name, value in names.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name in names:
            if name in before:
                setattr(module, name, before[name])
            else:
                delattr(module, name)


def _stop(message: str) -> NoReturn:
    raise InputError(f"the official tool stops: {message}")


def _write_nothing(content: Any, path: str) -> None:
    """Take the place of the writer that fails on numpy's integers; nobody needs its files."""

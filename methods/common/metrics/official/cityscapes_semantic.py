"""The official Cityscapes pixel-level evaluator, run as it is, for whoever wants to check ours.

cityscapesScripts 2.3.0 uses `np.in1d`, which numpy 2 has dropped, ends the process on bad input, and writes its results as JSON into
its own folder. While it runs, and only then, the name is put back, its errors become exceptions and nothing is written.
"""

import contextlib
import io
import types
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from unittest.mock import patch

import numpy as np

from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.cityscapes.frames import pair_frames
from methods.common.metrics.label_maps.confusion import none_if_nan
from methods.common.metrics.official.package_evaluation import PackageEvaluation

_AVERAGES = (
    "averageScoreClasses",
    "averageScoreInstClasses",
    "averageScoreCategories",
    "averageScoreInstCategories",
)


def evaluate_cityscapes_semantic_officially(ground_truth: AnyPath, predictions: AnyPath) -> PackageEvaluation:
    """Score with cityscapesScripts; same folders as :func:`evaluate_cityscapes_semantic`, `official` protocol.

    Raises:
        InputError: a file is missing, or the official tool stops with an error; the message repeats it.
    """
    frames = pair_frames(as_path(ground_truth), as_path(predictions))
    with _official_tool() as tool:
        results = tool.evaluateImgLists(
            [str(frame.prediction) for frame in frames],
            [str(frame.labels) for frame in frames],
            types.SimpleNamespace(**{**vars(tool.args), "quiet": True, "JSONOutput": False}),
        )
    return PackageEvaluation(
        "cityscapesScripts 2.3.0 itself, evalPixelLevelSemanticLabeling",
        tuple(frame.name for frame in frames),
        {name: none_if_nan(results[name]) for name in _AVERAGES},
        _rows(results),
    )


def _rows(results: Mapping[str, Any]) -> list[dict[str, str | int | float | None]]:
    """Return IoU and iIoU of each class and category that is evaluated."""
    categories = dict.fromkeys(label.category for label in EVALUATED_LABELS)
    return [
        {
            "name": name,
            "kind": kind,
            "IoU": none_if_nan(results[f"{kind}Scores"][name]),
            "iIoU": none_if_nan(results[f"{kind}InstScores"][name]),
        }
        for kind, names in (("class", [label.name for label in EVALUATED_LABELS]), ("category", categories))
        for name in names
    ]


@contextlib.contextmanager
def _official_tool() -> Iterator[Any]:
    """Give the official module, changed as this file's head says while the block runs."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as tool  # noqa: N813

    with contextlib.ExitStack() as stack:
        if "in1d" not in vars(np):
            stack.enter_context(patch.object(np, "in1d", np.isin, create=True))
        stack.enter_context(patch.object(tool, "printError", _stop))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(warnings.catch_warnings(category=RuntimeWarning, action="ignore"))
        try:
            yield tool
        except (IndexError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            fault = f"{type(error).__name__}: {error}"
            raise InputError(f"the official tool stops with {fault}; leave --official out to hear where") from error


def _stop(message: str) -> NoReturn:
    raise InputError(f"the official tool stops: {message}")

"""The official panoptic evaluator, run as it is, for whoever wants to check ours.

panopticapi is on no package index; where it is installed it runs, else the copy of it in cityscapesScripts 2.3.0, which
computes the same from the same formats.
"""

import contextlib
import importlib
import importlib.util
import io
import json
from typing import Any

from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.official.package_evaluation import PackageEvaluation

_PACKAGES = {
    "panopticapi.evaluation": "panopticapi itself",
    "cityscapesscripts.evaluation.evalPanopticSemanticLabeling": "the copy of panopticapi in cityscapesScripts 2.3.0 itself",
}
_SUBSETS = {"": None, "_th": True, "_st": False}


def evaluate_panoptic_officially(
    ground_truth: AnyPath,
    predictions: AnyPath,
    *,
    ground_truth_folder: AnyPath | None = None,
    predictions_folder: AnyPath | None = None,
) -> PackageEvaluation:
    """Score with panopticapi or its copy; arguments as in :func:`evaluate_panoptic`, without its checks.

    Raises:
        InputError: the official evaluator stops with an error; the message repeats it.
    """
    ground_truth, predictions = as_path(ground_truth), as_path(predictions)
    name = next(name for name in _PACKAGES if importlib.util.find_spec(name.split(".")[0]))
    tool = importlib.import_module(name)
    with _errors_named():
        truth, results = json.loads(ground_truth.read_bytes()), json.loads(predictions.read_bytes())
        categories = {category["id"]: category for category in truth["categories"]}
        by_image = {annotation["image_id"]: annotation for annotation in results["annotations"]}
        pairs = [(annotation, by_image[annotation["image_id"]]) for annotation in truth["annotations"]]
        folders = (
            str(ground_truth_folder or ground_truth.with_suffix("")),
            str(predictions_folder or predictions.with_suffix("")),
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            statistics = tool.pq_compute_single_core(0, pairs, *folders, categories)
    averages: dict[str, float | None] = {}
    for suffix, is_thing in _SUBSETS.items():
        found = _average(statistics, categories, is_thing)
        averages |= {f"{key.upper()}{suffix}": found and float(found[key]) for key in ("pq", "sq", "rq")}
    return PackageEvaluation(
        _PACKAGES[name],
        tuple(annotation["image_id"] for annotation in truth["annotations"]),
        averages,
        _classes(statistics, categories),
    )


def _average(statistics: Any, categories: dict[int, Any], is_thing: bool | None) -> Any:
    """Return the official averages, or None where no class occurs, which the official code divides by."""
    try:
        return statistics.pq_average(categories, isthing=is_thing)[0]
    except ZeroDivisionError:
        return None


def _classes(statistics: Any, categories: dict[int, Any]) -> list[dict[str, str | int | float | None]]:
    rows: list[dict[str, str | int | float | None]] = []
    for category_id, category in categories.items():
        counts = statistics[category_id]
        quality = _average(statistics, {category_id: category}, None) or {"pq": 0.0, "sq": 0.0, "rq": 0.0}
        row = {"category_id": category_id, "name": category["name"], "is_thing": int(category["isthing"])}
        scores = {key.upper(): float(quality[key]) for key in ("pq", "sq", "rq")}
        rows.append({**row, **scores, "TP": int(counts.tp), "FP": int(counts.fp), "FN": int(counts.fn)})
    return rows


@contextlib.contextmanager
def _errors_named() -> Any:
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, OSError, SyntaxError, ZeroDivisionError) as error:
        fault = f"{type(error).__name__}: {error}"
        raise InputError(f"the official evaluator stops with {fault}; leave --official out to hear where") from error

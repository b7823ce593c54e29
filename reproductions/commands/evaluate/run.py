"""One evaluation from the checked request to the printed table and the written files."""

from __future__ import annotations

import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError
from reproductions.commands.evaluate.inputs import describe_inputs
from reproductions.commands.evaluate.outputs import (
    check_outputs,
    differences_text,
    document,
    metrics_text,
    notes,
    write_document,
    write_per_class,
)
from reproductions.commands.evaluate.task import DEFAULT_RESAMPLES, DEFAULT_SEED, Means, Request, Task
from reproductions.commands.progress_bar import progress_bar
from reproductions.harness.threads import num_cores

if TYPE_CHECKING:
    from methods.common.metrics.bootstrap import Difference
    from methods.common.metrics.evaluation import Evaluation


def run(task: Task, request: Request) -> None:
    """Evaluate, compare if asked, print, write.

    Raises:
        InputError: options that exclude each other, an output that cannot be written, or faulty inputs.
    """
    _check(request)
    read = {**task.inputs, "predictions": task.predictions, "compared": request.compare}
    inputs = {name: path for name, path in read.items() if path is not None}
    check_outputs({"--json": request.json_file, "--per-class": request.per_class_file}, inputs)
    described = None if request.json_file is None else describe_inputs(inputs)
    with _plain_warnings():
        started = time.monotonic()
        evaluation = _evaluate(task, request, task.predictions)
        seconds = time.monotonic() - started
        comparison = None if request.compare is None else _compare(task, request, evaluation, request.compare)
    if request.per_class_file is not None:
        _write_per_class(request, task, evaluation, comparison)
    if request.json_file is not None and described is not None:
        content = document(request, task, evaluation, described(), seconds)
        if comparison is not None:
            content["comparison"] = comparison.record()
        write_document(request.json_file, content)
    _print(task, evaluation, comparison)


def _check(request: Request) -> None:
    resampling = (("--resamples", request.num_resamples), ("--seed", request.seed))
    stray = next((name for name, value in resampling if value is not None), None)
    if request.compare is None and stray is not None:
        raise InputError(f"{stray} belongs to a comparison; add --compare OTHER or leave it out")
    if request.official and request.compare is not None:
        raise InputError("the official package cannot be resampled; leave out --official or --compare")
    if request.official and request.num_processes is not None:
        raise InputError("--processes does not reach into the official package; leave out --official or --processes")


def _evaluate(task: Task, request: Request, predictions: Path) -> Evaluation:
    if request.official:
        return _evaluate_officially(task, request, predictions)
    with progress_bar(f"evaluating {predictions.name}") as progress:
        return task.evaluate(predictions, Means(_num_processes(request), progress))


def _num_processes(request: Request) -> int:
    return request.num_processes or num_cores()


def _evaluate_officially(task: Task, request: Request, predictions: Path) -> Evaluation:
    """Run the official package, which checks little and stops in many ways, on files that are checked first."""
    from methods.common.metrics.official.package_evaluation import PackageEvaluation

    assert task.officially is not None
    said: Sequence[str] = ()  # what holds whoever computes
    if task.checked_first:
        with progress_bar(f"checking {predictions.name}") as progress:
            said = notes(task.evaluate(predictions, Means(_num_processes(request), progress)))
    try:
        with signals_end_at_once() if task.computes_in_c else nullcontext():
            evaluation = task.officially(predictions)
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())
        raise InputError(
            f"the official package fails on these inputs ({reason}); leave out --official to have them scored all the same"
        ) from error
    if isinstance(evaluation, PackageEvaluation):
        return replace(evaluation, remarks=[*evaluation.remarks, *said])
    return evaluation


@contextmanager
def signals_end_at_once() -> Iterator[None]:
    """Let an interruption or a request to end stop this process at once, whatever it computes, while the block runs.

    A handler in Python would wait for the end of a computation in C. Nothing is being written meanwhile.
    """
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = [(number, signal.signal(number, signal.SIG_DFL)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@dataclass(frozen=True)
class _Comparison:
    """The other predictions, and the difference that they make."""

    path: Path
    evaluation: Evaluation
    num_resamples: int
    seed: int
    differences: dict[str, Difference]
    seconds: float

    def record(self) -> dict[str, Any]:
        from methods.common.metrics.bootstrap import INTERVAL_RULE, P_VALUE_RULE, RESAMPLING_RULE

        return {
            "predictions": str(self.path),
            "metrics": self.evaluation.metrics(),
            "num_resamples": self.num_resamples,
            "seed": self.seed,
            "resampling": RESAMPLING_RULE,
            "interval": INTERVAL_RULE,
            "p_value": P_VALUE_RULE,
            "differences": {name: asdict(difference) for name, difference in self.differences.items()},
            "seconds": self.seconds,
        }


def _compare(task: Task, request: Request, first: Evaluation, other: Path) -> _Comparison:
    from methods.common.metrics.bootstrap import paired_bootstrap

    started = time.monotonic()
    num_resamples, seed = request.num_resamples or DEFAULT_RESAMPLES, request.seed or DEFAULT_SEED
    second = _evaluate(task, request, other)
    with progress_bar("resampling images") as progress:
        differences = paired_bootstrap(first, second, num_resamples, seed, progress, _num_processes(request))
    return _Comparison(other, second, num_resamples, seed, differences, time.monotonic() - started)


def _write_per_class(request: Request, task: Task, evaluation: Evaluation, comparison: _Comparison | None) -> None:
    assert request.per_class_file is not None
    rows = evaluation.per_class()
    if comparison is not None:
        both = ((task.predictions, rows), (comparison.path, comparison.evaluation.per_class()))
        rows = [{"predictions": str(path), **row} for path, its_rows in both for row in its_rows]
    write_per_class(request.per_class_file, rows)


def _print(task: Task, evaluation: Evaluation, comparison: _Comparison | None) -> None:
    if comparison is None:
        print(metrics_text(evaluation.metrics(), task.scale))
    else:
        print(f"A: {task.predictions}\nB: {comparison.path}")
        print(differences_text(comparison.differences, comparison.num_resamples, task.scale))
    both = [evaluation] if comparison is None else [evaluation, comparison.evaluation]
    for note in dict.fromkeys(note for one in both for note in notes(one)):
        print(f"note: {note}")
    print(f"definition: {evaluation.definition}", flush=True)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print warnings as sentences, without the place in the code."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"segrepro: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield

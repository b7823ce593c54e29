"""What one ``segrepro evaluate`` command is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from methods.common.metrics.evaluation import Evaluation, Progress

FRACTION = "in [0, 1]"
PERCENT = "in percent"


@dataclass(frozen=True)
class Means:
    """What an evaluation may use."""

    num_processes: int
    progress: Progress | None


@dataclass(frozen=True)
class Task:
    """A metric with its inputs, not yet run."""

    predictions: Path
    """What is judged; ``--compare`` names another of the same form."""
    evaluate: Callable[[Path, Means], Evaluation]
    """Evaluate predictions of that form."""
    scale: str
    """What the values are: ``in [0, 1]``, ``in percent``, ..."""
    inputs: dict[str, Path] = field(default_factory=dict)
    """Everything else that is read, by the name of its option."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The other options, as given."""
    officially: Callable[[Path], Evaluation] | None = None
    """The same by the official package."""
    checked_first: bool = True
    """Whether the official package needs its files checked by :attr:`evaluate` first; False where it is given what we read."""
    computes_in_c: bool = False
    """Whether the official package may stay in C code for long, where no handler of a signal is heard."""


@dataclass(frozen=True)
class Request:
    """The options that every metric shares, as given."""

    metric: str
    json_file: Path | None = None
    per_class_file: Path | None = None
    compare: Path | None = None
    num_resamples: int | None = None
    seed: int | None = None
    official: bool = False
    num_processes: int | None = None


DEFAULT_RESAMPLES = 1000


DEFAULT_SEED = 0

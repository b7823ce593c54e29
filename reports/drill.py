"""Plain records of the runs behind a report: for each arm and seed its cells, what they wrote down, and where they differ from a neighbour's.

Beside :mod:`reports.records`: the tables need none of this, ``report.html`` opens it. Everything is text and numbers; pictures are
named by their files.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from reports.records import Record


class Curve(Record):
    """One column of what a training wrote down, thinned for drawing."""

    name: str
    """As in the history: "loss", "loss/mask", "learning_rate"."""
    iterations: tuple[int, ...]
    """Ascending."""
    values: tuple[float | None, ...]
    """Same order; None where nothing finite was written down."""


class ClassScores(Record):
    """One number for each of some classes."""

    title: str
    """What the number is, with its unit: "IoU, %"."""
    scores: dict[str, float | None]
    """By class name; None where it is undefined."""
    left_out: int = 0
    """Classes in the middle that are not listed."""


class ShownImage(Record):
    """One evaluated image beside its truth and what was predicted for it."""

    title: str
    """Why it is shown and its score: "worst: 3.1 %"."""
    pictures: dict[str, Path]
    """Files of one size by their words, e.g. "image", "truth", "prediction"; labels as palette or grey PNGs."""


class Attempt(Record):
    """One try at a cell."""

    started: str
    host: str
    seconds: float
    outcome: str


class RunDetails(Record):
    """One cell: what it was asked, how it went, what came out."""

    id: str
    """64 digits."""
    label: str
    stage: str
    kind: str
    """"train", "evaluate", ..."""
    version: int
    state: str
    """"done", "failed" or "not finished"."""
    message: str = ""
    """Why it failed."""
    config: str
    """Key into :attr:`Details.configs`."""
    seeds: dict[str, int] = {}
    """By axis."""
    inputs: dict[str, tuple[str, ...]] = {}
    """Ids of the cells that it reads, by role."""
    outside: dict[str, str] = {}
    """Fingerprints of data and weights from outside, by role."""
    commit: str = ""
    dirty: str = ""
    host: str = ""
    device: str = ""
    started: str = ""
    wall_s: float | None = None
    machine_s: float | None = None
    """Of the GPU, or of the processors where no GPU was used, all attempts."""
    on_gpu: bool = False
    memory_mib: int | None = None
    attempts: tuple[Attempt, ...] = ()
    log: tuple[str, ...] = ()
    """The last lines that it printed."""
    numbers: dict[str, int | float | str | None] = {}
    """The plain numbers of its record."""
    curves: tuple[Curve, ...] = ()
    classes: tuple[ClassScores, ...] = ()
    images: tuple[ShownImage, ...] = ()


class RunDifference(Record):
    """One setting, seed or input in which the runs of two arms differ."""

    label: str
    """Of this arm's cell in which the difference begins."""
    kind: str
    """"setting", "seed", "code version", "data or weights from outside", "input" or "stage"."""
    path: str
    here: str
    there: str


class SeedRuns(Record):
    """What stands behind the numbers of one arm with one seed."""

    arm: str
    backbone: str
    seed: int
    runs: tuple[str, ...]
    """Ids of the cells, the evaluation first, then against the order in which they ran."""
    neighbour: str = ""
    """The arm that this one is compared with; empty where there is none."""
    differences: tuple[RunDifference, ...] = ()
    """Between this arm's evaluation and that of the neighbour with the same seed, followed to where they begin."""
    differences_left_out: int = 0


class Details(Record):
    """The runs behind one report."""

    runs: dict[str, RunDetails] = Field(default={})
    """By id, inputs before users."""
    configs: dict[str, str] = {}
    """Configs as indented JSON, each once."""
    seeds: tuple[SeedRuns, ...] = ()

    def of(self, arm: str, backbone: str, seed: int) -> SeedRuns | None:
        """What stands behind an arm with a seed; None where nothing was planned."""
        return next(
            (one for one in self.seeds if (one.arm, one.backbone, one.seed) == (arm, backbone, seed)),
            None,
        )


NO_DETAILS = Details()
"""Of a report whose runs are not at hand."""

"""The site file ``segrepro.toml``: what a cluster, its accounts and its disks are called. Nothing of it is in code."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, Field, ValidationError, field_validator

from methods.common.errors import InputError
from methods.common.stage import Config, StageKind

SITE_FILE = "segrepro.toml"
_ON_GPU: frozenset[StageKind] = frozenset({"generate", "train"})
"""Kinds that get a GPU where the site file says nothing; cutting, filtering and evaluation need none."""


_OURS = frozenset(
    [
        "array",
        "comment",
        "cpus-per-task",
        "dependency",
        "error",
        "job-name",
        "kill-on-invalid-dep",
        "nodes",
        "ntasks",
        "ntasks-per-node",
        "open-mode",
        "output",
        "parsable",
        "requeue",
        "no-requeue",
        "signal",
        "test-only",
        "time",
        "wait",
        "wrap",
    ]
)
"""Options of sbatch on which the launcher relies."""


def _check_sbatch(options: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
    for name in options:
        if name in _OURS:
            raise ValueError(f"the launcher itself sets --{name}; leave it out")
        if not re.fullmatch(r"[a-z][a-z0-9-]+", name):
            raise ValueError(f"{name!r} is no long option of sbatch; write it without dashes before it")
    return options


SbatchOptions = Annotated[dict[str, str | int | bool], AfterValidator(_check_sbatch)]


class StageResources(Config):
    """What the jobs of one kind of stage ask for. What is left out is the cluster's own default."""

    partition: str | None = None
    """Instead of the site's."""
    account: str | None = None
    """Instead of the site's."""
    qos: str | None = None
    """Instead of the site's."""
    constraint: str | None = None
    """Features that a node must have, as sbatch takes them."""
    wckey: str | None = None
    """Instead of the site's."""
    sbatch: SbatchOptions = {}
    """Further options of sbatch, beside the site's."""
    nodes: int = Field(default=1, ge=1)
    """Nodes of a job; more than one only for trainings that run on a team."""
    gpus: int | None = Field(default=None, ge=0)
    """GPUs on each node; a training starts one process a GPU. Left out: 1 to generate and to train, else none."""
    processes: int | None = Field(default=None, ge=1)
    """Processes on each node that train together; left out: one a GPU."""
    cpus: int = Field(default=1, ge=1)
    """CPUs of each process."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Memory of a job on each node."""
    gpu_memory_gib: float | None = Field(default=None, gt=0)
    """Memory of one GPU there; only `segrepro check` reads it."""
    time_min: int | None = Field(default=None, ge=1)
    """Time limit of a job; what is not finished by then saves and is queued again. Left out: the partition's."""


class Site(Config):
    """One cluster, as one user uses it."""

    partition: str | None = None
    """Partition of every job that names no other."""
    account: str | None = None
    """Account that is charged."""
    qos: str | None = None
    """Quality of service."""
    wckey: str | None = None
    """Workload characterisation key, on clusters that ask for one."""
    sbatch: SbatchOptions = {}
    """Further options of sbatch by their long names, such as ``reservation = "course"`` or ``exclusive = true``."""
    setup: tuple[str, ...] = ()
    """Shell lines before each job, such as ``module load cuda``."""
    exclude: tuple[str, ...] = ()
    """Nodes to leave out."""
    max_parallel: int = Field(default=64, ge=1)
    """Jobs of one array that may run at once; ``--max-parallel`` goes before it."""
    store: Path | None = None
    """The store, on a disk that all nodes share; ``--store`` goes before it."""
    data: Path | None = None
    """Folder of the data sets; the variable SEGREPRO_DATA goes before it."""
    weights: Path | None = None
    """Folder of published weights; the variable SEGREPRO_WEIGHTS goes before it."""
    stages: dict[StageKind, StageResources] = {}
    """What each kind of stage needs."""

    @field_validator("store", "data", "weights")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        if path is not None and not path.expanduser().is_absolute():
            raise ValueError("must be an absolute path: jobs start in other folders")
        return path.expanduser() if path is not None else None

    def resources(self, kind: StageKind, runs_on_team: bool) -> StageResources:
        """Return what jobs of a kind ask for, the site's defaults filled in.

        Raises:
            InputError: several processes for a stage that one process runs.
        """
        asked = self.stages.get(kind, StageResources())
        gpus = asked.gpus if asked.gpus is not None else int(kind in _ON_GPU)
        processes = asked.processes if asked.processes is not None else max(1, gpus)
        if not runs_on_team:
            if asked.nodes > 1 and kind != "train":
                raise InputError(f"{SITE_FILE}, stages.{kind}.nodes: a {kind} stage runs on one node; set it to 1")
            processes, gpus = 1, min(gpus, 1)
        return asked.model_copy(
            update={
                "partition": asked.partition or self.partition,
                "account": asked.account or self.account,
                "qos": asked.qos or self.qos,
                "wckey": asked.wckey or self.wckey,
                "sbatch": {**self.sbatch, **asked.sbatch},
                "nodes": asked.nodes if runs_on_team else 1,
                "gpus": gpus,
                "processes": processes,
            }
        )


def read_site(path: Path | None) -> Site:
    """Read the site file: the one named, or ``segrepro.toml`` here; without any, every field has its default.

    Raises:
        InputError: the named file is not there, or the file has a mistake; the sentence names the field.
    """
    if path is None and not Path(SITE_FILE).is_file():
        return Site()
    place = path or Path(SITE_FILE)
    try:
        document = tomllib.loads(place.read_text())
    except OSError as error:
        raise InputError(
            f"the site file {place} cannot be read ({error.strerror}); name another with --site"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the site file {place} is not TOML: {error}") from error
    try:
        return Site.model_validate(document)
    except ValidationError as error:
        raise InputError(f"the site file {place}: {_first_mistake(error)}") from error


def _first_mistake(error: ValidationError) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part != "[key]"]
    name = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"there is no field {name!r}{_nearest(path[-1], _fields_at(path))}"
    if "[key]" in first["loc"] or first["type"] == "literal_error":
        return f"there is no kind of stage {path[-1]!r}{_nearest(path[-1], get_args(StageKind))}"
    return f"{name}: {first['msg'].removeprefix('Value error, ')} (given {first['input']!r})"


def _fields_at(path: list[str]) -> list[str]:
    owner: Any = StageResources if path[0] == "stages" else Site
    return list(owner.model_fields)


def _nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; choose from {', '.join(known)}"

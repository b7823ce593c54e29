"""What SLURM knows: jobs in the queue, partitions, nodes. The only place that calls its commands (but for sbatch)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from methods.common.errors import InputError

_FIELDS = "%i|%T|%r|%N|%M|%L|%k"
_NUM_FIELDS = _FIELDS.count("|") + 1
_JOB_ID = re.compile(r"\d+(_\d+)?")
_USERS_OWN = ("SQUEUE_", "SINFO_")
"""Variables with which users filter what these commands show them; here everything counts."""
_ANSWER_WITHIN_S = 60
_GONE_STATES = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY", "BOOT_FAIL"})
_DOWN_STATES = ("down", "fail", "drain", "maint", "power")
_MANY_JOBS = 500


@dataclass(frozen=True)
class Job:
    """One job, or one task of a job array, that is waiting or running."""

    id: str
    """As scancel takes it, e.g. ``123_4``."""
    state: str
    reason: str
    """Why it waits, in SLURM's words."""
    node: str
    time_left: str
    comment: str

    @property
    def is_running(self) -> bool:
        """True from the start of the job to its end."""
        return self.state in ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING")

    @property
    def is_hopeless(self) -> bool:
        """True when what it depends on has failed."""
        return self.reason == "DependencyNeverSatisfied"


@dataclass(frozen=True)
class Partition:
    """One partition as sinfo tells."""

    name: str
    is_default: bool
    max_time_min: int | None
    """None: without limit."""
    default_time_min: int | None
    gres: str
    """Of all its nodes."""


_NO_CLUSTER = "Could not establish a configuration source"
"""What SLURM's commands say where they are installed and no cluster is named."""


class NoClusterError(InputError):
    """SLURM's commands are installed, and belong to no cluster."""


def has_slurm() -> bool:
    """True where SLURM's commands are installed."""
    return shutil.which("sbatch") is not None and shutil.which("squeue") is not None


def check_has_srun() -> None:
    """Make sure that SLURM's srun is there, without which submitit submits nothing.

    Raises:
        InputError: it is not.
    """
    if shutil.which("srun") is None:
        raise _not_installed("srun")


def live_jobs() -> list[Job]:
    """Return the user's jobs that wait or run.

    Raises:
        InputError: the controller does not answer.
    """
    jobs = []
    for line in _ask("squeue", "--me", "--noheader", "--array", f"--format={_FIELDS}"):
        fields = line.split("|", _NUM_FIELDS - 1)
        if len(fields) < _NUM_FIELDS or not _JOB_ID.fullmatch(fields[0]):
            continue  # what follows a line break in a comment of a job that is not ours: ours have none
        job_id, state, reason, node, _used, left, comment = fields
        if state not in _GONE_STATES:
            jobs.append(Job(job_id, state, reason, node, left, comment))
    return jobs


def cancel(job_ids: Iterable[str]) -> None:
    """Cancel jobs; those that have ended in the meantime do not matter."""
    wanted = list(job_ids)
    for start in range(0, len(wanted), _MANY_JOBS):
        _run("scancel", "--quiet", *wanted[start : start + _MANY_JOBS])


def partitions() -> list[Partition]:
    """Return the partitions that the user can see.

    Raises:
        InputError: the controller does not answer.
    """
    found: dict[str, Partition] = {}
    for line in _ask("sinfo", "--noheader", "--format=%P|%l|%L|%G"):
        fields = line.split("|", 3)
        if len(fields) < 4:
            continue  # a message of the site before the table
        name, longest, default, gres = fields
        plain = name.removesuffix("*")
        if plain in found:  # a line for each kind of node
            gres = f"{found[plain].gres},{gres}"
        found[plain] = Partition(plain, name.endswith("*"), minutes(longest), minutes(default), gres)
    return list(found.values())


def max_array_size() -> int:
    """Return how many tasks a job array may have."""
    for line in _ask("scontrol", "show", "config"):
        if line.startswith("MaxArraySize"):
            return max(1, int(line.split("=")[1]) - 1)
    return 1000


def is_node_down(node: str) -> bool:
    """True when SLURM does not use the node now; False when it does, or cannot be asked."""
    try:
        states = _ask("sinfo", "--noheader", f"--nodes={node}", "--format=%T")
    except InputError:
        return False
    return bool(states) and all(state.startswith(_DOWN_STATES) or "*" in state for state in states)


def show_node(node: str) -> list[str]:
    """Return what SLURM knows of a node, as words such as ``NodeAddr=10.0.0.7``.

    Raises:
        InputError: there is no such node, or the controller does not answer.
    """
    return " ".join(_ask("scontrol", "show", "node", node)).split()


def leave_out(node: str, job_ids: Iterable[str]) -> None:
    """Keep waiting jobs away from a node."""
    for job_id in job_ids:
        _run("scontrol", "update", f"JobId={job_id}", f"ExcNodeList={node}")


def time_left_s(job_id: str) -> float | None:
    """Return the seconds to a job's time limit, or None when nobody can tell."""
    try:
        lines = _ask("squeue", "--noheader", f"--jobs={job_id}", "--format=%L")
    except InputError:
        return None
    return seconds(lines[0]) if lines else None


def seconds(text: str) -> float | None:
    """Read SLURM's durations: ``mm``, ``mm:ss``, ``hh:mm:ss``, ``d-hh``, ``d-hh:mm:ss``; None for words such as UNLIMITED."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if match is None:
        return None
    days, *rest = match.groups()
    parts = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minute, second = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minute, second = parts
    else:
        hours, (minute, second) = 0, (*parts, 0)[:2]
    return ((int(days or 0) * 24 + hours) * 60 + minute) * 60.0 + second


def minutes(text: str) -> int | None:
    """Read a duration as whole minutes, at least one; None for words such as ``infinite``."""
    found = seconds(text)
    return None if found is None else max(1, int(found // 60))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_USERS_OWN)}
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",  # comments may be written in anything
        timeout=_ANSWER_WITHIN_S,
        check=False,
        env=environment,
    )


def _not_installed(command: str) -> InputError:
    return InputError(
        f"SLURM's {command} is not installed here; log in where jobs are submitted, or use --cluster local"
    )


def _ask(*command: str) -> Sequence[str]:
    """Return the lines that a command prints.

    Raises:
        InputError: it is not installed, fails, or does not answer.
    """
    try:
        done = _run(*command)
    except FileNotFoundError as error:
        raise _not_installed(command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"SLURM's {command[0]} does not answer; ask `sinfo` whether its controller runs") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        kind = NoClusterError if _NO_CLUSTER in said else InputError
        raise kind(f"SLURM's {command[0]} failed: {said}")
    return done.stdout.splitlines()

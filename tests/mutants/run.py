"""``make mutants``: break the code on purpose, one place at a time, and see whether the tests of that place notice.

A mutant is noticed when one of its tests fails for what the code does. One that only cannot be imported any more does not count,
nor does one whose tests run into the time limit. Before it, the same tests must pass on the code as it is.

Every mutant is tried in a process forked from this one, which has loaded the packages of others but none of ours; it works on a copy
of the repository.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import io
import multiprocessing
import os
import py_compile
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.mutants.catalogue import CATALOGUE
from tests.mutants.mutant import Mutant

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = ("methods", "reproductions", "reports", "tests")
LOADED = (
    *(
        "cv2",
        "hypothesis",
        "pandas",
        "PIL.Image",
        "pyarrow.parquet",
        "pycocotools.mask",
        "pydantic",
        "safetensors.torch",
    ),
    *("scipy.stats", "torch", "torchvision.ops", "diffusers", "transformers"),
)
"""Packages that most tests need and that take seconds to load."""
LIMIT_S = 120.0

Verdict = Literal["noticed", "not noticed", "broken import", "no verdict"]


@dataclass(frozen=True)
class Outcome:
    """What the tests of one mutant, or those of none, said."""

    verdict: Verdict
    said: str
    """The test that failed and with what, or what went wrong."""
    seconds: float = 0.0


@dataclass(eq=False)
class Witness:
    """Writes down, as a plugin of pytest, which tests failed, with what, and which did not run at all."""

    failures: list[tuple[str, type[BaseException]]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        self.failures.append((node.nodeid, call.excinfo.type))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.skipped:
            self.skipped.append(report.nodeid)


def judge(code: int, witness: Witness) -> Outcome:
    """Turn what pytest returned into a verdict."""
    blind = (ImportError, SyntaxError, NameError)
    seen = [(name, kind) for name, kind in witness.failures if not issubclass(kind, blind)]
    said = "; ".join(f"{name} ({kind.__name__})" for name, kind in seen or witness.failures)
    if code == pytest.ExitCode.TESTS_FAILED and seen:
        return Outcome("noticed", said)
    if witness.failures and not seen:
        return Outcome("broken import", said)
    if code == pytest.ExitCode.OK:
        return Outcome("not noticed", f"skipped: {', '.join(witness.skipped)}" if witness.skipped else "all tests pass")
    return Outcome("no verdict", f"pytest ended with {code}: {said or 'do its tests exist?'}")


def run_tests(root: Path, tests: Sequence[str]) -> Outcome:
    """Run tests of the repository at ``root`` in this process, which has imported nothing of it."""
    os.chdir(root)
    sys.path[:] = [str(root), *(place for place in sys.path if place not in ("", str(REPOSITORY)))]
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    witness, output = Witness(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--rootdir={root}", *tests]
        code = pytest.main(arguments, plugins=[witness])
    for name in OURS[:3]:
        place = getattr(sys.modules.get(name), "__path__", [str(root)])[0]
        assert Path(place).is_relative_to(root), f"{name} was imported from {place}, not from the copy"
    return judge(int(code), witness)


def _attempt(root: Path, tests: Sequence[str], answer: Connection) -> None:
    """Do all that one process does."""
    os.setsid()
    found = run_tests(root, tests)
    answer.send((found.verdict, found.said))  # plain text: the classes of this module are gone from sys.modules


@dataclass
class Job:
    """One attempt, from its start to its verdict."""

    mutant: Mutant | None
    """None for the tests of all mutants on the code as it is."""
    tests: tuple[str, ...]
    limit_s: float = LIMIT_S

    @property
    def name(self) -> str:
        return "(no mutant)" if self.mutant is None else self.mutant.id

    def start(self, root: Path) -> None:
        """Fork a process that works on the copy at ``root``, which nobody else uses."""
        self.root, self.started = root, time.monotonic()
        if self.mutant is not None:
            self._text = (root / self.mutant.file).read_text()
            (root / self.mutant.file).write_text(self.mutant.applied_to(self._text))
        self._answer, theirs = multiprocessing.Pipe(duplex=False)
        fork = multiprocessing.get_context("fork")
        self.process: BaseProcess = fork.Process(target=_attempt, args=(root, self.tests, theirs))
        self.process.start()
        theirs.close()

    def left_s(self) -> float:
        """Seconds until its time is up."""
        return self.started + self.limit_s - time.monotonic()

    def finish(self) -> Outcome:
        """End what is left of the process and its children, undo the mutant, return the verdict."""
        try:
            found = self._answer.recv() if self._answer.poll() else None
        except EOFError:
            found = None
        if found is None:
            found = "no verdict", "its time was up" if self.left_s() <= 0 else "the process ended without an answer"
        assert self.process.pid is not None
        self.process.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()
        if self.mutant is not None:
            (self.root / self.mutant.file).write_text(self._text)
        return Outcome(*found, time.monotonic() - self.started)


def run_jobs(jobs: Sequence[Job], roots: Sequence[Path]) -> Iterator[tuple[Job, Outcome]]:
    """Run jobs, as many at once as there are copies; yield each with its verdict as it ends."""
    waiting, free, running = deque(jobs), list(roots), list[Job]()
    while waiting or running:
        while waiting and free:
            running.append(waiting.popleft())
            running[-1].start(free.pop())
        wait([job.process.sentinel for job in running], max(0.0, min(job.left_s() for job in running)))
        for job in [job for job in running if not job.process.is_alive() or job.left_s() <= 0]:
            running.remove(job)
            yield job, job.finish()
            free.append(job.root)


def copy_repository(folder: Path, count: int) -> list[Path]:
    """Copy all files that git knows or would add, with bytecode that is checked against the text whenever it is loaded."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, check=True
    )  # fmt: skip
    roots = [folder / str(number) for number in range(count)]
    for name in listed.stdout.decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            (roots[0] / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, roots[0] / name)
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    for name in OURS[:3]:
        compileall.compile_dir(roots[0] / name, quiet=1, invalidation_mode=checked)
    for root in roots[1:]:
        shutil.copytree(roots[0], root)
    return roots


def chosen(options: argparse.Namespace) -> tuple[Mutant, ...]:
    """Return the mutants that are asked for, in the catalogue's order."""
    unknown = set(options.only) - {mutant.id for mutant in CATALOGUE}
    if unknown:
        raise SystemExit(f"there is no mutant {', '.join(sorted(unknown))}; tests/mutants/catalogue.py lists them")
    left = [mutant for mutant in CATALOGUE if mutant.id in options.only or not options.only]
    if options.sample is not None:
        taken = random.Random(options.seed).sample(range(len(left)), min(options.sample, len(left)))
        left = [left[number] for number in sorted(taken)]
    return tuple(left)


def main() -> int:
    """Run the mutants that the arguments ask for; 1 when one is not noticed, or a test fails without any."""
    parser = argparse.ArgumentParser(prog="make mutants ARGS=...", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], metavar="ID", help="these mutants")
    parser.add_argument("--sample", type=int, metavar="N", help="so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    options = parser.parse_args()
    mutants, began = chosen(options), time.monotonic()
    os.environ["SEGREPRO_FIXED_EXAMPLES"] = "1"
    os.environ.setdefault("SEGREPRO_SHARED", str(REPOSITORY.parent / "shared"))
    for name in LOADED:
        importlib.import_module(name)
    sys.dont_write_bytecode = True
    every_test = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    jobs = [Job(None, every_test, 5 * LIMIT_S), *(Job(mutant, mutant.tests) for mutant in mutants)]
    found: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for job, outcome in run_jobs(jobs, copy_repository(Path(folder), options.workers)):
            found[job.name] = outcome
            print(f"{outcome.verdict:13} {job.name:40} {outcome.seconds:5.1f} s  {outcome.said}", flush=True)
    control = found.pop("(no mutant)")
    sound = control.verdict == "not noticed" and "skipped" not in control.said
    noticed = sum(outcome.verdict == "noticed" for outcome in found.values())
    if not sound:
        print("the tests must all run and pass without any mutant; until they do, the verdicts say nothing")
    print(f"noticed {noticed} of {len(found)} mutants in {time.monotonic() - began:.0f} s")
    return 0 if sound and noticed == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())

"""``make chaos``: a paper's smoke plan on a local SLURM cluster under a seeded sequence of faults, compared with an undisturbed run.

The plan is run by ``segrepro run --cluster slurm --wait``, as a user would, in a process of its own that is itself a target.
Faults come every few seconds: when the plan is through before their number is reached, finished cells are damaged and the
run begins again. At the end one more run finishes what is left, and every file of every cell, and the report's table, must be
those of a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reproductions.harness.attempts import Attempt, read_attempts
from reproductions.harness.cell import Cell
from reproductions.harness.logs import log_path
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.study.registry import load_paper
from reproductions.study.request import Request
from tests.harness.slurm.cluster import Cluster, ClusterError
from tests.harness.toy import outputs

REPOSITORY = Path(__file__).resolve().parents[3]
_DISK = "size=400m"
_QUIET_S = (1.0, 4.0)
"""Shortest and longest pause between two faults."""
_NODE_DEAD_S = 20.0
_LONGEST_S = 3600.0


@dataclass
class Scene:
    """What the faults act on."""

    cluster: Cluster
    store: Store
    plan: Plan
    arguments: list[str]
    random: random.Random
    log: Path
    submitters: list[subprocess.Popen[bytes]] = field(default_factory=list)
    torn: Counter[str] = field(default_factory=Counter)
    """How often each finished cell was damaged, by id."""
    has_own_disk: bool = False

    def start_submitter(self) -> None:
        """Start ``segrepro run`` on the cluster, waiting, as one more process."""
        command = [
            sys.executable,
            "-m",
            "reproductions.cli",
            "run",
            *self.arguments,
            "--cluster",
            "slurm",
            "--wait",
            "--force",
        ]
        with self.log.open("ab") as file:
            self.submitters.append(subprocess.Popen(command, cwd=REPOSITORY, stdout=file, stderr=file))

    def keep_submitting(self) -> None:
        """Be sure that somebody waits for the plan."""
        self.submitters = [process for process in self.submitters if process.poll() is None]
        if not self.submitters:
            self.start_submitter()

    def running(self) -> list[tuple[Cell, Attempt]]:
        """Cells at work with their attempts."""
        found = []
        for cell in self.plan:
            attempts = read_attempts(self.store, cell.id) if self.store.is_claimed(cell.id) else []
            if attempts and attempts[-1]["outcome"] == "running":
                found.append((cell, attempts[-1]))
        return found

    def pick_running(self) -> tuple[Cell, Attempt] | None:
        """One of the cells at work."""
        found = self.running()
        return self.random.choice(found) if found else None


def kill_step(scene: Scene) -> bool:
    """kill -9 of a job's process."""
    picked = scene.pick_running()
    if picked is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(picked[1]["process"], signal.SIGKILL)
        return True
    return False


def requeue(scene: Scene) -> bool:
    """Scontrol requeue of a running job."""
    picked = scene.pick_running()
    if picked is None or picked[1]["job"] is None:
        return False
    with suppress(ClusterError):
        scene.cluster.command("scontrol", "requeue", picked[1]["job"])
        return True
    return False


def preempt(scene: Scene) -> bool:
    """A job of the higher partition takes one node, or both, for two seconds."""
    nodes = scene.random.choice(["1", "2"])
    scene.cluster.command(
        "sbatch", "-p", "high", f"--nodes={nodes}", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 2"
    )
    return bool(scene.running())


def kill_node(scene: Scene) -> bool:
    """A node dies with all that runs on it, and comes back after the controller has noticed."""
    picked = scene.pick_running()
    if picked is None or picked[1]["host"] not in ("n1", "n2"):
        return False
    node = picked[1]["host"]
    scene.cluster.kill_node(node)
    time.sleep(_NODE_DEAD_S)
    scene.cluster.start_node(node)
    return True


def damage_checkpoint(scene: Scene) -> bool:
    """The newest checkpoint of a cell at work is truncated, or one bit of it flips, and its process is killed."""
    found = [(cell, one) for cell, one in scene.running() if _checkpoints(scene, cell)]
    if not found:
        return False
    cell, attempt = scene.random.choice(found)
    with suppress(ProcessLookupError, FileNotFoundError, ValueError):
        os.kill(attempt["process"], signal.SIGSTOP)
        newest = max(_checkpoints(scene, cell))
        _damage(newest, scene.random)
        os.kill(attempt["process"], signal.SIGKILL)
        return True
    return False


def tear_cell(scene: Scene) -> bool:
    """A file of a finished cell is lost, truncated, or one bit of it flips."""
    finished = [cell for cell in scene.plan if scene.store.is_complete(cell)]
    if not finished:
        return False
    cell = scene.random.choice(finished)
    files = sorted(path for path in scene.store.cell_folder(cell).rglob("*") if path.is_file())
    with suppress(OSError):
        _damage(scene.random.choice(files), scene.random, may_remove=True)
        scene.torn[cell.id] += 1
        return True
    return False


def fill_disk(scene: Scene) -> bool:
    """The store's disk is full for three seconds."""
    if not scene.has_own_disk:
        return False
    ballast = scene.store.root.parent / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    time.sleep(3.0)
    ballast.unlink()
    return True


def kill_submitter(scene: Scene) -> bool:
    """kill -9 of the waiting submitter, whatever it is doing."""
    alive = [process for process in scene.submitters if process.poll() is None]
    if not alive:
        return False
    scene.random.choice(alive).kill()
    return True


def second_submitter(scene: Scene) -> bool:
    """One more submitter of the same plan at the same time."""
    scene.start_submitter()
    return len(scene.submitters) > 1


def cancel_job(scene: Scene) -> bool:
    """Scancel of a running job."""
    picked = scene.pick_running()
    if picked is None or picked[1]["job"] is None:
        return False
    scene.cluster.command("scancel", "--quiet", picked[1]["job"])
    return True


FAULTS: dict[Callable[[Scene], bool], int] = {
    kill_step: 6,
    requeue: 4,
    preempt: 3,
    kill_node: 1,
    damage_checkpoint: 5,
    tear_cell: 4,
    fill_disk: 2,
    kill_submitter: 5,
    second_submitter: 2,
    cancel_job: 3,
}
"""Each fault with its weight."""


def _checkpoints(scene: Scene, cell: Cell) -> list[Path]:
    return list((scene.store.work_folder(cell.id) / "checkpoints").glob("step-*"))


def _damage(path: Path, chance: random.Random, may_remove: bool = False) -> None:
    kind = chance.choice(["truncate", "flip", "remove"] if may_remove else ["truncate", "flip"])
    size = path.stat().st_size
    if kind == "remove":
        path.unlink()
    elif kind == "truncate" or size == 0:
        os.truncate(path, size // 2 if size else 1)
    else:
        data = bytearray(path.read_bytes())
        data[chance.randrange(size)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)


def disturb(scene: Scene, num_faults: int) -> Counter[str]:
    """Do faults until there were enough of them; return how many of each."""
    done: Counter[str] = Counter()
    until = time.monotonic() + _LONGEST_S
    while done.total() < num_faults:
        assert time.monotonic() < until, f"only {done.total()} faults in an hour:\n{_tail(scene.log)}"
        scene.keep_submitting()
        time.sleep(scene.random.uniform(*_QUIET_S))
        kinds = [kill_step, tear_cell] if _is_through(scene) else list(FAULTS)
        [fault] = scene.random.choices(kinds, [FAULTS[kind] for kind in kinds])
        happened = False
        with suppress(ClusterError):
            happened = fault(scene)
        if happened:
            done[fault.__name__] += 1
            print(f"{done.total():3d}  {fault.__name__}", flush=True)
    return done


def _is_through(scene: Scene) -> bool:
    return not scene.plan.missing(scene.store)


def finish(scene: Scene) -> None:
    """Let the plan come to its end undisturbed: what failed under the faults gets a new chance by the next run."""
    for process in scene.submitters:
        process.wait()
    for _ in range(5):
        scene.start_submitter()
        if scene.submitters[-1].wait() == 0:
            return
    raise AssertionError("the plan does not come to its end:\n" + _tail(scene.log))


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])


def times_finished(store: Store, cell: Cell) -> int:
    """How often the cell was done to its end, by its log."""
    log = log_path(store, cell.id)
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return sum(1 for line in lines if line.startswith(f"finished {cell.label} "))


def table(out: Path) -> bytes:
    """The report's table of numbers."""
    [path] = out.rglob("results.csv")
    return path.read_bytes()


def main() -> int:
    """Run it; exit code 0 when nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--paper", default="mrca")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="segrepro-chaos-"))
    folder.chmod(0o755)  # munge wants its socket reachable
    started = time.monotonic()
    os.environ |= {"SEGREPRO_CHECKPOINT_EVERY_S": "0", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    disk = folder / "disk"
    disk.mkdir()
    has_own_disk = subprocess.run(["mount", "-t", "tmpfs", "-o", _DISK, "none", str(disk)], check=False).returncode == 0
    try:
        cluster = Cluster.start(folder / "cluster")
        os.environ |= cluster.env
        try:
            return _compare(cluster, folder, options, has_own_disk, started)
        finally:
            cluster.stop()
    finally:
        if has_own_disk:
            subprocess.run(["umount", "-l", str(disk)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _compare(cluster: Cluster, folder: Path, options: argparse.Namespace, has_own_disk: bool, started: float) -> int:
    arguments = [options.paper, "--tier", "smoke", "--seeds", "1"]
    calm = Store.create(folder / "calm")
    command = [sys.executable, "-m", "reproductions.cli", "run", *arguments, "--store", str(calm.root), "--out"]
    subprocess.run([*command, str(folder / "calm-report")], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    store = Store.create(folder / "disk" / "store")
    plan = load_paper(options.paper).plan(Request(options.paper, store, "smoke", num_seeds=1))
    out = folder / "report"
    chance = random.Random(options.seed)
    disturbed = [*arguments, "--store", str(store.root), "--out", str(out)]
    scene = Scene(cluster, store, plan, disturbed, chance, folder / "submitters.log", has_own_disk=has_own_disk)
    print(
        f"undisturbed: {len(plan)} cells in {time.monotonic() - started:.0f} s; now {options.faults} faults", flush=True
    )
    begun = time.monotonic()
    faults = disturb(scene, options.faults)
    finish(scene)
    expected, found = outputs(plan, calm), outputs(plan, store)
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    twice = [cell.label for cell in plan if times_finished(store, cell) > 1 + scene.torn[cell.id]]
    same_table = table(folder / "calm-report") == table(out)
    attempts = sum(len(store.provenance(cell)["attempts"]) for cell in plan)
    print("\n| fault | times |\n|---|---|\n" + "\n".join(f"| {name} | {faults[name]} |" for name in sorted(faults)))
    print(
        f"\n{faults.total()} faults (seed {options.seed}) in {time.monotonic() - begun:.0f} s; {len(plan)} cells, "
        f"{attempts} attempts at their last making, {scene.torn.total()} damaged after they were finished\n"
        f"cells lost: {len(plan.missing(store))}; done more often than damaged: {len(twice)} {twice or ''}\n"
        f"files that differ from the undisturbed run: {len(differing)} of {len(expected)} {differing[:3] or ''}\n"
        f"table of the report: {'identical' if same_table else 'DIFFERENT'}"
    )
    return 0 if same_table and not differing and not twice else 1


if __name__ == "__main__":
    sys.exit(main())

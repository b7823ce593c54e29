"""Disturbed in every way that a cluster knows; each time the table and every cell's files are those of an undisturbed run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.harness.attempts import Attempt, read_attempts
from reproductions.harness.cell import Cell
from reproductions.harness.launcher import new_run_id, run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.site import Site, StageResources
from reproductions.harness.slurm import queue
from reproductions.harness.slurm.launch import wait
from reproductions.harness.slurm.submissions import cells_in_queue
from reproductions.harness.slurm.submit import submit
from reproductions.harness.store import Store
from tests.harness.conftest import REPOSITORY
from tests.harness.slurm.cluster import Cluster
from tests.harness.toy import draw_cell, fail_cell, outputs, shards_cell, table_plan, walk_cell

SITE = Site(partition="low")
PLAN = table_plan(steps=80)
WALK, SHARDS = (next(cell for cell in PLAN if cell.label == label) for label in ("walk/0", "shards/0"))


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Checkpoints every second, and a folder by which a test holds a stage until it has disturbed it."""
    monkeypatch.setenv("SEGREPRO_CHECKPOINT_EVERY_S", "1")
    (tmp_path / "hold").mkdir()
    monkeypatch.setenv("SEGREPRO_TOY_HOLD", str(tmp_path / "hold"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an undisturbed run in this process."""
    store = Store.create(tmp_path_factory.mktemp("undisturbed") / "store")
    assert run_in_process(PLAN, store, lambda: None).exit_code == 0
    return outputs(PLAN, store)


def last_attempt(store: Store, cell: Cell) -> Attempt | None:
    attempts = read_attempts(store, cell.id)
    return attempts[-1] if attempts else None


def release(cell: Cell) -> None:
    """Let a held stage go on."""
    Path(os.environ["SEGREPRO_TOY_HOLD"], cell.label.split("/")[0]).unlink(missing_ok=True)


def once_it_works(store: Store, cell: Cell, action: Callable[[Attempt], object]) -> Callable[[], None]:
    """Act one time, when the cell has worked for two seconds and saved; it waits half-way until that attempt has ended.

    SLURM answers before it has done what it was told: a stage let go on by the answer may finish before the disturbance reaches it.
    """
    disturbed: list[Attempt] = []
    Path(os.environ["SEGREPRO_TOY_HOLD"], cell.label.split("/")[0]).touch()

    def look() -> None:
        attempt = last_attempt(store, cell)
        if attempt is None:
            return
        if disturbed:
            if attempt["outcome"] != "running" or attempt["started_utc"] != disturbed[0]["started_utc"]:
                release(cell)
            return
        saved = list((store.work_folder(cell.id) / "checkpoints").glob("step-*"))
        if attempt["wall_s"] >= 2.0 and saved:
            disturbed.append(attempt)
            action(attempt)

    return look


def run(store: Store, watch: Callable[[], None] = lambda: None, site: Site = SITE, plan: Plan = PLAN) -> None:
    run_id = new_run_id()
    submit(plan, store, site, None, run_id)
    outcome = wait(plan, store, site, None, run_id, watch)
    assert outcome.failures == {}


def ends(store: Store, cell: Cell) -> list[str]:
    return [one["outcome"] for one in store.provenance(cell)["attempts"]]


def hosts(store: Store, cell: Cell) -> list[str]:
    return [one["host"] for one in store.provenance(cell)["attempts"]]


def test_step_killed(cluster: Cluster, store: Store, expected: dict[str, bytes]) -> None:
    """kill -9 of the job's process: its batch script queues the job again, and it goes on from the checkpoint."""
    run(store, once_it_works(store, WALK, lambda attempt: os.kill(attempt["process"], signal.SIGKILL)))
    assert outputs(PLAN, store) == expected
    assert ends(store, WALK) == ["killed", "finished"]
    first, second = store.provenance(WALK)["attempts"]
    assert first["job"] == second["job"]
    assert 0 < first["step"] < 80


def test_requeued_by_hand(cluster: Cluster, store: Store, expected: dict[str, bytes]) -> None:
    run(store, once_it_works(store, SHARDS, lambda attempt: cluster.command("scontrol", "requeue", attempt["job"])))
    assert outputs(PLAN, store) == expected
    assert ends(store, SHARDS) == ["preempted", "finished"]


def test_preempted_by_a_higher_partition(cluster: Cluster, store: Store, expected: dict[str, bytes]) -> None:
    def take_everything(attempt: Attempt) -> None:
        cluster.command("sbatch", "-p", "high", "--nodes=2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")

    run(store, once_it_works(store, WALK, take_everything))
    assert outputs(PLAN, store) == expected
    assert ends(store, WALK) == ["preempted", "finished"]


def test_a_node_dies_and_stays_dead(cluster: Cluster, store: Store, expected: dict[str, bytes]) -> None:
    run(store, once_it_works(store, WALK, lambda attempt: cluster.kill_node(attempt["host"])))
    assert outputs(PLAN, store) == expected
    assert ends(store, WALK) == ["node_failure", "finished"]
    dead, alive = hosts(store, WALK)
    assert {dead, alive} == {"n1", "n2"}
    [left_out] = (store.root / "jobs").glob("*/left-out")
    assert set(left_out.read_text().split()) == {dead}


def damage(store: Store, how: Callable[[Path], object]) -> Callable[[], None]:
    """Damage the newest checkpoint of the walk, then kill its process."""

    def act(attempt: Attempt) -> None:
        os.kill(attempt["process"], signal.SIGSTOP)
        how(max((store.work_folder(WALK.id) / "checkpoints").glob("step-*")))
        os.kill(attempt["process"], signal.SIGKILL)

    return once_it_works(store, WALK, act)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("how", [flip_a_bit, lambda path: os.truncate(path, 100)], ids=["flipped bit", "truncated"])
def test_damaged_checkpoint(
    how: Callable[[Path], object], cluster: Cluster, store: Store, expected: dict[str, bytes]
) -> None:
    run(store, damage(store, how))
    assert outputs(PLAN, store) == expected
    assert ends(store, WALK) == ["killed", "finished"]


def test_torn_cell_folder(cluster: Cluster, store: Store, expected: dict[str, bytes]) -> None:
    """A finished cell loses a file while jobs that need it wait; the next run makes it anew and nothing else."""
    run(store)
    kept = {cell.id: store.provenance(cell) for cell in PLAN if cell.id != SHARDS.id}
    (store.cell_folder(SHARDS) / "shard-3.bin").unlink()
    assert [cell.id for cell, _ in PLAN.drop_damaged(store)] == [SHARDS.id]
    run(store)
    assert outputs(PLAN, store) == expected
    assert {cell.id: store.provenance(cell) for cell in PLAN if cell.id != SHARDS.id} == kept


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(cluster: Cluster, small_disk: Path, expected: dict[str, bytes]) -> None:
    """The jobs end, what waits for them is dropped, the message says why; with room again all ends well."""
    store = Store.create(small_disk / "store")

    def fill(attempt: Attempt) -> None:
        with (small_disk / "ballast").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                release(WALK)

    run_id = new_run_id()
    submit(PLAN, store, SITE, None, run_id)
    with pytest.raises(InputError, match="no space left in the store"):
        wait(PLAN, store, SITE, None, run_id, once_it_works(store, WALK, fill))
    assert not store.is_complete(PLAN.targets[0])
    with pytest.raises(InputError, match="no space left in the store"):
        Store.create(store.root)
    (small_disk / "ballast").unlink()
    assert PLAN.drop_damaged(store) == []
    run(store)
    assert outputs(PLAN, store) == expected


SUBMITTER = """
import sys
from pathlib import Path
from reproductions.harness.launcher import new_run_id
from reproductions.harness.slurm.submit import submit
from reproductions.harness.store import Store
from tests.harness.slurm.test_disturbances import PLAN, SITE
print(submit(PLAN, Store.create(Path(sys.argv[1])), SITE, None, new_run_id()).num_submitted)
"""


def start_submitter(store: Store) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SUBMITTER, str(store.root)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def test_two_submitters_at_once(cluster: Cluster, store: Store, expected: dict[str, bytes]) -> None:
    submitters = [start_submitter(store) for _ in range(2)]
    numbers = sorted(int(process.communicate()[0]) for process in submitters)
    assert numbers == [0, len(PLAN)], "one submits everything, the other finds it in the queue"
    run(store)
    assert outputs(PLAN, store) == expected
    assert {cell.label: ends(store, cell) for cell in PLAN} == {cell.label: ["finished"] for cell in PLAN}


@pytest.mark.parametrize("num_arrays", [1, 3])
def test_submitter_killed_after_half(
    num_arrays: int, cluster: Cluster, store: Store, expected: dict[str, bytes]
) -> None:
    """Killed as soon as some of its arrays are noted: wherever it was, the next run finds what is queued and does the rest."""
    submitter = start_submitter(store)
    while len(list((store.root / "jobs").glob("*/array-*.json"))) < num_arrays:
        assert submitter.poll() is None, "it was too quick"
        time.sleep(0.001)
    submitter.kill()
    submitter.wait()
    run(store)
    assert outputs(PLAN, store) == expected
    assert all(ends(store, cell) == ["finished"] for cell in PLAN), "nothing was done twice"


def test_one_failed_cell_stops_only_what_depends_on_it(cluster: Cluster, store: Store) -> None:
    bad, good = fail_cell("error"), shards_cell(shards=2)
    plan = Plan("toy", (walk_cell(0, walk_cell(1, bad)), good, walk_cell(2, draw_cell(), steps=2)))
    run_id = new_run_id()
    submit(plan, store, SITE, None, run_id)
    outcome = wait(plan, store, SITE, None, run_id, lambda: None)
    kinds = {plan[cell_id].label: failure.kind for cell_id, failure in outcome.failures.items()}
    assert kinds == {"fail/error": "error", "walk/1": "blocked", "walk/0": "blocked"}
    assert store.is_complete(good)
    assert store.is_complete(plan.targets[2])
    cluster.wait_until(lambda: queue.live_jobs() == [], "SLURM keeps the jobs of what can never start")


def test_cancelled_jobs_save_and_the_next_run_goes_on(
    cluster: Cluster, store: Store, expected: dict[str, bytes]
) -> None:
    run_id = new_run_id()
    submit(PLAN, store, SITE, None, run_id)
    cancelled: list[int] = []

    def cancel_all(attempt: Attempt) -> None:
        cancelled.append(attempt["process"])
        queue.cancel(entry.job.id for entry in cells_in_queue(store).values())

    look = once_it_works(store, WALK, cancel_all)
    while not cancelled:
        look()
        time.sleep(0.1)
    while cells_in_queue(store):
        time.sleep(0.1)
    release(WALK)
    assert not store.is_complete(WALK)
    run(store)
    assert outputs(PLAN, store) == expected
    assert store.provenance(WALK)["attempts"][0]["step"] > 0


@pytest.mark.slow
def test_time_limit(cluster: Cluster, store: Store) -> None:
    """A minute's limit against a longer walk: it saves when SLURM says so, is queued again, and goes on."""
    plan = Plan("long", (walk_cell(0, draw_cell(), steps=500, step_s=0.1),))
    reference = Store.create(store.root.with_name("reference"))
    quick = Plan("quick", (walk_cell(0, draw_cell(), steps=500),))
    assert run_in_process(quick, reference, lambda: None).exit_code == 0
    site = Site(partition="low", stages={"train": StageResources(time_min=1)})
    run(store, site=site, plan=plan)
    walk = plan.targets[0]
    assert set(ends(store, walk)) == {"timed_out", "finished"}
    assert (store.cell_folder(walk) / "path.txt").read_bytes() == (
        reference.cell_folder(quick.targets[0]) / "path.txt"
    ).read_bytes()

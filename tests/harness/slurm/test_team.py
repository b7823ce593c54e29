"""One cell on several processes and nodes under one job: the same result as one process, disturbed or not."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from methods.common.seeds import Seeds
from reproductions.harness.attempts import read_attempts
from reproductions.harness.cell import Cell
from reproductions.harness.launcher import new_run_id, run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.site import Site, StageResources
from reproductions.harness.slurm.launch import wait
from reproductions.harness.slurm.submit import submit
from reproductions.harness.store import Store
from tests.harness.slurm.cluster import Cluster
from tests.harness.toy import TEAM_WALK, WalkConfig, outputs

SITE = Site(partition="low", stages={"train": StageResources(nodes=2, gpus=1, processes=2)})


def team_plan(steps: int, step_s: float) -> Plan:
    return Plan("team", (Cell(TEAM_WALK, WalkConfig(steps=steps, step_s=step_s), Seeds(training=5), "team"),))


def run(plan: Plan, store: Store, watch: Callable[[], None]) -> None:
    run_id = new_run_id()
    submit(plan, store, SITE, None, run_id)
    assert wait(plan, store, SITE, None, run_id, watch).failures == {}


def ranks_of_the_job(store: Store) -> list[int]:
    """Processes of the job that runs now: those whose environment names a rank and this store's job folder."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = environment.read_bytes()
            command = (environment.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if (
            b"SLURM_PROCID=" in text
            and str(store.root).encode() in command
            and b"_submit" in command
            and b"srun" not in command
        ):
            found.append(int(environment.parent.name))
    return found


@pytest.mark.parametrize("disturbed", [False, True], ids=["calm", "a process killed"])
def test_four_processes_on_two_nodes(
    disturbed: bool, cluster: Cluster, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGREPRO_CHECKPOINT_EVERY_S", "1")
    plan = team_plan(steps=60 if disturbed else 5, step_s=0.1)
    [cell] = plan.targets
    alone = Store.create(tmp_path / "alone")
    assert run_in_process(plan, alone, lambda: None).exit_code == 0
    sizes: list[int] = []

    def kill_one() -> None:
        attempts = read_attempts(store, cell.id)
        saved = list((store.work_folder(cell.id) / "checkpoints").glob("step-*"))
        if sizes or not saved or attempts[-1]["wall_s"] < 2:
            return
        ranks = ranks_of_the_job(store)
        sizes.append(len(ranks))
        others = [process for process in ranks if process != attempts[-1]["process"]]
        os.kill(others[0], signal.SIGKILL)
        time.sleep(0.5)

    run(plan, store, kill_one if disturbed else lambda: None)
    assert outputs(plan, store) == outputs(plan, alone)
    provenance = store.provenance(cell)
    assert provenance["processes"] == 4
    assert [one["outcome"] for one in provenance["attempts"]] == (["killed"] if disturbed else []) + ["finished"]
    assert sizes == ([4] if disturbed else [])

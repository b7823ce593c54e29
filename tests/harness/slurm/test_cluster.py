"""The cluster that the other tests here rely on does what a real one does."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.conftest import REPOSITORY
from tests.harness.slurm.cluster import NODES, Cluster


def submit(cluster: Cluster, script: str, out: Path, *options: str) -> str:
    """Submit a line of shell whose output is added to a file; return the id of the job."""
    return cluster.command(
        "sbatch",
        "--parsable",
        "--open-mode=append",
        f"--output={out}",
        f"--error={out}.err",
        *options,
        "--wrap",
        script,
    )


def wait_for(cluster: Cluster, job_id: str, state: str) -> dict[str, str]:
    cluster.wait_until(lambda: cluster.job(job_id)["JobState"] == state, f"job {job_id} is not {state}", timeout_s=60)
    return cluster.job(job_id)


def wait_for_text(cluster: Cluster, path: Path, text: str) -> None:
    cluster.wait_until(lambda: path.exists() and text in path.read_text(), f"{path} has no {text!r}", timeout_s=60)


WAIT_THE_FIRST_TIME = 'echo "$SLURMD_NODENAME ${SLURM_RESTART_COUNT:-0}"; [ -n "$SLURM_RESTART_COUNT" ] || sleep 300'


def test_jobs_see_their_gpus_on_both_nodes(cluster: Cluster, tmp_path: Path) -> None:
    show = "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES; sleep 2"
    half = [submit(cluster, show, tmp_path / "half", "--gres=gpu:1", "--nodelist=n2") for _ in range(2)]
    for job in half:
        wait_for(cluster, job, "COMPLETED")
    assert sorted((tmp_path / "half").read_text().splitlines()) == ["n2 0", "n2 1"]
    both = cluster.command("srun", "-N2", "--gres=gpu:2", "sh", "-c", "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES")
    assert sorted(both.splitlines()) == ["n1 0,1", "n2 0,1"]


def test_a_job_waits_for_another_and_not_for_one_that_failed(cluster: Cluster, tmp_path: Path) -> None:
    first = submit(cluster, "sleep 1; echo first", tmp_path / "out")
    second = submit(cluster, "echo second", tmp_path / "out", f"--dependency=afterok:{first}")
    failing = submit(cluster, "exit 3", tmp_path / "failing")
    never = submit(cluster, "echo never", tmp_path / "never", f"--dependency=afterok:{failing}")
    wait_for(cluster, second, "COMPLETED")
    assert (tmp_path / "out").read_text().split() == ["first", "second"]
    assert wait_for(cluster, failing, "FAILED")["ExitCode"] == "3:0"
    cluster.wait_until(lambda: cluster.job(never)["Reason"] == "DependencyNeverSatisfied", "the dependant still waits")
    assert not (tmp_path / "never").exists()


def test_an_array_runs_no_more_tasks_at_once_than_allowed(cluster: Cluster, tmp_path: Path) -> None:
    job = submit(cluster, "echo +; sleep 0.5; echo -", tmp_path / "out", "--array=0-3%2")
    for task in range(4):
        wait_for(cluster, f"{job}_{task}", "COMPLETED")
    signs = [int(f"{sign}1") for sign in (tmp_path / "out").read_text().split()]
    assert len(signs) == 8
    assert max(sum(signs[:end]) for end in range(1, 9)) == 2


def test_a_higher_partition_pushes_jobs_out_and_they_start_again(cluster: Cluster, tmp_path: Path) -> None:
    whole = ("-N2", "--exclusive")
    low = submit(cluster, WAIT_THE_FIRST_TIME, tmp_path / "low", "--partition=low", *whole)
    wait_for_text(cluster, tmp_path / "low", "n1 0")
    high = submit(cluster, "true", tmp_path / "high", "--partition=high", *whole)
    wait_for(cluster, high, "COMPLETED")
    assert wait_for(cluster, low, "COMPLETED")["Restarts"] == "1"
    assert (tmp_path / "low").read_text().split() == ["n1", "0", "n1", "1"]
    assert "DUE TO PREEMPTION" in (tmp_path / "low.err").read_text()


def test_a_job_can_be_put_back_in_the_queue(cluster: Cluster, tmp_path: Path) -> None:
    job = submit(cluster, WAIT_THE_FIRST_TIME, tmp_path / "out", "--nodelist=n2")
    wait_for_text(cluster, tmp_path / "out", "n2 0")
    cluster.command("scontrol", "requeue", job)
    assert wait_for(cluster, job, "COMPLETED")["Restarts"] == "1"
    assert (tmp_path / "out").read_text().split() == ["n2", "0", "n2", "1"]


@pytest.mark.parametrize("told", [False, True], ids=["found out", "told"])
def test_the_jobs_of_a_dead_node_start_again_on_the_other(cluster: Cluster, tmp_path: Path, told: bool) -> None:
    out, stray = tmp_path / "out", tmp_path / "stray"
    escape = f"(setsid sh -c 'echo $$ > {stray}; exec sleep 300' &)"  # SLURM itself loses sight of such a process
    job = submit(cluster, f"[ -e {stray} ] || {escape}; {WAIT_THE_FIRST_TIME}", out)
    wait_for_text(cluster, out, " 0")
    wait_for_text(cluster, stray, "\n")
    dead = out.read_text().split()[0]
    alive = NODES[1 - NODES.index(dead)]
    cluster.kill_node(dead, mark_down=told)
    assert not _lives(int(stray.read_text()))
    cluster.wait_until(lambda: cluster.node_state(dead).startswith("down"), "the death goes unnoticed")
    assert wait_for(cluster, job, "COMPLETED")["Restarts"] == "1"
    assert out.read_text().split() == [dead, "0", alive, "1"]
    cluster.start_node(dead)
    assert cluster.command("srun", "-N2", "sh", "-c", "echo $SLURMD_NODENAME").split().count(dead) == 1


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Short enough for sockets, and open to all, as munge wants it."""
    with tempfile.TemporaryDirectory(prefix="segrepro-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_the_command_starts_one_cluster_and_leaves_nothing(cluster: Cluster, short_folder: Path) -> None:
    def call(verb: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.harness.slurm.cluster", verb]
        env = {**os.environ, "TMPDIR": str(short_folder), **variables}
        return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)

    folder = short_folder / f"segrepro-slurm-{os.getuid()}"
    ours = Cluster(folder)
    try:
        assert call("conf").returncode == 1
        assert call("up").stdout.startswith(f"export SLURM_CONF={folder}/slurm.conf\n# Two nodes are up. ")
        controller = (folder / "slurmctld.pid").read_text()
        assert " already. " in call("up").stdout
        assert (folder / "slurmctld.pid").read_text() == controller
        assert call("conf").stdout == f"{folder}/slurm.conf\n"
        assert call("status").stdout.count(" idle ") == 2
        os.kill(int(controller), signal.SIGKILL)
        assert call("conf").returncode == 1
        assert call("up").returncode == 0, "a crashed cluster is replaced"
        sleeper = submit(ours, "sleep 300", short_folder / "out")
        wait_for(ours, sleeper, "RUNNING")
    finally:
        assert call("down").returncode == 0
    assert not ours._daemons("*") | ours._jobs(NODES)
    assert not folder.exists()
    assert cluster.is_running(), "another cluster is left alone"

    missing = call("up", PATH="/nowhere")
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
    assert "apt-get install slurm-wlm munge" in missing.stderr


def _lives(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX"

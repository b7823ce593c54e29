"""What is submitted, in which arrays, waiting for what; with SLURM's commands played by scripts."""

import re
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.harness.launcher import run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.site import Site, StageResources
from reproductions.harness.slurm.submissions import cells_in_queue
from reproductions.harness.slurm.submit import Submission, submit
from reproductions.harness.states import cell_states
from reproductions.harness.store import Store
from tests.harness.slurm_stub import StubCluster
from tests.harness.toy import draw_cell, fail_cell, shards_cell, walk_cell


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubCluster:
    return StubCluster(tmp_path / "slurm", monkeypatch)


def options(script: str) -> dict[str, str]:
    return {name: value.strip("'") for name, value in re.findall(r"#SBATCH --([\w-]+)(?:=(.*))?", script)}


def chains(number: int) -> Plan:
    return Plan("toy", tuple(walk_cell(seed, draw_cell(seed)) for seed in range(number)))


def test_each_cell_waits_for_exactly_what_it_needs(store: Store, stub: StubCluster) -> None:
    assert submit(chains(3), store, Site(), None, "run") == Submission(6, 4, 0, 0)
    draws, *walks = (options(script) for script in stub.batches().values())
    assert draws["array"] == "0-2%3"
    assert "dependency" not in draws
    assert [walk["dependency"] for walk in walks] == ["afterok:101_0", "afterok:101_1", "afterok:101_2"]
    assert all(walk["kill-on-invalid-dep"] == "yes" for walk in walks)
    assert {walk["gpus-per-node"] for walk in walks} == {"1"}, "a training gets a GPU where the site says nothing"
    assert "gpus-per-node" not in draws


def test_an_array_that_is_needed_as_a_whole_is_named_once(store: Store, stub: StubCluster) -> None:
    from methods.common.seeds import Seeds
    from reproductions.harness.cell import Cell
    from tests.harness.toy import WALK, WalkConfig

    joined = Cell(WALK, WalkConfig(), Seeds(), "joined", {"start": [draw_cell(seed) for seed in range(5)]})
    submit(Plan("toy", (joined,)), store, Site(), 2, "run")
    draws, walk = (options(script) for script in stub.batches().values())
    assert draws["array"] == "0-4%2"
    assert walk["dependency"] == "afterok:101"


def test_the_site_file_decides_per_kind(store: Store, stub: StubCluster) -> None:
    site = Site(
        partition="low",
        account="lab",
        qos="long",
        setup=("module load cuda",),
        exclude=("bad1", "bad2"),
        max_parallel=7,
        stages={
            "train": StageResources(gpus=2, cpus=4, memory_gib=64, time_min=90, constraint="h100"),
            "prepare": StageResources(partition="cpu", time_min=20),
        },
    )
    submit(Plan("toy", (walk_cell(0, draw_cell()),)), store, site, None, "run")
    draw, walk = stub.batches().values()
    assert "module load cuda" in walk
    expected = {"partition": "low", "account": "lab", "qos": "long", "exclude": "bad1,bad2", "constraint": "h100"}
    assert expected.items() <= options(walk).items()
    assert {"time": "90", "cpus-per-task": "4", "mem": "65536M", "gpus-per-node": "1"}.items() <= options(
        walk
    ).items(), "the toy training does not run on a team"
    assert {"partition": "cpu", "time": "20", "signal": "USR2@120"}.items() <= options(draw).items()


def test_what_is_in_the_queue_is_not_submitted_again(store: Store, stub: StubCluster) -> None:
    plan = chains(2)
    submit(plan, store, Site(), None, "run")
    walks = sorted(stub.batches())[1:]
    stub.queue(
        [
            "101_0|RUNNING|None|n1|0:10|59:50|segrepro:run:0",
            "101_1|PENDING|Resources||0:00|1:00:00|segrepro:run:0",
            f"{walks[0]}|PENDING|Dependency||0:00|1:00:00|segrepro:run:1",
            "77|RUNNING|None|n1|0:10|59:50|segrepro:of-another-store:0",
            "78|RUNNING|None|n1|0:10|59:50|(null)",
        ]
    )
    assert submit(plan, store, Site(), None, "run2") == Submission(1, 1, 3, 0)
    assert options(stub.batches()[max(stub.batches())])["dependency"] == "afterok:101_1"
    states = {s.cell.label: s for s in cell_states(plan, store, in_queue=cells_in_queue(store))}
    assert states["draw/1"].message == "job 101_1 waits: Resources"


def test_a_job_whose_dependency_failed_does_not_count(store: Store, stub: StubCluster) -> None:
    plan = Plan("toy", (draw_cell(),))
    submit(plan, store, Site(), None, "run")
    stub.queue(["101|PENDING|DependencyNeverSatisfied||0:00|1:00:00|segrepro:run:0"])
    assert submit(plan, store, Site(), None, "run2").num_submitted == 1


def test_a_job_without_its_pickle_is_replaced(store: Store, stub: StubCluster) -> None:
    """The submitter was killed between sbatch and leaving what the job needs."""
    plan = Plan("toy", (draw_cell(),))
    submit(plan, store, Site(), None, "run")
    [pickle] = (store.root / "jobs" / "run").glob("*_submitted.pkl")
    stub.queue(["101|PENDING|Resources||0:00|1:00:00|segrepro:run:0"])
    assert submit(plan, store, Site(), None, "run2").num_submitted == 0
    pickle.unlink()
    assert submit(plan, store, Site(), None, "run3").num_submitted == 1
    assert "cancel --quiet 101" in stub.told()


def test_failed_cells_are_left_alone_when_only_lost_jobs_come_again(store: Store, stub: StubCluster) -> None:
    plan = Plan("toy", (walk_cell(0, fail_cell("error")), shards_cell()))
    assert run_in_process(Plan("toy", (fail_cell("error"),)), store, lambda: None).exit_code == 1
    assert submit(plan, store, Site(), None, "run", again=True).num_submitted == 1, "the shards only"
    assert submit(plan, store, Site(), None, "run2").num_submitted == 3, "a new run gives everything a new chance"


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (
            Site(partition="gpus"),
            "prepare stages ask for the partition 'gpus', which is not here; choose from cpu, low, normal",
        ),
        (
            Site(stages={"prepare": StageResources(partition="cpu", time_min=60)}),
            "prepare stages ask for 60 min, but partition cpu allows 30; lower time_min in the site file",
        ),
        (
            Site(stages={"train": StageResources(partition="cpu")}),
            "train stages ask for 1 GPU(s), but partition cpu has none; name another partition",
        ),
        (Site(stages={"prepare": StageResources(nodes=2)}), "stages.prepare.nodes: a prepare stage runs on one node"),
    ],
)
def test_the_cluster_is_asked_first(site: Site, message: str, store: Store, stub: StubCluster) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        submit(Plan("toy", (walk_cell(0, draw_cell()),)), store, site, None, "run")
    assert stub.batches() == {}
    assert not list((store.root / "specs").iterdir())


def test_sbatch_refuses(store: Store, stub: StubCluster) -> None:
    stub.refuse(
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"
    )
    with pytest.raises(InputError, match=r"sbatch refused prepare jobs: .*Invalid account"):
        submit(Plan("toy", (draw_cell(),)), store, Site(account="nobody"), None, "run")


def test_no_slurm_here(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="SLURM's sinfo is not installed here; log in where jobs are submitted"):
        submit(Plan("toy", (draw_cell(),)), store, Site(), None, "run")


def test_every_kind_of_node_of_a_partition_counts(store: Store, stub: StubCluster) -> None:
    """sinfo prints a line for each kind of node; the first need not be the one with GPUs."""
    (stub.folder / "partitions").write_text("normal*|infinite|n/a|(null)\nnormal*|infinite|n/a|gpu:2\n")
    assert submit(Plan("toy", (walk_cell(0, draw_cell()),)), store, Site(), None, "run").num_submitted == 2


def test_several_partitions_are_named_as_sbatch_takes_them(store: Store, stub: StubCluster) -> None:
    submit(Plan("toy", (draw_cell(),)), store, Site(partition="low,normal"), None, "run")
    [batch] = stub.batches().values()
    assert {"partition": "low,normal", "time": "60"}.items() <= options(batch).items(), "the shorter of both defaults"
    with pytest.raises(InputError, match="ask for the partition 'gone', which is not here"):
        submit(Plan("toy", (draw_cell(1),)), store, Site(partition="low,gone"), None, "run")


def test_the_users_own_filters_hide_no_job(store: Store, stub: StubCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan("toy", (draw_cell(),))
    submit(plan, store, Site(), None, "run")
    stub.queue(["101|PENDING|Resources||0:00|1:00:00|segrepro:run:0"])
    squeue = stub.folder / "bin" / "squeue"
    squeue.write_text(f'#!/bin/sh\n[ -z "$SQUEUE_STATES$SQUEUE_PARTITION" ] && cat {stub.folder}/queue\n')
    for name, value in {"SQUEUE_STATES": "RUNNING", "SQUEUE_PARTITION": "low", "SINFO_PARTITION": "low"}.items():
        monkeypatch.setenv(name, value)
    assert submit(plan, store, Site(), None, "run2") == Submission(0, 0, 1, 0)
    [batch] = stub.batches().values()
    assert batch.index('unset "${!SQUEUE_@}"') < batch.index("squeue -h -j"), "in the job, too"


def test_comments_of_other_jobs_may_be_anything(store: Store, stub: StubCluster) -> None:
    plan = Plan("toy", (draw_cell(),))
    submit(plan, store, Site(), None, "run")
    lines = [
        "7|PENDING|JobHeldUser||0:00|1:00:00|f\xfcr dich",
        "8|PENDING|JobHeldUser||0:00|1:00:00|two\nlines | of it",
        "101|PENDING|Resources||0:00|1:00:00|segrepro:run:0",
    ]
    (stub.folder / "queue").write_bytes("".join(f"{line}\n" for line in lines).encode("latin-1"))
    assert submit(plan, store, Site(), None, "run2").num_already_queued == 1


def test_a_wrapper_that_prints_the_number_alone_is_one_sentence(store: Store, stub: StubCluster) -> None:
    sbatch = stub.folder / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text().replace('"Submitted batch job $number"', '"$number"'))
    with pytest.raises(InputError, match=r"did not answer .* was cancelled"):
        submit(Plan("toy", (draw_cell(),)), store, Site(), None, "run")
    assert "cancel --quiet 101" in stub.told()


def test_no_key_is_sent_unless_asked_and_further_options_are(store: Store, stub: StubCluster) -> None:
    submit(Plan("toy", (draw_cell(0),)), store, Site(), None, "run")
    site = Site(
        wckey="vision",
        sbatch={"reservation": "course", "exclusive": True},
        stages={"prepare": StageResources(sbatch={"reservation": "own"})},
    )
    submit(Plan("toy", (draw_cell(1),)), store, site, None, "run")
    first, second = (options(script) for script in stub.batches().values())
    assert "wckey" not in first
    assert {"wckey": "vision", "reservation": "own", "exclusive": ""}.items() <= second.items()
    with pytest.raises(ValueError, match="the launcher itself sets --array"):
        Site(sbatch={"array": "0-3"})

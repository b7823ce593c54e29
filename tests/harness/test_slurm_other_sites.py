"""Sites whose sbatch and sinfo say more than SLURM's own, odd spellings of partitions, and users who set options in their shell."""

import shutil
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.harness.plan import Plan
from reproductions.harness.site import Site
from reproductions.harness.slurm.queue import partitions
from reproductions.harness.slurm.submissions import cells_in_queue, has_pickle
from reproductions.harness.slurm.submit import submit
from reproductions.harness.store import Store
from tests.harness.slurm_stub import StubCluster
from tests.harness.test_slurm_submit import options
from tests.harness.toy import draw_cell

PLAN = Plan("toy", (draw_cell(),))


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubCluster:
    return StubCluster(tmp_path / "slurm", monkeypatch)


def answer(stub: StubCluster, text: str) -> None:
    """Let sbatch answer in other words."""
    sbatch = stub.folder / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text().replace('echo "Submitted batch job $number"', f"printf '{text}' $number"))


@pytest.mark.parametrize(
    "text",
    [
        "sbatch: note: a job 30 min longer waits less\\nSubmitted batch job %s\\n",
        "Your account has 1000 hours left.\\n\\nSubmitted batch job %s on cluster main\\n",
        "Submitted batch job %s\\nsee job 7 of the manual\\n",
    ],
)
def test_a_message_of_the_site_is_not_taken_for_the_number(store: Store, stub: StubCluster, text: str) -> None:
    answer(stub, text)
    submit(PLAN, store, Site(), None, "run")
    stub.queue(["101|PENDING|Resources||0:00|1:00:00|segrepro:run:0"])
    [entry] = cells_in_queue(store).values()
    assert has_pickle(store, entry), "what job 101 is to do lies under its number"


@pytest.mark.parametrize("text", ["%s\\n", "%s;main\\n", "Job <%s> is submitted to the queue\\n", "\\n"])
def test_an_answer_without_the_usual_words_cancels_what_it_submitted(
    store: Store, stub: StubCluster, text: str
) -> None:
    answer(stub, text)
    stub.queue(["101|PENDING|Resources||0:00|1:00:00|segrepro:run:0"])
    with pytest.raises(InputError, match="sbatch did not answer `Submitted batch job <number>`"):
        submit(PLAN, store, Site(), None, "run")
    assert "cancel --quiet 101" in stub.told()


def test_a_message_in_another_code_cancels_what_it_came_with(store: Store, stub: StubCluster) -> None:
    answer(stub, "Gr\\374\\337e\\nSubmitted batch job %s\\n")
    stub.queue(["101|PENDING|Resources||0:00|1:00:00|segrepro:run:0"])
    with pytest.raises(InputError, match=r"letters that are not UTF-8.*what it submitted was cancelled"):
        submit(PLAN, store, Site(), None, "run")
    assert "cancel --quiet 101" in stub.told()


@pytest.mark.parametrize("written", ["low,normal", " low , normal ", "low,,normal,", "low,normal*", "low,low,normal"])
def test_partitions_are_sent_as_sbatch_takes_them(store: Store, stub: StubCluster, written: str) -> None:
    submit(PLAN, store, Site(partition=written), None, "run")
    [batch] = stub.batches().values()
    assert options(batch)["partition"] == "low,normal"


@pytest.mark.parametrize("written", [" ", ",", "low normal", "low;normal", "Low", "low:normal"])
def test_partitions_that_are_none_are_named(store: Store, stub: StubCluster, written: str) -> None:
    with pytest.raises(InputError, match=r"ask for the partition .*; choose from cpu, low, normal"):
        submit(PLAN, store, Site(partition=written), None, "run")
    assert not stub.batches()


def test_lines_that_are_no_partition_are_left_out(stub: StubCluster) -> None:
    (stub.folder / "partitions").write_text("CLUSTER: main\n\nlow|1:00:00|n/a|(null)\nnormal*|infinite|n/a|gpu:2\n")
    assert [partition.name for partition in partitions()] == ["low", "normal"]


def test_what_users_set_for_their_own_jobs_does_not_go_before_the_site_file(
    store: Store, stub: StubCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch = stub.folder / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text() + f"env | grep ^SBATCH_ | sort > {stub.folder}/variables\n")
    users = {"PARTITION": "cpu", "TIMELIMIT": "1", "ARRAY_INX": "0-9", "WAIT": "1", "ACCOUNT": "lab", "QOS": "long"}
    for name, value in users.items():
        monkeypatch.setenv(f"SBATCH_{name}", value)
    submit(PLAN, store, Site(partition="low", qos="short"), None, "run")
    assert (stub.folder / "variables").read_text() == "SBATCH_ACCOUNT=lab\n", "nothing else names an account"


def test_the_partition_of_the_users_shell_is_the_one_that_is_looked_at(
    store: Store, stub: StubCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "gone")
    with pytest.raises(InputError, match="ask for the partition 'gone', which is not here"):
        submit(PLAN, store, Site(), None, "run")
    monkeypatch.setenv("SBATCH_PARTITION", "cpu")
    submit(PLAN, store, Site(), None, "run")
    [batch] = stub.batches().values()
    assert {"partition": "cpu", "time": "30"}.items() <= options(batch).items()


@pytest.mark.parametrize(
    "line",
    [
        "7|PENDING|JobHeldUser||0:00|1:00:00|a\x85b\u2028c",
        "7|PENDING|JobHeldUser||0:00|1:00:00|a\r\n9|b|c|d|e|f|g",
        "7|PENDING|JobHeldUser||0:00|1:00:00|segrepro:run",
        "7|PENDING|JobHeldUser||0:00|1:00:00|segrepro:../../x:0",
        "7|PENDING|JobHeldUser||0:00|1:00:00|segrepro:run:99",
        "7_[1-3%2]|PENDING|JobHeldUser||0:00|1:00:00|segrepro:other:0",
        "CLUSTER: main",
        "",
    ],
)
def test_other_jobs_are_no_cells(store: Store, stub: StubCluster, line: str) -> None:
    submit(PLAN, store, Site(), None, "run")
    stub.queue([line, "101|PENDING|Resources||0:00|1:00:00|segrepro:run:0"])
    assert [entry.job.id for entry in cells_in_queue(store).values()] == ["101"]


def test_without_srun_nothing_is_submitted(store: Store, stub: StubCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    place = stub.folder / "bin"
    (place / "srun").unlink()
    (place / "cat").symlink_to(shutil.which("cat") or "")
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(InputError, match="srun is not installed here"):
        submit(PLAN, store, Site(), None, "run")

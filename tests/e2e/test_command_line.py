"""The command line as a user meets it: mistakes end in one sentence and exit code 2, and nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def segrepro(*words: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reproductions.cli", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plan", "mrcaa"], "unknown paper 'mrcaa'"),
        (["plan", "mrca", "--tier", "huge"], "unknown tier 'huge'"),
        (["plan", "mrca", "--arms", "mrca,magic"], "unknown arm 'magic'"),
        (["plan", "mrca", "--set", "mrca.num_round=3"], "there is no setting 'mrca.num_round'"),
        (["plan", "mrca", "--set", "mrca.num_rounds=-3"], "mrca.num_rounds"),
        (["plan", "mrca", "--set", "mrca.num_rounds"], "is not name=value"),
        (["run", "mrca", "--cluster", "moon"], "unknown cluster 'moon'"),
        (["plan", "mrca", "--data", "/nowhere"], "/nowhere"),
        (["plan", "mrca", "--generator", "/nowhere/model"], "/nowhere/model"),
        (["why", "nonsense"], "no cell 'nonsense'"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(tmp_path: Path, words: list[str], told: str) -> None:
    done = segrepro(*words, "--store", str(tmp_path / "store"))
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = segrepro("run", "mrca", "--tier", "smoke", "--store", str(tmp_path / "file" / "store"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_planning_writes_nothing_and_names_every_cell_once(tmp_path: Path) -> None:
    done = segrepro("plan", "mrca", "--json", "--store", str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells) > 20
    assert not (tmp_path / "store").exists()


def test_status_of_an_empty_store(tmp_path: Path) -> None:
    done = segrepro("status", "mrca", "--tier", "smoke", "--json", "--store", str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    assert {state["state"] for state in json.loads(done.stdout)} <= {"ready", "waiting"}


def test_a_terminated_command_ends_as_an_interrupted_one() -> None:
    """So that what it has put aside is removed."""
    code = (
        "import time\n"
        "from reproductions import cli\n"
        "def work():\n"
        "    try:\n"
        "        print('working', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print('tidied', flush=True)\n"
        "cli.app = work\n"
        "cli.main()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.terminate()
        assert process.stdout.read() == "tidied\n"
    assert process.returncode == 143

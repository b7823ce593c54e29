"""The command line as a user meets it: mistakes end in one sentence and exit code 2, and nothing is lost."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from methods.common.errors import InputError
from reproductions.cli import app
from reproductions.harness.known_plans import remember
from reproductions.harness.launcher import prepare, run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.study.registry import load_paper
from reproductions.study.request import Request
from tests.e2e.in_process import REPOSITORY, segrepro
from tests.harness.toy import draw_cell


def apart(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "reproductions.cli", *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


def here(*words: str) -> tuple[int, str]:
    """Run a command in this process, which is faster: exit code, and what it prints or what is wrong."""
    done = CliRunner().invoke(app, words)
    if isinstance(done.exception, InputError):
        return 2, str(done.exception)
    return done.exit_code, done.output


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
        (["logs", "seed0/warm_up/train"], "there is no store "),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(tmp_path: Path, words: list[str], told: str) -> None:
    done = segrepro(*words, "--store", str(tmp_path / "store"))
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store in which nothing has happened."""
    return str(Store.create(tmp_path / "store").root)


@pytest.mark.parametrize(
    "words", [("vae", "--tier", "smoke"), ("seed0/warm_up/train",), ("seed0/mrca/evaluate", "--arms", "mrca")]
)
def test_a_cell_of_any_paper_is_found_without_naming_the_paper(store: str, words: tuple[str, ...]) -> None:
    place = ("--store", store)
    code, output = here("logs", *words, *place)
    assert code == 0, output
    assert output.startswith(f"{words[0]} (")
    assert "0 attempt(s)\nno attempt has printed anything yet" in output
    code, output = here("why", *words, *place)
    assert code == 0, output
    assert "nothing like it is in the store yet" in output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["why", "nonsense"],
            "no cell 'nonsense' in the plans of mrca, instance_synthesis, sam_filter, seggen, diffumask_robust, checkpoints (--tier mini)",
        ),
        (["logs", "seed0/wram_up/train"], "nearest: seed0/warm_up/train"),
        (
            ["logs", "seed0/warm_up/train", "--paper", "sam_filter"],
            "no cell 'seed0/warm_up/train' in the plans of sam_filter ",
        ),
        (["logs", "vae", "--paper", "mrcaa"], "unknown paper 'mrcaa'"),
        (
            ["why", "vea", "--tier", "smoke", "--arms", "mrca"],
            "checkpoints cannot be planned: checkpoints have no arms",
        ),
    ],
)
def test_a_cell_that_is_nowhere_is_told_with_what_was_looked_through(store: str, words: list[str], told: str) -> None:
    code, output = here(*words, "--store", store)
    assert code == 2
    assert told in output


@pytest.fixture
def asked(store: str) -> Plan:
    """What a run of the store was asked for; older cells of another learning rate lie beside it."""
    place = Store(Path(store))
    request = Request("sam_filter", place, "smoke", ("sbd",), 1)
    plan, older = (
        load_paper("sam_filter").plan(replace(request, settings=settings))
        for settings in ({}, {"recipe.base_lr": "0.0375"})
    )
    for one in (plan, older):
        prepare(one, place)
    remember(place, plan.name, request.command(), request.record(), [cell.id for cell in plan])
    return plan


def test_a_cell_is_held_against_the_plans_that_its_store_was_asked_for(store: str, asked: Plan) -> None:
    [now] = [cell for cell in asked if cell.label == "seed0/sbd/train"]
    [older] = [cell for cell in Store(Path(store)).known_cells() if cell.label == now.label and cell.id != now.id]
    place = ("--store", store)
    assert here("why", now.id[:9], *place)[1].endswith("no difference: they are the same cell\n")
    code, output = here("why", older.id[:9], *place)
    assert code == 0, output
    assert re.search(r"^seed0/sbd/train +setting +config.recipe.base_lr +0.0375 +0.005$", output, re.MULTILINE)
    code, output = here("why", now.id[:9], *place, "--tier", "mini", "--paper", "sam_filter")
    assert "as asked now" in output
    assert re.search(r"config.recipe.iterations +2 +600", output)
    code, output = here("why", "seed0/sdb/train", *place)
    told = (
        "no cell 'seed0/sdb/train' in the plans of segrepro run sam_filter --tier smoke --seeds 1 --arms sbd "
        "(which runs of this store were asked for; --paper and --tier name others)"
    )
    assert (code, output.startswith(told)) == (2, True), output
    assert "; nearest: seed0/sbd/train" in output


def test_what_the_store_knows_is_told_without_a_plan(store: str, asked: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reproductions.commands.finding.load_paper", lambda paper: pytest.fail("planned"))
    cell = asked.targets[0]
    for words in (("logs", cell.id[:12]), ("status", cell.id[:12]), ("logs", "draw the miniature VOC")):
        code, output = here(*words, "--store", store)
        assert code == 0, output
    assert "draw the miniature VOC (" in output


def test_cells_of_an_imported_report_belong_to_the_plan_that_they_came_with(tmp_path: Path, store: str) -> None:
    """Their specs and logs do not come along."""
    place = Store(Path(store))
    [cell] = run_toy(place)
    (place.root / "specs" / f"{cell.id}.json").unlink()
    (place.root / "logs" / f"{cell.id}.log").unlink(missing_ok=True)
    remember(place, "toy-mini", "segrepro run toy", {}, [cell.id])
    assert json.loads(here("status", "--json", "--store", store)[1]) == {"toy-mini": {"done": 1}}
    code, output = here("logs", cell.id[:12], "--store", store)
    assert code == 0, output
    assert output.endswith("what they printed is not in this store\n")


def run_toy(store: Store) -> Plan:
    plan = Plan("toy-mini", (draw_cell(3),))
    assert run_in_process(plan, store, lambda: None).exit_code == 0
    return plan


def test_lines_are_whole_in_a_pipe(tmp_path: Path) -> None:
    code, output = here("plan", "sam_filter", "--seeds", "1", "--store", str(tmp_path / "store"))
    assert code == 0, output
    cells = output.partition("\n\n")[0].splitlines()[1:]
    assert max(map(len, cells)) > 80, "a terminal of 80 columns would cut them"
    assert all(re.fullmatch(r"\S.*\S  +\w+  +[0-9a-f]{12}  missing  +[0-9].*", line) for line in cells)


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["run", "mrca", "--max-gpu-hours", "0.1", "--cluster", "slurm", "--set", "recipe.betas=[0.9, 0.99]"], "plan"),
        (["plan", "mrca", "--generator", "no such generator"], "check"),
        (["retry", "mrca", "--arms", "no_aug", "--tier", "smoke", "--seeds", "1"], "run"),
    ],
)
def test_an_advised_command_is_about_the_same_plan_in_the_same_store(
    tmp_path: Path, words: list[str], verb: str
) -> None:
    store = Store.create(tmp_path / "a store").root
    (tmp_path / "site.toml").write_text("partition = 'gpu'\n")
    code, output = here(*words, "--store", str(store), "--site", str(tmp_path / "site.toml"))
    assert code == 2, output
    [command] = re.findall("`segrepro ([^`]*)`", output)
    follow = shlex.split(command)
    assert follow[:2] == [verb, "mrca"]
    assert str(store) in follow
    assert str(tmp_path / "site.toml") in follow
    code, output = here(*(["plan", *follow[1:]] if verb == "run" else follow))
    assert code == (2 if verb == "check" else 0), output
    assert "Usage" not in output


def test_a_store_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = apart("run", "mrca", "--tier", "smoke", "--store", str(tmp_path / "file" / "store"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_planning_writes_nothing_and_names_every_cell_once(tmp_path: Path) -> None:
    done = apart("plan", "mrca", "--json", "--store", str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout)["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells) > 20
    assert not (tmp_path / "store").exists()


def test_status_of_an_empty_store(store: str) -> None:
    done = segrepro("status", "mrca", "--tier", "smoke", "--json", "--store", store)
    assert done.returncode == 0, done.stderr
    assert {state["state"] for state in json.loads(done.stdout)} <= {"ready", "waiting"}


def test_status_takes_a_cell_of_any_paper_or_nothing(store: str) -> None:
    place = ("--store", store)
    code, output = here("status", "seed0/warm_up/train", "--tier", "smoke", *place)
    assert code == 0, output
    assert re.search(r"^state +open$", output, re.MULTILINE)
    code, output = here("status", "mrcaa", *place)
    assert code == 2
    assert "there is no paper 'mrcaa' (mrca, " in output
    assert "no cell 'mrcaa'" in output
    code, output = here("status", *place)
    assert (code, output) == (0, f"the store {store} holds no cell; `segrepro run PAPER` begins one\n")


TWO_CELLS = ("seed0/sbd/train", "seed0/sbd/evaluate", "--tier", "smoke")


@pytest.mark.parametrize(
    "words",
    [
        ("logs", "seed0/sbd/train"),
        ("why", "seed0/sbd/train"),
        ("status",),
        ("status", "sam_filter"),
        ("status", "seed0/sbd/train"),
        ("gc",),
        ("export", "sam_filter", "--to", "supplement.tar"),
        ("export-predictions", "seed0/sbd/evaluate", "--to", "predictions"),
        ("report", "sam_filter"),
        ("retry", "sam_filter"),
        ("cancel", "sam_filter"),
    ],
    ids=" ".join,
)
def test_a_store_that_is_not_there_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for place in ("nowhere", "photos"):
        assert here(*words, "--store", place) == (
            2,
            f"there is no store {tmp_path / place}; name another with --store or STORE=, or begin it with `segrepro run`",
        )
    assert [path.name for path in tmp_path.rglob("*")] == ["photos"], "looking makes nothing"


def test_what_needs_no_store_asks_for_none(tmp_path: Path) -> None:
    place = ("--store", str(tmp_path / "nowhere"))
    code, output = here("why", *TWO_CELLS, *place)
    assert code == 0, output
    assert "in                  what" in output
    assert here("settings", "sam_filter", "recipe.base_lr", *place)[0] == 0
    code, output = here("compare", str(tmp_path / "nowhere"), str(tmp_path))
    assert code == 2
    assert output == f"{tmp_path / 'nowhere'} is neither the folder of a report (records.json) nor a store"
    code, output = here("import", str(tmp_path / "s.tar"), *place)
    assert (code, output) == (2, f"there is no file {tmp_path / 's.tar'}; `segrepro export` writes one")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out", ["a file", "a file/below", "a link/x", "reports"])
@pytest.mark.parametrize("words", [("run", "--in-process"), ("report",)])
def test_reports_that_cannot_be_written_are_told_before_anything_runs(
    tmp_path: Path, store: str, words: tuple[str, ...], out: str
) -> None:
    (tmp_path / "a file").write_text("no folder")
    (tmp_path / "a link").symlink_to("nowhere")
    verb, *more = words
    plan = ("sam_filter", "--tier", "smoke", "--seeds", "1", "--arms", "sbd")
    (tmp_path / "reports" / "sam_filter").mkdir(parents=True)
    [folder] = load_paper("sam_filter").report_folders(
        Request("sam_filter", Store(Path(store)), "smoke", ("sbd",), 1), tmp_path / "reports"
    )
    folder.write_text("a file where the report would lie")
    code, output = here(verb, *plan, *more, "--store", store, "--out", str(tmp_path / out))
    assert code == 2, output
    assert re.fullmatch(r"[^;]* cannot be written \([^;]*: [A-Z][^;]*\); name another place with --out or OUT=", output)
    assert str(tmp_path / out) in output
    assert [path for path in (tmp_path / "reports").rglob("*") if path.is_file()] == [folder]
    assert not list((tmp_path / "store" / "cells").iterdir())


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

"""Commands in documents work: each is planned, with the options that the document gives, as `make` would run it."""

import csv
import json
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reproductions.study.registry import suite_papers
from tests.e2e.in_process import REPOSITORY, segrepro

DOCUMENTS = sorted([REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("*.md")])


def commands() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        text = document.read_text()
        blocks = re.findall(r"```(?:bash|sh|console)\n(.*?)```", text, re.DOTALL)
        lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
        inline = re.findall(r"`((?:make|segrepro) [^`\n]+)`", text)
        for line in [*lines, *inline]:
            line = line.split("  #")[0].strip()
            if line.startswith(("make ", "segrepro ", ".venv/bin/segrepro ")) and "..." not in line and "{" not in line:
                found.append((document.name, line))
    return sorted(set(found))


def underlying(command: str) -> list[list[str]]:
    """The segrepro calls behind a documented command; for make, what `make -n` says it would run."""
    words = shlex.split(command)
    if words[0] != "make":
        return every_paper(words[1:])
    dry = subprocess.run(
        ["make", "-n", "-o", ".venv/ready", *words[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert dry.returncode == 0, f"`{command}`: {dry.stderr}"
    calls = [shlex.split(line)[1:] for line in dry.stdout.splitlines() if line.startswith(".venv/bin/segrepro")]
    return [one for words in calls for one in every_paper(words)]


def every_paper(words: list[str]) -> list[list[str]]:
    """The same call for each paper of the suite where it names all of them."""
    if words[1:2] != ["all"]:
        return [words]
    return [[words[0], paper, *words[2:]] for paper in suite_papers()]


def test_documents_name_commands() -> None:
    assert len(commands()) >= 8


@pytest.mark.parametrize(("document", "command"), commands())
def test_a_documented_command_is_understood(document: str, command: str, tmp_path: Path) -> None:
    for words in underlying(command):
        if words[:1] in (["evaluate"], ["render"]):
            continue  # test_evaluate_command.py and test_sam_filter_render.py run these on small inputs
        if words and words[0] in ("run", "report", "retry", "cancel"):
            options = iter(words[1:])
            kept = ["plan"]
            for word in options:
                if word in ("--out", "--cluster", "--workers", "--max-gpu-hours", "--max-parallel", "--tensorboard"):
                    next(options)
                elif word not in ("--in-process", "--wait", "--force"):
                    kept.append(word)
            words = kept
        if document == "tour.md":
            continue  # test_the_tour_can_be_walked runs them
        if "--help" not in words and words[:1] not in (["compare"], ["palette-check"]):
            words = [*words, "--store", str(tmp_path / "store")]
        done = segrepro(*words)
        missing_outside = done.returncode == 2 and re.search(
            r"missing|has no train.json|no cell|there is no|is neither the folder of a report|nothing of this plan is finished",
            done.stderr + done.stdout,
        )
        assert done.returncode == 0 or missing_outside, f"{document}: `{command}` -> {done.stderr}"


def walked(command: str, folder: Path) -> list[str]:
    """A command of the tour as it is run in a folder: what `make` would call, patterns of file names filled in, everything in this process."""
    [words] = underlying(command)
    filled = []
    for word in words:
        found = (
            sorted(path.relative_to(folder).as_posix() for path in folder.glob(word)) if set(word) & set("*?") else []
        )
        filled += found or [word]
    return [*filled, "--in-process"] if words[0] == "run" else filled


@pytest.mark.slow
def test_the_tour_can_be_walked(tmp_path: Path) -> None:
    """Every command in its order, in one folder, on one store, with the answer that the page promises."""
    page = (REPOSITORY / "docs" / "tour.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    told = {}
    for command in [line for block in blocks for line in block.splitlines()]:
        done = segrepro(*walked(command, tmp_path), folder=tmp_path)
        assert done.returncode == 0, f"`{command}`: {done.stderr}"
        told[command] = " ".join((done.stdout + done.stderr).split())
    assert len(told) == sum(len(block.splitlines()) for block in blocks) >= 12

    def answer(start: str) -> str:
        return next(text for command, text in told.items() if command.startswith(start))

    assert "config.recipe.iterations 2 4" in answer("segrepro why seed0/sbd/train")
    assert "recipe.base_lr 0.005 float > 0 [MM] sbd" in answer("segrepro settings")
    assert "3 cells, 1 done, 2 missing" in answer("segrepro plan")
    assert "recipe.base_lr" in answer("segrepro compare")
    assert "config.recipe.base_lr" in answer("segrepro why seed0/sbd/evaluate")
    assert (tmp_path / "predictions" / "predictions.json").is_file()
    assert (tmp_path / "reports" / "generated" / "index.html").is_file()
    wrong = segrepro("plan", "sam_filter", "--tier", "smoke", "--set", "base_lr=0.001", folder=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.strip() in page


def test_documents_hold_no_place_of_one_machine() -> None:
    for document in DOCUMENTS:
        assert not re.search(r"(/home/|/root/|/Users/|/tmp/)", document.read_text()), document.name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_page_of_benchmarks_holds_what_was_measured() -> None:
    from benchmarks.summary import PAGE, page

    assert PAGE.read_text() == page(), "run `python benchmarks/summary.py` again"


def test_the_readme_compares_evaluators_with_the_faster_peer_of_each_run() -> None:
    with (REPOSITORY / "benchmarks" / "results" / "amd-epyc-zen4-2cores-fp32.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    runs = [row["extra"] for row in rows if row["file"] == "bench_peers.py"]
    shares = [[float(share) for share in re.findall(r"share_of_[a-z_]+(?<!cpu)_s ([\d.]+)", run)] for run in runs]
    assert {len(of_run) for of_run in shares} == {2}
    of_faster = [max(of_run) for of_run in shares]
    page = (REPOSITORY / "README.md").read_text()
    assert f"take {min(of_faster):.2f} to {max(of_faster):.2f} of the time" in page
    maps = [row["extra"] for row in rows if row["benchmark"].startswith("whole_command")]
    of_decoding = [float(share) for run in maps for share in re.findall(r"times_pure_decoding ([\d.]+)", run)]
    assert len(of_decoding) == 5
    assert f"take {min(of_decoding):.2f} to {max(of_decoding):.2f} of the time that OpenCV" in page


def test_the_worked_examples_hold_the_numbers_of_their_runs() -> None:
    """Each mean and interval in the tables of docs/own-data.md is in the results that a run wrote."""
    page = (REPOSITORY / "docs" / "own-data.md").read_text()
    shown = [(float(mean), float(half)) for mean, half in re.findall(r"(\d+\.\d\d) ± (\d+\.\d\d)", page)]
    rows = []
    for name in ("own_data_results.csv", "own_semantic_results.csv"):
        with (REPOSITORY / "docs" / "examples" / name).open(newline="") as file:
            rows += [
                [float(row[key]) for key in ("ours_mean", "ours_low", "ours_high")] for row in csv.DictReader(file)
            ]
    assert len(shown) == len(rows) == 36
    for mean, half in shown:
        assert any(abs(mean - row[0]) < 0.006 and abs(half - (row[2] - row[1]) / 2) < 0.006 for row in rows), (
            mean,
            half,
        )


def test_the_start_from_imagenet_gains_what_its_kept_runs_say() -> None:
    page = (REPOSITORY / "docs" / "own-data.md").read_text()
    found: dict[tuple[str, str], list[float]] = {}
    with (REPOSITORY / "docs" / "examples" / "imagenet_start_results.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault((row["data"], row["start"]), []).append(float(row["value"]))
    for data in ("emoji_lvis", "camvid"):
        columns = [found[data, start] for start in ("scratch", "imagenet")]
        gains = np.subtract(*reversed(columns))
        low, high = stats.t.interval(0.95, len(gains) - 1, gains.mean(), stats.sem(gains))
        shown = [", ".join(f"{value:.1f}" for value in values) for values in columns]
        assert f"| {shown[0]} | {shown[1]} | {gains.mean():+.1f} [{low:+.1f}, {high:+.1f}] |" in page, data


def test_the_readme_says_what_the_kept_mini_runs_took() -> None:
    page = (REPOSITORY / "README.md").read_text()
    runs = json.loads((REPOSITORY / "docs" / "examples" / "mini_runs.json").read_text())
    for paper, run in runs.items():
        name = paper.replace("_branch_b", "` with `--arms branch_b")
        numbers = rf"\| {run['seeds']} \| {run['cells']} \| {int(run['cpu_s']):,} \|"
        assert re.search(rf"^\| `{name}`[^|]* {numbers}$", page, re.MULTILINE), paper
        with (REPOSITORY / "docs" / "examples" / f"{paper}_mini_results.csv").open(newline="") as file:
            assert len({row["seed"] for row in csv.DictReader(file) if row["value"]}) == run["seeds"]
    assert f"[{runs['mrca']['cells']}/{runs['mrca']['cells']}]" in page


def test_python_of_the_readme_runs_on_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reproductions.mrca.paper import PAPER
    from reproductions.study.reporting import render_report
    from tests.unit.report_synthetic import synthetic_report

    [code] = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    render_report(PAPER, synthetic_report(), tmp_path / "reports" / "generated" / "mrca" / "mini")
    monkeypatch.chdir(tmp_path)
    *statements, expression = code.strip().splitlines()
    names: dict[str, object] = {}
    exec("\n".join(statements), names)
    frame = eval(expression, names)
    assert ("mrca", "mrca", "AP_mask") in frame.index
    assert list(frame.columns) == ["mean", "std", "count"]

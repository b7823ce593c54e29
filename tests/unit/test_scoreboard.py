"""The scoreboard says what the reports say, of each paper and request, without any store; and ``all`` means every paper, whatever fails."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reports.records import Report
from reports.scoreboard import ClaimSummary, Entry, Summary, read_entries, summarise, write_scoreboard
from reproductions.commands import several
from reproductions.harness.store import Store
from reproductions.study import registry
from reproductions.study.request import Request
from tests.unit.report_synthetic import synthetic_report

HOURS = 3.5


@pytest.fixture(scope="module")
def report() -> Report:
    made = synthetic_report()
    source = made.run.provenance.model_copy(update={"cpu_s": HOURS * 3600, "dirty": "abc"})
    return made.model_copy(update={"run": made.run.model_copy(update={"provenance": source})})


def keep(summary: Summary, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(summary.model_dump_json())


def test_a_summary_counts_the_verdicts_of_its_report(report) -> None:
    found = summarise(report)
    assert [(claim.id, claim.verdict, claim.control) for claim in found.claims] == [
        (claim.id, claim.verdict, claim.control) for claim in report.claims
    ]
    held = [claim for claim in report.claims if claim.verdict == "holds" and not claim.control]
    assert found.count("holds") == len(held)
    assert found.count("holds", controls=True) == sum(one.verdict == "holds" for one in report.claims) - len(held)
    assert found.cpu_hours == HOURS
    assert found.gpu_hours is None
    assert not found.is_clean
    assert found.num_arms == len({result.arm for result in report.results})


def test_every_report_below_the_folder_has_its_row_and_its_own_counts(report, tmp_path) -> None:
    one = summarise(report)
    other = one.model_copy(update={"tier": "paper", "claims": one.claims[:1]})
    own = one.model_copy(update={"differs": "only the arms a|b <i>", "paper_id": "another", "paper_title": "Another"})
    keep(one, tmp_path / "mrca" / "mini")
    keep(other, tmp_path / "mrca" / "paper")
    keep(own, tmp_path / "own data" / "another" / "mini-x")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "summary.json").write_text('{"paper_id"')
    write_scoreboard(tmp_path)
    entries = read_entries(tmp_path)
    assert [entry.folder for entry in entries] == ["mrca/paper", "mrca/mini", "own data/another/mini-x"]
    rows = [line for line in (tmp_path / "index.md").read_text().splitlines() if "report.md" in line]
    assert "(own%20data/another/mini-x/report.md)" in rows[2]
    assert f"| {one.count('holds')} | {one.count('equivalent')} | {one.count('not resolved')} |" not in rows[0]
    verdicts = ("holds", "equivalent", "not resolved", "contradicted", "not run")
    assert " | ".join(str(one.count(verdict)) for verdict in verdicts) in rows[1]
    page = (tmp_path / "index.html").read_text()
    assert "a|b &lt;i&gt;" in page
    assert f"{HOURS:.2f} CPU h" in page
    cards = page.split('<article class="standing">')[1:]
    assert [re.search(r'href="([^"]+)"', card)[1] for card in cards] == [
        f"{entry.folder.replace(' ', '%20')}/report.html" for entry in entries
    ]
    assert 'href="mrca/paper/report.html#claim-C1"' in cards[0]


def test_smoke_comes_last_is_said_to_decide_nothing_and_controls_are_told_beside_the_claims(report, tmp_path) -> None:
    one = summarise(report)
    control = ClaimSummary(id="K1", wording="A control.", verdict="not resolved", control=True)
    smoke = {"tier": "smoke", "paper_title": "A first title", "claims": (control,), "cpu_hours": 25 / 3600}
    keep(one, tmp_path / "mrca" / "mini")
    keep(one.model_copy(update=smoke), tmp_path / "first" / "smoke")
    page = write_scoreboard(tmp_path).read_text()
    assert [entry.folder for entry in read_entries(tmp_path)] == ["mrca/mini", "first/smoke"]
    [faint] = page.split('<article class="standing faint">')[1:]
    assert page.count("their numbers are meaningless, so they decide no claim") == 1
    assert "These arms decide none of the paper's claims." in faint
    assert "Controls that the paper lacks: 1 not resolved" in faint
    (tmp_path / "first" / "smoke" / "summary.json").unlink()
    assert "meaningless" not in write_scoreboard(tmp_path).read_text()


@pytest.mark.parametrize(
    ("cpu", "gpu", "words"),
    [
        (25 / 3600, None, "25 CPU s"),
        (0.5, 1 / 60, "30 CPU min, 1 GPU min"),
        (1.0, 12.4, "1.00 CPU h, 12 GPU h"),
        (None, 0.0, "–"),
    ],
)
def test_a_cost_is_told_in_the_unit_that_shows_it(report, cpu: float | None, gpu: float | None, words: str) -> None:
    assert Entry("", summarise(report).model_copy(update={"cpu_hours": cpu, "gpu_hours": gpu})).cost == words


def test_the_same_reports_give_the_same_bytes(report, tmp_path) -> None:
    keep(summarise(report), tmp_path / "mrca" / "mini")
    before = write_scoreboard(tmp_path).read_bytes(), (tmp_path / "index.md").read_bytes()
    assert before == (write_scoreboard(tmp_path).read_bytes(), (tmp_path / "index.md").read_bytes())


# --- all papers


@dataclass
class Told:
    id: str


@pytest.fixture
def papers(monkeypatch) -> list[str]:
    names = ["one", "two", "three"]
    monkeypatch.setattr(registry, "suite_papers", lambda: tuple(names))
    monkeypatch.setattr(registry, "load_paper", Told)
    return names


def request_of(paper: str, folder: Path, **more: object) -> Request:
    return Request(paper, Store(folder), "smoke", **more)  # type: ignore[arg-type]


def test_a_failure_of_one_paper_does_not_keep_the_others_from_being_done(papers, tmp_path, capsys) -> None:
    done = []

    def work(paper: Told, request: Request) -> int:
        assert request.paper_id == paper.id
        done.append(paper.id)
        if paper.id == "one":
            raise InputError("its data are not there")
        if paper.id == "two":
            raise ZeroDivisionError("a mistake of ours")
        return 0

    assert several.for_each_paper(request_of("all", tmp_path), tmp_path, work) == 1  # type: ignore[arg-type]
    assert done == papers
    told = capsys.readouterr()
    assert "one: its data are not there" in told.err
    assert "ZeroDivisionError" in told.err
    assert re.findall(r"^(\w+) +(\d)$", told.out, re.MULTILINE) == [("one", "2"), ("two", "1"), ("three", "0")]


def test_an_interruption_ends_it_and_success_of_all_is_success(papers, tmp_path) -> None:
    asked = request_of("all", tmp_path)
    done = []

    def interrupted(paper: Told, request: Request) -> int:
        done.append(paper.id)
        return 130

    assert several.for_each_paper(asked, tmp_path, interrupted) == 130  # type: ignore[arg-type]
    assert done == ["one"]
    assert several.for_each_paper(asked, tmp_path, lambda paper, request: 0) == 0


def test_options_of_one_paper_are_refused_for_all(papers, tmp_path) -> None:
    for more in ({"arms": ("a",)}, {"data": tmp_path}, {"settings": {"a": "1"}}):
        with pytest.raises(InputError, match="one paper"):
            several.for_each_paper(request_of("all", tmp_path, **more), tmp_path, lambda paper, request: 0)


def test_the_suite_is_every_paper_of_ours_and_no_plan_that_writes_into_the_checkout() -> None:
    assert "checkpoints" not in registry.suite_papers()
    assert {"mrca", "sam_filter"} <= set(registry.suite_papers()) < set(registry.paper_ids())


def test_one_papers_mistake_is_still_told_to_the_user(papers, tmp_path) -> None:
    def work(paper: Told, request: Request) -> int:
        raise InputError("its data are not there")

    with pytest.raises(InputError, match="not there"):
        several.for_each_paper(request_of("one", tmp_path), tmp_path, work)  # type: ignore[arg-type]

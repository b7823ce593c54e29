"""``segrepro compare``: what was asked differently, paired tests by the rules of claims, verdicts that changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from methods.common.errors import InputError
from reports.comparison import Change, comparison_page
from reports.records import Arm, Backbone, ClaimOutcome, Metric, Provenance, Report, Result, Run
from reproductions.cli import app
from reproductions.harness.known_plans import remember
from reproductions.harness.store import Store
from reproductions.study import reporting
from reproductions.study.paper import StudiedPaper
from reproductions.study.request import Request
from reproductions.verdicts.comparison import compare

SEEDS = (0, 1, 2, 3)


def report(
    values: dict[str, list[float]], cells: str = "a", claims: dict[str, str] | None = None, **run: object
) -> Report:
    about = {"paper_id": "mrca", "paper_title": "M", "tier": "mini", "data": "drawn", "seeds": SEEDS, "command": "c"}
    return Report(
        run=Run.model_validate({**about, "provenance": Provenance(commit="x"), **run}),
        arms=tuple(Arm(id=arm, title=arm.upper()) for arm in values),
        backbones=(Backbone(id="tiny", title="Tiny"),),
        metrics=(Metric(id="AP", title="AP"),),
        results=tuple(
            Result(arm=arm, backbone="tiny", seed=seed, metrics={"AP": value}, cells=(f"{cells}{arm}{seed}",))
            for arm, row in values.items()
            for seed, value in enumerate(row)
        ),
        claims=tuple(
            ClaimOutcome(id=key, wording=f"claim {key}", source="s", rule="", verdict=verdict, reason="", evidence=())  # type: ignore[arg-type]
            for key, verdict in (claims or {}).items()
        ),
    )


BEFORE = [20.0, 22.0, 19.0, 21.0]


def only_change(left: Report, right: Report) -> Change:
    [found] = compare(left, right, "L", "R").changes
    return found


def test_one_arm_is_tested_as_pairs_of_its_seeds() -> None:
    after = [23.1, 24.8, 22.2, 23.9]
    found = only_change(report({"x": BEFORE}), report({"x": after}, "b"))
    expected = stats.ttest_rel(after, BEFORE)
    assert (found.left, found.right) == (pytest.approx(20.5), pytest.approx(23.5))
    assert found.mean == pytest.approx(np.mean(after) - np.mean(BEFORE))
    assert found.p_value == pytest.approx(expected.pvalue), "alone there are no other arms to learn the noise from"
    interval = expected.confidence_interval()
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert (found.verdict, found.seeds_needed) == ("higher", None)
    back = only_change(report({"x": after}), report({"x": BEFORE}, "b"))
    assert (back.verdict, back.mean) == ("lower", pytest.approx(-found.mean))


def test_noise_is_not_called_a_change_and_seeds_are_told() -> None:
    found = only_change(report({"x": BEFORE}), report({"x": [22.0, 20.5, 21.5, 20.0]}, "b"))
    assert found.verdict == "not resolved"
    assert found.seeds_needed is not None
    assert found.seeds_needed > 4


def test_a_small_sure_difference_is_equivalent() -> None:
    found = only_change(report({"x": BEFORE}), report({"x": [20.05, 21.96, 19.04, 20.94]}, "b"))
    assert found.verdict == "equivalent"


def test_the_same_cells_are_no_test_and_add_no_noise_twice() -> None:
    left = report({"x": BEFORE, "y": [30.0, 33.0, 29.0, 32.5]})
    other = [20.5, 23.0, 18.0, 22.0]
    both = report({"x": other, "y": [30.0, 33.0, 29.0, 32.5]}, "b")
    same_y = both.model_copy(update={"results": (*both.results[:4], *left.results[4:])})
    once, again = compare(left, same_y, "L", "R").changes
    assert (again.verdict, again.p_value, again.mean) == ("the same runs", None, 0.0)
    apart = report({"x": BEFORE, "z": [30.0, 33.0, 29.0, 32.5]}), report({"x": other}, "b")
    [alone] = compare(*apart, "L", "R").changes
    assert (once.low, once.high) == (pytest.approx(alone.low), pytest.approx(alone.high)), "y counts once"
    twice = compare(left, both, "L", "R").changes[0]
    assert twice.high != pytest.approx(once.high)


def test_p_values_are_corrected_together() -> None:
    after = {"x": [20.9, 23.1, 19.7, 22.2], "y": [31.5, 33.2, 30.6, 32.9]}
    left, right = report({"x": BEFORE, "y": [30.0, 33.0, 29.0, 32.5]}), report(after, "b")
    x, y = compare(left, right, "L", "R").changes
    uncorrected = [only_p(left, right, arm) for arm in ("x", "y")]
    low, high = sorted(uncorrected)
    assert sorted([x.p_value, y.p_value]) == [pytest.approx(2 * low), pytest.approx(max(2 * low, high))]  # type: ignore[type-var]


def only_p(left: Report, right: Report, arm: str) -> float:
    from reproductions.verdicts.variance import paired_difference

    by_arm = {f"{side}{one.id}": side_report.by_seed(one.id, "tiny", "AP") for side, side_report in (("l", left), ("r", right)) for one in side_report.arms}  # fmt: skip
    found = paired_difference(by_arm, f"r{arm}", f"l{arm}")
    assert found is not None
    assert found.p_value is not None
    return found.p_value


def test_one_seed_is_no_test() -> None:
    left, right = report({"x": BEFORE[:1]}), report({"x": [25.0]}, "b")
    found = only_change(left, right)
    assert (found.p_value, found.low, found.verdict) == (None, None, "not resolved")


def test_settings_arms_and_claims_that_differ_are_told() -> None:
    left = report(
        {"x": BEFORE, "y": BEFORE}, claims={"C1": "holds", "C2": "not resolved"}, study={"a": {"lr": 1, "n": 2}}
    )
    right = report(
        {"x": BEFORE, "z": BEFORE}, "b", {"C1": "contradicted", "C2": "not resolved", "C3": "holds"}, study={"a": {"lr": 3, "n": 2}}, seeds=(0, 1)
    )  # fmt: skip
    found = compare(left, right, "L", "R")
    assert [(one.name, one.left, one.right) for one in found.settings] == [
        ("seeds", [0, 1, 2, 3], [0, 1]),
        ("a.lr", 1, 3),
    ]
    assert (found.only_left, found.only_right, found.settings_known) == (("y",), ("z",), True)
    assert [(one.id, one.left, one.right) for one in found.claims] == [
        ("C1", "holds", "contradicted"),
        ("C3", None, "holds"),
    ]
    page = comparison_page(found)
    for line in ("| a.lr | 1 | 3 |", "| C3 | claim C3 | not asked | holds |", "Only in the left report: y."):
        assert line in page
    assert "too old" not in page
    assert "too old to tell its settings" in comparison_page(compare(report({"x": BEFORE}), right, "L", "R"))


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["compare", *words])
    if isinstance(done.exception, InputError):
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_reads_folders_and_names_mistakes(tmp_path: Path) -> None:
    from tests.unit.report_synthetic import synthetic_report

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        synthetic_report().save(tmp_path / name / "records.json")
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    page = run(one, two, "--out", str(tmp_path / "out"))
    assert "the same runs" in page
    assert (tmp_path / "out" / "compare.md").read_text() == page
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == json.loads(run(one, two, "--json"))
    assert "reports lie in one, two below it" in run(str(tmp_path), one)
    (tmp_path / "one" / "records.json").write_text('{"run": {"paper_id": "mrca"}}')
    assert "is of another version or was edited" in run(one, two)
    (tmp_path / "one" / "records.json").write_text("{")
    assert "records.json is torn" in run(one, two)
    other = json.loads((tmp_path / "two" / "records.json").read_text())
    other["run"]["paper_id"] = "unknown"
    (tmp_path / "one" / "records.json").write_text(json.dumps(other))
    assert "unknown paper 'unknown'" in run(one, two)


def test_of_a_store_only_what_the_other_was_asked_for_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder and a store of two papers: the folder's request is found in it, wherever its own run kept its work."""
    store, collected = Store.create(tmp_path / "store"), []
    for paper in ("sam_filter", "mrca"):
        request = Request(paper, store, "smoke", num_seeds=1)
        remember(store, f"{paper}-smoke", request.command(), request.record(), [])

    def judged(paper: StudiedPaper, request: Request) -> list[Report]:
        collected.append(request.paper_id)
        return [report({"x": BEFORE})]

    monkeypatch.setattr(reporting, "judged_reports", judged)
    from tests.unit.report_synthetic import synthetic_report

    command = "segrepro run mrca --tier smoke --seeds 1 --store '/else where/s' --site a.toml"
    one = synthetic_report()
    (tmp_path / "one").mkdir()
    one.model_copy(update={"run": one.run.model_copy(update={"command": command})}).save(
        tmp_path / "one" / "records.json"
    )
    assert "Only in the left report" in run(str(tmp_path / "one"), str(store.root))
    assert collected == ["mrca"]
    page = run(str(store.root), str(store.root))
    assert page.count("# Two reports compared") == 2
    (tmp_path / "two").mkdir()
    one.save(tmp_path / "two" / "records.json")
    assert "the two have no request in common" in run(str(tmp_path / "two"), str(store.root))
    assert len(collected) == 5

"""What papers declare fits together: arms, ledger, targets and claims, over every studied paper."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.markdown import tables_section
from reports.tables import deviations_that_apply
from reproductions.harness.store import Store
from reproductions.mrca.paper import PAPER as MRCA
from reproductions.sam_filter.arms import ARMS as FILTER_ARMS
from reproductions.sam_filter.arms import GeneratedPairs
from reproductions.sam_filter.paper import PAPER as SAM_FILTER
from reproductions.study.arms import Arm
from reproductions.study.ledger import LEDGER_FILE, read_ledger
from reproductions.study.paper import StudiedPaper
from reproductions.study.registry import load_paper, paper_ids
from reproductions.study.request import Request
from reproductions.study.targets import read_lost_targets, read_targets
from reproductions.verdicts.claims import Claim
from reproductions.verdicts.verdict import judge
from tests.unit.report_synthetic import synthetic_report
from tests.unit.report_synthetic_sam_filter import synthetic_filter_report

PAPERS = [paper for name in paper_ids() if isinstance(paper := load_paper(name), StudiedPaper)]
BY_ID = pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.id)


def requests(paper: StudiedPaper, tmp_path) -> Iterator[Request]:
    """Every kind of request: the tier's own data and generator, own data, own objects."""
    store = Store(tmp_path)
    yield Request(paper.id, store)
    yield Request(paper.id, store, data=tmp_path)
    yield Request(paper.id, store, objects=tmp_path)


def arms_of(claim: Claim) -> set[str]:
    """Every arm that a claim's tests name, whatever the kind of test."""
    found: set[str] = set()
    for test in claim.tests:
        names = ("arm",) if hasattr(test, "left_title") else ("arm", "left", "right")  # else left and right are series
        found |= {getattr(test, name) for name in names if hasattr(test, name)} | set(getattr(test, "rights", ()))
    return found


def metrics_of(claim: Claim) -> set[str]:
    found: set[str] = set()
    for test in claim.tests:
        found |= set(getattr(test, "metrics", ())) | ({test.metric} if hasattr(test, "metric") else set())
    return found


def test_there_are_papers_to_look_at() -> None:
    assert {"mrca", "sam_filter"} <= {paper.id for paper in PAPERS}


@BY_ID
def test_arms_are_told_apart_and_say_what_they_are(paper: StudiedPaper, tmp_path) -> None:
    for request in requests(paper, tmp_path):
        arms = paper.known_arms(request)
        assert len({arm.id for arm in arms}) == len({arm.title for arm in arms}) == len(arms)
        for arm in arms:
            assert arm.what.endswith("."), arm.id
            assert arm.id.isidentifier(), arm.id
            assert not (arm.control and arm.not_run), arm.id


@BY_ID
def test_every_target_stands_at_an_arm_that_runs_or_says_why_not(paper: StudiedPaper) -> None:
    known = {arm.id: arm for arm in paper.arms}
    printed = (*read_targets(paper.folder), *read_lost_targets(paper.folder))
    for target in printed:
        assert target.arm in known, f"{target.table}: {target.arm} is no arm"
        assert not known[target.arm].control, f"{target.arm} is printed, so it is no control"
        assert target.metric in {metric.id for metric in paper.metrics}
    rows = {arm.id for arm in paper.arms if arm.row and not arm.control}
    if printed:
        assert rows == {target.arm for target in printed}


@BY_ID
def test_every_printed_backbone_has_one_of_ours_beside_it(paper: StudiedPaper) -> None:
    beside = {theirs for ours in paper.beside.values() for theirs in ours}
    assert set(paper.beside) <= set(paper.backbones)
    assert {target.backbone for target in read_targets(paper.folder)} <= beside


@BY_ID
def test_claims_name_only_arms_and_metrics_that_exist(paper: StudiedPaper, tmp_path) -> None:
    for request in requests(paper, tmp_path):
        runs = {arm.id for arm in paper.known_arms(request) if not arm.not_run}
        claims = paper.asked_claims(request)
        assert len({claim.id for claim in claims}) == len(claims)
        for claim in claims:
            assert arms_of(claim) <= runs, claim.id
            assert metrics_of(claim) <= {metric.id for metric in paper.metrics}, claim.id
            assert arms_of(claim) or all(hasattr(test, "scatter") for test in claim.tests), claim.id


@BY_ID
def test_every_topic_and_arm_of_the_ledger_is_one(paper: StudiedPaper) -> None:
    with (paper.folder / LEDGER_FILE).open(encoding="utf-8", newline="") as file:
        concerned = {name for row in csv.DictReader(file) for name in row["concerns"].split()}
    topics = {topic for arm in paper.arms for topic in arm.topics}
    assert concerned <= topics | {arm.id for arm in paper.arms}
    assert topics <= concerned, "a topic without an entry says nothing"


@BY_ID
def test_ledger_ids_are_in_order_and_every_entry_is_whole(paper: StudiedPaper) -> None:
    entries = read_ledger(paper.folder, paper.arms)
    assert [entry.id for entry in entries] == [f"D{number}" for number in range(1, len(entries) + 1)]
    marks = {part.split()[0] for part in paper.style.marks.rstrip(".").split(", ")}
    for entry in entries:
        assert entry.what
        assert entry.ours
        assert entry.reason
        assert entry.mark in marks, entry.id


def test_an_entry_that_concerns_nothing_known_is_noticed(tmp_path) -> None:
    header = "id,what,stated,ours,mark,reason,tiers,concerns,drawn_data,incomparable"
    (tmp_path / LEDGER_FILE).write_text(f"{header}\nD1,w,s,o,C,r,,filtred,,\n")
    with pytest.raises(AssertionError, match="D1 concerns"):
        read_ledger(tmp_path, [Arm("a", "A", "An arm.", None, topics=frozenset({"filtered"}))])


def test_every_filtered_arm_has_the_entries_of_the_filter() -> None:
    entries = {entry.id: entry for entry in SAM_FILTER.ledger(Request("sam_filter", Store(Path("nowhere"))))}
    filtered = {arm.id for arm in FILTER_ARMS if isinstance(arm.how, GeneratedPairs) and arm.how.filtered}
    assert {"sam_20k_equal_iterations", "random_same_mix_20k", "imagenet_sam_20k"} <= filtered
    for number in (5, 6, 27, 32, 44):
        assert set(entries[f"D{number}"].arms) == filtered
    pretrained = {arm.id: arm.how.pretraining for arm in FILTER_ARMS if isinstance(arm.how, GeneratedPairs)}
    assert set(entries["D18"].arms) == {arm for arm, kind in pretrained.items() if kind in ("va", "rcva", "va_noisy")}


def test_a_report_of_one_filtered_control_keeps_its_entries() -> None:
    whole = synthetic_filter_report()
    alone = [result for result in whole.results if result.arm == "sam_20k_equal_iterations"]
    shown = {entry.id for entry in deviations_that_apply(whole.model_copy(update={"results": tuple(alone)}))}
    assert {"D5", "D6", "D27", "D32", "D44"} <= shown
    assert "D7" not in shown


def test_a_row_that_is_not_run_says_why_in_table_and_verdict() -> None:
    made = synthetic_report()
    made = judge(made.model_copy(update={"not_run": {"bsgal": "its gradient cache is not built"}}), [])
    reasons = {outcome.arm: outcome.reason for outcome in made.outcomes if outcome.verdict == "not run"}
    assert reasons["bsgal"] == "no run of ours: its gradient cache is not built"
    assert reasons["divergen"] == "no run of ours"
    assert "Rows that are not run:\n\n- BSGAL: its gradient cache is not built." in tables_section(made)


def test_entries_about_held_out_images_go_where_nothing_is_held_out() -> None:
    store = Store(Path("nowhere"))
    kept = {entry.id for entry in MRCA.ledger(Request("mrca", store))}
    released = {entry.id for entry in MRCA.ledger(Request("mrca", store, settings={"split.feedback_split": "val"}))}
    assert kept - released == {"D32", "D53", "D54"}

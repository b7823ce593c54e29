"""``plan`` before anything published is there, and how it splits the cost by kind of stage and by arm."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from reproductions.cli import app
from reproductions.harness.cell import Cell
from reproductions.harness.cost import estimate, shares
from reproductions.harness.plan import Plan
from reproductions.harness.site import StageResources
from reproductions.harness.store import Store
from reproductions.study.registry import suite_papers
from tests.harness.toy import DRAW, WALK, DrawConfig, WalkConfig


def cell(label: str, seed: int, cost_s: float, start: Cell | None = None) -> Cell:
    inputs = {"start": [start]} if start is not None else {}
    stage, config = (DRAW, DrawConfig()) if start is None else (WALK, WalkConfig())
    return Cell(stage, config, Seeds(data=seed, training=seed), label, inputs, cost_s=cost_s, disk_bytes=10 * cost_s)


def test_what_arms_share_counts_for_each_and_what_they_have_alone_apart(tmp_path: Path) -> None:
    shared, own = cell("shared", 0, 3600.0), cell("own", 1, 7200.0)
    one, two, three = (cell(f"arm{seed}", seed, 360.0 * (seed + 1), start) for seed, start in enumerate((shared, shared, own)))  # fmt: skip
    plan = Plan("toy", (one, two, three), {"a": (one,), "b": (two,), "c": (three, two)})
    assert plan.askers == {
        shared.id: {"a", "b", "c"},
        own.id: {"c"},
        one.id: {"a"},
        two.id: {"b", "c"},
        three.id: {"c"},
    }
    store = Store(tmp_path)
    kinds, arms = shares(plan, store, estimate(plan, store, lambda _: StageResources(gpus=0, cpus=2)))
    assert {share.name: (share.num_missing, round(share.cpu_hours, 6), share.disk_bytes) for share in kinds} == {
        "prepare": (2, 6.0, 108_000.0),
        "train": (3, 1.2, 21_600.0),
    }
    assert {share.name: (share.num_missing, round(share.cpu_hours, 6), share.alone_disk_bytes) for share in arms} == {
        "a": (2, 2.2, 3600.0),
        "b": (2, 2.4, 0.0),
        "c": (5 - 1, 2 * (1 + 2 + 0.2 + 0.3), 72_000.0 + 10_800.0),
    }


def planned(*words: str) -> str:
    done = CliRunner().invoke(app, ["plan", *words])
    if isinstance(done.exception, InputError):
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("paper", suite_papers())
def test_the_paper_tier_is_counted_before_anything_is_there(
    paper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("SEGREPRO_DATA", "SEGREPRO_WEIGHTS"):
        monkeypatch.delenv(variable, raising=False)
    words = (paper, "--tier", "paper", "--seeds", "1", "--store", str(tmp_path / "store"))
    page = planned(*words)
    assert "assumed to be there, so ids are not final: " in page
    told = json.loads(planned(*words, "--json"))
    assert len(told["assumed"]) >= 3
    assert len(told["arms"]) > 4
    hours = sum(cost["gpu_hours"] for cost in told["costs"])
    assert hours > 100, "of GPUs, though there is none here"
    assert sum(share["gpu_hours"] for share in told["kinds"]) == pytest.approx(hours)
    assert max(share["gpu_hours"] for share in told["arms"]) <= hours
    assert not list(tmp_path.iterdir()), "planning leaves nothing"


def test_only_what_is_published_is_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("mrca", "--tier", "paper", "--store", str(tmp_path / "store"))
    assert "there is no" in planned(*words, "--generator", "nowhere")
    (tmp_path / "weights").mkdir()
    done = CliRunner().invoke(app, ["run", *words])
    assert "is missing: there is no" in str(done.exception), "a run assumes nothing"

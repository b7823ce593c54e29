"""``segrepro settings``: what is listed of each setting, and which arms a change of it touches."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field
from typer.testing import CliRunner

from methods.common.errors import InputError
from methods.common.stage import Config
from reproductions.cli import app
from reproductions.harness.store import Store
from reproductions.study.registry import load_paper
from reproductions.study.request import Request
from reproductions.study.setting_rows import Setting, is_like, settings_of, touched_arms


class Inner(Config):
    size_px: int = Field(default=4, ge=1, le=9)
    """Side. Table 2 and Eq. 3 [B]"""
    rule: Literal["a", "b"] = "a"
    """Which."""


class Outer(Config):
    inner: Inner = Inner()
    """A part."""
    base_lr: float = Field(default=0.5, gt=0)
    """Rate. [B]"""
    num_iterations: int = 3
    """How many."""
    stages: tuple[int, ...] = (1, 2)
    """Which ones."""
    weights: Path | None = None
    """Where."""
    pair: tuple[float, float] = (0.0, 1.0)
    """Both."""


def test_each_setting_has_its_type_bounds_unit_value_and_source() -> None:
    assert list(settings_of(Outer())) == [
        Setting(
            "inner.size_px",
            "int",
            ">= 1, <= 9",
            "pixels",
            "4",
            "Table 2 Eq. 3 [B]",
            "Side. Table 2 and Eq. 3 [B]",
        ),
        Setting("inner.rule", "a or b", "", "", '"a"', "", "Which."),
        Setting("base_lr", "float", "> 0", "", "0.5", "[B]", "Rate. [B]"),
        Setting("num_iterations", "int", "", "", "3", "", "How many."),
        Setting("stages", "list of int", "", "", "[1,2]", "", "Which ones."),
        Setting("weights", "Path or none", "", "", "null", "", "Where."),
        Setting("pair", "list of 2 float", "", "", "[0.0,1.0]", "", "Both."),
    ]


def test_arms_are_touched_whose_cells_change() -> None:
    def ids(config: Outer) -> Mapping[str, list[str]]:
        if config.num_iterations > 3:
            raise ValueError("too long")
        shared = f"{config.base_lr}"
        return {"one": [shared, config.inner.rule], "two": [shared], "three": [str(config.num_iterations)]}

    def touched(name: str) -> tuple[str, ...] | None:
        return touched_arms(Outer(), name, ids, ids(Outer()))

    assert touched("base_lr") == ("one", "two")
    assert touched("inner.rule") == ("one",)
    assert touched("num_iterations") == ("three",), "a value that cannot be planned is passed over"
    assert touched("inner.size_px") == ()


def test_what_cannot_be_changed_is_not_told() -> None:
    def never(config: Outer) -> Mapping[str, list[str]]:
        if config != Outer():
            raise KeyError("no")
        return {"one": []}

    assert touched_arms(Outer(), "base_lr", never, {"one": []}) is None


@pytest.mark.parametrize(
    ("pattern", "fits"), [("", True), ("LR", True), ("recipe", True), ("*base_lr", True), ("base*", False)]
)
def test_patterns(pattern: str, fits: bool) -> None:
    assert is_like("recipe.base_lr", pattern) == fits


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        (
            "xpaste.from_warm_up",
            ("xpaste", "bsgal", "bsgal_running", "bsgal_trial_step", "xpaste_clip", "xpaste_both", "divergen"),
        ),
        ("no_aug_iterations", ("no_aug",)),
        ("expected_step_s", ()),
    ],
)
def test_arms_of_settings_of_a_real_study(name: str, arms: tuple[str, ...], tmp_path: Path) -> None:
    [rows] = load_paper("mrca").settings(Request("mrca", Store(tmp_path), tier="smoke"), f"*{name}").values()
    assert {row.name: row.arms for row in rows}[name] == arms


def test_a_setting_of_every_training_touches_every_arm(tmp_path: Path) -> None:
    paper, request = load_paper("mrca"), Request("mrca", Store(tmp_path), tier="smoke")
    [[row]] = paper.settings(request, "recipe.base_lr").values()
    assert row.arms is not None
    assert {"no_aug", "xpaste", "mrca"} <= set(row.arms)


def test_the_list_is_printed_at_tier_paper_before_anything_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["settings", "mrca", "warm_up_iterations", "--tier", "paper", "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "resnet50:" in lines
    [row] = [line.split() for line in lines if line.startswith("warm_up_iterations ")][:1]
    assert row[:5] == ["warm_up_iterations", "90000", "int", ">=", "1"]
    assert "warm_up_iterations: Length of the training that gives M_0. [C D2]" in lines
    done = CliRunner().invoke(app, ["settings", "mrca", "zzz", "--store", str(tmp_path / "store")])
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == "no setting of mrca is like 'zzz'; `segrepro settings mrca --tier mini` lists all"
    done = CliRunner().invoke(app, ["settings", "mrca", "bsae_lr", "--store", str(tmp_path / "store")])
    assert "is like 'bsae_lr'; nearest: recipe.base_lr" in str(done.exception)

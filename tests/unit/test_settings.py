"""``--set``: what is not a setting, or no value for one, is told in one short sentence that leads to the right one."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from methods.common.errors import InputError
from methods.common.miniature.training_recipes import full_checkpoints
from methods.common.stage import Config
from reproductions.cli import app
from reproductions.mrca.recipe import mini
from reproductions.sam_filter import recipe as sam_filter
from reproductions.study.settings import changed, parse_settings

STUDIES: Mapping[str, Config] = {"mrca": mini(), "sam_filter": sam_filter.mini(), "checkpoints": full_checkpoints()}


@pytest.mark.parametrize("text", ["mrca.num_rounds", "=5", ""])
def test_the_example_that_is_advised_works(text: str, tmp_path: Any) -> None:
    with pytest.raises(InputError, match="is not name=value") as told:
        parse_settings([text])
    [command] = re.findall("`(.*)`", str(told.value))
    words = shlex.split(command)
    assert words.pop(0) == "segrepro"
    done = CliRunner().invoke(app, [*words, "--store", str(tmp_path / "store")])
    assert (done.exit_code, done.exception) == (0, None), done.output
    assert re.search(r"\d+ cells, 0 done", done.output)


@pytest.mark.parametrize(
    ("paper", "name", "nearest"),
    [
        ("mrca", "base_lr", ["recipe.base_lr"]),
        ("mrca", "mrca.num_rounds", ["mrca.rounds.num_rounds"]),
        ("mrca", "mrca.rounds.num_round", ["mrca.rounds.num_rounds"]),
        ("mrca", "recipe.lr", ["recipe.base_lr"]),
        ("mrca", "paste.min_visible_px", ["mrca.pasting.paste.min_visible_px", "xpaste.pasting.paste.min_visible_px"]),
        ("mrca", "recipe.base_lr.x", ["recipe.base_lr"]),
        ("mrca", "segmenter.backbone.widths.0", ["segmenter.backbone.widths"]),
        ("sam_filter", "sheduler", ["synthesis.scheduler"]),
        ("checkpoints", "vae.learning_rate", ["vae.optimizer.learning_rate"]),
    ],
)
def test_a_wrong_name_gets_true_ones_by_their_full_path(paper: str, name: str, nearest: list[str]) -> None:
    config = STUDIES[paper]
    with pytest.raises(InputError, match=rf"^there is no setting '{re.escape(name)}'; nearest: ") as told:
        changed(config, {name: "1"})
    names = str(told.value).partition("nearest: ")[2].split(", ")
    assert names[: len(nearest)] == nearest
    assert len(names) <= 3
    for offered in names:
        value = config
        for part in offered.split("."):
            value = getattr(value, part)


def test_the_same_name_elsewhere_hides_what_is_only_alike() -> None:
    with pytest.raises(InputError, match=r"nearest: recipe\.base_lr$"):
        changed(STUDIES["mrca"], {"base_lr": "1"})


def test_a_name_like_none_gets_where_settings_lie() -> None:
    with pytest.raises(InputError, match=r"there is no setting 'zzz'; settings are below world, .*xpaste") as told:
        changed(STUDIES["mrca"], {"zzz": "1"})
    assert "expected" not in str(told.value), "single numbers are no places"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("recipe.base_lr", "fast", r"^setting recipe\.base_lr: Input should be a valid number.*\(given 'fast'\)$"),
        (
            "mrca.rounds.num_rounds",
            "5",
            r"^setting mrca\.rounds\.num_rounds: 5 rounds of 75 iterations are not main_iter",
        ),
        ("main_iterations", "12", r"^setting main_iterations: \d+ rounds of \d+ iterations are not main_iterations"),
        (
            "segmenter.backbone.widths",
            "[1, 2]",
            r"^setting segmenter\.backbone\.resnet: blocks names 3 stages and widths 2",
        ),
        (
            "mrca.cutting.rule.kind",
            "none",
            r"^setting mrca\.cutting\.rule: Input tag 'none' .*\(given \{'kind': 'none'\}\)$",
        ),
    ],
)
def test_a_wrong_value_is_told_without_the_whole_config(name: str, value: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        changed(STUDIES["mrca"], {name: value})
    assert len(str(error.value)) < 200


def test_settings_go_through_the_config_and_another_choice_takes_its_own_defaults() -> None:
    study = changed(STUDIES["mrca"], {"recipe.base_lr": "0.001", "mrca.cutting.rule.kind": "xpaste"})
    assert study.recipe.base_lr == 0.001
    assert study.mrca.cutting.rule.kind == "xpaste"
    assert changed(study, {}) == study


def test_a_choice_and_what_only_it_has_are_set_together_in_either_order() -> None:
    both = {"reference.trust_remote_code": "true", "reference.kind": "salient", "prompter.kind": "grounding_dino_sam"}
    for given in (both, dict(reversed(both.items()))):
        study = changed(sam_filter.paper(), given)
        assert (study.reference.kind, study.reference.trust_remote_code) == ("salient", True)
        assert study.prompter == sam_filter.paper().prompter
    with pytest.raises(InputError, match=r"no setting 'prompter\.trust_remote_code'; nearest: reference\.trust"):
        changed(sam_filter.paper(), {**both, "prompter.trust_remote_code": "true"})

"""No request overwrites the report of another: the folder says what was asked, and the page what differs from the plain request."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from reproductions.harness.store import Store
from reproductions.mrca.paper import PAPER
from reproductions.mrca.recipe import smoke
from reproductions.study.request import Request
from reproductions.study.request_name import RequestName, name_request

PLAIN = Request("mrca", Store(Path("store")), "smoke")


def name(**changes: object) -> RequestName:
    return name_request(PAPER, replace(PLAIN, **changes), smoke())  # type: ignore[arg-type]


def test_the_plain_request_keeps_the_plain_name() -> None:
    assert name() == RequestName("smoke", "")
    assert name(num_seeds=PAPER.num_seeds(PLAIN)) == RequestName("smoke", ""), "what is usual, said aloud"
    assert name(settings={"recipe.base_lr": str(smoke().recipe.base_lr)}) == RequestName("smoke", "")
    assert name(store=Store(Path("elsewhere"))) == RequestName("smoke", "")


@pytest.mark.parametrize(
    ("changes", "readable", "differs"),
    [
        ({"arms": ("no_aug", "xpaste")}, "smoke-no_aug+xpaste", "only the arms no_aug, xpaste"),
        (
            {"arms": ("no_aug", "xpaste", "mrca", "xpaste_double")},
            "smoke-4arms",
            "only the arms no_aug, xpaste, mrca, ",
        ),
        ({"num_seeds": 2}, "smoke-2seeds", "2 seeds instead of 1"),
        ({"settings": {"recipe.base_lr": "0.5"}}, "smoke-base_lr=0.5", "recipe.base_lr = 0.5 instead of 0.003"),
        (
            {"settings": {"xpaste.generation.prompts.templates": '["a {name} / b"]'}},
            "smoke-templates=_a_name_b",
            'xpaste.generation.prompts.templates = ["a {name} / b"] instead of ["a photo of a single {name}"]',
        ),
        ({"data": Path("photos")}, "smoke", "own data photos"),
        ({"generator": Path("my/model")}, "smoke-generator", "own generator model"),
    ],
)
def test_what_differs_is_in_the_name_and_told(changes: dict[str, object], readable: str, differs: str) -> None:
    found = name(**changes)
    start, _, digest = found.folder.rpartition("-")
    assert start == readable
    assert len(digest) == 6
    assert found.differs.startswith(differs)


def test_two_requests_have_two_names_and_one_has_one() -> None:
    settings = [{"recipe.base_lr": "0.5"}, {"recipe.base_lr": "0.25"}, {"entropy.max_images": "7"}]
    asked = [{"settings": one} for one in settings] + [
        {"arms": ("mrca",)},
        {"num_seeds": 2},
        {"data": Path("a/photos")},
    ]
    asked += [{"data": Path("b/photos")}, {"data": Path("a/photos"), "objects": Path("cut")}]
    assert len({name(**one).folder for one in asked}) == len(asked)
    both = {"entropy.max_images": "7", "recipe.base_lr": "0.5"}
    assert name(settings=both) == name(settings=dict(reversed(both.items())))
    assert (
        name(arms=("mrca", "xpaste")).folder.rpartition("-")[2]
        == name(arms=("xpaste", "mrca")).folder.rpartition("-")[2]
    )


def test_a_name_stays_short() -> None:
    long = name(settings={"xpaste.generation.prompts.templates": '["' + "x" * 500 + '"]'})
    assert len(long.folder) <= 67


def test_the_command_that_is_printed_does_the_same_again() -> None:
    """Typed as it stands, from any folder: store and site file are named, and what a shell reads is quoted."""
    request = replace(
        PLAIN,
        store=Store(Path("/tmp/my store")),
        site_file=Path("/tmp/a & b.toml"),
        data=Path("/data/it's mine"),
        num_seeds=1,
        arms=("no_aug",),
        settings={"few_shot.support.novel": '["bus"]'},
    )
    assert shlex.split(request.again("status")) == [
        *("segrepro", "status", "mrca", "--tier", "smoke", "--seeds", "1", "--arms", "no_aug"),
        *("--data", "/data/it's mine", "--set", 'few_shot.support.novel=["bus"]'),
        *("--store", "/tmp/my store", "--site", "/tmp/a & b.toml"),
    ]

"""No request overwrites the report of another: the folder says what was asked, and the page what differs from the plain request."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.harness.store import Store
from reproductions.mrca.paper import PAPER
from reproductions.mrca.recipe import smoke
from reproductions.study.registry import load_paper
from reproductions.study.request import Request
from reproductions.study.request_name import RequestName, name_request
from tests.unit.own_instances import write_own

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


def named(paper_id: str, tier: str = "smoke", **asked: object) -> list[RequestName]:
    """Names of the studies of a request, as they are written."""
    paper = load_paper(paper_id)
    request = Request(paper_id, Store(Path("store")), tier, **asked)  # type: ignore[arg-type]
    usual = {study.backbone: study for study in paper.studies(request)}  # type: ignore[attr-defined]
    return [name_request(paper, request, usual[one.study.backbone]) for one in paper.asked(request)]  # type: ignore[arg-type, attr-defined]


@pytest.mark.parametrize(
    ("paper", "tier", "backbone", "usual"),
    [
        ("sam_filter", "smoke", "mask2former_miniature", "convolutional"),
        ("mrca", "paper", "swinl", "resnet50, swinl"),
        ("instance_synthesis", "mini", "fastinst_miniature", "diffusioninst_miniature, fastinst_miniature"),
    ],
)
def test_another_backbone_is_another_request_by_its_name(paper: str, tier: str, backbone: str, usual: str) -> None:
    [found] = named(paper, tier, settings={"backbone": backbone})
    assert re.fullmatch(rf"{tier}-backbone={backbone}-[0-9a-f]{{6}}", found.folder)
    assert found.differs == f"backbone = {backbone} instead of {usual}"


def test_the_backbone_of_the_tier_said_aloud_is_the_plain_request() -> None:
    assert named("sam_filter", settings={"backbone": "convolutional"}) == [RequestName("smoke", "")]


def test_own_data_with_another_backbone_are_another_request(tmp_path: Path) -> None:
    own = {"data": write_own(tmp_path / "birds"), "arms": ("no_aug",)}
    [plain] = named("mrca", **own)
    [other] = named("mrca", **own, settings={"backbone": "efficientnet_lite0"})
    assert re.fullmatch(r"smoke-no_aug-[0-9a-f]{6}", plain.folder)
    assert re.fullmatch(r"smoke-no_aug-backbone=efficientnet_lite0-[0-9a-f]{6}", other.folder)
    assert other.differs.endswith("own data birds; backbone = efficientnet_lite0 instead of miniature")


@pytest.mark.parametrize(
    ("paper", "backbone", "told"),
    [
        (
            "sam_filter",
            "efficientnet_lite0",
            "setting backbone: tier smoke of sam_filter has no recipe for efficientnet_lite0; choose from convolutional, mask2former_miniature",
        ),
        ("mrca", "swinl", "setting backbone: tier smoke of mrca has no recipe for swinl; choose from miniature"),
    ],
)
def test_a_backbone_without_a_recipe_is_refused_not_only_written_over_the_numbers_of_another(
    paper: str, backbone: str, told: str
) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
        named(paper, settings={"backbone": backbone})

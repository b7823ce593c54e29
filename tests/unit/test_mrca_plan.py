"""The graph behind MRCA's tables: what is shared, what waits for what, what must not differ between tiers."""

import itertools
from pathlib import Path

import pytest

from methods.common.seeds import Seeds
from methods.mrca.stages.train import TrainConfig
from reproductions.harness.cell import Cell, External
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.mrca.arms import ARMS, LESS_ONE
from reproductions.mrca.paper import PAPER
from reproductions.mrca.plan import ArmCells, SeedPlanner
from reproductions.mrca.recipe import MrcaConfig, MrcaStudy, mini, paper_r50, paper_swinl, smoke
from reproductions.study.request import ALL_ARMS, Request
from reproductions.study.request_name import name_request

OUTSIDE = {
    role: External(Path("/nowhere"), role)
    for role in ("data", "generator", "xpaste_generator", "cutter", "clip", "backbone", "objects")
}


BY_ID = {arm.id: arm for arm in ARMS}


def planner(study: MrcaStudy, index: int = 0) -> SeedPlanner:
    outside = {role: place for role, place in OUTSIDE.items() if role != "objects"}
    return SeedPlanner(study, index, outside)


def cells_of(seed: SeedPlanner, arm: str) -> ArmCells:
    return seed.arm(BY_ID[arm])


def ancestors(cell: Cell) -> set[str]:
    return {found.id for found in Plan("all", (cell,))} - {cell.id}


def test_no_aug_is_the_warm_up_where_both_are_equally_long() -> None:
    seed = planner(mini())
    assert cells_of(seed, "no_aug").trains[-1].id == seed.warm_up.id
    assert cells_of(planner(paper_swinl()), "no_aug").trains[-1].id != planner(paper_swinl()).warm_up.id


def test_with_lag_two_a_round_is_generated_while_the_one_before_trains() -> None:
    for item in cells_of(planner(mini()), "mrca").rounds[1:]:
        before = cells_of(planner(mini()), "mrca").rounds[item.plan.number - 2].train
        assert before.id not in ancestors(item.images[0])
        assert before.id in ancestors(item.train)


def test_with_lag_one_generation_waits_for_the_round_before() -> None:
    study = mini()
    rounds = study.mrca.rounds.model_copy(update={"feedback_lag": 1})
    study = study.model_copy(update={"mrca": study.mrca.model_copy(update={"rounds": rounds})})
    cells = cells_of(planner(study), "mrca").rounds
    for before, item in itertools.pairwise(cells):
        assert before.train.id in ancestors(item.images[0])


def test_feedback_comes_from_held_out_images_never_from_val() -> None:
    for item in cells_of(planner(mini()), "mrca").rounds:
        if item.feedback is not None:
            assert item.feedback.config.split == "feedback"  # type: ignore[attr-defined]
    assert mini().split.feedback_split == "heldout_train"


def test_all_arms_of_a_seed_are_paired_and_equally_long() -> None:
    seed = planner(mini())
    totals = {}
    for arm in (
        cells_of(seed, "no_aug_double"),
        cells_of(seed, "xpaste"),
        cells_of(seed, "xpaste_equal_pool"),
        cells_of(seed, "xpaste_equal_paste"),
        cells_of(seed, "mrca"),
    ):
        configs = [cell.config for cell in arm.trains]
        assert all(isinstance(config, TrainConfig) for config in configs)
        totals[arm.wanted[0].label] = sum(c.last_iteration - c.first_iteration for c in configs)  # type: ignore[attr-defined]
        assert {cell.seeds.training for cell in arm.trains} == {0}
        assert {config.phase for config in configs} == {"warm_up", "main"}  # type: ignore[attr-defined]
    assert len(set(totals.values())) == 1, totals


def test_the_equal_pool_is_taken_from_the_large_one() -> None:
    seed = planner(mini())
    large = {cell.id for cell in cells_of(seed, "xpaste").pools}
    assert large <= ancestors(cells_of(seed, "xpaste_equal_pool").pools[0])
    rounds = mini().mrca.rounds
    assert cells_of(seed, "xpaste_equal_pool").equal_objects == rounds.num_rounds * rounds.objects_per_round


@pytest.mark.parametrize(
    "arm", ["no_aug", "no_aug_double", "xpaste", "xpaste_equal_pool", "xpaste_equal_paste", "xpaste_double", "mrca"]
)
def test_tiers_run_the_same_stages(arm: str) -> None:
    def stages(study: MrcaStudy) -> set[str]:
        cells = Plan("one", (cells_of(planner(study), arm).wanted[0],))
        return {cell.stage.name for cell in cells} - {"draw_lvis"}

    assert stages(smoke()) == stages(mini()) == stages(paper_r50()) == stages(paper_swinl())


def test_beside_table_1_the_controls_of_x_paste_train_as_long_as_mrca() -> None:
    """X-Paste's own row is 90,000 iterations from pretrained weights there, MRCA's 90,000 more after as many (MRCA section 3.2)."""

    def length(arm: str) -> int:
        configs = [cell.config for cell in cells_of(planner(paper_r50()), arm).trains]
        return sum(config.last_iteration - config.first_iteration for config in configs)  # type: ignore[attr-defined]

    controls = ("no_aug_double", "xpaste_equal_pool", "xpaste_equal_paste", "xpaste_double")
    assert {length(arm) for arm in (*controls, "mrca")} == {180_000}
    assert length("xpaste") == 90_000


def test_the_longer_x_paste_is_an_arm_and_a_claim_beside_table_1_alone(tmp_path) -> None:
    for study, runs in ((paper_r50(), True), (paper_swinl(), False), (mini(), False)):
        request = Request("mrca", Store(tmp_path), tier="paper" if study.world is None else "mini")
        assert (PAPER.impossible(BY_ID["xpaste_double"], request, study) is None) == runs
        assert any(claim.id == "K6" for claim in PAPER.study_claims(request, study)) == runs
        assert PAPER.impossible(BY_ID["xpaste_equal_paste"], request, study) is None


def test_more_measured_shards_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="entropy_shards must not be above num_shards"):
        MrcaConfig(num_shards=2, entropy_shards=3)


def test_budget_and_sizes_believe_an_accuracy_alike() -> None:
    for study in (smoke(), mini(), paper_r50(), paper_swinl()):
        assert study.mrca.budget.shrinkage == study.mrca.pasting.resizing.shrinkage


def test_paper_numbers_of_the_tables() -> None:
    r50, swinl = paper_r50(), paper_swinl()
    total = r50.mrca.rounds.num_rounds * r50.mrca.rounds.objects_per_round
    assert total == 72_180  # "72k"
    assert r50.xpaste.objects_per_class * r50.segmenter.num_classes == 1_203_000  # "1200k"
    assert r50.main_iterations == 90_000
    assert swinl.no_aug_iterations == 180_000
    assert swinl.warm_up_iterations + swinl.main_iterations == 180_000
    assert swinl.augmentation.size_px == 896
    assert r50.augmentation.size_px == 640


def test_rounds_that_do_not_fill_the_main_phase_are_refused() -> None:
    with pytest.raises(ValueError, match="main_iterations"):
        MrcaStudy.model_validate({**mini().model_dump(), "main_iterations": 7})


def test_generation_and_training_go_with_the_seed_and_data_do_not() -> None:
    assert [planner(mini(), index).seeds for index in (0, 2)] == [Seeds(), Seeds(data=0, generation=2, training=2)]


def asked(tier: str, arms: tuple[str, ...] | None = None) -> set[str]:
    request = Request("mrca", Store(Path("/nowhere")), tier=tier, arms=arms)  # type: ignore[arg-type]
    return {arm.id for one in PAPER.asked(request) for arm in one.arms}


def test_extra_arms_run_where_they_are_named_where_all_are_asked_for_and_at_smoke() -> None:
    extra = {arm.id for arm in ARMS if arm.extra}
    assert {"mrca_lag_1", "one_shot", "bsgal_running", "real_copy_paste"} <= extra
    assert not extra & {"mrca", "bsgal", "divergen", "xpaste", "xpaste_clip", "no_aug"}
    assert {arm.id for arm in LESS_ONE} <= extra
    for tier in ("mini", "paper"):
        assert not asked(tier) & extra
        assert asked(tier, ALL_ARMS) == asked(tier) | extra
        assert asked(tier, ("mrca", "one_shot")) == {"mrca", "one_shot"}
    assert asked("smoke") == asked("smoke", ALL_ARMS) >= extra


def test_every_arm_is_said_to_be_every_arm() -> None:
    request = Request("mrca", Store(Path("/nowhere")), tier="mini", arms=ALL_ARMS)
    assert name_request(PAPER, request, mini()).differs == "every arm"
    assert request.command() == "segrepro run mrca --tier mini --arms all"


def test_claims_of_variants_are_asked_where_their_arms_are() -> None:
    def ids(arms: tuple[str, ...] | None) -> set[str]:
        request = Request("mrca", Store(Path("/nowhere")), tier="mini", arms=arms)
        return {claim.id for claim in PAPER.study_claims(request, mini())}

    assert {"C1", "C6"} <= ids(None)
    assert "K11" not in ids(None)
    assert "K12" not in ids(None)
    assert "K12" in ids(ALL_ARMS)
    assert "K12" not in ids(("mrca_random_direction",))

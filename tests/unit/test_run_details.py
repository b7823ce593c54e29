"""What the page opens behind a number is what that number comes from: its own arm, its own seed, its own files."""

import pytest

from reports.drill import Details
from reports.records import Report
from reproductions.harness.cell import Cell
from reproductions.harness.plan import Plan
from reproductions.harness.store import Failure, Store
from reproductions.mrca.arms import ARMS
from reproductions.study.run_details import collect_details, neighbour
from tests.unit.report_runs import ITERATIONS, finish, first_loss, planners
from tests.unit.report_synthetic import synthetic_report
from tests.unit.told_store import number

SEEDS = (0, 1)
CHOSEN = [arm for arm in ARMS if arm.id in ("no_aug", "xpaste", "mrca")]
LOST = "seed1/mrca/round2/train"


@pytest.fixture(scope="module")
def report() -> Report:
    return synthetic_report()


@pytest.fixture(scope="module")
def cells() -> dict[str, Cell]:
    return {cell.label: cell for cell in _plan()}


def _plan() -> Plan:
    wanted = tuple(cell for planner in planners(SEEDS) for arm in CHOSEN for cell in planner.arm(arm).wanted)
    return Plan("mrca-mini", wanted)


@pytest.fixture(scope="module")
def details(report, tmp_path_factory) -> Details:
    store, plan = Store.create(tmp_path_factory.mktemp("store")), _plan()
    finish(store, [cell for cell in plan if cell.label != LOST and not cell.label.startswith("seed1/mrca/evaluate")])
    lost = next(cell for cell in plan if cell.label == LOST)
    store.write_failure(lost.id, Failure("error", "the loss is not finite", "", 1))
    return collect_details(planners(SEEDS), CHOSEN, plan, store, report)


@pytest.mark.parametrize("arm", ["no_aug", "xpaste", "mrca"])
@pytest.mark.parametrize("seed", SEEDS)
def test_behind_an_arm_and_a_seed_is_their_own_evaluation_and_all_that_it_is_made_from(details, cells, arm, seed):
    found = details.of(arm, "miniature", seed)
    evaluation = cells[f"seed{seed}/{arm}/evaluate"]
    assert found.runs[0] == evaluation.id
    assert set(found.runs) == {cell.id for cell in Plan("", (evaluation,))}
    trained = {details.runs[cell_id].label for cell_id in found.runs if details.runs[cell_id].kind == "train"}
    assert not any(label.startswith(f"seed{1 - seed}/") for label in trained), "a run of the other seed"


def test_every_run_tells_its_own_numbers_costs_and_log(details, cells) -> None:
    label = "seed0/xpaste/train"
    run = details.runs[cells[label].id]
    assert run.label == label
    assert run.state == "done"
    assert run.numbers == {"told": number(label, "told"), "metrics_mask.AP": number(label, "AP")}
    assert run.machine_s == number(label, "seconds"), "on a CPU its own time counts"
    assert run.wall_s == 3 * number(label, "seconds")
    assert run.memory_mib == number(label, "memory")
    assert run.log[-1].startswith(f"{label} says")
    assert run.inputs["split"] == (cells["split"].id,)


def test_curves_are_the_runs_own_with_parts_and_pace(details, cells) -> None:
    for label in ("seed0/xpaste/train", "seed1/xpaste/train", "seed0/warm_up/train"):
        curves = {one.name: one for one in details.runs[cells[label].id].curves}
        assert list(curves) == ["loss", "loss/a", "loss/b", "learning_rate", "gradient_norm", "images a second"]
        assert set(curves["loss"].values) == {first_loss(label)}
        assert curves["loss/b"].values[0] == 0.75 * first_loss(label)
        assert curves["loss"].iterations[-1] == ITERATIONS - 1
        assert len(curves["loss"].values) == 60
        assert set(curves["gradient_norm"].values) == {None}, "what is not finite is a gap"
        batch = cells[label].identity["config"]["recipe"]["batch_size"]
        assert curves["images a second"].values[30] == pytest.approx(batch / 0.5)


def test_means_of_a_thinned_curve_keep_the_mean_of_all(details, cells) -> None:
    rate = next(one for one in details.runs[cells["seed0/xpaste/train"].id].curves if one.name == "learning_rate")
    assert sum(rate.values) / len(rate.values) == pytest.approx(0.5, abs=0.01)
    assert list(rate.values) == sorted(rate.values, reverse=True)


def test_what_is_not_finished_says_so_and_why(details, cells) -> None:
    assert details.runs[cells["seed1/mrca/evaluate"].id].state == "not finished"
    lost = details.runs[cells[LOST].id]
    assert (lost.state, lost.message) == ("failed", "the loss is not finite")


def test_only_the_first_seed_shows_pictures(details, cells) -> None:
    assert [shown.title for shown in details.runs[cells["seed0/mrca/evaluate"].id].images]
    assert not details.runs[cells["seed1/xpaste/evaluate"].id].images


def test_a_neighbour_is_the_arm_that_a_claim_compares_with(report, details) -> None:
    assert neighbour(report, "mrca") == "xpaste", "C1 compares them"
    assert neighbour(report, "xpaste") == "no_aug", "the first row"
    assert neighbour(report, "no_aug") is None
    assert details.of("mrca", "miniature", 1).neighbour == "xpaste"


def test_differences_name_what_is_here_and_what_the_neighbour_has(details) -> None:
    found = {one.path: one for one in details.of("xpaste", "miniature", 1).differences}
    kind = found["config.pasting.kind"]
    assert (kind.here, kind.there) == ("xpaste", "none"), "no augmentation pastes nothing"
    assert kind.label == "seed1/xpaste/train"


def test_differences_name_only_settings_and_inputs_where_the_seed_is_the_same(details) -> None:
    for seed in SEEDS:
        kinds = {one.kind for one in details.of("mrca", "miniature", seed).differences}
        assert "setting" in kinds
        assert "seed" not in kinds


def test_a_config_is_kept_once(details, cells) -> None:
    same = {details.runs[cells[f"seed{seed}/xpaste/evaluate"].id].config for seed in SEEDS}
    assert len(same) == 1
    assert same <= details.configs.keys()
    assert len(details.configs) < len(details.runs)

"""What every cell of MRCA's plan is made of, against the schedule of MRCA section 3 written down by itself.

The tables below speak of labels alone: M(r) is the training whose end is M_r, and a round's images, pool and budget go by its number.
"""

import pytest

from methods.mrca.rounds import RoundsConfig
from methods.mrca.stages.budget import BudgetStageConfig
from methods.mrca.stages.cut import CutStageConfig
from methods.mrca.stages.evaluate import EvaluateConfig
from methods.mrca.stages.generate import GenerateConfig
from methods.mrca.stages.pasting import MrcaPasting, XPastePasting
from methods.mrca.stages.take import TakeConfig
from methods.mrca.stages.train import TrainConfig
from reproductions.harness.cell import Cell
from reproductions.mrca.arms import ARMS
from reproductions.mrca.plan import SeedPlanner
from reproductions.mrca.recipe import MrcaStudy, mini, paper_r50, paper_swinl
from tests.unit.plan_edges import differences, label_of, outside, table_of

ROUNDS, WARM_UP, NO_AUG, MAIN = 4, 70, 110, 480
"""Lengths that differ, so that one cannot stand for another."""
PLACES = outside("data", "generator", "xpaste_generator", "cutter", "sam_middle", "clip", "backbone")
BY_ID = {arm.id: arm for arm in ARMS}


def study(lag: int = 2, warm: bool = True, shards: int = 1) -> MrcaStudy:
    """The miniature one with lengths of its own; X-Paste has three shards, entropies are those of the first two of a round's."""
    made = mini()
    rounds = RoundsConfig(num_rounds=ROUNDS, objects_per_round=72, iterations_per_round=120, feedback_lag=lag)  # type: ignore[arg-type]
    changes = {
        "mrca": made.mrca.model_copy(update={"rounds": rounds, "num_shards": shards, "entropy_shards": min(shards, 2)}),
        "xpaste": made.xpaste.model_copy(update={"from_warm_up": warm, "num_shards": 3, "objects_per_class": 108}),
        "main_iterations": MAIN,
        "warm_up_iterations": WARM_UP,
        "no_aug_iterations": NO_AUG,
    }
    return made.model_copy(update=changes)


def settings(cell: Cell) -> str:
    """What of a config decides between arms and rounds."""
    match cell.config:
        case TrainConfig() as config:
            pasting = config.pasting
            of_round = f" of round {pasting.round_index}" if isinstance(pasting, MrcaPasting) else ""
            stretch = f"{config.first_iteration}..{config.last_iteration} of {config.recipe.iterations}"
            pasted = f"{pasting.kind}{of_round}"
            if isinstance(pasting, XPastePasting):
                sampler = pasting.sampler
                pasted += f", {sampler.min_objects_per_image} to {sampler.max_objects_per_image}"
            return f"{config.phase} {stretch}, {config.start}, pastes {pasted}"
        case GenerateConfig() as config:
            guided = "plain" if config.guidance is None else "guided"
            words = f"{len(config.prompts.templates)} prompts"
            return f"{config.pool} round {config.round_index}, part {config.shard_index} of {config.num_shards}, {words}, {guided}"
        case CutStageConfig() as config:
            return f"rule of {config.rule.kind} by {' '.join(config.cutters)}"
        case BudgetStageConfig() as config:
            return f"{config.objects} objects"
        case TakeConfig() as config:
            return f"{config.images_per_class} of each class of {config.generation.pool}"
        case EvaluateConfig() as config:
            return f"on {config.split}"
    return ""


BASE = {
    "draw_the_miniature_LVIS": "",
    "split": "data<-draw_the_miniature_LVIS",
    "warm_up/train": f"warm_up 0..{WARM_UP} of {WARM_UP}, scratch, pastes none | "
    "backbone, data<-draw_the_miniature_LVIS, split<-split",
}
SEEN = "data<-draw_the_miniature_LVIS"


def evaluation(model: str, split: str = "val") -> str:
    return f"on {split} | {SEEN}, model<-{model}, split<-split"


def energy_gap(arm: str, model: str) -> dict[str, str]:
    """DiverGen's measure of the arms without generated data, with X-Paste's and with its own."""
    return {f"{arm}/energy_gap": f"{SEEN}, model<-{model}, split<-split"}


def rounds_of_the_pseudo_code(lag: int, shards: int = 1) -> dict[str, str]:
    """MRCA section 3.9, line by line: s = r - lag steers round r; pools are cumulative (3.6); S is what M_s trained on (3.3).

    Rounds without feedback share one uniform budget. Beside them what MRCA section 10 measures: every model looks at the images of
    every round, and at the same images painted without guidance, both of the first two shards.
    """
    model = {0: "warm_up/train"} | {r: f"mrca/round{r}/train" for r in range(1, ROUNDS + 1)}
    part = ["/shard0", "/shard1", "/shard2"] if shards == 3 else [""]
    pools = {r: [f"mrca/round{r}{where}/cut" for where in part] for r in range(1, ROUNDS + 1)}
    all_models = " ".join(model.values())
    cells = dict(BASE)
    for r in range(1, ROUNDS + 1):
        name, s = f"mrca/round{r}", r - lag
        steered = f"feedback<-mrca/round{s}/feedback, " if s >= 1 else ""
        seen = " ".join(cut for number in range(1, s + 1) for cut in pools[number])
        weights = f"model<-{model[s]}, model_before<-{model[s - 1]}, pools<-{seen}, " if s >= 1 else ""
        guide = f"generator, guide<-{model[s]}" if s >= 0 else "generator"
        budget = f"{name}/budget" if s >= 1 else "mrca/round1/budget"
        cells[budget] = f"72 objects | {steered}{weights}split<-split"
        for number, where in enumerate(part):
            sampled = f"mrca round {r}, part {number} of {shards}, 7 prompts"
            images = f"{name}{where}/generate"
            cells[images] = f"{sampled}, {'guided' if s >= 0 else 'plain'} | budget<-{budget}, {guide}, split<-split"
            cells[pools[r][number]] = f"rule of mrca by cutter | clip, cutter, images<-{images}, split<-split"
            if s >= 0 and number < 2:
                cells[f"{name}{where}/unguided/generate"] = (
                    f"{sampled}, plain | budget<-{budget}, generator, split<-split"
                )
        for kind in ("", "/unguided") if s >= 0 else ("",):
            shown = " ".join(f"{name}{where}{kind}/generate" for where in part[:2])
            cells[f"{name}{kind}/entropy"] = f"images<-{shown}, models<-{all_models}"
        so_far = " ".join(cut for number in range(1, r + 1) for cut in pools[number])
        cells[model[r]] = (
            f"main {120 * (r - 1)}..{120 * r} of {MAIN}, {'weights' if r == 1 else 'resume'}, pastes mrca of round {r} | "
            f"{SEEN}, {steered}pool<-{so_far}, split<-split, start<-{model[r - 1]}"
        )
        if r + lag <= ROUNDS:
            cells[f"{name}/feedback"] = evaluation(model[r], "feedback")
    cells["mrca/evaluate"] = evaluation(model[ROUNDS])
    return cells


def rounds_of_a_given_pool(lag: int) -> dict[str, str]:
    """The same without anything generated: one pool from outside in every round."""
    model = {0: "warm_up/train"} | {r: f"mrca_given_pool/round{r}/train" for r in range(1, ROUNDS + 1)}
    cells = {**BASE, "import_objects": "objects, split<-split"}
    for r in range(1, ROUNDS + 1):
        s = r - lag
        steered = f"feedback<-mrca_given_pool/round{s}/feedback, " if s >= 1 else ""
        cells[model[r]] = (
            f"main {120 * (r - 1)}..{120 * r} of {MAIN}, {'weights' if r == 1 else 'resume'}, pastes mrca of round {r} | "
            f"{SEEN}, {steered}pool<-import_objects, split<-split, start<-{model[r - 1]}"
        )
        if r + lag <= ROUNDS:
            cells[f"mrca_given_pool/round{r}/feedback"] = evaluation(model[r], "feedback")
    cells["mrca_given_pool/evaluate"] = evaluation(model[ROUNDS])
    return cells


def xpaste(arm: str, warm: bool) -> dict[str, str]:
    """MRCA sections 5.1 and 6.5: one plain pool in shards; "equal pool" takes of it what MRCA makes in all rounds.

    "Equal pool and pasting" pastes one or two of them into an image as MRCA does (3.6). Controls go on from M_0 in any case.
    """
    warm = warm or arm != "xpaste"
    shards = range(3)
    cells = dict(BASE) if warm else {name: text for name, text in BASE.items() if name != "warm_up/train"}
    cells["xpaste/budget"] = f"{108 * 36} objects | split<-split"
    for shard in shards:
        cells[f"xpaste/shard{shard}/generate"] = (
            f"xpaste round 1, part {shard} of 3, 1 prompts, plain | budget<-xpaste/budget, generator, split<-split"
        )
        cells[f"xpaste/shard{shard}/cut"] = (
            f"rule of xpaste by cutter sam_middle | clip, cutter, images<-xpaste/shard{shard}/generate, sam_middle, split<-split"
        )
    pool = " ".join(f"xpaste/shard{shard}/cut" for shard in shards)
    if arm in ("xpaste_equal_pool", "xpaste_equal_paste"):  # 4 rounds of 72 objects are 8 of each of 36 classes
        cells[f"{arm}/take"] = f"8 of each class of xpaste | pool<-{pool}, split<-split"
        pool = f"{arm}/take"
    number = "1 to 2" if arm == "xpaste_equal_paste" else "0 to 5"
    begin = "weights" if warm else "scratch"
    start, backbone = (", start<-warm_up/train", "") if warm else ("", "backbone, ")
    cells[f"{arm}/train"] = (
        f"main 0..{MAIN} of {MAIN}, {begin}, pastes xpaste, {number} | {backbone}{SEEN}, pool<-{pool}, split<-split{start}"
    )
    cells[f"{arm}/evaluate"] = evaluation(f"{arm}/train")
    return cells | (energy_gap(arm, f"{arm}/train") if arm == "xpaste" else {})


def real_only() -> dict[str, dict[str, str]]:
    """The "No Aug." row, and the control that goes on from M_0 for as long as MRCA."""
    alone = {name: text for name, text in BASE.items() if name != "warm_up/train"}
    alone["no_aug/train"] = f"warm_up 0..{NO_AUG} of {NO_AUG}, scratch, pastes none | backbone, {SEEN}, split<-split"
    double = dict(BASE)
    double["no_aug_double/train"] = (
        f"main 0..{MAIN} of {MAIN}, weights, pastes none | {SEEN}, split<-split, start<-warm_up/train"
    )
    return {
        "no_aug": {**alone, "no_aug/evaluate": evaluation("no_aug/train"), **energy_gap("no_aug", "no_aug/train")},
        "no_aug_double": {**double, "no_aug_double/evaluate": evaluation("no_aug_double/train")},
    }


def check(planner: SeedPlanner, arm: str, wanted: dict[str, str]) -> None:
    found = table_of(planner.arm(BY_ID[arm]).wanted, settings)
    assert found == wanted, differences(found, wanted)


@pytest.mark.parametrize("lag", [1, 2])
def test_rounds_are_steered_as_the_pseudo_code_says(lag: int) -> None:
    check(SeedPlanner(study(lag), 0, PLACES), "mrca", rounds_of_the_pseudo_code(lag))


@pytest.mark.parametrize("lag", [1, 2])
def test_a_round_is_shared_out_over_cells_and_no_object_is_lost(lag: int) -> None:
    check(SeedPlanner(study(lag, shards=3), 0, PLACES), "mrca", rounds_of_the_pseudo_code(lag, shards=3))


@pytest.mark.parametrize("lag", [1, 2])
def test_with_a_given_pool_only_mapping_and_sizes_are_left(lag: int) -> None:
    check(SeedPlanner(study(lag), 0, PLACES | outside("objects")), "mrca_given_pool", rounds_of_a_given_pool(lag))


@pytest.mark.parametrize("arm", ["xpaste", "xpaste_equal_pool", "xpaste_equal_paste", "xpaste_double"])
@pytest.mark.parametrize("warm", [True, False])
def test_xpaste_pastes_its_own_pool_or_as_much_of_it_as_mrca_has(arm: str, warm: bool) -> None:
    check(SeedPlanner(study(warm=warm), 0, PLACES), arm, xpaste(arm, warm))


def test_xpaste_pastes_given_objects_where_there_are_some() -> None:
    train = SeedPlanner(study(), 0, PLACES | outside("objects")).arm(BY_ID["xpaste"]).trains[-1]
    assert [label_of(cell) for cell in train.inputs["pool"]] == ["import_objects"]


@pytest.mark.parametrize("arm", ["no_aug", "no_aug_double"])
def test_arms_on_real_images(arm: str) -> None:
    check(SeedPlanner(study(), 0, PLACES), arm, real_only()[arm])


def test_each_pool_is_made_by_the_generator_of_its_role() -> None:
    planner = SeedPlanner(study(), 0, PLACES)
    mrca, pasted = planner.arm(BY_ID["mrca"]), planner.arm(BY_ID["xpaste"])
    assert {cell.external["generator"].fingerprint for cell in mrca.images} == {"generator"}
    assert {cell.external["generator"].fingerprint for cell in pasted.images} == {"xpaste_generator"}


@pytest.mark.parametrize("recipe", [paper_r50, paper_swinl])
def test_with_data_from_outside_every_cell_that_reads_them_says_so(recipe) -> None:
    """LVIS is part of the identity of what is read from it: splits, pools (whose classes are LVIS'), trainings, results."""
    reads = {"mrca_split", "mrca_cut", "mrca_train", "mrca_evaluate", "mrca_energy_gap"}
    planner = SeedPlanner(recipe(), 0, PLACES)
    for arm in ("mrca", "xpaste", "no_aug_double"):
        for cell in planner.arm(BY_ID[arm]).behind:
            assert ("data" in cell.external) == (cell.stage.name in reads), cell.label


def test_rounds_know_whether_they_are_guided_and_which_images_are_twins() -> None:
    for lag, plain in ((1, []), (2, [1])):
        rounds = SeedPlanner(study(lag, shards=3), 0, PLACES).arm(BY_ID["mrca"]).rounds
        assert [item.plan.number for item in rounds if not item.is_guided] == plain
        for item in rounds:
            assert (item.entropy is item.twin_entropy) == (not item.is_guided)
            for image, twin in zip(item.images, item.twins, strict=False):
                assert twin.config == image.config.model_copy(update={"guidance": None})
                assert twin.inputs["budget"] == image.inputs["budget"]
    given = SeedPlanner(study(), 0, PLACES | outside("objects")).arm(BY_ID["mrca_given_pool"]).rounds
    assert not any(item.is_guided or item.entropy or item.twin_entropy for item in given)


def test_tables_of_one_run_share_what_no_model_is_behind_and_seeds_share_no_object() -> None:
    """X-Paste's pool and round 1 are painted once for both backbones, and anew for each seed."""
    r50, swinl, other = (
        SeedPlanner(recipe(), index, PLACES) for recipe, index in ((paper_r50, 0), (paper_swinl, 0), (paper_r50, 1))
    )

    def painted(planner: SeedPlanner) -> list[set[str]]:
        mrca, pasted = planner.arm(BY_ID["mrca"]), planner.arm(BY_ID["xpaste"])
        return [{cell.id for cell in cells} for cells in (pasted.images, pasted.pools, mrca.rounds[0].images)]

    assert painted(r50) == painted(swinl)
    assert [len(cells) for cells in painted(r50)] == [64, 64, 8]
    for one, another in zip(painted(r50), painted(other), strict=True):
        assert not one & another
    guided = [{cell.id for cell in planner.arm(BY_ID["mrca"]).rounds[1].images} for planner in (r50, swinl)]
    assert not guided[0] & guided[1]


def test_what_an_arm_reports_of_is_its_own() -> None:
    """Costs add up the cells behind an arm; a smaller pool counts as many objects as it may use."""
    planner = SeedPlanner(study(), 0, PLACES)
    cells = planner.arm(BY_ID["mrca"])
    rounds = range(1, ROUNDS + 1)
    assert [label_of(cell) for cell in cells.trains] == ["warm_up/train", *(f"mrca/round{r}/train" for r in rounds)]
    assert [label_of(cell) for cell in cells.images] == [f"mrca/round{r}/generate" for r in rounds]
    assert [label_of(cell) for cell in cells.pools] == [f"mrca/round{r}/cut" for r in rounds]
    equal = planner.arm(BY_ID["xpaste_equal_pool"])
    assert equal.equal_objects == ROUNDS * 72
    assert [label_of(cell) for cell in equal.pools] == ["xpaste_equal_pool/take"]
    assert [label_of(cell) for cell in equal.cuts] == [f"xpaste/shard{shard}/cut" for shard in range(3)]
    assert planner.arm(BY_ID["xpaste"]).equal_objects is None

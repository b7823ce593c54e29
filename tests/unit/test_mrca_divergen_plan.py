"""What DiverGen's cells, X-Paste + CLIP's and those of the option "both" are made of (MRCA sections 5.1, 5.2 and 5.4)."""

import pytest

from methods.mrca.stages.budget import BudgetStageConfig
from methods.mrca.stages.cut import CutStageConfig
from methods.mrca.stages.generate import GenerateConfig
from methods.mrca.stages.train import TrainConfig
from reproductions.harness.cell import Cell
from reproductions.mrca.arms import ARMS
from reproductions.mrca.plan import SeedPlanner
from reproductions.mrca.recipe import MrcaStudy, mini, paper_swinl
from tests.unit.plan_edges import differences, label_of, outside, table_of

PLACES = outside(
    "data", "xpaste_generator", "divergen_generator", "divergen_second", "divergen_upscaler", "extra_classes",
    "written_prompts", "cutter", "sam_middle", "sam_background", "u2net", "clipseg", "clip", "pretrained",
)  # fmt: skip
BY_ID = {arm.id: arm for arm in ARMS}
SEEN = "data<-draw_the_miniature_LVIS"


def settings(cell: Cell) -> str:
    match cell.config:
        case TrainConfig() as config:
            both = getattr(config.pasting, "real", None) is not None
            return f"{config.start}, {config.segmenter.extra_classes} extra{', with real ones' if both else ''}"
        case GenerateConfig() as config:
            return f"{config.pool}, part {config.shard_index} of {config.num_shards}"
        case CutStageConfig() as config:
            return f"{config.rule.kind}"
        case BudgetStageConfig() as config:
            return f"{config.objects}"
    return ""


def planner() -> SeedPlanner:
    return SeedPlanner(mini(), 0, PLACES)


def test_divergen_is_planned_as_its_section_says() -> None:
    """36 classes and 6 extra ones, 36 images of each, half by each generator: 42 x 18 = 756 for each, in two parts."""
    wanted = {
        "draw_the_miniature_LVIS": "",
        "split": SEEN,
        "warm_up/train": f"scratch, 0 extra | {SEEN}, pretrained, split<-split",
        "divergen/classes": f"{SEEN}, extra_classes, split<-split, written_prompts",
        "divergen/crops": f"clip, {SEEN}, split<-split",
        "divergen/budget": "756 | split<-divergen/classes",
    }
    pools = []
    for name, pool in (("first", "divergen"), ("second", "divergen_second")):
        for shard in range(2):
            images, cut = f"divergen/{name}/shard{shard}/generate", f"divergen/{name}/shard{shard}/cut"
            wanted[images] = (
                f"{pool}, part {shard} of 2 | budget<-divergen/budget, generator, prompts<-divergen/classes, "
                "split<-divergen/classes"
            )
            wanted[cut] = f"divergen | clip, crops<-divergen/crops, cutter, images<-{images}, split<-divergen/classes"
            pools.append(cut)
    wanted["divergen/train"] = (
        f"weights, 6 extra | classes<-divergen/classes, {SEEN}, pool<-{' '.join(pools)}, split<-split, start<-warm_up/train"
    )
    wanted["divergen/evaluate"] = f"{SEEN}, model<-divergen/train, split<-split"
    wanted["divergen/energy_gap"] = f"{SEEN}, model<-divergen/train, split<-split"
    found = table_of(planner().arm(BY_ID["divergen"]).wanted, settings)
    assert found == wanted, differences(found, wanted)


def test_each_half_is_painted_by_its_own_generator() -> None:
    images = planner().arm(BY_ID["divergen"]).images
    found = {(cell.config.pool, cell.external["generator"].fingerprint) for cell in images}
    assert found == {("divergen", "divergen_generator"), ("divergen_second", "divergen_second")}


def test_at_paper_scale_the_second_one_has_two_stages_and_sam_cuts() -> None:
    cells = SeedPlanner(paper_swinl(), 0, PLACES).arm(BY_ID["divergen"])
    second = [cell for cell in cells.images if cell.config.pool == "divergen_second"]
    assert {cell.external["upscaler"].fingerprint for cell in second} == {"divergen_upscaler"}
    assert all("upscaler" not in cell.external for cell in cells.images if cell.config.pool == "divergen")
    assert {cell.external["sam_background"].fingerprint for cell in cells.cuts} == {"sam_background"}
    assert cells.trains[-1].config.segmenter.trained_classes == 1453
    assert len(cells.images) == 128


def test_xpaste_cuts_by_those_of_its_networks_that_are_to_be_had() -> None:
    cuts = SeedPlanner(paper_swinl(), 0, PLACES).arm(BY_ID["xpaste"]).cuts
    assert {tuple(sorted(cell.external)) for cell in cuts} == {("clip", "clipseg", "data", "u2net")}


def test_xpaste_clip_filters_xpastes_own_pool() -> None:
    one = planner()
    xpaste, stand_in = one.arm(BY_ID["xpaste"]), one.arm(BY_ID["xpaste_clip"])
    (kept,) = stand_in.pools
    assert [cell.id for cell in kept.inputs["pool"]] == [cell.id for cell in xpaste.pools]
    assert [label_of(cell) for cell in stand_in.trains[-1].inputs["pool"]] == ["xpaste_clip/keep"]
    assert kept.config.min_clip_score == 70


@pytest.mark.parametrize(
    ("arm", "words"), [("xpaste", "weights, 0 extra"), ("xpaste_both", "weights, 0 extra, with real ones")]
)
def test_both_pastes_real_objects_too_and_nothing_else_changes(arm: str, words: str) -> None:
    one = planner()
    cells = one.arm(BY_ID[arm])
    assert settings(cells.trains[-1]) == words
    assert [cell.id for cell in cells.pools] == [cell.id for cell in one.arm(BY_ID["xpaste"]).pools]


@pytest.mark.parametrize(("study", "factor"), [(paper_swinl(), 20), (mini(), 1)], ids=["paper", "mini"])
def test_a_picture_of_two_stages_costs_as_many_as_its_calls_weigh(study: MrcaStudy, factor: float) -> None:
    """2 x (100 x 2.9 + 50 x 10) TFLOPs of DeepFloyd's stages against 2 x 50 x 0.8 of Stable Diffusion's."""
    images = SeedPlanner(study, 0, PLACES).arm(BY_ID["divergen"]).images
    seconds = {
        pool: sum(cell.cost_s for cell in images if cell.config.pool == pool)
        for pool in ("divergen", "divergen_second")
    }
    assert seconds["divergen_second"] / seconds["divergen"] == pytest.approx(factor)
    assert factor == 1 or factor == pytest.approx((100 * 2.9 + 50 * 10) / (50 * 0.8), rel=0.05)

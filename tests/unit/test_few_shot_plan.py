"""What every cell of the few-shot arms is made of, against InstSynth sections 4 to 6 written down by themselves; and how they are asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from methods.common.errors import InputError
from methods.common.stages.evaluate_cityscapes import EvaluateCityscapesConfig
from methods.instance_synthesis.stages.distill import DistillConfig
from methods.instance_synthesis.stages.features import FeaturesConfig
from methods.instance_synthesis.stages.generate import GenerateStageConfig
from methods.instance_synthesis.stages.integrate import IntegrateStageConfig
from methods.instance_synthesis.stages.random_extractor import RandomExtractorConfig
from methods.instance_synthesis.stages.select import SelectStageConfig
from methods.instance_synthesis.stages.sizes import SizesConfig
from methods.instance_synthesis.stages.support import SupportStageConfig
from methods.instance_synthesis.stages.train import TrainConfig
from reproductions.harness.cell import Cell
from reproductions.harness.store import Store
from reproductions.instance_synthesis.branch_b_arms import BRANCH_B_ARMS, RUNG_OF, SIZES_ARM
from reproductions.instance_synthesis.branch_b_metrics import few_shot_metrics, harmonic_mean
from reproductions.instance_synthesis.branch_b_recipe import mini, own_data, paper, smoke
from reproductions.instance_synthesis.paper import PAPER
from reproductions.instance_synthesis.plan import SeedPlanner
from reproductions.study.request import Request
from tests.unit.instance_frames import street_frame, write_cityscapes, write_coco
from tests.unit.plan_edges import differences, label_of, outside, table_of

GENERATORS = ("gligen", "inpainting", "blended")
PLACES = outside(*(f"{name}_generator" for name in GENERATORS), "backbone", "extractor")
BY_ID = {arm.id: arm for arm in BRANCH_B_ARMS}
IN_CORE = {arm.id for arm in BRANCH_B_ARMS if arm.asked_as == "branch_b"}
WORLD = "draw_the_street_of_few-shot_learning"
DATA = f"data<-{WORLD}"
KINDS = {
    "identity": "identity",
    "copy_paste": "copy_from_bank",
    "gligen": "gligen",
    "inpainting": "inpainting",
    "blended": "blended_latent",
}


def study():
    """Lengths of the stages differ, so that one cannot stand for the other."""
    made = mini()
    base = made.reproduced.model_copy(update={"recipe": made.reproduced.recipe.model_copy(update={"iterations": 30})})
    few_shot = made.few_shot.model_copy(update={"recipe": made.few_shot.recipe.model_copy(update={"iterations": 7})})
    return made.model_copy(update={"reproduced": base, "few_shot": few_shot})


def settings(cell: Cell) -> str:
    """What of a config decides between arms."""
    match cell.config:
        case TrainConfig() as config:
            backbone = config.segmenter.backbone
            of_generator = ""
            if backbone.kind == "generative":
                inside = backbone.extractor
                of_generator = (
                    f", {backbone.tuning} {inside.precision} {inside.networks.heads_kept:g} of {len(inside.taps)} taps"
                )
                of_generator += "" if inside.networks.unet.mid_block_type else ", no middle"
            words = [f"{config.recipe.iterations} steps from {config.start}"]
            words += [f"boxes {config.segmenter.diffusion.start}{of_generator}"]
            words += [
                f"ignoring {'+'.join(config.source.novel) or 'nothing'}",
                f"frozen {'+'.join(config.frozen) or 'nothing'}",
            ]
            return f"{', '.join(words)}, after {config.samples_before}"
        case DistillConfig() as config:
            sides = [
                f"{len(one.taps)} taps {one.precision} {one.networks.heads_kept:g}"
                for one in (config.teacher, config.student)
            ]
            middle = "" if config.student.networks.unet.mid_block_type else ", no middle"
            return f"{' from '.join(sides)}{middle}"
        case FeaturesConfig() as config:
            inside, sides = config.extractor, "+".join(map(str, config.short_sides_px))
            views = f"{sides} up to {config.max_long_side_px}{' mirrored' if config.mirrored else ''}"
            return f"{len(inside.taps)} taps {inside.precision} {inside.networks.heads_kept:g} of {config.source.split}, {views}"
        case RandomExtractorConfig() as config:
            return f"{len(config.extractor.taps)} taps of random weights"
        case SizesConfig() as config:
            return f"{len(config.rungs)} rungs at {config.image_px}"
        case SupportStageConfig() as config:
            return f"{config.shots} of {'+'.join(config.base)} and {'+'.join(config.novel)} of {config.split}"
        case SelectStageConfig() as config:
            return f"{config.num_variants} of {'+'.join(config.select.classes or ())}"
        case GenerateStageConfig() as config:
            return config.back_end.kind
        case IntegrateStageConfig() as config:
            return f"{'whole' if config.focus is None else 'focused'}, {config.paste.normalise}"
        case EvaluateCityscapesConfig() as config:
            return f"AP of {config.groups} on {config.split}"
    return ""


NOVEL = "truck+bus+train"
BASE = "person+rider+car+bicycle+motorcycle"
GROUPS = {"base": tuple(BASE.split("+")), "novel": tuple(NOVEL.split("+"))}


def base_stage(name: str, start: str = "backbone", boxes: str = "noise", more: str = "") -> dict[str, str]:
    """InstSynth section 6.1: base classes on all frames, novel instances ignored."""
    given = f"backbone, {DATA}" if start == "backbone" else DATA
    if name in MADE:
        given = f"backbone<-{MADE[name]}, {DATA}"
    given += f", features<-{name}/features" if name in LOOKED_AT else ""
    words = f"30 steps from {start}, boxes {boxes}{more}, ignoring {NOVEL}, frozen nothing, after 0"
    return {WORLD: "", f"base_{name}/train": f"{words} | {given}"}


def novel_stage(
    arm: str, base: str, shots: int | None, samples: str = "", boxes: str = "noise", more: str = ""
) -> dict[str, str]:
    """InstSynth section 6.1: from the base stage's weights, frozen backbone, on the support list and what was made of it."""
    ignoring = NOVEL if shots else "nothing"
    words = (
        f"7 steps from weights, boxes {boxes}{more}, ignoring {ignoring}, frozen backbone+pyramid, after {30 * BATCH}"
    )
    inputs = [DATA, *([f"features<-{base}/features"] if base in LOOKED_AT else [])]
    inputs += [*([f"samples<-{samples}"] if samples else []), f"start<-base_{base}/train"]
    inputs += [f"support<-support/{shots}"] if shots else []
    found = {f"{arm}/train": f"{words} | {', '.join(inputs)}"}
    if shots:
        found[f"support/{shots}"] = f"{shots} of {BASE} and {NOVEL} of train | {DATA}"
    return found


def evaluated(arm: str, model: str) -> dict[str, str]:
    return {f"{arm}/evaluate": f"AP of {GROUPS} on val | {DATA}, model<-{model}"}


BATCH = mini().reproduced.recipe.batch_size
BACKBONES = {
    "scratch": ("scratch", "", ""),
    "no_noise": ("backbone", "fixed", ""),
    "generator": ("backbone", "", ", frozen float32 1 of 3 taps"),
    "generator_random": ("backbone", "", ", frozen float32 1 of 3 taps"),
    "generator_scratch": ("scratch", "", ", all float32 1 of 3 taps"),
    "generator_lora": ("backbone", "", ", lora float32 1 of 3 taps"),
    "generator_half": ("backbone", "", ", frozen bfloat16 1 of 3 taps"),
    "generator_cut": ("backbone", "", ", frozen bfloat16 1 of 2 taps"),
    "generator_blocks": ("backbone", "", ", frozen bfloat16 1 of 2 taps, no middle"),
    "generator_heads": ("backbone", "", ", frozen bfloat16 0.5 of 2 taps"),
}
"""Start of the base stage, boxes, and what of a generator is said, of arms that compare backbones."""
LEARNT = {
    "generator_blocks": "2 taps float32 1 from 2 taps float32 1, no middle",
    "generator_heads": "2 taps float32 1 from 2 taps float32 0.5",
}
"""U-Nets that learn the features of the cut one, InstSynth section 6.2: the larger, and the smaller."""
MADE = {name: f"{name}/distill" for name in LEARNT} | {"generator_random": "generator_random/draw"}
"""Cells of a seed that generators come from, all others from outside."""
LOOKED_AT = {
    "generator": "3 taps float32 1",
    "generator_random": "3 taps float32 1",
    "generator_half": "3 taps bfloat16 1",
    "generator_cut": "2 taps bfloat16 1",
    "generator_blocks": "2 taps bfloat16 1",
    "generator_heads": "2 taps bfloat16 0.5",
}
"""Generators that no stage trains: their features are written once."""


def features(name: str) -> dict[str, str]:
    """InstSynth section 4: of all training images, as every training sees them, by the generator that the base stage has."""
    if name not in LOOKED_AT:
        return {}
    given = f"backbone<-{MADE[name]}" if name in MADE else "backbone"
    return {f"{name}/features": f"{LOOKED_AT[name]} of train, 96 up to 192 mirrored | {given}, {DATA}"}


def expected(arm: str) -> dict[str, str]:
    """The whole table of an arm, from its id alone."""
    what = arm.removeprefix("few_")
    if what == "base":
        return base_stage("pretrained") | evaluated(arm, "base_pretrained/train")
    if what in BACKBONES:
        start, boxes, more = BACKBONES[what]
        base = "pretrained_no_noise" if what == "no_noise" else what
        more_words = {"boxes": boxes or "noise", "more": more}
        learnt = {f"{base}/distill": f"{LEARNT[base]} | backbone, {DATA}"} if base in LEARNT else {}
        learnt |= {"generator_random/draw": "3 taps of random weights"} if base == "generator_random" else {}
        return (
            learnt
            | features(base)
            | base_stage(base, start, **more_words)
            | novel_stage(arm, base, 5, **more_words)
            | evaluated(arm, f"{arm}/train")
        )
    if what == "all":
        return base_stage("pretrained") | novel_stage(arm, "pretrained", None) | evaluated(arm, f"{arm}/train")
    shots, _, made = what.partition("_")
    cells = base_stage("pretrained") | evaluated(arm, f"{arm}/train")
    if not made:
        return cells | novel_stage(arm, "pretrained", int(shots))
    back_end, _, number = made.rpartition("_")
    manifest = f"support/{shots}_select_{number}"
    generator = ", generator" if back_end in GENERATORS else ""
    return (
        cells
        | novel_stage(arm, "pretrained", int(shots), samples=f"{arm}/integrate0")
        | {
            manifest: f"{number} of {NOVEL} | {DATA}, support<-support/{shots}",
            f"{arm}/generate0": f"{KINDS[back_end]} | {DATA}{generator}, manifest<-{manifest}",
            f"{arm}/integrate0": f"whole, histogram | {DATA}, manifest<-{manifest}, pictures<-{arm}/generate0",
        }
    )


@pytest.mark.parametrize("arm", BY_ID)
def test_every_cell_of_a_few_shot_arm_is_made_of_what_the_specification_says(arm: str) -> None:
    cells = SeedPlanner(study(), 0, PLACES).arm(BY_ID[arm])
    found = differences(table_of([*cells.wanted, *cells.behind], settings), expected(arm))
    assert not found, f"{arm}:\n{found}"


def test_arms_are_the_ones_that_the_hypotheses_need() -> None:
    made = {f"few_{k}_{name}_{n}" for k in (1, 5, 10) for name in KINDS for n in (1, 4)}
    backbones = {f"few_{name}" for name in BACKBONES}
    assert {"few_base", "few_1", "few_5", "few_10", "few_all", *made, *backbones} == set(BY_ID)
    usual = {f"few_5_{name}_{n}" for name in KINDS for n in (1, 4)} - {"few_5_identity_1"}
    ladder = {f"few_generator_{rung}" for rung in ("half", "cut", "blocks", "heads")}
    tuned = {"few_generator_scratch", "few_generator_lora"}
    assert {"few_base", "few_1", "few_5", "few_10", "few_all", *usual, *(backbones - ladder - tuned)} == IN_CORE
    assert {arm.id for arm in BRANCH_B_ARMS if arm.asked_as == "branch_b_tuned"} == tuned
    assert {arm.id for arm in BRANCH_B_ARMS if arm.asked_as == "branch_b_ladder"} == ladder


def test_generators_and_extractors_come_from_their_own_places() -> None:
    planner = SeedPlanner(study(), 0, PLACES)
    for name in GENERATORS:
        made = planner.arm(BY_ID[f"few_5_{name}_4"]).made
        assert {cell.external["generator"].fingerprint for cell in made.pictures} == {f"{name}_generator"}
    for name in RUNG_OF.keys() - MADE.keys():
        given = planner.arm(BY_ID[f"few_{name}"]).trains[0].external
        assert {role: place.fingerprint for role, place in given.items()} == (
            {} if name == "generator_scratch" else {"backbone": "extractor"}
        )
    assert planner.arm(BY_ID["few_5"]).trains[0].external["backbone"].fingerprint == "backbone"


def test_the_ladder_is_measured_once_on_an_image_of_the_evaluation() -> None:
    one, other = (SeedPlanner(study(), index, PLACES).arm(SIZES_ARM) for index in (0, 1))
    assert one.wanted == (one.sizes,)
    assert one.sizes.id == other.sizes.id
    assert {role: place.fingerprint for role, place in one.sizes.external.items()} == {"backbone": "extractor"}
    assert settings(one.sizes) == "6 rungs at (96, 192)"


def test_features_are_written_once_for_all_seeds_and_where_every_view_can_be_written() -> None:
    def cells(made, index: int, extractor: str):
        return SeedPlanner(made, index, PLACES | outside("data")).arm(BY_ID[f"few_{extractor}"])

    one, other = (cells(study(), index, "generator").trains[0].inputs["features"] for index in (0, 1))
    assert [cell.id for cell in one] == [cell.id for cell in other]
    assert one[0].external["backbone"].fingerprint == "extractor"
    one, other = (cells(study(), index, "generator_heads").trains[0].inputs["features"] for index in (0, 1))
    assert one[0].id != other[0].id, "each seed distils its own"
    for cell in cells(paper(), 0, "generator").behind:
        assert "features" not in cell.inputs, "crops of random places and sizes"


def test_features_are_of_images_as_the_segmenter_pads_them() -> None:
    """A generator with 64-pixel cells, which pads further than any default."""
    published = paper()
    seen_whole = published.reproduced.model_copy(update={"augmentation": mini().reproduced.augmentation})
    planner = SeedPlanner(published.model_copy(update={"reproduced": seen_whole}), 0, PLACES | outside("data"))
    train = planner.arm(BY_ID["few_generator"]).trains[0]
    [features] = train.inputs["features"]
    assert features.config.pad_multiple == train.config.segmenter.pad_multiple == 64


def test_every_seed_has_a_support_of_its_own_and_uses_no_other() -> None:
    for index in (0, 1):
        planner = SeedPlanner(study(), index, PLACES)
        cells = planner.arm(BY_ID["few_5_gligen_4"])
        assert cells.support.seeds.training == index
        for reader in (cells.trains[-1], cells.made.manifest):
            assert [cell.id for cell in reader.inputs["support"]] == [cells.support.id]
        assert cells.trains[0].seeds.training == index
        assert cells.made.manifest.seeds.generation == index
    one, other = (SeedPlanner(study(), index, PLACES).arm(BY_ID["few_5"]).support for index in (0, 1))
    assert one.id != other.id


def test_all_arms_train_as_long_in_both_stages() -> None:
    """InstSynth section 5.5 for the paper's base stage."""
    for tier in (smoke, mini, paper):
        planner = SeedPlanner(tier(), 0, PLACES | outside("data"))
        lengths = {
            tuple((one.config.recipe.iterations, one.config.recipe.batch_size) for one in planner.arm(arm).trains)
            for arm in BRANCH_B_ARMS
        }
        assert len({length for length in lengths if len(length) == 2}) == 1
        assert len(lengths) == 2, "and the base stage alone"
    base = SeedPlanner(paper(), 0, PLACES | outside("data")).arm(BY_ID["few_5"]).trains[0].config
    assert (base.recipe.iterations, base.recipe.batch_size, base.recipe.base_lr) == (90_000, 4, 2.5e-5)
    assert base.segmenter.num_proposals == 300
    assert base.segmenter.backbone.blocks == (3, 4, 6, 3)


# -- numbers -------------------------------------------------------------------------------------------------------------------


def test_the_harmonic_mean() -> None:
    assert harmonic_mean(30.0, 10.0) == pytest.approx(15.0)
    assert harmonic_mean(30.0, 0.0) == 0.0
    assert harmonic_mean(0.0, 0.0) == 0.0
    assert harmonic_mean(30.0, None) is None


def test_columns_are_those_of_their_groups() -> None:
    found = {"AP": 1.0, "AP50": 2.0, "AP_base": 30.0, "AP50_base": 50.0, "AP_novel": 10.0, "AP50_novel": 20.0}
    assert few_shot_metrics(found) == {"AP_base": 30.0, "AP_novel": 10.0, "AP50_novel": 20.0, "AP_harmonic": 15.0}


# -- asked for -----------------------------------------------------------------------------------------------------------------


def asked(tier: str, *arms: str):
    request = Request("instance_synthesis", Store(Path("/nowhere")), tier=tier, arms=arms or None)
    return {one.study.backbone: {arm.id for arm in one.arms} for one in PAPER.asked(request)}


def test_one_name_asks_for_the_branch_and_another_for_the_rest_of_the_grid() -> None:
    assert asked("mini", "branch_b") == {"diffusioninst_miniature": IN_CORE}
    every = asked("mini", "branch_b", "branch_b_grid", "branch_b_ladder", "branch_b_tuned")
    assert every == {"diffusioninst_miniature": {*BY_ID, "few_sizes"}}
    assert asked("mini", "few_5", "real") == {"diffusioninst_miniature": {"few_5"}, "fastinst_miniature": {"real"}}


def test_nobody_else_gets_it_and_smoke_tries_all_of_it() -> None:
    assert set(asked("mini")) == {"fastinst_miniature"}
    assert set(asked("paper")) == {"fastinst_r50", "oneformer_convnext_l", "oneformer_swin_l"}
    assert asked("smoke")["diffusioninst_miniature"] == {*BY_ID, "few_sizes"}


def test_a_wrong_name_is_told_the_names() -> None:
    with pytest.raises(
        InputError,
        match=r"unknown arm 'branch_c'; nearest: branch_b, .*; choose from .*blended_half.*, branch_b, branch_b_grid, branch_b_tuned, branch_b_ladder, or all alone",
    ):
        asked("mini", "branch_c")


def test_settings_are_those_of_the_study_that_is_asked_for() -> None:
    request = Request(
        "instance_synthesis",
        Store(Path("/nowhere")),
        arms=("branch_b",),
        settings={"few_shot.support.min_area_px": "7"},
    )
    (one,) = PAPER.asked(request)
    assert one.study.few_shot.support.min_area_px == 7
    with pytest.raises(InputError, match=r"there is no setting .few_shot\.support\.min_area_px"):
        PAPER.asked(replace(request, arms=("real",)))


# -- own data ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_cityscapes(tmp_path_factory.mktemp("own"), [street_frame(name="aachen_000000_000019")])
    return write_cityscapes(folder, [street_frame(name="bonn_000000_000019")], "val")


def asked_of_own(data: Path, *arms: str, tier: str = "mini"):
    request = Request("instance_synthesis", Store(Path("/nowhere")), tier=tier, arms=arms or None, data=data)
    return {one.study.backbone: {arm.id for arm in one.arms} for one in PAPER.asked(request)}


def test_own_data_get_few_shot_arms_where_they_are_named(own: Path) -> None:
    usual = {"fastinst_miniature": {"real", "zoom", "copy_paste", "inpainting"}}
    assert asked_of_own(own) == asked_of_own(own, tier="smoke") == usual
    assert asked_of_own(own, "few_1", "real") == {"diffusioninst_miniature": {"few_1"}, "fastinst_miniature": {"real"}}
    made = {"few_5_identity_4", *(f"few_5_{name}_{n}" for name in ("copy_paste", "inpainting") for n in (1, 4))}
    named = {"few_base", "few_1", "few_5", "few_10", "few_all", "few_no_noise", *made}
    assert asked_of_own(own, "branch_b") == {"diffusioninst_miniature": named}


def test_few_shot_arms_of_own_data_have_the_same_cells(own: Path) -> None:
    study_of_own = own_data(("person", "car"), 40, "mini")
    cells = SeedPlanner(study_of_own, 0, PLACES | outside("data")).arm(BY_ID["few_5_inpainting_4"])
    assert [label_of(cell) for cell in cells.trains] == ["base_pretrained/train", "few_5_inpainting_4/train"]
    assert all(cell.external["data"].fingerprint == "data" for cell in (*cells.trains, cells.support, cells.evaluation))
    assert cells.support.config.novel == ("truck", "bus", "train")


def test_few_shot_arms_ask_for_the_layout_that_keeps_ids(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_coco(tmp_path, np.eye(24, 48, dtype=bool)[None], split=split)
    with pytest.raises(InputError, match="lies in COCO's layout, and few-shot arms follow instances by the ids"):
        asked_of_own(tmp_path, "branch_b")

"""What every cell of SegGen's plan is made of, against SegGen sections 2, 4, 5, 6, 7, 9 and 11 written down by themselves."""

from pathlib import Path

import pytest

from methods.common.miniature.ade20k_view import DrawAde20kConfig
from methods.common.stages.evaluate_coco_instances import EvaluateCocoInstancesConfig
from methods.common.stages.evaluate_coco_panoptic import EvaluateCocoPanopticConfig
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.common.stages.training_sources import RealSource
from methods.seggen.mask2img.config import Mask2ImgTrainingConfig
from methods.seggen.mixing_config import ConcatenatedSource, MixedSegmentsSource, MixedSource
from methods.seggen.sampling.config import PaintImagesConfig, SampleMasksConfig
from methods.seggen.stages.alignment import AlignmentConfig
from methods.seggen.stages.captions import CaptionsConfig
from methods.seggen.stages.copies import CopiesConfig
from methods.seggen.stages.evaluate_voc import EvaluateVocConfig
from methods.seggen.stages.freemask_class_losses import ClassLossesConfig
from methods.seggen.stages.freemask_hardness import HardnessConfig
from methods.seggen.stages.move_masks import MoveMasksConfig
from methods.seggen.stages.train import SegGenTrainConfig
from methods.seggen.stages.train_panoptic import SegGenTrainPanopticConfig
from methods.seggen.text2mask.config import Text2MaskTrainingConfig
from reproductions.harness.cell import Cell, External
from reproductions.seggen.arms import ARMS
from reproductions.seggen.paper import PAPER
from reproductions.seggen.plan import SeedPlanner
from reproductions.seggen.recipe import SeggenStudy, mini, smoke_instance, smoke_panoptic
from reproductions.seggen.recipe_paper import (
    paper_ade20k_instance_r50,
    paper_ade20k_panoptic_r50,
    paper_coco_stuff_r50,
    paper_instance_r50,
    paper_panoptic_r50,
    paper_r50,
)
from tests.contracts.papers import request
from tests.unit.plan_edges import differences, outside, table_of

BY_ID = {arm.id: arm for arm in ARMS}
PLACES = outside("data", "generator", "captioner", "backbone", "vae")


def study() -> SeggenStudy:
    """The miniature one with one shard; numbers differ, so that one cannot stand for another."""
    made = mini()
    recipe = made.training.recipe.model_copy(update={"iterations": 70, "batch_size": 10})
    return made.model_copy(
        update={
            "num_shards": 1,
            "few_images": 7,
            "measured_images": 11,
            "mask_steps": (3, 5),
            "real_repeats": 9,
            "hardness_px": 33,
            "masks": made.masks.model_copy(
                update={"variants": 2, "min_segment_px": 6, "keep_raw": False, "num_steps": 13}
            ),
            "pictures": made.pictures.model_copy(update={"variants": 4, "num_steps": 17}),
            "training": made.training.model_copy(update={"recipe": recipe}),
        }
    )


def source_of(source: RealSource | MixedSource | ConcatenatedSource | MixedSegmentsSource) -> str:
    few = getattr(source, "max_images", None)
    split = source.split if few is None else f"{few} of {source.split}"
    match source:
        case ConcatenatedSource():
            return f"{split} x {source.real_repeats} beside {source.variant}"
        case MixedSource() | MixedSegmentsSource():
            return f"{split}, {source.p_aug:g} {source.replaced_by}, {source.weigh}, {source.variant}"
    return split


def sampled(config: SampleMasksConfig | PaintImagesConfig) -> str:
    few = "" if config.max_images is None else f" of {config.max_images}"
    return f"{config.variants} x{few} in {config.num_steps} from {config.split}"


def settings(cell: Cell) -> str:
    """What of a config decides between arms."""
    match cell.config:
        case CaptionsConfig() as config:
            return f"{config.captioner.kind}{' shuffled' if config.shuffled else ''} {config.split}"
        case Text2MaskTrainingConfig() | Mask2ImgTrainingConfig() as config:
            edge = " with edges" if config.palette.edge else ""
            return f"{config.palette.kind}{edge} {config.max_images or 'all'} of {config.split}"
        case SampleMasksConfig() as config:
            return f"{sampled(config)}, clean {config.min_segment_px}{', raw' if config.keep_raw else ''}"
        case PaintImagesConfig() as config:
            return f"{sampled(config)}, {config.condition}"
        case CopiesConfig() as config:
            return f"{config.variants} {config.kind} of {config.split}"
        case MoveMasksConfig() as config:
            return f"{config.variants} of {config.split}"
        case DrawAde20kConfig() as config:
            return f"look {config.look}, {config.light}"
        case SegGenTrainConfig() | SegGenTrainPanopticConfig() as config:
            after = f" after {config.samples_before}" if config.samples_before else ""
            return f"{config.recipe.iterations}{after}, {config.start}: {source_of(config.source)}"
        case (
            EvaluateSemanticConfig()
            | EvaluateCocoPanopticConfig()
            | EvaluateCocoInstancesConfig()
            | ClassLossesConfig() as config
        ):
            return config.split
        case EvaluateVocConfig() as config:
            return f"{config.split} after {config.trained_split} at {config.short_side_px}"
        case HardnessConfig() as config:
            return f"{config.variant} at {config.size_px}"
        case AlignmentConfig() as config:
            return config.variant
    return ""


def cells_of(arm: str, made: SeggenStudy | None = None) -> dict[str, str]:
    planner = SeedPlanner(made or study(), 0, PLACES)
    return table_of(planner.arm(BY_ID[arm]).wanted, settings)


DATA = "data<-draw_the_miniature_ADE20K"
MIXED = "0.6 same image, uniform, seggen"
REAL = f"70, scratch: training | {DATA}"
WORLD = {
    "draw_the_miniature_ADE20K": "look 0, day",
    "class_pixels_of_training": DATA,
}
CAPTIONS = {"captions_by_machine": f"own training | captioner, {DATA}"}


def ends(arm: str, model: str = "") -> dict[str, str]:
    """The evaluation of an arm."""
    return {
        **WORLD,
        f"{arm}/evaluate": f"validation | {DATA}, frequencies<-class_pixels_of_training, model<-{model or f'{arm}/train'}",
    }


def unseen(arm: str) -> dict[str, str]:
    """The evaluation on another domain."""
    return {
        "draw_the_unseen_domain": "look 0, dusk",
        f"{arm}/unseen": f"validation | data<-draw_the_unseen_domain, frequencies<-class_pixels_of_training, model<-{arm}/train",
    }


def aligned(arm: str, *pairs: str) -> dict[str, str]:
    """What the network trained on real images says of an arm's images."""
    return {
        "real/train": REAL,
        f"{arm}/alignment": f"seggen | model<-real/train, pairs<-{' '.join(pairs)}",
    }


def taught(name: str = "generators", words: str = "seggen all of training", text2mask: bool = True) -> dict[str, str]:
    """Both generators, or Mask2Img alone."""
    inputs = f"captions<-captions_by_machine, {DATA}, generator"
    found = {**CAPTIONS, f"{name}/mask2img": f"{words} | {inputs}"}
    return {**found, f"{name}/text2mask": f"{words} | {inputs}, vae"} if text2mask else found


def mask_syn(
    name: str = "generators", few: str = "", clean: str = "clean 6", masks: str = "masks0", raw: str = "clean"
) -> dict[str, str]:
    """Drawn masks, and one picture on each."""
    captions = "captions<-captions_by_machine"
    return {
        f"{name}/{masks}": f"2 x{few} in 13 from training, {clean} | {captions}, {DATA}, text2mask<-{name}/text2mask",
        f"{name}/{masks}/pictures": (
            f"1 x{few} in 17 from training, {raw} | {captions}, controlnet<-{name}/mask2img, {DATA}, generator, masks<-{name}/{masks}"
        ),
    }


def img_syn(
    name: str = "generators", few: str = "", captions: str = "captions_by_machine", what: str = "img_syn0"
) -> dict[str, str]:
    """Pictures on human masks."""
    return {
        f"{name}/{what}": f"4 x{few} in 17 from training, clean | captions<-{captions}, controlnet<-{name}/mask2img, {DATA}, generator"
    }


def trained(arm: str, pairs: str, mixed: str = f"training, {MIXED}") -> dict[str, str]:
    return {f"{arm}/train": f"70, scratch: {mixed} | {DATA}, pairs<-{pairs}"}


MASK_PAIRS, IMAGE_PAIRS = "generators/masks0/pictures", "generators/img_syn0"
BOTH_PAIRS = f"{MASK_PAIRS} {IMAGE_PAIRS}"


def both(arm: str, mixed: str) -> dict[str, str]:
    """An arm on all pairs that differs in how they are mixed."""
    return {
        **ends(arm),
        **aligned(arm, BOTH_PAIRS),
        **taught(),
        **mask_syn(),
        **img_syn(),
        **trained(arm, BOTH_PAIRS, mixed),
    }


@pytest.mark.parametrize(
    ("arm", "wanted"),
    [
        ("real", {**ends("real"), **unseen("real"), "real/train": REAL}),
        (
            "real_twice",
            {**ends("real_twice"), **unseen("real_twice"), "real_twice/train": f"140, scratch: training | {DATA}"},
        ),
        (
            "real_then_real",
            {
                **ends("real_then_real"),
                "real/train": REAL,
                "real_then_real/train": f"70 after 700, all: training | {DATA}, start<-real/train",
            },
        ),
        ("few_real", {**ends("few_real"), "few_real/train": f"70, scratch: 7 of training | {DATA}"}),
        (
            "mask_syn",
            {
                **ends("mask_syn"),
                **unseen("mask_syn"),
                **aligned("mask_syn", MASK_PAIRS),
                **taught(),
                **mask_syn(),
                **trained("mask_syn", MASK_PAIRS),
            },
        ),
        (
            "img_syn",
            {
                **ends("img_syn"),
                **unseen("img_syn"),
                **aligned("img_syn", IMAGE_PAIRS),
                **taught(text2mask=False),
                **img_syn(),
                **trained("img_syn", IMAGE_PAIRS),
            },
        ),
        ("both", {**both("both", f"training, {MIXED}"), **unseen("both")}),
        ("both_p_20", both("both_p_20", "training, 0.2 same image, uniform, seggen")),
        ("both_pool", both("both_pool", "training, 0.6 pool, uniform, seggen")),
        ("both_one_to_one", both("both_one_to_one", "training, 0.6 same image, one to one, seggen")),
        ("synthetic_alone", both("synthetic_alone", "training, 1 same image, uniform, seggen")),
        ("few_both", both("few_both", f"7 of training, {MIXED}")),
        (
            "synthetic_then_real",
            {
                **ends("synthetic_then_real"),
                **aligned("synthetic_then_real", IMAGE_PAIRS),
                **taught(text2mask=False),
                **img_syn(),
                "synthetic_then_real/pretrain": (
                    f"70, scratch: training, 1 same image, uniform, seggen | {DATA}, pairs<-{IMAGE_PAIRS}"
                ),
                "synthetic_then_real/train": (
                    f"70 after 700, all: training | {DATA}, start<-synthetic_then_real/pretrain"
                ),
            },
        ),
    ],
)
def test_an_arm_is_made_of_what_the_specification_says(arm: str, wanted: dict[str, str]) -> None:
    assert not differences(cells_of(arm), wanted)


def test_fair_generators_see_the_few_images_that_the_segmenter_sees() -> None:
    name, pairs = "generators_few", "generators_few/masks0/pictures generators_few/img_syn0"
    wanted = {
        **ends("few_both_fair"),
        **aligned("few_both_fair", pairs),
        **taught(name, "seggen 7 of training"),
        **mask_syn(name, " of 7"),
        **img_syn(name, " of 7"),
        **trained("few_both_fair", pairs, f"7 of training, {MIXED}"),
    }
    # A mask is of a few images already, so that nothing is left to choose when it is painted on.
    wanted[f"{name}/masks0/pictures"] = wanted[f"{name}/masks0/pictures"].replace("1 x of 7", "1 x")
    assert not differences(cells_of("few_both_fair"), wanted)


@pytest.mark.parametrize("palette", ["spread", "dataset", "random"])
def test_another_palette_is_taught_to_both_generators(palette: str) -> None:
    arm = f"mask_syn_{palette}"
    name = f"generators_{palette}"
    found = cells_of(arm)
    assert {key: found[key] for key in found if key.startswith("generators")} == {
        key: value
        for key, value in {**taught(name, f"{palette} all of training"), **mask_syn(name)}.items()
        if key.startswith("generators")
    }


def test_masks_may_stay_as_they_are_decoded_or_be_painted_raw() -> None:
    found = cells_of("mask_syn_not_cleaned")
    assert not [label for label in found if label.startswith("generators/masks0")]
    assert found["generators/uncleaned0"].startswith("2 x in 13 from training, clean 0 |")
    assert found["mask_syn_not_cleaned/train"].endswith("pairs<-generators/uncleaned0/pictures")
    found = cells_of("mask_syn_raw")
    assert found["generators/raw0"].startswith("2 x in 13 from training, clean 6, raw |")
    assert found["generators/raw0/pictures"].startswith("1 x in 17 from training, raw |")


def test_moved_human_masks_need_no_text2mask() -> None:
    found = cells_of("mask_syn_jittered")
    assert found["moved_masks0"] == f"2 of training | captions<-captions_by_machine, {DATA}"
    assert found["moved_masks0/pictures"].endswith("masks<-moved_masks0")
    assert "generators/text2mask" not in found
    assert found["mask_syn_jittered/train"].endswith("pairs<-moved_masks0/pictures")


def test_shuffled_captions_are_asked_with_and_not_learnt_from() -> None:
    found = cells_of("img_syn_shuffled")
    assert found["captions_by_machine_shuffled"] == f"own shuffled training | captioner, {DATA}"
    assert (
        found["generators/shuffled0"]
        == img_syn(captions="captions_by_machine_shuffled", what="shuffled0")["generators/shuffled0"]
    )
    assert found["generators/mask2img"].startswith("seggen all of training | captions<-captions_by_machine,")


def test_copies_are_as_many_as_imgsyns_pictures() -> None:
    found = cells_of("jittered")
    assert found["jittered0"] == f"4 jittered of training | {DATA}"
    assert found["jittered/train"] == trained("jittered", "jittered0")["jittered/train"]
    found = cells_of("re_rendered")
    looks = [f"draw_the_miniature_ADE20K,_look_{number}" for number in (1, 2, 3, 4)]
    assert found["re-rendered0"] == f"4 re-rendered of training | {DATA}, drawn<-{' '.join(looks)}"
    assert [found[look] for look in looks] == [f"look {number}, day" for number in (1, 2, 3, 4)]


def test_freemasks_steps_judge_with_the_network_trained_on_real_images() -> None:
    found = cells_of("freemask")
    assert found["freemask/losses"] == f"training | {DATA}, model<-real/train"
    judged = "class_losses<-freemask/losses"
    assert found["freemask/filter0"] == f"{judged}, model<-real/train, pairs<-{IMAGE_PAIRS}"
    assert found["freemask/hardness"] == f"seggen at 33 | {judged}, pairs<-{IMAGE_PAIRS}"
    filtered, selected = "filtered<-freemask/filter0", "selection<-freemask/hardness"
    assert found["freemask/train"] == (
        f"70, scratch: training x 9 beside freemask | {DATA}, {filtered}, pairs<-{IMAGE_PAIRS}, {selected}"
    )
    alone = "70, scratch: training, 0.6 same image, uniform"
    found = cells_of("freemask_filter")
    assert found["freemask_filter/train"] == f"{alone}, freemask | {DATA}, {filtered}, pairs<-{IMAGE_PAIRS}"
    found = cells_of("freemask_resample")
    assert found["freemask_resample/train"] == f"{alone}, seggen | {DATA}, pairs<-{IMAGE_PAIRS}, {selected}"


def test_masks_are_measured_by_steps_on_the_same_images() -> None:
    found = cells_of("masks")
    for steps in (3, 5):
        label = f"masks/{steps}_steps"
        assert found[label].startswith(f"1 x of 11 in {steps} from training, clean 6 |")
        assert found[f"{label}/quality"] == f"{DATA}, masks<-{label}"


def test_panoptic_arms_use_segments_and_edges() -> None:
    made = smoke_panoptic()
    data = "data<-draw_the_miniature_COCO_panoptic"
    found = cells_of("synthetic_then_real", made)
    assert found["generators/mask2img"].startswith("seggen with edges all of train2017 |")
    assert found["synthetic_then_real/pretrain"] == (
        f"2, scratch: train2017, 1 same image, uniform, seggen | {data}, pairs<-generators/img_syn0"
    )
    assert found["synthetic_then_real/train"] == (
        f"2 after 4, weights: train2017, 0 same image, uniform, seggen | {data}, start<-synthetic_then_real/pretrain"
    )
    assert found["synthetic_then_real/evaluate"] == f"val2017 | {data}, model<-synthetic_then_real/train"
    assert not [label for label in found if "alignment" in label or "pixels" in label]
    assert found["synthetic_then_real/unseen"] == (
        f"val after val2017 at 64 | {data}, model<-synthetic_then_real/train, unseen<-draw_the_miniature_VOC"
    )
    assert "img_syn_people/unseen" not in cells_of("img_syn_people", made)
    twice = cells_of("real_then_real", made)
    assert twice["real_then_real/train"] == (
        f"2 after 4, weights: train2017, 0 same image, uniform, seggen | {data}, start<-real/train"
    )
    people = cells_of("img_syn_people", made)
    assert people["captions_by_people"] == f"people train2017 | {data}"
    assert people["generators_people/img_syn0"].startswith(
        "2 x in 2 from train2017, clean | captions<-captions_by_people,"
    )


def test_instances_are_taught_the_things_of_the_panoptic_pictures() -> None:
    panoptic, things = (cells_of("img_syn", made) for made in (smoke_panoptic(), smoke_instance()))
    differ = {"img_syn/train", "img_syn/evaluate", "img_syn/unseen", "draw_the_miniature_VOC"}
    assert {name: told for name, told in things.items() if name not in differ} == {
        name: told for name, told in panoptic.items() if name not in differ
    }
    planner = SeedPlanner(smoke_instance(), 0, PLACES)
    cells = planner.arm(BY_ID["img_syn"])
    train, evaluation = cells.trains[-1].config, cells.evaluation
    assert isinstance(train, SegGenTrainPanopticConfig)
    assert (train.source.segments, train.source.p_aug, train.segmenter.num_classes) == ("things", 0.6, 6)
    assert evaluation is not None
    assert evaluation.stage.name == "evaluate_coco_instances"
    alone = planner.arm(BY_ID["real"]).trains[-1].config
    assert isinstance(alone, SegGenTrainPanopticConfig)
    assert (alone.source.segments, alone.source.p_aug) == ("things", 0.0)
    of_panoptic = SeedPlanner(smoke_panoptic(), 0, PLACES).arm(BY_ID["img_syn"]).pairs
    assert [cell.id for cell in cells.pairs] == [cell.id for cell in of_panoptic], "they share their pictures"


def test_ade20k_s_instances_become_segments_before_all_else() -> None:
    for made, name in (
        (paper_ade20k_panoptic_r50(), "evaluate_coco_panoptic"),
        (paper_ade20k_instance_r50(), "evaluate_coco_instances"),
    ):
        cells = SeedPlanner(made, 0, PLACES).arm(BY_ID["img_syn"])
        assert cells.evaluation is not None
        assert cells.evaluation.stage.name == name
        for cell in (*cells.trains, *cells.teaching, *cells.pairs, cells.evaluation):
            (data,) = cell.inputs["data"]
            assert (data.stage.name, data.external["data"].path) == ("ade20k_segments", PLACES["data"].path)
            assert "data" not in cell.external
        assert isinstance(cells.trains[-1].config, SegGenTrainPanopticConfig)
        assert cells.trains[-1].config.source.split == "training"
        assert cells.evaluation.config.model_dump()["split"] == "validation"
    assert len(paper_ade20k_panoptic_r50().training.segmenter.stuff_classes) == 50


def test_studies_of_other_data_have_their_sizes() -> None:
    stuff, instances = paper_coco_stuff_r50(), paper_instance_r50()
    assert (stuff.training.segmenter.num_classes, stuff.pictures.variants, stuff.real_repeats) == (171, 10, 6)
    cells = SeedPlanner(stuff, 0, PLACES).arm(BY_ID["freemask"])
    assert cells.trains[-1].config.model_dump()["source"]["split"] == "train2017"
    assert cells.evaluation is not None
    assert cells.evaluation.config.model_dump()["split"] == "val2017"
    segmenter = instances.training.segmenter
    assert (segmenter.num_classes, segmenter.stuff_classes, instances.pictures.variants) == (80, (), 10)
    assert instances.training.evaluation.model_dump()["short_side_px"] == 800


def test_photographs_of_voc_come_from_outside_at_tier_paper() -> None:
    unseen = External(Path("/voc"), "voc")
    made, without = paper_panoptic_r50(), SeedPlanner(paper_panoptic_r50(), 0, PLACES).arm(BY_ID["real"])
    assert without.unseen is None
    cells = SeedPlanner(made, 0, {**PLACES, "unseen": unseen}).arm(BY_ID["real"])
    assert cells.unseen is not None
    assert cells.unseen in cells.wanted
    assert cells.unseen.external["unseen"] == unseen
    assert cells.unseen.inputs["model"] == cells.trains
    assert cells.unseen.config == EvaluateVocConfig()
    asked = PAPER.needs(request("seggen", "paper", assume_published=True))
    assert [need.place.name for need in asked if need.role == "unseen"] == ["voc2012"]


def test_rows_of_table_1_are_also_evaluated_at_several_scales() -> None:
    made = study().model_copy(update={"scales": (0.5, 1.0)})
    for arm, asked in (("real", True), ("both", True), ("img_syn", False)):
        cells = SeedPlanner(made, 0, PLACES).arm(BY_ID[arm])
        assert (cells.several_scales is not None) == asked, arm
        if cells.several_scales is not None:
            config = cells.several_scales.config
            assert isinstance(config, EvaluateSemanticConfig)
            assert (config.scales, config.mirrored, config.split) == ((0.5, 1.0), True, "validation")
            assert cells.several_scales.inputs["model"] == cells.trains[-1:]
            assert cells.several_scales in cells.wanted
            assert cells.evaluation is not None
            assert cells.evaluation.config.model_dump()["scales"] == (1.0,)
    assert paper_r50().scales == (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
    assert SeedPlanner(study(), 0, PLACES).arm(BY_ID["both"]).several_scales is None


def test_twice_as_long_moves_where_the_rate_falls() -> None:
    made = paper_panoptic_r50()
    cells = SeedPlanner(made, 0, PLACES).arm(BY_ID["real_twice"])
    config = cells.trains[-1].config
    assert isinstance(config, SegGenTrainPanopticConfig)
    assert (config.recipe.iterations, config.recipe.drops) == (2 * 368_750, (2 * 327_778, 2 * 355_092))


def test_the_paper_asks_for_what_the_specification_prints() -> None:
    made = paper_r50()
    assert (made.masks.variants, made.masks.num_steps, made.pictures.variants, made.pictures.num_steps) == (
        10,
        200,
        50,
        40,
    )
    assert (made.few_images, made.mixing.p_aug, made.mixing.replaced_by, made.mixing.weigh) == (
        1000,
        0.6,
        "same image",
        "uniform",
    )
    assert made.text2mask.palette.kind == made.mask2img.palette.kind == "seggen"
    assert (made.text2mask.recipe.iterations, made.mask2img.recipe.iterations) == (30_000, 30_000)
    assert not made.mask2img.palette.edge
    panoptic = paper_panoptic_r50()
    assert (panoptic.pictures.variants, panoptic.mask2img.palette.edge, panoptic.mask2img.panoptic) == (10, True, True)


def test_each_segmenter_trains_the_rows_of_its_tables() -> None:
    def arms(backbone: str) -> set[str]:
        asked = PAPER.asked(request("seggen", "paper", assume_published=True))
        return {arm.id for one in asked if one.study.backbone == backbone for arm in one.arms}

    table_4 = {f"{few}{arm}" for few in ("", "few_") for arm in ("real", "mask_syn", "img_syn", "both")}
    assert table_4 <= arms("mask2former_r50")
    assert table_4 <= arms("hrnet_w48")
    assert {"real", "both"} <= arms("mask2former_swin_l")
    assert {"real", "real_then_real", "synthetic_then_real", "img_syn"} <= arms("mask2former_swin_l_panoptic")
    assert "mask_syn" not in arms("mask2former_r50_panoptic")
    assert "re_rendered" not in arms("mask2former_r50"), "photographs cannot be drawn again"
    table_2 = {"real", "real_twice", "real_then_real", "synthetic_then_real", "img_syn"}
    assert arms("mask2former_r50_instance") == arms("mask2former_swin_l_instance") == table_2
    for kind in ("panoptic", "instance"):
        assert arms(f"mask2former_r50_ade20k_{kind}") == {"real", "real_twice", "img_syn"}
    freemask = {"freemask_filter", "freemask_resample", "freemask"}
    assert arms("mask2former_r50_coco_stuff") == {"real", "real_twice", "img_syn"} | freemask


def test_seeds_share_the_data_and_nothing_else() -> None:
    one, two = (SeedPlanner(study(), index, PLACES).arm(BY_ID["both"]) for index in (0, 1))
    assert {cell.id for cell in one.wanted}.isdisjoint(cell.id for cell in two.wanted)
    assert {cell.id for cell in one.teaching}.isdisjoint(cell.id for cell in two.teaching)
    assert one.evaluation is not None
    assert two.evaluation is not None
    assert [cell.id for cell in one.evaluation.inputs["data"]] == [cell.id for cell in two.evaluation.inputs["data"]]

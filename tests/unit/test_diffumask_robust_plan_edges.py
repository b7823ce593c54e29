"""What every cell of the robust paper's plan is made of, against Attn2mask sections 2, 6, 7, 9 and 10 written down by themselves."""

from pathlib import Path

import pytest

from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.common.stages.segment_named import SegmentNamedConfig
from methods.common.stages.training_sources import CityscapesSource, RealSource
from methods.diffumask_robust.adaptation.config import AdaptationConfig
from methods.diffumask_robust.stages.caption import CaptionConfig
from methods.diffumask_robust.stages.evaluate_imagenet_s import EvaluateImageNetSConfig
from methods.diffumask_robust.stages.filter_masks import FilterMasksConfig
from methods.diffumask_robust.stages.filter_words import FilterWordsConfig
from methods.diffumask_robust.stages.fold_source import FoldSource
from methods.diffumask_robust.stages.label_config import LabelConfig
from methods.diffumask_robust.stages.prompts import AugmentedPrompts, GroupPrompts, PromptsConfig, SubclassPrompts
from methods.diffumask_robust.stages.prune import PruneConfig
from methods.diffumask_robust.stages.rate_masks import RateMasksConfig
from methods.diffumask_robust.stages.refine_config import RefineConfig
from methods.diffumask_robust.stages.score_fold import ScoreFoldConfig
from methods.diffumask_robust.stages.sources import LabelledSource
from methods.diffumask_robust.stages.splice import SpliceConfig
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig
from methods.diffumask_robust.stages.train_robust import TrainRobustConfig
from methods.diffumask_robust.stages.train_segmenter import TrainSegmenter
from reproductions.diffumask_robust.arms import ARMS
from reproductions.diffumask_robust.paper import PAPER
from reproductions.diffumask_robust.plan import SeedPlanner
from reproductions.diffumask_robust.recipe import DiffuMaskRobustStudy, mini, paper, paper_swin_b
from reproductions.harness.cell import Cell
from reproductions.harness.store import Store
from reproductions.study.request import Request
from tests.unit.plan_edges import differences, label_of, outside, table_of

BY_ID = {arm.id: arm for arm in ARMS}
PLACES = outside(
    *(
        "data",
        "generator",
        "cutter",
        "sam",
        "clip",
        "backbone",
        "plain_backbone",
        "trunk",
        "wordnet",
        "street",
        "imagenet_s",
        "ade20k",
    ),
)
RUN = tuple(arm for arm in ARMS if not arm.not_run)


def study(**changes: object) -> DiffuMaskRobustStudy:
    """The miniature one with one shard; lengths and numbers differ, so that one cannot stand for another."""
    made = mini()
    recipe = made.training.recipe.model_copy(update={"iterations": 70})
    baseline = made.diffumask
    return made.model_copy(
        update={
            "num_shards": 1,
            "small_set": 3,
            "middle_set": 50,
            "training": made.training.model_copy(update={"recipe": recipe}),
            "diffumask": baseline.model_copy(
                update={
                    "num_folds": 2,
                    "recipe": baseline.recipe.model_copy(update={"iterations": 80}),
                    "fold_recipe": baseline.fold_recipe.model_copy(update={"iterations": 30}),
                    "fine_tuning": baseline.fine_tuning.model_copy(update={"iterations": 20}),
                }
            ),
        }
        | changes
    )


def source_of(config: TrainRobustConfig | TrainSegmenter) -> str:
    match config.source:
        case LabelledSource(max_images=count, has_background=background):
            return ("all" if count is None else f"the first {count}") + ("" if background else " without background")
        case FoldSource(fold=fold, num_folds=folds):
            return f"without fold {fold} of {folds}"
        case RealSource(split=split, max_images=count):
            return split if count is None else f"{count} of {split}"
        case CityscapesSource(split=split, classes=classes, max_images=count):
            return f"{split if count is None else f'{count} of {split}'} in {classes}"
    raise AssertionError(config.source)


def settings(cell: Cell) -> str:
    """What of a config decides between arms."""
    match cell.config:
        case PromptsConfig(prompts=AugmentedPrompts(augmentation=shares)):
            return f"shares {' '.join(f'{one:g}' for one in shares.shares)}"
        case PromptsConfig(prompts=SubclassPrompts(max_subclasses=most)):
            return f"{most} sub-classes"
        case PromptsConfig(prompts=GroupPrompts(words=words)):
            return " ".join(words)
        case SynthesizeAttentionConfig() as config:
            adapted = f", LoRA {config.lora_rank}" if config.lora_rank else ""
            return f"{' '.join(config.presets)}{adapted}"
        case LabelConfig() as config:
            crf = ", CRF" if config.smoothing else ""
            weak = "" if config.mask.weak_pixels == "background" else f", weak {config.mask.weak_pixels}"
            return f"{config.preset}, beta {config.mask.beta:g}, {config.masks_from}, {config.trusted}{crf}{weak}"
        case TrainRobustConfig() as config:
            weight = f", co-training {config.training.loss.co_training:g}" if config.scheme == "pair" else ""
            return f"{config.scheme}{weight}, {config.training.recipe.iterations}, {source_of(config)}, {config.start}"
        case TrainSegmenter() as config:
            return f"{config.recipe.iterations}, {source_of(config)}, {config.start}"
        case RefineConfig() as config:
            return f"{config.mask}{f' {config.fixed_threshold:g}' if config.mask == 'fixed' else ''}"
        case ScoreFoldConfig() as config:
            return f"fold {config.fold} of {config.num_folds}"
        case PruneConfig() as config:
            return f"{config.pruned_share:g} by {config.rule}"
        case SpliceConfig(distortions=one):
            return " ".join(name for name in ("blur", "occlusion", "perspective") if getattr(one, name)) or "nothing"
        case CaptionConfig() as config:
            return config.captioner.kind
        case FilterWordsConfig() as config:
            return f"{config.lexicon}, {config.min_right} of {config.num_images}"
        case FilterMasksConfig() as config:
            return f"{config.kept_share:g} by {config.rule}"
        case SegmentNamedConfig() as config:
            return config.prompter.kind
        case RateMasksConfig() as config:
            return "kept" if config.kept_only else "all"
        case AdaptationConfig() as config:
            return config.texts
        case EvaluateImageNetSConfig() as config:
            return config.split
        case EvaluateSemanticConfig() as config:
            return f"{config.split} in {config.cityscapes_classes}"
    return ""


def cells_of(arm: str, made: DiffuMaskRobustStudy | None = None) -> dict[str, str]:
    planner = SeedPlanner(made or study(), 0, PLACES)
    return table_of(planner.arm(BY_ID[arm]).wanted, settings)


ALL_PRESETS = "attn2mask daam dataset-diffusion ovam diffumask"
WHOLE = {
    "draw_the_miniature_VOC": "",
    "hyponyms/prompts": "shares 1 1 1 | data<-draw_the_miniature_VOC, generator",
    "hyponyms/pictures0": f"{ALL_PRESETS} | generator, prompts<-hyponyms/prompts",
}
OWN = "hyponyms/attn2mask_own_margin/labels0"
ORACLE = "hyponyms/oracle0"


def trained(arm: str, labels: str, words: str, pictures: str = "hyponyms/pictures0") -> dict[str, str]:
    """Training and evaluation of an arm on generated pictures."""
    return {
        f"{arm}/train": f"{words}, scratch | labels<-{labels}, pairs<-{pictures}",
        f"{arm}/evaluate": f"val in 19 | data<-draw_the_miniature_VOC, model<-{arm}/train",
    }


def rated(arm: str, labels: str) -> dict[str, str]:
    """The rating of an arm's masks against those of the cut-out network."""
    return {
        ORACLE: "attn2mask, beta 0.2, cutout, margin | cutter, pairs<-hyponyms/pictures0",
        f"hyponyms/{arm}/rating": f"all | labels<-{labels}, pairs<-hyponyms/pictures0, reference<-{ORACLE}",
    }


def on_attention(
    arm: str, words: str, label: str = OWN, how: str = "attn2mask, beta 0.2, attention, margin"
) -> dict[str, str]:
    return {
        **WHOLE,
        label: f"{how} | pairs<-hyponyms/pictures0",
        **trained(arm, label, words),
        **rated(arm, label),
    }


@pytest.mark.parametrize(
    ("arm", "wanted"),
    [
        ("plain", on_attention("plain", "plain, 70, all")),
        ("plain_2k", on_attention("plain_2k", "plain, 70, the first 3")),
        ("robust_20k", on_attention("robust_20k", "pair, co-training 1, 70, the first 50")),
        ("mask_only", on_attention("mask_only", "pair, co-training 0, 70, all")),
        ("plain_twice", on_attention("plain_twice", "plain, 140, all")),
        (
            "robust_random_trust",
            on_attention(
                "robust_random_trust",
                "pair, co-training 1, 70, all",
                "hyponyms/attn2mask_own_random/labels0",
                "attn2mask, beta 0.2, attention, random",
            ),
        ),
        (
            "plain_dataset_diffusion",
            on_attention(
                "plain_dataset_diffusion",
                "plain, 70, all",
                "hyponyms/dataset-diffusion_own_margin/labels0",
                "dataset-diffusion, beta -0.2, attention, margin",
            ),
        ),
        (
            "plain_beta_low",
            on_attention(
                "plain_beta_low",
                "plain, 70, all",
                "hyponyms/attn2mask_low_margin/labels0",
                "attn2mask, beta -0.4, attention, margin",
            ),
        ),
        (
            "plain_crf",
            on_attention(
                "plain_crf",
                "plain, 70, all",
                "hyponyms/attn2mask_own_margin_crf/labels0",
                "attn2mask, beta 0.2, attention, margin, CRF",
            ),
        ),
        (
            "robust_oracle",
            {
                **WHOLE,
                "hyponyms/oracle/labels0": "attn2mask, beta 0.2, cutout, margin | cutter, pairs<-hyponyms/pictures0",
                **trained("robust_oracle", "hyponyms/oracle/labels0", "pair, co-training 1, 70, all"),
            },
        ),
    ],
)
def test_an_arm_of_attention_is_made_of_what_the_specification_says(arm: str, wanted: dict[str, str]) -> None:
    assert not differences(cells_of(arm), wanted)


@pytest.mark.parametrize(("arm", "rule"), [("plain_sam_filter", "agreement"), ("plain_random_half", "random")])
def test_the_filter_and_chance_keep_as_many_of_the_same_labels(arm: str, rule: str) -> None:
    kept = f"hyponyms/attn2mask_own_margin/kept_by_{rule}"
    wanted = {
        **on_attention(arm, "plain, 70, all"),
        "hyponyms/named0": "automatic_clip | clip, pairs<-hyponyms/pictures0, sam",
        kept: f"0.5 by {rule} | labels<-{OWN}, named<-hyponyms/named0, pairs<-hyponyms/pictures0",
        **trained(arm, kept, "plain, 70, all"),
        **rated(arm, kept),
    }
    wanted[f"hyponyms/{arm}/rating"] = wanted[f"hyponyms/{arm}/rating"].replace("all |", "kept |")
    assert not differences(cells_of(arm), wanted)


def test_words_are_compared_on_as_many_pictures() -> None:
    for arm, name, shares in (("robust_self", "self", "1 0 0"), ("robust_synonyms", "synonyms", "1 1 0")):
        found = cells_of(arm)
        assert found[f"{name}/prompts"].startswith(f"shares {shares} |")
        assert found[f"{name}/pictures0"].startswith("attn2mask |")
        assert found[f"{arm}/train"].startswith("pair, co-training 1, 70, all")
    counts = {
        cell.config.num_prompts
        for arm in ("robust_self", "robust_synonyms", "robust")
        for cell in behind(arm)
        if isinstance(cell.config, PromptsConfig)
    }
    assert counts == {mini().prompts.num_prompts}


def behind(arm: str, made: DiffuMaskRobustStudy | None = None) -> list[Cell]:
    """Every cell of an arm."""
    found: dict[str, Cell] = {}
    waiting = list(SeedPlanner(made or study(), 0, PLACES).arm(BY_ID[arm]).wanted)
    while waiting:
        cell = waiting.pop()
        if cell.id not in found:
            found[cell.id] = cell
            waiting += [one for cells in cell.inputs.values() for one in cells]
    return list(found.values())


BASE = "diffumask_100"
SEEDED = {
    f"{BASE}/seeds0": f"| pairs<-{BASE}/pictures0",
    f"{BASE}/affinity": f"| pairs<-{BASE}/pictures0, seeds<-{BASE}/seeds0",
}


def baseline(
    arm: str, masks: str, refine: str, pruned: str = "0.7 by agreement", extra: str = "blur occlusion perspective"
) -> dict[str, str]:
    """The cells of an arm of DiffuMask with two folds."""
    name = f"{BASE}/{masks}"
    labels, pictures = f"{name}/labels0", f"{BASE}/pictures0"
    folds = {}
    for fold in (0, 1):
        folds[f"{name}/fold{fold}/train"] = (
            f"30, without fold {fold} of 2, scratch | labels<-{labels}, pairs<-{pictures}"
        )
        folds[f"{name}/fold{fold}/score"] = (
            f"fold {fold} of 2 | labels<-{labels}, model<-{name}/fold{fold}/train, pairs<-{pictures}"
        )
    end = "_random" if "random" in pruned else ""
    kept, spliced = f"{name}/pruned_70{end}", f"{name}/spliced_perspective_7{end}"
    affinity = "" if masks.startswith("fixed") else f"affinity<-{BASE}/affinity, "
    return {
        "draw_the_miniature_VOC": "",
        f"{BASE}/prompts": "100 sub-classes | data<-draw_the_miniature_VOC, generator",
        pictures: f"diffumask | generator, prompts<-{BASE}/prompts",
        **({} if masks.startswith("fixed") else {key: value.removeprefix("| ") for key, value in SEEDED.items()}),
        labels: f"{refine} | {affinity}pairs<-{pictures}",
        **folds,
        kept: f"{pruned} | labels<-{labels}, pairs<-{pictures}, scores<-{name}/fold0/score {name}/fold1/score",
        spliced: f"{extra} | labels<-{kept}, pairs<-{pictures}",
        f"{BASE}/oracle0": f"diffumask, beta 0.2, cutout, margin | cutter, pairs<-{pictures}",
        f"{BASE}/{arm}/rating": f"kept | labels<-{kept}, pairs<-{pictures}, reference<-{BASE}/oracle0",
        f"{arm}/train": f"80, all, scratch | labels<-{spliced}, pairs<-{spliced}",
        f"{arm}/evaluate": f"val in 19 | data<-draw_the_miniature_VOC, model<-{arm}/train",
    }


@pytest.mark.parametrize(
    ("arm", "wanted"),
    [
        ("diffumask", baseline("diffumask", "adaptive", "adaptive")),
        ("diffumask_walk", baseline("diffumask_walk", "walk", "walk")),
        ("diffumask_fixed_50", baseline("diffumask_fixed_50", "fixed_50", "fixed 0.5")),
        ("diffumask_pruned_random", baseline("diffumask_pruned_random", "adaptive", "adaptive", "0.7 by random")),
    ],
)
def test_an_arm_of_diffumask_is_made_of_what_the_specification_says(arm: str, wanted: dict[str, str]) -> None:
    assert not differences(cells_of(arm), wanted)


@pytest.mark.parametrize(
    ("arm", "distortions"),
    [("splicing", "nothing"), ("blur", "blur"), ("occlusion", "blur occlusion")],
)
def test_augmentations_are_added_one_after_another(arm: str, distortions: str) -> None:
    assert cells_of(f"diffumask_{arm}")[f"{BASE}/adaptive/spliced_{arm}_7"].startswith(f"{distortions} |")


def test_without_augmentation_single_pictures_are_trained_on() -> None:
    assert cells_of("diffumask_none")["diffumask_none/train"] == (
        f"80, all, scratch | labels<-{BASE}/adaptive/pruned_70, pairs<-{BASE}/pictures0"
    )


def test_without_noise_learning_nothing_is_pruned() -> None:
    found = cells_of("diffumask_unpruned")
    assert not [label for label in found if "fold" in label or "pruned_" in label]
    spliced = f"{BASE}/adaptive/spliced_perspective_0"
    assert found[spliced] == f"blur occlusion perspective | labels<-{BASE}/adaptive/labels0, pairs<-{BASE}/pictures0"


def test_fine_tuning_goes_on_from_all_weights_on_a_part_of_the_real_images() -> None:
    found = cells_of("diffumask_then_real")
    assert found["diffumask_then_real/fine_tune"] == (
        f"20, {mini().diffumask.few_images} of trainaug, all | data<-draw_the_miniature_VOC, start<-diffumask_then_real/train"
    )
    assert found["diffumask_then_real/evaluate"].endswith("model<-diffumask_then_real/fine_tune")


def test_the_street_is_painted_as_it_is_or_adapted() -> None:
    for arm, texts in (("street_adapted", "fixed"), ("street_adapted_tags", "tags")):
        found = cells_of(arm)
        name = f"street/{arm.removeprefix('street_')}"
        rank = mini().street.adaptation.rank
        assert found[name] == f"{texts} | data<-draw_the_miniature_street, generator"
        assert found[f"{arm}/pictures0"] == f"attn2mask, LoRA {rank} | generator, lora<-{name}, prompts<-street/prompts"
        assert found[f"{arm}/reference0"].startswith(
            "attn2mask, beta 0.2, segmenter, margin | model<-cityscapes_real/train"
        )
        assert found[f"{arm}/evaluate"] == f"val in groups | data<-draw_the_miniature_street, model<-{arm}/train"
    found = cells_of("street_as_is")
    assert found["street_as_is/pictures0"] == "attn2mask | generator, prompts<-street/prompts"
    assert "street/as_is" not in found
    assert cells_of("cityscapes_real")["cityscapes_real/train"] == (
        "plain, 70, train in groups, scratch | data<-draw_the_miniature_street"
    )


def test_the_street_is_trained_and_tested_at_its_own_scale() -> None:
    """Its parts are larger than the photographs', for real and generated pictures alike, and test pictures are no smaller than they."""
    street, voc = mini().street, mini().crops
    assert street.crops is not None
    assert street.crops.crop_px == street.evaluation.short_side_px
    assert street.crops != voc
    for arm in ("cityscapes_real", "street_as_is", "street_adapted", "street_19_adapted"):
        [train] = SeedPlanner(study(), 0, PLACES).arm(BY_ID[arm]).trains
        assert train.config.crops == street.crops, arm
    assert SeedPlanner(study(), 0, PLACES).arm(BY_ID["plain"]).trains[0].config.crops == voc
    longer = (street.crops.crop_px / voc.crop_px) ** 1.5
    planner = SeedPlanner(study(), 0, PLACES)
    real, photographs = (planner.arm(BY_ID[arm]).trains[0] for arm in ("cityscapes_real", "real_plain"))
    assert real.cost_s == pytest.approx(longer * photographs.cost_s)


def test_diffumasks_street_is_its_whole_method_on_groups() -> None:
    """Pictures of one human or vehicle, pruned and spliced; the networks have the classes of the evaluation."""
    arm, name, street = "cityscapes_diffumask", "street_diffumask", "data<-draw_the_miniature_street"
    found = cells_of(arm)
    assert found[f"{name}/prompts"] == "human vehicle | generator"
    assert found[f"{name}/pictures0"] == f"diffumask | generator, prompts<-{name}/prompts"
    assert found[f"{name}/affinity"] == f"pairs<-{name}/pictures0, seeds<-{name}/seeds0"
    labels, pruned = f"{name}/adaptive/labels0", f"{name}/adaptive/pruned_70"
    assert found[labels] == f"adaptive | affinity<-{name}/affinity, pairs<-{name}/pictures0"
    assert found[f"{name}/adaptive/fold1/train"].startswith("30, without fold 1 of 2, scratch | ")
    assert found[pruned].startswith("0.7 by agreement | ")
    spliced = f"{name}/adaptive/spliced_perspective_7"
    assert found[spliced] == f"blur occlusion perspective | labels<-{pruned}, pairs<-{name}/pictures0"
    assert found[f"{arm}/train"] == f"80, all, scratch | labels<-{spliced}, pairs<-{spliced}"
    assert found[f"{arm}/evaluate"] == f"val in groups | {street}, model<-{arm}/train"
    arm, few = "cityscapes_diffumask_then_real", mini().street.few_images
    found = cells_of(arm)
    assert found[f"{arm}/fine_tune"] == f"20, {few} of train in groups, all | {street}, start<-{arm}/train"
    assert found[f"{arm}/evaluate"] == f"val in groups | {street}, model<-{arm}/fine_tune"
    made = SeedPlanner(study(), 0, PLACES).arm(BY_ID[arm])
    assert [train.config.segmenter.num_classes for train in made.trains] == [3, 3]
    whole = SeedPlanner(paper().model_copy(update={"num_shards": 1}), 0, PLACES).arm(BY_ID[arm])
    labels = {label_of(cell) for cell in whole.behind}
    assert {f"{name}/affinity_human", f"{name}/affinity_vehicle"} <= labels


def test_all_classes_of_the_street_leave_out_what_no_word_claims() -> None:
    street = "data<-draw_the_miniature_street"
    arm = "street_19_adapted"
    found = cells_of(arm)
    assert found[f"{arm}/pictures0"].endswith("generator, lora<-street/adapted, prompts<-street_19/prompts")
    assert found[f"{arm}/labels0"] == f"attn2mask, beta 0.2, attention, margin, weak ignored | pairs<-{arm}/pictures0"
    assert found[f"{arm}/train"] == (
        f"plain, 70, all without background, scratch | labels<-{arm}/labels0, pairs<-{arm}/pictures0"
    )
    assert found[f"{arm}/evaluate"] == f"val in 19 | {street}, model<-{arm}/train"
    assert not [label for label in found if "reference" in label or "cityscapes" in label]
    assert cells_of("cityscapes_19_real")["cityscapes_19_real/train"] == f"plain, 70, train in 19, scratch | {street}"
    few = mini().street.few_images
    name = "cityscapes_real_1500"
    assert cells_of(name)[f"{name}/train"] == f"plain, 70, {few} of train in groups, scratch | {street}"


IMAGENET_S = "data<-draw_the_miniature_ImageNet-S"
CATEGORIES = {
    "draw_the_miniature_ImageNet-S": "",
    "imagenet_s/prompts": f"shares 1 1 1 | {IMAGENET_S}, generator",
    "imagenet_s/pictures0": "attn2mask | generator, prompts<-imagenet_s/prompts",
    "imagenet_s/labels0": "attn2mask, beta 0.2, attention, margin | pairs<-imagenet_s/pictures0",
}
OF_CATEGORIES = "labels<-imagenet_s/labels0, pairs<-imagenet_s/pictures0"


@pytest.mark.parametrize(
    ("arm", "words"), [("imagenet_s50", "plain, 70"), ("imagenet_s50_robust", "pair, co-training 1, 70")]
)
def test_categories_are_painted_and_evaluated_by_their_own_protocol(arm: str, words: str) -> None:
    wanted = {
        **CATEGORIES,
        f"{arm}/train": f"{words}, all, scratch | {OF_CATEGORIES}",
        f"{arm}/evaluate": f"validation | {IMAGENET_S}, model<-{arm}/train",
    }
    assert not differences(cells_of(arm), wanted)


@pytest.mark.parametrize(
    ("arm", "preset", "how"),
    [
        ("voc_sim_ovam", "ovam", ""),
        ("coco_cap_ovam", "ovam", ""),
        ("voc_sim_attn2mask", "attn2mask", ""),
        ("coco_cap_attn2mask", "attn2mask", ", CRF"),
    ],
)
def test_ovams_protocols_rate_masks_of_their_own_pictures(arm: str, preset: str, how: str) -> None:
    """Class's own words alone; Attn2mask has the CRF on captions only."""
    name = arm.removesuffix(f"_{preset}")
    captions = {"coco_cap/captions": "template | data<-draw_the_miniature_VOC"} if name == "coco_cap" else {}
    read = "captions<-coco_cap/captions, " if captions else ""
    labels, oracle = f"{name}/{preset}/labels0", f"{name}/oracle0"
    wanted = {
        "draw_the_miniature_VOC": "",
        **captions,
        f"{name}/prompts": f"shares 1 0 0 | {read}data<-draw_the_miniature_VOC, generator",
        f"{name}/pictures0": f"{ALL_PRESETS} | generator, prompts<-{name}/prompts",
        labels: f"{preset}, beta 0.2, attention, margin{how} | pairs<-{name}/pictures0",
        oracle: f"attn2mask, beta 0.2, cutout, margin | cutter, pairs<-{name}/pictures0",
        f"{name}/{arm}/rating": f"all | labels<-{labels}, pairs<-{name}/pictures0, reference<-{oracle}",
    }
    assert not differences(cells_of(arm), wanted)


def test_words_that_clip_recognises_are_the_lexicon_of_as_many_prompts() -> None:
    found, voc = cells_of("robust_recognised"), "data<-draw_the_miniature_VOC"
    assert found["recognised/lexicon"] == f"miniature, 4 of 8 | clip, {voc}, generator"
    assert found["recognised/prompts"] == f"shares 1 1 1 | {voc}, generator, lexicon<-recognised/lexicon"
    assert found["robust_recognised/train"].startswith("pair, co-training 1, 70, all")
    prompts = {label_of(cell): cell for cell in behind("robust_recognised")}["recognised/prompts"].config
    assert (prompts.lexicon, prompts.num_prompts) == ("file", mini().prompts.num_prompts)  # type: ignore[attr-defined]


def test_the_few_real_pictures_of_the_categories() -> None:
    found = cells_of("imagenet_s50_real")
    assert found["imagenet_s50_real/train"] == f"plain, 70, train-semi, scratch | {IMAGENET_S}"


@pytest.mark.parametrize(
    ("arm", "start"),
    [("pretrained_then_real", "trained"), ("pretrained_backbone_then_real", "trained_backbone")],
)
def test_photographs_follow_what_generated_categories_have_taught(arm: str, start: str) -> None:
    few, voc = mini().diffumask.few_images, "data<-draw_the_miniature_VOC"
    wanted = {
        **CATEGORIES,
        "draw_the_miniature_VOC": "",
        "imagenet_s50/train": f"plain, 70, all, scratch | {OF_CATEGORIES}",
        f"{arm}/train": f"plain, 70, {few} of trainaug, {start} | {voc}, start<-imagenet_s50/train",
        f"{arm}/evaluate": f"val in 19 | {voc}, model<-{arm}/train",
    }
    assert not differences(cells_of(arm), wanted)
    control = cells_of("real_plain_few")["real_plain_few/train"]
    assert control == f"plain, 70, {few} of trainaug, scratch | {voc}"


def test_at_tier_paper_swin_b_is_diffumasks_segmenter_alone() -> None:
    made = paper_swin_b()
    assert made.diffumask.segmenter.backbone.embedding == 128  # type: ignore[union-attr]
    assert made.model_copy(update={"backbone": paper().backbone, "diffumask": paper().diffumask}) == paper()
    request = Request("diffumask_robust", Store(Path("/nowhere")), tier="paper", assume_published=True)
    arms = {one.study.backbone: {arm.id for arm in one.arms} for one in PAPER.asked(request)}
    printed = ("diffumask", "cityscapes_diffumask", "ade20k")
    others = {"real", "real_5k"} | {arm.id for arm in RUN if arm.id.startswith(printed)}
    assert arms["mask2former_swin_b"] == others
    assert arms["deeplabv3plus_r101d"] == {arm.id for arm in RUN}
    weights = {
        need.what
        for one in PAPER.asked(request)
        for need in PAPER.study_needs(request, one.study, one.arms)
        if need.role == "plain_backbone" and one.study.backbone == "mask2former_swin_b"
    }
    assert len(weights) == 1
    assert "Swin-B" in weights.pop()


def test_at_tier_paper_each_network_starts_from_the_weights_of_its_own_kind() -> None:
    made = paper().model_copy(update={"num_shards": 1})
    by_label = {label_of(cell): cell for arm in ("robust", "real", "diffumask") for cell in behind(arm, made)}
    assert by_label["robust/train"].external["backbone"].fingerprint == "backbone"
    assert by_label["real/train"].external["backbone"].fingerprint == "plain_backbone"
    affinity = [label for label in by_label if "/affinity_" in label]
    assert len(affinity) == 20
    assert set(by_label[affinity[0]].external) == {"trunk"}
    assert set(by_label["hyponyms/prompts"].external) == {"data", "generator", "wordnet"}


def test_presets_are_compared_on_pictures_of_their_own_at_tier_paper() -> None:
    made = paper().model_copy(update={"num_shards": 1})
    pictures = [cell for cell in behind("plain_daam", made) if isinstance(cell.config, SynthesizeAttentionConfig)]
    assert [label_of(cell) for cell in pictures] == ["compared/pictures0"]
    assert set(pictures[0].config.presets) == set(made.presets)  # type: ignore[attr-defined]
    prompts = pictures[0].inputs["prompts"][0].config
    assert prompts.num_prompts == made.comparison_prompts  # type: ignore[attr-defined]


def test_arms_share_what_they_have_in_common() -> None:
    planner = SeedPlanner(study(), 0, PLACES)
    arms = {arm.id: planner.arm(arm) for arm in RUN}
    assert arms["plain"].pairs == arms["robust"].pairs == arms["plain_oracle"].pairs == arms["plain_ovam"].pairs
    assert arms["plain"].labels == arms["mask_only"].labels == arms["robust_2k"].labels
    assert arms["diffumask"].labels == arms["diffumask_splicing"].labels == arms["diffumask_then_real"].labels
    assert arms["diffumask"].trains[0].id == arms["diffumask_then_real"].trains[0].id

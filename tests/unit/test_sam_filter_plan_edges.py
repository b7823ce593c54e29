"""What every cell of the SAM filter's plan is made of, against Tables 1 to 3 and SAM filter section 10 written down by themselves."""

from dataclasses import dataclass

import pytest

from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.common.stages.segment_named import SegmentNamedConfig
from methods.common.stages.training_sources import PairsSource, RealSource
from methods.sam_filter.stages.classify import PretrainClassifierConfig
from methods.sam_filter.stages.drawn_source import DrawnSource
from methods.sam_filter.stages.reference_quality import ReferenceQualityConfig
from methods.sam_filter.stages.score import ScoreConfig
from methods.sam_filter.stages.select import SelectConfig
from methods.sam_filter.stages.synthesis_config import SynthesizeConfig
from methods.sam_filter.stages.train import TrainConfig
from reproductions.harness.cell import Cell
from reproductions.sam_filter.arms import ARMS, OWN_ARMS
from reproductions.sam_filter.plan import SeedPlanner
from reproductions.sam_filter.recipe import SamFilterStudy, mini, own_data
from tests.unit.plan_edges import differences, label_of, outside, table_of

PLACES = outside("captioner", "generator", "sam", "detector", "clip", "cutter", "backbone")
BY_ID = {arm.id: arm for arm in (*ARMS, *OWN_ARMS)}
IMAGENET_NETWORK = ConvolutionalConfig(num_classes=6, widths=(8, 8))
"""Stands for the network whose batch norms' affine parameters are not trained (SAM filter section 8.1)."""
KEPT = {1: 256, 2: 512, 3: 768, 4: 1024}
"""Pairs by quarters of 1024."""
LENGTH = {1: 260, 2: 510, 3: 770, 4: 1020}
"""An iteration for a pair, to the nearest ten."""
REAL, REAL_EPOCHS, BEFORE = 700, 220, 350
"""Iterations on real images, on 220 of them for as many epochs as generated pairs, and of the pre-training."""


def study(**changes: object) -> SamFilterStudy:
    """The miniature one with lengths that differ, so that one cannot stand for another, and settings that are no defaults."""
    made = mini()
    return made.model_copy(
        update={
            "real_iterations": REAL,
            "real_images": 220,
            "pretraining": made.pretraining.model_copy(update={"iterations": BEFORE}),
            "num_shards": 2,
            "pilot_images": 150,
            "uncertain": "background",
            "train_split": "trainaug",
            "imagenet_segmenter": IMAGENET_NETWORK,
        }
        | changes
    )


def source_of(config: TrainConfig) -> str:
    match config.source:
        case PairsSource() as source:
            return f"pairs of {source.variant}"
        case RealSource() as source:
            return f"photographs of {source.split}"
        case DrawnSource() as source:
            return f"{source.num_images} drawn {source.drawn.contour}, noise {source.drawn.mask_noise}"


def settings(cell: Cell) -> str:
    """What of a config decides between arms and variants."""
    match cell.config:
        case TrainConfig() as config:
            network = "ImageNet's network" if config.segmenter == IMAGENET_NETWORK else ""
            classes = f"{config.segmenter.num_classes} classes"
            words = (
                f"{config.recipe.iterations} iterations at {config.recipe.base_lr}, {config.start}, {source_of(config)}"
            )
            return f"{words}, {network or classes}"
        case SelectConfig() as config:
            return f"{config.rule} {config.keep} by {config.score}, strata {config.stratify}, {config.variant}"
        case ScoreConfig() as config:
            return f"{config.variant}, uncertain {config.uncertain}"
        case SegmentNamedConfig() as config:
            return config.prompter.kind
        case SynthesizeConfig() as config:
            return f"part {config.shard_index} of {config.num_shards}"
        case ReferenceQualityConfig() as config:
            return f"{config.variant}, {config.max_images} images"
        case EvaluateSemanticConfig() as config:
            return f"on {config.split}"
        case PretrainClassifierConfig():
            return "classifier"
    return ""


DATA = "data<-draw_the_miniature_VOC"
PAIRS = "pairs<-pairs0/synthesize pairs1/synthesize"
GENERATED = {
    "draw_the_miniature_VOC": "",
    "prompts": f"captioner, {DATA}",
    "pairs0/synthesize": "part 0 of 2 | generator, prompts<-prompts",
    "pairs1/synthesize": "part 1 of 2 | generator, prompts<-prompts",
}
SCORED = GENERATED | {
    "pairs0/named": "automatic_clip | clip, pairs<-pairs0/synthesize, sam",
    "pairs1/named": "automatic_clip | clip, pairs<-pairs1/synthesize, sam",
    "score": f"s8_c8, uncertain background | named<-pairs0/named pairs1/named, {PAIRS}",
}
FINE_TUNED, DRAWN = "at 0.005", "at 0.001"
"""Learning rates of the recipe and of the pre-training."""
PRETRAINED = {
    "rc": f"{BEFORE} iterations {DRAWN}, scratch, 300 drawn RC, noise none, 25 classes",
    "va": f"{BEFORE} iterations {DRAWN}, scratch, 300 drawn VA, noise none, 25 classes",
    "rcva": f"{BEFORE} iterations {DRAWN}, scratch, 300 drawn RC+VA, noise none, 25 classes",
    "va_noisy": f"{BEFORE} iterations {DRAWN}, scratch, 300 drawn VA, noise N1, 25 classes",
    "imagenet": "classifier",
}
SELECTED = {
    **{
        f"select/{rule}_{n}_quarters": f"{rule} {KEPT[n]} by S1, strata none"
        for rule in ("random", "score")
        for n in (1, 2, 3)
    },
    "select/random_same_mix_2_quarters": f"random_same_mix {KEPT[2]} by S1, strata none",
    "select/score_stratified_2_quarters": f"score {KEPT[2]} by S2, strata n_classes",
    "select/all_4_quarters": "all None by S1, strata none",
}


@dataclass(frozen=True)
class Row:
    """An arm on generated pairs as the tables name it."""

    selection: str
    length: int
    """Quarters of all pairs whose iterations it trains for."""
    before: str = ""
    start: str = "scratch"


ALL = "all_4_quarters"
ROWS = {
    "random_10k": Row("random_1_quarters", 1),
    "random_20k": Row("random_2_quarters", 2),
    "random_30k": Row("random_3_quarters", 3),
    "sam_10k": Row("score_1_quarters", 1),
    "sam_20k": Row("score_2_quarters", 2),
    "sam_30k": Row("score_3_quarters", 3),
    "all_40k": Row(ALL, 4),
    "rc_sam_20k": Row("score_2_quarters", 2, "rc", "all_but_classes"),
    "va_sam_20k": Row("score_2_quarters", 2, "va", "all_but_classes"),
    "rcva_sam_20k": Row("score_2_quarters", 2, "rcva", "all_but_classes"),
    "va_all_40k": Row(ALL, 4, "va", "all_but_classes"),
    "va_noisy_all_40k": Row(ALL, 4, "va_noisy", "all_but_classes"),
    "va_noisy_sam_20k": Row("score_2_quarters", 2, "va_noisy", "all_but_classes"),
    "random_same_mix_20k": Row("random_same_mix_2_quarters", 2),
    "sam_20k_equal_iterations": Row("score_2_quarters", 4),
    "random_20k_equal_iterations": Row("random_2_quarters", 4),
    "sam_20k_stratified": Row("score_stratified_2_quarters", 2),
    "imagenet_all_40k": Row(ALL, 4, "imagenet", "backbone"),
    "imagenet_sam_20k": Row("score_2_quarters", 2, "imagenet", "backbone"),
    "va_backbone_only_sam_20k": Row("score_2_quarters", 2, "va", "backbone"),
}


def evaluation(arm: str) -> dict[str, str]:
    return {f"{arm}/evaluate": f"on val | {DATA}, model<-{arm}/train"}


def selection(name: str) -> dict[str, str]:
    return {f"select/{name}": f"{SELECTED[f'select/{name}']}, s8_c8 | {PAIRS}, scores<-score"}


def cells_of(arm: str, row: Row) -> dict[str, str]:
    """Pairs, their scores, the selection, what comes before, the training, its result on val."""
    pretrained = {f"pretrain/{row.before}": PRETRAINED[row.before]} if row.before else {}
    start = f", start<-pretrain/{row.before}" if row.before else ""
    train = (
        f"{LENGTH[row.length]} iterations {FINE_TUNED}, {row.start}, pairs of s8_c8, 6 classes | "
        f"{PAIRS}, selection<-select/{row.selection}{start}"
    )
    return {**SCORED, **selection(row.selection), **pretrained, f"{arm}/train": train, **evaluation(arm)}


def check(cells: tuple[Cell, ...], wanted: dict[str, str]) -> None:
    found = table_of(cells, settings)
    assert found == wanted, differences(found, wanted)


def test_every_arm_stands_in_a_table_here() -> None:
    assert {*ROWS, *PHOTOGRAPHS, "pilot"} == {arm.id for arm in ARMS}
    elsewhere = {"imagenet"}  # tests/unit/test_efficientnet_lite.py
    assert {*OWN, *elsewhere} == {arm.id for arm in OWN_ARMS}


@pytest.mark.parametrize("arm", ROWS)
def test_arms_on_generated_pairs(arm: str) -> None:
    check(SeedPlanner(study(), 0, PLACES).arm(BY_ID[arm]).wanted, cells_of(arm, ROWS[arm]))


@pytest.mark.parametrize("arm", ["imagenet_all_40k", "imagenet_sam_20k"])
def test_with_published_imagenet_weights_the_network_is_that_of_the_release(arm: str) -> None:
    """SAM filter section 8.1: the row of its own starts its backbone from ImageNet, and leaves batch norms' affine parameters untrained."""
    wanted = cells_of(arm, ROWS[arm])
    del wanted["pretrain/imagenet"]
    of_train = wanted[f"{arm}/train"].replace("6 classes | ", "ImageNet's network | backbone, ")
    wanted[f"{arm}/train"] = of_train.replace(", start<-pretrain/imagenet", "")
    check(SeedPlanner(study(classifier=None), 0, PLACES).arm(BY_ID[arm]).wanted, wanted)


PHOTOGRAPHS = {"sbd": ("trainaug", REAL), "sbd_leaky": ("trainaug_leaky", REAL), "sbd_100_epochs": ("trainaug", REAL_EPOCHS)}  # fmt: skip


@pytest.mark.parametrize("arm", PHOTOGRAPHS)
def test_arms_on_photographs(arm: str) -> None:
    split, length = PHOTOGRAPHS[arm]
    train = f"{length} iterations {FINE_TUNED}, scratch, photographs of {split}, 6 classes | {DATA}"
    wanted = {"draw_the_miniature_VOC": "", f"{arm}/train": train, **evaluation(arm)}
    check(SeedPlanner(study(), 0, PLACES).arm(BY_ID[arm]).wanted, wanted)


OWN = {"scratch": ("", 550), "rc": ("rc", 550), "va": ("va", 550), "scratch_longer": ("", 1100)}
"""What comes before, and iterations: 11 epochs of 400 pictures in batches of 8, for the control those of pre-training too."""


@pytest.mark.parametrize("arm", OWN)
def test_arms_on_own_pictures(arm: str) -> None:
    before, length = OWN[arm]
    drawn = f"550 iterations {DRAWN}, scratch, 1000 drawn {before.upper()}, noise none, 65 classes"
    start, carried = (f", start<-pretrain/{before}", "all_but_classes") if before else ("", "scratch")
    wanted = {f"pretrain/{before}": drawn} if before else {}
    wanted[f"{arm}/train"] = (
        f"{length} iterations {FINE_TUNED}, {carried}, photographs of train, 5 classes | data{start}"
    )
    wanted[f"{arm}/evaluate"] = f"on val | data, model<-{arm}/train"
    planner = SeedPlanner(own_data(5, 400, "mini"), 0, PLACES | outside("data"))
    check(planner.arm(BY_ID[arm]).wanted, wanted)


def test_the_pilot_trains_on_each_variant_and_rates_its_masks_by_the_reference() -> None:
    """SAM filter section 3: one generation, one set of references, for each variant a training on all pairs."""
    reference = {f"pairs{shard}/reference": f"salient | cutter, pairs<-pairs{shard}/synthesize" for shard in (0, 1)}
    wanted = {**SCORED, **selection(ALL), **reference}
    variants = ["s8_c8", "s8_c8_p1", "s8_c8_p0", "s4_c8_p0", "s8_c4", "s8_c4_p1", "s8_c4_p0", "s4_c8"]
    for variant in variants:
        name = f"pilot/{variant}"
        wanted[f"{name}/quality"] = f"{variant}, 150 images | {PAIRS}, reference<-pairs0/reference pairs1/reference"
        wanted[f"{name}/train"] = (
            f"{LENGTH[4]} iterations {FINE_TUNED}, scratch, pairs of {variant}, 6 classes | {PAIRS}, selection<-select/{ALL}"
        )
        wanted |= evaluation(name)
    cells = SeedPlanner(study(), 0, PLACES).arm(BY_ID["pilot"])
    assert [one.variant for one in cells.pilot] == variants
    for one in cells.pilot:
        assert label_of(one.quality) == f"pilot/{one.variant}/quality"
        assert label_of(one.evaluation) == f"pilot/{one.variant}/evaluate"
    check(cells.wanted, wanted)


def test_what_an_arm_reports_of_is_its_own() -> None:
    """Only arms whose selection looks at scores pay for the segmenting; a pre-training counts to the arm that it is for."""
    planner = SeedPlanner(study(), 0, PLACES)
    for arm, row in ROWS.items():
        cells = planner.arm(BY_ID[arm])
        pays = row.selection.startswith("score") or "same_mix" in row.selection
        assert [label_of(cell) for cell in cells.judged] == (["pairs0/named", "pairs1/named", "score"] if pays else [])
        trains = [label_of(cell) for cell in cells.trains]
        assert trains == [*([f"pretrain/{row.before}"] if row.before else []), f"{arm}/train"]
        assert [label_of(cell) for cell in cells.pairs] == ["pairs0/synthesize", "pairs1/synthesize"]
        assert cells.selection is not None
        assert label_of(cells.selection) == f"select/{row.selection}"

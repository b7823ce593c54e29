"""What every cell of instance synthesis' plan is made of, against InstSynth sections 2, 3 and 13 written down by themselves."""

import pytest

from methods.common.generators.repainting.configs import RepaintConfig
from methods.common.stages.evaluate_cityscapes import EvaluateCityscapesConfig
from methods.instance_synthesis.stages.evaluate_coco import EvaluateCocoConfig
from methods.instance_synthesis.stages.generate import GenerateStageConfig
from methods.instance_synthesis.stages.integrate import IntegrateStageConfig
from methods.instance_synthesis.stages.quality import QualityConfig
from methods.instance_synthesis.stages.select import SelectStageConfig
from methods.instance_synthesis.stages.train import TrainConfig
from reproductions.harness.cell import Cell
from reproductions.instance_synthesis.arms import ARMS, OWN_ARMS
from reproductions.instance_synthesis.branch_b_arms import FewShot, Sizes
from reproductions.instance_synthesis.plan import SeedPlanner
from reproductions.instance_synthesis.recipe import InstanceSynthesisStudy, SetupConfig, mini, own_data, paper, smoke
from tests.unit.plan_edges import differences, label_of, outside, table_of

GENERATORS = ("blended", "inpainting", "gligen")
PLACES = outside(*(f"{name}_generator" for name in GENERATORS), "clip", "inception", "backbone", "start")
BY_ID = {arm.id: arm for arm in ARMS}
LENGTH, OWN_LENGTH = 70, 110
"""Iterations of the paper's training and of the published recipe."""


def with_recipe(setup: SetupConfig, **changes: object) -> SetupConfig:
    return setup.model_copy(update={"recipe": setup.recipe.model_copy(update=changes)})


def study(**changes: object) -> InstanceSynthesisStudy:
    """The miniature one with two shards, and lengths, batches and crops that differ, so that one cannot stand for another."""
    made = mini()
    crop = made.large_crop.augmentation.model_copy(update={"last_crop_px": (90, 180)})
    return made.model_copy(
        update={
            "num_shards": 2,
            "train_split": "train_extra",
            "reproduced": with_recipe(made.reproduced, iterations=LENGTH),
            "large_crop": with_recipe(made.large_crop, iterations=LENGTH).model_copy(update={"augmentation": crop}),
            "published": with_recipe(made.published, iterations=OWN_LENGTH, batch_size=9),
        }
        | changes
    )


def back_end_of(config: RepaintConfig) -> str:
    return config.kind


def settings(cell: Cell) -> str:
    """What of a config decides between arms."""
    match cell.config:
        case TrainConfig() as config:
            source, crop = config.source, config.augmentation.last_crop_px  # type: ignore[union-attr]
            share = "" if source.synthetic_percent is None else f", {source.synthetic_percent} % samples"
            words = f"{config.recipe.iterations} x {config.recipe.batch_size}, crops of {crop}, {config.start}"
            return f"{words}, {source.percent} % of {source.split} in {source.layout}{share}"
        case SelectStageConfig() as config:
            return f"{config.num_variants} variants of {config.split} in {config.layout}"
        case GenerateStageConfig() as config:
            part = f"part {config.shard_index} of {config.num_shards}"
            return f"{back_end_of(config.back_end)}, {part} of {config.split} in {config.layout}"
        case IntegrateStageConfig() as config:
            part = f"part {config.shard_index} of {config.num_shards}"
            return f"{part} of {config.split} in {config.layout}, {'whole' if config.focus is None else 'focused'}"
        case QualityConfig() as config:
            return f"{config.features} on {config.split} in {config.layout}"
        case EvaluateCityscapesConfig() as config:
            return f"Cityscapes' AP on {config.split}"
        case EvaluateCocoConfig() as config:
            return f"COCO's AP on {config.split}"
    return ""


WORLD = "draw_the_miniature_street"
DATA = f"data<-{WORLD}"
BASE = {
    WORLD: "",
}
"""The drawn street."""
OF = "train_extra in cityscapes"


def training(samples: str | None, setup: str = "", percent: int = 100, share: str = "") -> str:
    """InstSynth section 2.8: every arm but the two other baselines trains as long, on as many images, on crops as large."""
    words = setup or f"{LENGTH} x 4, crops of (64, 128), all_but_classes"
    inputs = DATA if samples is None else f"{DATA}, samples<-{samples}/integrate0 {samples}/integrate1"
    return f"{words}, {percent} % of {OF}{share} | {inputs}, start"


def made(name: str, kind: str, variants: int = 2) -> dict[str, str]:
    """InstSynth sections 2.1 to 2.6: one manifest for every back end, so that windows, prompts and seeds are the same."""
    manifest = f"select/{variants}_variants"
    generator = ", generator" if name in GENERATORS else ""
    cells = {**BASE, manifest: f"{variants} variants of {OF} | {DATA}"}
    for shard in (0, 1):
        cells[f"{name}/generate{shard}"] = (
            f"{kind}, part {shard} of 2 of {OF} | {DATA}{generator}, manifest<-{manifest}"
        )
        cells[f"{name}/integrate{shard}"] = (
            f"part {shard} of 2 of {OF}, focused | {DATA}, manifest<-{manifest}, pictures<-{name}/generate0 {name}/generate1"
        )
    return cells


def evaluated(arm: str) -> dict[str, str]:
    return {f"{arm}/evaluate": f"Cityscapes' AP on val | {DATA}, model<-{arm}/train"}


KINDS = {
    "blended": "blended_latent",
    "inpainting": "inpainting",
    "gligen": "gligen",
    "zoom": "identity",
    "copy_paste": "copy_from_bank",
}
NAMES = {"zoom": "identity"}
"""Whose cells are called after the back end, not after the arm."""


def with_samples(arm: str, row: str, percent: int = 100, share: str = "") -> dict[str, str]:
    name = NAMES.get(row, row)
    cells = made(name, KINDS[row]) | evaluated(arm)
    cells[f"{arm}/train"] = training(name, percent=percent, share=share)
    if row in GENERATORS and arm == row:
        pictures = f"{name}/generate0 {name}/generate1"
        cells[f"{name}/quality"] = f"clip on {OF} | clip, {DATA}, manifest<-select/2_variants, pictures<-{pictures}"
    return cells


def expected(arm: str) -> dict[str, str]:
    """The whole table of an arm, from its id alone."""
    if arm in ("real", "real_large_crop", "published"):
        setup = {
            "real": "",
            "real_large_crop": f"{LENGTH} x 4, crops of (90, 180), all_but_classes",
            "published": f"{OWN_LENGTH} x 9, crops of (96, 192), all_but_classes",
        }[arm]
        cells = {**BASE, f"{arm}/train": training(None, setup)} | evaluated(arm)
        return cells
    if arm == "zoom_doubled":
        cells = made("identity_doubled", "identity", variants=4) | evaluated(arm)
        return cells | {f"{arm}/train": training("identity_doubled")}
    row, _, amount = arm.rpartition("_")
    if amount == "half":
        return with_samples(arm, row, share=", 50 % samples")
    if amount.isdigit() and row == "real":
        return {**BASE, f"{arm}/train": training(None, percent=int(amount))} | evaluated(arm)
    if amount.isdigit():
        return with_samples(arm, row, percent=int(amount))
    return with_samples(arm, arm)


RUN = [arm.id for arm in ARMS if not arm.not_run and not isinstance(arm.how, FewShot | Sizes)]
"""Few-shot arms are tried in test_few_shot_plan.py."""


@pytest.mark.parametrize("arm", RUN)
def test_every_cell_of_an_arm_is_made_of_what_the_specification_says(arm: str) -> None:
    cells = SeedPlanner(study(), 0, PLACES).arm(BY_ID[arm])
    found = differences(table_of([*cells.wanted, *cells.behind], settings), expected(arm))
    assert not found, f"{arm}:\n{found}"


def test_arms_are_the_ones_that_the_controls_need() -> None:
    """InstSynth section 13, item 9: R, R+Z, R+CP, R+S for each generator; and at 10, 25 and 50 % (InstSynth section 10, item 1)."""
    every = ("real", "zoom", "copy_paste", *GENERATORS)
    limited = {f"{arm}_{percent}" for arm in every for percent in (10, 25, 50)}
    assert {*every, *limited, "zoom_doubled", "zoom_half", "blended_half", "published", "real_large_crop"} == set(RUN)


def test_each_back_end_paints_with_the_networks_of_its_role() -> None:
    planner = SeedPlanner(study(), 0, PLACES)
    for name in GENERATORS:
        made_by = planner.arm(BY_ID[name]).made
        assert made_by is not None
        assert {cell.external["generator"].fingerprint for cell in made_by.pictures} == {f"{name}_generator"}
    for arm in ("zoom", "copy_paste"):
        made_by = planner.arm(BY_ID[arm]).made
        assert made_by is not None
        assert all("generator" not in cell.external for cell in made_by.pictures)


def test_a_share_of_the_data_trains_on_the_very_samples_of_all_of_it() -> None:
    """Samples are made once; a training leaves out those of frames that it does not see."""
    planner = SeedPlanner(study(), 0, PLACES)
    for arm in ("zoom", "copy_paste", *GENERATORS):
        whole = planner.arm(BY_ID[arm]).trains[-1].inputs["samples"]
        for percent in (10, 25, 50):
            part = planner.arm(BY_ID[f"{arm}_{percent}"]).trains[-1].inputs["samples"]
            assert [cell.id for cell in part] == [cell.id for cell in whole]


def test_seeds_vary_windows_and_trainings_but_neither_the_data_nor_their_shares() -> None:
    one, other = (SeedPlanner(study(), index, PLACES) for index in (0, 1))
    for arm in ("real_10", "blended"):
        left, right = one.arm(BY_ID[arm]), other.arm(BY_ID[arm])
        assert left.trains[0].id != right.trains[0].id
        assert left.trains[0].inputs["data"][0].id == right.trains[0].inputs["data"][0].id
        assert left.trains[0].seeds.data == right.trains[0].seeds.data == 0
    manifests = [planner.arm(BY_ID["zoom"]).made for planner in (one, other)]
    assert len({cells.manifest.id for cells in manifests if cells is not None}) == 2


def test_with_data_from_outside_every_cell_that_reads_them_says_so() -> None:
    places = PLACES | outside("data")
    planner = SeedPlanner(paper(), 0, places)
    for arm in RUN:
        cells = planner.arm(BY_ID[arm])
        for cell in (*cells.wanted, *cells.behind):
            assert cell.external["data"].fingerprint == "data", cell.label
            assert "data" not in cell.inputs


def test_at_tier_paper_quality_is_measured_by_the_networks_of_the_tables() -> None:
    """InstSynth sections 9.3 and 9.4: FID's Inception and CLIP; the published recipe starts from ImageNet, too."""
    planner = SeedPlanner(paper(), 0, PLACES | outside("data"))
    quality = planner.arm(BY_ID["gligen"]).quality
    assert quality is not None
    assert set(quality.external) == {"data", "clip", "inception"}
    for arm in ("real", "published", "blended_25"):
        train = planner.arm(BY_ID[arm]).trains[-1]
        assert "backbone" in train.external
        assert isinstance(train.config, TrainConfig)
        assert train.config.start == "backbone"


PUBLISHED_CLIP, REPRODUCED_CLIP = 0.01, None


@pytest.mark.parametrize(
    ("arm", "crop", "batch", "clip"),
    [
        ("real", (360, 720), 4, REPRODUCED_CLIP),
        ("blended", (360, 720), 4, REPRODUCED_CLIP),
        ("real_large_crop", (512, 1024), 4, REPRODUCED_CLIP),
        ("published", (512, 1024), 16, PUBLISHED_CLIP),
    ],
)
def test_the_paper_trains_as_section_2_8_says(arm: str, crop: tuple[int, int], batch: int, clip: float | None) -> None:
    """InstSynth section 2.8; InstSynth section 10, item 4 for clipping."""
    config = SeedPlanner(paper(), 0, PLACES | outside("data")).arm(BY_ID[arm]).trains[-1].config
    assert isinstance(config, TrainConfig)
    recipe = config.recipe
    assert (recipe.iterations, recipe.batch_size, recipe.base_lr) == (90_000, batch, 1e-4)
    assert recipe.max_gradient_norm == clip  # type: ignore[union-attr]
    assert config.augmentation.last_crop_px == crop  # type: ignore[union-attr]
    assert config.segmenter.num_classes == 8


@pytest.mark.parametrize("layout", ["cityscapes", "coco"])
def test_own_data_are_read_and_scored_in_their_layout(layout) -> None:
    names = ("person", "cat")
    planner = SeedPlanner(own_data(layout, names, 40, "mini"), 0, PLACES | outside("data"))
    for arm in OWN_ARMS:
        cells = planner.arm(arm)
        assert cells.quality is None
        for cell in (*cells.wanted, *cells.behind):
            assert getattr(cell.config, "layout", layout) == layout, cell.label
        train = cells.trains[-1].config
        assert isinstance(train, TrainConfig)
        assert train.source.layout == layout
        assert train.segmenter.num_classes == 2
        assert cells.evaluation is not None
        wanted = "evaluate_cityscapes" if layout == "cityscapes" else "instance_synthesis_evaluate_coco"
        assert cells.evaluation.stage.name == wanted
    manifest = planner.arm(BY_ID["zoom"]).made
    assert manifest is not None
    phrases = manifest.manifest.config.prompts.phrases  # type: ignore[attr-defined]
    assert phrases["cat"] == ("a cat",)
    assert phrases["person"] == ("a woman", "a man")


def test_what_an_arm_reports_of_is_its_own() -> None:
    """Costs add up the cells behind an arm."""
    cells = SeedPlanner(study(), 0, PLACES).arm(BY_ID["gligen_25"])
    assert [label_of(cell) for cell in cells.trains] == ["gligen_25/train"]
    assert cells.made is not None
    assert [label_of(cell) for cell in cells.made.pictures] == ["gligen/generate0", "gligen/generate1"]
    assert [label_of(cell) for cell in cells.made.samples] == ["gligen/integrate0", "gligen/integrate1"]
    assert cells.quality is None


def test_arms_stay_equally_long() -> None:
    made_ = mini()
    with pytest.raises(ValueError, match="equally long"):
        InstanceSynthesisStudy.model_validate(
            made_.model_copy(update={"large_crop": with_recipe(made_.large_crop, iterations=7)}).model_dump()
        )
    for recipe in (mini, smoke, paper):
        made_ = recipe()
        assert made_.large_crop.recipe.iterations == made_.reproduced.recipe.iterations

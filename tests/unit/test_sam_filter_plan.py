"""The graph behind the tables of the SAM filter: what is shared, what waits for what, and how long arms train."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.common.errors import InputError
from methods.common.stages.training_sources import PairsSource, RealSource
from methods.sam_filter.stages.drawn_source import DrawnSource
from methods.sam_filter.stages.select import SelectConfig
from methods.sam_filter.stages.train import TrainConfig
from reproductions.commands.places import check_reports
from reproductions.harness.cell import Cell, External
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.sam_filter import recipe as studies
from reproductions.sam_filter.arms import ARMS, OWN_ARMS
from reproductions.sam_filter.paper import PAPER
from reproductions.sam_filter.plan import SeedPlanner
from reproductions.sam_filter.recipe import SamFilterStudy, mini, own_data, smoke
from reproductions.study.request import Request

OUTSIDE = {
    role: External(Path("/nowhere"), role)
    for role in ("data", "captioner", "generator", "sam", "detector", "clip", "cutter", "backbone")
}

PAPER_STUDY = studies.paper()
BY_ID = {arm.id: arm for arm in (*ARMS, *OWN_ARMS)}
ROWS = [arm for arm in ARMS if arm.row]


def planner(study: SamFilterStudy, index: int = 0) -> SeedPlanner:
    return SeedPlanner(study, index, OUTSIDE)


def training(cell: Cell) -> TrainConfig:
    assert isinstance(cell.config, TrainConfig)
    return cell.config


def ancestors(cell: Cell) -> set[str]:
    return {found.id for found in Plan("all", (cell,))} - {cell.id}


def test_paper_trains_as_long_as_it_says() -> None:
    seed = planner(studies.paper())
    lengths = {"random_10k": 63_000, "sam_20k": 125_000, "random_30k": 188_000, "all_40k": 250_000, "sbd": 133_000}
    for arm, iterations in lengths.items():
        assert training(seed.arm(BY_ID[arm]).trains[-1]).recipe.iterations == iterations
    assert training(seed.arm(BY_ID["sam_20k_equal_iterations"]).trains[-1]).recipe.iterations == 250_000
    assert training(seed.arm(BY_ID["sbd_100_epochs"]).trains[-1]).recipe.iterations == 66_000
    pretraining = seed.arm(BY_ID["va_sam_20k"]).pretraining
    assert pretraining is not None
    assert training(pretraining).recipe.iterations == 125_000
    assert training(pretraining).segmenter.num_classes == 255
    assert len(seed.study.pilot_variants) == 8


@pytest.mark.parametrize(
    ("num_images", "iterations"), [(10_000, 63_000), (20_000, 125_000), (30_000, 188_000), (40_000, 250_000)]
)
def test_iterations_are_the_papers(num_images: int, iterations: int) -> None:
    assert studies.paper().iterations_for(num_images) == iterations


@given(st.integers(80, 10**6))
def test_iterations_are_within_half_a_thousand_of_the_rule(num_images: int) -> None:
    assert -500 < PAPER_STUDY.iterations_for(num_images) - 6.25 * num_images <= 500


def test_paper_starts_from_random_weights_except_where_imagenet_is_named() -> None:
    seed = planner(studies.paper())
    for arm in ROWS:
        cells = seed.arm(arm)
        imagenet = arm.id.startswith("imagenet")
        assert ("backbone" in cells.trains[-1].external) == imagenet
        assert (training(cells.trains[-1]).start == "scratch") == (cells.pretraining is None and not imagenet)


def test_arms_share_pairs_scores_and_pretraining() -> None:
    seed = planner(mini())
    pairs = {cell.id for cell in seed.pairs}
    for arm in ROWS:
        cells = seed.arm(arm)
        real = isinstance(training(cells.trains[-1]).source, RealSource)
        assert (cells.selection is None) == real
        assert pairs.isdisjoint(ancestors(cells.trains[-1])) == real
    first, second = (seed.arm(BY_ID[arm]).pretraining for arm in ("va_sam_20k", "va_all_40k"))
    assert first is not None
    assert second is not None
    assert first.id == second.id
    assert seed.arm(BY_ID["sam_20k"]).selection.id == seed.arm(BY_ID["va_sam_20k"]).selection.id  # type: ignore[union-attr]


def test_noise_is_the_only_difference_of_the_noisy_pretraining() -> None:
    seed = planner(mini())
    clean, noisy = (seed.pretrained(name) for name in ("va", "va_noisy"))  # type: ignore[arg-type]
    assert clean is not None
    assert noisy is not None
    clean_source, noisy_source = training(clean).source, training(noisy).source
    assert isinstance(clean_source, DrawnSource)
    assert isinstance(noisy_source, DrawnSource)
    assert noisy_source.drawn.mask_noise == "N1"
    same = noisy_source.drawn.model_copy(update={"mask_noise": "none"})
    assert training(noisy).model_copy(update={"source": training(clean).source}) == training(clean)
    assert same == clean_source.drawn


def test_pilot_shares_images_and_its_base_variant_is_the_arm_with_all_pairs() -> None:
    seed = planner(mini())
    assert len(seed.study.pilot_variants) == 8
    pilots = {cells.variant: cells for cells in seed.arm(BY_ID["pilot"]).pilot}
    assert pilots[seed.study.variant].evaluation.id == seed.arm(BY_ID["all_40k"]).evaluation.id
    for variant, cells in pilots.items():
        [train] = cells.evaluation.inputs["model"]
        assert training(train).source == PairsSource(variant=variant)
        assert set(cell.id for cell in seed.pairs) <= ancestors(train)


def test_reference_is_the_filters_own_cells_where_both_ask_the_same_prompter() -> None:
    assert [c.id for c in planner(studies.paper()).named] == [c.id for c in planner(studies.paper()).reference]
    assert [c.id for c in planner(mini()).named] != [c.id for c in planner(mini()).reference]


def test_selections_keep_the_shares_of_the_paper() -> None:
    seed = planner(mini())
    kept, total = {}, seed.study.prompts.num_prompts
    for arm in ("sam_10k", "sam_20k", "sam_30k", "all_40k", "sam_20k_stratified"):
        selection = seed.arm(BY_ID[arm]).selection
        assert selection is not None
        assert isinstance(selection.config, SelectConfig)
        kept[arm] = (selection.config.keep, selection.config.score, selection.config.stratify)
    assert kept == {
        "sam_10k": (total // 4, "S1", "none"),
        "sam_20k": (total // 2, "S1", "none"),
        "sam_30k": (3 * total // 4, "S1", "none"),
        "all_40k": (None, "S1", "none"),
        "sam_20k_stratified": (total // 2, "S2", "n_classes"),
    }


@pytest.mark.parametrize("study", [mini(), smoke(), own_data(11, 367, "mini"), studies.paper()])
def test_no_study_pairs_seeds_wrongly(study: SamFilterStudy) -> None:
    arm = "scratch" if study.world is None and study.backbone == "convolutional" else "sbd"
    first, second = (planner(study, index).arm(BY_ID[arm]).trains[-1] for index in (0, 1))
    assert first.id != second.id
    assert first.seeds.data == second.seeds.data == 0


def request(tmp_path: Path, **changes: object) -> Request:
    return Request("sam_filter", Store.create(tmp_path / "store"), tier="smoke", **changes)  # type: ignore[arg-type]


def test_a_report_below_a_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    asked = request(tmp_path, arms=("sbd",))
    with pytest.raises(
        InputError, match=r"/file cannot be written \(.*Not a directory\); name another place with --out"
    ):
        check_reports(PAPER, asked, tmp_path / "file")


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown arm 'nosuch'; choose from sbd, .* pilot"):
        PAPER.plan(request(tmp_path, arms=("nosuch",)))
    with pytest.raises(InputError, match="unknown arm 'va_al_40k'; nearest: va_all_40k, "):
        PAPER.plan(request(tmp_path, arms=("va_al_40k",)))
    with pytest.raises(InputError, match="no arm is named"):
        PAPER.plan(request(tmp_path, arms=()))
    with pytest.raises(InputError, match="--objects has no meaning for sam_filter"):
        PAPER.plan(request(tmp_path, objects=tmp_path))
    with pytest.raises(InputError, match=r"there is no folder .*; own data are a folder"):
        PAPER.plan(request(tmp_path, data=tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no masks of variant 's9_c9' are made; there will be s8_c8"):
        PAPER.plan(request(tmp_path, settings={"variant": "s9_c9"}))


def test_real_arms_need_no_generator(tmp_path: Path) -> None:
    assert PAPER.needs(request(tmp_path, arms=("sbd",))) == []
    roles = {need.role for need in PAPER.needs(request(tmp_path))}
    assert roles == {"generator", "sam", "clip", "cutter"}


def test_another_choice_takes_its_own_defaults(tmp_path: Path) -> None:
    [asked] = PAPER.asked(request(tmp_path, settings={"prompter.kind": "sam3"}))
    assert asked.study.prompter.model_dump() == {"kind": "sam3", "confidence": 0.5}


def test_mask2former_is_run_where_it_is_asked_for(tmp_path: Path) -> None:
    settings = {"backbone": "mask2former_miniature"}
    [asked] = PAPER.asked(request(tmp_path, settings=settings, arms=("sam_20k", "random_20k")))
    assert asked.study.segmenter.kind == "mask2former"
    [train, _] = [planner(asked.study).arm(arm).trains[-1] for arm in asked.arms]
    assert training(train).segmenter.kind == "mask2former"
    [everything] = PAPER.asked(request(tmp_path, settings=settings))
    assert "imagenet_all_40k" not in [arm.id for arm in everything.arms]
    with pytest.raises(InputError, match="arm 'imagenet_all_40k' needs ImageNet weights"):
        PAPER.plan(request(tmp_path, settings=settings, arms=("imagenet_all_40k",)))


def test_official_batch_norms_stay_frozen_with_imagenet_weights() -> None:
    seed = planner(studies.paper())
    ours, imagenet = (training(seed.arm(BY_ID[arm]).trains[-1]).segmenter for arm in ("all_40k", "imagenet_all_40k"))  # type: ignore[arg-type]
    assert ours != imagenet
    assert ours.model_dump()["backbone"]["norm"] == "batch"
    assert imagenet.model_dump() != ours.model_dump()


@pytest.mark.parametrize("study", [mini(), smoke()])
def test_the_parts_of_a_small_study_fit_each_other(study: SamFilterStudy) -> None:
    """One size for crops, evaluation and drawn pictures, one number of classes, and captions enough for all prompts."""
    assert study.world is not None
    assert study.classifier is not None
    sides = {
        study.augmentation.crop_px,
        study.evaluation.short_side_px,
        study.pretraining.drawn.size_px,
        study.classifier.web.image_size_px,
    }
    assert len(sides) == 1
    assert study.segmenter.num_classes == study.world.num_categories + 1
    assert study.classifier.segmenter == study.segmenter
    assert study.real_images == study.world.num_train
    assert study.prompts.num_prompts <= study.real_images * study.prompts.samples_per_image
    assert study.variant in study.pilot_variants  # the arm with all pairs is one of its points


def test_noise_in_drawn_masks_is_thirty_pixels_of_the_papers_pictures_at_every_size() -> None:
    for study in (mini(), smoke(), studies.paper()):
        drawn = study.pretraining.drawn
        assert abs(512 * drawn.mask_noise_px / drawn.size_px - 30) <= 2

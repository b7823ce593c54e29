"""What OneFormer's cells of instance synthesis' plan are made of, against InstSynth sections 8.3, 9.5 and 10 written down by themselves."""

from pathlib import Path

import pytest

from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.stages.evaluate_cityscapes import EvaluateCityscapesConfig
from methods.common.stages.evaluate_panoptic import EvaluatePanopticConfig
from methods.instance_synthesis.stages.train import TrainConfig
from reproductions.harness.store import Store
from reproductions.instance_synthesis.arms import ARMS
from reproductions.instance_synthesis.branch_b_arms import FewShot, Sizes
from reproductions.instance_synthesis.oneformer_recipe import paper_convnextl, paper_swinl, smoke
from reproductions.instance_synthesis.paper import PAPER
from reproductions.instance_synthesis.plan import SeedPlanner
from reproductions.instance_synthesis.recipe import InstanceSynthesisStudy, mini, own_data
from reproductions.study.request import Request
from tests.unit.plan_edges import outside

GENERATORS = ("blended", "inpainting", "gligen")
BY_ID = {arm.id: arm for arm in ARMS}
PLACES = outside(
    *(f"{name}_generator" for name in GENERATORS), "clip", "inception", "backbone", "start", "tokenizer", "data"
)
STUDIES = {"oneformer_convnext_l": paper_convnextl(), "oneformer_swin_l": paper_swinl()}


def request(tier="paper", arms=None) -> Request:
    return Request("instance_synthesis", Store(Path("/nowhere")), tier=tier, arms=arms)


def training(study: InstanceSynthesisStudy, arm: str) -> TrainConfig:
    config = SeedPlanner(study, 0, PLACES).arm(BY_ID[arm]).trains[-1].config
    assert isinstance(config, TrainConfig)
    return config


@pytest.mark.parametrize(
    ("arm", "crop", "batch", "has_text"),
    [
        ("real", (360, 720), 4, False),
        ("blended", (360, 720), 4, False),
        ("zoom_25", (360, 720), 4, False),
        ("published", (512, 1024), 16, True),
    ],
)
@pytest.mark.parametrize("backbone", list(STUDIES))
def test_the_papers_rows_are_without_clip_and_the_published_one_is_with(
    backbone: str, arm: str, crop: tuple[int, int], batch: int, has_text: bool
) -> None:
    """InstSynth section 2.8 and InstSynth section 10, item 4; InstSynth section 8.3 for the release's own recipe."""
    config = training(STUDIES[backbone], arm)
    assert isinstance(config.segmenter, OneFormerConfig)
    assert (config.segmenter.text is not None) == has_text
    assert (config.segmenter.num_queries, config.segmenter.num_classes) == (250, 19)
    assert (config.recipe.iterations, config.recipe.batch_size, config.recipe.base_lr) == (90_000, batch, 1e-4)
    assert config.recipe.max_gradient_norm == 0.01  # type: ignore[union-attr]
    assert config.augmentation.last_crop_px == crop  # type: ignore[union-attr]


@pytest.mark.parametrize("arm", ["real", "gligen", "published", "blended_half"])
@pytest.mark.parametrize("backbone", list(STUDIES))
def test_what_a_training_starts_from(backbone: str, arm: str) -> None:
    """InstSynth section 8.3: ConvNeXt-L from the weights of Mapillary Vistas, Swin-L from ImageNet; a text branch wants CLIP's words."""
    (train,) = SeedPlanner(STUDIES[backbone], 0, PLACES).arm(BY_ID[arm]).trains
    role, start = {
        "oneformer_convnext_l": ("start", "official_all_but_classes"),
        "oneformer_swin_l": ("backbone",) * 2,
    }[backbone]
    assert set(train.external) == {"data", role, *(["tokenizer"] if arm == "published" else [])}
    assert train.config.start == start  # type: ignore[attr-defined]
    assert {one.fingerprint for name, one in train.external.items() if name == role} == {role}


@pytest.mark.parametrize("arm", ["real", "zoom", "published"])
def test_stuff_is_learned_and_measured_at_the_same_sizes(arm: str) -> None:
    """InstSynth section 9.5; detections are scored on the 8 classes, of a network of 19."""
    study = paper_swinl()
    study = study.model_copy(update={"evaluation": study.evaluation.model_copy(update={"short_side_px": 720})})
    cells = SeedPlanner(study, 0, PLACES).arm(BY_ID[arm])
    assert training(study, arm).source.segments == "things_and_stuff"
    evaluation, panoptic = cells.evaluation, cells.panoptic
    assert evaluation is not None
    assert panoptic is not None
    assert isinstance(evaluation.config, EvaluateCityscapesConfig)
    assert isinstance(panoptic.config, EvaluatePanopticConfig)
    assert evaluation.config.segments == "things_and_stuff"
    assert (panoptic.config.short_side_px, panoptic.config.long_side_px) == (720, 2048)
    assert (panoptic.config.object_threshold, panoptic.config.overlap_threshold) == (0.8, 0.8)
    assert evaluation.inputs["model"][0].id == panoptic.inputs["model"][0].id == cells.trains[-1].id
    assert panoptic in cells.wanted


@pytest.mark.parametrize("arm", ["real", "blended", "published"])
def test_fastinst_knows_no_stuff(arm: str) -> None:
    cells = SeedPlanner(mini(), 0, PLACES).arm(BY_ID[arm])
    assert cells.panoptic is None
    assert training(mini(), arm).source.segments == "things"
    assert cells.evaluation is not None
    assert cells.evaluation.config.segments == "things"  # type: ignore[attr-defined]


def test_samples_are_those_of_fastinsts_rows() -> None:
    """InstSynth section 13, item 9: the same manifest, pictures and samples, whichever network is trained on them."""
    from reproductions.instance_synthesis.recipe import paper

    for arm in ("blended", "zoom"):
        made = [SeedPlanner(study, 0, PLACES).arm(BY_ID[arm]).made for study in (paper(), *STUDIES.values())]
        assert len({tuple(cell.id for cell in one.samples) for one in made if one is not None}) == 1


def test_which_studies_run_which_arms() -> None:
    at_paper = {one.study.backbone: {arm.id for arm in one.arms} for one in PAPER.asked(request())}
    run = {arm.id for arm in ARMS if not arm.not_run and not isinstance(arm.how, FewShot | Sizes)}
    assert at_paper == {
        "fastinst_r50": run,
        "oneformer_convnext_l": run - {"real_large_crop"},
        "oneformer_swin_l": run - {"real_large_crop"},
    }
    at_smoke = {
        one.study.backbone: {arm.id for arm in one.arms}
        for one in PAPER.asked(request("smoke"))
        if one.study.few_shot is None
    }
    assert at_smoke == {"fastinst_miniature": run, "oneformer_miniature": {"published", "zoom"}}
    assert [one.study.backbone for one in PAPER.asked(request("mini"))] == ["fastinst_miniature"]


def test_a_claim_on_fastinsts_rows_is_not_asked_of_oneformer() -> None:
    asked = {study.backbone: {claim.id for claim in PAPER.study_claims(request(), study)} for study in STUDIES.values()}
    everything = {claim.id for claim in PAPER.claims if not claim.id.startswith("B")}
    assert asked == dict.fromkeys(STUDIES, everything - {"C6"})
    assert {claim.id for claim in PAPER.study_claims(request(), mini())} == everything


def test_the_tiny_one_trains_with_and_without_the_text_branch() -> None:
    assert training(smoke(), "published").segmenter.text is not None  # type: ignore[union-attr]
    assert training(smoke(), "zoom").segmenter.text is None  # type: ignore[union-attr]


def needs(arms: tuple[str, ...], backbone: str) -> dict[str, str]:
    """What a study at tier paper needs for some arms, beside data, generators and metrics."""
    found = PAPER.study_needs(request(), STUDIES[backbone], [BY_ID[arm] for arm in arms])
    return {need.role: need.place.name for need in found if need.role in ("backbone", "start", "tokenizer")}


def test_what_must_be_there_for_an_arm() -> None:
    mapillary, swin = "250_16_convnext_l_oneformer_mapillary_300k.pth", "swin_large_patch4_window12_384_22k.pth"
    words = "clip-vit-large-patch14-tokenizer"
    assert needs(("real", "blended"), "oneformer_convnext_l") == {"start": mapillary}
    assert needs(("real", "published"), "oneformer_convnext_l") == {"start": mapillary, "tokenizer": words}
    assert needs(("zoom",), "oneformer_swin_l") == {"backbone": swin}
    assert needs(("published",), "oneformer_swin_l") == {"backbone": swin, "tokenizer": words}


def test_gpus_hold_what_the_network_takes() -> None:
    for backbone, study in STUDIES.items():
        training_needs = [
            need for need in PAPER.study_gpu_needs(request(), study, [BY_ID["real"]]) if need.kind == "train"
        ]
        assert [(need.what, need.batch_size) for need in training_needs] == [
            (f"training {backbone}", 4),
            (f"training {backbone}, published recipe", 16),
        ]
        assert training_needs[0].least_gib > 8


def test_networks_are_not_mixed_and_cocos_layout_has_no_stuff() -> None:
    study = smoke()
    with pytest.raises(ValueError, match="a study has one kind of segmenter"):
        InstanceSynthesisStudy.model_validate(
            study.model_copy(
                update={"published": mini().published.model_copy(update={"start": "scratch"})}
            ).model_dump()
        )
    with pytest.raises(ValueError, match="learns from stuff, which COCO's layout has none of"):
        InstanceSynthesisStudy.model_validate(study.model_copy(update={"layout": "coco"}).model_dump())
    assert own_data("coco", ("cat",), 4, "mini").reproduced.segments == "things"

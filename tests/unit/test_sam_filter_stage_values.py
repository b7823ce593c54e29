"""What the SAM filter's stages make of each picture, mask and score, in numbers (SAM filter sections 2.4, 3, 4.3, 4.4 and 8)."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import Attention
from PIL import Image

from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.rle import encode_mask
from methods.common.generators import text_to_image
from methods.common.generators.attention_capture import encode_class_prompts
from methods.common.resumable_records import append_lines, read_lines
from methods.common.seeds import Seeds
from methods.common.segmenters.mask2former.presets import mask2former_miniature
from methods.common.segmenters.semantic.segmenters import build_segmenter
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.segment_named import SegmentNamedConfig, segment_with
from methods.common.stages.training_sources import PairsSource
from methods.common.training.batch_shard import BatchShare
from methods.common.training.poly_recipe import PolyRecipe
from methods.sam_filter.stages import sampler
from methods.sam_filter.stages.reference_quality import REFERENCE_QUALITY, ReferenceQualityConfig
from methods.sam_filter.stages.score import SCORE, ScoreConfig
from methods.sam_filter.stages.select import SELECT, SelectConfig
from methods.sam_filter.stages.synthesis_config import SynthesizeConfig
from methods.sam_filter.stages.synthesize import SYNTHESIZE
from tests.unit.tiny_pipelines import tiny_stable_diffusion


def run(stage: Any, roles: dict[str, list[Path]], config: Any, out: Path) -> dict[str, Any]:
    out.mkdir(parents=True)
    record: dict[str, Any] = stage.run(Inputs(roles), config, LocalContext(out))
    return record


# ---- pictures and masks

CLASSES = ["background", "cat", "dog", "cow"]
ASKED = ("cat", "dog cow", "cat cat", "cow", "cat dog")
MADE = SynthesizeConfig(
    num_steps=3,
    guidance_scale=3.0,
    negative_prompt="ugly",
    size_px=16,
    batch_size=5,
    self_sides=(8, 4),
    cross_sides=(8, 4),
    powers=(4, 0),
    image_format="png",
)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Roles of the synthesis: a tiny pipeline whose attention looks at something, and five prompts."""
    folder = tmp_path_factory.mktemp("generator")
    pipeline = tiny_stable_diffusion()
    for module in pipeline.unet.modules():
        if isinstance(module, Attention):  # random weights look everywhere alike
            module.to_q.weight.data *= 20
            module.to_k.weight.data *= 20
    pipeline.save_pretrained(folder / "generator")
    (folder / "prompts").mkdir()
    (folder / "prompts" / "classes.json").write_text(json.dumps(CLASSES))
    prompts = [{"id": f"{k:06d}", "caption": f"a b; {asked}", "class_prompt": asked} for k, asked in enumerate(ASKED)]
    append_lines(folder / "prompts" / "prompts.jsonl", prompts)
    return {"generator": [folder / "generator"], "prompts": [folder / "prompts"]}


@pytest.fixture(scope="module")
def together(generator, tmp_path_factory) -> Path:
    out: Path = tmp_path_factory.mktemp("made") / "together"
    run(SYNTHESIZE, generator, MADE, out)
    return out


def masks_of(folder: Path, variant: str) -> dict[str, np.ndarray]:
    return {path.name: read_labels(path) for path in sorted((folder / "masks" / variant).iterdir())}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_a_picture_has_the_masks_of_its_own_attention_and_names(generator, together, tmp_path) -> None:
    """Sampled alone, each picture gets what it gets in a batch of five: rounding moves a pixel over a threshold at most."""
    run(SYNTHESIZE, generator, MADE.model_copy(update={"batch_size": 1}), tmp_path / "alone")
    for variant in MADE.variants():
        alone = masks_of(tmp_path / "alone", variant)
        for name, label_HW in masks_of(together, variant).items():
            assert np.count_nonzero(label_HW != alone[name]) <= 3, f"{variant} of {name}"
            assert all(np.count_nonzero(label_HW != alone[other]) > 15 for other in alone if other != name)
    for path in sorted((together / "images").iterdir()):
        ours, alone = (
            np.asarray(Image.open(one)).astype(int) for one in (path, tmp_path / "alone" / "images" / path.name)
        )
        assert np.abs(ours - alone).max() <= 1
    assert (together / "pairs.jsonl").read_bytes() == (tmp_path / "alone" / "pairs.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("variant", "own", "cross", "power"), [("s8_c4", 8, 4, 4), ("s4_c8", 4, 8, 4), ("s4_c4_p0", 4, 4, 0)]
)
def test_a_variant_is_made_of_its_own_sides_and_power(
    generator, together, tmp_path, variant, own, cross, power
) -> None:
    """The same whether it is made alone or with the others of one capture (SAM filter section 3)."""
    only = MADE.model_copy(update={"self_sides": (own,), "cross_sides": (cross,), "powers": (power,)})
    run(SYNTHESIZE, generator, only, tmp_path / "only")
    found = masks_of(together, variant)
    assert same(found, masks_of(tmp_path / "only", variant))
    others = [name for name in MADE.variants() if name != variant]
    assert not any(same(found, masks_of(together, name)) for name in others)


def test_labels_are_the_classes_of_the_names_and_the_band_is_as_asked(generator, together, tmp_path) -> None:
    """Each named class has a pixel of its label (SAM filter section 2.4, step 6); without a band no pixel is uncertain."""
    for name, label_HW in masks_of(together, "s8_c8").items():
        named = {CLASSES.index(word) for word in ASKED[int(name[:6])].split()}
        assert set(np.unique(label_HW)) - {0, 255} == named
    assert any((label_HW == 255).any() for label_HW in masks_of(together, "s8_c8").values())
    hard = MADE.model_copy(update={"upper_threshold": 0.3, "lower_threshold": 0.3})
    run(SYNTHESIZE, generator, hard, tmp_path / "hard")
    for name, label_HW in masks_of(tmp_path / "hard", "s8_c8").items():
        assert not (label_HW == 255).any()
        assert np.count_nonzero(label_HW) > np.count_nonzero(masks_of(together, "s8_c8")[name] % 255)


def test_the_caption_and_the_negative_words_drive_the_picture_the_class_prompt_only_the_mask(
    generator, together
) -> None:
    """SAM filter sections 2.1 to 2.3: another caption or negative prompt is another picture."""
    seeds = [line["seed"] for line in read_lines(together / "pairs.jsonl")]
    pipeline = text_to_image.load_text_to_image(generator["generator"][0], torch.device("cpu"), torch.float32)
    captions = [f"a b; {asked}" for asked in ASKED]
    plain_NHW3 = text_to_image.generate_images(pipeline, captions, seeds, 3, 3.0, 16, negative_prompt=["ugly"] * 5)
    for number, plain_HW3 in enumerate(plain_NHW3):
        found = np.asarray(Image.open(together / "images" / f"{number:06d}.png")).astype(int)
        assert np.abs(found - plain_HW3).max() <= 1
    assert len(set(seeds)) == 5


def test_the_keys_of_cross_attention_come_from_the_class_prompt(generator, tmp_path, monkeypatch) -> None:
    """SAM filter section 2.3: the class names alone, whatever the caption says around them."""
    asked: list[str] = []

    def spying(pipeline, texts):
        asked.extend(texts)
        return encode_class_prompts(pipeline, texts)

    monkeypatch.setattr(sampler, "encode_class_prompts", spying)
    run(SYNTHESIZE, generator, MADE, tmp_path / "out")
    assert asked == list(ASKED)


def test_a_pictures_seed_does_not_depend_on_how_the_work_is_cut(generator, together, tmp_path) -> None:
    """SAM filter section 2.2: one derived seed an image."""
    part = MADE.model_copy(update={"shard_index": 1, "num_shards": 2})
    run(SYNTHESIZE, generator, part, tmp_path / "part")
    seeds = {line["id"]: line["seed"] for line in read_lines(together / "pairs.jsonl")}
    found = {line["id"]: line["seed"] for line in read_lines(tmp_path / "part" / "pairs.jsonl")}
    assert found == {name: seeds[name] for name in ("000001", "000003")}


def test_only_the_steps_that_are_asked_for_count(generator, together, tmp_path) -> None:
    late = MADE.model_copy(update={"capture_steps": MADE.capture_steps.model_copy(update={"first": 2})})
    run(SYNTHESIZE, generator, late, tmp_path / "late")
    assert not same(masks_of(together, "s8_c8"), masks_of(tmp_path / "late", "s8_c8"))


# ---- scores

NAMES = ["background", "coin", "melon", "tent"]
SIDE = 10


def write_pairs(folder: Path, labels: dict[str, dict[str, np.ndarray]], classes: dict[str, list[str]]) -> Path:
    """Pairs with label maps by variant and id."""
    (folder / "images").mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(NAMES))
    (folder / "pairs.jsonl").write_text("".join(json.dumps({"id": k, "classes": c}) + "\n" for k, c in classes.items()))
    for number, name in enumerate(classes):
        Image.fromarray(np.full((SIDE, SIDE, 3), 10 * number, np.uint8)).save(folder / "images" / f"{name}.png")
    for variant, of_pair in labels.items():
        (folder / "masks" / variant).mkdir(parents=True)
        for name, label_HW in of_pair.items():
            Image.fromarray(label_HW).save(folder / "masks" / variant / f"{name}.png")
    return folder


def rows(*stretches: tuple[int, int]) -> np.ndarray:
    """Labels row by row: (label, number of rows), ten rows in all."""
    label_HW = np.concatenate([np.full((count, SIDE), label, np.uint8) for label, count in stretches])
    assert label_HW.shape == (SIDE, SIDE)
    return label_HW


def named_masks(folder: Path, masks: dict[str, dict[str, tuple[int, int]]]) -> Path:
    """What was found: by pair and class, the rows from the first to before the second."""
    folder.mkdir()
    lines = []
    for name, of_class in masks.items():
        found = {}
        for class_name, (first, last) in of_class.items():
            mask_HW = np.zeros((SIDE, SIDE), bool)
            mask_HW[first:last] = True
            found[class_name] = encode_mask(mask_HW)
        lines.append(json.dumps({"id": name, "masks": found}) + "\n")
    (folder / "named_masks.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture
def judged(tmp_path: Path) -> dict[str, list[Path]]:
    """Two pairs with two variants, rows of labels, and rows where the prompter found the classes.

    Pair a, variant v: coin in rows 0-3, uncertain 4-5; found in 0-7. Pair b: tent in rows 0-1, melon in 2-9; found 0-3 and 4-9.
    """
    labels = {
        "v": {"a": rows((1, 4), (255, 2), (0, 4)), "b": rows((3, 2), (2, 8))},
        "w": {"a": rows((1, 8), (0, 2)), "b": rows((3, 4), (2, 6))},
    }
    pairs = write_pairs(tmp_path / "pairs", labels, {"a": ["coin"], "b": ["tent", "melon"]})
    found = named_masks(tmp_path / "named", {"a": {"coin": (0, 8)}, "b": {"tent": (0, 4), "melon": (4, 10)}})
    return {"pairs": [pairs], "named": [found], "reference": [found]}


def scores_in(folder: Path) -> dict[str, dict[str, float]]:
    with (folder / "scores.csv").open() as file:
        return {
            row["id"]: {kind: float(row[kind]) for kind in ("S1", "S2", "S3", "S4")} for row in csv.DictReader(file)
        }


@pytest.mark.parametrize(("uncertain", "of_a"), [("ignore", 4 / 6), ("background", 4 / 8), ("foreground", 6 / 8)])
def test_each_pair_is_scored_against_its_own_masks_class_by_class(judged, tmp_path, uncertain, of_a) -> None:
    """SAM filter section 4.3 by hand. Pair b: tent 2 of 4 rows, melon 6 of 8: S1 their mean, S2 8 of 12."""
    run(SCORE, judged, ScoreConfig(variant="v", uncertain=uncertain), tmp_path / "out")
    found = scores_in(tmp_path / "out")
    assert found["a"]["S1"] == pytest.approx(of_a)
    assert (found["b"]["S1"], found["b"]["S2"]) == pytest.approx(((2 / 4 + 6 / 8) / 2, 8 / 12))
    assert found["b"]["S4"] == pytest.approx(1.0)  # all of both is foreground
    pixels = json.loads((tmp_path / "out" / "pixels.json").read_text())
    assert pixels == {"variant": "v", "pixels": {"a": {"coin": 40}, "b": {"tent": 20, "melon": 80}}}


def test_another_variant_has_scores_of_its_own(judged, tmp_path) -> None:
    run(SCORE, judged, ScoreConfig(variant="w"), tmp_path / "out")
    assert {name: scores["S1"] for name, scores in scores_in(tmp_path / "out").items()} == {"a": 1.0, "b": 1.0}


def test_quality_is_of_the_variant_over_all_pixels_with_the_uncertain_ones_as_asked(judged, tmp_path) -> None:
    """SAM filter section 3: pixels of both pictures pooled; found are background in rows 8-9 of a, the classes elsewhere."""
    record = run(REFERENCE_QUALITY, judged, ReferenceQualityConfig(variant="v"), tmp_path / "v")
    by_class = {"background": 2 / 4, "coin": 4 / 6, "melon": 6 / 8, "tent": 2 / 4}  # rows 4-5 of a are left out
    assert record["iou"] == pytest.approx({name: 100 * value for name, value in by_class.items()})
    assert record["miou"] == pytest.approx(100 * sum(by_class.values()) / 4)
    assert record["miou_foreground"] == pytest.approx(100 * (4 / 6 + 6 / 8 + 2 / 4) / 3)
    unsure = run(REFERENCE_QUALITY, judged, ReferenceQualityConfig(variant="v", uncertain="background"), tmp_path / "u")
    assert unsure["iou"]["background"] == pytest.approx(100 * 2 / 6)
    assert run(REFERENCE_QUALITY, judged, ReferenceQualityConfig(variant="w"), tmp_path / "w")["miou"] == pytest.approx(
        100.0
    )


class AsksByWord:
    """Finds as many rows as the written name has letters."""

    def segment(self, image_HW3: np.ndarray, class_names: list[str]) -> dict[str, np.ndarray]:
        return {name: np.arange(SIDE)[:, None] < np.full((1, SIDE), len(name) % SIDE) for name in class_names}


def test_a_class_is_asked_for_by_its_written_name_and_keeps_its_own_mask(tmp_path) -> None:
    """SAM filter section 4.2: VOC's aeroplane is written airplane, its tvmonitor television."""
    folder = tmp_path / "pairs"
    (folder / "images").mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(["background", "aeroplane", "tvmonitor", "cat"]))
    (folder / "pairs.jsonl").write_text(json.dumps({"id": "a", "classes": ["cat", "aeroplane", "tvmonitor"]}) + "\n")
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(folder / "images" / "a.png")
    (tmp_path / "out").mkdir()
    segment_with(AsksByWord(), Inputs({"pairs": [folder]}), SegmentNamedConfig(), LocalContext(tmp_path / "out"))
    [line] = read_lines(tmp_path / "out" / "named_masks.jsonl")
    for name, written in (("cat", "cat"), ("aeroplane", "airplane"), ("tvmonitor", "television")):
        mask_HW = np.arange(SIDE)[:, None] < np.full((1, SIDE), len(written) % SIDE)
        assert line["masks"][name] == encode_mask(mask_HW), name


# ---- selections

S1 = {"f": 0.9, "c": 0.4, "e": 0.4, "a": 0.7, "b": 0.1, "d": 0.8}
S2 = {"f": 0.1, "c": 0.9, "e": 0.8, "a": 0.2, "b": 0.7, "d": 0.3}
OF_PAIR = {name: ["coin", "tent"] if name in "fd" else ["coin"] for name in S1}


@pytest.fixture
def table(tmp_path: Path) -> dict[str, list[Path]]:
    """Six pairs in no order, two of them with two classes, and a table of scores whose columns disagree."""
    labels = {"v": {name: rows((1, 10)) for name in S1}}
    pairs = write_pairs(tmp_path / "pairs", labels, OF_PAIR)
    (tmp_path / "scores").mkdir()
    lines = ["id,S1,S2,S3,S4,num_classes", *(f"{name},{S1[name]},{S2[name]},0.5,0.5,1" for name in S1)]
    (tmp_path / "scores" / "scores.csv").write_text("\n".join(lines) + "\n")
    pixels = {name: {"coin": 100 if name in "fad" else 10} for name in S1}
    (tmp_path / "scores" / "pixels.json").write_text(json.dumps({"variant": "v", "pixels": pixels}))
    return {"pairs": [pairs], "scores": [tmp_path / "scores"]}


def selected(table: dict[str, list[Path]], out: Path, **config: Any) -> str:
    run(SELECT, table, SelectConfig(variant="v", **config), out)
    return "".join((out / "selected.txt").read_text().split())


def test_the_best_stay_ties_by_id_in_the_order_of_rank(table, tmp_path) -> None:
    """SAM filter section 4.4: highest first, equal ones by id."""
    assert selected(table, tmp_path / "three", keep=3) == "fda"
    assert selected(table, tmp_path / "five", keep=5) == "fdace"
    assert selected(table, tmp_path / "by_s2", keep=3, score="S2") == "ceb"
    assert selected(table, tmp_path / "all", rule="all") == "fdaceb"
    statistics = json.loads((tmp_path / "three" / "statistics.json").read_text())
    assert statistics["cutoff_score"] == 0.7
    assert statistics["num_images"] == {"before": 6, "after": 3}
    assert statistics["images_per_class"]["after"] == {"coin": 3, "melon": 0, "tent": 2}
    assert statistics["pixels_per_class"]["before"]["coin"] == 330
    assert statistics["pixels_per_class"]["after"]["coin"] == 300


def test_strata_are_ranked_apart(table, tmp_path) -> None:
    """SAM filter section 4.5: of six, four have one class and two have two; so have two of three, nearest to 2 : 1."""
    kept = selected(table, tmp_path / "out", keep=3, score="S2", stratify="n_classes")
    assert sorted(kept) == ["c", "d", "e"]


def test_random_subsets_follow_no_score_and_the_same_mix_follows_the_classes_alone(table, tmp_path) -> None:
    at_random = selected(table, tmp_path / "random", rule="random", keep=6)
    assert sorted(at_random) == list("abcdef")
    assert at_random not in ("fdaceb", "fdaecb", "bceadf", "abcdef")
    alike = selected(table, tmp_path / "mix", rule="random_same_mix", keep=6)
    assert [len(OF_PAIR[name]) for name in alike] == [len(OF_PAIR[name]) for name in "fdaceb"]
    for kind in (1, 2):  # within a mix, in the random order
        assert [n for n in alike if len(OF_PAIR[n]) == kind] == [n for n in at_random if len(OF_PAIR[n]) == kind]


def test_training_reads_the_masks_of_its_variant_and_of_selected_pairs_alone(judged, tmp_path) -> None:
    (tmp_path / "selected.txt").write_text("b\n")
    for variant, label in (("v", 2), ("w", 3)):  # row 2 of pair b
        images = PairsSource(variant=variant).open(Inputs({**judged, "selection": [tmp_path]}), Seeds())
        assert [images.name(index) for index in range(len(images))] == ["b"]
        assert set(images[0][1][2]) == {label}


# ---- networks


@pytest.mark.parametrize("trained", [True, False])
def test_batch_norms_of_imagenet_rows_keep_scale_and_shift(trained) -> None:
    """SAM filter section 8: affine parameters are not trained in the official recipe; from scratch they are (8.1)."""
    config = mask2former_miniature(num_classes=3)
    config = config.model_copy(update={"train_batch_norm_affine": trained})
    model = build_segmenter(config, torch.Generator().manual_seed(0)).train()
    optimizer = PolyRecipe(iterations=10, base_lr=1e-3).build_optimizer(model)
    image_N3HW = 255 * torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    label_NHW = torch.randint(0, 3, (2, 64, 64), generator=torch.Generator().manual_seed(2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = model.losses(image_N3HW, label_NHW, torch.Generator().manual_seed(3), BatchShare(0, 2, 2))
    sum(losses.values()).backward()
    optimizer.step()
    norms = [name for name, module in model.backbone.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    prefix = next(name for name, module in model.named_modules() if module is model.backbone)
    after = model.state_dict()
    for name in norms:
        for part in ("weight", "bias"):
            moved = not torch.equal(after[f"{prefix}.{name}.{part}"], before[f"{prefix}.{name}.{part}"])
            assert moved == trained, f"{name}.{part}"
    convolution = next(name for name in before if name.startswith(prefix) and name.endswith("conv1.weight"))
    assert not torch.equal(after[convolution], before[convolution])

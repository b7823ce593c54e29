"""What MRCA's stages hand to networks and take from them, in numbers (MRCA sections 3.4, 3.5, 3.6 and 6.5)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from methods.common.clip import ClipScorer
from methods.common.cutouts import load as cutouts
from methods.common.generated.image_shards import GeneratedImage, read_images, shard_path, write_images
from methods.common.metrics.detection import detections
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.objects.pool import ObjectPool
from methods.common.seeds import Seeds
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature, miniature_training_recipe
from methods.common.segmenters.centernet2.training import add_gradients
from methods.common.segmenters.instance import segmenters
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.instance.interface import Detections
from methods.common.stage import Inputs, LocalContext
from methods.common.state_file import load_state
from methods.mrca.cut import CutConfig
from methods.mrca.guidance import GuidanceConfig
from methods.mrca.prompts import PromptConfig
from methods.mrca.stages import training_state
from methods.mrca.stages.cut import CutStageConfig, MrcaCutting, XPasteCutting, cut
from methods.mrca.stages.entropy import EntropyConfig, entropy
from methods.mrca.stages.evaluate import EvaluateConfig, evaluate
from methods.mrca.stages.generate import GenerateConfig, generate, list_orders
from methods.mrca.stages.split import SplitConfig, split
from methods.mrca.stages.train import STATE_FILE, TrainConfig, train
from methods.mrca.xpaste import XPasteFilterConfig
from tests.unit.mrca_stage_inputs import NUM_CLASSES, make_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    roles = dict(make_inputs(folder).roles)
    (folder / "budget").mkdir()
    counts = [2, 0, 1] + [0] * (NUM_CLASSES - 3)
    (folder / "budget" / "result.json").write_text(json.dumps({"counts": counts}))
    return Inputs(
        {
            **roles,
            "budget": [folder / "budget"],
            "generator": [CHECKPOINTS / "stable_diffusion"],
            "guide": roles["current"],
        }
    )


def with_roles(inputs: Inputs, **roles: Path) -> Inputs:
    return Inputs({**inputs.roles, **{role: [path] for role, path in roles.items()}})


def run(stage: Any, inputs: Inputs, config: Any, out: Path) -> dict[str, Any]:
    out.mkdir()
    record: dict[str, Any] = stage(inputs, config, LocalContext(out))
    return record


def class_ids(inputs: Inputs) -> list[int]:
    return [item["id"] for item in json.loads((inputs.folder("split") / "classes.json").read_text())]


# ---- guided sampling and its entropy

GUIDED = GenerateConfig(
    guidance=GuidanceConfig(relative_step=1e-5, period=3),
    num_steps=4,
    guidance_scale=1.0,
    size_px=64,
    precision="float32",
    batch_size=3,
)


def entropy_of(model: Path, image_NHW3: np.ndarray) -> np.ndarray:
    """-sum p ln p of the softmax over the classes without background, of whole images with values from 0 to 255."""
    segmenter = CenterNet2.from_pretrained(model)
    with torch.no_grad():
        image_NCHW = torch.from_numpy(image_NHW3).permute(0, 3, 1, 2).float()
        logits_NC = segmenter.classify_whole_image(image_NCHW)[:, :-1].double().numpy()
    prob_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    return -(prob_NC * np.log(prob_NC)).sum(axis=1)


def sharpen(source: Path, target: Path) -> Path:
    """A model whose whole-image logits differ strongly between pictures, so that entropy depends on what it is shown."""
    model = CenterNet2.from_pretrained(source / "model")
    with torch.no_grad():
        model.cascade.heads[-1].classifier.weight *= 300
        model.cascade.heads[-1].classifier.bias.zero_()
    model.save_pretrained(target / "model")
    return target


def test_guidance_climbs_the_entropy_that_the_figure_reports(inputs, tmp_path) -> None:
    """At the last step the clean estimate is the image itself: the criterion there is the entropy of what comes out."""
    guide = sharpen(inputs.folder("current"), tmp_path / "guide")
    record = run(generate, with_roles(inputs, guide=guide), GUIDED, tmp_path / "images")
    image_NHW3 = np.stack([image.image_HW3 for image in read_images(tmp_path / "images")])
    expected = entropy_of(guide / "model", image_NHW3)
    assert expected.std() > 0.01
    assert len(record["criterion_by_guided_step"]) == 2  # steps 0 and 3
    assert record["criterion_by_guided_step"][-1] == pytest.approx(expected.mean(), abs=0.01)
    # Dark as values from 0 to 1 would be, the same pictures have another entropy.
    assert abs(entropy_of(guide / "model", np.zeros_like(image_NHW3)).mean() - expected.mean()) > 0.05


def test_guided_images_are_not_the_plain_ones_and_cost_one_call_more_a_guided_step(inputs, tmp_path) -> None:
    strong = GUIDED.model_copy(update={"guidance": GuidanceConfig(relative_step=0.1, period=3)})
    guided = run(generate, inputs, strong, tmp_path / "guided")
    plain = run(generate, inputs, GUIDED.model_copy(update={"guidance": None}), tmp_path / "plain")
    assert plain["denoiser_calls"] == 3 * 4
    assert guided["denoiser_calls"] == 3 * (4 + 2)
    for one, other in zip(read_images(tmp_path / "guided"), read_images(tmp_path / "plain"), strict=True):
        assert np.abs(one.image_HW3.astype(int) - other.image_HW3).max() > 5


def test_every_image_has_the_class_prompt_and_noise_of_its_own_order(inputs, tmp_path) -> None:
    """Two images of the first class and one of the third, the same alone as in a batch."""
    plain = GUIDED.model_copy(update={"guidance": None})
    run(generate, inputs, plain, tmp_path / "together")
    run(generate, inputs, plain.model_copy(update={"batch_size": 1}), tmp_path / "alone")
    first, _, third = class_ids(inputs)[:3]
    together = list(read_images(tmp_path / "together"))
    assert [(image.category_id, image.index) for image in together] == [(first, 0), (first, 1), (third, 0)]
    for one, other in zip(together, read_images(tmp_path / "alone"), strict=True):
        assert replace(one, image_HW3=other.image_HW3) == other
        assert np.abs(one.image_HW3.astype(int) - other.image_HW3).max() <= 1
    assert np.abs(together[0].image_HW3.astype(int) - together[1].image_HW3).max() > 20


def test_rounds_and_pools_never_share_a_seed_and_ask_in_their_own_words() -> None:
    classes = [{"id": 5, "name": "trash_can"}, {"id": 9, "name": "cup"}]
    mine = {"round1": GenerateConfig(), "round2": GenerateConfig(round_index=2), "other": GenerateConfig(pool="xpaste")}
    seeds = {name: {order.seed for order in list_orders([4, 3], classes, c, Seeds())} for name, c in mine.items()}
    assert {len(found) for found in seeds.values()} == {7}
    assert len(set.union(*seeds.values())) == 21
    single = GenerateConfig(prompts=PromptConfig(templates=("a photo of a single {name}",)))
    prompts = [order.prompt for order in list_orders([1, 1], classes, single, Seeds())]
    assert prompts == ["a photo of a single trash can", "a photo of a single cup"]


def test_entropy_is_that_of_each_model_on_the_images_as_they_are(inputs, tmp_path) -> None:
    models = [sharpen(inputs.folder(role), tmp_path / role) for role in ("warm_up", "current")]
    record = run(entropy, Inputs({**inputs.roles, "models": models}), EntropyConfig(), tmp_path / "out")
    images = list(read_images(inputs.folder("images")))
    class_N = np.array([image.category_id for image in images])
    assert (record["num_images"], len(record["models"])) == (len(images), 2)
    for folder, told in zip(models, record["models"], strict=True):
        expected = entropy_of(folder / "model", np.stack([image.image_HW3 for image in images]))
        of_class = [expected[class_N == known] for known in np.unique(class_N)]
        assert told["mean"] == pytest.approx(expected.mean(), abs=1e-4)
        assert told["class_mean"] == pytest.approx(np.mean([values.mean() for values in of_class]), abs=1e-4)
        within = sum(((values - values.mean()) ** 2).sum() for values in of_class) / (len(images) - len(of_class))
        error = (within * sum(1 / len(values) for values in of_class)) ** 0.5 / len(of_class)
        assert told["standard_error"] == pytest.approx(error, abs=1e-4)
    assert abs(record["models"][0]["mean"] - record["models"][1]["mean"]) > 0.01


def test_a_class_of_many_images_weighs_no_more_than_another(inputs, tmp_path) -> None:
    """Three images of one class and one of another: the mean over classes is no mean over images."""
    images = [image for image in read_images(inputs.folder("images")) if image.index > 0]
    first = [image for image in images if image.category_id == images[0].category_id][:3]
    other = next(image for image in images if image.category_id != images[0].category_id)
    (tmp_path / "images").mkdir()
    write_images(shard_path(tmp_path / "images", 0), [*first, other])
    model = sharpen(inputs.folder("current"), tmp_path / "model")
    roles = Inputs({"images": [tmp_path / "images"], "models": [model]})
    [told] = run(entropy, roles, EntropyConfig(batch_size=2), tmp_path / "out")["models"]
    value_N = entropy_of(model / "model", np.stack([image.image_HW3 for image in (*first, other)]))
    assert told["class_mean"] == pytest.approx((value_N[:3].mean() + value_N[3]) / 2, abs=1e-4)
    assert told["mean"] == pytest.approx(value_N.mean(), abs=1e-4)
    assert abs(told["mean"] - told["class_mean"]) > 1e-3
    alone = Inputs({"images": [tmp_path / "single"], "models": [model]})
    (tmp_path / "single").mkdir()
    write_images(shard_path(tmp_path / "single", 0), [first[0], other])
    assert run(entropy, alone, EntropyConfig(), tmp_path / "two")["models"][0]["standard_error"] is None


# ---- cutting

GREY = {0: 40, 1: 120, 2: 200}
"""Grey of the object by place of its class."""


class ClipByGrey:
    """Scores 90 where the text is the one that belongs to the picture's grey, else 10."""

    def __init__(self, names: dict[int, str]) -> None:
        self.texts = {grey: f"a photo of {names[place]}" for place, grey in GREY.items()}

    def score(self, images: list[np.ndarray], texts: list[str]) -> np.ndarray:
        greys = [int(image[32, 32, 0]) for image in images]
        return np.array([90.0 if self.texts[grey] == text else 10.0 for grey, text in zip(greys, texts, strict=True)])


class CutterOfUnitRange:
    """Finds whatever is brighter than 0.05 in images with values from 0 to 1; nothing in others."""

    def soft_mask(self, image_NCHW: torch.Tensor) -> torch.Tensor:
        brightest_N = image_NCHW.amax(dim=(1, 2, 3))
        return ((image_NCHW[:, 0] > 0.05) & (brightest_N <= 1.0)[:, None, None]).float()


def write_squares(inputs: Inputs, folder: Path, places: list[int], asked: list[int]) -> None:
    """Grey squares on black: what they show, by place of the class, and what was asked for."""
    folder.mkdir()
    ids, images = class_ids(inputs), []
    for number, (place, of) in enumerate(zip(places, asked, strict=True)):
        image_HW3 = np.zeros((64, 64, 3), np.uint8)
        image_HW3[16:48, 16:48] = GREY[place]
        images.append(GeneratedImage(image_HW3, ids[of], number, 1, "", number))
    write_images(shard_path(folder, 0), images)
    (folder / "result.json").write_text(json.dumps({"num_images": len(images)}))


@pytest.mark.parametrize("kind", ["mrca", "xpaste"])
def test_each_object_is_compared_with_its_own_name_and_only_accepted_ones_count(
    inputs, tmp_path, monkeypatch, kind
) -> None:
    """Seven images show what was asked for, the two last do not; of the third class only those."""
    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    fake = ClipByGrey({place: classes[place]["name"] for place in GREY})
    monkeypatch.setattr(ClipScorer, "from_pretrained", lambda *arguments: fake)
    monkeypatch.setattr(cutouts, "load_cutout", lambda *arguments, **options: CutterOfUnitRange())
    write_squares(inputs, tmp_path / "images", [0, 1, 2, 1, 0, 0, 2, 0, 1], [0, 1, 2, 1, 0, 0, 2, 1, 2])
    rules = {
        "mrca": MrcaCutting(filter=CutConfig(min_clip_score=25.0)),
        "xpaste": XPasteCutting(filter=XPasteFilterConfig(max_clip_bar=21.0)),
    }
    config = CutStageConfig(rule=rules[kind], batch_size=4)
    record = run(cut, with_roles(inputs, images=tmp_path / "images"), config, tmp_path / "pool")
    first, second, third = class_ids(inputs)[:3]
    assert record["generated"] == 9
    assert record["accepted"] == {str(first): 3, str(second): 2, str(third): 2}
    assert record["outcomes"][str(second)] == {"accepted": 2, "clip_score": 1}
    pool = ObjectPool.open(tmp_path / "pool")
    assert [(item.category_id, int(item.rgba_HW4[0, 0, 0]), item.rgba_HW4.shape[:2]) for item in pool] == [
        (class_id, GREY[place], (32, 32)) for class_id, place in zip([first, second, third, second, first, first, third], [0, 1, 2, 1, 0, 0, 2], strict=True)
    ]  # fmt: skip


# ---- evaluation and split


class Oracle(torch.nn.Module):
    """Detects what is annotated, in the order of the file; a class of its own is never detected, and masks are half right."""

    def __init__(self, document: dict[str, Any], blind: int) -> None:
        super().__init__()
        self.waiting, self.blind = iter(document["images"]), blind
        self.num_classes = len(document["categories"])
        self.of_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
        for item in document["annotations"]:
            self.of_image[item["image_id"]].append(item)
        self.place = {
            item["id"]: place for place, item in enumerate(sorted(document["categories"], key=lambda c: c["id"]))
        }

    def detect(self, image_NCHW: torch.Tensor, output_sizes: list[tuple[int, int]]) -> list[Detections]:
        return [self._one(next(self.waiting), size) for _, size in zip(image_NCHW, output_sizes, strict=True)]

    def _one(self, image: dict[str, Any], size: tuple[int, int]) -> Detections:
        found = [item for item in self.of_image[image["id"]] if item["category_id"] != self.blind]
        scale = torch.tensor([size[1] / image["width"], size[0] / image["height"]] * 2)
        boxes_N4 = torch.tensor([item["bbox"] for item in found]).reshape(-1, 4)
        boxes_N4[:, 2:] += boxes_N4[:, :2]
        masks_NHW = torch.zeros(len(found), *size, dtype=torch.bool)
        for mask_HW, (x0, y0, _, _) in zip(masks_NHW, boxes_N4 * scale, strict=True):
            mask_HW[int(y0) : int(y0) + 1, int(x0) : int(x0) + 1] = True  # one pixel of each
        classes_N = torch.tensor([self.place[item["category_id"]] for item in found], dtype=torch.long)
        return Detections(boxes_N4 * scale, torch.ones(len(found)), classes_N, masks_NHW)


def test_perfect_boxes_with_bad_masks_score_100_and_0_in_the_images_own_pixels(inputs, tmp_path, monkeypatch) -> None:
    """AP by class is in [0, 1], in the order of classes, None for classes that val has not; metrics are in percent."""
    document = json.loads((inputs.folder("data") / "val.json").read_text())
    blind = document["annotations"][0]["category_id"]
    monkeypatch.setattr(segmenters, "load_segmenter", lambda folder: Oracle(document, blind))
    config = EvaluateConfig(short_side_px=48, long_side_px=80, batch_size=2)
    record = run(evaluate, inputs, config, tmp_path / "out")
    present = {item["category_id"] for item in document["annotations"]}
    expected = [None if c not in present else 0.0 if c == blind else 1.0 for c in class_ids(inputs)]
    assert 0.0 in expected
    assert expected != expected[::-1]
    assert record["class_ap_box"] == pytest.approx(expected)
    known = [value for value in expected if value is not None]
    assert record["metrics_box"]["AP"] == pytest.approx(100 * sum(known) / len(known))
    assert record["metrics_mask"]["AP"] == pytest.approx(0.0)
    assert max(value for value in record["class_ap_mask"] if value is not None) == pytest.approx(0.0)


def test_feedback_is_measured_on_the_held_out_images_and_results_on_val(inputs, tmp_path) -> None:
    """MRCA section 2.3: the reported split steers nothing."""
    val = {image["id"] for image in json.loads((inputs.folder("data") / "val.json").read_text())["images"]}
    held_out = {i["id"] for i in json.loads((inputs.folder("split") / "feedback.json").read_text())["images"]}
    for name, expected in (("val", val), ("feedback", held_out)):
        config = EvaluateConfig(split=name, short_side_px=48, long_side_px=80)  # type: ignore[arg-type]
        record = run(evaluate, inputs, config, tmp_path / name)
        found = json.loads((tmp_path / name / "detections.json").read_text())
        assert record["num_images"] == len(expected)
        assert {item["image_id"] for item in found} <= expected


def test_the_split_counts_what_is_trained_on_and_shares_no_image(inputs, tmp_path) -> None:
    run(split, inputs, SplitConfig(heldout_fraction=0.25), tmp_path / "out")
    train_set = json.loads((inputs.folder("data") / "train.json").read_text())
    fit, held_out = (json.loads((tmp_path / "out" / name).read_text()) for name in ("fit.json", "feedback.json"))
    ids = [{image["id"] for image in part["images"]} for part in (fit, held_out, train_set)]
    assert ids[0] | ids[1] == ids[2]
    assert not ids[0] & ids[1]
    assert len(ids[1]) < len(ids[0])
    for item in json.loads((tmp_path / "out" / "classes.json").read_text()):
        of_class = [found["image_id"] for found in fit["annotations"] if found["category_id"] == item["id"]]
        assert (item["instance_count"], item["image_count"]) == (len(of_class), len(set(of_class)))
        steers = [found["image_id"] for found in held_out["annotations"] if found["category_id"] == item["id"]]
        told = item["feedback_instance_count"], item["feedback_image_count"]
        assert told == (len(steers), len(set(steers)))
        assert 3 * len(set(steers)) <= len(set(of_class)) + len(set(steers))


def test_the_split_takes_its_limits_from_its_config(inputs, tmp_path) -> None:
    counts = {}
    for name, limits in (("a third", {}), ("none", {"min_images": 99, "max_class_share": 1.0})):
        run(split, inputs, SplitConfig(heldout_fraction=0.5, **limits), tmp_path / name)  # type: ignore[arg-type]
        classes = json.loads((tmp_path / name / "classes.json").read_text())
        counts[name] = [(item["feedback_image_count"], item["image_count"]) for item in classes]
    assert all(2 * held <= left for held, left in counts["a third"])
    assert any(2 * held > left for held, left in counts["none"])


def test_detections_leave_as_corner_and_size_with_the_files_ids() -> None:
    records = detections.detections_to_results(17, [[2, 3, 10, 20]], [0.5], [1], (4, 9, 30))
    assert records == [{"image_id": 17, "category_id": 9, "bbox": [2.0, 3.0, 8.0, 17.0], "score": 0.5}]


# ---- training


def training(first: int, last: int, start: str, **recipe: Any) -> TrainConfig:
    """Steps of a schedule of four; the average moves by a tenth at each."""
    settings = {"iterations": 4, "batch_size": 2, "warmup_iterations": 0, "ema_warmup": False, "ema_decay": 0.9}
    return TrainConfig(
        segmenter=centernet2_miniature(NUM_CLASSES),
        recipe=miniature_training_recipe().model_copy(update=settings | recipe),
        augmentation=AugmentConfig(size_px=64, min_scale=1.0, max_scale=1.2),
        start=start,  # type: ignore[arg-type]
        phase="main",
        first_iteration=first,
        last_iteration=last,
    )


def state_of(folder: Path) -> dict[str, Any]:
    return load_state(folder / STATE_FILE)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return CenterNet2.from_pretrained(folder / "model").state_dict()


@pytest.fixture(scope="module")
def started(inputs, tmp_path_factory) -> tuple[Inputs, Path]:
    """A training that others start from: the averaged weights of role ``current``, seen 70 steps before."""
    folder = tmp_path_factory.mktemp("started")
    (inputs.folder("current") / "result.json").write_text(json.dumps({"iterations_total": 70}))
    given = with_roles(inputs, start=inputs.folder("current"))
    run(train, given, training(0, 4, "weights"), folder / "whole")
    return given, folder / "whole"


def test_the_average_is_what_is_saved_evaluated_and_fed_back(started, tmp_path) -> None:
    """After one step: 0.9 of the weights before and 0.1 of those after it, for parameters and buffers alike (MRCA section 6.5)."""
    given, _ = started
    run(train, given, training(0, 1, "weights"), tmp_path / "out")
    before, raw = weights_of(given.folder("start")), state_of(tmp_path / "out")["model"]
    image_count = [item["image_count"] for item in json.loads((given.folder("split") / "classes.json").read_text())]
    before["cascade.class_weight_C"] = torch.tensor(image_count).float() ** 0.5  # set, not learned (MRCA section 6.3)
    moved = 0
    for name, saved in weights_of(tmp_path / "out").items():
        if saved.is_floating_point():
            torch.testing.assert_close(
                saved, 0.9 * before[name] + 0.1 * raw[name], msg=lambda text, name=name: name + text
            )
            moved += not torch.equal(saved, raw[name])
    assert moved > 20


def test_rounds_go_on_with_average_optimiser_and_schedule(started, tmp_path) -> None:
    """MRCA section 3.2: two stretches end with the bits of one training through."""
    given, whole = started
    first = run(train, given, training(0, 2, "weights"), tmp_path / "first")
    (tmp_path / "first" / "result.json").write_text(json.dumps(first))
    second = run(train, with_roles(given, start=tmp_path / "first"), training(2, 4, "resume"), tmp_path / "second")
    assert (first["iterations_total"], second["iterations"], second["iterations_total"]) == (72, 2, 74)
    assert (tmp_path / "second" / STATE_FILE).read_bytes() == (whole / STATE_FILE).read_bytes()
    assert (tmp_path / "second/model/model.safetensors").read_bytes() == (
        whole / "model/model.safetensors"
    ).read_bytes()


def test_a_training_starts_from_the_weights_it_is_given(started, tmp_path) -> None:
    """Nothing moves at a rate of 0: the end is the start, which is M_0's average, or the pretrained backbone."""
    given, _ = started
    still = {"base_lr": 1e-30, "weight_decay": 0.0}
    run(train, given, training(0, 1, "weights", **still), tmp_path / "main")
    start = weights_of(given.folder("start"))
    for name, found in weights_of(tmp_path / "main").items():
        if name.endswith("weight"):
            torch.testing.assert_close(found, start[name], msg=lambda text, name=name: name + text)
    backbone = {name.removeprefix("backbone."): value for name, value in start.items() if name.startswith("backbone.")}
    torch.save(backbone, tmp_path / "backbone.pth")
    roles = with_roles(given, backbone=tmp_path / "backbone.pth")
    run(train, roles, training(0, 1, "scratch", **still), tmp_path / "scratch")
    found = weights_of(tmp_path / "scratch")
    assert any(name.startswith("backbone.") and name.endswith("weight") for name in found)
    for name in found:
        if name.startswith("backbone.") and name.endswith("weight"):
            torch.testing.assert_close(found[name], start[name])


def test_every_step_draws_boxes_and_classes_of_its_own(started, tmp_path, monkeypatch) -> None:
    """Sampled boxes and federated subsets (MRCA section 6.3) come from a generator of the step."""
    given, _ = started
    states: list[bytes] = []

    def spying(model, image_NCHW, targets, generator, *arguments):
        states.append(generator.get_state().numpy().tobytes())
        return add_gradients(model, image_NCHW, targets, generator, *arguments)

    monkeypatch.setattr(training_state, "add_gradients", spying)
    run(train, given, training(0, 4, "weights"), tmp_path / "out")
    assert len(set(states)) == len(states) == 4

"""What the feedback of a model does to the next rounds, in numbers: budget, sizes, objects of a round (MRCA sections 3.3, 3.6, 3.7)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from methods.common.objects.shards import PooledObject, write_pool
from methods.common.seeds import Seeds
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.segmenters.image_cache import BUDGET_BYTES
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.instance.instances import real_instances
from methods.common.stage import Inputs, LocalContext
from methods.common.training.batch_shard import BatchShare
from methods.common.training.distributed import Team
from methods.common.training.recipe import TrainingRecipe
from methods.mrca.accuracy import ShrinkageConfig
from methods.mrca.augment import make_training_image
from methods.mrca.budget import BudgetConfig
from methods.mrca.paste import PasteConfig
from methods.mrca.resizing import ResizingConfig
from methods.mrca.size_model import PasteSizeConfig, SizeModel
from methods.mrca.stages.budget import BudgetStageConfig, budget
from methods.mrca.stages.pasting import MrcaPasting, NoPasting
from methods.mrca.stages.train import TrainConfig
from methods.mrca.stages.training_data import TrainingImages
from tests.unit.mrca_stage_inputs import NUM_CLASSES, make_inputs

# ---- the example of MRCA section 3.3: A = (0, 0.5, 0.2, 1), changes (1, 2, 1, 3), S = (1, 10, 5, 2)

CLASS_IDS = (3, 7, 20, 40)
REAL, IN_POOLS = (1, 4, 2, 2), ({"7": 4}, {"7": 2, "20": 3})
SEEN = (1, 3, 20, 5)
"""Objects in the feedback images."""
MASK_AP, BOX_AP = (0.0, 0.5, 0.2, 1.0), (0.9, 0.1, 0.7, 0.3)
AS_MEASURED = ShrinkageConfig(toward="none")
CHANGE, OF_FIRST_STAGE = (1.0, 2.0, 1.0, 3.0), (5.0, 1.0, 7.0, 2.0)


def write_record(folder: Path, record: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(record))
    return folder


def write_models(folder: Path) -> None:
    """Two models whose last classifiers differ by CHANGE in each class' row, and the first stage's by something else."""
    model = CenterNet2(centernet2_miniature(len(CLASS_IDS)), torch.Generator().manual_seed(0))
    model.save_pretrained(folder / "before" / "model")
    with torch.no_grad():
        for head, lengths in ((model.cascade.heads[0], OF_FIRST_STAGE), (model.cascade.heads[-1], CHANGE)):
            direction = torch.nn.functional.normalize(torch.ones(head.classifier.weight.shape[1]), dim=0)
            head.classifier.weight += torch.tensor([*lengths, 9.0])[:, None] * direction
    model.save_pretrained(folder / "now" / "model")


@pytest.fixture(scope="module")
def steering(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("steering")
    classes = [
        {"id": class_id, "group": group, "instance_count": count, "image_count": 100, "feedback_instance_count": seen}
        for class_id, group, count, seen in zip(CLASS_IDS, "rrcf", REAL, SEEN, strict=True)
    ]
    (folder / "split").mkdir()
    (folder / "split" / "classes.json").write_text(json.dumps(classes))
    write_models(folder)
    pools = [write_record(folder / f"pool{n}", {"accepted": accepted}) for n, accepted in enumerate(IN_POOLS)]
    feedback = write_record(folder / "feedback", {"class_ap_mask": MASK_AP, "class_ap_box": BOX_AP})
    return {
        "split": [folder / "split"],
        "feedback": [feedback],
        "model": [folder / "now"],
        "model_before": [folder / "before"],
        "pools": pools,
    }


def run_budget(roles: dict[str, list[Path]], tmp_path: Path, objects: int, **formula: Any) -> dict[str, Any]:
    config = BudgetStageConfig(objects=objects, formula=BudgetConfig(**{"shrinkage": AS_MEASURED, **formula}))
    return budget(Inputs(roles), config, LocalContext(tmp_path))


def test_the_budget_is_that_of_the_specifications_example(steering, tmp_path) -> None:
    """Mask AP in [0, 1], the last stage's classifier, real instances and the synthetic objects of every pool."""
    record = run_budget(steering, tmp_path, 10)
    assert record["counts"] == [8, 1, 1, 0]
    assert run_budget(steering, tmp_path, 1000)["counts"] == [794, 79, 127, 0]
    assert record["training_counts"] == [1, 10, 5, 2]
    assert record["accuracy"] == pytest.approx(MASK_AP)
    assert record["classifier_change"] == pytest.approx(CHANGE, rel=1e-4)
    assert record["weights"] == pytest.approx([1.0, 0.1, 0.16, 0.0], abs=1e-6)
    assert record["accuracy_known"] == [True] * 4


def test_an_accuracy_of_few_objects_is_drawn_towards_its_groups(steering, tmp_path) -> None:
    """Of n = 1 and 3 objects, k = 5: the rare 0 and 0.5 become (0 + 5 x 0.25) / 6 and (1.5 + 5 x 0.25) / 8; the others are alone."""
    record = run_budget(steering, tmp_path, 10, shrinkage=ShrinkageConfig())
    assert record["accuracy"] == pytest.approx([1.25 / 6, 2.75 / 8, 0.2, 1.0])
    weaker = run_budget(steering, tmp_path, 10, shrinkage=ShrinkageConfig(prior_instances=1.0))
    assert weaker["accuracy"] == pytest.approx([0.25 / 2, 1.75 / 4, 0.2, 1.0])


def test_a_class_without_accuracy_has_its_groups_whatever_is_drawn_where(steering, tmp_path) -> None:
    """The rare mean is 0.5, and stays it though the one that is known has only three objects."""
    feedback = write_record(tmp_path / "feedback", {"class_ap_mask": [None, 0.5, 0.2, None], "class_ap_box": BOX_AP})
    record = run_budget({**steering, "feedback": [feedback]}, tmp_path, 10, shrinkage=ShrinkageConfig())
    assert record["accuracy"] == pytest.approx([0.5, 0.5, 0.2, 0.35])
    assert record["accuracy_known"] == [False, True, True, False]


def test_real_instances_alone_count_where_that_is_asked_for(steering, tmp_path) -> None:
    """S = (1, 4, 2, 2): weights 1, 0.25, 0.4, 0 of 165 objects."""
    record = run_budget(steering, tmp_path, 165, count_mode="real")
    assert (record["training_counts"], record["counts"]) == ([1, 4, 2, 2], [100, 25, 40, 0])


def test_the_released_formula_is_used_where_it_is_asked_for(steering, tmp_path) -> None:
    """A instead of 1 - A: weights 0, 0.1, 0.04, 1.5 of 10 objects (MRCA section 3.3, last paragraph)."""
    assert run_budget(steering, tmp_path, 10, accuracy_term="ap")["counts"] == [0, 1, 0, 9]


def test_a_class_without_accuracy_has_that_of_its_group(steering, tmp_path) -> None:
    """Classes 1 and 2 are rare: 0.5 for both; alone in its group, class 4 has the mean of all."""
    feedback = write_record(tmp_path / "feedback", {"class_ap_mask": [None, 0.5, 0.2, None], "class_ap_box": BOX_AP})
    record = run_budget({**steering, "feedback": [feedback]}, tmp_path, 10)
    assert record["accuracy"] == pytest.approx([0.5, 0.5, 0.2, 0.35])


def test_without_feedback_the_budget_is_uniform_or_the_released_one(steering, tmp_path) -> None:
    alone = {"split": steering["split"]}
    assert run_budget(alone, tmp_path, 9)["counts"] == [3, 2, 2, 2]
    assert run_budget(alone, tmp_path, 9, early_rounds="inverse_count")["counts"] == [4, 1, 2, 2]


# ---- sizes and objects of a round


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Drawn data, their split, and a pool of 20 opaque squares, each of a grey of its own, of three classes."""
    folder = tmp_path_factory.mktemp("training")
    roles = dict(make_inputs(folder).roles)
    classes = json.loads((folder / "split" / "classes.json").read_text())
    (folder / "pool").mkdir()
    write_pool(folder / "pool", (square(n, classes[(0, 4, 11)[n % 3]]["id"]).encode() for n in range(20)))
    ap = [0.05, 0.125, 0.40, 0.625, 0.05] + [None] * (NUM_CLASSES - 5)
    feedback = write_record(folder / "feedback", {"class_ap_box": ap, "class_ap_mask": [0.5] * NUM_CLASSES})
    return Inputs({**roles, "pool": [folder / "pool"], "feedback": [feedback]})


def square(number: int, category_id: int) -> PooledObject:
    rgba_HW4 = np.full((20, 20, 4), 255, np.uint8)
    rgba_HW4[..., :3] = 10 * number + 5
    return PooledObject(rgba_HW4, category_id, 1, "a square", number, 30.0)


def images_of(inputs: Inputs, pasting: MrcaPasting | NoPasting, first: int = 0, **recipe: Any) -> TrainingImages:
    config = TrainConfig(
        segmenter=centernet2_miniature(NUM_CLASSES),
        recipe=TrainingRecipe(**{"iterations": 40, "batch_size": 2, **recipe}),
        augmentation=AugmentConfig(size_px=64, min_scale=1.0, max_scale=1.0),
        pasting=pasting,
        phase="main",
        first_iteration=first,
        last_iteration=40,
    )
    return TrainingImages(inputs, config, Seeds())


@pytest.mark.parametrize(("num_workers", "team_size", "readers"), [(0, 1, 1), (2, 1, 2), (2, 3, 6)])
def test_the_room_for_images_is_that_of_all_workers_together(inputs, num_workers, team_size, readers) -> None:
    images = images_of(inputs, NoPasting(), batch_size=4)
    images.config = images.config.model_copy(update={"num_workers": num_workers})
    for _ in range(2):  # a second time divides no further
        images.batches(40, BatchShare.of(Team(0, team_size), 4))
    assert images.real.cache.room_bytes == BUDGET_BYTES // readers


def test_size_factors_are_the_specifications_of_box_ap_in_percent(inputs) -> None:
    """MRCA section 3.7 at b = 25: AP of 5, 12.5, 40, 62.5 and 5 percent, undefined elsewhere."""
    golden = [9.189587, 4.0, 0.574349, 0.25, 9.189587] + [1.0] * (NUM_CLASSES - 5)
    pasting = MrcaPasting(resizing=ResizingConfig(shrinkage=AS_MEASURED))
    assert images_of(inputs, pasting).factor_C == pytest.approx(golden, abs=1e-6)


def test_sizes_follow_an_accuracy_of_few_objects_less(inputs) -> None:
    """Each AP is drawn towards the mean of its group by its objects in the feedback images; classes without AP keep their size."""
    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    ap, known = np.array([5.0, 12.5, 40.0, 62.5, 5.0]), classes[:5]
    groups = [item["group"] for item in known]
    means = {group: np.mean([a for a, of in zip(ap, groups, strict=True) if of == group]) for group in groups}
    seen = np.array([item["feedback_instance_count"] for item in known])
    assert len(set(seen)) > 1
    drawn = (seen * ap + 5 * np.array([means[group] for group in groups])) / (seen + 5)
    b = drawn.mean()
    expected = [16 ** (1 - a / b) if a < b else 16 ** (-(a - b) / (100 - b)) for a in drawn]
    factor_C = images_of(inputs, MrcaPasting()).factor_C
    assert factor_C == pytest.approx([*expected, *[1.0] * (NUM_CLASSES - 5)], abs=1e-6)
    assert max(factor_C) < 9.1


def test_sizes_stay_without_feedback_or_mrcas_pasting(inputs) -> None:
    unsteered = Inputs({role: folders for role, folders in inputs.roles.items() if role != "feedback"})
    assert images_of(unsteered, MrcaPasting()).factor_C == pytest.approx(np.ones(NUM_CLASSES))
    assert images_of(inputs, NoPasting()).factor_C == pytest.approx(np.ones(NUM_CLASSES))


def test_a_factor_makes_the_pasted_object_so_many_times_as_wide() -> None:
    """A class 10 px wide in images of 100 px: at factor 4 its square is 40 px wide, wherever it is seen whole."""
    image_HW3 = np.zeros((100, 100, 3), np.uint8)
    nothing = real_instances(np.zeros(0, np.int64), np.zeros((0, 100, 100), np.bool_))
    sizes = SizeModel(np.array([0.3, 0.1]), np.zeros(2))

    def width(factor: float, seed: int) -> float:
        _, found = make_training_image(
            image_HW3,
            nothing,
            [(square(0, 0).rgba_HW4, 1)],
            sizes,
            np.array([1.0, factor]),
            np.random.default_rng(seed),
            AugmentConfig(size_px=100, min_scale=1.0, max_scale=1.0),
            PasteSizeConfig(aspect_jitter=0.0),
            PasteConfig(),
        )
        assert found.class_N.tolist() == [1]
        return float(found.boxes_N4[0, 2] - found.boxes_N4[0, 0])

    assert max(width(1.0, seed) for seed in range(20)) == 10
    assert max(width(4.0, seed) for seed in range(20)) == 40


class Asked:
    """Writes down which objects of a pool are read."""

    def __init__(self, images: TrainingImages) -> None:
        self.pool, self.indices = images.pool, list[int]()
        images.pool = self  # type: ignore[assignment]

    def __getitem__(self, index: int) -> PooledObject:
        self.indices.append(index)
        assert self.pool is not None
        return self.pool[index]


def objects_from(images: TrainingImages, first_image: int, count: int) -> list[int]:
    """Indices of the first objects that a round pastes."""
    asked, number = Asked(images), first_image
    while len(asked.indices) < count:
        images[number]
        number += 1
    return asked.indices[:count]


def test_a_round_uses_every_object_once_before_any_twice(inputs) -> None:
    """MRCA section 3.6, counted from the round's first image: iteration 7 of batches of 2 begins with image 14."""
    for number, first in ((1, 0), (2, 7), (3, 11)):
        found = objects_from(images_of(inputs, MrcaPasting(round_index=number), first), 2 * first, 20)
        assert sorted(found) == list(range(20)), f"round {number}"


def test_each_round_has_a_stream_of_its_own(inputs) -> None:
    one, two = (objects_from(images_of(inputs, MrcaPasting(round_index=number)), 0, 20) for number in (1, 2))
    assert one != two


def test_images_of_a_number_get_other_objects_than_those_of_another(inputs) -> None:
    asked = Asked(images := images_of(inputs, MrcaPasting()))
    images[0]
    first, asked.indices = asked.indices, []
    images[1]
    assert not set(first) & set(asked.indices)


def test_pasted_instances_have_the_class_of_their_object(inputs) -> None:
    """Category ids start at 1, classes at 0 (MRCA section 2.1); classes 0, 4 and 11 are pasted."""
    images = images_of(inputs, MrcaPasting(size=PasteSizeConfig(min_length_px=8.0)))
    pasted = set()
    for number in range(20):
        image_HW3, instances = images[number]
        for index in np.flatnonzero(instances.source_N == 1):
            grey = int(np.median(image_HW3[instances.mask_NHW[index]]))
            assert instances.class_N[index] == (0, 4, 11)[round((grey - 5) / 10) % 3]
            pasted.add(int(instances.class_N[index]))
    assert pasted == {0, 4, 11}


def test_images_with_rare_classes_come_more_often(inputs) -> None:
    """MRCA section 6.5: an image comes max(1, sqrt(t / f)) times an epoch, by its rarest class."""
    images = images_of(inputs, NoPasting(), repeat_threshold=0.9)
    annotations = [images.real.dataset.annotations[image.id] for image in images.real.images]
    total = len(annotations)
    seen = {c: sum(c in {a.category_id for a in found} for found in annotations) for c in images.real.dataset.class_ids}
    factors = [max(max(1.0, (0.9 * total / seen[a.category_id]) ** 0.5) for a in found) for found in annotations]
    assert max(factors) > 2 * min(factors)
    positions = round(50 * sum(factors))
    counts = np.bincount([images.order.image_index(position) for position in range(positions)], minlength=total)
    assert counts / 50 == pytest.approx(np.array(factors), abs=0.35)


def test_no_image_of_the_feedback_is_trained_on(inputs) -> None:
    held_out = {image["id"] for image in json.loads((inputs.folder("split") / "feedback.json").read_text())["images"]}
    kept = {image["id"] for image in json.loads((inputs.folder("split") / "fit.json").read_text())["images"]}
    assert held_out
    assert {image.id for image in images_of(inputs, NoPasting()).real.images} == kept - held_out


def test_the_size_model_is_relative_to_each_images_area(inputs) -> None:
    """m_c is the mean of sqrt(box area / image area) over a class' instances (MRCA section 3.7)."""
    images = images_of(inputs, NoPasting())
    rows = json.loads((inputs.folder("split") / "fit.json").read_text())
    area = {image["id"]: image["width"] * image["height"] for image in rows["images"]}
    sides: dict[int, list[float]] = {}
    for item in rows["annotations"]:
        _, _, width, height = item["bbox"]
        sides.setdefault(item["category_id"], []).append((width * height / area[item["image_id"]]) ** 0.5)
    for class_id, known in sides.items():
        assert images.size_model.mean_C[images.real.dataset.class_index[class_id]] == pytest.approx(np.mean(known))


def test_every_image_is_augmented_by_itself(inputs) -> None:
    """Two places of the sequence that hold the same real image are cropped and mirrored apart."""
    images = images_of(inputs, NoPasting())
    crops: dict[int, set[bytes]] = {}
    for number in range(60):
        crops.setdefault(images.order.image_index(number), set()).add(images[number][0].tobytes())
    assert max(map(len, crops.values())) > 1


def test_processes_train_on_different_images(inputs) -> None:
    images = images_of(inputs, NoPasting())
    whole = next(images.batches(3, BatchShare(0, 2, 2))).image_NCHW
    for place in (0, 1):
        part = next(images.batches(3, BatchShare(place, 1, 2))).image_NCHW
        height, width = part.shape[2:]
        assert torch.equal(part[0], whole[place, :, :height, :width])

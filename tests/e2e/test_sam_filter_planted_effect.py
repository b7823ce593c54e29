"""What the miniature recipe can decide: an arm that is better by construction is found, one that is not is left alone.

Drawn pictures stand for generated ones, and their masks, moved by up to a third of the picture, for masks from attention. One arm trains on
exact masks of the same pictures, one on another random half. Selection, training, evaluation and verdict are those of tier mini, with fewer
pairs.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.datasets.rle import encode_mask
from methods.common.datasets.voc import write_labels
from methods.common.miniature.voc_view import draw_voc
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.training_sources import PairsSource
from methods.sam_filter.stages.evaluate import EVALUATE
from methods.sam_filter.stages.score import SCORE, ScoreConfig
from methods.sam_filter.stages.select import SELECT, SelectConfig
from methods.sam_filter.stages.train import TRAIN, TrainConfig
from reports.records import Arm, Backbone, ClaimVerdict, Provenance, Report, Result, Run
from reproductions.sam_filter.claims import METRICS
from reproductions.sam_filter.recipe import mini
from reproductions.verdicts.differences import Gain

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]

SEEDS = (0, 1, 2)
NUM_PAIRS, NUM_KEPT = 400, 200
EXACT, DAMAGED = "exact", "damaged"
MOST_PX = 20
"""How far the mask of a picture of 64 px is moved at most along each axis."""
ARMS = {"oracle": (EXACT, 0), "random": (DAMAGED, 0), "another": (DAMAGED, 100)}
"""Which masks of a random half, and what is added to the seed of the choice."""


def draw(folder: Path) -> None:
    """Data, pairs with exact and damaged masks, what an all-knowing prompter finds in them, and their scores."""
    world = mini().world
    assert world is not None
    for name in ("data", "pairs/images", f"pairs/masks/{EXACT}", f"pairs/masks/{DAMAGED}", "named", "scores"):
        (folder / name).mkdir(parents=True)
    draw_voc(Inputs(), world.model_copy(update={"num_train": NUM_PAIRS}), LocalContext(folder / "data"))
    images = open_labelled_images(folder / "data", "train")
    pairs, named = [], []
    for index in range(len(images)):
        image_HW3, label_HW = images[index]
        id, classes = f"{index:06d}", sorted({*np.unique(label_HW).tolist()} - {0, 255})
        names = [images.class_names[label] for label in classes]
        rng = np.random.default_rng(index)
        down, right = np.round(MOST_PX * rng.uniform() * rng.choice([-1, 1], 2)).astype(int)
        Image.fromarray(image_HW3).save(folder / "pairs/images" / f"{id}.png")
        write_labels(folder / f"pairs/masks/{EXACT}" / f"{id}.png", label_HW)
        write_labels(folder / f"pairs/masks/{DAMAGED}" / f"{id}.png", np.roll(label_HW, (down, right), (0, 1)))
        pairs.append(json.dumps({"id": id, "classes": names}))
        masks = {name: encode_mask(label_HW == label) for name, label in zip(names, classes, strict=True)}
        named.append(json.dumps({"id": id, "masks": masks}))
    (folder / "pairs/classes.json").write_text(json.dumps(images.class_names))
    (folder / "pairs/pairs.jsonl").write_text("\n".join([*pairs, ""]))
    (folder / "named/named_masks.jsonl").write_text("\n".join([*named, ""]))
    roles = {"pairs": [folder / "pairs"], "named": [folder / "named"]}
    SCORE.run(Inputs(roles), ScoreConfig(variant=DAMAGED), LocalContext(folder / "scores"))


def accuracy(world: Path, arm: str, seed: int, out: Path) -> float:
    """Select, train and evaluate as the plan of tier mini does."""
    study, (variant, other) = mini(), ARMS[arm]

    def run(stage, config, seeds: Seeds, **roles: Path):
        folder = out / stage.name
        folder.mkdir(parents=True)
        context = LocalContext(folder, seeds=seeds)
        return folder, stage.run(Inputs({role: [path] for role, path in roles.items()}), config, context)

    choice = SelectConfig(rule="random", keep=NUM_KEPT, variant=DAMAGED)
    seeds = Seeds(generation=seed + other, training=seed)
    chosen, _ = run(SELECT, choice, seeds, pairs=world / "pairs", scores=world / "scores")
    recipe = study.recipe.model_copy(update={"iterations": study.iterations_for(NUM_KEPT)})
    config = TrainConfig(
        segmenter=study.segmenter,
        recipe=recipe,
        augmentation=study.augmentation,
        source=PairsSource(variant=variant),
    )
    model, _ = run(TRAIN, config, seeds, pairs=world / "pairs", selection=chosen)
    _, record = run(EVALUATE, study.evaluation, seeds, data=world / "data", model=model)
    return float(record["miou"])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("planted")
    draw(folder / "world")
    found = {arm: [accuracy(folder / "world", arm, seed, folder / arm / str(seed)) for seed in SEEDS] for arm in ARMS}
    print(found)
    return Report(
        run=Run(
            paper_id="p",
            paper_title="P",
            tier="mini",
            data="drawn",
            seeds=SEEDS,
            command="c",
            provenance=Provenance(commit="0"),
        ),
        arms=tuple(Arm(id=arm, title=arm) for arm in ARMS),
        backbones=(Backbone(id="convolutional", title="Small"),),
        metrics=METRICS,
        results=tuple(
            Result(arm=arm, backbone="convolutional", seed=seed, metrics={"miou": value}, cells=())
            for arm, values in found.items()
            for seed, value in zip(SEEDS, values, strict=True)
        ),
    )


@pytest.mark.parametrize(
    ("left", "verdicts"),
    [("oracle", {"holds"}), ("another", {"not resolved", "equivalent"})],
)
def test_what_is_better_by_construction_is_found_and_nothing_else(
    report: Report, left: str, verdicts: set[ClaimVerdict]
) -> None:
    [evidence] = Gain(left, "random", ("miou",)).evidence(report, "convolutional")
    assert evidence.verdict in verdicts, evidence

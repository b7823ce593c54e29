"""What every cell of the arms of three classes is made of, against DiffuMask's ADE20K table and its Table 5 written down by themselves."""

from pathlib import Path

import pytest

from methods.diffumask_robust.class_set import BUS_CAR_PERSON, CAR_PERSON_MOTORBIKE, ClassSet
from methods.diffumask_robust.stages.evaluate_class_set import EvaluateClassSetConfig
from methods.diffumask_robust.stages.prompts import PromptsConfig, SubclassPrompts
from methods.diffumask_robust.stages.sources import ClassSetSource
from methods.diffumask_robust.stages.train_segmenter import TrainSegmenter
from reproductions.diffumask_robust.arms import NOT_AT_MINI
from reproductions.diffumask_robust.kinds import FewClasses
from reproductions.diffumask_robust.paper import PAPER
from reproductions.diffumask_robust.plan import SeedPlanner
from reproductions.diffumask_robust.recipe import DiffuMaskRobustStudy, mini, paper
from reproductions.harness.cell import Cell
from reproductions.harness.store import Store
from reproductions.study.request import Request
from tests.unit.plan_edges import differences, table_of
from tests.unit.test_diffumask_robust_plan_edges import BY_ID, PLACES
from tests.unit.test_diffumask_robust_plan_edges import settings as other_settings
from tests.unit.test_diffumask_robust_plan_edges import study as other_study

ADE, OTHERS = "bus_car_person", "car_person_motorbike"
DRAWN = {
    "voc": "draw_the_miniature_VOC",
    "cityscapes": "draw_the_miniature_street",
    "ade20k": "draw_the_miniature_ADE20K",
}
TRAINED_ON = {"voc": "trainaug", "cityscapes": "train", "ade20k": "training"}
EVALUATED_ON = {"voc": "val", "cityscapes": "val", "ade20k": "validation"}
SIZES = {"voc": 40, "cityscapes": 64, "ade20k": 40}
ROWS = {
    "ade20k_real": (ADE, "ade20k", "ade20k"),
    "ade20k_diffumask": (ADE, "diffumask", "ade20k"),
    "generalise_cityscapes_to_voc": (OTHERS, "cityscapes", "voc"),
    "generalise_ade20k_to_voc": (OTHERS, "ade20k", "voc"),
    "generalise_diffumask_to_voc": (OTHERS, "diffumask", "voc"),
    "generalise_voc_to_cityscapes": (OTHERS, "voc", "cityscapes"),
    "generalise_ade20k_to_cityscapes": (OTHERS, "ade20k", "cityscapes"),
    "generalise_diffumask_to_cityscapes": (OTHERS, "diffumask", "cityscapes"),
}
"""Classes, what is trained on and what is evaluated on, of each row."""


def study() -> DiffuMaskRobustStudy:
    """The miniature one with the published classes, so that one set cannot stand for the other; nothing is run."""
    made = other_study()
    few = made.few_classes.model_copy(
        update={
            "on_ade20k": BUS_CAR_PERSON,
            "elsewhere": CAR_PERSON_MOTORBIKE,
            "num_prompts_on_ade20k": 11,
            "num_prompts_elsewhere": 22,
        }
    )
    return made.model_copy(update={"few_classes": few})


def named(classes: ClassSet) -> str:
    return "_".join(classes.names)


def settings(cell: Cell) -> str:
    match cell.config:
        case TrainSegmenter(source=ClassSetSource(split=split, classes=classes)) as config:
            return f"{config.recipe.iterations}, {split} in {named(classes)}, {config.start}"
        case EvaluateClassSetConfig(split=split, classes=classes) as config:
            return f"{split} in {named(classes)}, {config.cityscapes_classes}, {config.short_side_px} px"
        case PromptsConfig(prompts=SubclassPrompts(class_names=names, max_subclasses=most), num_prompts=number):
            return f"{number} of {'_'.join(names)}, {most} sub-classes"
    return other_settings(cell)


def diffumask(name: str, number: int) -> dict[str, str]:
    """The whole method on pictures of the classes alone, with two folds."""
    base = f"{name}_diffumask"
    pictures, labels, kept = f"{base}/pictures0", f"{base}/adaptive/labels0", f"{base}/adaptive/pruned_70"
    spliced, oracle = f"{base}/adaptive/spliced_perspective_7", f"{base}/oracle0"
    folds = {}
    for fold in (0, 1):
        train = f"{base}/adaptive/fold{fold}/train"
        folds[train] = f"30, without fold {fold} of 2, scratch | labels<-{labels}, pairs<-{pictures}"
        folds[f"{base}/adaptive/fold{fold}/score"] = (
            f"fold {fold} of 2 | labels<-{labels}, model<-{train}, pairs<-{pictures}"
        )
    scores = f"{base}/adaptive/fold0/score {base}/adaptive/fold1/score"
    return {
        f"{base}/prompts": f"{number} of {name}, 100 sub-classes | generator",
        pictures: f"diffumask | generator, prompts<-{base}/prompts",
        f"{base}/seeds0": f"pairs<-{pictures}",
        f"{base}/affinity": f"pairs<-{pictures}, seeds<-{base}/seeds0",
        labels: f"adaptive | affinity<-{base}/affinity, pairs<-{pictures}",
        **folds,
        kept: f"0.7 by agreement | labels<-{labels}, pairs<-{pictures}, scores<-{scores}",
        spliced: f"blur occlusion perspective | labels<-{kept}, pairs<-{pictures}",
        oracle: f"diffumask, beta 0.2, cutout, margin | cutter, pairs<-{pictures}",
        f"{base}/{name}/rating": f"kept | labels<-{kept}, pairs<-{pictures}, reference<-{oracle}",
        f"{name}/diffumask/train": f"80, all, scratch | labels<-{spliced}, pairs<-{spliced}",
    }


@pytest.mark.parametrize("arm", ROWS)
def test_a_row_is_trained_on_one_data_set_and_evaluated_on_another(arm: str) -> None:
    name, trained, evaluated = ROWS[arm]
    train = f"{name}/{trained}/train"
    if trained == "diffumask":
        before = diffumask(name, 11 if name == ADE else 22)
    else:
        before = {
            DRAWN[trained]: "",
            train: f"80, {TRAINED_ON[trained]} in {name}, scratch | data<-{DRAWN[trained]}",
        }
    wanted = {
        **before,
        DRAWN[evaluated]: "",
        f"{arm}/evaluate": (
            f"{EVALUATED_ON[evaluated]} in {name}, 19, {SIZES[evaluated]} px | data<-{DRAWN[evaluated]}, model<-{train}"
        ),
    }
    assert not differences(table_of(SeedPlanner(study(), 0, PLACES).arm(BY_ID[arm]).wanted, settings), wanted)


def test_every_network_has_as_many_labels_as_the_classes_and_background() -> None:
    planner = SeedPlanner(study(), 0, PLACES)
    for arm in ROWS:
        cells = planner.arm(BY_ID[arm])
        folds = [cell for cell in cells.labels if isinstance(cell.config, TrainSegmenter)]
        assert bool(folds) == (ROWS[arm][1] == "diffumask")
        assert {cell.config.segmenter.num_classes for cell in (*cells.trains, *folds)} == {4}  # type: ignore[attr-defined]


def test_the_rows_are_those_of_both_tables_and_not_at_tier_mini() -> None:
    assert {arm.id for arm in BY_ID.values() if isinstance(arm.how, FewClasses)} == set(ROWS)
    assert set(ROWS) <= NOT_AT_MINI


def test_at_tier_paper_each_row_reads_the_published_data() -> None:
    made = paper().model_copy(update={"num_shards": 1})
    planner = SeedPlanner(made, 0, PLACES)
    place = {"voc": "data", "cityscapes": "street", "ade20k": "ade20k"}
    for arm, (_, trained, evaluated) in ROWS.items():
        cells = planner.arm(BY_ID[arm])
        assert cells.evaluation is not None
        assert {role: one.fingerprint for role, one in cells.evaluation.external.items()} == {"data": place[evaluated]}
        assert cells.evaluation.config.short_side_px is None  # type: ignore[attr-defined]
        found = {role: one.fingerprint for role, one in cells.trains[0].external.items()}
        data = {} if trained == "diffumask" else {"data": place[trained]}
        assert found == {**data, "backbone": "plain_backbone"}
    prompts = {
        arm: next(cell for pairs in planner.arm(BY_ID[arm]).pairs for cell in pairs.inputs["prompts"])
        for arm in ("ade20k_diffumask", "generalise_diffumask_to_voc")
    }
    counts = {arm: cell.config.num_prompts for arm, cell in prompts.items()}  # type: ignore[attr-defined]
    assert counts == {"ade20k_diffumask": 20_001, "generalise_diffumask_to_voc": 30_000}
    assert set(prompts["ade20k_diffumask"].external) == {"generator", "wordnet"}
    assert 3 * (counts["ade20k_diffumask"] // 3 * 3 // 10) == 6000, "three tenths of each class are left"


def test_what_a_row_needs_is_asked_for() -> None:
    request = Request("diffumask_robust", Store(Path("/nowhere")), tier="paper", assume_published=True)
    study_of = paper()
    for arm, (_, trained, evaluated) in ROWS.items():
        roles = {need.role for need in PAPER.study_needs(request, study_of, (BY_ID[arm],))}
        assert ("ade20k" in roles) == ("ade20k" in (trained, evaluated))
        assert ("street" in roles) == ("cityscapes" in (trained, evaluated))
        assert ({"generator", "cutter", "wordnet", "trunk"} <= roles) == (trained == "diffumask")
        assert "plain_backbone" in roles
        assert "backbone" not in roles
    small = {need.role for need in PAPER.study_needs(request, mini(), tuple(BY_ID[arm] for arm in ROWS))}
    assert not {"ade20k", "street"} & small


def test_only_the_rows_on_ade20k_are_trained_with_swin_b() -> None:
    request = Request("diffumask_robust", Store(Path("/nowhere")), tier="paper", assume_published=True)
    by_backbone = {one.study.backbone: {arm.id for arm in one.arms} & set(ROWS) for one in PAPER.asked(request)}
    assert by_backbone == {
        "deeplabv3plus_r101d": set(ROWS),
        "mask2former_swin_b": {"ade20k_real", "ade20k_diffumask"},
    }

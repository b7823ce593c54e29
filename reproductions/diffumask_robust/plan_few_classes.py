"""The cells of a few classes that data sets share: trained on one data set or on DiffuMask's pictures, evaluated on another (section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.common.miniature.ade20k_view import DRAW_ADE20K
from methods.diffumask_robust.class_set import ClassSet
from methods.diffumask_robust.stages.evaluate_class_set import EVALUATE_CLASS_SET, EvaluateClassSetConfig
from methods.diffumask_robust.stages.prompts import PromptsConfig, SubclassPrompts
from methods.diffumask_robust.stages.sources import ClassSetSource, LabelledSource
from reproductions.diffumask_robust.kinds import DiffuMask, FewClasses
from reproductions.diffumask_robust.plan_diffumask import DiffuMaskPlanner, Made, Subject
from reproductions.diffumask_robust.plan_street import StreetPlanner
from reproductions.harness.cell import Cell, External

if TYPE_CHECKING:
    from reproductions.diffumask_robust.plan import SeedPlanner

DataSet = Literal["voc", "cityscapes", "ade20k"]


@dataclass(frozen=True)
class FewClassesCells:
    """The cells of one arm."""

    train: Cell
    evaluation: Cell
    made: Made | None = None
    """DiffuMask's pictures and masks."""
    rating: Cell | None = None


@dataclass(frozen=True)
class FewClassesPlanner:
    """Builds the cells of one seed."""

    planner: SeedPlanner

    def cells(self, arm: str, how: FewClasses) -> FewClassesCells:
        """Build the cells of an arm; arms that differ in what they are evaluated on share their training."""
        classes = self._classes(how)
        name = "_".join(classes.names)
        if how.trained != "diffumask":
            train = self._real(name, how.trained, classes)
            return FewClassesCells(train, self._evaluate(arm, train, how.evaluated, classes))
        subject = Subject(classes.names, classes.num_labels, f"{name}_diffumask", self._prompts(how, classes))
        made = DiffuMaskPlanner(self.planner, subject).made(DiffuMask())
        inputs = {"pairs": made.train_pairs, "labels": made.train_labels}
        recipe = self.planner.study.diffumask.recipe
        train = self.planner.train_segmenter(
            f"{name}/diffumask/train", LabelledSource(), inputs, recipe, classes.num_labels
        )
        rating = self.planner.rating(made.pictures, made.labels, name, kept_only=True)
        return FewClassesCells(train, self._evaluate(arm, train, how.evaluated, classes), made, rating)

    def _classes(self, how: FewClasses) -> ClassSet:
        few = self.planner.study.few_classes
        return few.on_ade20k if how.evaluated == "ade20k" else few.elsewhere

    def _prompts(self, how: FewClasses, classes: ClassSet) -> PromptsConfig:
        """DiffuMask's prompts of these classes alone."""
        few, asked = self.planner.study.few_classes, self.planner.study.diffumask.prompts
        assert isinstance(asked.prompts, SubclassPrompts), "DiffuMask's prompts have sub-classes"
        kinds = asked.prompts.model_copy(update={"class_names": classes.names})
        number = few.num_prompts_on_ade20k if how.evaluated == "ade20k" else few.num_prompts_elsewhere
        return asked.model_copy(update={"prompts": kinds, "num_prompts": number})

    def _real(self, name: str, data_set: DataSet, classes: ClassSet) -> Cell:
        study = self.planner.study
        splits = {"voc": study.train_split, "cityscapes": "train", "ade20k": "training"}
        source = ClassSetSource(split=splits[data_set], classes=classes)
        drawn, outside = self._data(data_set)
        recipe = study.diffumask.recipe
        return self.planner.train_segmenter(
            f"{name}/{data_set}/train", source, drawn, recipe, classes.num_labels, outside
        )

    def _evaluate(self, arm: str, model: Cell, data_set: DataSet, classes: ClassSet) -> Cell:
        study = self.planner.study
        sizes = study.street.evaluation if data_set == "cityscapes" else study.evaluation
        splits = {"voc": study.val_split, "cityscapes": "val", "ade20k": "validation"}
        samples = study.evaluation.num_samples if self.planner.index == 0 else 0
        config = EvaluateClassSetConfig.model_validate(
            {
                **sizes.model_dump(),
                "split": splits[data_set],
                "cityscapes_classes": "19",
                "num_samples": samples,
                "classes": classes.model_dump(),
            }
        )
        drawn, outside = self._data(data_set)
        inputs = {"model": (model,), **drawn}
        cost_s = study.expected_evaluate_s
        return self.planner.cell(EVALUATE_CLASS_SET, config, f"{arm}/evaluate", inputs, (), cost_s, places=outside)

    def _data(self, data_set: DataSet) -> tuple[dict[str, tuple[Cell, ...]], dict[str, External]]:
        """A data set as cells and as a place of role ``data``; one of them is empty."""
        planner = self.planner
        if data_set == "cityscapes":
            street = StreetPlanner(planner)
            return street.drawn(), street.outside()
        if data_set == "voc":
            return planner.data, {} if planner.data else {"data": planner.external["data"]}
        world = planner.study.few_classes.ade20k_world
        if world is None:
            return {}, {"data": planner.external["ade20k"]}
        return {"data": (planner.cell(DRAW_ADE20K, world, "draw the miniature ADE20K"),)}, {}

"""The cells of ImageNet-S' categories: their pictures, what is trained on them, and what is pre-trained (sections 8 and 9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.common.miniature.imagenet_s_view import DRAW_IMAGENET_S
from methods.common.stages.training_sources import RealSource
from methods.diffumask_robust.stages.evaluate_imagenet_s import EVALUATE_IMAGENET_S
from methods.diffumask_robust.stages.label import LABEL
from methods.diffumask_robust.stages.prompts import ROBUST_PROMPTS
from methods.diffumask_robust.stages.sources import LabelledSource
from reproductions.diffumask_robust.kinds import Attention, ImageNetS
from reproductions.diffumask_robust.plan_diffumask import Pictures
from reproductions.harness.cell import Cell, External

if TYPE_CHECKING:
    from reproductions.diffumask_robust.plan import SeedPlanner


@dataclass(frozen=True)
class ImageNetSCells:
    """The cells of one arm of ImageNet-S."""

    train: Cell
    evaluation: Cell
    pictures: Pictures | None = None
    labels: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class ImageNetSPlanner:
    """Builds the cells of one seed."""

    planner: SeedPlanner

    def made(self, arm: str, how: ImageNetS) -> ImageNetSCells:
        """Build the cells of an arm."""
        if how.pictures == "real":
            study = self.planner.study.imagenet_s
            source = RealSource(split=study.train_split)
            train = self.planner.train(
                f"{arm}/train", None, source, self._drawn(), study.num_classes, places=self._outside()
            )
            return ImageNetSCells(train, self._evaluate(arm, train))
        pictures, labels = self._labelled()
        train = self.trained(f"{arm}/train", how, pictures, labels)
        return ImageNetSCells(train, self._evaluate(arm, train), pictures, labels)

    def pretrained(self) -> tuple[Cell, Pictures, tuple[Cell, ...]]:
        """One network that has learned the categories from generated pictures; the arm's own training."""
        pictures, labels = self._labelled()
        return self.trained("imagenet_s50/train", ImageNetS(), pictures, labels), pictures, labels

    def trained(self, label: str, how: ImageNetS, pictures: Pictures, labels: tuple[Cell, ...]) -> Cell:
        """One network or two on generated pictures of the categories."""
        inputs = {"pairs": pictures.pairs, "labels": labels}
        classes = self.planner.study.imagenet_s.num_classes
        return self.planner.train(label, Attention(how.scheme), LabelledSource(), inputs, classes)

    def _labelled(self) -> tuple[Pictures, tuple[Cell, ...]]:
        study = self.planner.study
        name = study.label.preset
        synthesis = study.synthesis.model_copy(update={"presets": {name: study.synthesis.presets[name]}})
        prompts = study.imagenet_s.prompts
        asked = self.planner.cell(
            ROBUST_PROMPTS,
            prompts,
            "imagenet_s/prompts",
            self._drawn(),
            ("generator", *self.planner.lexicon_roles(prompts)),
            places=self._outside(),
        )
        pictures = self.planner.painted("imagenet_s", asked, prompts.num_prompts, synthesis)
        labels = tuple(
            self.planner.cell(LABEL, study.label, f"imagenet_s/labels{shard}", {"pairs": (cell,)}, (), cell.cost_s / 10)
            for shard, cell in enumerate(pictures.pairs)
        )
        return pictures, labels

    def _drawn(self) -> dict[str, tuple[Cell, ...]]:
        """The data set as input cells of role ``data``; nothing where it comes from outside."""
        world = self.planner.study.imagenet_s.world
        if world is None:
            return {}
        return {"data": (self.planner.cell(DRAW_IMAGENET_S, world, "draw the miniature ImageNet-S"),)}

    def _outside(self) -> dict[str, External]:
        """The data set as a place of role ``data``."""
        return {} if self.planner.study.imagenet_s.world is not None else {"data": self.planner.external["imagenet_s"]}

    def _evaluate(self, arm: str, model: Cell) -> Cell:
        config, cost_s = self.planner.study.imagenet_s.evaluation, self.planner.study.expected_evaluate_s
        inputs = {"model": (model,), **self._drawn()}
        return self.planner.cell(
            EVALUATE_IMAGENET_S, config, f"{arm}/evaluate", inputs, (), cost_s, places=self._outside()
        )

"""The cells of the distant domain: a generator adapted to the street, its pictures, and what is trained on them (sections 7 and 9.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.common.miniature.street_view import DRAW_CITYSCAPES
from methods.common.stages.training_sources import CityscapesSource
from methods.diffumask_robust.stages.adapt_generator import ADAPT_GENERATOR
from methods.diffumask_robust.stages.evaluate import EVALUATE_ROBUST
from methods.diffumask_robust.stages.label import LABEL
from methods.diffumask_robust.stages.rate_masks import RATE_MASKS, RateMasksConfig
from methods.diffumask_robust.stages.sources import LabelledSource
from reproductions.diffumask_robust.arms import Attention, Street
from reproductions.diffumask_robust.plan_diffumask import Pictures
from reproductions.harness.cell import Cell, External

if TYPE_CHECKING:
    from reproductions.diffumask_robust.plan import SeedPlanner

_NUM_CLASSES = 3
"""Background, human and vehicle."""


@dataclass(frozen=True)
class StreetCells:
    """The cells of one arm of the street."""

    train: Cell
    evaluation: Cell
    pictures: Pictures | None = None
    labels: tuple[Cell, ...] = ()
    rating: Cell | None = None
    before: tuple[Cell, ...] = ()
    """Everything else behind the labels."""


@dataclass(frozen=True)
class StreetPlanner:
    """Builds the cells of one seed."""

    planner: SeedPlanner

    def made(self, arm: str, how: Street) -> StreetCells:
        """Build the cells of an arm; the network trained on real pictures also rates generated ones."""
        real = self._real("cityscapes_real")
        if how.pictures == "real":
            return StreetCells(real, self._evaluate(arm, real))
        study = self.planner.study
        adapter = self._adapter(how)
        synthesis = study.synthesis.model_copy(
            update={
                "presets": {study.label.preset: study.synthesis.presets[study.label.preset]},
                "lora_rank": study.street.adaptation.rank if adapter else None,
            }
        )
        pictures = self.planner.synthesized(arm, study.street.prompts, synthesis, adapter, "street")
        labels = self._labels(pictures, "attention", (), "labels")
        reference = self._labels(pictures, "segmenter", (real,), "reference")
        inputs = {"pairs": pictures.pairs, "labels": labels}
        train = self.planner.train(f"{arm}/train", Attention(), LabelledSource(), inputs, _NUM_CLASSES)
        rating = self.planner.cell(RATE_MASKS, RateMasksConfig(), f"{arm}/rating", {**inputs, "reference": reference})
        return StreetCells(train, self._evaluate(arm, train), pictures, labels, rating, adapter)

    def _drawn(self) -> dict[str, tuple[Cell, ...]]:
        """The street as input cells of role ``data``; nothing where it comes from outside."""
        world = self.planner.study.street.world
        return (
            {} if world is None else {"data": (self.planner.cell(DRAW_CITYSCAPES, world, "draw the miniature street"),)}
        )

    def _outside(self) -> dict[str, External]:
        """The street as a place of role ``data``."""
        return {} if self.planner.study.street.world is not None else {"data": self.planner.external["street"]}

    def _real(self, name: str) -> Cell:
        source = CityscapesSource(classes="groups")
        return self.planner.train(f"{name}/train", None, source, self._drawn(), _NUM_CLASSES, self._outside())

    def _adapter(self, how: Street) -> tuple[Cell, ...]:
        if how.pictures == "as_is":
            return ()
        config = self.planner.study.street.adaptation
        config = config.model_copy(update={"texts": "tags" if how.pictures == "adapted_tags" else "fixed"})
        cost_s = 5 * config.recipe.iterations * self.planner.study.expected_step_s
        name = f"street/{how.pictures}"
        return (
            self.planner.cell(
                ADAPT_GENERATOR, config, name, self._drawn(), ("generator",), cost_s, places=self._outside()
            ),
        )

    def _labels(self, pictures: Pictures, masks_from: str, model: tuple[Cell, ...], name: str) -> tuple[Cell, ...]:
        study = self.planner.study
        side = study.street.segmenter_px if model else None
        config = study.label.model_copy(update={"masks_from": masks_from, "segmenter_px": side})
        return tuple(
            self.planner.cell(
                LABEL,
                config,
                f"{pictures.name}/{name}{shard}",
                {"pairs": (cell,), **({"model": model} if model else {})},
            )
            for shard, cell in enumerate(pictures.pairs)
        )

    def _evaluate(self, arm: str, model: Cell) -> Cell:
        config, cost_s = self.planner.study.street.evaluation, self.planner.study.expected_evaluate_s
        inputs = {"model": (model,), **self._drawn()}
        return self.planner.cell(EVALUATE_ROBUST, config, f"{arm}/evaluate", inputs, (), cost_s, places=self._outside())

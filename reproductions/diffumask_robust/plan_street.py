"""The cells of the distant domain: a generator adapted to the street, its pictures, and what is trained on them (sections 7 and 9.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.common.miniature.street_view import DRAW_CITYSCAPES
from methods.common.stages.training_sources import CityscapesSource
from methods.diffumask_robust.stages.adapt_generator import ADAPT_GENERATOR
from methods.diffumask_robust.stages.evaluate import EVALUATE_ROBUST
from methods.diffumask_robust.stages.label import LABEL
from methods.diffumask_robust.stages.rate_masks import RATE_MASKS, RateMasksConfig
from methods.diffumask_robust.stages.sources import LabelledSource
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig
from reproductions.diffumask_robust.kinds import Attention, DiffuMask, Street
from reproductions.diffumask_robust.plan_diffumask import DiffuMaskPlanner, Pictures, Subject
from reproductions.harness.cell import Cell, External

if TYPE_CHECKING:
    from reproductions.diffumask_robust.plan import SeedPlanner

_NUM_CLASSES = {"groups": 3, "19": 19}
"""Background, human and vehicle; or all classes of the evaluation."""


@dataclass(frozen=True)
class StreetCells:
    """The cells of one arm of the street."""

    trains: tuple[Cell, ...]
    """In their order."""
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
        study = self.planner.study
        if how.pictures == "real":
            real = self._real(arm, how)
            return StreetCells((real,), self._evaluate(arm, real, how))
        if how.pictures == "diffumask":
            return self._diffumask(arm, how)
        adapter = self._adapter(how)
        synthesis = study.synthesis.model_copy(
            update={
                "presets": {study.label.preset: study.synthesis.presets[study.label.preset]},
                "lora_rank": study.street.adaptation.rank if adapter else None,
            }
        )
        if how.classes == "19":
            return self._of_19(arm, how, synthesis, adapter)
        pictures = self.planner.synthesized(arm, study.street.prompts, synthesis, adapter, "street")
        labels = self._labels(pictures, "attention", (), "labels")
        real = self._real("cityscapes_real", Street("real"))
        reference = self._labels(pictures, "segmenter", (real,), "reference")
        inputs = {"pairs": pictures.pairs, "labels": labels}
        train = self.planner.train(
            f"{arm}/train", Attention(), LabelledSource(), inputs, _NUM_CLASSES["groups"], crops=study.street.crops
        )
        rating = self.planner.cell(RATE_MASKS, RateMasksConfig(), f"{arm}/rating", {**inputs, "reference": reference})
        return StreetCells((train,), self._evaluate(arm, train, how), pictures, labels, rating, adapter)

    def _diffumask(self, arm: str, how: Street) -> StreetCells:
        """DiffuMask's whole method on pictures of one human or vehicle each, and perhaps real ones afterwards (sections 9.3 and 9.5)."""
        planner, config = self.planner, self.planner.study.diffumask
        asked = planner.study.street.diffumask_prompts
        groups = Subject(("human", "vehicle"), _NUM_CLASSES[how.classes], "street_diffumask", asked)
        made = DiffuMaskPlanner(planner, groups).made(DiffuMask())
        inputs = {"pairs": made.train_pairs, "labels": made.train_labels}
        train = planner.train_segmenter(
            f"{arm}/train", LabelledSource(), inputs, config.recipe, _NUM_CLASSES[how.classes]
        )
        trains: tuple[Cell, ...] = (train,)
        if how.then_real:
            source = CityscapesSource(classes=how.classes, max_images=planner.study.street.few_images)
            tuned = planner.train_segmenter(
                f"{arm}/fine_tune",
                source,
                {"start": (train,), **self.drawn()},
                config.fine_tuning,
                _NUM_CLASSES[how.classes],
                self.outside(),
            )
            trains = (train, tuned)
        rating = planner.rating(made.pictures, made.labels, arm, kept_only=True)
        evaluation = self._evaluate(arm, trains[-1], how)
        return StreetCells(trains, evaluation, made.pictures, made.labels, rating, made.before)

    def _of_19(
        self, arm: str, how: Street, synthesis: SynthesizeAttentionConfig, adapter: tuple[Cell, ...]
    ) -> StreetCells:
        """All classes are named, stuff in each prompt, and a pixel that no word claims is ignored (section 7)."""
        study = self.planner.study
        pictures = self.planner.synthesized(arm, study.street.prompts_19, synthesis, adapter, "street_19")
        labels = self._labels(pictures, "attention", (), "labels", "ignored")
        inputs = {"pairs": pictures.pairs, "labels": labels}
        source = LabelledSource(has_background=False)
        train = self.planner.train(
            f"{arm}/train", Attention(), source, inputs, _NUM_CLASSES[how.classes], crops=study.street.crops
        )
        return StreetCells((train,), self._evaluate(arm, train, how), pictures, labels, None, adapter)

    def drawn(self) -> dict[str, tuple[Cell, ...]]:
        """The street as input cells of role ``data``; nothing where it comes from outside."""
        world = self.planner.study.street.world
        return (
            {} if world is None else {"data": (self.planner.cell(DRAW_CITYSCAPES, world, "draw the miniature street"),)}
        )

    def outside(self) -> dict[str, External]:
        """The street as a place of role ``data``."""
        return {} if self.planner.study.street.world is not None else {"data": self.planner.external["street"]}

    def _real(self, name: str, how: Street) -> Cell:
        few = self.planner.study.street.few_images if how.few else None
        source, classes = CityscapesSource(classes=how.classes, max_images=few), _NUM_CLASSES[how.classes]
        crops = self.planner.study.street.crops
        return self.planner.train(f"{name}/train", None, source, self.drawn(), classes, self.outside(), crops=crops)

    def _adapter(self, how: Street) -> tuple[Cell, ...]:
        if how.pictures == "as_is":
            return ()
        config = self.planner.study.street.adaptation
        config = config.model_copy(update={"texts": "tags" if how.pictures == "adapted_tags" else "fixed"})
        cost_s = 5 * config.recipe.iterations * self.planner.study.expected_step_s
        name = f"street/{how.pictures}"
        return (
            self.planner.cell(
                ADAPT_GENERATOR, config, name, self.drawn(), ("generator",), cost_s, places=self.outside()
            ),
        )

    def _labels(
        self,
        pictures: Pictures,
        masks_from: str,
        model: tuple[Cell, ...],
        name: str,
        weak: Literal["background", "ignored"] = "background",
    ) -> tuple[Cell, ...]:
        study = self.planner.study
        side = study.street.segmenter_px if model else None
        mask = study.label.mask.model_copy(update={"weak_pixels": weak})
        config = study.label.model_copy(update={"masks_from": masks_from, "segmenter_px": side, "mask": mask})
        return tuple(
            self.planner.cell(
                LABEL,
                config,
                f"{pictures.name}/{name}{shard}",
                {"pairs": (cell,), **({"model": model} if model else {})},
            )
            for shard, cell in enumerate(pictures.pairs)
        )

    def _evaluate(self, arm: str, model: Cell, how: Street) -> Cell:
        config, cost_s = self.planner.study.street.evaluation, self.planner.study.expected_evaluate_s
        config = config.model_copy(update={"cityscapes_classes": how.classes})
        inputs = {"model": (model,), **self.drawn()}
        return self.planner.cell(EVALUATE_ROBUST, config, f"{arm}/evaluate", inputs, (), cost_s, places=self.outside())

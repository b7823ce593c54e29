"""The graph of cells behind the tables: one planner a seed; arms share what they have in common, by identity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from methods.common.miniature.ade20k_view import DRAW_ADE20K, DrawAde20kConfig
from methods.common.miniature.coco_panoptic_view import DRAW_COCO_PANOPTIC
from methods.common.miniature.voc_view import DRAW_VOC
from methods.common.stage import Config
from methods.common.stages.ade20k_segments import ADE20K_SEGMENTS
from methods.common.stages.evaluate_coco_instances import EVALUATE_COCO_INSTANCES
from methods.common.stages.evaluate_coco_panoptic import EVALUATE_COCO_PANOPTIC
from methods.common.stages.training_sources import RealSource
from methods.common.training.step_recipe import StepRecipe
from methods.seggen.mixing_config import ConcatenatedSource, MixedSegmentsSource, MixedSource
from methods.seggen.stages.alignment import ALIGNMENT
from methods.seggen.stages.class_pixels import CLASS_PIXELS, ClassPixelsConfig
from methods.seggen.stages.evaluate import EVALUATE
from methods.seggen.stages.evaluate_voc import EVALUATE_VOC, EvaluateVocConfig
from methods.seggen.stages.train import TRAIN, SegGenTrainConfig
from methods.seggen.stages.train_panoptic import TRAIN_PANOPTIC, SegGenTrainPanopticConfig
from reproductions.harness.cell import Cell
from reproductions.seggen.arms import (
    AT_SEVERAL_SCALES,
    ON_UNSEEN,
    ON_VOC,
    Arm,
    Copies,
    Elsewhere,
    How,
    MaskStudy,
    RealOnly,
    Synthetic,
)
from reproductions.seggen.plan_generation import GenerationPlanner, Taught
from reproductions.seggen.recipe import InstanceTraining, PanopticTraining, SeggenStudy, SemanticTraining
from reproductions.study import planner
from reproductions.study.planner import Inputs

_TAUGHT: dict[str, Literal["all", "things"]] = {"panoptic": "all", "instance": "things"}
"""What each picture teaches, by what is segmented."""
_SEGMENTS_S = 0.1
"""Rough seconds to make segments of an image's instances."""
_JUDGING_S = 0.1
"""Rough seconds to send an image through a segmenter."""


@dataclass(frozen=True)
class ArmCells(planner.ArmCells):
    """The cells of one arm with one seed that a report reads."""

    teaching: tuple[Cell, ...] = ()
    """Trainings of the generators."""
    masks: tuple[Cell, ...] = ()
    """Generated masks."""
    pairs: tuple[Cell, ...] = ()
    """Pairs that stand in for real samples."""
    judged: tuple[Cell, ...] = ()
    """What FreeMask's steps find."""
    alignment: Cell | None = None
    several_scales: Cell | None = None
    """Evaluation at several scales, mirrored too."""
    unseen: Cell | None = None
    """Evaluation on the domain that no training saw."""
    measured: tuple[tuple[int, Cell], ...] = ()
    """Quality of masks by their number of steps; for the study of masks."""

    @property
    def wanted(self) -> tuple[Cell, ...]:
        """The evaluations, and what is measured of masks and images."""
        more = (self.alignment, self.several_scales, self.unseen, *(cell for _, cell in self.measured))
        return (*super().wanted, *(cell for cell in more if cell is not None))

    @property
    def behind(self) -> tuple[Cell, ...]:
        """What the arm's cost is the sum of."""
        return (*super().behind, *self.teaching, *self.masks, *self.pairs, *self.judged)


@dataclass(frozen=True)
class SeedPlanner(planner.SeedPlanner[SeggenStudy, How, ArmCells]):
    """Builds the cells of the study with one seed.

    Roles from outside: data, captioner, generator, vae (for Text2Mask), backbone, unseen (VOC's photographs).
    """

    def plan_arm(self, arm: Arm) -> ArmCells:
        """Build the cells of one arm."""
        match arm.how:
            case RealOnly():
                return self._real(arm.id, arm.how)
            case Synthetic():
                return self._synthetic(arm.id, arm.how)
            case Copies():
                return self._copies(arm.id, arm.how)
            case MaskStudy():
                return ArmCells(None, (), measured=self.generation.measured())
            case Elsewhere():
                raise AssertionError(f"{arm.id} is not run")

    # -- what arms share ----------------------------------------------------------------------------------------------

    def draw_world(self) -> Cell | None:
        """Draw the miniature world, or make segments of ADE20K's instances; None where the data from outside are used as they lie."""
        world, segments = self.study.world, self.study.segments
        if segments is not None:
            data, cost_s = {"data": self.external["data"]}, self.study.num_real_images * _SEGMENTS_S
            return Cell(ADE20K_SEGMENTS, segments, self.seeds, "segments of ADE20K", {}, data, cost_s, disk_bytes=1e9)
        if world is None:
            return None
        if isinstance(world, DrawAde20kConfig):
            return Cell(DRAW_ADE20K, world, self.seeds, "draw the miniature ADE20K", cost_s=2.0)
        return Cell(DRAW_COCO_PANOPTIC, world, self.seeds, "draw the miniature COCO panoptic", cost_s=2.0)

    @cached_property
    def generation(self) -> GenerationPlanner:
        """Builds the cells of captions, generators, masks and pictures."""
        return GenerationPlanner(self)

    @cached_property
    def real_model(self) -> Cell:
        """The network trained on all real images: the judge of pixels and images, and the first of two trainings on real ones."""
        return self._train("real/train", self._real_source(), {})

    @cached_property
    def frequencies(self) -> Cell:
        """Pixels of each class in the training masks."""
        config = ClassPixelsConfig(split=self.study.train_split)
        label = f"class pixels of {config.split}"
        return self.cell(CLASS_PIXELS, config, label, outside=("data",), cost_s=2.0, of_seed=False)

    # -- training and evaluation --------------------------------------------------------------------------------------

    def _real_source(self, few: bool = False) -> RealSource | MixedSegmentsSource:
        study = self.study
        if study.training.task != "semantic":
            return MixedSegmentsSource(split=study.train_split, segments=_TAUGHT[study.training.task], p_aug=0.0)
        return RealSource(split=study.train_split, max_images=study.few_images if few else None)

    def _mixed_source(self, how: Synthetic | Copies) -> MixedSource | MixedSegmentsSource:
        """Real samples, some of which are replaced; all of them where synthetic samples stand alone or come first."""
        study, mixing = self.study, self.study.mixing.model_dump()
        if isinstance(how, Synthetic):
            mixing |= {"replaced_by": how.replaced_by, "weigh": how.weigh}
            if how.strategy != "augmentation":
                mixing["p_aug"] = 1.0
            elif how.p_aug_percent is not None:
                mixing["p_aug"] = how.p_aug_percent / 100
        if study.training.task != "semantic":
            return MixedSegmentsSource(split=study.train_split, segments=_TAUGHT[study.training.task], **mixing)
        few = isinstance(how, Synthetic) and how.few
        filtered = isinstance(how, Synthetic) and how.freemask == "filter"
        return MixedSource(
            split=study.train_split,
            max_images=study.few_images if few else None,
            variant="freemask" if filtered else "seggen",
            **mixing,
        )

    def _train(
        self,
        label: str,
        source: RealSource | MixedSource | ConcatenatedSource | MixedSegmentsSource,
        inputs: Inputs,
        twice_as_long: bool = False,
    ) -> Cell:
        """Train once; from the weights of role ``start`` where that is an input, whose samples then count as seen."""
        training = self.study.training
        goes_on = "start" in inputs
        settings: dict[str, Any] = {
            "segmenter": training.segmenter,
            "recipe": _lengthened(training) if twice_as_long else training.recipe,
            "augmentation": training.augmentation,
            "source": source,
            "samples_before": training.recipe.iterations * training.recipe.batch_size if goes_on else 0,
            "num_workers": self.study.num_workers,
        }
        config: Config
        if isinstance(training, SemanticTraining):
            stage: Any = TRAIN
            config = SegGenTrainConfig(
                **settings,
                start="all" if goes_on else training.start,
                num_samples=self.study.num_samples if self.index == 0 else 0,
            )
        else:
            stage = TRAIN_PANOPTIC
            config = SegGenTrainPanopticConfig(**settings, start="weights" if goes_on else training.start)
        outside = ("data", *(["backbone"] if training.start == "backbone" and not goes_on else []))
        cost_s = settings["recipe"].iterations * self.study.expected_step_s
        return self.cell(stage, config, label, inputs, outside, cost_s, 1e6 * self.study.expected_model_mb)

    def _evaluate(self, label: str, model: Cell) -> Cell:
        study, training = self.study, self.study.training
        cost_s = study.expected_evaluate_s
        if not isinstance(training, SemanticTraining):
            stage: Any = EVALUATE_COCO_PANOPTIC if training.task == "panoptic" else EVALUATE_COCO_INSTANCES
            segments = training.evaluation.model_copy(update={"split": study.val_split})
            return self.cell(stage, segments, label, {"model": (model,)}, ("data",), cost_s)
        samples = training.evaluation.num_samples if self.index == 0 else 0
        config = training.evaluation.model_copy(update={"split": study.val_split, "num_samples": samples})
        inputs = {"model": (model,), "frequencies": (self.frequencies,)}
        return self.cell(EVALUATE, config, label, inputs, ("data",), cost_s)

    def _several_scales(self, arm: str, model: Cell) -> Cell | None:
        """Evaluate at several scales, where the arm is asked for there."""
        study, training = self.study, self.study.training
        if not study.scales or arm not in AT_SEVERAL_SCALES or not isinstance(training, SemanticTraining):
            return None
        changes = {"split": study.val_split, "num_samples": 0, "scales": study.scales, "mirrored": True}
        inputs = {"model": (model,), "frequencies": (self.frequencies,)}
        config = training.evaluation.model_copy(update=changes)
        looks = 2 * sum(scale**2 for scale in study.scales)
        label, cost_s = f"{arm}/several_scales", looks * study.expected_evaluate_s
        return self.cell(EVALUATE, config, label, inputs, ("data",), cost_s)

    def _unseen(self, arm: str, model: Cell) -> Cell | None:
        """Evaluate on the unseen domain, where there is one and the arm is asked for there."""
        if isinstance(self.study.training, PanopticTraining):
            return self._on_voc(arm, model, self.study.training)
        study, training = self.study, self.study.training
        if study.unseen is None or arm not in ON_UNSEEN or not isinstance(training, SemanticTraining):
            return None
        drawn = Cell(DRAW_ADE20K, study.unseen, self.seeds, "draw the unseen domain", cost_s=2.0)
        config = training.evaluation.model_copy(update={"split": study.val_split, "num_samples": 0})
        inputs = {"data": (drawn,), "model": (model,), "frequencies": (self.frequencies,)}
        return self.cell(EVALUATE, config, f"{arm}/unseen", inputs, cost_s=study.expected_evaluate_s)

    def _on_voc(self, arm: str, model: Cell, training: PanopticTraining) -> Cell | None:
        """Evaluate on VOC's photographs, where they are given or drawn."""
        study, sizes = self.study, training.evaluation
        if arm not in ON_VOC or (study.unseen_voc is None and "unseen" not in self.external):
            return None
        config = EvaluateVocConfig(
            trained_split=study.val_split,
            short_side_px=sizes.short_side_px,
            long_side_px=sizes.long_side_px,
            batch_size=sizes.batch_size,
        )
        drawn: Inputs = {}
        if study.unseen_voc is not None:
            drawn = {"unseen": (Cell(DRAW_VOC, study.unseen_voc, self.seeds, "draw the miniature VOC", cost_s=2.0),)}
        outside = ("data", *(() if drawn else ("unseen",)))
        inputs: Inputs = {"model": (model,), **drawn}
        return self.cell(EVALUATE_VOC, config, f"{arm}/unseen", inputs, outside, study.expected_evaluate_s)

    def _aligned(self, arm: str, pairs: tuple[Cell, ...]) -> Cell | None:
        study = self.study
        if study.training.task != "semantic":
            return None
        number = study.alignment.max_images or study.num_real_images
        inputs = {"pairs": pairs, "model": (self.real_model,)}
        return self.cell(ALIGNMENT, study.alignment, f"{arm}/alignment", inputs, cost_s=number * _JUDGING_S)

    # -- arms -------------------------------------------------------------------------------------------------------------

    def _finished(self, arm: str, trains: tuple[Cell, ...], **cells: Any) -> ArmCells:
        evaluation = self._evaluate(f"{arm}/evaluate", trains[-1])
        cells["several_scales"] = self._several_scales(arm, trains[-1])
        cells["unseen"] = self._unseen(arm, trains[-1])
        return ArmCells(evaluation, trains, **cells)

    def _real(self, arm: str, how: RealOnly) -> ArmCells:
        source = self._real_source(how.few)
        if how.length == "once more":
            again = self._train(f"{arm}/train", source, {"start": (self.real_model,)})
            return self._finished(arm, (self.real_model, again))
        return self._finished(arm, (self._train(f"{arm}/train", source, {}, how.length == "twice as long"),))

    def _copies(self, arm: str, how: Copies) -> ArmCells:
        pairs = self.generation.copies(how.kind)
        train = self._train(f"{arm}/train", self._mixed_source(how), {"pairs": pairs})
        return self._finished(arm, (train,), pairs=pairs, alignment=self._aligned(arm, pairs))

    def _synthetic(self, arm: str, how: Synthetic) -> ArmCells:
        taught = Taught(how.palette, "people" if how.captions == "people" else "machine", how.fair)
        made = self.generation.made(how, taught)
        more, judged = self._judged(how, made.pairs)
        inputs: Inputs = {"pairs": made.pairs, **more}
        first = self._train(f"{arm}/{_first(how)}", self._source_of(how), inputs)
        trains: tuple[Cell, ...] = (first,)
        if how.strategy == "pre-training":
            trains = (first, self._train(f"{arm}/train", self._real_source(), {"start": (first,)}))
        return self._finished(
            arm,
            trains,
            teaching=made.teaching,
            masks=made.masks,
            pairs=made.pairs,
            judged=judged,
            alignment=self._aligned(arm, made.pairs),
        )

    def _source_of(self, how: Synthetic) -> MixedSource | ConcatenatedSource | MixedSegmentsSource:
        study = self.study
        if how.freemask == "all":
            return ConcatenatedSource(split=study.train_split, real_repeats=study.real_repeats, variant="freemask")
        return self._mixed_source(how)

    def _judged(self, how: Synthetic, pairs: tuple[Cell, ...]) -> tuple[Inputs, tuple[Cell, ...]]:
        """FreeMask's steps as inputs of a training, and their cells."""
        if how.freemask == "none":
            return {}, ()
        losses = self.generation.class_losses(self.real_model)
        filtered = self.generation.filtered(pairs, self.real_model, losses) if how.freemask != "re-sample" else ()
        selection = (self.generation.by_hardness(pairs, losses),) if how.freemask != "filter" else ()
        found = {role: cells for role, cells in (("filtered", filtered), ("selection", selection)) if cells}
        return found, (losses, *filtered, *selection)


def _first(how: Synthetic) -> Literal["train", "pretrain"]:
    """Name the training on synthetic samples."""
    return "pretrain" if how.strategy == "pre-training" else "train"


def _lengthened(training: SemanticTraining | PanopticTraining | InstanceTraining) -> Any:
    """Return the recipe with twice the iterations; where the rate falls moves with them."""
    recipe = training.recipe
    longer: dict[str, Any] = {"iterations": 2 * recipe.iterations}
    if isinstance(recipe, StepRecipe):
        longer["drops"] = tuple(2 * drop for drop in recipe.drops)
    return recipe.model_copy(update=longer)

"""The graph of cells behind the tables: one planner a seed; arms share what they have in common, by identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from methods.common.miniature.voc_view import DRAW_VOC
from methods.common.prompters.configs import ROLES
from methods.common.stages.segment_named import SegmentNamedConfig
from methods.common.stages.training_sources import PairsSource, RealSource
from methods.sam_filter.stages.classify import PRETRAIN_CLASSIFIER
from methods.sam_filter.stages.drawn_source import DrawnSource
from methods.sam_filter.stages.evaluate import EVALUATE
from methods.sam_filter.stages.prompts import SYNTH_PROMPTS
from methods.sam_filter.stages.reference_quality import REFERENCE_QUALITY, ReferenceQualityConfig
from methods.sam_filter.stages.score import SCORE, ScoreConfig
from methods.sam_filter.stages.segment_named import SEGMENT_NAMED
from methods.sam_filter.stages.select import SELECT, SelectConfig
from methods.sam_filter.stages.synthesize import SYNTHESIZE
from methods.sam_filter.stages.train import TRAIN, TrainConfig
from reproductions.harness.cell import Cell
from reproductions.sam_filter.arms import (
    Arm,
    GeneratedPairs,
    How,
    OwnPictures,
    PilotStudy,
    PretrainingId,
    RealPhotographs,
)
from reproductions.sam_filter.recipe import SamFilterStudy
from reproductions.study import planner
from reproductions.study.planner import Inputs

_CONTOURS: Mapping[PretrainingId, Literal["RC", "VA", "RC+VA"]] = {
    "rc": "RC",
    "va": "VA",
    "rcva": "RC+VA",
    "va_noisy": "VA",
}


@dataclass(frozen=True)
class PilotCells:
    """The cells of one variant of the pilot study with one seed."""

    variant: str
    quality: Cell
    evaluation: Cell


@dataclass(frozen=True)
class ArmCells(planner.ArmCells):
    """The cells of one arm with one seed that a report reads."""

    pretraining: Cell | None = None
    selection: Cell | None = None
    """Which pairs it trains on; None for real photographs."""
    pairs: tuple[Cell, ...] = ()
    """Generated pairs that the selection is made from."""
    named: tuple[Cell, ...] = ()
    """Their masks by class name, where the selection looks at scores."""
    scores: Cell | None = None
    pilot: tuple[PilotCells, ...] = ()

    @property
    def wanted(self) -> tuple[Cell, ...]:
        """The evaluation, and those of the pilot study."""
        return (*super().wanted, *(cell for one in self.pilot for cell in (one.quality, one.evaluation)))

    @property
    def judged(self) -> tuple[Cell, ...]:
        """Cells that judge the pairs."""
        return self.named if self.scores is None else (*self.named, self.scores)

    @property
    def behind(self) -> tuple[Cell, ...]:
        """What the arm's cost is the sum of."""
        return (*super().behind, *self.pairs, *self.judged)


@dataclass(frozen=True)
class SeedPlanner(planner.SeedPlanner[SamFilterStudy, How, ArmCells]):
    """Builds the cells of the study with one seed.

    Roles from outside: data, captioner, generator, sam, detector, clip, cutter, backbone.
    """

    def plan_arm(self, arm: Arm) -> ArmCells:
        """Build the cells of one arm."""
        match arm.how:
            case GeneratedPairs():
                return self._generated_pairs(arm.id, arm.how)
            case RealPhotographs():
                return self._real_photographs(arm.id, arm.how)
            case OwnPictures():
                return self._own_pictures(arm.id, arm.how)
            case PilotStudy():
                return ArmCells(None, (), pilot=tuple(map(self._pilot, self.study.pilot_variants)))

    # -- what arms share ----------------------------------------------------------------------------------------------

    def draw_world(self) -> Cell | None:
        """Draw the miniature world, unless the data come from outside."""
        if self.study.world is None:
            return None
        return Cell(DRAW_VOC, self.study.world, self.seeds, "draw the miniature VOC", cost_s=2.0)

    @cached_property
    def prompts(self) -> Cell:
        """What is asked of the generator."""
        return self.cell(SYNTH_PROMPTS, self.study.prompts, "prompts", outside=("data", "captioner"))

    @cached_property
    def pairs(self) -> tuple[Cell, ...]:
        """Generated images with the masks of every variant."""
        study = self.study
        number = study.prompts.num_prompts / study.num_shards
        return tuple(
            self.cell(
                SYNTHESIZE,
                study.synthesis.model_copy(update={"shard_index": shard, "num_shards": study.num_shards}),
                f"pairs{shard}/synthesize",
                {"prompts": (self.prompts,)},
                ("generator",),
                cost_s=number * study.expected_image_s,
                disk_bytes=number * study.expected_image_kb * 1000,
            )
            for shard in range(study.num_shards)
        )

    def _segmented(self, what: Literal["named", "reference"]) -> tuple[Cell, ...]:
        study = self.study
        prompter = study.prompter if what == "named" else study.reference
        number = study.prompts.num_prompts / study.num_shards
        return tuple(
            self.cell(
                SEGMENT_NAMED,
                SegmentNamedConfig(prompter=prompter),
                f"pairs{shard}/{what}",
                {"pairs": (pairs,)},
                ROLES[prompter.kind],
                cost_s=number * study.expected_segment_s,
                disk_bytes=number * 1000,
            )
            for shard, pairs in enumerate(self.pairs)
        )

    @cached_property
    def named(self) -> tuple[Cell, ...]:
        """Masks by class name, for the filter."""
        return self._segmented("named")

    @cached_property
    def reference(self) -> tuple[Cell, ...]:
        """Masks that the pilot study measures against; the very cells of the filter where both are made the same way."""
        return self._segmented("reference")

    @cached_property
    def scores(self) -> Cell:
        """Agreement of every pair's mask with that of the prompter."""
        config = ScoreConfig(variant=self.study.variant, uncertain=self.study.uncertain)
        return self.cell(SCORE, config, "score", {"pairs": self.pairs, "named": self.named})

    def _selection(self, how: GeneratedPairs) -> Cell:
        config = SelectConfig(
            keep=None if how.rule == "all" else self.study.kept(how.quarters),
            rule=how.rule,
            score="S2" if how.stratified else "S1",
            stratify="n_classes" if how.stratified else "none",
            variant=self.study.variant,
        )
        stratified = "_stratified" if how.stratified else ""
        label = f"select/{how.rule}{stratified}_{how.quarters}_quarters"
        return self.cell(SELECT, config, label, {"pairs": self.pairs, "scores": (self.scores,)})

    # -- training ---------------------------------------------------------------------------------------------------------

    def _train(
        self,
        label: str,
        iterations: int,
        source: PairsSource | RealSource | DrawnSource,
        inputs: Inputs,
        start: Literal["scratch", "backbone", "all_but_classes"] = "scratch",
        backbone: bool = False,
        base_lr: float | None = None,
    ) -> Cell:
        """Return a training; ``backbone`` starts it from the weights of that role from outside."""
        study, segmenter = self.study, self.study.segmenter
        if backbone and study.imagenet_segmenter is not None:
            segmenter = study.imagenet_segmenter
        changes = {"iterations": iterations, "base_lr": base_lr or study.recipe.base_lr}
        if backbone and study.imagenet_backbone_lr_factor is not None:
            changes["backbone_lr_factor"] = study.imagenet_backbone_lr_factor
        if isinstance(source, DrawnSource):
            segmenter = segmenter.model_copy(update={"num_classes": source.drawn.num_categories + 1})
        config = TrainConfig(
            segmenter=segmenter,
            recipe=study.recipe.model_copy(update=changes),
            augmentation=study.augmentation,
            source=source,
            start=start,
            num_workers=study.num_workers,
            num_samples=study.num_samples if self.index == 0 else 0,
        )
        outside = (*(["data"] if isinstance(source, RealSource) else []), *(["backbone"] if backbone else []))
        cost_s, size = iterations * study.expected_step_s, 1e6 * study.expected_model_mb
        return self.cell(TRAIN, config, label, inputs, outside, cost_s, size)

    def _evaluate(self, label: str, model: Cell) -> Cell:
        samples = self.study.evaluation.num_samples if self.index == 0 else 0
        config = self.study.evaluation.model_copy(update={"split": self.study.val_split, "num_samples": samples})
        cost_s = self.study.expected_evaluate_s
        return self.cell(EVALUATE, config, label, {"model": (model,)}, ("data",), cost_s)

    def pretrained(self, name: PretrainingId) -> Cell | None:
        """Return a pre-training; None where ImageNet weights come from outside."""
        study = self.study
        if name == "imagenet":
            if study.classifier is None:
                return None
            return self.cell(PRETRAIN_CLASSIFIER, study.classifier, "pretrain/imagenet", cost_s=10.0)
        noise = study.pretraining.noise if name == "va_noisy" else "none"
        drawn = study.pretraining.drawn.model_copy(update={"contour": _CONTOURS[name], "mask_noise": noise})
        source = DrawnSource(drawn=drawn, num_images=study.pretraining.num_images)
        return self._train(
            f"pretrain/{name}", study.pretraining.iterations, source, {}, base_lr=study.pretraining.base_lr
        )

    def _start(self, name: PretrainingId | None) -> tuple[Cell | None, dict[str, tuple[Cell, ...]]]:
        found = None if name is None else self.pretrained(name)
        return found, {} if found is None else {"start": (found,)}

    # -- arms -------------------------------------------------------------------------------------------------------------

    def _generated_pairs(self, arm: str, how: GeneratedPairs) -> ArmCells:
        study = self.study
        selection = self._selection(how)
        first, start = self._start(how.pretraining)
        train = self._train(
            f"{arm}/train",
            study.iterations_for(study.kept(4 if how.as_long_as_all else how.quarters)),
            PairsSource(variant=study.variant),
            {"pairs": self.pairs, "selection": (selection,), **start},
            "scratch" if how.pretraining is None else how.carried,
            backbone=how.pretraining == "imagenet" and first is None,
        )
        return ArmCells(
            self._evaluate(f"{arm}/evaluate", train),
            (train,) if first is None else (first, train),
            first,
            selection,
            self.pairs,
            self.named if how.filtered else (),
            self.scores if how.filtered else None,
        )

    def _real_photographs(self, arm: str, how: RealPhotographs) -> ArmCells:
        study = self.study
        stated = how.iterations == "stated"
        iterations = study.real_iterations if stated else study.iterations_for(study.real_images)
        train = self._train(f"{arm}/train", iterations, RealSource(split=how.split), {})
        return ArmCells(self._evaluate(f"{arm}/evaluate", train), (train,))

    def _own_pictures(self, arm: str, how: OwnPictures) -> ArmCells:
        study = self.study
        first, start = self._start(how.pretraining)
        iterations = study.real_iterations + (study.pretraining.iterations if how.longer else 0)
        source, published = RealSource(split=study.train_split), how.pretraining == "imagenet"
        begin: Literal["scratch", "backbone", "all_but_classes"] = "backbone" if published else "scratch"
        train = self._train(
            f"{arm}/train",
            iterations,
            source,
            start,
            begin if first is None else "all_but_classes",
            backbone=published,
        )
        trains = (train,) if first is None else (first, train)
        return ArmCells(self._evaluate(f"{arm}/evaluate", train), trains, first)

    def _pilot(self, variant: str) -> PilotCells:
        """Return the cells of one variant: how good its masks are, and what training on all of them gives."""
        study = self.study
        config = ReferenceQualityConfig(variant=variant, max_images=study.pilot_images)
        label = f"pilot/{variant}"
        roles = {"pairs": self.pairs, "reference": self.reference}
        quality = self.cell(REFERENCE_QUALITY, config, f"{label}/quality", roles)
        inputs = {"pairs": self.pairs, "selection": (self._selection(GeneratedPairs()),)}
        train = self._train(f"{label}/train", study.iterations_for(study.kept(4)), PairsSource(variant=variant), inputs)
        return PilotCells(variant, quality, self._evaluate(f"{label}/evaluate", train))

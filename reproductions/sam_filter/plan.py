"""The graph of cells behind the tables: one planner a seed; arms share what they have in common, by identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from methods.common.miniature.voc_view import DRAW_VOC
from methods.common.seeds import Seeds
from methods.sam_filter.prompters.configs import ROLES
from methods.sam_filter.stages.classify import PRETRAIN_CLASSIFIER
from methods.sam_filter.stages.evaluate import EVALUATE_SEMANTIC
from methods.sam_filter.stages.prompts import SYNTH_PROMPTS
from methods.sam_filter.stages.reference_quality import REFERENCE_QUALITY, ReferenceQualityConfig
from methods.sam_filter.stages.score import SCORE, ScoreConfig
from methods.sam_filter.stages.segment_named import SEGMENT_NAMED, SegmentNamedConfig
from methods.sam_filter.stages.select import SELECT, SelectConfig
from methods.sam_filter.stages.sources import DrawnSource, PairsSource, RealSource
from methods.sam_filter.stages.synthesize import SYNTHESIZE
from methods.sam_filter.stages.train import TRAIN_SEMANTIC, TrainSemanticConfig
from reproductions.harness.cell import Cell, External
from reproductions.sam_filter.arms import ArmId, OwnArmId
from reproductions.sam_filter.rows import OWN_ROWS, ROWS, GeneratedRow, PretrainingId, RealRow
from reproductions.sam_filter.study import StudyConfig

_CONTOURS: Mapping[PretrainingId, Literal["RC", "VA", "RC+VA"]] = {
    "rc": "RC",
    "va": "VA",
    "rcva": "RC+VA",
    "va_noisy": "VA",
}
_Inputs = dict[str, tuple[Cell, ...]]


@dataclass(frozen=True)
class ArmCells:
    """The cells of one arm with one seed that a report reads."""

    evaluation: Cell
    train: Cell
    pretraining: Cell | None = None
    selection: Cell | None = None
    """Which pairs it trains on; None for real photographs."""
    filtered: bool = False
    """Whether the selection looks at scores, so that every pair had to be segmented."""


@dataclass(frozen=True)
class PilotCells:
    """The cells of one variant of the pilot study with one seed."""

    variant: str
    quality: Cell
    evaluation: Cell


@dataclass(frozen=True)
class SeedPlanner:
    """Builds the cells of the study with one seed."""

    study: StudyConfig
    index: int
    """Number of the seed, from 0."""
    external: Mapping[str, External] = field(default_factory=dict)
    """Places from outside by role: data, captioner, generator, sam, detector, clip, cutter, backbone."""

    @property
    def seeds(self) -> Seeds:
        """Data are the same for every seed, as VOC is; generation and training differ (deviation ledger)."""
        return Seeds(data=0, generation=self.index, training=self.index)

    def arm(self, arm: ArmId | OwnArmId) -> ArmCells:
        """Return the cells of one arm."""
        if arm in OWN_ROWS:
            return self._own_arm(arm)  # type: ignore[arg-type]
        row = ROWS[arm]  # type: ignore[index]
        return self._real_arm(arm, row) if isinstance(row, RealRow) else self._generated_arm(arm, row)

    # -- what arms share ----------------------------------------------------------------------------------------------

    def _label(self, *parts: str) -> str:
        return "/".join((f"seed{self.index}", *parts))

    @cached_property
    def data(self) -> _Inputs:
        """Role ``data`` as input cells: the drawn world, or nothing when the data come from outside."""
        if self.study.world is None:
            return {}
        return {"data": (Cell(DRAW_VOC, self.study.world, self.seeds, "draw the miniature VOC", cost_s=2.0),)}

    def _outside(self, *roles: str) -> dict[str, External]:
        return {role: self.external[role] for role in roles if role in self.external}

    @property
    def _outside_data(self) -> dict[str, External]:
        return self._outside("data") if self.study.world is None else {}

    @cached_property
    def prompts(self) -> Cell:
        """What is asked of the generator."""
        outside = self._outside_data | self._outside("captioner")
        return Cell(SYNTH_PROMPTS, self.study.prompts, self.seeds, self._label("prompts"), self.data, outside)

    @cached_property
    def pairs(self) -> tuple[Cell, ...]:
        """Generated images with the masks of every variant."""
        study, found = self.study, []
        number = study.prompts.num_prompts / study.num_shards
        for shard in range(study.num_shards):
            config = study.synthesis.model_copy(update={"shard_index": shard, "num_shards": study.num_shards})
            found.append(
                Cell(
                    SYNTHESIZE,
                    config,
                    self.seeds,
                    self._label(f"pairs{shard}/synthesize"),
                    {"prompts": (self.prompts,)},
                    self._outside("generator"),
                    cost_s=number * study.expected_image_s,
                    disk_bytes=number * study.expected_image_kb * 1000,
                )
            )
        return tuple(found)

    def _segmented(self, what: Literal["named", "reference"]) -> tuple[Cell, ...]:
        study = self.study
        prompter = study.prompter if what == "named" else study.reference
        number = study.prompts.num_prompts / study.num_shards
        return tuple(
            Cell(
                SEGMENT_NAMED,
                SegmentNamedConfig(prompter=prompter),
                self.seeds,
                self._label(f"pairs{shard}/{what}"),
                {"pairs": (pairs,)},
                self._outside(*ROLES[prompter.kind]),
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
        return Cell(SCORE, config, self.seeds, self._label("score"), {"pairs": self.pairs, "named": self.named})

    def selection(self, row: GeneratedRow) -> Cell:
        """Return the selection of an arm."""
        config = SelectConfig(
            keep=None if row.rule == "all" else self.study.kept(row.quarters),
            rule=row.rule,
            score="S2" if row.stratified else "S1",
            stratify="n_classes" if row.stratified else "none",
            variant=self.study.variant,
        )
        stratified = "_stratified" if row.stratified else ""
        label = self._label(f"select/{row.rule}{stratified}_{row.quarters}_quarters")
        return Cell(SELECT, config, self.seeds, label, {"pairs": self.pairs, "scores": (self.scores,)})

    # -- training ---------------------------------------------------------------------------------------------------------

    def _train(
        self,
        label: str,
        iterations: int,
        source: PairsSource | RealSource | DrawnSource,
        inputs: _Inputs,
        start: Literal["scratch", "backbone", "all_but_classes"] = "scratch",
        backbone: bool = False,
        base_lr: float | None = None,
    ) -> Cell:
        """Return a training; ``backbone`` starts it from the weights of that role from outside."""
        study, segmenter = self.study, self.study.segmenter
        if backbone and study.imagenet_segmenter is not None:
            segmenter = study.imagenet_segmenter
        changes = {"iterations": iterations, "base_lr": base_lr or study.recipe.base_lr}
        if isinstance(source, DrawnSource):
            segmenter = segmenter.model_copy(update={"num_classes": source.drawn.num_categories + 1})
        config = TrainSemanticConfig(
            segmenter=segmenter,
            recipe=study.recipe.model_copy(update=changes),
            augmentation=study.augmentation,
            source=source,
            start=start,
            num_workers=study.num_workers,
            num_samples=study.num_samples if self.index == 0 else 0,
        )
        outside = self._outside_data if isinstance(source, RealSource) else {}
        outside |= self._outside("backbone") if backbone else {}
        cost_s, size = iterations * study.expected_step_s, 1e6 * study.expected_model_mb
        return Cell(
            TRAIN_SEMANTIC, config, self.seeds, self._label(label), inputs, outside, cost_s=cost_s, disk_bytes=size
        )

    def _evaluate(self, label: str, model: Cell) -> Cell:
        samples = self.study.evaluation.num_samples if self.index == 0 else 0
        config = self.study.evaluation.model_copy(update={"split": self.study.val_split, "num_samples": samples})
        roles = {**self.data, "model": (model,)}
        cost_s = self.study.expected_evaluate_s
        return Cell(EVALUATE_SEMANTIC, config, self.seeds, self._label(label), roles, self._outside_data, cost_s=cost_s)

    def pretrained(self, name: PretrainingId) -> Cell | None:
        """Return a pre-training; None where ImageNet weights come from outside."""
        study = self.study
        if name == "imagenet":
            if study.classifier is None:
                return None
            label = self._label("pretrain/imagenet")
            return Cell(PRETRAIN_CLASSIFIER, study.classifier, self.seeds, label, cost_s=10.0)
        noise = study.pretraining.noise if name == "va_noisy" else "none"
        drawn = study.pretraining.drawn.model_copy(update={"contour": _CONTOURS[name], "mask_noise": noise})
        source = DrawnSource(drawn=drawn, num_images=study.pretraining.num_images)
        return self._train(
            f"pretrain/{name}", study.pretraining.iterations, source, {}, base_lr=study.pretraining.base_lr
        )

    def _start(self, name: PretrainingId | None) -> tuple[Cell | None, _Inputs]:
        found = None if name is None else self.pretrained(name)
        return found, {} if found is None else {"start": (found,)}

    # -- arms -------------------------------------------------------------------------------------------------------------

    def _generated_arm(self, arm: str, row: GeneratedRow) -> ArmCells:
        study = self.study
        selection = self.selection(row)
        first, start = self._start(row.pretraining)
        iterations = study.iterations_for(study.kept(4 if row.as_long_as_all else row.quarters))
        train = self._train(
            f"{arm}/train",
            iterations,
            PairsSource(variant=study.variant),
            {"pairs": self.pairs, "selection": (selection,), **start},
            "scratch" if row.pretraining is None else row.carried,
            backbone=row.pretraining == "imagenet" and first is None,
        )
        filtered = row.rule in ("score", "random_same_mix")
        return ArmCells(self._evaluate(f"{arm}/evaluate", train), train, first, selection, filtered)

    def _real_arm(self, arm: str, row: RealRow) -> ArmCells:
        study = self.study
        stated = row.iterations == "stated"
        iterations = study.real_iterations if stated else study.iterations_for(study.real_images)
        train = self._train(f"{arm}/train", iterations, RealSource(split=row.split), dict(self.data))
        return ArmCells(self._evaluate(f"{arm}/evaluate", train), train)

    def _own_arm(self, arm: OwnArmId) -> ArmCells:
        study, row = self.study, OWN_ROWS[arm]
        first, start = self._start(row.pretraining)
        iterations = study.real_iterations + (study.pretraining.iterations if row.longer else 0)
        begin: Literal["scratch", "all_but_classes"] = "scratch" if first is None else "all_but_classes"
        source = RealSource(split=study.train_split)
        train = self._train(f"{arm}/train", iterations, source, {**self.data, **start}, begin)
        return ArmCells(self._evaluate(f"{arm}/evaluate", train), train, first)

    def pilot(self, variant: str) -> PilotCells:
        """Return the cells of one variant: how good its masks are, and what training on all of them gives."""
        study = self.study
        config = ReferenceQualityConfig(variant=variant, max_images=study.pilot_images)
        label = f"pilot/{variant}"
        roles = {"pairs": self.pairs, "reference": self.reference}
        quality = Cell(REFERENCE_QUALITY, config, self.seeds, self._label(f"{label}/quality"), roles)
        inputs: _Inputs = {"pairs": self.pairs, "selection": (self.selection(GeneratedRow()),)}
        train = self._train(f"{label}/train", study.iterations_for(study.kept(4)), PairsSource(variant=variant), inputs)
        return PilotCells(variant, quality, self._evaluate(f"{label}/evaluate", train))

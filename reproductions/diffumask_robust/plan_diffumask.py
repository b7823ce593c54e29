"""The cells of DiffuMask's pictures, masks and training set (section 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.common.datasets.label_conventions import VOC_2012
from methods.diffumask_robust.diffumask.mosaic_config import NO_DISTORTIONS, Distortions
from methods.diffumask_robust.stages.fold_source import FoldSource
from methods.diffumask_robust.stages.prompts import PromptsConfig
from methods.diffumask_robust.stages.prune import PRUNE, PruneConfig
from methods.diffumask_robust.stages.refine import REFINE
from methods.diffumask_robust.stages.score_fold import SCORE_FOLD, ScoreFoldConfig
from methods.diffumask_robust.stages.seed import SEED
from methods.diffumask_robust.stages.splice import SPLICE, SpliceConfig
from methods.diffumask_robust.stages.train_affinity import TRAIN_AFFINITY
from reproductions.diffumask_robust.kinds import DiffuMask, Extra
from reproductions.harness.cell import Cell
from reproductions.study.planner import Inputs

if TYPE_CHECKING:
    from reproductions.diffumask_robust.plan import SeedPlanner

_FIXED = {"fixed_40": 0.4, "fixed_50": 0.5, "fixed_60": 0.6}
"""Threshold of an arm's fixed masks. Table 4a"""
_NO_BLUR_AFTER = Distortions(occlusion=None, perspective=None)
_DISTORTIONS: dict[Extra, Distortions] = {
    "splicing": NO_DISTORTIONS,
    "blur": _NO_BLUR_AFTER,
    "occlusion": Distortions(perspective=None),
    "perspective": Distortions(),
}
"""What happens to pictures beside splicing. Table 4d"""


@dataclass(frozen=True)
class Pictures:
    """Generated pictures."""

    name: str
    """In labels of cells."""
    pairs: tuple[Cell, ...]
    """With heat maps, a cell a shard."""


@dataclass(frozen=True)
class Made:
    """A training set of DiffuMask and what is behind it."""

    pictures: Pictures
    labels: tuple[Cell, ...]
    """Of the pictures, after pruning."""
    train_pairs: tuple[Cell, ...]
    """What is trained on: the pictures, or mosaics of them."""
    train_labels: tuple[Cell, ...]
    before: tuple[Cell, ...]
    """Everything else behind the labels."""


@dataclass(frozen=True)
class Subject:
    """What the pictures show."""

    class_names: tuple[str, ...]
    """Without background."""
    num_classes: int | None = None
    """Of segmenters, where not the study's."""
    pictures: str = ""
    """In labels of cells; by the arm's sub-classes where empty."""
    prompts: PromptsConfig | None = None
    """What is asked of the generator, where it is not the study's prompts with the arm's sub-classes."""


VOC = Subject(VOC_2012.class_names[1:])


@dataclass(frozen=True)
class DiffuMaskPlanner:
    """Builds the cells of one seed."""

    planner: SeedPlanner
    subject: Subject = VOC

    def made(self, how: DiffuMask) -> Made:
        """Build everything before the training of an arm."""
        pictures = self._pictures(how)
        name = f"{pictures.name}/{how.masks}"
        labels, before = self._masks(pictures, how, name)
        if how.pruned_tenths:
            before = (*before, *labels)
            labels, trained = self._pruned(pictures, labels, how, name)
            before = (*before, *trained)
        if how.extra == "none":
            return Made(pictures, labels, pictures.pairs, labels, before)
        spliced = (self._spliced(pictures, labels, how, name),)
        return Made(pictures, labels, spliced, spliced, before)

    def _pictures(self, how: DiffuMask) -> Pictures:
        config = self.planner.study.diffumask
        if self.subject.prompts is not None:
            return self.planner.synthesized(self.subject.pictures, self.subject.prompts, config.synthesis)
        kinds = config.prompts.prompts.model_copy(update={"max_subclasses": config.num_subclasses(how.subclasses)})
        prompts = config.prompts.model_copy(update={"prompts": kinds})
        return self.planner.synthesized(f"diffumask_{how.subclasses}", prompts, config.synthesis)

    def _masks(self, pictures: Pictures, how: DiffuMask, name: str) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
        """Masks of each shard, and what is behind them."""
        refine = self.planner.study.diffumask.refine
        affinity: tuple[Cell, ...] = ()
        seeds: tuple[Cell, ...] = ()
        if how.masks in _FIXED:
            refine = refine.model_copy(update={"mask": "fixed", "fixed_threshold": _FIXED[how.masks]})
        else:
            refine = refine.model_copy(update={"mask": how.masks})
            seeds = self._seeds(pictures)
            affinity = self._affinity(pictures, seeds)
        of_network: Inputs = {"affinity": affinity} if affinity else {}
        labels = tuple(
            self.planner.cell(
                REFINE,
                refine,
                f"{name}/labels{shard}",
                {"pairs": (cell,), **of_network},
                (),
                cell.cost_s / 8,
                cell.disk_bytes / 10,
            )
            for shard, cell in enumerate(pictures.pairs)
        )
        return labels, (*seeds, *affinity)

    def _seeds(self, pictures: Pictures) -> tuple[Cell, ...]:
        config = self.planner.study.diffumask.seeds
        return tuple(
            self.planner.cell(SEED, config, f"{pictures.name}/seeds{shard}", {"pairs": (cell,)}, (), cell.cost_s / 5)
            for shard, cell in enumerate(pictures.pairs)
        )

    def _affinity(self, pictures: Pictures, seeds: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """One network a class, or one of all."""
        study = self.planner.study
        config = study.diffumask.affinity
        names = self.subject.class_names if study.diffumask.affinity_by_class else (None,)
        outside = ("trunk",) if config.start != "scratch" else ()
        return tuple(
            self.planner.cell(
                TRAIN_AFFINITY,
                config.model_copy(update={"class_name": name}),
                f"{pictures.name}/affinity{'' if name is None else f'_{name}'}",
                {"pairs": pictures.pairs, "seeds": seeds},
                outside,
                study.expected_step_s * (config.recipe.iterations or 8 * study.diffumask.prompts.num_prompts // 160),
                1e6 * study.expected_model_mb,
            )
            for name in names
        )

    def _pruned(
        self, pictures: Pictures, labels: tuple[Cell, ...], how: DiffuMask, name: str
    ) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
        """Labels without those that the cross validation disagrees with, and its cells."""
        study = self.planner.study
        config, inputs = study.diffumask, {"pairs": pictures.pairs, "labels": labels}
        scored = []
        for fold in range(config.num_folds):
            source = FoldSource(num_folds=config.num_folds, fold=fold)
            train = self.planner.train_segmenter(
                f"{name}/fold{fold}/train", source, inputs, config.fold_recipe, self.subject.num_classes
            )
            score = ScoreFoldConfig(
                num_folds=config.num_folds,
                fold=fold,
                short_side_px=config.score_px,
                max_long_side_px=4 * config.score_px,
            )
            scored.append(
                (train, self.planner.cell(SCORE_FOLD, score, f"{name}/fold{fold}/score", {**inputs, "model": (train,)}))
            )
        rule = "random" if how.pruned_at_random else "agreement"
        prune = PruneConfig(pruned_share=how.pruned_tenths / 10, rule=rule)
        scores = tuple(score for _, score in scored)
        label = f"{name}/pruned_{10 * how.pruned_tenths}{'_random' if how.pruned_at_random else ''}"
        pruned = self.planner.cell(PRUNE, prune, label, {**inputs, "scores": scores})
        return (pruned,), tuple(cell for pair in scored for cell in pair)

    def _spliced(self, pictures: Pictures, labels: tuple[Cell, ...], how: DiffuMask, name: str) -> Cell:
        config = self.planner.study.diffumask
        splice = SpliceConfig(
            mosaics=config.mosaics, distortions=_DISTORTIONS[how.extra], image_format=config.image_format
        )
        label = f"{name}/spliced_{how.extra}_{how.pruned_tenths}{'_random' if how.pruned_at_random else ''}"
        return self.planner.cell(SPLICE, splice, label, {"pairs": pictures.pairs, "labels": labels})

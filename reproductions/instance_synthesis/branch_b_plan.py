"""The cells of the few-shot arms: base stage, support list, images made of it, novel stage, evaluation (sections 4 to 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from methods.common.segmenters.backbones.generative.config import GenerativeConfig
from methods.common.segmenters.backbones.generative.presets import on_generator
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.stages.evaluate_cityscapes import EVALUATE_CITYSCAPES
from methods.instance_synthesis.sizes import DISTILLED
from methods.instance_synthesis.stages.distill import DISTILL
from methods.instance_synthesis.stages.features import FEATURES, FeaturesConfig
from methods.instance_synthesis.stages.random_extractor import RANDOM_EXTRACTOR, RandomExtractorConfig
from methods.instance_synthesis.stages.select import SELECT
from methods.instance_synthesis.stages.sizes import SIZES, SizesConfig
from methods.instance_synthesis.stages.support import SUPPORT
from methods.instance_synthesis.stages.train import TRAIN, TrainConfig
from methods.instance_synthesis.training_set_config import FramesSource
from reproductions.harness.cell import Cell, External
from reproductions.instance_synthesis.branch_b_arms import RUNG_OF, TUNINGS, Extractor, FewShot
from reproductions.instance_synthesis.recipe import FewShotConfig, InstanceSynthesisStudy, SetupConfig

if TYPE_CHECKING:
    from reproductions.instance_synthesis.plan import SampleCells, SeedPlanner

BASE, NOVEL = "base", "novel"
"""Groups of classes, as the metrics call them."""
GENERATOR_ROLE = "extractor"
"""Of the generator that features are read from, among the places from outside."""
RANDOM: tuple[Extractor, ...] = ("scratch", "generator_scratch")
"""What begins with random weights, and is trained from them."""

_STEP_FACTOR: dict[Extractor, float] = {
    **dict.fromkeys(RUNG_OF, 1.9),
    "generator_lora": 2.9,
    "generator_scratch": 3.2,
}
"""How much longer a step takes than with the plain backbone, measured on the miniature; rough."""
_CACHED_FACTOR = 0.86
"""The same where the generator's features are read from disk."""
_FEATURES_S = 10.0
"""Seconds to write them; rough."""
_FROZEN_FACTOR = 0.58
"""How long a step of the novel stage takes beside one of the base stage; rough."""


def base_setup(study: InstanceSynthesisStudy, how: FewShot) -> SetupConfig:
    """Return how the base stage of an arm trains."""
    setup = study.reproduced
    segmenter = setup.segmenter
    assert isinstance(segmenter, DiffusionInstConfig), "the study of branch B trains DiffusionInst"
    if how.extractor in RUNG_OF:
        segmenter = on_generator(segmenter, generator_of(study, how.extractor))
        setup = setup.model_copy(update={"segmenter": segmenter, "start": "backbone"})
    if how.extractor in RANDOM:
        setup = setup.model_copy(update={"start": "scratch"})
    if not how.noise:
        diffusion = segmenter.diffusion.model_copy(update={"start": "fixed"})
        setup = setup.model_copy(update={"segmenter": segmenter.model_copy(update={"diffusion": diffusion})})
    return setup


def reads_generator(how: FewShot) -> bool:
    """Whether an arm begins with the weights of a generator from outside."""
    return how.extractor in RUNG_OF and how.extractor not in (*RANDOM, "generator_random")


def generator_of(study: InstanceSynthesisStudy, extractor: Extractor) -> GenerativeConfig:
    """Return the generator as a backbone of a kind."""
    assert study.few_shot is not None, "the study of branch B"
    config = study.few_shot.ladder.backbone(RUNG_OF[extractor])
    return config.model_copy(update={"tuning": TUNINGS.get(extractor, "frozen")})


@dataclass(frozen=True)
class FewShotCells:
    """The cells of one arm with one seed."""

    evaluation: Cell
    trains: tuple[Cell, ...]
    """The base stage, and the novel one where there is one."""
    support: Cell | None
    made: SampleCells | None


@dataclass(frozen=True)
class BranchBPlanner:
    """Builds the cells of few-shot arms with one seed."""

    planner: SeedPlanner

    @property
    def study(self) -> InstanceSynthesisStudy:
        """What is planned."""
        return self.planner.study

    @property
    def few_shot(self) -> FewShotConfig:
        """What it says of few samples."""
        assert self.study.few_shot is not None, "few-shot arms belong to the study of branch B"
        return self.study.few_shot

    def plan(self, arm: str, how: FewShot) -> FewShotCells:
        """Build the cells of one arm."""
        base = self._base(how)
        if how.shots == "none":
            return FewShotCells(self._evaluate(arm, base), (base,), None, None)
        support = None if how.shots == "all" else self._support(how.shots)
        made = self._made(how, support)
        novel = self._novel(arm, how, base, support, made)
        return FewShotCells(self._evaluate(arm, novel), (base, novel), support, made)

    def _source(self, *, knows_all: bool = False) -> FramesSource:
        study = self.study
        novel = () if knows_all else self.few_shot.support.novel
        return FramesSource(layout=study.layout, split=study.train_split, novel=novel)

    def _base(self, how: FewShot) -> Cell:
        """Train on the base classes; arms with the same backbone and decoder share it."""
        setup, name = base_setup(self.study, how), how.extractor if how.noise else f"{how.extractor}_no_noise"
        inputs, places = self._read(how)
        cell = self.planner.train(
            f"base_{name}/train", setup, self._source(), {**inputs, **self._features(how)}, places
        )
        return replace(cell, cost_s=cell.cost_s * self._step_factor(how))

    def _read(self, how: FewShot) -> tuple[dict[str, tuple[Cell, ...]], dict[str, External]]:
        """Return where the weights of an arm's generator come from, as role ``backbone``: a cell of the seed, or from outside."""
        made = self._drawn(how) if how.extractor == "generator_random" else self._distilled(how.extractor)
        if made is not None:
            return {"backbone": (made,)}, {}
        return {}, self._generator() if reads_generator(how) else {}

    def _features(self, how: FewShot) -> dict[str, tuple[Cell, ...]]:
        """Look at every training image once for all trainings, as role ``features``; nothing where images are cropped, or the generator is trained."""
        setup = base_setup(self.study, how)
        segmenter, seen = setup.segmenter, setup.augmentation
        assert isinstance(segmenter, DiffusionInstConfig), "the study of branch B trains DiffusionInst"
        backbone = segmenter.backbone
        if not (isinstance(backbone, GenerativeConfig) and backbone.tuning == "frozen" and seen.shows_whole_images):
            return {}
        config = FeaturesConfig(
            extractor=backbone.extractor,
            source=FramesSource(layout=self.study.layout, split=self.study.train_split),
            short_sides_px=seen.short_sides_px,
            max_long_side_px=seen.max_long_side_px,
            mirrored=seen.flip_probability > 0,
            pad_multiple=segmenter.pad_multiple,
        )
        inputs, places = self._read(how)
        label, of_seed = f"{how.extractor}/features", bool(inputs)
        cell = self.planner.cell(FEATURES, config, label, inputs, ("data",), _FEATURES_S, 1e8, of_seed, places)
        return {"features": (cell,)}

    def _step_factor(self, how: FewShot) -> float:
        """Return how much longer a step takes than with the plain backbone."""
        return _CACHED_FACTOR if self._features(how) else _STEP_FACTOR.get(how.extractor, 1.0)

    def _drawn(self, how: FewShot) -> Cell:
        """Draw random weights once for the features and all trainings of a seed."""
        config = RandomExtractorConfig(extractor=generator_of(self.study, how.extractor).extractor)
        return self.planner.cell(RANDOM_EXTRACTOR, config, f"{how.extractor}/draw", cost_s=2.0, disk_bytes=1e7)

    def _generator(self) -> dict[str, External]:
        return {"backbone": self.planner.external[GENERATOR_ROLE]}

    def _distilled(self, extractor: Extractor) -> Cell | None:
        """Teach a smaller U-Net the features of the cut one; None for what keeps the generator's own."""
        rung = RUNG_OF.get(extractor)
        if rung not in DISTILLED:
            return None
        study, ladder = self.study, self.few_shot.ladder
        teacher, student = (
            ladder.backbone(one).extractor.model_copy(update={"precision": "float32"}) for one in ("cut", rung)
        )
        config = self.few_shot.distillation.model_copy(
            update={
                "teacher": teacher,
                "student": student,
                "source": FramesSource(layout=study.layout, split=study.train_split),
            }
        )
        cost_s = config.recipe.iterations * study.expected_step_s
        return self.planner.cell(
            DISTILL, config, f"{extractor}/distill", outside=("data",), cost_s=cost_s, places=self._generator()
        )

    def sizes(self) -> Cell:
        """Measure what each rung of the ladder costs, on one image of the evaluation's size."""
        sides = self.study.evaluation
        ladder = self.few_shot.ladder.model_dump()
        config = SizesConfig(**ladder, image_px=(sides.short_side_px, sides.long_side_px))
        places = self._generator()
        return self.planner.cell(SIZES, config, "ladder/sizes", of_seed=False, cost_s=30.0, places=places)

    def _support(self, shots: int) -> Cell:
        study = self.study
        config = self.few_shot.support.model_copy(update={"shots": shots, "split": study.train_split})
        return self.planner.cell(SUPPORT, config, f"support/{shots}", outside=("data",), cost_s=2.0)

    def _made(self, how: FewShot, support: Cell | None) -> SampleCells | None:
        """Repaint the novel instances of a list."""
        if how.back_end is None:
            return None
        assert support is not None, f"{how.back_end} needs a support list"
        study, name, number = self.study, f"few_{how.shots}_{how.back_end}", how.num_augmented
        novel = self.few_shot.support.novel
        config = study.selection.model_copy(
            update={
                "layout": study.layout,
                "split": study.train_split,
                "num_variants": number,
                "select": study.selection.select.model_copy(update={"classes": novel}),
            }
        )
        label = f"support/{how.shots}_select_{number}"
        manifest = self.planner.cell(SELECT, config, label, {"support": (support,)}, ("data",), cost_s=2.0)
        assert isinstance(how.shots, int), "a list has a number of shots"
        pictures = how.shots * len(novel) * number / study.num_shards
        return self.planner.painted(f"{name}_{number}", how.back_end, manifest, pictures)

    def _novel(self, arm: str, how: FewShot, base: Cell, support: Cell | None, made: SampleCells | None) -> Cell:
        """Go on from the base stage with the support list and what was made of it."""
        study, setup = self.study, base_setup(self.study, how)
        config = TrainConfig(
            segmenter=setup.segmenter,
            recipe=self.few_shot.recipe,
            augmentation=setup.augmentation,
            source=self._source(knows_all=support is None),
            start="weights",
            frozen=self.few_shot.frozen,
            samples_before=setup.recipe.iterations * setup.recipe.batch_size,
            num_workers=study.num_workers,
        )
        inputs = {
            "start": (base,),
            **({} if support is None else {"support": (support,)}),
            **({} if made is None else {"samples": made.samples}),
            **self._features(how),
        }
        frozen_factor = 1.0 if how.extractor in RUNG_OF else _FROZEN_FACTOR
        cost_s = self.few_shot.recipe.iterations * study.expected_step_s * frozen_factor * self._step_factor(how)
        size = 1e6 * study.expected_model_mb
        return self.planner.cell(TRAIN, config, f"{arm}/train", inputs, ("data",), cost_s, size)

    def _evaluate(self, arm: str, model: Cell) -> Cell:
        """Score all classes, and those of the base and of the novel stage by themselves."""
        study, support = self.study, self.few_shot.support
        groups = {BASE: support.base, NOVEL: support.novel}
        config = study.evaluation.model_copy(update={"groups": groups})
        inputs = {"model": (model,)}
        return self.planner.cell(
            EVALUATE_CITYSCAPES, config, f"{arm}/evaluate", inputs, ("data",), study.expected_evaluate_s
        )

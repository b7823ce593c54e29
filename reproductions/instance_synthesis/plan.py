"""The graph of cells behind the tables: one planner a seed; arms share what they have in common, by identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from methods.common.miniature.street_view import DRAW_CITYSCAPES
from methods.common.stages.evaluate_cityscapes import EVALUATE_CITYSCAPES
from methods.common.stages.evaluate_panoptic import EVALUATE_PANOPTIC, EvaluatePanopticConfig
from methods.instance_synthesis.stages.evaluate_coco import EVALUATE_COCO, EvaluateCocoConfig
from methods.instance_synthesis.stages.generate import GENERATE
from methods.instance_synthesis.stages.integrate import INTEGRATE
from methods.instance_synthesis.stages.quality import QUALITY
from methods.instance_synthesis.stages.select import SELECT
from methods.instance_synthesis.stages.train import TRAIN, TrainConfig
from methods.instance_synthesis.training_set_config import FramesSource
from reproductions.harness.cell import Cell, External
from reproductions.instance_synthesis.arms import Arm, How, Quoted, RealImages, WithSamples
from reproductions.instance_synthesis.back_ends import BackEndId
from reproductions.instance_synthesis.branch_b_arms import FewShot, Sizes
from reproductions.instance_synthesis.branch_b_plan import BranchBPlanner
from reproductions.instance_synthesis.recipe import InstanceSynthesisStudy, SetupConfig
from reproductions.study import planner
from reproductions.study.planner import Inputs

_COPYING_S = 0.01
"""Rough seconds of a picture that no network paints."""
_MAPS_BYTES = 2e8
"""Rough size of the maps of 500 frames at 1024 x 2048 px, two predicted and one true."""


@dataclass(frozen=True)
class SampleCells:
    """Focused crops of one back end: which instances, what was painted, and the samples."""

    manifest: Cell
    pictures: tuple[Cell, ...]
    samples: tuple[Cell, ...]


@dataclass(frozen=True)
class ArmCells(planner.ArmCells):
    """The cells of one arm with one seed that a report reads."""

    made: SampleCells | None = None
    """What it trains on beside real images."""
    quality: Cell | None = None
    """Of the generated crops; for the arms on all real images."""
    panoptic: Cell | None = None
    """Panoptic quality and IoU, for networks that know stuff."""
    support: Cell | None = None
    """The list of few samples."""
    sizes: Cell | None = None
    """What rungs of the ladder of sizes cost."""

    @property
    def wanted(self) -> tuple[Cell, ...]:
        """The evaluations, and the quality of the crops."""
        return (*super().wanted, *(cell for cell in (self.quality, self.panoptic, self.sizes) if cell is not None))

    @property
    def behind(self) -> tuple[Cell, ...]:
        """What the arm's cost is the sum of."""
        made = self.made
        return (*super().behind, *(() if made is None else (made.manifest, *made.pictures, *made.samples)))


@dataclass(frozen=True)
class SeedPlanner(planner.SeedPlanner[InstanceSynthesisStudy, How, ArmCells]):
    """Builds the cells of the study with one seed.

    Roles from outside: data, blended_generator, inpainting_generator, gligen_generator, clip, inception, backbone, start, tokenizer.
    """

    def plan_arm(self, arm: Arm) -> ArmCells:
        """Build the cells of one arm."""
        match arm.how:
            case RealImages():
                return self._real_images(arm.id, arm.how)
            case WithSamples():
                return self._with_samples(arm.id, arm.how)
            case FewShot():
                cells = BranchBPlanner(self).plan(arm.id, arm.how)
                return ArmCells(cells.evaluation, cells.trains, cells.made, support=cells.support)
            case Sizes():
                return ArmCells(None, (), sizes=BranchBPlanner(self).sizes())
            case Quoted():
                raise AssertionError(f"{arm.id} is not run: {arm.not_run}")

    # -- what arms share ----------------------------------------------------------------------------------------------

    def draw_world(self) -> Cell | None:
        """Draw the miniature street, unless the data come from outside."""
        if self.study.world is None:
            return None
        street = "the miniature street" if self.study.few_shot is None else "the street of few-shot learning"
        return Cell(DRAW_CITYSCAPES, self.study.world, self.seeds, f"draw {street}", cost_s=5.0)

    def _manifest(self, num_variants: int) -> Cell:
        """Choose instances, windows, prompts and seeds; those of fewer variants are the first of more."""
        study = self.study
        config = study.selection.model_copy(
            update={"layout": study.layout, "split": study.train_split, "num_variants": num_variants}
        )
        return self.cell(SELECT, config, f"select/{num_variants}_variants", outside=("data",), cost_s=2.0)

    def made(self, back_end: BackEndId, doubled: bool = False) -> SampleCells:
        """Repaint every chosen instance and make samples of it; by a back end without a network the same way."""
        variants = self.study.selection.num_variants * (2 if doubled else 1)
        name, manifest = f"{back_end}_doubled" if doubled else back_end, self._manifest(variants)
        return self.painted(name, back_end, manifest, self.study.pictures_a_shard(variants))

    def painted(self, name: str, back_end: BackEndId, manifest: Cell, number: float) -> SampleCells:
        """Repaint the instances of a manifest, and make samples of them; ``number`` is that of a shard's pictures, roughly."""
        pictures = self._pictures(name, back_end, manifest, number)
        return SampleCells(manifest, pictures, self._samples(name, manifest, pictures, number))

    def _pictures(self, name: str, back_end: BackEndId, manifest: Cell, number: float) -> tuple[Cell, ...]:
        study, role = self.study, f"{back_end}_generator"
        places = {"generator": self.external[role]} if role in self.external else {}
        painting = study.generation.model_copy(update={"back_end": study.back_ends.of(back_end)})
        return tuple(
            self.cell(
                GENERATE,
                painting.model_copy(update=self._part(shard)),
                f"{name}/generate{shard}",
                {"manifest": (manifest,)},
                ("data",),
                cost_s=number * (study.expected_image_s if places else _COPYING_S),
                disk_bytes=number * study.expected_image_kb * 1000,
                places=places,
            )
            for shard in range(study.num_shards)
        )

    def _samples(self, name: str, manifest: Cell, pictures: tuple[Cell, ...], number: float) -> tuple[Cell, ...]:
        study = self.study
        return tuple(
            self.cell(
                INTEGRATE,
                study.integration.model_copy(update=self._part(shard)),
                f"{name}/integrate{shard}",
                {"manifest": (manifest,), "pictures": pictures},
                ("data",),
                cost_s=number * study.expected_sample_s,
                disk_bytes=number * study.expected_sample_kb * 1000,
            )
            for shard in range(study.num_shards)
        )

    def _part(self, shard: int) -> dict[str, object]:
        """What a cell says of its share of the work."""
        study = self.study
        place = {"layout": study.layout, "split": study.train_split}
        return {**place, "shard_index": shard, "num_shards": study.num_shards}

    # -- training and evaluation --------------------------------------------------------------------------------------

    def train(
        self,
        label: str,
        setup: SetupConfig,
        source: FramesSource,
        inputs: Inputs,
        places: Mapping[str, External] | None = None,
    ) -> Cell:
        """Train a segmenter from what its setup starts with, at ``places`` where they are not those of every arm."""
        study = self.study
        config = TrainConfig(
            segmenter=setup.segmenter,
            recipe=setup.recipe,
            augmentation=setup.augmentation,
            source=source.model_copy(update={"segments": setup.segments}),
            start=setup.start,
            num_workers=study.num_workers,
        )
        cost_s = (
            setup.recipe.iterations
            * study.expected_step_s
            * setup.recipe.batch_size
            / study.reproduced.recipe.batch_size
        )
        places = places or {}
        outside = ("data", *(role for role in setup.roles if role not in {*places, *inputs}))
        return self.cell(TRAIN, config, label, inputs, outside, cost_s, 1e6 * study.expected_model_mb, places=places)

    def _evaluate(self, label: str, model: Cell) -> Cell:
        study, inputs = self.study, {"model": (model,)}
        if study.layout == "cityscapes":
            known = study.evaluation.model_copy(update={"segments": study.reproduced.segments})
            return self.cell(EVALUATE_CITYSCAPES, known, label, inputs, ("data",), study.expected_evaluate_s)
        config = EvaluateCocoConfig(**study.evaluation.model_dump(exclude={"segments", "groups"}))
        return self.cell(EVALUATE_COCO, config, label, inputs, ("data",), study.expected_evaluate_s)

    def _panoptic(self, label: str, model: Cell) -> Cell | None:
        study = self.study
        if study.reproduced.segments == "things":
            return None
        sizes = study.evaluation.model_dump(exclude={"segments", "groups"})
        config = EvaluatePanopticConfig(**sizes, **study.panoptic.model_dump())
        cost_s = 2 * study.expected_evaluate_s
        return self.cell(EVALUATE_PANOPTIC, config, label, {"model": (model,)}, ("data",), cost_s, _MAPS_BYTES)

    def _source(self, percent: int, synthetic_percent: int | None = None) -> FramesSource:
        study = self.study
        return FramesSource(
            layout=study.layout, split=study.train_split, percent=percent, synthetic_percent=synthetic_percent
        )

    # -- arms -------------------------------------------------------------------------------------------------------------

    def _real_images(self, arm: str, how: RealImages) -> ArmCells:
        study = self.study
        setup = {"reproduced": study.reproduced, "large_crop": study.large_crop, "published": study.published}[
            how.setup
        ]
        train = self.train(f"{arm}/train", setup, self._source(how.percent), {})
        evaluation, panoptic = self._evaluations(arm, train)
        return ArmCells(evaluation, (train,), panoptic=panoptic)

    def _with_samples(self, arm: str, how: WithSamples) -> ArmCells:
        study = self.study
        made = self.made(how.back_end, how.doubled)
        source = self._source(how.percent, how.synthetic_percent)
        train = self.train(f"{arm}/train", study.reproduced, source, {"samples": made.samples})
        whole = how.percent == 100 and how.synthetic_percent is None
        evaluation, panoptic = self._evaluations(arm, train)
        return ArmCells(
            evaluation,
            (train,),
            made,
            self._quality(how.back_end, made) if whole and how.generates and study.quality is not None else None,
            panoptic,
        )

    def _evaluations(self, arm: str, train: Cell) -> tuple[Cell, Cell | None]:
        return self._evaluate(f"{arm}/evaluate", train), self._panoptic(f"{arm}/panoptic", train)

    def _quality(self, back_end: BackEndId, made: SampleCells) -> Cell:
        study = self.study
        assert study.quality is not None
        config = study.quality.model_copy(update={"layout": study.layout, "split": study.train_split})
        inputs = {"manifest": (made.manifest,), "pictures": made.pictures}
        outside = ("data", "clip", *(["inception"] if config.features == "inception" else []))
        return self.cell(QUALITY, config, f"{back_end}/quality", inputs, outside, cost_s=study.expected_quality_s)

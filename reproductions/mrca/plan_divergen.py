"""The cells of DiverGen: its classes and prompts, the images of two generators, and its pool (section 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from methods.mrca.stages.budget import BUDGET, BudgetStageConfig
from methods.mrca.stages.cut import CUT
from methods.mrca.stages.diverse_classes import DIVERSE_CLASSES
from methods.mrca.stages.embed_crops import EMBED_CROPS
from methods.mrca.stages.generate import GENERATE, GenerateConfig
from reproductions.harness.cell import Cell, External

if TYPE_CHECKING:
    from reproductions.mrca.plan import SeedPlanner


@dataclass(frozen=True)
class DiverGenPlanner:
    """Builds the cells of one seed up to the pool.

    Roles from outside: divergen_generator, divergen_second, divergen_upscaler where the second one has two stages, extra_classes,
    written_prompts, clip, and the cutter that the study names.
    """

    planner: SeedPlanner

    @cached_property
    def classes(self) -> Cell:
        """Classes and prompts; a list from outside, so the same for every seed."""
        config, split = self.planner.study.divergen.classes, {"split": (self.planner.split,)}
        outside = ("data", "extra_classes", "written_prompts")
        return self.planner.cell(DIVERSE_CLASSES, config, "divergen/classes", split, outside, of_seed=False)

    @cached_property
    def crops(self) -> Cell:
        """Real objects as CLIP sees them."""
        config, split = self.planner.study.divergen.crops, {"split": (self.planner.split,)}
        return self.planner.cell(EMBED_CROPS, config, "divergen/crops", split, ("data", "clip"), 20.0, of_seed=False)

    def objects(self) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
        """Return image cells and pool cells, those of the first generator before those of the second."""
        study = self.planner.study.divergen
        images, pools = [], []
        number = (study.objects_per_class // 2) * self.planner.study.segmenter.num_classes
        number += (study.objects_per_class // 2) * study.classes.extra_classes
        budget = self.planner.cell(
            BUDGET, BudgetStageConfig(objects=number), "divergen/budget", {"split": (self.classes,)}
        )
        for name, config in (("first", study.first), ("second", study.second)):
            for shard in range(study.num_shards):
                part = config.model_copy(update={"shard_index": shard, "num_shards": study.num_shards})
                label = f"divergen/{name}/shard{shard}"
                images.append(
                    self._generate(label, part, self._places(name, config), budget, number / study.num_shards)
                )
                pools.append(self._cut(label, images[-1], number / study.num_shards))
        return tuple(images), tuple(pools)

    def _places(self, name: str, config: GenerateConfig) -> dict[str, External]:
        """Return one generator's places by what the stage calls them."""
        found = {"generator": self.planner.external["divergen_generator" if name == "first" else "divergen_second"]}
        return found if config.upscaling is None else {**found, "upscaler": self.planner.external["divergen_upscaler"]}

    def _generate(
        self, label: str, config: GenerateConfig, places: dict[str, External], budget: Cell, number: float
    ) -> Cell:
        study = self.planner.study
        factor = 1.0 if config.upscaling is None else study.divergen.expected_factor_of_stages
        return self.planner.cell(
            GENERATE,
            config,
            f"{label}/generate",
            {"split": (self.classes,), "prompts": (self.classes,), "budget": (budget,)},
            cost_s=number * study.expected_image_s * factor,
            disk_bytes=number * study.expected_image_kb * 1000,
            places=places,
        )

    def _cut(self, label: str, images: Cell, number: float) -> Cell:
        study = self.planner.study
        config = study.divergen.cutting
        return self.planner.cell(
            CUT,
            config,
            f"{label}/cut",
            {"split": (self.classes,), "images": (images,), "crops": (self.crops,)},
            (*config.cutters, "clip"),
            cost_s=number * study.expected_cut_s,
            disk_bytes=number * study.expected_image_kb * 500,
        )

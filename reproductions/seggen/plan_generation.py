"""Cells that caption, train both generators, draw masks, paint pictures, copy real ones, and judge them by FreeMask's steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from methods.common.miniature.ade20k_view import DRAW_ADE20K, DrawAde20kConfig
from methods.seggen.stages.captions import CAPTIONS
from methods.seggen.stages.copies import COPIES, CopiesConfig
from methods.seggen.stages.freemask_class_losses import CLASS_LOSSES, ClassLossesConfig
from methods.seggen.stages.freemask_filter import FILTER, FilterConfig
from methods.seggen.stages.freemask_hardness import HARDNESS, HardnessConfig
from methods.seggen.stages.images import IMAGES
from methods.seggen.stages.mask2img import MASK2IMG
from methods.seggen.stages.mask_quality import MASK_QUALITY, MaskQualityConfig
from methods.seggen.stages.masks import MASKS
from methods.seggen.stages.move_masks import MOVE_MASKS, MoveMasksConfig
from methods.seggen.stages.text2mask import TEXT2MASK
from reproductions.harness.cell import Cell
from reproductions.seggen.arms import Masks, Palette, Synthetic
from reproductions.study.planner import Inputs

if TYPE_CHECKING:
    from reproductions.seggen.plan import SeedPlanner

_COPYING_S = 0.02
"""Rough seconds of a picture that no network paints."""
_JUDGING_S = 0.1
"""Rough seconds to send an image through a segmenter."""


@dataclass(frozen=True)
class Taught:
    """What both generators learn from."""

    palette: Palette | None = None
    """None for the recipe's."""
    captions: Literal["machine", "people"] = "machine"
    few: bool = False
    """A few images only."""

    @property
    def name(self) -> str:
        """Of their cells."""
        return "_".join(
            (
                "generators",
                *([self.palette] if self.palette else []),
                *(["people"] if self.captions == "people" else []),
                *(["few"] if self.few else []),
            )
        )


@dataclass(frozen=True)
class Made:
    """What an arm's synthetic samples are, and what they come from."""

    teaching: tuple[Cell, ...]
    masks: tuple[Cell, ...]
    pairs: tuple[Cell, ...]


@dataclass(frozen=True)
class GenerationPlanner:
    """Builds the cells of generated masks and images with the seed of a planner."""

    planner: SeedPlanner

    # -- generators ---------------------------------------------------------------------------------------------------

    def captions(self, by: Literal["machine", "people"], shuffled: bool = False) -> Cell:
        """What is written of each training image; shuffled, what is written of another one."""
        study = self.planner.study
        config = study.captions if by == "machine" else study.people
        assert config is not None, "nobody captioned these images"
        config = config.model_copy(update={"split": study.train_split, "shuffled": shuffled})
        outside = ("data", *(["captioner"] if by == "machine" else []))
        cost_s = study.num_real_images * study.expected_caption_s
        label = f"captions_by_{by}{'_shuffled' if shuffled else ''}"
        return self.planner.cell(CAPTIONS, config, label, outside=outside, cost_s=cost_s)

    def text2mask(self, taught: Taught) -> Cell:
        """The generator of masks."""
        return self._generator(TEXT2MASK, self.planner.study.text2mask, taught, "text2mask", ("vae",))

    def mask2img(self, taught: Taught) -> Cell:
        """The generator of images."""
        return self._generator(MASK2IMG, self.planner.study.mask2img, taught, "mask2img")

    def _generator(self, stage: Any, config: Any, taught: Taught, name: str, more: tuple[str, ...] = ()) -> Cell:
        study = self.planner.study
        learnt = config.model_copy(
            update={
                "palette": config.palette.model_copy(update={"kind": taught.palette or config.palette.kind}),
                "split": study.train_split,
                "max_images": study.few_images if taught.few else None,
            }
        )
        inputs = {"captions": (self.captions(taught.captions),)}
        cost_s = config.recipe.iterations * study.expected_generator_step_s
        size = 1e6 * study.expected_generator_mb
        return self.planner.cell(
            stage, learnt, f"{taught.name}/{name}", inputs, ("data", "generator", *more), cost_s, size
        )

    # -- synthetic samples --------------------------------------------------------------------------------------------

    def made(self, how: Synthetic, taught: Taught) -> Made:
        """Return the pairs that an arm asks for: MaskSyn's, then ImgSyn's."""
        teaching: tuple[Cell, ...] = (self.mask2img(taught),)
        masks: tuple[Cell, ...] = ()
        pairs: tuple[Cell, ...] = ()
        if how.mask_syn:
            masks = self.moved_masks if how.masks == "jittered" else self.masks(taught, how.masks)
            teaching = teaching if how.masks == "jittered" else (self.text2mask(taught), *teaching)
            pairs = self._painted_masks(masks, taught, how.masks)
        if how.img_syn:
            pairs = (*pairs, *self._painted_real_masks(taught, shuffled=how.captions == "shuffled"))
        return Made(teaching, masks, pairs)

    def masks(self, taught: Taught, kind: Masks) -> tuple[Cell, ...]:
        """Generated masks in shards: cleaned or as they are decoded, with the raw pictures where they are to be painted from."""
        study = self.planner.study
        changes: dict[str, Any] = {"min_segment_px": 0} if kind == "not cleaned" else {}
        changes |= {"keep_raw": True} if kind == "raw condition" else {}
        name = {"not cleaned": "uncleaned", "raw condition": "raw"}.get(kind, "masks")
        number = self._images(taught) * study.masks.variants / study.num_shards
        return tuple(
            self.planner.cell(
                MASKS,
                study.masks.model_copy(update={**self._part(shard, taught), **changes}),
                f"{taught.name}/{name}{shard}",
                {"captions": (self.captions(taught.captions),), "text2mask": (self.text2mask(taught),)},
                ("data",),
                number * study.expected_mask_s,
                number * 1e3 * study.expected_image_kb / 5,
            )
            for shard in range(study.num_shards)
        )

    @cached_property
    def moved_masks(self) -> tuple[Cell, ...]:
        """Human masks that were moved, as many as Text2Mask draws."""
        study = self.planner.study
        return tuple(
            self.planner.cell(
                MOVE_MASKS,
                MoveMasksConfig(
                    move=study.moves,
                    variants=study.masks.variants,
                    **{name: value for name, value in self._part(shard, Taught()).items() if name != "max_images"},
                ),
                f"moved_masks{shard}",
                {"captions": (self.captions("machine"),)},
                ("data",),
                study.num_real_images * study.masks.variants / study.num_shards * _COPYING_S,
            )
            for shard in range(study.num_shards)
        )

    def _painted_masks(self, masks: tuple[Cell, ...], taught: Taught, kind: Masks) -> tuple[Cell, ...]:
        """MaskSyn's pictures, one on each mask."""
        study = self.planner.study
        config = study.pictures.model_copy(
            update={
                "variants": 1,
                "split": study.train_split,
                "condition": "raw" if kind == "raw condition" else "clean",
            }
        )
        number = self._images(taught) * study.masks.variants / study.num_shards
        captions = (self.captions(taught.captions),)
        return tuple(
            self._painted(
                config, f"{self._name_of(cell)}/pictures", {"masks": (cell,), "captions": captions}, taught, number
            )
            for cell in masks
        )

    def _name_of(self, cell: Cell) -> str:
        return cell.label.removeprefix(self.planner.label("")).strip("/")

    def _painted_real_masks(self, taught: Taught, shuffled: bool) -> tuple[Cell, ...]:
        """ImgSyn's pictures, several on each human mask."""
        study = self.planner.study
        number = self._images(taught) * study.pictures.variants / study.num_shards
        name = "shuffled" if shuffled else "img_syn"
        return tuple(
            self._painted(
                study.pictures.model_copy(update=self._part(shard, taught)),
                f"{taught.name}/{name}{shard}",
                {"captions": (self.captions(taught.captions, shuffled),)},
                taught,
                number,
            )
            for shard in range(study.num_shards)
        )

    def _painted(self, config: Any, label: str, roles: Inputs, taught: Taught, number: float) -> Cell:
        study = self.planner.study
        inputs = {"controlnet": (self.mask2img(taught),), **roles}
        cost_s, size = number * study.expected_image_s, number * 1e3 * study.expected_image_kb
        return self.planner.cell(IMAGES, config, label, inputs, ("data", "generator"), cost_s, size)

    def _part(self, shard: int, taught: Taught) -> dict[str, Any]:
        """What a cell says of its share of the work."""
        study = self.planner.study
        return {
            "split": study.train_split,
            "max_images": study.few_images if taught.few else None,
            "shard_index": shard,
            "num_shards": study.num_shards,
        }

    def _images(self, taught: Taught) -> int:
        study = self.planner.study
        return study.few_images if taught.few else study.num_real_images

    # -- controls and judges ------------------------------------------------------------------------------------------

    def copies(self, kind: Literal["jittered", "re-rendered"]) -> tuple[Cell, ...]:
        """Copies of the real images, as many as ImgSyn paints."""
        study = self.planner.study
        inputs = {"drawn": self._redrawn} if kind == "re-rendered" else {}
        number = study.num_real_images * study.pictures.variants / study.num_shards
        return tuple(
            self.planner.cell(
                COPIES,
                CopiesConfig(
                    kind=kind,
                    split=study.train_split,
                    variants=study.pictures.variants,
                    photometric=study.photometric,
                    image_format=study.pictures.image_format,
                    shard_index=shard,
                    num_shards=study.num_shards,
                ),
                f"{kind}{shard}",
                inputs,
                ("data",),
                number * _COPYING_S,
                number * 1e3 * study.expected_image_kb,
            )
            for shard in range(study.num_shards)
        )

    @cached_property
    def _redrawn(self) -> tuple[Cell, ...]:
        """The miniature world with as many other looks as ImgSyn has variants."""
        study, world = self.planner.study, self.planner.study.world
        assert isinstance(world, DrawAde20kConfig), "photographs cannot be drawn again"
        return tuple(
            Cell(
                DRAW_ADE20K,
                world.model_copy(update={"look": variant + 1}),
                self.planner.seeds,
                f"draw the miniature ADE20K, look {variant + 1}",
                cost_s=2.0,
            )
            for variant in range(study.pictures.variants)
        )

    def measured(self) -> tuple[tuple[int, Cell], ...]:
        """Masks drawn with several numbers of steps for the same images, each held against human ones."""
        study, taught = self.planner.study, Taught()
        found = []
        for steps in study.mask_steps:
            config = study.masks.model_copy(
                update={
                    "split": study.train_split,
                    "max_images": study.measured_images,
                    "num_steps": steps,
                    "variants": 1,
                }
            )
            inputs = {"captions": (self.captions("machine"),), "text2mask": (self.text2mask(taught),)}
            cost_s = study.measured_images * study.expected_mask_s * steps / study.masks.num_steps
            masks = self.planner.cell(MASKS, config, f"masks/{steps}_steps", inputs, ("data",), cost_s)
            quality = self.planner.cell(
                MASK_QUALITY,
                MaskQualityConfig(split=study.train_split),
                f"masks/{steps}_steps/quality",
                {"masks": (masks,)},
                ("data",),
                study.measured_images * _JUDGING_S,
            )
            found.append((steps, quality))
        return tuple(found)

    def class_losses(self, model: Cell) -> Cell:
        """How hard each class is for the network trained on real images."""
        study = self.planner.study
        config = ClassLossesConfig(split=study.train_split)
        cost_s = study.num_real_images * _JUDGING_S
        return self.planner.cell(CLASS_LOSSES, config, "freemask/losses", {"model": (model,)}, ("data",), cost_s)

    def filtered(self, pairs: tuple[Cell, ...], model: Cell, losses: Cell) -> tuple[Cell, ...]:
        """Masks of pairs without their noisy regions, a cell a shard."""
        return tuple(
            self.planner.cell(
                FILTER,
                FilterConfig(),
                f"freemask/filter{shard}",
                {"pairs": (cell,), "model": (model,), "class_losses": (losses,)},
                cost_s=cell.cost_s / 5,
            )
            for shard, cell in enumerate(pairs)
        )

    def by_hardness(self, pairs: tuple[Cell, ...], losses: Cell) -> Cell:
        """Which pairs are kept: the more of a mask's, the harder it is."""
        config = HardnessConfig(size_px=self.planner.study.hardness_px)
        return self.planner.cell(HARDNESS, config, "freemask/hardness", {"pairs": pairs, "class_losses": (losses,)})

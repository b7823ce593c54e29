"""The graph of cells behind the tables: one planner a seed; arms share what they have in common, by identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from methods.common.miniature.voc_view import DRAW_VOC
from methods.common.prompters.configs import ROLES
from methods.common.stages.segment_named import SegmentNamedConfig
from methods.common.stages.training_sources import CityscapesSource, RealSource
from methods.common.training.poly_recipe import PolyRecipe
from methods.diffumask_robust.crop_config import CropConfig
from methods.diffumask_robust.stages.caption import CAPTION
from methods.diffumask_robust.stages.evaluate import EVALUATE_ROBUST
from methods.diffumask_robust.stages.filter_masks import FILTER_MASKS, FilterMasksConfig
from methods.diffumask_robust.stages.filter_words import FILTER_WORDS
from methods.diffumask_robust.stages.fold_source import FoldSource
from methods.diffumask_robust.stages.label import LABEL
from methods.diffumask_robust.stages.label_config import LabelConfig
from methods.diffumask_robust.stages.prompts import (
    ROBUST_PROMPTS,
    DomainPrompts,
    GroupPrompts,
    PromptsConfig,
    SubclassPrompts,
)
from methods.diffumask_robust.stages.rate_masks import RATE_MASKS, RateMasksConfig
from methods.diffumask_robust.stages.segment_named import SEGMENT_NAMED
from methods.diffumask_robust.stages.sources import ClassSetSource, LabelledSource
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig
from methods.diffumask_robust.stages.synthesize_attention import SYNTHESIZE_ATTENTION
from methods.diffumask_robust.stages.train_robust import TRAIN_ROBUST, TrainRobustConfig
from methods.diffumask_robust.stages.train_segmenter import TRAIN_SEGMENTER, TrainSegmenter
from reproductions.diffumask_robust.kinds import (
    Arm,
    Attention,
    DiffuMask,
    Elsewhere,
    FewClasses,
    How,
    ImageNetS,
    MaskProtocol,
    MaskQuality,
    Pretrained,
    Real,
    Street,
    Words,
)
from reproductions.diffumask_robust.plan_diffumask import DiffuMaskPlanner, Pictures
from reproductions.diffumask_robust.plan_few_classes import FewClassesPlanner
from reproductions.diffumask_robust.plan_imagenet_s import ImageNetSPlanner
from reproductions.diffumask_robust.plan_street import StreetPlanner
from reproductions.diffumask_robust.recipe import WORDS, DiffuMaskRobustStudy
from reproductions.harness.cell import Cell, External
from reproductions.study import planner
from reproductions.study.planner import Inputs

_LEXICON_ROLES = {"miniature": [], "wordnet": ["wordnet"], "file": ["lexicon"]}
"""What a lexicon is made of."""
_PAIR_FACTOR = 2.7
"""How much longer a step of two networks takes. Section 16"""


@dataclass(frozen=True)
class RatedMasks:
    """Masks of one kind that were rated."""

    name: str
    """As figures print it."""
    preset: str
    rating: Cell
    labels: tuple[Cell, ...]
    smoothed: tuple[Cell, ...] = ()
    """The same masks after a dense CRF, only to be looked at and rated beside them."""


@dataclass(frozen=True)
class ArmCells(planner.ArmCells):
    """The cells of one arm with one seed that a report reads."""

    pairs: tuple[Cell, ...] = ()
    """Generated pictures that it is trained on; none for real photographs."""
    labels: tuple[Cell, ...] = ()
    """Their labels."""
    rated: tuple[RatedMasks, ...] = ()
    """Ratings of masks: of the arm's own, or of every preset's in the study of masks."""

    @property
    def wanted(self) -> tuple[Cell, ...]:
        """The evaluation and the ratings."""
        return (*super().wanted, *(cell for one in self.rated for cell in (one.rating, *one.smoothed)))

    @property
    def behind(self) -> tuple[Cell, ...]:
        """What the arm's cost is the sum of."""
        return (*super().behind, *self.pairs, *self.labels)


@dataclass(frozen=True)
class SeedPlanner(planner.SeedPlanner[DiffuMaskRobustStudy, How, ArmCells]):
    """Builds the cells of the study with one seed.

    Roles from outside: data, generator, wordnet, cutter, sam, detector, clip, backbone.
    """

    def plan_arm(self, arm: Arm) -> ArmCells:
        """Build the cells of one arm."""
        match arm.how:
            case Attention():
                return self._attention(arm.id, arm.how)
            case Real():
                return self._real(arm.id, arm.how)
            case DiffuMask():
                return self._diffumask(arm.id, arm.how)
            case Street():
                return self._street(arm.id, arm.how)
            case ImageNetS():
                made = ImageNetSPlanner(self).made(arm.id, arm.how)
                pairs = () if made.pictures is None else made.pictures.pairs
                return ArmCells(made.evaluation, (made.train,), pairs, made.labels)
            case FewClasses():
                return self._few_classes(arm.id, arm.how)
            case MaskProtocol():
                return self._protocol(arm.id, arm.how)
            case Pretrained():
                return self._pretrained(arm.id, arm.how)
            case Elsewhere():
                raise AssertionError(f"{arm.id} is not run")
            case MaskQuality():
                return ArmCells(None, (), rated=tuple(self._rated(preset) for preset in self.study.presets))

    # -- pictures and labels ----------------------------------------------------------------------------------------------

    def draw_world(self) -> Cell | None:
        """Draw the miniature world, unless the data come from outside."""
        if self.study.world is None:
            return None
        return Cell(DRAW_VOC, self.study.world, self.seeds, "draw the miniature VOC", cost_s=2.0)

    def synthesized(
        self,
        name: str,
        prompts: PromptsConfig,
        synthesis: SynthesizeAttentionConfig,
        adapter: tuple[Cell, ...] = (),
        asked_as: str = "",
    ) -> Pictures:
        """Prompts, and the pictures of them in shards; ``asked_as`` names the prompts where several sets of pictures share them."""
        outside = ["generator"]
        if not isinstance(prompts.prompts, DomainPrompts | GroupPrompts):
            own = isinstance(prompts.prompts, SubclassPrompts) and prompts.prompts.class_names
            outside += [*([] if own else ["data"]), *self.lexicon_roles(prompts)]
        asked = self.cell(ROBUST_PROMPTS, prompts, f"{asked_as or name}/prompts", outside=tuple(outside))
        return self.painted(name, asked, prompts.num_prompts, synthesis, adapter)

    def lexicon_roles(self, prompts: PromptsConfig) -> Sequence[str]:
        """What from outside the lexicon of prompts is made of."""
        return _LEXICON_ROLES[prompts.lexicon]

    def painted(
        self,
        name: str,
        asked: Cell,
        num_prompts: int,
        synthesis: SynthesizeAttentionConfig,
        adapter: tuple[Cell, ...] = (),
    ) -> Pictures:
        """The pictures of a cell of prompts, in shards."""
        study = self.study
        roles: Inputs = {"prompts": (asked,), **({"lora": adapter} if adapter else {})}
        number = num_prompts / study.num_shards
        pairs = tuple(
            self.cell(
                SYNTHESIZE_ATTENTION,
                synthesis.model_copy(update={"shard_index": shard, "num_shards": study.num_shards}),
                f"{name}/pictures{shard}",
                roles,
                ("generator",),
                number * study.expected_image_s,
                1e3 * number * study.expected_image_kb,
            )
            for shard in range(study.num_shards)
        )
        return Pictures(name, pairs)

    def pictures(self, words: Words) -> Pictures:
        """The whole set, with the words that an arm asks for; only that of all words has heat maps to compare."""
        study = self.study
        made = study.prompts.prompts.model_copy(update={"augmentation": WORDS[words]})
        synthesis = study.synthesis
        if words != "hyponyms":
            name = study.label.preset
            synthesis = synthesis.model_copy(update={"presets": {name: synthesis.presets[name]}})
        prompts = study.prompts.model_copy(update={"prompts": made})
        if words != "recognised":
            return self.synthesized(words, prompts, synthesis)
        outside = ("data", "generator", "clip", *self.lexicon_roles(prompts))
        known = self.cell(FILTER_WORDS, study.word_filter, "recognised/lexicon", outside=outside)
        prompts = prompts.model_copy(update={"lexicon": "file"})
        asked = self.cell(
            ROBUST_PROMPTS, prompts, "recognised/prompts", {"lexicon": (known,)}, outside=("data", "generator")
        )
        return self.painted(words, asked, prompts.num_prompts, synthesis)

    @cached_property
    def compared(self) -> Pictures:
        """Pictures with the heat maps of every preset."""
        study = self.study
        if study.comparison_prompts is None:
            return self.pictures("hyponyms")
        prompts = study.prompts.model_copy(update={"num_prompts": study.comparison_prompts})
        return self.synthesized("compared", prompts, study.synthesis.model_copy(update={"presets": study.presets}))

    def _labels(self, pictures: Pictures, config: LabelConfig, name: str) -> tuple[Cell, ...]:
        """Labels of all shards."""
        outside = ("cutter",) if config.masks_from == "cutout" else ()
        return tuple(
            self.cell(
                LABEL,
                config,
                f"{pictures.name}/{name}{shard}",
                {"pairs": (cell,)},
                outside,
                cell.cost_s / 25,
                cell.disk_bytes / 10,
            )
            for shard, cell in enumerate(pictures.pairs)
        )

    def _label_config(self, how: Attention) -> LabelConfig:
        study = self.study
        betas = {"own": study.beta_of(how.preset), "low": study.low_beta, "high": study.high_beta}
        changes: dict[str, Any] = {
            "preset": how.preset,
            "mask": study.label.mask.model_copy(update={"beta": betas[how.beta]}),
            "masks_from": "cutout" if how.oracle else "attention",
            "trusted": how.trusted,
            "smoothing": study.smoothing if how.smoothed else None,
        }
        return study.label.model_copy(update=changes)

    def rating(self, pictures: Pictures, labels: tuple[Cell, ...], name: str, kept_only: bool = False) -> Cell:
        """How good labels are, against those that the cut-out network makes of the same pictures."""
        preset = next(iter(pictures.pairs[0].config.model_dump()["presets"]))
        oracle = self._label_config(Attention(oracle=True)).model_copy(update={"preset": preset})
        reference = self._labels(pictures, oracle, "oracle")
        inputs = {"pairs": pictures.pairs, "labels": labels, "reference": reference}
        return self.cell(RATE_MASKS, RateMasksConfig(kept_only=kept_only), f"{pictures.name}/{name}/rating", inputs)

    def _rated(self, preset: str) -> RatedMasks:
        """The masks of one preset, rated."""
        labels = self._labels(self.compared, self._label_config(Attention(preset=preset)), f"{preset}/labels")
        smoothed = self._label_config(Attention(preset=preset, smoothed=True))
        with_crf = (
            self._labels(self.compared, smoothed, f"{preset}_crf/labels") if preset == self.study.label.preset else ()
        )
        return RatedMasks(preset, preset, self.rating(self.compared, labels, preset), labels, with_crf)

    # -- training ---------------------------------------------------------------------------------------------------------

    def train(
        self,
        label: str,
        how: Attention | None,
        source: LabelledSource | RealSource | CityscapesSource,
        inputs: Inputs,
        num_classes: int | None = None,
        places: Mapping[str, External] | None = None,
        start: Literal["trained", "trained_backbone"] | None = None,
        crops: CropConfig | None = None,
    ) -> Cell:
        """Train one network or two.

        Args:
            label: of the cell.
            how: None for real photographs.
            source: what is trained on.
            inputs: its cells, and the training to start from as role ``start``.
            num_classes: where they are not the study's.
            places: further ones from outside.
            start: what of role ``start`` is taken over; None starts as the study does.
            crops: of training images, where they are not the study's.
        """
        study = self.study
        segmenter = study.segmenter
        if num_classes is not None:
            segmenter = segmenter.model_copy(update={"num_classes": num_classes})
        training, scheme = study.training, "plain" if how is None else how.scheme
        if how is not None and how.twice:
            recipe = training.recipe.model_copy(update={"iterations": 2 * training.recipe.iterations})
            training = training.model_copy(update={"recipe": recipe})
        if scheme == "mask_only":
            training = training.model_copy(update={"loss": training.loss.model_copy(update={"co_training": 0.0})})
        config = TrainRobustConfig(
            segmenter=segmenter,
            scheme="plain" if scheme == "plain" else "pair",
            training=training,
            crops=crops or study.crops,
            source=source,
            start=start or study.start,
            num_workers=study.num_workers,
            num_samples=study.num_samples if self.index == 0 else 0,
        )
        factor = 1.0 if scheme == "plain" else _PAIR_FACTOR
        factor *= (config.crops.crop_px / study.crops.crop_px) ** 1.5  # less than their area: measured on the miniature
        cost_s = factor * training.recipe.iterations * study.expected_step_s
        outside = (
            *(["data"] if isinstance(source, RealSource) and not places and "data" not in inputs else []),
            *(["backbone"] if config.start == "backbone" else []),
        )
        size = 1e6 * study.expected_model_mb
        return self.cell(TRAIN_ROBUST, config, label, inputs, outside, cost_s, size, places=places)

    def train_segmenter(
        self,
        label: str,
        source: LabelledSource | FoldSource | RealSource | CityscapesSource | ClassSetSource,
        inputs: Inputs,
        recipe: PolyRecipe,
        num_classes: int | None = None,
        places: Mapping[str, External] | None = None,
    ) -> Cell:
        """Train DiffuMask's segmenter: from all weights of role ``start`` where that is an input, else as the study starts.

        Args:
            label: of the cell.
            source: what is trained on.
            inputs: its cells, and the training to start from as role ``start``.
            recipe: how.
            num_classes: where they are not the study's.
            places: of data from outside that is not the study's.
        """
        study = self.study
        segmenter = study.diffumask.segmenter
        if num_classes is not None:
            segmenter = segmenter.model_copy(update={"num_classes": num_classes})
        start: Literal["scratch", "backbone", "all"] = "all" if "start" in inputs else study.start
        config = TrainSegmenter(
            segmenter=segmenter,
            recipe=recipe,
            augmentation=study.diffumask.augmentation,
            source=source,
            start=start,
            num_workers=study.num_workers,
            num_samples=study.num_samples if self.index == 0 else 0,
        )
        of_start = {"backbone": self.external["plain_backbone"]} if start == "backbone" else {}
        places = {**(places or {}), **of_start}
        outside = ("data",) if isinstance(source, RealSource) else ()
        cost_s = recipe.iterations * study.expected_step_s
        size = 1e6 * study.expected_model_mb
        return self.cell(TRAIN_SEGMENTER, config, label, inputs, outside, cost_s, size, places=places)

    def _evaluate(self, label: str, model: Cell) -> Cell:
        samples = self.study.evaluation.num_samples if self.index == 0 else 0
        config = self.study.evaluation.model_copy(update={"split": self.study.val_split, "num_samples": samples})
        return self.cell(EVALUATE_ROBUST, config, label, {"model": (model,)}, ("data",), self.study.expected_evaluate_s)

    # -- arms -------------------------------------------------------------------------------------------------------------

    def _attention(self, arm: str, how: Attention) -> ArmCells:
        study = self.study
        on_compared = how.preset != study.label.preset
        pictures = self.compared if on_compared else self.pictures(how.words)
        name = "oracle" if how.oracle else f"{how.preset}_{how.beta}_{how.trusted}{'_crf' if how.smoothed else ''}"
        labels = self._labels(pictures, self._label_config(how), f"{name}/labels")
        if how.kept != "all":
            labels = (self._filtered(pictures, labels, how.kept, name),)
        sizes = {"2k": study.small_set, "20k": study.middle_set, "all": None}
        source = LabelledSource(max_images=sizes[how.size])
        train = self.train(f"{arm}/train", how, source, {"pairs": pictures.pairs, "labels": labels})
        rated = () if how.oracle else (self._rated_of(arm, how, pictures, labels),)
        return ArmCells(self._evaluate(f"{arm}/evaluate", train), (train,), pictures.pairs, labels, rated)

    def _filtered(
        self, pictures: Pictures, labels: tuple[Cell, ...], rule: Literal["agreement", "random"], name: str
    ) -> Cell:
        """Labels without those of pictures that the SAM filter, or chance, leaves out."""
        study = self.study
        named = tuple(
            self.cell(
                SEGMENT_NAMED,
                SegmentNamedConfig(prompter=study.prompter),
                f"{pictures.name}/named{shard}",
                {"pairs": (cell,)},
                ROLES[study.prompter.kind],
                study.prompts.num_prompts / study.num_shards * study.expected_segment_s,
                cell.disk_bytes / 10,
            )
            for shard, cell in enumerate(pictures.pairs)
        )
        config = FilterMasksConfig(kept_share=study.filter_share, rule=rule)
        inputs = {"pairs": pictures.pairs, "labels": labels, "named": named}
        return self.cell(FILTER_MASKS, config, f"{pictures.name}/{name}/kept_by_{rule}", inputs)

    def _rated_of(self, arm: str, how: Attention, pictures: Pictures, labels: tuple[Cell, ...]) -> RatedMasks:
        rating = self.rating(pictures, labels, arm, kept_only=how.kept != "all")
        return RatedMasks(arm, how.preset, rating, labels)

    def _real(self, arm: str, how: Real) -> ArmCells:
        study = self.study
        source = RealSource(split=study.train_split, max_images=study.diffumask.few_images if how.few else None)
        if how.network == "deeplab":
            train = self.train(f"{arm}/train", None, source, {})
        else:
            train = self.train_segmenter(f"{arm}/train", source, {}, study.diffumask.recipe)
        return ArmCells(self._evaluate(f"{arm}/evaluate", train), (train,))

    def _protocol(self, arm: str, how: MaskProtocol) -> ArmCells:
        """Pictures of a protocol with the heat maps of every preset, and the masks of one, rated. Attn2mask's COCO-cap has the CRF."""
        study = self.study
        prompts = study.protocols.prompts
        captions: tuple[Cell, ...] = ()
        outside: tuple[str, ...] = ("data", "generator", *self.lexicon_roles(prompts))
        if how.name == "coco_cap":
            if study.protocols.captions is None:
                outside = (*outside, "captions")
            else:
                captions = (self.cell(CAPTION, study.protocols.captions, "coco_cap/captions", outside=("data",)),)
        inputs: Inputs = {"captions": captions} if captions else {}
        asked = self.cell(ROBUST_PROMPTS, prompts, f"{how.name}/prompts", inputs, outside)
        synthesis = study.synthesis.model_copy(update={"presets": study.presets})
        pictures = self.painted(how.name, asked, prompts.num_prompts, synthesis)
        smoothed = how.name == "coco_cap" and how.preset == study.label.preset
        config = self._label_config(Attention(preset=how.preset, smoothed=smoothed))
        labels = self._labels(pictures, config, f"{how.preset}/labels")
        return ArmCells(self.rating(pictures, labels, arm), (), pictures.pairs, labels)

    def _pretrained(self, arm: str, how: Pretrained) -> ArmCells:
        """Photographs, starting from a network that has learned ImageNet-S' categories from generated pictures, or not."""
        study = self.study
        source = RealSource(split=study.train_split, max_images=study.diffumask.few_images)
        if how.taken == "nothing":
            train = self.train(f"{arm}/train", None, source, {})
            return ArmCells(self._evaluate(f"{arm}/evaluate", train), (train,))
        first, pictures, labels = ImageNetSPlanner(self).pretrained()
        start: Literal["trained", "trained_backbone"] = "trained" if how.taken == "network" else "trained_backbone"
        train = self.train(f"{arm}/train", None, source, {"start": (first,)}, start=start)
        return ArmCells(self._evaluate(f"{arm}/evaluate", train), (first, train), pictures.pairs, labels)

    def _diffumask(self, arm: str, how: DiffuMask) -> ArmCells:
        study = self.study
        made = DiffuMaskPlanner(self).made(how)
        inputs = {"pairs": made.train_pairs, "labels": made.train_labels}
        train = self.train_segmenter(f"{arm}/train", LabelledSource(), inputs, study.diffumask.recipe)
        trains: tuple[Cell, ...] = (train,)
        if how.then_real:
            source = RealSource(split=study.train_split, max_images=study.diffumask.few_images)
            recipe = study.diffumask.fine_tuning
            trains = (train, self.train_segmenter(f"{arm}/fine_tune", source, {"start": (train,)}, recipe))
        rating = self.rating(made.pictures, made.labels, arm, kept_only=True)
        rated = (RatedMasks(arm, "diffumask", rating, made.labels),)
        behind = (*made.before, *made.labels)
        return ArmCells(self._evaluate(f"{arm}/evaluate", trains[-1]), trains, made.pictures.pairs, behind, rated)

    def _street(self, arm: str, how: Street) -> ArmCells:
        made = StreetPlanner(self).made(arm, how)
        preset = "diffumask" if how.pictures == "diffumask" else self.study.label.preset
        rated = () if made.rating is None else (RatedMasks(arm, preset, made.rating, made.labels),)
        pairs = () if made.pictures is None else made.pictures.pairs
        return ArmCells(made.evaluation, made.trains, pairs, (*made.before, *made.labels), rated)

    def _few_classes(self, arm: str, how: FewClasses) -> ArmCells:
        found = FewClassesPlanner(self).cells(arm, how)
        made, rating = found.made, found.rating
        if made is None or rating is None:
            return ArmCells(found.evaluation, (found.train,))
        rated = (RatedMasks(arm, "diffumask", rating, made.labels),)
        behind = (*made.before, *made.labels)
        return ArmCells(found.evaluation, (found.train,), made.pictures.pairs, behind, rated)

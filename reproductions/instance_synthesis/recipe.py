"""The complete typed config of all tables at one tier, and the functions that return them.

``smoke`` and ``mini`` differ from ``paper`` in sizes, step counts, checkpoint places and the parts that the ledger names. Values
without a mark here are those of the specification; the ledger's entries for the small tiers say what differs there.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.datasets.cityscapes_labels import Segments
from methods.common.generators.repainting.configs import (
    BlendedLatentConfig,
    CopyFromBankConfig,
    GligenConfig,
    IdentityConfig,
    InpaintingConfig,
    RepaintConfig,
)
from methods.common.miniature.street_classes import STREET_KINDS
from methods.common.miniature.street_view import DrawCityscapesConfig
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.fastinst.presets import (
    cityscapes_recipe,
    fastinst_miniature,
    fastinst_r50_d3,
    miniature_recipe,
)
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig
from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.stage import Config
from methods.common.stages.evaluate_cityscapes import EvaluateCityscapesConfig
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.step_recipe import StepRecipe
from methods.instance_synthesis.focus import FocusConfig
from methods.instance_synthesis.frame_files import Layout
from methods.instance_synthesis.prompts import PromptConfig
from methods.instance_synthesis.sizes import LadderConfig
from methods.instance_synthesis.stages.distill import DistillConfig
from methods.instance_synthesis.stages.generate import GenerateStageConfig
from methods.instance_synthesis.stages.integrate import IntegrateStageConfig
from methods.instance_synthesis.stages.quality import QualityConfig
from methods.instance_synthesis.stages.select import SelectStageConfig
from methods.instance_synthesis.stages.support import SupportStageConfig
from reproductions.instance_synthesis.back_ends import BackEndId
from reproductions.study.config import StudyConfig
from reproductions.study.request import Tier

NUM_CLASSES = 8
"""That Cityscapes evaluates; section 9.1."""


class BackEndsConfig(Config):
    """What repaints, by arm."""

    blended: BlendedLatentConfig = BlendedLatentConfig()
    """As in section 3.1: what the tables call BlendedDiff. [code]"""
    inpainting: InpaintingConfig = InpaintingConfig()
    """As in section 3.2: what the tables call DiffInpainting. [code]"""
    gligen: GligenConfig = GligenConfig()
    """As in section 3.3: grounded inpainting. [code]"""

    def of(self, back_end: BackEndId) -> RepaintConfig:
        """Return the config of a back end; those without a network have nothing to choose. Section 3.4."""
        match back_end:
            case "blended":
                return self.blended
            case "inpainting":
                return self.inpainting
            case "gligen":
                return self.gligen
            case "identity":
                return IdentityConfig()
            case "copy_paste":
                return CopyFromBankConfig()


class SetupConfig(Config):
    """How a segmenter is trained."""

    segmenter: Annotated[FastInstConfig | OneFormerConfig | DiffusionInstConfig, Field(discriminator="kind")]
    """The network."""
    recipe: PolyRecipe | StepRecipe
    """Its training."""
    augmentation: ShortSideAugmentConfig
    """Of training images."""
    start: Literal["scratch", "backbone", "all_but_classes", "official_all_but_classes"] = "scratch"
    """Which weights are not random: none, ImageNet's in the backbone, all but the class layers of the shipped segmenter that stands in for
    them [C D45], or of a published OneFormer [MAPR24]."""

    @property
    def segments(self) -> Segments:
        """What the network learns from, and so its classes: OneFormer has stuff, too (section 8.3)."""
        return "things_and_stuff" if isinstance(self.segmenter, OneFormerConfig) else "things"

    @property
    def roles(self) -> tuple[str, ...]:
        """What a training takes from outside, beside the data."""
        start = {"scratch": (), "backbone": ("backbone",)}.get(self.start, ("start",))
        return (*start, *(("tokenizer",) if self.needs_tokenizer else ()))

    @property
    def needs_tokenizer(self) -> bool:
        """Whether there is a text branch whose sentences are cut by CLIP's vocabulary."""
        segmenter = self.segmenter
        return isinstance(segmenter, OneFormerConfig) and segmenter.text is not None and segmenter.tokens == "clip"


class FewShotConfig(Config):
    """What is learnt from few samples, and how (section 6.1)."""

    support: SupportStageConfig = SupportStageConfig()
    """Base and novel classes, and how support lists are drawn; an arm says how many instances."""
    recipe: PolyRecipe | StepRecipe
    """Of the novel stage; the network, and how images are augmented, are those of the base stage."""
    ladder: LadderConfig
    """The text-to-image generator as a backbone, and ever cheaper ones. Sections 4 and 6.2"""
    distillation: DistillConfig
    """How smaller generators learn the features of the larger one, which a rung names. Section 6.2"""
    frozen: tuple[str, ...] = ("backbone", "pyramid")
    """Parts that the novel stage leaves as they are; classifier, box and mask heads are updated. Section 6.1 [C D64]"""


class PanopticConfig(Config):
    """Which queries become segments of a panoptic map; split and sizes are those of the evaluation."""

    object_threshold: float = Field(default=0.8, ge=0, lt=1)
    """Class probability that a segment must pass. [OF]"""
    overlap_threshold: float = Field(default=0.8, ge=0, le=1)
    """Least share of its own mask that a segment must win against all others. [OF]"""
    kept_predictions_mib: float | None = Field(default=64.0, ge=0)
    """Room for the maps that an evaluation keeps, in the order of the split; None keeps all."""


class InstanceSynthesisStudy(StudyConfig):
    """Everything behind the tables."""

    backbone: Literal[
        "fastinst_miniature",
        "fastinst_r50",
        "oneformer_miniature",
        "oneformer_convnext_l",
        "oneformer_swin_l",
        "diffusioninst_miniature",
        "diffusioninst_r50",
    ]
    """Which segmenter, as reports call it."""
    world: DrawCityscapesConfig | None = None
    """The miniature street to draw, or None for data from outside."""
    layout: Layout = "cityscapes"
    """Layout of the data."""
    train_split: str = "train"
    """Name of the split that is trained on, and repainted."""
    selection: SelectStageConfig = SelectStageConfig()
    """Which instances, windows and prompts. Sections 2.1 to 2.3"""
    back_ends: BackEndsConfig = BackEndsConfig()
    """What repaints them. Section 3"""
    generation: GenerateStageConfig = GenerateStageConfig()
    """How many pictures go through together."""
    integration: IntegrateStageConfig = IntegrateStageConfig()
    """Pasting and focused cropping. Sections 2.5 and 2.6"""
    num_shards: int = Field(default=32, ge=1)
    """Cells that generate the pictures of a back end, and that make samples of them."""
    quality: QualityConfig | None = QualityConfig()
    """How generated crops are compared with real ones; None where there is nothing to compare by. Sections 9.3 and 9.4"""
    reproduced: SetupConfig
    """How the paper trains: its baseline, and everything that is added to it. Section 2.8"""
    large_crop: SetupConfig
    """The same on crops of the original size. Section 11"""
    published: SetupConfig
    """The recipe of the segmenter's own paper. Section 7.4 [C D36]"""
    evaluation: EvaluateCityscapesConfig = EvaluateCityscapesConfig()
    """Split and test-time size, of all that is measured. Section 10, item 6 [C D8]"""
    panoptic: PanopticConfig = PanopticConfig()
    """How maps of segments are made where the network knows stuff. Section 9.5"""
    few_shot: FewShotConfig | None = None
    """The novel stage, whose base stage is ``reproduced``; None for branch A (section 6.1)."""
    expected_instances: int = Field(default=8_900, ge=1)
    """Rough number of instances that are repainted."""
    expected_sample_s: float = Field(default=0.4, gt=0)
    """Rough seconds to paste, crop and write one sample."""
    expected_sample_kb: float = Field(default=4_000.0, gt=0)
    """Rough size of a sample."""
    expected_quality_s: float = Field(default=1_800.0, gt=0)
    """Rough seconds to compare the crops of a back end."""

    @model_validator(mode="after")
    def _one_kind_of_network(self) -> Self:
        kinds = {setup.segmenter.kind for setup in (self.reproduced, self.large_crop, self.published)}
        if len(kinds) > 1:
            raise ValueError(f"the setups train {' and '.join(sorted(kinds))}; a study has one kind of segmenter")
        if self.reproduced.segments != "things" and self.layout != "cityscapes":
            raise ValueError(
                "OneFormer learns from stuff, which COCO's layout has none of; take FastInst, or Cityscapes' layout"
            )
        return self

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        lengths = {setup.recipe.iterations for setup in (self.reproduced, self.large_crop)}
        if len(lengths) > 1:
            raise ValueError(
                f"reproduced and large_crop train {' and '.join(map(str, sorted(lengths)))} iterations; set both "
                "reproduced.recipe.iterations and large_crop.recipe.iterations, so that arms stay equally long"
            )
        return self

    def pictures_a_shard(self, num_variants: int) -> float:
        """Return the rough number of pictures of one cell."""
        return self.expected_instances * num_variants / self.num_shards


_SHORT_SIDES = tuple(round(1024 * tenths / 10) for tenths in range(5, 21))
"""0.5 to 2.0 of 1024, in tenths, as Mask2Former's configuration for Cityscapes has them. Section 7.4 [C D7]"""


def crops(height_px: int, width_px: int) -> ShortSideAugmentConfig:
    """Return Mask2Former's augmentation for Cityscapes with crops of this size; section 7.4."""
    return ShortSideAugmentConfig(
        short_sides_px=_SHORT_SIDES,
        max_long_side_px=4096,
        first_crop_probability=0.0,
        last_crop_px=(height_px, width_px),
    )


def paper() -> InstanceSynthesisStudy:
    """Table 2's FastInst, with the companion's Table II: ResNet-50 on Cityscapes, 90,000 iterations of 4 images."""
    segmenter = fastinst_r50_d3(NUM_CLASSES)
    recipe = cityscapes_recipe()
    reproduced = SetupConfig(segmenter=segmenter, recipe=recipe, augmentation=crops(360, 720), start="backbone")
    published = recipe.model_copy(update={"batch_size": 16, "max_gradient_norm": 0.01})
    return InstanceSynthesisStudy(
        backbone="fastinst_r50",
        reproduced=reproduced,
        large_crop=reproduced.model_copy(update={"augmentation": crops(512, 1024)}),
        published=reproduced.model_copy(update={"recipe": published, "augmentation": crops(512, 1024)}),
        num_workers=8,
        expected_step_s=0.25,
        expected_image_s=6.0,
        expected_image_kb=1_500.0,
        expected_evaluate_s=600.0,
        expected_model_mb=140.0,
    )


def mini() -> InstanceSynthesisStudy:
    """The claims on the miniature street: about 20 minutes on two cores with three seeds."""
    world = DrawCityscapesConfig(num_train=60, num_val=60)
    recipe = miniature_recipe(iterations=180).model_copy(update={"batch_size": 4})
    reproduced = SetupConfig(
        segmenter=fastinst_miniature(NUM_CLASSES),
        recipe=recipe,
        augmentation=mini_crops(64, 128),
        start="all_but_classes",
    )
    larger = recipe.model_copy(update={"batch_size": 6})
    return InstanceSynthesisStudy(
        backbone="fastinst_miniature",
        world=world,
        back_ends=mini_back_ends(num_steps=8),
        generation=GenerateStageConfig(batch_size=16, pictures_per_shard=64),
        integration=IntegrateStageConfig(focus=FocusConfig(width_px=192, height_px=96)),
        num_shards=1,
        quality=QualityConfig(features="clip", allow_few=True),
        reproduced=reproduced,
        large_crop=reproduced.model_copy(update={"augmentation": mini_crops(96, 192)}),
        published=reproduced.model_copy(update={"recipe": larger, "augmentation": mini_crops(96, 192)}),
        evaluation=EvaluateCityscapesConfig(short_side_px=96, long_side_px=192, batch_size=10),
        expected_instances=170,
        expected_step_s=0.07,
        expected_image_s=0.07,
        expected_image_kb=8.0,
        expected_sample_s=0.003,
        expected_sample_kb=30.0,
        expected_quality_s=6.0,
        expected_evaluate_s=4.0,
        expected_model_mb=1.5,
    )


def mini_crops(height_px: int, width_px: int) -> ShortSideAugmentConfig:
    """Return scales of 0.75 to 1.5 times the drawn frame's height, and crops of this size."""
    return ShortSideAugmentConfig(
        short_sides_px=(72, 84, 96, 112, 128, 144),
        max_long_side_px=384,
        first_crop_probability=0.0,
        last_crop_px=(height_px, width_px),
    )


def mini_back_ends(num_steps: int) -> BackEndsConfig:
    """Sampling with the miniature generators: 64 px, few steps. The noise of the last one would stay in a background of its level before it."""
    changes = {
        "num_steps": num_steps,
        "size_px": 64,
        "guidance_scale": 3.5,
        "negative_prompt": None,
        "precision": "float32",
    }
    own = BackEndsConfig()
    return BackEndsConfig(
        blended=own.blended.model_copy(update={**changes, "background": "after_step"}),
        inpainting=own.inpainting.model_copy(update=changes),
        gligen=own.gligen.model_copy(update={**changes, "scheduler": "own", "max_entities": 4}),
    )


def smoke() -> InstanceSynthesisStudy:
    """Every code path of every arm in about a minute and a half; the numbers mean nothing."""
    study = mini()
    assert study.world is not None

    def short(setup: SetupConfig) -> SetupConfig:
        recipe = setup.recipe.model_copy(update={"iterations": 2, "batch_size": 2, "warmup_iterations": 1})
        return setup.model_copy(update={"recipe": recipe})

    return study.model_copy(
        update={
            "world": study.world.model_copy(update={"num_train": 12, "num_val": 4}),
            "selection": study.selection.model_copy(
                update={"select": study.selection.select.model_copy(update={"per_frame": 2})}
            ),
            "back_ends": mini_back_ends(num_steps=4),
            "num_shards": 2,
            "reproduced": short(study.reproduced),
            "large_crop": short(study.large_crop),
            "published": short(study.published).model_copy(
                update={"recipe": short(study.published).recipe.model_copy(update={"batch_size": 3})}
            ),
            "expected_instances": 22,
            "expected_quality_s": 1.0,
            "expected_evaluate_s": 0.5,
        }
    )


_EPOCHS_OF_OWN_DATA = 12
_FEWEST_ITERATIONS = 300


def own_data(layout: Layout, class_names: tuple[str, ...], num_frames: int, tier: Tier) -> InstanceSynthesisStudy:
    """A user's own instances with the miniature FastInst, on crops of 96 x 128 px of images with a short side of 96 to 160 px.

    Prompts name the class alone where the paper's phrases have no word for it.
    """
    study = mini()
    phrases = {**study.selection.prompts.phrases}
    phrases |= {name: (f"a {name.replace('_', ' ')}",) for name in class_names if name not in phrases}
    length = max(_FEWEST_ITERATIONS, num_frames * _EPOCHS_OF_OWN_DATA // study.reproduced.recipe.batch_size)
    recipe = study.reproduced.recipe.model_copy(update={"iterations": length})
    augmentation = ShortSideAugmentConfig(
        short_sides_px=(96, 112, 128, 144, 160),
        max_long_side_px=640,
        first_crop_probability=0.0,
        last_crop_px=(96, 128),
    )
    setup = SetupConfig(
        segmenter=fastinst_miniature(len(class_names)),
        recipe=recipe,
        augmentation=augmentation,
        start="scratch" if len(class_names) == len(STREET_KINDS) else "all_but_classes",
    )
    sides: dict[str, int] = {"short_side_px": 128, "long_side_px": 512, "batch_size": 4}
    focus = FocusConfig() if layout == "cityscapes" else FocusConfig(aspect=None, width_px=None, height_px=None)
    study = study.model_copy(
        update={
            "world": None,
            "layout": layout,
            "selection": study.selection.model_copy(update={"prompts": PromptConfig(phrases=phrases)}),
            "integration": study.integration.model_copy(update={"focus": focus}),
            "quality": None,
            "reproduced": setup,
            "large_crop": setup,
            "published": setup,
            "evaluation": EvaluateCityscapesConfig(**sides),
            "expected_instances": 2 * num_frames,
            "expected_step_s": 0.1,
            "expected_evaluate_s": 15.0,
        }
    )
    if tier == "smoke":
        few = setup.model_copy(update={"recipe": recipe.model_copy(update={"iterations": 2, "batch_size": 2})})
        study = study.model_copy(
            update={
                "reproduced": few,
                "large_crop": few,
                "published": few,
                "back_ends": mini_back_ends(num_steps=2),
            }
        )
    return study

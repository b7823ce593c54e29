"""The complete typed config of all tables at one tier, and the functions that return them.

``smoke`` and ``mini`` differ from ``paper`` in sizes, step counts, checkpoint places and the parts that the ledger names. Values
without a mark here are those of the specification; the ledger's entries for the small tiers say what differs there.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from methods.common.dense_crf.config import BilateralKernel, DenseCrfConfig
from methods.common.generators import attention_presets as presets
from methods.common.generators.attention_presets import AttentionPreset
from methods.common.generators.captioners import TemplateCaptions
from methods.common.miniature.ade20k_view import DrawAde20kConfig
from methods.common.miniature.imagenet_s_view import DrawImageNetSConfig
from methods.common.miniature.street_classes import StreetConfig as StreetSceneConfig
from methods.common.miniature.street_view import DrawCityscapesConfig
from methods.common.miniature.voc_view import DrawVocConfig
from methods.common.prompters.configs import AutomaticClipConfig, GroundingDinoSamConfig, PrompterConfig
from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig
from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.segmenters.deeplab.presets import deeplab_miniature, deeplabv3plus_r101d
from methods.common.segmenters.mask2former.presets import mask2former_r50, mask2former_swinb
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.segmenters import SegmenterConfig
from methods.common.stage import Config
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.common.training.poly_recipe import PolyRecipe
from methods.diffumask_robust.adaptation.config import AdaptationConfig, LoraRecipe
from methods.diffumask_robust.affinity.config import affinity_miniature
from methods.diffumask_robust.affinity.crop_config import AffinityCropConfig
from methods.diffumask_robust.affinity.recipe import AffinityRecipe
from methods.diffumask_robust.co_training_config import CoTrainingConfig
from methods.diffumask_robust.crf import LabelCrf, attn2mask_crf
from methods.diffumask_robust.crop_config import CropConfig
from methods.diffumask_robust.diffumask.mosaic_config import RELEASED_MOSAICS, Mosaics
from methods.diffumask_robust.prompts import AugmentationConfig
from methods.diffumask_robust.schedule import RobustRecipe
from methods.diffumask_robust.stages.caption import CaptionConfig
from methods.diffumask_robust.stages.evaluate_imagenet_s import EvaluateImageNetSConfig
from methods.diffumask_robust.stages.filter_words import FilterWordsConfig
from methods.diffumask_robust.stages.label_config import LabelConfig
from methods.diffumask_robust.stages.prompts import (
    AugmentedPrompts,
    DomainPrompts,
    GroupPrompts,
    PromptsConfig,
    SubclassPrompts,
)
from methods.diffumask_robust.stages.refine_config import RefineConfig
from methods.diffumask_robust.stages.seed import SeedConfig
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig
from methods.diffumask_robust.stages.train_affinity import TrainAffinityConfig
from reproductions.diffumask_robust.recipe_data_sets import (
    STAND_INS,
    STREET_19,
    FewClassesConfig,
    ImageNetSConfig,
    StreetConfig,
)
from reproductions.study.config import StudyConfig

WORDS = {
    "self": AugmentationConfig(synonym_share=0, hyponym_share=0),
    "synonyms": AugmentationConfig(hyponym_share=0),
    "hyponyms": AugmentationConfig(),
    "recognised": AugmentationConfig(),
}
"""Which relations are drawn, by what an arm says of its words."""


class DiffuMaskConfig(Config):
    """The baseline of section 10."""

    prompts: PromptsConfig = PromptsConfig(prompts=SubclassPrompts(), num_prompts=200_000)
    """What is asked of the generator. Section 16"""
    few_subclasses: int = Field(default=10, ge=0)
    """Sub-classes of the arm with 10. Corrections, section 10.2 [P]"""
    more_subclasses: int = Field(default=50, ge=0)
    """Sub-classes of the arm with 50. Corrections, section 10.2 [P]"""
    synthesis: SynthesizeAttentionConfig = SynthesizeAttentionConfig(
        num_steps=50, guidance_scale=7.0, presets={"diffumask": presets.diffumask()}
    )
    """Generation and heat maps. Section 10.1 [code]"""
    seeds: SeedConfig = SeedConfig()
    """What AffinityNet learns from. Section 10.4 [code]"""
    affinity: TrainAffinityConfig = TrainAffinityConfig()
    """Network and training. Section 10.4 [code]"""
    affinity_by_class: bool = True
    """Whether each class has an AffinityNet of its own. [C D38]"""
    refine: RefineConfig = RefineConfig()
    """Random walk and threshold. Section 10.4 [code]"""
    num_folds: int = Field(default=3, ge=2)
    """Of the cross validation. [C D34]"""
    score_px: int = Field(default=512, ge=16)
    """Short side of the pictures that the cross validation rates."""
    fold_recipe: PolyRecipe
    """The trainings of the cross validation. [C D52]"""
    mosaics: tuple[Mosaics, ...] = RELEASED_MOSAICS
    """Mosaics of the training set. Section 10.6 [code]"""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """Of the training set's pictures."""
    segmenter: SegmenterConfig
    """The network, as many classes as the data. Section 10.7"""
    recipe: PolyRecipe
    """Its training. Section 10.7 [C D52]"""
    augmentation: SemanticAugmentConfig = SemanticAugmentConfig()
    """Of training images. Section 10.7 [C D52]"""
    fine_tuning: PolyRecipe
    """The training on real photographs that follows. Section 9.5 [C D52]"""
    few_images: int = Field(default=5000, ge=1)
    """Real photographs of the arms with a part of them. [P]"""

    def num_subclasses(self, name: Literal["none", "10", "50", "100"]) -> int:
        """Return how many sub-classes an arm means."""
        made = self.prompts.prompts
        assert isinstance(made, SubclassPrompts), "DiffuMask's prompts have sub-classes"
        return {"none": 0, "10": self.few_subclasses, "50": self.more_subclasses, "100": made.max_subclasses}[name]


class ProtocolsConfig(Config):
    """OVAM's test of masks (section 9.4)."""

    prompts: PromptsConfig = PromptsConfig(
        prompts=AugmentedPrompts(template="A photograph of a {word}", augmentation=WORDS["self"]), num_prompts=1000
    )
    """What is asked of the generator: the template for VOC-sim, or captions in its place (section 9.4). [C D65]"""
    captions: CaptionConfig | None = None
    """How images are captioned for COCO-cap; None for captions from outside, role ``captions``."""


class DiffuMaskRobustStudy(StudyConfig):
    """Everything behind the tables."""

    backbone: Literal["deeplab_miniature", "deeplabv3plus_r101d", "mask2former_swin_b"]
    """Which segmenter, as reports call it; the last is the study of DiffuMask's arms with Swin-B."""
    world: DrawVocConfig | None = None
    """The miniature world to draw, or None for data from outside."""
    train_split: str = "trainaug"
    """Name of the list of real training images."""
    val_split: str = "val"
    """Name of the list that is evaluated on."""
    prompts: PromptsConfig = PromptsConfig()
    """What is asked of the generator; ``prompts.num_prompts`` is the size of the whole set."""
    small_set: int = Field(default=2000, ge=1)
    """Pictures of the smallest set. [S]"""
    middle_set: int = Field(default=20_000, ge=1)
    """Pictures of the set in between. [C D47]"""
    synthesis: SynthesizeAttentionConfig = SynthesizeAttentionConfig()
    """Generation and heat maps of the whole set."""
    comparison_prompts: int | None = Field(default=60_000, ge=1)
    """Pictures that are made once more with the heat maps of every preset; None to take the whole set, whose ``presets`` are then all. [C D48]"""
    presets: dict[str, AttentionPreset]
    """Heat maps that are compared."""
    num_shards: int = Field(default=64, ge=1)
    """Cells that generate a set, and that label it."""
    label: LabelConfig = LabelConfig()
    """Labels and trusted pixels."""
    smoothing: LabelCrf = attn2mask_crf()
    """The dense CRF of the arm that has one. Section 5.3 [R]"""
    betas: dict[str, float] = {"daam": 0.2, "ovam": 0.2, "dataset-diffusion": -0.2, "diffumask": 0.2}
    """Background constant of each preset beside ``label.mask.beta``: thresholds 0.4, 0.4, 0.6 and 0.4. Section 11 [C D49]"""
    low_beta: float = Field(default=-0.4, gt=-1, lt=1)
    """Of masks that are too small. Section 12, the sweep's end"""
    high_beta: float = Field(default=0.6, gt=-1, lt=1)
    """Of masks that are too large. [C D49]"""
    prompter: PrompterConfig = GroundingDinoSamConfig()
    """What turns a class name into a mask for the SAM filter. SAM filter section 4.2 [? SAM filter D1]"""
    filter_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the pictures of use that the arms with a filter keep. [C D59]"""
    expected_segment_s: float = Field(default=0.5, gt=0)
    """Rough seconds to segment a picture by name."""
    segmenter: DeepLabConfig
    """The network, with as many classes as the data."""
    start: Literal["scratch", "backbone"] = "backbone"
    """Whether backbones start from published weights. [code]"""
    training: CoTrainingConfig = CoTrainingConfig()
    """How one network or two are trained; the same iterations for every set (sections 6.4 and 12)."""
    crops: CropConfig = CropConfig()
    """Of training images."""
    evaluation: EvaluateSemanticConfig = EvaluateSemanticConfig(short_side_px=None)
    """Test-time size: the images' own (section 6.5)."""
    diffumask: DiffuMaskConfig
    """The baseline."""
    street: StreetConfig = StreetConfig()
    """The distant domain."""
    protocols: ProtocolsConfig = ProtocolsConfig()
    """Tests of masks that print numbers of others."""
    word_filter: FilterWordsConfig = FilterWordsConfig()
    """Which synonyms and hyponyms CLIP recognises, for the arm that asks. Section 3, item 4"""
    imagenet_s: ImageNetSConfig = ImageNetSConfig()
    """The third data set."""
    few_classes: FewClassesConfig = FewClassesConfig()
    """Classes that data sets share."""

    @model_validator(mode="after")
    def _sets_nest(self) -> Self:
        if not self.small_set <= self.middle_set <= self.prompts.num_prompts:
            raise ValueError(
                f"small_set {self.small_set}, middle_set {self.middle_set} and prompts.num_prompts {self.prompts.num_prompts} are "
                "not in order; a smaller set is a part of a larger one"
            )
        if self.comparison_prompts is None and self.synthesis.presets != self.presets:
            raise ValueError(
                "without comparison_prompts the whole set needs every preset; set synthesis.presets to presets"
            )
        return self

    def beta_of(self, preset: str) -> float:
        """Return the background constant of a preset."""
        return self.betas.get(preset, self.label.mask.beta)


ALL_PRESETS = {
    "attn2mask": presets.attn2mask(),
    "daam": presets.daam(),
    "dataset-diffusion": presets.dataset_diffusion(),
    "ovam": presets.ovam(),
    "diffumask": presets.diffumask(),
}
"""Five methods at Stable Diffusion's geometry."""


def paper() -> DiffuMaskRobustStudy:
    """VOC 2012: two DeepLabV3+ with ResNet-101-D, and DiffuMask with Mask2Former."""
    segmenter = mask2former_r50(num_classes=21)
    return DiffuMaskRobustStudy(
        backbone="deeplabv3plus_r101d",
        segmenter=deeplabv3plus_r101d(num_classes=21),
        presets=ALL_PRESETS,
        diffumask=DiffuMaskConfig(
            segmenter=segmenter,
            recipe=PolyRecipe(iterations=80_000),
            fold_recipe=PolyRecipe(iterations=20_000),
            fine_tuning=PolyRecipe(iterations=20_000),
        ),
        num_workers=8,
    )


def paper_swin_b() -> DiffuMaskRobustStudy:
    """DiffuMask's arms once more with Swin-B, as its tables print most of them (section 10.7)."""
    study = paper()
    baseline = study.diffumask.model_copy(update={"segmenter": mask2former_swinb(num_classes=21)})
    return study.model_copy(update={"backbone": "mask2former_swin_b", "diffumask": baseline})


def _miniature_presets() -> dict[str, AttentionPreset]:
    """The same five at the miniature generator's geometry: cross-attention of 8 and 4 cells a side, self-attention of 8."""
    small: dict[str, dict[str, Any]] = {
        "attn2mask": {"map_side": 16},
        "daam": {"map_side": 16},
        "dataset-diffusion": {"cross_sides": (8,), "self_side": 8},
        "ovam": {"map_side": 16},
        "diffumask": {"cross_sides": (8, 4)},
    }
    return {name: preset.model_copy(update=small[name]) for name, preset in ALL_PRESETS.items()}


_NEAR = StreetSceneConfig(evenness=0.5, smallness=0.3, min_objects=2, max_objects=6)
"""A street of fewer and nearer things: those of the usual one have hardly a pixel on so few. [C D71]"""


def _small() -> DiffuMaskRobustStudy:
    """What the tiers on the miniature world start from: five classes, as few can be told apart in minutes."""
    world = DrawVocConfig(num_train=200, num_val=200, num_categories=5)
    segmenter = deeplab_miniature(world.num_categories + 1)
    all_presets = _miniature_presets()
    synthesis = SynthesizeAttentionConfig(
        num_steps=8,
        guidance_scale=3.5,
        batch_size=8,
        scheduler="dpm_solver",
        presets=all_presets,
        image_format="png",
    )
    prompts = PromptsConfig(
        prompts=AugmentedPrompts(template="a photo of a {word}"), lexicon="miniature", num_prompts=480
    )
    recipe = PolyRecipe(
        iterations=300, batch_size=8, base_lr=3e-3, backbone_lr_factor=1.0, max_gradient_norm=1.0, warmup_iterations=20
    )
    return DiffuMaskRobustStudy(
        backbone="deeplab_miniature",
        world=world,
        prompts=prompts,
        small_set=30,
        middle_set=120,
        synthesis=synthesis,
        comparison_prompts=None,
        presets=all_presets,
        num_shards=2,
        smoothing=LabelCrf(crf=DenseCrfConfig(bilateral=BilateralKernel(sigma_px=10)), certainty=0.7),
        prompter=AutomaticClipConfig(
            masks=AutomaticMasksConfig(points_per_side=6, predicted_iou=0.5, stability=0.6), min_score=30.0
        ),
        expected_segment_s=0.07,
        segmenter=segmenter,
        start="scratch",
        training=CoTrainingConfig(
            recipe=RobustRecipe(iterations=400, batch_size=8, base_lr=0.05), warm_up=250, colours=None
        ),
        crops=CropConfig(crop_px=32),
        evaluation=EvaluateSemanticConfig(short_side_px=40, max_long_side_px=160, batch_size=25),
        diffumask=DiffuMaskConfig(
            prompts=prompts.model_copy(update={"prompts": SubclassPrompts(), "num_prompts": 240}),
            few_subclasses=1,
            more_subclasses=2,
            synthesis=synthesis.model_copy(update={"presets": {"diffumask": all_presets["diffumask"]}}),
            seeds=SeedConfig(rescaled=True, stride=affinity_miniature().stride, smoothing=None),
            affinity=TrainAffinityConfig(
                network=affinity_miniature(),
                recipe=AffinityRecipe(iterations=120, momentum="as_meant", base_lr=0.02),
                crops=AffinityCropConfig(crop_px=48),
                start="scratch",
            ),
            affinity_by_class=False,
            refine=RefineConfig(rescaled=True, smoothing=None),
            score_px=40,
            fold_recipe=recipe.model_copy(update={"iterations": 150}),
            mosaics=(Mosaics(rows=1, columns=2, count=20, may_turn=True), Mosaics(rows=2, columns=2, count=20)),
            image_format="png",
            segmenter=segmenter,
            recipe=recipe,
            augmentation=SemanticAugmentConfig(
                crop_px=32, min_scale_tenths=11, max_scale_tenths=14, max_class_share=1.0, photometric=None
            ),
            fine_tuning=recipe.model_copy(update={"iterations": 200}),
            few_images=60,
        ),
        street=StreetConfig(
            world=DrawCityscapesConfig(num_train=60, num_val=40, scene=_NEAR),
            crops=CropConfig(crop_px=64),
            adaptation=AdaptationConfig(
                rank=8,
                recipe=LoraRecipe(iterations=120, batch_size=8, base_lr=2e-3),
                fixed_text="a photo",
                tag_text="a photo of {classes}",
                max_tags=2,
                num_images=60,
            ),
            prompts=PromptsConfig(
                prompts=DomainPrompts(template="a photo of {classes}", max_words=2), lexicon="miniature", num_prompts=96
            ),
            prompts_19=PromptsConfig(
                prompts=STREET_19.model_copy(update={"template": "a photo of {classes}", "always": ("road", "sky")}),
                lexicon="miniature",
                num_prompts=96,
            ),
            diffumask_prompts=PromptsConfig(
                prompts=GroupPrompts(max_subclasses=0), lexicon="miniature", num_prompts=120
            ),
            few_images=30,
            segmenter_px=48,
            evaluation=EvaluateSemanticConfig(
                short_side_px=64, max_long_side_px=192, batch_size=10, cityscapes_classes="groups"
            ),
        ),
        protocols=ProtocolsConfig(
            prompts=prompts.model_copy(
                update={
                    "prompts": AugmentedPrompts(template="a photo of a {word}", augmentation=WORDS["self"]),
                    "num_prompts": 100,
                }
            ),
            captions=CaptionConfig(captioner=TemplateCaptions(templates=("a photo of {names}",)), num_images=60),
        ),
        word_filter=FilterWordsConfig(
            num_steps=8,
            guidance_scale=3.5,
            scheduler="dpm_solver",
            lexicon="miniature",
            template="a photo of a {word}",
        ),
        imagenet_s=ImageNetSConfig(
            world=DrawImageNetSConfig(num_categories=world.num_categories),
            num_classes=world.num_categories + 1,
            prompts=prompts.model_copy(update={"split": "validation", "num_prompts": 160}),
            evaluation=EvaluateImageNetSConfig(short_side_px=40, max_long_side_px=160),
        ),
        few_classes=FewClassesConfig(
            ade20k_world=DrawAde20kConfig(num_train=120, num_val=80, num_things=3),
            on_ade20k=STAND_INS,
            elsewhere=STAND_INS,
            num_prompts_on_ade20k=120,
            num_prompts_elsewhere=120,
        ),
        expected_step_s=0.022,
        expected_image_s=0.09,
        expected_evaluate_s=0.5,
        expected_image_kb=16.0,
        expected_model_mb=1.2,
    )


def mini() -> DiffuMaskRobustStudy:
    """The claims on the miniature world, with three seeds."""
    return _small()


def smoke() -> DiffuMaskRobustStudy:
    """Every code path of every arm in about a minute; the numbers mean nothing."""
    study = _small()
    assert study.world is not None
    assert study.protocols.captions is not None
    prompts = study.prompts.model_copy(update={"num_prompts": 20})
    segmenter = deeplab_miniature(num_classes=4)
    short = {"iterations": 2, "batch_size": 2}
    diffumask = study.diffumask
    return study.model_copy(
        update={
            "world": study.world.model_copy(update={"num_train": 12, "num_val": 6, "num_categories": 3}),
            "segmenter": segmenter,
            "prompts": prompts,
            "small_set": 8,
            "middle_set": 12,
            "synthesis": study.synthesis.model_copy(update={"num_steps": 2}),
            "training": CoTrainingConfig(recipe=study.training.recipe.model_copy(update=short)),
            "diffumask": diffumask.model_copy(
                update={
                    "segmenter": segmenter,
                    "prompts": diffumask.prompts.model_copy(update={"num_prompts": 30}),
                    "synthesis": diffumask.synthesis.model_copy(update={"num_steps": 2}),
                    "recipe": diffumask.recipe.model_copy(update=short),
                    "fold_recipe": diffumask.fold_recipe.model_copy(update=short),
                    "affinity": diffumask.affinity.model_copy(
                        update={"recipe": diffumask.affinity.recipe.model_copy(update=short)}
                    ),
                    "mosaics": (Mosaics(rows=1, columns=2, count=2, may_turn=True),),
                    "fine_tuning": diffumask.fine_tuning.model_copy(update=short),
                    "few_images": 6,
                }
            ),
            "street": study.street.model_copy(
                update={
                    "world": DrawCityscapesConfig(num_train=4, num_val=2),
                    "adaptation": study.street.adaptation.model_copy(
                        update={
                            "recipe": study.street.adaptation.recipe.model_copy(update=short),
                            "num_images": 4,
                        }
                    ),
                    "prompts": study.street.prompts.model_copy(update={"num_prompts": 6}),
                    "prompts_19": study.street.prompts_19.model_copy(update={"num_prompts": 6}),
                    "diffumask_prompts": study.street.diffumask_prompts.model_copy(update={"num_prompts": 12}),
                    "few_images": 2,
                }
            ),
            "protocols": study.protocols.model_copy(
                update={
                    "prompts": study.protocols.prompts.model_copy(update={"num_prompts": 6}),
                    "captions": study.protocols.captions.model_copy(update={"num_images": 8}),
                }
            ),
            "word_filter": study.word_filter.model_copy(update={"num_steps": 2, "num_images": 2, "min_right": 1}),
            "imagenet_s": study.imagenet_s.model_copy(
                update={
                    "world": DrawImageNetSConfig(num_train=4, num_val=4, num_categories=2),
                    "num_classes": 3,
                    "prompts": study.imagenet_s.prompts.model_copy(update={"num_prompts": 8}),
                }
            ),
            "few_classes": study.few_classes.model_copy(
                update={
                    "ade20k_world": DrawAde20kConfig(num_train=4, num_val=3, num_things=3),
                    "num_prompts_on_ade20k": 12,
                    "num_prompts_elsewhere": 12,
                }
            ),
            "expected_evaluate_s": 0.3,
        }
    )

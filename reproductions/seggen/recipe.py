"""The complete typed config of all tables at one tier, and the functions that return them, one a segmenter.

``smoke`` and ``mini`` differ from ``paper`` in sizes, step counts, checkpoint places and the parts that the ledger names. Values
without a mark here are those of the specification; the ledger's entries for the small tiers say what differs there.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from methods.common.miniature.ade20k_view import DrawAde20kConfig
from methods.common.miniature.coco_panoptic_view import DrawCocoPanopticConfig
from methods.common.miniature.voc_view import DrawVocConfig
from methods.common.segmenters.hrnet.config import hrnet_miniature
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig
from methods.common.segmenters.mask2former import recipes
from methods.common.segmenters.mask2former.config import PanopticMask2FormerConfig
from methods.common.segmenters.semantic.augmentation_config import PhotometricConfig, SemanticAugmentConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.segmenters import SegmenterConfig
from methods.common.stage import Config
from methods.common.stages.ade20k_segments import Ade20kSegmentsConfig
from methods.common.stages.evaluate_coco_instances import EvaluateCocoInstancesConfig
from methods.common.stages.evaluate_coco_panoptic import EvaluateCocoPanopticConfig
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.sgd_recipe import SgdRecipe
from methods.common.training.step_recipe import StepRecipe
from methods.seggen.diffusion.config import DiffusionRecipe
from methods.seggen.diffusion.frames import Frames
from methods.seggen.mask2img.config import Mask2ImgTrainingConfig
from methods.seggen.moved_masks import Move
from methods.seggen.replacement import Mixing
from methods.seggen.sampling.config import PaintImagesConfig, SampleMasksConfig
from methods.seggen.stages.alignment import AlignmentConfig
from methods.seggen.stages.captions import CaptionsConfig, OwnCaptions, PeoplesCaptions
from methods.seggen.text2mask.config import Text2MaskTrainingConfig
from reproductions.study.config import StudyConfig


class SemanticTraining(Config):
    """How a semantic segmenter is trained and evaluated (section 8.3)."""

    task: Literal["semantic"] = "semantic"
    """What is segmented."""
    segmenter: SegmenterConfig
    """The network, as many classes as the data."""
    recipe: PolyRecipe | SgdRecipe
    """Its training; the same iterations for every share of synthetic samples (section 7)."""
    augmentation: SemanticAugmentConfig
    """Of training images."""
    start: Literal["scratch", "backbone"] = "backbone"
    """Whether backbones start from published weights."""
    evaluation: EvaluateSemanticConfig
    """Test-time size."""


class PanopticTraining(Config):
    """How a panoptic segmenter is trained and evaluated (section 8.3)."""

    task: Literal["panoptic"] = "panoptic"
    """What is segmented."""
    segmenter: PanopticMask2FormerConfig
    """The network, as many classes as the data."""
    recipe: StepRecipe | PolyRecipe
    """Its training; twice where two trainings follow each other."""
    augmentation: AugmentConfig | ShortSideAugmentConfig
    """Of training images."""
    start: Literal["scratch", "backbone"] = "backbone"
    """Whether backbones start from published weights."""
    evaluation: EvaluateCocoPanopticConfig
    """Test-time size, and which segments count."""


class InstanceTraining(Config):
    """How an instance segmenter is trained on the things of panoptic data, and evaluated (section 8.3)."""

    task: Literal["instance"] = "instance"
    """What is segmented."""
    segmenter: PanopticMask2FormerConfig
    """The network, as many classes as there are things, and none of stuff."""
    recipe: StepRecipe | PolyRecipe
    """Its training; twice where two trainings follow each other."""
    augmentation: AugmentConfig | ShortSideAugmentConfig
    """Of training images."""
    start: Literal["scratch", "backbone"] = "backbone"
    """Whether backbones start from published weights."""
    evaluation: EvaluateCocoInstancesConfig
    """Test-time size."""


class SeggenStudy(StudyConfig):
    """Everything behind the tables of one segmenter."""

    backbone: Literal[
        "convolutional",
        "panoptic_miniature",
        "hrnet_miniature",
        "mask2former_r50",
        "mask2former_swin_l",
        "hrnet_w48",
        "mask2former_r50_panoptic",
        "mask2former_swin_l_panoptic",
        "instance_miniature",
        "mask2former_r50_instance",
        "mask2former_swin_l_instance",
        "mask2former_r50_ade20k_panoptic",
        "mask2former_r50_ade20k_instance",
        "mask2former_r50_coco_stuff",
    ]
    """Which segmenter, as reports call it."""
    world: DrawAde20kConfig | DrawCocoPanopticConfig | None = None
    """The miniature world to draw, or None for data from outside."""
    segments: Ade20kSegmentsConfig | None = None
    """For ADE20K whose instances are to become segments first; None for data that are used as they lie."""
    unseen: DrawAde20kConfig | None = None
    """A domain that no training sees, or None for none. Section 11"""
    unseen_voc: DrawVocConfig | None = None
    """Drawn photographs in VOC's layout that panoptic segmenters are evaluated on, or None for VOC's own where these are given. Section 11"""
    train_split: str = "training"
    """Name of the list of real training images."""
    val_split: str = "validation"
    """Name of the list that is evaluated on."""
    few_images: int = Field(default=1000, ge=1)
    """Real images of the low-data arms. Section 7 [SG]"""
    captions: CaptionsConfig = CaptionsConfig()
    """What is written of each training image. Section 3"""
    people: CaptionsConfig | None = None
    """Captions by people, where there are any."""
    text2mask: Text2MaskTrainingConfig = Text2MaskTrainingConfig()
    """Training of the first generator. Section 5"""
    mask2img: Mask2ImgTrainingConfig = Mask2ImgTrainingConfig()
    """Training of the second generator. Section 6"""
    masks: SampleMasksConfig = SampleMasksConfig()
    """MaskSyn's masks. Section 5"""
    pictures: PaintImagesConfig = PaintImagesConfig()
    """ImgSyn's pictures, ``variants`` of each mask; MaskSyn paints one on each of its masks. Section 6"""
    moves: Move = Move()
    """Of the control of Text2Mask."""
    photometric: PhotometricConfig = PhotometricConfig()
    """Of the colour-jittered copies."""
    mask_steps: tuple[int, ...] = (25, 50, 100, 200)
    """Numbers of steps with which masks are drawn to be measured. Section 5"""
    measured_images: int = Field(default=200, ge=1)
    """Training images whose masks are drawn for that."""
    num_shards: int = Field(default=64, ge=1)
    """Cells that sample a set."""
    mixing: Mixing = Mixing()
    """When a real sample is replaced. Section 7"""
    scales: tuple[float, ...] = ()
    """Factors of the short side at which the rows of Table 1 are also evaluated, mirrored too; none leaves that column empty. Section 8.3 [code]"""
    real_repeats: int = Field(default=26, ge=1)
    """How often each real image is listed beside FreeMask's pairs: about as many as of these. Section 9 [C D32]"""
    hardness_px: int = Field(default=512, ge=8)
    """Side of the square at which a mask's hardness is taken. Section 9 [code]"""
    alignment: AlignmentConfig = AlignmentConfig(max_images=2000)
    """How generated images are held against their masks."""
    training: SemanticTraining | PanopticTraining | InstanceTraining = Field(discriminator="task")
    """The segmenter."""
    expected_caption_s: float = Field(default=0.3, gt=0)
    """Seconds to caption an image."""
    expected_mask_s: float = Field(default=40.0, gt=0)
    """Seconds to draw a mask."""
    expected_generator_step_s: float = Field(default=4.0, gt=0)
    """Seconds a step of a generator's training."""
    expected_generator_mb: float = Field(default=10_000.0, gt=0)
    """Size of a trained generator."""
    num_real_images: int = Field(default=20_210, ge=1)
    """Of the training list; only for the order of work."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        frames = {part.frames for part in (self.text2mask, self.mask2img, self.masks, self.pictures)}
        if len(frames) > 1:
            raise ValueError(
                "text2mask.frames, mask2img.frames, masks.frames and pictures.frames differ; a mask is painted at the size that it is drawn at"
            )
        return self


def of_segments(study: SeggenStudy, split: str, variants: int, people: bool = True) -> dict[str, Any]:
    """What of a study makes it one of panoptic masks: edges, captions by people where there are any, the number of pictures of a mask."""
    coding = {"panoptic": True, "palette": study.mask2img.palette.model_copy(update={"edge": True})}
    return {
        "captions": study.captions.model_copy(update={"split": split}),
        "people": CaptionsConfig(split=split, captioner=PeoplesCaptions()) if people else None,
        "mask2img": study.mask2img.model_copy(update=coding),
        "pictures": study.pictures.model_copy(update={"variants": variants}),
    }


# -- the miniature world --------------------------------------------------------------------------------------------------


_FRAMES = Frames(size_px=64, step_px=16)
_GENERATOR = DiffusionRecipe(
    iterations=250,
    batch_size=16,
    base_lr=1.2e-3,
    warmup_iterations=20,
    cosine_from=0.5,
    betas=(0.9, 0.98),
    autocast="none",
)


def _small() -> SeggenStudy:
    """What the tiers on the miniature world start from: eight backgrounds and six things."""
    world = DrawAde20kConfig(num_train=120, num_val=160, num_things=6)
    sampling = {"frames": _FRAMES, "guidance_scale": 2.0, "batch_size": 20, "precision": "float32"}
    teaching = {
        "recipe": _GENERATOR,
        "frames": _FRAMES,
        "snr_limit": 5.0,
        "cache_latents": True,
    }
    return SeggenStudy(
        backbone="convolutional",
        world=world,
        unseen=world.model_copy(update={"num_train": 0, "light": "dusk"}),
        few_images=24,
        captions=CaptionsConfig(captioner=OwnCaptions()),
        text2mask=Text2MaskTrainingConfig(**teaching, ema_decay=0.99),
        mask2img=Mask2ImgTrainingConfig(**teaching),
        masks=SampleMasksConfig(num_steps=20, variants=1, min_segment_px=6, num_raw=8, keep_raw=True, **sampling),
        pictures=PaintImagesConfig(num_steps=8, variants=2, image_format="png", **sampling),
        mask_steps=(5, 10, 20, 40),
        measured_images=40,
        num_shards=2,
        real_repeats=2,
        hardness_px=64,
        alignment=AlignmentConfig(short_side_px=None, batch_size=20),
        training=SemanticTraining(
            segmenter=ConvolutionalConfig(num_classes=14),
            recipe=PolyRecipe(
                iterations=600,
                batch_size=8,
                base_lr=5e-3,
                backbone_lr_factor=1.0,
                max_gradient_norm=1.0,
                warmup_iterations=20,
            ),
            augmentation=SemanticAugmentConfig(
                crop_px=64, min_scale_tenths=8, max_scale_tenths=13, max_class_share=1.0, photometric=None
            ),
            start="scratch",
            evaluation=EvaluateSemanticConfig(short_side_px=64, max_long_side_px=256, batch_size=20),
        ),
        num_real_images=120,
        expected_step_s=0.025,
        expected_evaluate_s=1.5,
        expected_caption_s=0.001,
        expected_image_s=0.14,
        expected_mask_s=0.2,
        expected_generator_step_s=0.35,
        expected_image_kb=12.0,
        expected_model_mb=0.8,
        expected_generator_mb=15.0,
    )


def mini() -> SeggenStudy:
    """The claims on the miniature world, with three seeds."""
    return _small()


def smoke() -> SeggenStudy:
    """Every code path of every semantic arm in about a minute; the numbers mean nothing."""
    study = _small()
    assert study.world is not None
    short = _GENERATOR.model_copy(update={"iterations": 2, "batch_size": 2})
    taught = {"recipe": short}
    return study.model_copy(
        update={
            "world": study.world.model_copy(update={"num_train": 6, "num_val": 4}),
            "unseen": DrawAde20kConfig(num_train=0, num_val=4, num_things=6, light="dusk"),
            "scales": (0.5, 1.0),
            "few_images": 3,
            "text2mask": study.text2mask.model_copy(update=taught),
            "mask2img": study.mask2img.model_copy(update=taught),
            "masks": study.masks.model_copy(update={"num_steps": 2, "keep_raw": False, "num_raw": 2}),
            "pictures": study.pictures.model_copy(update={"num_steps": 2, "variants": 2}),
            "mask_steps": (1, 2),
            "measured_images": 3,
            "training": study.training.model_copy(
                update={"recipe": study.training.recipe.model_copy(update={"iterations": 2, "batch_size": 2})}
            ),
            "num_samples": 2,
            "num_real_images": 6,
        }
    )


def smoke_hrnet() -> SeggenStudy:
    """The code path of HRNet; the numbers mean nothing."""
    study = smoke()
    training = study.training.model_copy(
        update={
            "segmenter": hrnet_miniature(num_classes=14),
            "recipe": SgdRecipe(iterations=2, batch_size=2, momentum=0.9),
        }
    )
    return study.model_copy(update={"backbone": "hrnet_miniature", "training": training})


def smoke_panoptic() -> SeggenStudy:
    """Every code path of the panoptic arms; the numbers mean nothing."""
    study = smoke()
    stuff = tuple(range(6, 14))
    return study.model_copy(
        update={
            "backbone": "panoptic_miniature",
            "world": DrawCocoPanopticConfig(num_train=6, num_val=4, num_things=6),
            "unseen": None,
            "train_split": "train2017",
            "val_split": "val2017",
            **of_segments(study, "train2017", variants=2),
            "unseen_voc": DrawVocConfig(num_train=1, num_val=4),
            "num_shards": 1,
            "training": PanopticTraining(
                segmenter=recipes.panoptic_miniature(14, stuff),
                recipe=StepRecipe(iterations=2, drops=(1,), batch_size=2, base_lr=1e-3, autocast="none"),
                augmentation=AugmentConfig(size_px=64, min_scale=0.8, max_scale=1.3),
                start="scratch",
                evaluation=EvaluateCocoPanopticConfig(short_side_px=64, long_side_px=256, batch_size=4),
            ),
        }
    )


def smoke_instance() -> SeggenStudy:
    """The code path of the instance arms, on the pictures of the panoptic ones; the numbers mean nothing."""
    study = smoke_panoptic()
    training = InstanceTraining(
        segmenter=recipes.panoptic_miniature(6, ()),
        recipe=study.training.recipe,
        augmentation=AugmentConfig(size_px=64, min_scale=0.8, max_scale=1.3),
        start="scratch",
        evaluation=EvaluateCocoInstancesConfig(short_side_px=64, long_side_px=256, batch_size=4),
    )
    return study.model_copy(update={"backbone": "instance_miniature", "training": training})

"""What the study does on other data sets than VOC: its config for the street, for ImageNet-S, and for classes that data sets share."""

from __future__ import annotations

from pydantic import Field

from methods.common.miniature.ade20k_view import DrawAde20kConfig
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.imagenet_s_view import DrawImageNetSConfig
from methods.common.miniature.street_view import DrawCityscapesConfig
from methods.common.stage import Config
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.diffumask_robust.adaptation.config import AdaptationConfig
from methods.diffumask_robust.class_set import BUS_CAR_PERSON, CAR_PERSON_MOTORBIKE, ClassSet, SharedClass
from methods.diffumask_robust.crop_config import CropConfig
from methods.diffumask_robust.stages.evaluate_imagenet_s import EvaluateImageNetSConfig
from methods.diffumask_robust.stages.prompts import DomainPrompts, GroupPrompts, PromptsConfig

_SHARES_19 = {
    **{"road": 0.99, "sidewalk": 0.95, "building": 0.99, "wall": 0.33, "fence": 0.44, "pole": 0.99},
    **{"traffic light": 0.56, "traffic sign": 0.94, "vegetation": 0.98, "terrain": 0.56, "sky": 0.9},
    **{"person": 0.79, "rider": 0.35, "car": 0.95, "truck": 0.12, "bus": 0.09, "train": 0.05},
    **{"motorcycle": 0.17, "bicycle": 0.55},
}
"""Rough share of Cityscapes' training pictures that show each class, in the order of the training ids. [C D61]"""
STREET_19 = DomainPrompts(
    words={name: (name,) for name in _SHARES_19},
    shares=_SHARES_19,
    always=("road", "building", "vegetation", "sky"),
)
"""Prompts of all classes; the stuff that nearly every street shows is always named. Section 7"""


class StreetConfig(Config):
    """Adaptation to a distant domain (section 7)."""

    world: DrawCityscapesConfig | None = None
    """The miniature street to draw, or None for Cityscapes."""
    adaptation: AdaptationConfig = AdaptationConfig()
    """LoRA; the arm says whether tags are read. Section 7 [C D16]"""
    prompts: PromptsConfig = PromptsConfig(prompts=DomainPrompts(), num_prompts=20_000)
    """What is asked of the generator. Section 7 [C D55]"""
    prompts_19: PromptsConfig = PromptsConfig(prompts=STREET_19, num_prompts=20_000)
    """What is asked of it for all 19 classes. Section 7 [C D61]"""
    diffumask_prompts: PromptsConfig = PromptsConfig(prompts=GroupPrompts(), num_prompts=333_334)
    """What DiffuMask asks of it for both groups: of so many 100,000 are left when 0.7 are pruned. Table 2 [P] [C D67]"""
    crops: CropConfig | None = None
    """Of training pictures; None takes those of the photographs. [C D71]"""
    few_images: int = Field(default=1500, ge=1)
    """Real pictures of the arms with a part of them. [P]"""
    segmenter_px: int | None = Field(default=None, ge=16)
    """Short side of generated pictures for the network that rates masks."""
    evaluation: EvaluateSemanticConfig = EvaluateSemanticConfig(short_side_px=None, cityscapes_classes="groups")
    """Test-time size and classes. Section 9.3"""


class ImageNetSConfig(Config):
    """ImageNet-S with 50 categories (section 9.2)."""

    world: DrawImageNetSConfig | None = None
    """The miniature view to draw, or None for ImageNet-S."""
    train_split: str = "train-semi"
    """Name of the split of real pictures with masks."""
    num_classes: int = Field(default=51, ge=2, le=255)
    """Categories and other."""
    prompts: PromptsConfig = PromptsConfig(split="validation", num_prompts=65_000)
    """What is asked of the generator: 1,300 pictures a category. Section 12 [C D60]"""
    evaluation: EvaluateImageNetSConfig = EvaluateImageNetSConfig()
    """Test-time size. [C D60]"""


class FewClassesConfig(Config):
    """Classes that VOC, Cityscapes and ADE20K share (section 9)."""

    ade20k_world: DrawAde20kConfig | None = None
    """The miniature view to draw, or None for ADE20K."""
    on_ade20k: ClassSet = BUS_CAR_PERSON
    """Classes of the arms that are evaluated on ADE20K. Corrections, section 10.7 [DM]"""
    elsewhere: ClassSet = CAR_PERSON_MOTORBIKE
    """Classes of the others, DiffuMask's Table 5 [DM]"""
    num_prompts_on_ade20k: int = Field(default=20_001, ge=1)
    """What DiffuMask asks of the generator: of so many 6,000 are left when 0.7 of each class are pruned. Corrections, section 10.7 [DM] [C D69]"""
    num_prompts_elsewhere: int = Field(default=30_000, ge=1)
    """As many a class as on VOC; Table 5 does not say. [C D69]"""


STAND_INS = ClassSet(
    classes=tuple(
        SharedClass(name=ours, called=(ours, *streets))
        for ours, streets in zip(CATEGORY_NAMES, (("car",), ("person", "rider"), ("motorcycle",)), strict=False)
    )
)
"""The first three categories of the miniature world, which its views as VOC and as ADE20K share; the street, which has none of them, lends
cars, persons with riders, and motorcycles, so that a number from one to the other means nothing. [C D70]"""

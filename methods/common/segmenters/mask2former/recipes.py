"""Complete Mask2Former configs and trainings of the official release on ADE20K and COCO (SegGen section 8.3 [code])."""

from __future__ import annotations

from methods.common.segmenters.backbones.config import SwinConfig
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.segmenters.mask2former.config import (
    Mask2FormerConfig,
    Mask2FormerNetworkConfig,
    PanopticMask2FormerConfig,
    resnet50,
)
from methods.common.segmenters.mask2former.presets import mask2former_miniature
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.training.poly_recipe import PolyRecipe
from methods.common.training.step_recipe import StepRecipe

COCO_STUFF = tuple(range(80, 133))
"""Places of COCO's 53 classes without instances among its 133 panoptic ones, which the files list after the 80 others."""

_UNDECAYED = ("queries_embedder", "queries_features", "level_embed", "relative_position_bias_table")
"""Queries, levels, and Swin's biases of relative positions; norms come by themselves."""


def ade20k_r50(num_classes: int = 150) -> Mask2FormerConfig:
    """Return the semantic R50: 100 queries, frozen batch norm."""
    return Mask2FormerConfig(num_classes=num_classes, backbone=resnet50("frozen"))


def ade20k_swinl(num_classes: int = 150) -> Mask2FormerConfig:
    """Return the semantic Swin-L: 100 queries, drop path 0.3."""
    return Mask2FormerConfig(num_classes=num_classes, backbone=SwinConfig(output_stages=(0, 1, 2, 3)))


def ade20k_recipe() -> PolyRecipe:
    """Return the training of both: 160,000 steps of 16 images, polynomial decay, mixed precision."""
    return PolyRecipe(iterations=160_000, undecayed=_UNDECAYED, autocast="float16")


def ade20k_augmentation(crop_px: int) -> SemanticAugmentConfig:
    """Return what happens to training images: crops of 512 px for R50 and 640 px for Swin-L, which one class may fill."""
    return SemanticAugmentConfig(crop_px=crop_px, max_class_share=1.0)


def coco_r50(num_classes: int = 133, stuff_classes: tuple[int, ...] = COCO_STUFF) -> PanopticMask2FormerConfig:
    """Return the panoptic R50: 100 queries, frozen batch norm. 80 classes without stuff make the instance model."""
    return PanopticMask2FormerConfig(num_classes=num_classes, stuff_classes=stuff_classes, backbone=resnet50("frozen"))


def coco_swinl(num_classes: int = 133, stuff_classes: tuple[int, ...] = COCO_STUFF) -> PanopticMask2FormerConfig:
    """Return the panoptic Swin-L: 200 queries, drop path 0.3."""
    return PanopticMask2FormerConfig(
        num_classes=num_classes,
        stuff_classes=stuff_classes,
        backbone=SwinConfig(output_stages=(0, 1, 2, 3)),
        num_queries=200,
    )


def coco_recipe(epochs: int = 50) -> StepRecipe:
    """Return the training on COCO: 50 epochs for R50, 100 for Swin-L; the rate falls to a tenth after 8/9 and 26/27 of them.

    The release also names 10 warm-up steps, with a factor of 1, which changes nothing.
    """
    if epochs not in _COCO_DROPS:
        raise ValueError(f"epochs is {epochs}; the release trains for {' or '.join(map(str, _COCO_DROPS))}")
    iterations, drops = _COCO_DROPS[epochs]
    return StepRecipe(iterations=iterations, drops=drops, undecayed=_UNDECAYED, max_gradient_norm=0.01)


_COCO_DROPS = {50: (368_750, (327_778, 355_092)), 100: (737_500, (655_556, 710_184))}


def coco_augmentation() -> AugmentConfig:
    """Return what happens to training images: resized to fit 0.1 to 2 times a square of 1024 px, cropped to it, mirrored."""
    return AugmentConfig(size_px=1024)


def panoptic_miniature(num_classes: int, stuff_classes: tuple[int, ...]) -> PanopticMask2FormerConfig:
    """Return the semantic miniature's size of the panoptic network: some more queries, no loss of single pixels. Our choice."""
    small = mask2former_miniature(num_classes)
    sizes = {name: getattr(small, name) for name in Mask2FormerNetworkConfig.model_fields}
    changed = {"num_queries": 24, "loss": small.loss.model_copy(update={"dense_weight": 0.0})}
    return PanopticMask2FormerConfig(**(sizes | changed), stuff_classes=stuff_classes, detections_per_image=24)

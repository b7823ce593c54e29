"""Complete CenterNet2 configs and training recipes: the two of the paper, and a miniature for CPU minutes."""

from __future__ import annotations

from methods.common.segmenters.backbones.config import (
    EFFICIENTNET_LITE0_MEAN,
    EFFICIENTNET_LITE0_STD,
    EfficientNetLiteConfig,
    ResNetConfig,
    SwinConfig,
)
from methods.common.segmenters.centernet2.config import (
    CascadeConfig,
    CenterNet2Config,
    InferenceConfig,
    MaskConfig,
    ProposalConfig,
    PyramidConfig,
)
from methods.common.training.recipe import TrainingRecipe

LVIS_CLASSES = 1203
"""Number of classes of LVIS v1."""


def centernet2_r50(num_classes: int = LVIS_CLASSES) -> CenterNet2Config:
    """Return the R50 segmenter of Tables 1 and 2 (MRCA section 6)."""
    return CenterNet2Config(num_classes=num_classes, backbone=ResNetConfig())


def centernet2_swinl(num_classes: int = LVIS_CLASSES) -> CenterNet2Config:
    """Return the Swin-L segmenter of Tables 1 and 2 (MRCA section 6)."""
    return CenterNet2Config(num_classes=num_classes, backbone=SwinConfig())


def centernet2_miniature(num_classes: int) -> CenterNet2Config:
    """Return a 64-96 px size of the same network that trains from scratch in a CPU minute.

    Half-width ResNet-18 without its last stage, strides 4, 8 and 16, ranges and radii scaled to small images. All
    values that differ from the defaults are our choice [C MRCA D44], found by short runs on the miniature world.
    """
    return CenterNet2Config(
        num_classes=num_classes,
        backbone=ResNetConfig(
            block="basic",
            blocks=(2, 2, 2),
            widths=(32, 64, 128),
            stem_width=32,
            stem_kernel=3,
            stem_pool=False,
            first_stage_stride=2,
            norm="batch",
            output_stages=(0, 1, 2),
        ),
        pyramid=PyramidConfig(channels=64, extra_levels=0),
        proposals=ProposalConfig(
            tower_convs=2,
            norm_groups=8,
            ranges_px=((0, 16), (12, 28), (22, 1e7)),
            min_radius_px=2.0,
            prior=0.05,
            distance_bias=2.0,
            candidates_train=100,
            candidates_test=60,
            nms_iou=0.8,
            keep_train=64,
            keep_test=40,
        ),
        cascade=CascadeConfig(
            pool_size=5,
            fc_width=128,
            canonical_size_px=56.0,
            samples_per_image=24,
        ),
        mask=MaskConfig(pool_size=10, convs=2, channels=32),
        inference=InferenceConfig(score_threshold=0.04, detections_per_image=100),
        pad_multiple=16,
    )


def centernet2_lite0(num_classes: int) -> CenterNet2Config:
    """Return the miniature with EfficientNet-Lite0 as its backbone, up to stride 16, for a start from ImageNet weights."""
    return centernet2_miniature(num_classes).model_copy(
        update={
            "backbone": EfficientNetLiteConfig(output_stages=(1, 2, 3)),
            "pixel_mean": EFFICIENTNET_LITE0_MEAN,
            "pixel_std": EFFICIENTNET_LITE0_STD,
        }
    )


def r50_training_recipe() -> TrainingRecipe:
    """Return the R50 training of MRCA and of its rivals: 90,000 iterations of 16 images (MRCA section 6.5)."""
    return TrainingRecipe()


def swinl_training_recipe() -> TrainingRecipe:
    """Return the Swin-L training of MRCA; the baselines' rows use ``iterations=180_000`` (MRCA section 6.5)."""
    return TrainingRecipe()


def miniature_training_recipe() -> TrainingRecipe:
    """Return a training from scratch in about a CPU minute, for :func:`centernet2_miniature`.

    All values are our choice [C MRCA D52], found by short runs on the miniature world.
    """
    return TrainingRecipe(
        iterations=600,
        batch_size=8,
        base_lr=3e-3,
        weight_decay=1e-2,
        warmup_iterations=50,
        warmup_factor=0.01,
        backbone_autocast="none",
        ema_decay=0.99,
        ema_warmup=True,
        repeat_threshold=0.02,
    )

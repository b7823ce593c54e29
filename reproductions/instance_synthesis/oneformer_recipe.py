"""OneFormer's studies: Table 2's and the companion's Table III at tier paper, and a tiny one that tests the wiring.

Everything but the network and how it is trained is that of FastInst's study.
"""

from __future__ import annotations

from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.segmenters.oneformer.presets import (
    CITYSCAPES_CLASSES,
    CITYSCAPES_STUFF,
    instsynth_recipe,
    miniature_recipe,
    oneformer_convnextl,
    oneformer_miniature,
    oneformer_swinl,
    release_recipe,
    without_text,
)
from reproductions.instance_synthesis import recipe
from reproductions.instance_synthesis.recipe import InstanceSynthesisStudy, PanopticConfig, SetupConfig

SMOKE_ARMS = ("published", "zoom")
"""What the tiny OneFormer trains: with the text branch on real images, and without it on samples, too [C D47]."""
FASTINST_ARMS = ("real_large_crop",)
"""Rows that the companion prints of FastInst alone."""


def paper_convnextl() -> InstanceSynthesisStudy:
    """ConvNeXt-L from OneFormer's weights of Mapillary Vistas; section 8.3 [MAPR24]."""
    return _paper(oneformer_convnextl(), start="official_all_but_classes").model_copy(
        update={"backbone": "oneformer_convnext_l"}
    )


def paper_swinl() -> InstanceSynthesisStudy:
    """Swin-L from ImageNet; section 8.3."""
    return _paper(oneformer_swinl(), start="backbone").model_copy(update={"backbone": "oneformer_swin_l"})


def _paper(segmenter: OneFormerConfig, start: str) -> InstanceSynthesisStudy:
    """Return the study of a network: the companion's training without the text branch [C D6], the release's with it."""
    study = recipe.paper()
    reproduced = SetupConfig.model_validate(
        {
            "segmenter": without_text(segmenter).model_dump(),
            "recipe": instsynth_recipe().model_dump(),
            "augmentation": study.reproduced.augmentation.model_dump(),
            "start": start,
        }
    )
    large = {"augmentation": study.large_crop.augmentation}
    return study.model_copy(
        update={
            "reproduced": reproduced,
            "large_crop": reproduced.model_copy(update=large),
            "published": reproduced.model_copy(update={**large, "segmenter": segmenter, "recipe": release_recipe()}),
            "expected_step_s": 0.8,
            "expected_evaluate_s": 1_500.0,
            "expected_model_mb": 960.0,
        }
    )


def smoke() -> InstanceSynthesisStudy:
    """A OneFormer of two steps and few queries on the drawn street of the smoke tier; the numbers mean nothing."""
    study = recipe.smoke()
    network = oneformer_miniature(CITYSCAPES_CLASSES, CITYSCAPES_STUFF)
    network = network.model_copy(update={"num_queries": 12, "decoder_layers": 1})
    brief = miniature_recipe(iterations=2).model_copy(update={"batch_size": 2, "warmup_iterations": 1})
    reproduced = SetupConfig(segmenter=without_text(network), recipe=brief, augmentation=study.reproduced.augmentation)
    longer = brief.model_copy(update={"batch_size": 3})
    large = {"augmentation": study.large_crop.augmentation}
    return study.model_copy(
        update={
            "backbone": "oneformer_miniature",
            "reproduced": reproduced,
            "large_crop": reproduced.model_copy(update=large),
            "published": reproduced.model_copy(update={**large, "segmenter": network, "recipe": longer}),
            "panoptic": PanopticConfig(object_threshold=0.05, overlap_threshold=0.0),
            "expected_step_s": 0.3,
            "expected_evaluate_s": 1.0,
        }
    )

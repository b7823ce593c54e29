"""The complete typed configs of tier paper, one function a segmenter and data set.

Values without a mark here are those of the specification.
"""

from __future__ import annotations

from methods.common.datasets.ade20k_segments import STUFF
from methods.common.segmenters.hrnet.config import hrnet_recipe, hrnet_w48
from methods.common.segmenters.instance.short_side import ShortSideAugmentConfig
from methods.common.segmenters.mask2former import recipes
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.stages.ade20k_segments import Ade20kSegmentsConfig
from methods.common.stages.evaluate_coco_instances import EvaluateCocoInstancesConfig
from methods.common.stages.evaluate_coco_panoptic import EvaluateCocoPanopticConfig
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from reproductions.seggen.recipe import (
    InstanceTraining,
    PanopticTraining,
    SeggenStudy,
    SemanticTraining,
    of_segments,
)


def paper_r50() -> SeggenStudy:
    """ADE20K, Mask2Former with ResNet-50: Tables 1 and 4."""
    return SeggenStudy(
        backbone="mask2former_r50",
        training=SemanticTraining(
            segmenter=recipes.ade20k_r50(),
            recipe=recipes.ade20k_recipe(),
            augmentation=recipes.ade20k_augmentation(512),
            evaluation=EvaluateSemanticConfig(short_side_px=512, max_long_side_px=2048),
        ),
        scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75),
        num_workers=8,
    )


def paper_swin_l() -> SeggenStudy:
    """ADE20K, Mask2Former with Swin-L: Table 1. Its images are those of ResNet-50, cell by cell."""
    study = paper_r50()
    training = SemanticTraining(
        segmenter=recipes.ade20k_swinl(),
        recipe=recipes.ade20k_recipe(),
        augmentation=recipes.ade20k_augmentation(640),
        evaluation=EvaluateSemanticConfig(short_side_px=640, max_long_side_px=2560),
    )
    return study.model_copy(
        update={
            "backbone": "mask2former_swin_l",
            "training": training,
            "expected_step_s": 1.2,
            "expected_model_mb": 870.0,
        }
    )


def paper_hrnet() -> SeggenStudy:
    """ADE20K, HRNet-W48: Table 4b. Its images are those of the others, cell by cell."""
    study = paper_r50()
    training = SemanticTraining(
        segmenter=hrnet_w48(num_classes=150),
        recipe=hrnet_recipe(),
        augmentation=SemanticAugmentConfig(),
        evaluation=EvaluateSemanticConfig(short_side_px=512, max_long_side_px=2048),
    )
    return study.model_copy(
        update={"backbone": "hrnet_w48", "scales": (), "training": training, "expected_model_mb": 264.0}
    )


def paper_panoptic_r50() -> SeggenStudy:
    """COCO panoptic, Mask2Former with ResNet-50: Table 2. ImgSyn only, ten pictures of each mask (section 2)."""
    study = paper_r50()
    return study.model_copy(
        update={
            "backbone": "mask2former_r50_panoptic",
            "train_split": "train2017",
            "val_split": "val2017",
            **of_segments(study, "train2017", variants=10),
            "training": PanopticTraining(
                segmenter=recipes.coco_r50(),
                recipe=recipes.coco_recipe(50),
                augmentation=recipes.coco_augmentation(),
                evaluation=EvaluateCocoPanopticConfig(),
            ),
            "num_real_images": 118_287,
        }
    )


def paper_panoptic_swin_l() -> SeggenStudy:
    """COCO panoptic, Mask2Former with Swin-L: Table 2, 100 epochs."""
    study = paper_panoptic_r50()
    training = study.training.model_copy(update={"segmenter": recipes.coco_swinl(), "recipe": recipes.coco_recipe(100)})
    return study.model_copy(
        update={
            "backbone": "mask2former_swin_l_panoptic",
            "training": training,
            "expected_step_s": 1.6,
            "expected_model_mb": 870.0,
        }
    )


def paper_instance_r50() -> SeggenStudy:
    """COCO instances, Mask2Former with ResNet-50: a table that was not reached. Its images are those of panoptic COCO, cell by cell."""
    study = paper_panoptic_r50()
    training = InstanceTraining(
        segmenter=recipes.coco_r50(80, ()),
        recipe=recipes.coco_recipe(50),
        augmentation=recipes.coco_augmentation(),
        evaluation=EvaluateCocoInstancesConfig(),
    )
    return study.model_copy(update={"backbone": "mask2former_r50_instance", "training": training})


def paper_instance_swin_l() -> SeggenStudy:
    """COCO instances, Mask2Former with Swin-L, 100 epochs."""
    study = paper_instance_r50()
    training = study.training.model_copy(
        update={"segmenter": recipes.coco_swinl(80, ()), "recipe": recipes.coco_recipe(100)}
    )
    return study.model_copy(
        update={
            "backbone": "mask2former_swin_l_instance",
            "training": training,
            "expected_step_s": 1.6,
            "expected_model_mb": 870.0,
        }
    )


def _ade20k_segments_augmentation() -> ShortSideAugmentConfig:
    """Return what happens to training images of ADE20K panoptic and instance: short sides of 0.5 to 2 times 640 px, crops of 640 px, mirrored.

    The release also changes colours, which this augmentation does not [C D44].
    """
    return ShortSideAugmentConfig(
        short_sides_px=tuple(range(320, 1281, 64)),
        max_long_side_px=2560,
        first_crop_probability=0.0,
        last_crop_px=(640, 640),
    )


def paper_ade20k_panoptic_r50() -> SeggenStudy:
    """ADE20K panoptic, Mask2Former with ResNet-50: no table of the paper. ImgSyn only, ten pictures of each mask, as on COCO."""
    study = paper_r50()
    training = PanopticTraining(
        segmenter=recipes.coco_r50(150, tuple(number - 1 for number in sorted(STUFF))),
        recipe=recipes.ade20k_recipe(),
        augmentation=_ade20k_segments_augmentation(),
        evaluation=EvaluateCocoPanopticConfig(short_side_px=640, long_side_px=2560),
    )
    return study.model_copy(
        update={
            "backbone": "mask2former_r50_ade20k_panoptic",
            "segments": Ade20kSegmentsConfig(),
            **of_segments(study, "training", variants=10, people=False),
            "training": training,
        }
    )


def paper_ade20k_instance_r50() -> SeggenStudy:
    """ADE20K instances, Mask2Former with ResNet-50: no table of the paper. Its images are those of the panoptic study, cell by cell."""
    study = paper_ade20k_panoptic_r50()
    training = InstanceTraining(
        segmenter=recipes.coco_r50(100, ()),
        recipe=recipes.ade20k_recipe(),
        augmentation=_ade20k_segments_augmentation(),
        evaluation=EvaluateCocoInstancesConfig(short_side_px=640, long_side_px=2560),
    )
    return study.model_copy(update={"backbone": "mask2former_r50_ade20k_instance", "training": training})


def paper_coco_stuff_r50() -> SeggenStudy:
    """COCO-Stuff with 171 classes, on which FreeMask is published: its steps behind SegGen's pictures, ten of each mask."""
    study = paper_r50()
    assert isinstance(study.training, SemanticTraining)
    training = study.training.model_copy(update={"segmenter": recipes.ade20k_r50(171)})
    return study.model_copy(
        update={
            "backbone": "mask2former_r50_coco_stuff",
            "scales": (),
            "train_split": "train2017",
            "val_split": "val2017",
            "captions": study.captions.model_copy(update={"split": "train2017"}),
            "pictures": study.pictures.model_copy(update={"variants": 10}),
            "real_repeats": 6,
            "training": training,
            "num_real_images": 118_287,
        }
    )

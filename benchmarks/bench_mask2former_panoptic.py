"""Panoptic Mask2Former beside that of ``transformers``: a training step of the same small Swin network, and segments from the same logits.

Both steps match and train ten sets of predictions at 12,544 points. The library's segments differ where its rules do (SegGen section 8.4), not in the
work: class scores, masks at the size of the picture, one winner a pixel.
"""

from types import SimpleNamespace

import pytest
import torch
import transformers
from torch import Tensor

from benchmarks.sizes import size
from methods.common.segmenters.backbones.config import SwinConfig
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.segmenters.mask2former.config import PanopticMask2FormerConfig
from methods.common.segmenters.mask2former.panoptic import PanopticMask2Former
from methods.common.segmenters.mask2former.recipes import COCO_STUFF
from methods.common.segmenters.mask_queries.panoptic import panoptic_segments

CLASSES, SIZE, IMAGES, SEGMENTS = 133, 192, 2, 8
SWIN = {"embedding": 64, "depths": (1, 1, 2, 1), "heads": (2, 4, 8, 16), "window": 6}
STAGES = ["stage1", "stage2", "stage3", "stage4"]
PICTURE = (480, 640)

torch.set_num_threads(1)


def images() -> Tensor:
    return torch.rand(IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 255


def targets() -> list[InstanceTarget]:
    """Stripes of as many classes."""
    column = torch.arange(SIZE) * SEGMENTS // SIZE
    masks = (column[None] == torch.arange(SEGMENTS)[:, None])[:, None].expand(-1, SIZE, -1)
    return [InstanceTarget(torch.zeros(SEGMENTS, 4), torch.arange(SEGMENTS) * 16, masks) for _ in range(IMAGES)]


@pytest.mark.benchmark(group="training step, 2 images of 192 px, 8 segments each")
def test_step_ours(benchmark) -> None:
    backbone = SwinConfig(**SWIN, drop_path=0.0, output_stages=(0, 1, 2, 3))
    config = PanopticMask2FormerConfig(num_classes=CLASSES, stuff_classes=COCO_STUFF, backbone=backbone)
    model = PanopticMask2Former(config, torch.Generator().manual_seed(0)).train()
    image, wanted = images(), targets()

    def step() -> None:
        losses = model.losses(image, wanted, torch.Generator().manual_seed(0))
        torch.stack(list(losses.values())).sum().backward()

    benchmark.pedantic(step, rounds=size(2, 3), warmup_rounds=1)


@pytest.mark.benchmark(group="training step, 2 images of 192 px, 8 segments each")
def test_step_transformers(benchmark) -> None:
    backbone = transformers.SwinConfig(
        embed_dim=SWIN["embedding"],
        depths=list(SWIN["depths"]),
        num_heads=list(SWIN["heads"]),
        window_size=SWIN["window"],
        drop_path_rate=0.0,
        out_features=STAGES,
    )
    config = transformers.Mask2FormerConfig(backbone_config=backbone)
    config.num_labels = CLASSES
    model = transformers.Mask2FormerForUniversalSegmentation(config).train()
    image, wanted = images() / 255, targets()
    masks = [target.masks_NHW.float() for target in wanted]
    classes = [target.classes_N for target in wanted]

    def step() -> None:
        model(pixel_values=image, mask_labels=masks, class_labels=classes).loss.sum().backward()

    benchmark.pedantic(step, rounds=size(2, 3), warmup_rounds=1)


def logits() -> tuple[Tensor, Tensor]:
    """A hundred queries, twelve of them sure of a class, with blobs for masks at a quarter of the picture's size."""
    generator = torch.Generator().manual_seed(0)
    class_logit = torch.zeros(100, CLASSES + 1)
    class_logit[:, -1] = 9.0
    class_logit[:12, -1] = 0.0
    class_logit[torch.arange(12), torch.arange(12) * 11] = 12.0
    coarse = 6 * torch.randn(1, 100, 6, 8, generator=generator)
    mask_logit = torch.nn.functional.interpolate(coarse, (PICTURE[0] // 4, PICTURE[1] // 4), mode="bilinear")
    return class_logit, mask_logit[0]


@pytest.mark.benchmark(group="panoptic segments of 480 x 640 px, 100 queries, 12 of them sure")
def test_segments_ours(benchmark) -> None:
    class_logit, mask_logit = logits()
    sizes, things = (PICTURE, PICTURE, PICTURE), tuple(range(80))
    segment_HW, _ = benchmark(panoptic_segments, class_logit, mask_logit, sizes, things, 0.8, 0.8)
    assert segment_HW.shape == PICTURE


@pytest.mark.benchmark(group="panoptic segments of 480 x 640 px, 100 queries, 12 of them sure")
def test_segments_transformers(benchmark) -> None:
    class_logit, mask_logit = logits()
    outputs = SimpleNamespace(class_queries_logits=class_logit[None], masks_queries_logits=mask_logit[None])
    processor = transformers.Mask2FormerImageProcessor()
    (found,) = benchmark(
        processor.post_process_panoptic_segmentation,
        outputs,
        threshold=0.8,
        overlap_mask_area_threshold=0.8,
        label_ids_to_fuse=set(COCO_STUFF),
        target_sizes=[PICTURE],
    )
    assert found["segmentation"].shape == PICTURE

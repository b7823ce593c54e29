"""CenterNet2 at the miniature size beside torchvision's Mask R-CNN with the same backbone, levels and head widths."""

import pytest
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature, miniature_training_recipe
from methods.common.segmenters.instance.interface import InstanceTarget

NUM_CLASSES = 36
SIZE = 64
BATCH = 8

torch.set_num_threads(1)


def images() -> torch.Tensor:
    return torch.rand(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 255


def targets() -> list[InstanceTarget]:
    made = []
    for image in range(BATCH):
        boxes = torch.tensor([[4.0, 6, 20, 24], [30, 10, 50, 40], [10, 40, 24, 60]])
        masks = torch.zeros(3, SIZE, SIZE, dtype=torch.bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.long().tolist(), strict=True):
            mask[y0:y1, x0:x1] = True
        made.append(InstanceTarget(boxes, torch.tensor([image, 1, 2]), masks))
    return made


def centernet2() -> CenterNet2:
    return CenterNet2(centernet2_miniature(NUM_CLASSES), torch.Generator().manual_seed(0))


class Levels(nn.Module):
    """Backbone and pyramid of the miniature, in the form torchvision's detectors want."""

    def __init__(self) -> None:
        super().__init__()
        network = centernet2()
        self.backbone, self.pyramid = network.backbone, network.pyramid
        self.out_channels = network.config.pyramid.channels

    def forward(self, image_NCHW: torch.Tensor) -> dict[str, torch.Tensor]:
        return {str(index): level for index, level in enumerate(self.pyramid(self.backbone(image_NCHW)))}


def mask_rcnn() -> MaskRCNN:
    config = centernet2_miniature(NUM_CLASSES)
    levels = ["0", "1", "2"]
    channels, size = config.pyramid.channels, config.cascade.pool_size
    head = TwoMLPHead(channels * size * size, config.cascade.fc_width)
    predictor = _BoxPredictor()
    predictor.cls_score = nn.Linear(config.cascade.fc_width, NUM_CLASSES + 1)
    predictor.bbox_pred = nn.Linear(config.cascade.fc_width, 4 * (NUM_CLASSES + 1))
    return MaskRCNN(
        Levels(),
        min_size=SIZE,
        max_size=SIZE,
        rpn_anchor_generator=AnchorGenerator(((12,), (24,), (44,)), ((0.7, 1.0, 1.4),) * 3),
        rpn_pre_nms_top_n_train=config.proposals.candidates_train,
        rpn_pre_nms_top_n_test=config.proposals.candidates_test,
        rpn_post_nms_top_n_train=config.proposals.keep_train,
        rpn_post_nms_top_n_test=config.proposals.keep_test,
        rpn_batch_size_per_image=config.proposals.keep_train,
        box_roi_pool=MultiScaleRoIAlign(levels, size, 2),
        box_head=head,
        box_predictor=predictor,
        box_batch_size_per_image=config.cascade.samples_per_image,
        mask_roi_pool=MultiScaleRoIAlign(levels, config.mask.pool_size, 2),
        mask_head=MaskRCNNHeads(channels, [config.mask.channels] * config.mask.convs, 1),
        mask_predictor=MaskRCNNPredictor(config.mask.channels, config.mask.channels, NUM_CLASSES + 1),
    )


class _BoxPredictor(nn.Module):
    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.cls_score(hidden), self.bbox_pred(hidden)


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return miniature_training_recipe().build_optimizer(model)


def descend(losses: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()


@pytest.mark.benchmark(group="training step, 8 images of 64 px")
def test_training_step_centernet2(benchmark) -> None:
    model, batch, truth = centernet2().train(), images(), targets()
    optimizer, generator = optimizer_of(model), torch.Generator().manual_seed(0)
    benchmark.pedantic(lambda: descend(model.losses(batch, truth, generator), optimizer), rounds=10, warmup_rounds=2)


@pytest.mark.benchmark(group="training step, 8 images of 64 px")
def test_training_step_mask_rcnn(benchmark) -> None:
    model, batch = mask_rcnn().train(), list(images() / 255)
    truth = [
        {"boxes": target.boxes_N4, "labels": target.classes_N + 1, "masks": target.masks_NHW.to(torch.uint8)}
        for target in targets()
    ]
    optimizer = optimizer_of(model)
    benchmark.pedantic(lambda: descend(model(batch, truth), optimizer), rounds=10, warmup_rounds=2)


@pytest.mark.benchmark(group="forward, 8 images of 64 px: backbone, pyramid, proposals")
def test_forward_centernet2(benchmark) -> None:
    model, batch = centernet2().eval(), images()
    with torch.no_grad():
        benchmark.pedantic(lambda: model(batch), rounds=10, warmup_rounds=2)


@pytest.mark.benchmark(group="forward, 8 images of 64 px: backbone, pyramid, proposals")
def test_forward_mask_rcnn(benchmark) -> None:
    model, batch = mask_rcnn().eval(), list(images() / 255)

    def forward() -> None:
        prepared, _ = model.transform(batch)
        model.rpn(prepared, model.backbone(prepared.tensors))

    with torch.no_grad():
        benchmark.pedantic(forward, rounds=10, warmup_rounds=2)

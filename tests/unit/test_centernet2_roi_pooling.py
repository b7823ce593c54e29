"""Pooling: the fast gradient equals torchvision's, boxes go to the level of the rule."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import roi_align

from methods.common.segmenters.centernet2 import pooling
from methods.common.segmenters.centernet2.presets import centernet2_miniature, centernet2_r50
from methods.common.segmenters.centernet2.roi_pooling import aligned_roi_pool


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 9), st.sampled_from([3, 7]), st.sampled_from([(6, 9), (12, 5)]))
def test_dense_gradient_equals_torchvision(seed: int, boxes: int, size: int, shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    feature = torch.randn(2, 3, *shape, generator=generator).requires_grad_()
    low = torch.rand(boxes, 2, generator=generator) * 60 - 20  # partly outside of the map
    sides = torch.rand(boxes, 2, generator=generator) * 90
    image = torch.randint(0, 2, (boxes, 1), generator=generator).sort(dim=0).values.float()
    rows = torch.cat([image, low, low + sides], dim=1)
    upstream = torch.randn(boxes, 3, size, size, generator=generator)
    expected = roi_align(feature, rows, size, 0.25, sampling_ratio=0, aligned=True)
    ours = aligned_roi_pool(feature, rows, size, 0.25)
    assert torch.equal(ours, expected)
    (wanted,) = torch.autograd.grad(expected, feature, upstream)
    (found,) = torch.autograd.grad(ours, feature, upstream)
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_levels_of_the_paper() -> None:
    sides = torch.tensor([10.0, 111, 112, 223, 224, 447, 448, 5000])
    boxes = torch.stack([sides * 0, sides * 0, sides, sides], dim=1)
    assert pooling.pyramid_levels(boxes, centernet2_r50()).tolist() == [0, 0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_rows_keep_their_order_over_levels(order: list[int]) -> None:
    config = centernet2_miniature(3)
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(1, 4, 64 // stride, 64 // stride, generator=generator) for stride in config.strides]
    boxes = torch.tensor([[1.0, 1, 9, 9], [3, 3, 45, 45], [0, 0, 64, 64]])[order]
    together = pooling.pool_boxes(features, [boxes], 5, config)
    alone = torch.cat([pooling.pool_boxes(features, [box[None]], 5, config) for box in boxes])
    assert torch.equal(together, alone)
    assert pooling.pool_boxes(features, [boxes[:0]], 5, config).shape == (0, 4, 5, 5)

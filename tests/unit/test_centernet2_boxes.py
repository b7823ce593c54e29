"""Box arithmetic of CenterNet2, by hand-computed cases and properties."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.segmenters.centernet2.boxes import (
    apply_deltas,
    clip_boxes,
    encode_deltas,
    giou_of_distances_loss,
    has_area,
)

WEIGHTS = (10.0, 10.0, 5.0, 5.0)
side = st.floats(2, 200)
corner = st.floats(-50, 300)


@settings(max_examples=50, deadline=None)
@given(corner, corner, side, side, corner, corner, side, side)
def test_applying_encoded_deltas_gives_the_wanted_box(
    x: float, y: float, w: float, h: float, x2: float, y2: float, w2: float, h2: float
) -> None:
    start = torch.tensor([[x, y, x + w, y + h]], dtype=torch.float64)
    wanted = torch.tensor([[x2, y2, x2 + min(w2, 60 * w), y2 + min(h2, 60 * h)]], dtype=torch.float64)
    assert torch.allclose(apply_deltas(start, encode_deltas(start, wanted, WEIGHTS), WEIGHTS), wanted, atol=1e-6)


def test_deltas_by_hand() -> None:
    deltas = encode_deltas(torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 0, 25, 20]]), WEIGHTS)
    assert deltas[0].tolist() == pytest.approx([10.0, 0.0, 5 * math.log(2), 0.0])


def test_growth_is_limited() -> None:
    grown = apply_deltas(torch.tensor([[0.0, 0, 16, 16]]), torch.tensor([[0.0, 0, 500, 500]]), WEIGHTS)
    assert grown[0].tolist() == pytest.approx([-492, -492, 508, 508])


def test_clip_and_area() -> None:
    clipped = clip_boxes(torch.tensor([[-5.0, -5, 400, 50], [330, 0, 340, 10]]), (100, 320))
    assert clipped.tolist() == [[0, 0, 320, 50], [320, 0, 320, 10]]
    assert has_area(clipped).tolist() == [True, False]


def test_giou_loss_by_hand() -> None:
    # boxes of 2x2 and 4x2 around the point: intersection 4, union 8, enclosing 8
    loss = giou_of_distances_loss(torch.tensor([[1.0, 1, 1, 1]]), torch.tensor([[1.0, 1, 3, 1]]))
    assert loss.item() == pytest.approx(1 - 5 / 9)
    # 2x2 against 4x1 (left 2, right 2, top .5, bottom .5): intersection 2, union 6, enclosing 8
    loss = giou_of_distances_loss(torch.tensor([[1.0, 1, 1, 1]]), torch.tensor([[2.0, 0.5, 2, 0.5]]))
    assert loss.item() == pytest.approx(1 - (3 / 7 - 2 / 8))
    assert giou_of_distances_loss(torch.zeros(0, 4), torch.zeros(0, 4)).item() == 0

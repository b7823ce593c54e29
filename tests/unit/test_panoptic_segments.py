"""From queries to segments and to classes of pixels, by hand."""

import pytest
import torch
from torch import Tensor

from methods.common.segmenters.mask_queries.panoptic import best_classes, panoptic_segments
from methods.common.segmenters.mask_queries.postprocess import full_size_masks, semantic_scores

SIZE = (4, 8)
SIZES = (SIZE, SIZE, SIZE)
CAR, ROAD, SKY, NOTHING = range(4)
"""One thing, two kinds of stuff, and "no object"."""


def logits(*classes: tuple[int, float]) -> Tensor:
    """A query each, with this class at this probability, the rest shared evenly."""
    rows = []
    for index, probability in classes:
        row = torch.full((4,), (1 - probability) / 3)
        row[index] = probability
        rows.append(row.log())
    return torch.stack(rows)


def masks(*columns: tuple[int, int], inside: float = 4.0) -> Tensor:
    """A mask each over these columns."""
    mask_QHW = torch.full((len(columns), *SIZE), -4.0)
    for row, (first, last) in enumerate(columns):
        mask_QHW[row, :, first:last] = inside
    return mask_QHW


def segments(class_logit_QK: Tensor, mask_QHW: Tensor, object_: float = 0.8, overlap: float = 0.8):
    segment_HW, class_S = panoptic_segments(class_logit_QK, mask_QHW, SIZES, (CAR,), object_, overlap)
    assert segment_HW.dtype == torch.int64
    assert (segment_HW == segment_HW[:1]).all()
    return segment_HW[0].tolist(), class_S.tolist()


def test_things_are_segments_of_their_own_and_a_stuff_class_is_one() -> None:
    queries = logits((CAR, 0.9), (ROAD, 0.9), (CAR, 0.9), (ROAD, 0.95))
    assert segments(queries, masks((0, 2), (2, 4), (4, 6), (6, 7))) == ([1, 1, 2, 2, 3, 3, 2, 0], [CAR, ROAD, CAR])


def test_a_pixel_goes_to_the_larger_product_of_class_and_mask() -> None:
    queries, shared = logits((CAR, 0.85), (SKY, 0.95)), masks((0, 5), (4, 8))
    assert segments(queries, shared)[0] == [1, 1, 1, 1, 2, 2, 2, 2]
    shared[1, :, 4] = 1.0  # 0.95 of 0.73 is less than 0.85 of 0.98
    assert segments(queries, shared, overlap=0.5)[0] == [1, 1, 1, 1, 1, 2, 2, 2]


def test_queries_of_no_object_and_weak_ones_are_none() -> None:
    queries = logits((NOTHING, 0.99), (CAR, 0.79), (CAR, 0.81))
    assert segments(queries, masks((0, 3), (3, 5), (5, 8))) == ([0, 0, 0, 0, 0, 1, 1, 1], [CAR])
    assert segments(queries[:2], masks((0, 3), (3, 5))) == ([0] * 8, [])


@pytest.mark.parametrize(("bound", "kept"), [(0.4, True), (0.6, False)])
def test_a_query_that_wins_too_little_of_its_own_mask_goes(bound: float, kept: bool) -> None:
    """It wins two of its four columns; its pixels stay without a segment."""
    queries = logits((CAR, 0.95), (SKY, 0.85))
    second = [2, 2] if kept else [0, 0]
    found, classes = segments(queries, masks((0, 4), (2, 6)), overlap=bound)
    assert found == [1, 1, 1, 1, *second, 0, 0]
    assert classes == ([CAR, SKY] if kept else [CAR])


def test_pixels_below_one_half_are_of_no_segment() -> None:
    faint = masks((0, 4))
    faint[0, :, 3] = -0.1
    assert segments(logits((CAR, 0.99)), faint)[0] == [1, 1, 1, 0, 0, 0, 0, 0]


def test_classes_of_pixels_are_the_best_sums_over_queries() -> None:
    generator = torch.Generator().manual_seed(0)
    class_logit_QK, mask_Qhw = torch.randn(23, 4, generator=generator), torch.randn(23, 2, 4, generator=generator)
    sizes = ((8, 16), (7, 14), (5, 9))
    expected = semantic_scores(class_logit_QK, full_size_masks(mask_Qhw, *sizes)).argmax(dim=0)
    found = best_classes(class_logit_QK, mask_Qhw, sizes)
    assert found.shape == (5, 9)
    assert torch.equal(found, expected)

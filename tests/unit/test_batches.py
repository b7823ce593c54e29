"""Which images a batch has: a share of those of its iteration, counted on from what an earlier training has had."""

import numpy as np
import pytest

from methods.common.segmenters.instance.instances import Instances, real_instances
from methods.common.segmenters.instance.training import AugmentedImages
from methods.common.training.batch_shard import BatchShare

NOTHING = real_instances(np.zeros(0, np.int64), np.zeros((0, 4, 4), bool), np.zeros((0, 4), np.float32))


class Numbered(AugmentedImages):
    """Images that show their own number."""

    def __init__(self, before: int) -> None:
        self.before = before

    def __getitem__(self, number: int) -> tuple[np.ndarray, Instances]:
        return np.full((4, 4, 3), number, np.uint8), NOTHING


@pytest.mark.parametrize(("before", "expected"), [(0, [[11, 12], [16, 17]]), (30, [[41, 42], [46, 47]])])
def test_instances_are_counted_on_from_an_earlier_training(before: int, expected: list[list[int]]) -> None:
    share = BatchShare(first=1, count=2, batch_size=5)
    batches = list(Numbered(before).batches(2, 4, share, 0))
    assert [batch.image_NCHW[:, 0, 0, 0].tolist() for batch in batches] == expected

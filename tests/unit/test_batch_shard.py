"""How a batch is divided, and what a forward pass without gradients leaves alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.common.errors import InputError
from methods.common.training.batch_norm import RunningStatistics, TeamBatchNorm2d
from methods.common.training.batch_shard import BatchShare, describe_shares
from methods.common.training.distributed import ALONE, Team


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_shares_and_parts_divide_a_batch_evenly(size: int, batch_size: int, parts: int) -> None:
    if size > batch_size:
        with pytest.raises(InputError, match=rf"{size} processes cannot share a batch of {batch_size} images"):
            BatchShare.of(Team(0, size), batch_size)
        return
    places, counts = [], set()
    for rank in range(size):
        share = BatchShare.of(Team(rank, size), batch_size)
        counts.add(share.count)
        rows = share.parts(parts)
        assert len(rows) == min(parts, share.count)
        for part in map(share.part, rows):
            places += [place for place in range(batch_size) if part.holds(place)]
    assert places == list(range(batch_size))
    assert max(counts) - min(counts) <= 1


def test_shares_are_described() -> None:
    assert describe_shares(Team(0, 4), 16, 2) == "global batch 16 = 4 processes x 2 parts x 2 images"
    assert describe_shares(ALONE, 8, 1) == "global batch 8 = 1 process x 1 part x 8 images"
    assert describe_shares(Team(1, 3), 4, 1) == "global batch 4 = 3 processes x 1 part x 2 or 1 images"


def test_every_share_draws_for_the_whole_batch() -> None:
    whole = torch.rand(5, generator=torch.Generator().manual_seed(1))
    drawn = [BatchShare.of(Team(rank, 3), 5).uniform(torch.Generator().manual_seed(1)) for rank in range(3)]
    assert torch.equal(torch.cat(drawn), whole)


def test_batch_norm_is_torchs_and_passes_without_gradients_leave_its_statistics() -> None:
    ours, theirs = TeamBatchNorm2d(3), torch.nn.BatchNorm2d(3)
    image = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ours(image), theirs(image))
    kept = RunningStatistics(ours)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))
    assert ours.num_batches_tracked == 1
    ours(image * 2)
    assert ours.num_batches_tracked == 2
    kept.restore()
    assert ours.num_batches_tracked == 1
    assert torch.equal(ours.eval()(image), torch.nn.functional.batch_norm(image, ours.running_mean, ours.running_var))

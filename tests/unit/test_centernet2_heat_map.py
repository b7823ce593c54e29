"""First-stage targets and losses, against the formulas written naively and by hand."""

import math

import pytest
import torch

from methods.common.segmenters.centernet2.config import ProposalConfig
from methods.common.segmenters.centernet2.heat_map import cell_targets, distance_loss, heat_map_losses, make_grid

CONFIG = ProposalConfig(ranges_px=((0, 80), (64, 160)))


def grid_of(rows: int = 8, columns: int = 12):
    return make_grid([(rows, columns), (rows // 2, columns // 2)], [8, 16], torch.device("cpu"))


def test_grid_lists_cell_centres_row_by_row() -> None:
    grid = grid_of()
    assert grid.centre_M2[:2].tolist() == [[4, 4], [12, 4]]
    assert grid.centre_M2[12].tolist() == [4, 12]
    assert grid.centre_M2[96].tolist() == [8, 8]
    assert grid.stride_M.tolist() == [8] * 96 + [16] * 24
    assert grid.level_M.tolist() == [0] * 96 + [1] * 24


def test_heat_is_one_at_the_centre_cell_and_gaussian_elsewhere() -> None:
    box = torch.tensor([[10.0, 6, 50, 30]])  # centre (30, 18), area 960
    (targets,) = cell_targets([box], grid_of(), CONFIG)
    radius2 = max(2 * (1 / 9) ** 2 * 960, 16)
    heat = targets.heat_M[:96].view(8, 12)
    assert heat[2, 3].item() == 1.0  # the cell [24, 32) x [16, 24) holds the centre
    expected = math.exp(-((36 - 30) ** 2 + (20 - 18) ** 2) / radius2)
    assert heat[2, 4].item() == pytest.approx(expected, rel=1e-5)
    assert heat[7, 11].item() == 0.0
    assert targets.heat_M[96:].view(4, 6)[1, 1].item() == 1.0  # also on the level that is not responsible


def test_positive_and_regression_cells() -> None:
    box = torch.tensor([[10.0, 6, 50, 30]])  # half diagonal 23: first level only
    (targets,) = cell_targets([box], grid_of(), CONFIG)
    assert targets.positive_P.tolist() == [2 * 12 + 3]
    cells = {(int(cell) // 12, int(cell) % 12) for cell in targets.regression_Q}
    assert cells == {(row, column) for row in (1, 2, 3) for column in (2, 3, 4)}
    first = targets.regression_Q.tolist().index(1 * 12 + 2)  # centre (20, 12)
    assert targets.distances_Q4[first].tolist() == pytest.approx([10 / 8, 6 / 8, 30 / 8, 18 / 8])


def test_levels_overlap() -> None:
    side = 70 * math.sqrt(2)  # half diagonal 70: both ranges hold it
    (targets,) = cell_targets([torch.tensor([[0.0, 0, side, side]])], grid_of(16, 16), CONFIG)
    assert targets.positive_P.tolist() == [6 * 16 + 6, 256 + 3 * 8 + 3]


def test_ambiguous_cells_take_the_relatively_nearest_object() -> None:
    boxes = torch.tensor([[0.0, 0, 64, 64], [16, 16, 48, 48]])  # same centre, different radius
    (targets,) = cell_targets([boxes], grid_of(8, 8), CONFIG)
    row = targets.regression_Q.tolist().index(3 * 8 + 3)  # centre (28, 28), off both centres
    assert targets.distances_Q4[row, 0].item() == pytest.approx(28 / 8)  # the larger box has the larger radius


def test_no_objects() -> None:
    (targets,) = cell_targets([torch.zeros(0, 4)], grid_of(), CONFIG)
    assert targets.heat_M.sum() == 0
    assert len(targets.positive_P) == len(targets.regression_Q) == len(targets.distances_Q4) == 0


def test_images_of_a_batch_do_not_see_each_other() -> None:
    boxes = [
        torch.tensor([[3.0, 5, 41, 33], [20, 8, 90, 60]]),
        torch.zeros(0, 4),
        torch.tensor([[22.0, 18, 39, 31]]),  # near both of the first image, smaller, and so relatively farther away
    ]
    for together, mine in zip(cell_targets(boxes, grid_of(), CONFIG), boxes, strict=True):
        (alone,) = cell_targets([mine], grid_of(), CONFIG)
        for name in ("heat_M", "positive_P", "regression_Q", "distances_Q4"):
            assert torch.equal(getattr(together, name), getattr(alone, name)), name


def test_centre_on_the_border_stays_in_the_grid() -> None:
    corner = torch.tensor([[90.0, 60, 102, 68]])  # centre (96, 64) = the image's corner
    (targets,) = cell_targets([corner], grid_of(), CONFIG)
    assert targets.positive_P.tolist() == [7 * 12 + 11]


def test_focal_losses_by_hand() -> None:
    logits = torch.tensor([[0.0, 1.0, 3.0]])  # sigmoid .5, .731, .953: the last is above .85 and skipped
    heat = torch.tensor([[1.0, 0.5, 0.0]])
    positive, negative = heat_map_losses(logits, heat, torch.tensor([0, 0]), 2, CONFIG)
    assert positive.item() == pytest.approx(0.5 * 0.25 * 2 * 0.25 * math.log(2) / 2)
    p = 1 / (1 + math.exp(-1))
    assert negative.item() == pytest.approx(0.5 * 0.75 * 0.5**4 * p**2 * -math.log(1 - p) / 2, rel=1e-5)


def test_losses_without_objects_are_finite() -> None:
    none = torch.zeros(0, dtype=torch.long)
    positive, negative = heat_map_losses(torch.zeros(2, 5), torch.zeros(2, 5), none, 0, CONFIG)
    assert positive.item() == 0
    assert negative.item() == pytest.approx(0.5 * 0.75 * 10 * 0.25 * math.log(2))
    assert distance_loss(torch.zeros(0, 4), torch.zeros(0, 4), 0, CONFIG).item() == 0

"""Runs of masks, and overlaps counted from runs against overlaps counted pixel by pixel."""

import numpy as np
import pytest

from methods.common.datasets.rle import encode_mask
from methods.common.metrics.cityscapes.instance_overlaps import OverlapCounter, cuts, runs_of_array, runs_of_texts

SHAPES = [(1, 1), (1, 8), (3, 5), (64, 64), (40, 103), (4, 2048), (33, 300), (2048, 3)]


def masks(shape: tuple[int, int], rng: np.random.Generator) -> list[np.ndarray]:
    """Noise of several densities, empty, full, a band, the last pixel."""
    noise = [rng.random(shape) < density for density in (0.001, 0.1, 0.5, 0.99)]
    empty, band, last = np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape, bool)
    band[shape[0] // 3 : shape[0] // 2 + 1], last[-1, -1] = True, True
    return [*noise, empty, ~empty, band, last]


@pytest.mark.parametrize("shape", SHAPES)
def test_runs_cover_exactly_the_mask(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for mask in masks(shape, rng):
        for form in (mask, mask * np.uint8(200), mask * rng.integers(1, 9, shape), np.asfortranarray(mask)):
            runs = runs_of_array(form)
            assert np.array_equal(painted(*runs, mask.size), mask.ravel())
        owner, start, end, fits = runs_of_texts([encode_mask(mask)["counts"]] * 2, mask.size)
        assert fits.all()
        assert np.array_equal(painted(start[owner == 1], end[owner == 1], mask.size), mask.ravel(order="F"))


def painted(start: np.ndarray, end: np.ndarray, size: int) -> np.ndarray:
    assert (start < end).all()
    steps = np.zeros(size + 1, int)
    np.add.at(steps, start, 1)
    np.add.at(steps, end, -1)
    assert set(np.cumsum(steps)) <= {0, 1}
    return np.cumsum(steps)[:-1] == 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_overlaps_equal_counting_pixels(shape: tuple[int, int], dtype: type) -> None:
    rng = np.random.default_rng(1)
    values = [0, 7, 24, 26, 30, *([] if dtype == np.uint8 else [24000, 26001, 30001, 33999])]
    image = rng.choice(values, shape).astype(dtype)
    image[: shape[0] // 2] = image[0, 0]
    by_rows, by_columns = (OverlapCounter(image, scan, "image") for scan in ("rows", "columns"))  # type: ignore[arg-type]
    drawn = masks(shape, rng)
    for number, mask in enumerate(drawn):
        start, end = runs_of_array(mask)
        by_rows.add(np.full(len(start), number), start, end)
    by_columns.add(*runs_of_texts([encode_mask(mask)["counts"] for mask in drawn], image.size)[:3])
    objects = [value for value in np.unique(image).tolist() if value in (24, 26, 24000, 26001, 33999)]
    expected = [
        [(mask & np.isin(image, [0, 30])).sum(), *((mask & (image == value)).sum() for value in objects)]
        for mask in drawn
    ]
    for counter in (by_rows, by_columns):
        assert counter.objects.instance_id_K.tolist() == objects
        assert counter.objects.area_K.tolist() == [(image == value).sum() for value in objects]
        table = counter.table(len(drawn))
        assert table[:, 1:].tolist() == expected
        assert table.sum(axis=1).tolist() == [mask.sum() for mask in drawn]


@pytest.mark.parametrize("sizes", [[], [5], [600_000] * 3, [1] * 10, [499_999, 1, 1], [0, 0], [1_200_000, 0]])
def test_cuts_lose_nothing(sizes: list[int]) -> None:
    found = cuts(sizes)
    assert found[0] == 0
    assert found[-1] == len(sizes)
    assert found == sorted(set(found))

"""Masks as strips: areas, boxes and shared pixels against plain arrays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from methods.common.datasets.rle import decode_runs, encode_mask, join_texts, runs_to_rle
from methods.common.metrics.detection.run_length_masks import MaskTable

sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))
many_masks = sizes.flatmap(lambda size: st.lists(hnp.arrays(bool, size), min_size=1, max_size=4))


def table_of(masks: list[np.ndarray]) -> MaskTable:
    runs = decode_runs(*join_texts([encode_mask(mask)["counts"] for mask in masks]))
    return MaskTable.from_runs(runs, np.array([len(mask) for mask in masks]))


def spell(values: list[int]) -> str:
    """COCO's text of numbers, five bits a character, lowest first."""
    text = ""
    for value in values:
        more = True
        while more:
            digit, value = value & 31, value >> 5
            more = value != (-1 if digit & 16 else 0)
            text += chr(48 + digit + 32 * more)
    return text


def read(values: list[int]) -> tuple[list[int], bool]:
    """Runs that differences stand for, one after the other, and whether they can be runs."""
    runs: list[int] = []
    for place, value in enumerate(values):
        runs.append(value + (runs[place - 2] if place > 2 else 0))
    return runs, bool(runs) and min(runs) >= 0 and sum(runs) < 2**31


differences = st.one_of(st.integers(-3, 9), st.integers(-(2**29), 2**29 - 1))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(differences, max_size=9), max_size=6))
def test_runs_of_any_numbers(many: list[list[int]]) -> None:
    table = decode_runs(*join_texts([spell(values) for values in many]))
    assert table.sound_N.tolist() == [read(values)[1] for values in many]
    sums = table.sums()
    for index, values in enumerate(many):
        runs, sound = read(values)
        if sound:
            ends = np.cumsum(runs)
            own = slice(*table.offset_N1[index : index + 2].tolist())
            assert table.start_F[own].tolist() == ends[:-1:2].tolist()
            assert table.stop_F[own].tolist() == ends[1::2].tolist()
            assert (sums.covered[index], sums.area[index]) == (sum(runs), sum(runs[1::2]))


@settings(max_examples=150, deadline=None)
@given(many_masks)
def test_areas_boxes_and_shared_pixels(masks: list[np.ndarray]) -> None:
    table, other = table_of(masks), table_of(masks[::-1])
    assert table.area.tolist() == [mask.sum() for mask in masks]
    x, y, width, height = coco_mask.toBbox([encode_mask(mask) for mask in masks]).T
    np.testing.assert_array_equal(table.box, np.stack([x, y, x + width, y + height], 1))
    mine, theirs = (index.ravel() for index in np.indices((len(masks), len(masks))))
    expected = [(masks[i] & masks[::-1][j]).sum() for i, j in zip(mine, theirs, strict=True)]
    assert table.shared_pixels(mine, other, theirs).tolist() == expected


@settings(max_examples=50, deadline=None)
@given(many_masks)
def test_tables_join_and_crops_give_the_masks_back(masks: list[np.ndarray]) -> None:
    alone = [MaskTable.from_mask(mask, 0, 0) for mask in masks]
    table = MaskTable.concatenate(alone)
    for name in ("column_S", "top_S", "bottom_S", "offset_N1"):
        np.testing.assert_array_equal(getattr(table, name), getattr(table_of(masks), name))
    for index, mask in enumerate(masks):
        crop, left, top = table.crop(index)
        np.testing.assert_array_equal(crop, mask[top : top + crop.shape[0], left : left + crop.shape[1]])
        assert crop.sum() == mask.sum()


def test_images_of_different_heights_and_runs_of_no_length() -> None:
    tall, wide = np.zeros((9, 2), bool), np.zeros((2, 9), bool)
    tall[3:, 0] = tall[:4, 1] = wide[:, 4] = True
    odd = runs_to_rle([2, 0, 1, 3, 0, 2, 10], 9, 2)["counts"]  # zeros in the middle: pixels 3..7 in two touching runs
    runs = decode_runs(*join_texts([encode_mask(tall)["counts"], encode_mask(wide)["counts"], odd]))
    table = MaskTable.from_runs(runs, np.array([9, 2, 9]))
    assert table.area.tolist() == [10, 2, 5]
    assert table.box.tolist() == [[0, 0, 2, 9], [4, 0, 5, 2], [0, 3, 1, 8]]
    assert table.shared_pixels(np.array([0, 2]), table, np.array([2, 2])).tolist() == [5, 5]


def test_large_images_are_cut_exactly() -> None:
    """Columns are found with floating-point quotients; every pixel of a big image must land in the right one."""
    height, width = 4099, 4093
    ends = np.arange(1, width) * height
    for shift in (-1, 0, 1):
        start = np.sort(np.concatenate([ends + shift, ends + shift + 1]))
        runs = np.diff(np.concatenate([[0], start, [height * width]])).tolist()
        table = MaskTable.from_runs(
            decode_runs(*join_texts([runs_to_rle(runs, height, width)["counts"]])), np.array([height])
        )
        np.testing.assert_array_equal(table.column_S, (ends + shift) // height)
        np.testing.assert_array_equal(table.top_S, (ends + shift) % height)
        assert (table.bottom_S - table.top_S == 1).all()

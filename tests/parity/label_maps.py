"""Hard label maps for hypothesis, and how they become files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

Map = NDArray[np.int64]


@st.composite
def label_map(draw: st.DrawFn, labels: Sequence[int], shape: tuple[int, int]) -> Map:
    """Rectangles over each other, down to one pixel, on one label; now and then nothing else, or noise."""
    height, width = shape
    label = st.sampled_from(labels)
    found = np.full(shape, draw(label))
    if draw(st.integers(0, 5)) == 0:
        generator = np.random.default_rng(draw(st.integers(0, 1 << 16)))
        return generator.choice(labels, shape)
    row, column = st.integers(0, height - 1), st.integers(0, width - 1)
    side = st.sampled_from([1, 1, 2, 3, 8, 20, 60])
    for top, left, tall, wide, value in draw(st.lists(st.tuples(row, column, side, side, label), max_size=8)):
        found[top : top + tall, left : left + wide] = value
    return found


@st.composite
def map_pair(
    draw: st.DrawFn, truth_labels: Sequence[int], predicted_labels: Sequence[int], largest_side: int = 24
) -> tuple[Map, Map]:
    """Ground truth and prediction of one image: unrelated, or equal but for a few rectangles."""
    shape = draw(st.tuples(st.integers(1, largest_side), st.integers(1, largest_side)))
    truth = draw(label_map(truth_labels, shape))
    prediction = draw(label_map(predicted_labels, shape))
    if draw(st.booleans()):
        known = np.isin(truth, predicted_labels) & (draw(label_map((0, 1, 1), shape)) == 1)
        prediction[known] = truth[known]
    return truth, prediction


def write_labels(path: Path, label_HW: Map, kind: type = np.uint8) -> None:
    """Write a gray PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(label_HW.astype(kind)).save(path, compress_level=1)


def write_rgb_ids(path: Path, id_HW: Map) -> None:
    """Write an RGB PNG, id = R + 256 G + 65536 B."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb_HW3 = np.stack([id_HW % 256, id_HW // 256 % 256, id_HW // 65536], axis=2)
    Image.fromarray(rgb_HW3.astype(np.uint8)).save(path, compress_level=1)

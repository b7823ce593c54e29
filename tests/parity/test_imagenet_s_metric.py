"""Our ImageNet-S metrics against the evaluator's description, written out class by class and pixel by pixel."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from methods.common.datasets.image_lists import read_image_list
from methods.common.errors import InputError
from methods.common.metrics.label_maps.imagenet_s import SUBSETS, ImageNetSEvaluation, boundary, evaluate_imagenet_s
from tests.parity.label_maps import Map, label_map, map_pair, write_rgb_ids

Pairs = list[tuple[Map, Map]]
NUM_CLASSES = 300
LABELS = (0, 0, 1, 2, 256, 300)
SIZES = {"S": (0, 5), "MS": (5, 25), "ML": (25, 50), "L": (50, 100)}


def near_another_label(label_HW: Map) -> NDArray[np.bool_]:
    """Compare every pixel with all others within reach, outside the image being a label of its own."""
    height, width = label_HW.shape
    reach = max(1, round(0.03 * np.sqrt(height**2 + width**2)))
    padded = np.pad(label_HW, reach, constant_values=-1)
    near = np.zeros(label_HW.shape, bool)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            near |= padded[down : down + height, right : right + width] != label_HW
    return near


class Pool:
    """Pixels of each label over all images."""

    def __init__(self) -> None:
        self.right, self.predicted, self.true = ({label: 0 for label in range(NUM_CLASSES + 1)} for _ in range(3))

    def add(self, truth: Map, prediction: Map, on_truth: NDArray, on_prediction: NDArray) -> None:
        for label in set(np.unique(truth).tolist()) | set(np.unique(prediction).tolist()):
            is_true, is_predicted = (truth == label) & on_truth, (prediction == label) & on_prediction
            self.right[label] += int((is_true & is_predicted).sum())
            self.predicted[label] += int(is_predicted.sum())
            self.true[label] += int(is_true.sum())

    def iou(self) -> dict[int, float]:
        return {
            label: 100 * right / (self.predicted[label] + self.true[label] - right + 1e-10)
            for label, right in self.right.items()
        }

    def mean(self, present_only: bool) -> float | None:
        values = [value for label, value in self.iou().items() if not present_only or self.true[label]]
        return sum(values) / len(values) if values else None


def by_the_description(pairs: Pairs) -> tuple[dict[str, float | None], dict[int, float]]:
    pools = {name: Pool() for size in SIZES for name in (size, f"B{size}")} | {"mIoU": Pool(), "mBIoU": Pool()}
    hits, f_measures = 0, []
    for truth_HW, prediction_HW in pairs:
        kept = truth_HW != 1000
        on_truth, on_prediction = near_another_label(truth_HW)[kept], near_another_label(prediction_HW)[kept]
        truth, prediction = truth_HW[kept], prediction_HW[kept]
        everywhere = np.ones(truth.shape, bool)
        pools["mIoU"].add(truth, prediction, everywhere, everywhere)
        pools["mBIoU"].add(truth, prediction, on_truth, on_prediction)
        for size, (above, up_to) in SIZES.items():
            labels = [
                label
                for label in np.unique(truth).tolist()
                if label and above < math.ceil(100 * int((truth == label).sum()) / truth.size) <= up_to
            ]
            if labels:
                part = np.isin(truth, [0, *labels])
                pools[size].add(truth[part], prediction[part], everywhere[part], everywhere[part])
                pools[f"B{size}"].add(truth[part], prediction[part], on_truth[part], on_prediction[part])
        areas = [int((prediction == label).sum()) for label in range(1, NUM_CLASSES + 1)]
        largest = 1 + areas.index(max(areas))
        hits += max(areas) > 0 and bool((truth == largest).any())
        f_measures.append(f_measure(truth > 0, prediction > 0))
    metrics = {name: pool.mean(name not in ("mIoU", "mBIoU")) for name, pool in pools.items()}
    metrics |= {"Acc": 100 * hits / len(pairs), "FMeasure": 100 * sum(f_measures) / len(pairs)}
    return metrics, pools["mIoU"].iou()


def f_measure(truth: NDArray, prediction: NDArray) -> float:
    right = int((truth & prediction).sum())
    if not right:
        return 0.0
    precision, recall = right / int(prediction.sum()), right / int(truth.sum())
    return 1.3 * precision * recall / (0.3 * precision + recall)


def write(folder: Path, pairs: Pairs) -> tuple[Path, Path]:
    for number, (truth_HW, prediction_HW) in enumerate(pairs):
        for role, label_HW in (("truth", truth_HW), ("predicted", prediction_HW)):
            write_rgb_ids(folder / role / "n01443537" / f"ILSVRC2012_val_{number:08}.png", label_HW)
    return folder / "truth", folder / "predicted"


def evaluated(pairs: Pairs, **options: int) -> ImageNetSEvaluation:
    with TemporaryDirectory() as folder:
        return evaluate_imagenet_s(*write(Path(folder), pairs), NUM_CLASSES, **options)


@settings(max_examples=50, deadline=None)
@given(
    pairs=st.lists(map_pair((*LABELS, 1000), LABELS, largest_side=60), min_size=1, max_size=3),
    weights=st.lists(st.integers(0, 2), min_size=3, max_size=3),
)
def test_equals_the_description(pairs: Pairs, weights: list[int]) -> None:
    ours = evaluated(pairs)
    expected, iou = by_the_description(pairs)
    assert ours.metrics() == pytest.approx(expected, abs=1e-9)
    assert {row["class"]: row["IoU"] for row in ours.per_class()} == pytest.approx(iou, abs=1e-9)
    assert ours.metrics(np.ones(len(pairs))) == ours.metrics()
    repeated = [pair for pair, weight in zip(pairs, weights, strict=False) for _ in range(weight)]
    if repeated:
        expected, _ = by_the_description(repeated)
        assert ours.metrics(np.array(weights[: len(pairs)], float)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_boundaries(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    label_HW = data.draw(label_map((0, 1, 1000), shape))
    np.testing.assert_array_equal(boundary(label_HW.astype(np.uint16)), near_another_label(label_HW))


def test_a_class_that_occurs_nowhere_counts_as_zero() -> None:
    truth = np.zeros((10, 10), int)
    truth[:5] = 1
    metrics = evaluated([(truth, truth)]).metrics()
    assert metrics["mIoU"] == pytest.approx(200 / 301)
    assert [metrics[name] for name in ("ML", "Acc", "FMeasure")] == pytest.approx([100, 100, 100])
    assert metrics["S"] is metrics["MS"] is metrics["L"] is None


@pytest.mark.parametrize(
    ("num_pixels", "size"),
    [(1, "S"), (50, "S"), (51, "MS"), (250, "MS"), (251, "ML"), (500, "ML"), (501, "L"), (999, "L")],
)
def test_sizes_are_rounded_up(num_pixels: int, size: str) -> None:
    truth = np.where(np.arange(1000).reshape(25, 40) < num_pixels, 1, 0)
    metrics = evaluated([(truth, truth)]).metrics()
    assert [name for name in SIZES if metrics[name] is not None] == [size]


def test_processes_do_not_matter(in_processes: None) -> None:
    generator = np.random.default_rng(0)
    pairs = [(generator.choice(LABELS, (9, 7)), generator.choice(LABELS, (9, 7))) for _ in range(9)]
    assert evaluated(pairs).metrics() == evaluated(pairs, num_processes=2).metrics()


def test_published_lists(shared: Path, tmp_path: Path) -> None:
    lists = shared / "data" / "imagenet_s"
    for num_classes in SUBSETS:
        synsets = (lists / f"ImageNetS_categories_im{num_classes}.txt").read_text().split()
        assert len(synsets) == num_classes
        assert synsets == sorted(synsets)
    names = read_image_list(lists / "ImageNetS_im50_validation.txt")
    assert len(names) == 752
    assert names[0] == "n01443537/ILSVRC2012_val_00004677"
    for role in ("truth", "predicted"):
        write_rgb_ids(tmp_path / role / f"{names[0]}.png", np.array([[50, 0]]))
    (tmp_path / "list.txt").write_text(f"{names[0]}.JPEG {names[0]}.png\n")
    ours = evaluate_imagenet_s(tmp_path / "truth", tmp_path / "predicted", 50, image_list=tmp_path / "list.txt")
    assert ours.metrics()["mIoU"] == pytest.approx(200 / 51)


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (301, 0, r"truth/.*png has label 301 at row 0, column 1; labels \(R \+ 256 G\) are 0 to 300, and 1000 is ignored"),
        (1000, 1000, "predicted/.*png has label 1000 at row 0, column 1; .* 0 to 300 in predictions"),
        (65536, 0, "label 65536"),
    ],
)  # fmt: skip
def test_labels_out_of_range(truth: int, prediction: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluated([(np.array([[0, truth]]), np.array([[0, prediction]]))])


def test_faulty_requests(tmp_path: Path) -> None:
    places = write(tmp_path, [(np.zeros((2, 2), int), np.zeros((2, 2), int))])
    with pytest.raises(InputError, match="no subset of 51 classes; choose 50, 300 or 919"):
        evaluate_imagenet_s(*places, 51)
    with pytest.raises(InputError, match="1 class names for 50 classes"):
        evaluate_imagenet_s(*places, 50, class_names=["fish"])

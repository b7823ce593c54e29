"""Our semantic metrics against the VOC 2012 development kit's formula, written out pixel by pixel."""

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from methods.common.datasets.label_conventions import ADE20K, CONVENTIONS, VOC_2012, LabelConvention
from methods.common.errors import InputError
from methods.common.metrics.label_maps.semantic import SemanticEvaluation, evaluate_semantic
from methods.common.metrics.official.semantic import evaluate_semantic_officially
from tests.parity.label_maps import Map, map_pair, write_labels

Pairs = list[tuple[Map, Map]]

SMALL_VOC = LabelConvention(num_classes=4)
SMALL_ADE = LabelConvention(num_classes=4, reduce_zero_label=True)
CHALLENGE_ADE = LabelConvention(num_classes=4, reduce_zero_label=True, predictions_from_one=True)
NOTHING_IGNORED = LabelConvention(num_classes=4, ignore_label=None)
MANY_CLASSES = LabelConvention(num_classes=546, ignore_label=65_535)

# Convention, labels of ground truth, labels of predictions, and the pixels' type.
CASES = [
    (SMALL_VOC, (0, 1, 2, 3, 255, 255), (0, 1, 2, 3), np.uint8),
    (SMALL_ADE, (0, 0, 1, 2, 3, 4, 255), (0, 1, 2, 3), np.uint8),
    (CHALLENGE_ADE, (0, 0, 1, 2, 3, 4), (0, 1, 2, 3, 4), np.uint8),
    (NOTHING_IGNORED, (0, 1, 3), (0, 2, 3), np.uint8),
    (MANY_CLASSES, (0, 1, 300, 545, 65_535), (0, 1, 300, 545), np.uint16),
]


def by_the_kit(pairs: Pairs, convention: LabelConvention) -> dict[str, float | list[float] | None]:
    """Confusion matrix of every pixel whose ground truth counts; NaN marks what is 0 / 0."""
    confusion: Counter[tuple[int, int]] = Counter()
    for truth_HW, prediction_HW in pairs:
        for true, predicted in zip(truth_HW.ravel().tolist(), prediction_HW.ravel().tolist(), strict=True):
            if true == convention.ignore_label or (convention.reduce_zero_label and true == 0):
                continue
            confusion[true - convention.reduce_zero_label, predicted - convention.predictions_from_one] += 1
    classes = range(convention.num_classes)
    right = [confusion[k, k] for k in classes]
    truth = [sum(n for (true, _), n in confusion.items() if true == k) for k in classes]
    predicted = [sum(n for (_, label), n in confusion.items() if label == k) for k in classes]
    iou = [a / (b + c - a) if b + c - a else math.nan for a, b, c in zip(right, truth, predicted, strict=True)]
    recall = [a / b if b else math.nan for a, b in zip(right, truth, strict=True)]
    return {
        "mIoU": mean(iou),
        "pixel_accuracy": sum(right) / sum(truth) if sum(truth) else None,
        "mean_accuracy": mean(recall),
        "IoU": iou,
    }


def mean(values: list[float]) -> float | None:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else None


def write(folder: Path, pairs: Pairs, kind: type = np.uint8) -> tuple[Path, Path]:
    for number, (truth_HW, prediction_HW) in enumerate(pairs):
        write_labels(folder / "truth" / "sub" / f"{number}.png", truth_HW, kind)
        write_labels(folder / "predicted" / "sub" / f"{number}.png", prediction_HW, kind)
    return folder / "truth", folder / "predicted"


def evaluated(pairs: Pairs, convention: LabelConvention, kind: type = np.uint8, **options: int) -> SemanticEvaluation:
    with TemporaryDirectory() as folder:
        return evaluate_semantic(*write(Path(folder), pairs, kind), convention, **options)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), case=st.sampled_from(CASES))
def test_equals_the_kits_formula(data: st.DataObject, case: tuple) -> None:
    convention, truth_labels, predicted_labels, kind = case
    pairs = data.draw(st.lists(map_pair(truth_labels, predicted_labels), min_size=1, max_size=3))
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)).filter(any))
    ours = evaluated(pairs, convention, kind)
    expected = by_the_kit(pairs, convention)
    iou = expected.pop("IoU")
    assert ours.metrics() == pytest.approx(expected, abs=1e-12)
    assert [row["IoU"] for row in ours.per_class()] == pytest.approx(
        [None if math.isnan(value) else value for value in iou], abs=1e-12
    )
    assert ours.metrics(np.ones(len(pairs))) == ours.metrics()
    repeated = [pair for pair, weight in zip(pairs, weights, strict=True) for _ in range(weight)]
    expected = by_the_kit(repeated, convention)
    expected.pop("IoU")
    assert ours.metrics(np.array(weights, float)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), case=st.sampled_from(CASES))
def test_torchmetrics_says_the_same(data: st.DataObject, case: tuple) -> None:
    convention, truth_labels, predicted_labels, kind = case
    pairs = data.draw(st.lists(map_pair(truth_labels, predicted_labels), min_size=1, max_size=3))
    with TemporaryDirectory() as folder:
        places = write(Path(folder), pairs, kind)
        ours, official = evaluate_semantic(*places, convention), evaluate_semantic_officially(*places, convention)
    assert official.metrics() == pytest.approx(ours.metrics(), abs=1e-6)
    assert official.image_ids == ours.image_ids
    for theirs, row in zip(official.per_class(), ours.per_class(), strict=True):
        assert theirs == {name: pytest.approx(row[name], abs=1e-6) for name in theirs}


def test_torchmetrics_pools_images_and_takes_a_list(tmp_path: Path) -> None:
    whole, half = np.zeros((2, 8), int), np.repeat([[0, 1]], 4, axis=1).repeat(2, axis=0)
    places = write(tmp_path, [(whole, whole), (half, whole), (half, half)])
    (tmp_path / "val.txt").write_text("sub/0\nsub/1\n")
    official = evaluate_semantic_officially(*places, LabelConvention(num_classes=2), image_list=tmp_path / "val.txt")
    assert official.metrics()["mIoU"] == pytest.approx((24 / 32 + 0) / 2)  # the mean over images is (1 + 1/4) / 2
    assert official.image_ids == ("sub/0", "sub/1")
    with pytest.raises(InputError, match="cannot be resampled"):
        official.metrics(np.ones(2))


@pytest.mark.parametrize(("truth", "prediction", "told"), [(4, 0, "truth/sub/0.png"), (0, 4, "predicted/sub/0.png")])
def test_torchmetrics_never_sees_a_value_beyond_the_classes(
    tmp_path: Path, truth: int, prediction: int, told: str
) -> None:
    places = write(tmp_path, [(np.full((2, 2), truth), np.full((2, 2), prediction))])
    with pytest.raises(InputError, match=f"{told} has a label beyond the classes; leave --official out"):
        evaluate_semantic_officially(*places, SMALL_VOC)


def test_worked_example() -> None:
    truth = np.array([[0, 0, 1, 1], [0, 0, 255, 1]])
    prediction = np.array([[0, 1, 1, 1], [0, 0, 1, 2]])
    ours = evaluated([(truth, prediction)], SMALL_VOC)
    assert [row["IoU"] for row in ours.per_class()] == [3 / 4, 2 / 4, 0.0, None]
    assert ours.metrics() == {
        "mIoU": pytest.approx(1.25 / 3),
        "pixel_accuracy": pytest.approx(5 / 7),
        "mean_accuracy": pytest.approx((3 / 4 + 2 / 3) / 2),
    }
    nothing = evaluated([(np.full((2, 2), 255), np.zeros((2, 2), int))], SMALL_VOC)
    assert set(nothing.metrics().values()) == {None}


def test_predictions_from_one_are_suspected() -> None:
    ones, zeros = np.ones((2, 2), int), np.zeros((2, 2), int)
    assert evaluated([(ones, ones)], SMALL_ADE).notes()[:-1] == [
        "no prediction is class 0 (0); if predictions are numbered from 1, say so (--predictions-from-one)"
    ]
    for convention, prediction in ((SMALL_ADE, zeros), (CHALLENGE_ADE, ones), (SMALL_VOC, ones)):
        assert evaluated([(ones, prediction)], convention).notes()[:-1] == []


def test_processes_do_not_matter(in_processes: None) -> None:
    generator = np.random.default_rng(0)
    pairs = [(generator.integers(0, 4, (9, 7)), generator.integers(0, 4, (9, 7))) for _ in range(11)]
    alone, together = evaluated(pairs, SMALL_VOC), evaluated(pairs, SMALL_VOC, num_processes=2)
    assert alone.image_ids == together.image_ids
    np.testing.assert_array_equal(alone.count_I3K, together.count_I3K)


def test_indices_of_palettes_and_an_image_list(tmp_path: Path) -> None:
    truth, predicted = write(tmp_path, [(np.array([[0, 20, 255]]), np.array([[0, 20, 3]]))] * 2)
    for path in truth.rglob("*.png"):
        picture = Image.open(path)
        picture.putpalette([value % 256 for value in range(7, 775)])  # mode P
        picture.save(path)
    (tmp_path / "val.txt").write_text("sub/1\n\n")
    (predicted / "sub" / "0.png").unlink()
    ours = evaluate_semantic(truth, predicted, VOC_2012, image_list=tmp_path / "val.txt")
    assert ours.image_ids == ("sub/1",)
    assert ours.metrics()["mIoU"] == 1.0
    named = {row["name"]: row["IoU"] for row in ours.per_class()}
    assert {name for name, iou in named.items() if iou is not None} == {"background", "tvmonitor"}


@pytest.mark.parametrize(
    ("truth", "prediction", "convention", "message"),
    [
        ([[0, 1], [7, 1]], [[0, 0], [0, 0]], SMALL_VOC, "truth/sub/0.png has label 7 at row 1, column 0; labels are 0 to 3, and 255"),
        ([[0, 255]], [[0, 255]], SMALL_VOC, "predicted/sub/0.png has label 255 at row 0, column 1; predicted labels are 0 to 3"),
        ([[0, 5]], [[0, 0]], SMALL_ADE, "label 5 at row 0, column 1; labels are 0 to 4"),
        ([[0, 1]], [[0, 4]], SMALL_ADE, "if predictions are numbered from 1, say so"),
        ([[0, 1]], [[0, 5]], CHALLENGE_ADE, "predicted labels are 0 to 4"),
        ([[0, 255]], [[0, 0]], NOTHING_IGNORED, "label 255 at row 0, column 1; labels are 0 to 3;"),
    ],
)  # fmt: skip
def test_labels_out_of_range(truth: list, prediction: list, convention: LabelConvention, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        evaluated([(np.array(truth), np.array(prediction))], convention)
    assert "\n" not in str(raised.value)


def test_conventions_say_what_they_mean() -> None:
    assert {name: convention.num_classes for name, convention in CONVENTIONS.items()} == {"voc2012": 21, "ade20k": 150}
    with pytest.raises(InputError, match="2 class names for 3 classes"):
        LabelConvention(num_classes=3, class_names=("a", "b"))
    with pytest.raises(InputError, match="num_classes is 0"):
        LabelConvention(num_classes=0)


def test_camvids_published_pixel_counts(shared: Path) -> None:
    labels = shared / "data" / "camvid" / "val" / "labels"
    ours = evaluate_semantic(labels, labels, LabelConvention(num_classes=12, ignore_label=None))
    table = [line.split("|") for line in (shared / "data" / "camvid" / "README.md").read_text().splitlines()]
    published = [int(cells[3]) for cells in table if len(cells) == 6 and cells[1].strip().isdigit()]
    assert len(published) == 12
    assert [row["ground_truth_px"] for row in ours.per_class()] == published
    assert ours.metrics() == {"mIoU": 1.0, "pixel_accuracy": 1.0, "mean_accuracy": 1.0}


def test_real_ade20k_annotations(shared: Path, tmp_path: Path) -> None:
    annotations = shared / "data" / "ade20k" / "sceneparsing"
    names = [
        line.split("\t")[4].split(",")[0].strip()
        for line in (annotations / "objectInfo150.txt").read_text().splitlines()[1:]
    ]
    assert list(ADE20K.class_names) == names
    truths = {path.name: np.array(Image.open(path), int) for path in (annotations / "annotations").glob("*.png")}
    pairs = []
    for name, truth_HW in truths.items():
        predicted_HW = np.roll(np.maximum(truth_HW, 1) - 1, 5, axis=1)
        write_labels(tmp_path / "zero" / name, predicted_HW)
        write_labels(tmp_path / "one" / name, predicted_HW + 1)
        pairs.append((truth_HW, predicted_HW))
    expected = by_the_kit(pairs, ADE20K)
    expected.pop("IoU")
    ours = evaluate_semantic(annotations / "annotations", tmp_path / "zero", ADE20K)
    assert ours.metrics() == pytest.approx(expected, abs=1e-12)
    from_one = LabelConvention(150, reduce_zero_label=True, predictions_from_one=True)
    assert evaluate_semantic(annotations / "annotations", tmp_path / "one", from_one).metrics() == ours.metrics()


def test_metrics_on_folders_do_not_load_torch(tmp_path: Path) -> None:
    truth, predicted = write(tmp_path, [(np.zeros((4, 4), int), np.zeros((4, 4), int))])
    program = f"""
import sys
from pathlib import Path
from methods.common.metrics.cityscapes import semantic as cityscapes_semantic
from methods.common.metrics.label_maps import imagenet_s
from methods.common.metrics.official import cityscapes_semantic as official_cityscapes_semantic
from methods.common.metrics.official import panoptic as official_panoptic
from methods.common.metrics.official import semantic as official_semantic
from methods.common.metrics.label_maps import panoptic
from methods.common.datasets.label_conventions import VOC_2012
from methods.common.metrics.label_maps.semantic import evaluate_semantic
assert not {{"cv2", "PIL", "cityscapesscripts"}} & set(sys.modules)
evaluate_semantic(Path({str(truth)!r}), Path({str(predicted)!r}), VOC_2012)
print("torch" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"

"""Our Cityscapes pixel-level evaluation against cityscapesScripts, and the grouped protocol against its own words."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.datasets.cityscapes_labels import INSTANCE_LABELS, LABELS
from methods.common.errors import InputError
from methods.common.metrics.cityscapes import frames as cityscapes_frames
from methods.common.metrics.cityscapes.semantic import CityscapesSemanticEvaluation, evaluate_cityscapes_semantic
from methods.common.metrics.official.cityscapes_semantic import evaluate_cityscapes_semantic_officially
from tests.parity.label_maps import Map, label_map, map_pair, write_labels

# Void, stuff, an ignored class of a category that counts, things, ignored things.
LABEL_IDS = (0, 3, 7, 7, 9, 23, 24, 25, 26, 26, 29, 30, 31, 32, 33)
# No instances, groups, one that is just not above 1000, instances of void, of ignored things, of things.
INSTANCE_IDS = (0, 7, 26, 1000, 1001, 6001, 29000, 24000, 24001, 25000, 26000, 26001, 33999)
TRUTH, INSTANCES = "_gtFine_labelIds.png", "_gtFine_instanceIds.png"

Image = tuple[Map, Map, Map]


@st.composite
def image(draw: st.DrawFn) -> Image:
    """Label ids, instance ids and prediction; instances mostly fit the labels."""
    truth, prediction = draw(map_pair(LABEL_IDS, LABEL_IDS))
    instances = draw(label_map(INSTANCE_IDS, truth.shape))
    if draw(st.booleans()):
        instances = np.where(truth >= 24, truth * 1000 + draw(label_map((0, 1, 7), truth.shape)), truth)
    return truth, instances, prediction


def write(folder: Path, images: list[Image]) -> tuple[Path, Path]:
    for number, (truth_HW, instance_HW, prediction_HW) in enumerate(images):
        city = ("aachen", "bad-honnef")[number % 2]
        frame = f"{city}_000000_{number:06}"
        write_labels(folder / "gtFine" / city / f"{frame}{TRUTH}", truth_HW)
        write_labels(folder / "gtFine" / city / f"{frame}{INSTANCES}", instance_HW, np.uint16)
        write_labels(folder / "results" / f"{frame}_leftImg8bit_pred.png", prediction_HW)
    return folder / "gtFine", folder / "results"


def evaluated(images: list[Image], protocol: str = "official", **options: int) -> CityscapesSemanticEvaluation:
    with TemporaryDirectory() as folder:
        return evaluate_cityscapes_semantic(*write(Path(folder), images), protocol, **options)


def by_name(rows: list[dict]) -> dict[str, float | None]:
    return {f"{row['name']} {field}": row[field] for row in rows for field in ("IoU", "iIoU")}


@settings(max_examples=60, deadline=None)
@given(images=st.lists(image(), min_size=1, max_size=3), weights=st.lists(st.integers(0, 2), min_size=3, max_size=3))
def test_equals_cityscapesscripts(images: list[Image], weights: list[int]) -> None:
    weights = weights[: len(images)]
    with TemporaryDirectory() as folder:
        places = write(Path(folder), images)
        ours = evaluate_cityscapes_semantic(*places)
        official = evaluate_cityscapes_semantic_officially(*places)
    assert ours.image_ids == official.image_ids
    assert ours.metrics() == pytest.approx(official.metrics(), abs=1e-9)
    assert by_name(ours.per_class()) == pytest.approx(by_name(official.per_class()), abs=1e-9)
    assert ours.metrics(np.ones(len(images))) == pytest.approx(ours.metrics(), abs=1e-12)
    # The order of files is that of names.
    in_order = sorted(images, key=lambda one: ours.image_ids.index(name_of(images, one)))
    repeated = [one for one, weight in zip(in_order, weights, strict=True) for _ in range(weight)]
    if repeated:
        assert ours.metrics(np.array(weights, float)) == pytest.approx(evaluated(repeated).metrics(), abs=1e-12)


def name_of(images: list[Image], one: Image) -> str:
    number = next(number for number, other in enumerate(images) if other is one)
    return f"{('aachen', 'bad-honnef')[number % 2]}_000000_{number:06}"


def grouped_by_hand(images: list[Image]) -> dict[str, float | None]:
    """IoU of the two groups, pixel by pixel."""
    group_of = {24: "human", 25: "human", 26: "vehicle", 27: "vehicle", 28: "vehicle", 31: "vehicle"}
    ignored = {label.id for label in LABELS if label.ignored} | {32, 33}
    found = {group: [0, 0] for group in ("human", "vehicle")}
    for truth_HW, _, prediction_HW in images:
        for true, predicted in zip(truth_HW.ravel().tolist(), prediction_HW.ravel().tolist(), strict=True):
            for group, counts in found.items():
                is_true, is_predicted = group_of.get(true) == group, group_of.get(predicted) == group
                if true not in ignored:
                    counts[0] += is_true and is_predicted
                    counts[1] += is_true or is_predicted
    iou = {f"IoU {group}": right / union if union else None for group, (right, union) in found.items()}
    defined = [value for value in iou.values() if value is not None]
    return iou | {"mIoU": sum(defined) / len(defined) if defined else None}


@settings(max_examples=40, deadline=None)
@given(images=st.lists(image(), min_size=1, max_size=2))
def test_grouped_protocol(images: list[Image]) -> None:
    ours = evaluated(images, "grouped")
    assert ours.metrics() == pytest.approx(grouped_by_hand(images), abs=1e-12)
    assert "DiffuMask" in ours.definition
    assert [row["name"] for row in ours.per_class()] == ["human", "vehicle"]


def test_grouped_differs_from_the_official_protocol() -> None:
    truth = np.array([[24, 25, 26, 28, 33, 7]])
    prediction = np.array([[25, 24, 28, 26, 26, 7]])
    images = [(truth, np.zeros_like(truth), prediction)]
    assert evaluated(images, "grouped").metrics() == {"IoU human": 1.0, "IoU vehicle": 1.0, "mIoU": 1.0}
    assert evaluated(images).metrics()["averageScoreClasses"] == pytest.approx(1 / 6)


def test_training_ids_are_suspected() -> None:
    assert evaluated([FINE]).notes()[:-1] == [
        "no prediction is above 18; if these are training ids, turn them back into label ids"
    ]
    assert evaluated([FINE, (FINE[0], FINE[1], np.array([[7, 24]]))]).notes()[:-1] == []


def test_a_frame_given_twice_is_refused(tmp_path: Path) -> None:
    places = write(tmp_path, [(FINE[0], FINE[1], np.array([[7, 24]]))])
    (places[0] / "old").mkdir()
    for path in list((places[0] / "aachen").iterdir()):
        (places[0] / "old" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"aachen/.*labelIds.* and .*old/.* are ground truth of the same image"):
        evaluate_cityscapes_semantic(*places)


def test_processes_do_not_matter(in_processes: None) -> None:
    generator = np.random.default_rng(0)
    images = [tuple(generator.choice(ids, (8, 9)) for ids in (LABEL_IDS, INSTANCE_IDS, LABEL_IDS)) for _ in range(9)]
    alone, together = evaluated(images), evaluated(images, num_processes=2)
    assert alone.metrics() == together.metrics()
    assert alone.image_ids == together.image_ids


def test_constants_are_those_of_the_package() -> None:
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as tool  # noqa: N813

    ours = cityscapes_frames.AVERAGE_INSTANCE_PX
    assert ours == {label.name: tool.args.avgClassSize[label.name] for label in INSTANCE_LABELS}
    assert {label.category for label in INSTANCE_LABELS} == set(cityscapes_frames.INSTANCE_CATEGORIES)


def test_the_official_tool_leaves_no_trace(tmp_path: Path) -> None:
    places = write(tmp_path, [(np.array([[7, 24]]), np.array([[7, 24000]]), np.array([[7, 7]]))])
    before, printing = set(vars(np)), print
    official = evaluate_cityscapes_semantic_officially(*places)
    assert set(vars(np)) == before
    assert print is printing
    assert all(type(value) is float for value in official.metrics().values() if value is not None)
    with pytest.raises(InputError, match="cannot be resampled"):
        official.metrics(np.ones(1))


def test_official_errors_are_sentences(tmp_path: Path) -> None:
    places = write(tmp_path, [(np.array([[7, 24]]), np.array([[7, 24000]]), np.array([[7, 255]]))])
    with pytest.raises(InputError, match="official tool stops with IndexError"):
        evaluate_cityscapes_semantic_officially(*places)
    (tmp_path / "gtFine" / "aachen" / f"aachen_000000_000000{INSTANCES}").unlink()
    with pytest.raises(InputError, match="official tool stops: Unable to load"):
        evaluate_cityscapes_semantic_officially(*places)


FINE = (np.array([[7, 24]]), np.array([[7, 24000]]), np.array([[7, 7]]))


@pytest.mark.parametrize(
    ("which", "values", "message"),
    [
        (2, [[7, 255]], "pred.png has label 255 at row 0, column 1; Cityscapes' label ids are 0 to 33"),
        (0, [[7, 34]], "labelIds.png has label 34 at row 0, column 1"),
        (1, [[7, 34001]], "instanceIds.png has label 34001 at row 0, column 1"),
        (1, [[7001, 24001]], "instanceIds.png has label 7001 at row 0, column 0"),
        (1, [[7]], "instanceIds.png is 1x1 pixels, .*labelIds.png beside it 2x1; take both from one data set"),
        (2, [[7]], "pred.png is 1x1 pixels, its ground truth 2x1"),
    ],
)
def test_faulty_maps(which: int, values: list, message: str) -> None:
    image = [*FINE[:which], np.array(values), *FINE[which + 1 :]]
    with pytest.raises(InputError, match=message):
        evaluated([image])


def test_faulty_folders(tmp_path: Path, shared: Path) -> None:
    truth, results = write(tmp_path, [FINE, FINE])
    prediction = next(results.glob("aachen*"))
    copy = prediction.with_name("aachen_000000_000000.png")
    copy.write_bytes(prediction.read_bytes())
    with pytest.raises(InputError, match="are both predictions of aachen_000000_000000; keep one"):
        evaluate_cityscapes_semantic(truth, results)
    copy.unlink()
    prediction.unlink()
    with pytest.raises(InputError, match=r"no prediction aachen_000000_000000\*.png in"):
        evaluate_cityscapes_semantic(truth, results)
    (results / "aachen_000000_000000-any.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"any\.png is empty"):
        evaluate_cityscapes_semantic(truth, results)
    tree = shared / "data" / "format_fixtures" / "datumaro" / "cityscapes_dataset" / "dataset" / "gtFine"
    with pytest.raises(InputError, match=r"no \*_gtFine_labelIds.png in"):
        evaluate_cityscapes_semantic(tree, results)

"""Faulty input of the Cityscapes instance evaluation: one sentence that names file and line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.errors import InputError
from methods.common.metrics.cityscapes.instance import InstancePrediction, evaluate_cityscapes_instance

Damage = Callable[[Path], Any]

IDS = np.full((30, 40), 7, np.uint16)
IDS[:12, :12] = 26001
MASK = (IDS == 26001) * np.uint8(255)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two frames with two predictions each, all sound."""
    for name in ("bonn_000001_000001", "bonn_000002_000002"):
        (tmp_path / "truth").mkdir(exist_ok=True)
        (tmp_path / "found").mkdir(exist_ok=True)
        Image.fromarray(IDS).save(tmp_path / "truth" / f"{name}_gtFine_instanceIds.png")
        Image.fromarray(MASK).save(tmp_path / "found" / f"{name}_0.png")
        (tmp_path / "found" / f"{name}.txt").write_text(f"{name}_0.png 26 0.5\n{name}_0.png 26 0.75\n")
    return tmp_path


TEXT, MASK_FILE = "found/bonn_000002_000002.txt", "found/bonn_000002_000002_0.png"
TRUTH_FILE = "truth/bonn_000002_000002_gtFine_instanceIds.png"
LINE = "bonn_000002_000002_0.png 26 0.5\n"


def rewrite(file: str, content: str | bytes | Callable[[bytes], bytes]) -> Damage:
    def damage(folder: Path) -> None:
        before = (folder / file).read_bytes()
        after = content(before) if callable(content) else content
        (folder / file).write_bytes(after.encode() if isinstance(after, str) else after)

    return damage


def redraw(file: str, array: np.ndarray) -> Damage:
    return lambda folder: Image.fromarray(array).save(folder / file)


def remove(file: str) -> Damage:
    return lambda folder: (folder / file).unlink()


def remove_all(pattern: str) -> Damage:
    return lambda folder: [path.unlink() for path in list(folder.glob(pattern))]


def copy(file: str, other: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_bytes((folder / file).read_bytes())

    return damage


FAULTS: list[tuple[Damage, list[str]]] = [
    (remove_all("truth/*"), ["truth holds no *_gtFine_instanceIds.png"]),
    (copy(TRUTH_FILE, f"truth/again/{Path(TRUTH_FILE).name}"), ["again", "same image"]),
    (remove(TEXT), ["found has no prediction file bonn_000002_000002*.txt"]),
    (copy(TEXT, "found/bonn_000002_000002_b.txt"), ["bonn_000002_000002_b.txt", "both predictions"]),
    (rewrite(TEXT, LINE + "\n"), [f"{TEXT}, line 2", "mask.png label_id score"]),
    (rewrite(TEXT, LINE + LINE.replace(" 26 ", "  26 ")), [f"{TEXT}, line 2"]),
    (rewrite(TEXT, LINE.replace("26", "car")), [f"{TEXT}, line 1", "car"]),
    (rewrite(TEXT, LINE.replace("26", "inf")), [f"{TEXT}, line 1", "inf"]),
    (rewrite(TEXT, LINE.replace("26", "34")), [f"{TEXT}, line 1", "label id 34"]),
    (rewrite(TEXT, LINE + LINE.replace("0.5", "nan")), [f"{TEXT}, line 2", "score is nan"]),
    (rewrite(TEXT, LINE.replace("0.5", "-inf")), [f"{TEXT}, line 1", "score is -inf"]),
    (rewrite(TEXT, LINE.replace("0.5", "high")), [f"{TEXT}, line 1", "high"]),
    (rewrite(TEXT, LINE.replace("bonn", "/bonn")), [f"{TEXT}, line 1", "/bonn_000002_000002_0.png is not within"]),
    (rewrite(TEXT, "../truth/a.png 26 0.5\n"), [f"{TEXT}, line 1", "../truth/a.png is not within"]),
    (rewrite(TEXT, LINE.replace("_0.png", "_9.png")), [f"{TEXT}, line 1", "bonn_000002_000002_9.png"]),
    (rewrite(TEXT, b"\xff\xfe\x00"), [TEXT, "cannot be read"]),
    (rewrite(MASK_FILE, lambda content: content[:-20]), [f"{TEXT}, line 2", MASK_FILE, "truncated"]),
    (rewrite(MASK_FILE, lambda content: content[:50]), [f"{TEXT}, line 2", MASK_FILE, "truncated"]),
    (rewrite(MASK_FILE, b""), [f"{TEXT}, line 2", MASK_FILE]),
    (rewrite(MASK_FILE, b"no picture"), [f"{TEXT}, line 2", MASK_FILE]),
    (redraw(MASK_FILE, MASK[:, :-1]), [f"{TEXT}, line 2", "(30, 39)", "(30, 40)"]),
    (redraw(TRUTH_FILE, np.full((30, 40), 34, np.uint8)), [TRUTH_FILE, "34"]),
    (redraw(TRUTH_FILE, np.full((30, 40), 34000, np.uint16)), [TRUTH_FILE, "34000"]),
    (redraw(TRUTH_FILE, np.zeros((30, 40, 3), np.uint8)), [TRUTH_FILE, "RGB"]),
    (rewrite(TRUTH_FILE, lambda content: content[:-20]), [TRUTH_FILE, "truncated"]),
]


@pytest.mark.parametrize(("damage", "words"), FAULTS)
def test_faulty_files_are_named(folder: Path, damage: Damage, words: list[str]) -> None:
    damage(folder)
    with pytest.raises(InputError) as caught:
        evaluate_cityscapes_instance(folder / "truth", folder / "found")
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_sound_files_pass_from_anywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a mask that is a link to a file elsewhere, and a label without instances whose mask does not exist."""
    linked = folder / "found" / "bonn_000001_000001_0.png"
    linked.rename(folder / "elsewhere.png")
    linked.symlink_to(folder / "elsewhere.png")
    (folder / TEXT).write_text(LINE + "missing.png 7 0.5\n")
    monkeypatch.chdir(folder / "truth")
    evaluation = evaluate_cityscapes_instance(Path(), Path("../found"))
    assert evaluation.metrics() == {"AP": 1.0, "AP50": 1.0}
    assert evaluation.image_ids == ("bonn_000001_000001", "bonn_000002_000002")


def test_faults_in_other_processes_are_named(folder: Path, in_processes: None) -> None:
    (folder / MASK_FILE).write_bytes(b"")
    with pytest.raises(InputError, match=r"bonn_000002_000002\.txt, line 2"):
        evaluate_cityscapes_instance(folder / "truth", folder / "found", num_processes=2)


@pytest.mark.parametrize("name", ["truth", "found"])
def test_missing_folders_are_named(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "gone")
    with pytest.raises(InputError, match=name):
        evaluate_cityscapes_instance(folder / "truth", folder / "found")


SOUND = InstancePrediction(26, 0.5, MASK)
ENCODED = {"size": [30, 40], "counts": [0, 1200]}
BAD_PREDICTIONS = [
    (SOUND._replace(label_id=34), "label id 34"),
    (SOUND._replace(score=float("nan")), "score is nan"),
    (SOUND._replace(mask=MASK[1:]), r"\(29, 40\)"),
    (SOUND._replace(mask={**ENCODED, "size": [40, 30]}), r"\[40, 30\]"),
    (SOUND._replace(mask={**ENCODED, "counts": [0, 1199]}), "add up"),
    (SOUND._replace(mask={**ENCODED, "counts": "11"}), "add up"),
    (SOUND._replace(mask={**ENCODED, "counts": "~~"}), "add up"),
    (SOUND._replace(mask={**ENCODED, "counts": [0.5]}), "neither"),
    (SOUND._replace(mask={"size": [30, 40]}), "neither"),
    (SOUND._replace(mask=None), "size None"),
]


@pytest.mark.parametrize(("prediction", "words"), BAD_PREDICTIONS)
@pytest.mark.parametrize("num_threads", [1, 2])
def test_faulty_predictions_in_memory_are_named(prediction: Any, words: str, num_threads: int) -> None:
    predictions = {"a": [], "b": [SOUND, SOUND, prediction]}
    with pytest.raises(InputError, match=f"image b, prediction 2: .*{words}"):
        evaluate_cityscapes_instance({"a": IDS, "b": IDS}, predictions, num_processes=num_threads)


@pytest.mark.parametrize(
    ("truth", "predictions", "words"),
    [
        ({}, {}, "holds no image"),
        ({"a": IDS}, {}, "no entry for image a"),
        ({"a": IDS}, {"a": [], "c": []}, "name image c"),
        ({"a": IDS[0]}, {"a": []}, r"image a of the ground truth is uint16 of shape \(40,\)"),
        ({"a": IDS / 2}, {"a": []}, "float64"),
        ({"a": IDS.astype(int) - 9}, {"a": []}, "image a of the ground truth holds -2"),
    ],
)
def test_faulty_mappings_are_named(truth: Any, predictions: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        evaluate_cityscapes_instance(truth, predictions)


OBJECT = {"instID": 26001, "pixelCount": 144, "medDist": 20.0, "distConf": 1.0}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not readable JSON"),
        ([], "no object"),
        ({"b": {}}, "no record of image a"),
        ({"a": []}, "image a, person"),
        ({"a": {"car": [{"instID": 26001}]}}, "image a, car: 'pixelCount' is missing; give a list of objects"),
        ({"a": {"car": [OBJECT | {"medDist": None}]}}, "image a, car"),
        ({"a": {}}, "image a .* other objects"),
        ({"a": {"car": [OBJECT | {"pixelCount": 143}]}}, "image a .* other objects"),
        ({"a": {"car": [OBJECT, OBJECT | {"instID": 26002}]}}, "image a .* other objects"),
    ],
)
def test_faulty_distances_are_named(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "gtInstances.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=words):
        evaluate_cityscapes_instance({"a": IDS}, {"a": []}, path)
    path.write_text(json.dumps({"a": {"car": [OBJECT]}}))
    assert evaluate_cityscapes_instance({"a": IDS}, {"a": []}, path).metrics()["AP"] == 0


def test_evaluation_loads_neither_torch_nor_the_official_tool() -> None:
    program = (
        "import sys, numpy as np\n"
        "from methods.common.metrics.cityscapes.instance import evaluate_cityscapes_instance\n"
        "import methods.common.metrics.official.cityscapes_instance\n"
        "evaluate_cityscapes_instance({'a': np.zeros((2, 2), int)}, {'a': []})\n"
        "print([name for name in ('torch', 'cityscapesscripts') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_city_folders_may_be_links(folder: Path) -> None:
    for name in ("truth", "found"):
        (folder / "elsewhere" / name).mkdir(parents=True)
        for path in (folder / name).glob("bonn_000002*"):
            path.rename(folder / "elsewhere" / name / path.name)
        (folder / name / "bonn").symlink_to(folder / "elsewhere" / name)
    evaluation = evaluate_cityscapes_instance(folder / "truth", folder / "found")
    assert evaluation.image_ids == ("bonn_000001_000001", "bonn_000002_000002")
    assert evaluation.metrics()["AP"] == 1.0


def test_predictions_without_any_instance_class_are_noted(folder: Path) -> None:
    notes = evaluate_cityscapes_instance(folder / "truth", folder / "found").notes()
    assert notes[:-1] == [
        "all predictions of a class have one score, so that scores do not tell which of them to trust"
    ]
    assert notes[-1].startswith("AP is the mean over 1 of 8 classes; left out: 7 without an object to find")
    for path in (folder / "found").glob("*.txt"):
        path.write_text(path.read_text().replace(" 26 ", " 13 "))
    found = evaluate_cityscapes_instance(folder / "truth", folder / "found")
    assert found.metrics()["AP"] == 0.0
    assert found.notes()[:-1] == [
        "no prediction counts: none with a pixel is of a class with instances (label ids 24 to 33, not training ids)"
    ]

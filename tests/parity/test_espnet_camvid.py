"""A published network on real photographs: our reader, our command and a number that was measured elsewhere.

CamVid is opened as a user would open own data, ESPNet names every pixel of its test frames, and `segrepro evaluate semantic`
must find what CamVid's and the weights' notes print.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from methods.common.datasets.labelled_images import IGNORED, LabelledFiles
from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.datasets.voc import write_labels
from tests.conftest import REPOSITORY
from tests.parity.espnet import load_camvid, scores

CLASSES = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
VOID = 11
PUBLISHED_IOU = (91.58, 73.83, 26.71, 93.18, 76.86, 67.34, 31.08, 15.81, 73.84, 36.19, 44.24)
"""Percent, on the JPEG files. Another version of torch moves pixels on the edges: hence the tolerances below."""


@pytest.fixture(scope="module")
def camvid(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> LabelledFiles:
    """The test frames, as own data: one file written, one folder linked."""
    folder = tmp_path_factory.mktemp("camvid")
    (folder / "classes.txt").write_text("\n".join([*CLASSES, "[void]"]))
    (folder / "test").symlink_to(shared / "data" / "camvid" / "test")
    return open_labelled_images(folder, "test")


def published_pixels(shared: Path) -> list[int]:
    """Pixels of each label in the test frames."""
    table = [line.split("|") for line in (shared / "data" / "camvid" / "README.md").read_text().splitlines()]
    return [int(cells[4]) for cells in table if len(cells) == 6 and cells[1].strip().isdigit()]


def test_camvid_is_read_as_published(camvid: LabelledFiles, shared: Path) -> None:
    assert (len(camvid), camvid.class_names) == (233, tuple(CLASSES))
    counts = np.zeros(IGNORED + 1, np.int64)
    for index in range(len(camvid)):
        image_HW3, label_HW = camvid[index]
        assert image_HW3.shape == (360, 480, 3)
        counts += np.bincount(label_HW.ravel(), minlength=IGNORED + 1)
    *rated, void = published_pixels(shared)
    assert counts[: len(CLASSES)].tolist() == rated
    assert counts[IGNORED] == void == counts.sum() - sum(rated)


@pytest.mark.exhaustive
def test_espnet_scores_what_was_measured_elsewhere(camvid: LabelledFiles, shared: Path, tmp_path: Path) -> None:
    network = load_camvid(shared / "data" / "weights" / "espnet" / "espnet_p_2_q_8_camvid.pth")
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for index in range(len(camvid)):
        score_KHW = scores(network, camvid[index][0])[: len(CLASSES)]  # void is never an answer
        write_labels(predictions / f"{camvid.name(index)}.png", score_KHW.argmax(0).byte().numpy())
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    labels = shared / "data" / "camvid" / "test" / "labels"
    command = [sys.executable, "-m", "reproductions.cli", "evaluate", "semantic"]
    command += ["--ground-truth", str(labels), "--predictions", str(predictions)]
    command += [
        "--num-classes",
        str(len(CLASSES)),
        "--ignore-label",
        str(VOID),
        "--classes",
        str(tmp_path / "names.txt"),
    ]
    command += ["--json", str(tmp_path / "out.json"), "--per-class", str(tmp_path / "classes.csv"), "--processes", "1"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())["metrics"]
    assert 100 * found["mIoU"] == pytest.approx(57.33, abs=0.02)
    assert 100 * found["mean_accuracy"] == pytest.approx(70.95, abs=0.02)
    assert 100 * found["pixel_accuracy"] == pytest.approx(87.66, abs=0.01)
    rows = [line.split(",") for line in (tmp_path / "classes.csv").read_text().splitlines()]
    iou = [100 * float(row[rows[0].index("IoU")]) for row in rows[1:]]
    assert [row[rows[0].index("name")] for row in rows[1:]] == CLASSES
    assert iou == pytest.approx(PUBLISHED_IOU, abs=0.06)

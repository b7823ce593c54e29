"""COCO evaluation against pycocotools on the same synthetic files in the same run: 1,000 images (`--full-size`: 5,000), 100 detections an image.

Both are the whole command, from files to numbers; ours includes all checks and uses both cores. Boundary AP has no official
package to run here; beside it stands how many times the mask evaluation it takes.
"""

import json
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from benchmarks.synthetic_detections import Inputs, write_coco
from benchmarks.whole_program import Usage, load_before, run

NUM_IMAGES, NUM_FOR_BOUNDARIES = size(1_000, 5_000), size(200, 500)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """80 classes, about 7 instances and 100 detections an image."""
    return write_coco(tmp_path_factory.mktemp("coco"), NUM_IMAGES)


def evaluate(inputs: Inputs, iou_type: str, out: Path, *options: str) -> Usage:
    """Run the command; its numbers go to ``out``."""
    command = [str(Path(sys.executable).with_name("segrepro")), "evaluate", "coco", "--iou-type", iou_type]
    command += ["--ground-truth", str(inputs.truth), "--detections", str(inputs.results), "--json", str(out)]
    out.unlink(missing_ok=True)
    return run([*command, *options])


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_full_size(benchmark: BenchmarkFixture, inputs: Inputs, tmp_path: Path, iou_type: str) -> None:
    benchmark.extra_info["load_before"] = load_before()
    ours: list[Usage] = []
    files = tmp_path / "ours.json", tmp_path / "official.json"
    benchmark.pedantic(
        lambda: ours.append(evaluate(inputs, iou_type, files[0], "--processes", "2")),
        rounds=size(2, 3),
        warmup_rounds=1,
    )
    official = evaluate(inputs, iou_type, files[1], "--official")
    found, expected = (json.loads(file.read_text())["metrics"] for file in files)
    assert found == pytest.approx(expected, abs=1e-9)
    benchmark.extra_info["official_s"] = round(official.seconds, 2)
    benchmark.extra_info["times_faster_than_official"] = round(official.seconds / min(one.seconds for one in ours), 1)
    benchmark.extra_info["times_less_cpu"] = round(official.cpu_s / min(one.cpu_s for one in ours), 1)
    benchmark.extra_info["peak_mib"] = round(max(one.peak_mib for one in ours))
    benchmark.extra_info["official_peak_mib"] = round(official.peak_mib)


def test_boundary(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """A tenth or a fifth of the images."""
    few, out = write_coco(tmp_path, NUM_FOR_BOUNDARIES), tmp_path / "ours.json"
    ours: list[Usage] = []
    benchmark.pedantic(
        lambda: ours.append(evaluate(few, "boundary", out, "--processes", "2")),
        rounds=size(2, 3),
        warmup_rounds=size(0, 1),
    )
    masks = min(evaluate(few, "segm", out, "--processes", "2").seconds for _ in range(3))
    benchmark.extra_info["times_the_mask_evaluation"] = round(min(one.seconds for one in ours) / masks, 2)
    benchmark.extra_info["peak_mib"] = round(max(one.peak_mib for one in ours))

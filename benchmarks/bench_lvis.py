"""LVIS evaluation and reading against the official package, on the same synthetic files in the same run.

Evaluation is the whole command, from files to numbers, in both cases, and includes all checks of ours. With `--full-size`,
`test_full_size` is a validation set's size: 20,000 images, 1,203 classes, 250,000 instances, 100 detections an image; else a
tenth of it. There the official package takes eight minutes and 19 GB, so it is run at two smaller sizes and a straight line is drawn
through its times and memory. That favours it: its time grows somewhat faster than the number of images. Ours is run at all
sizes, with both cores.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from benchmarks.synthetic_detections import Inputs, write_lvis
from benchmarks.whole_program import Usage, load_before, run, seconds
from methods.common.datasets.lvis import read_lvis
from methods.common.metrics.detection.lvis import evaluate_lvis
from methods.common.metrics.official.lvis import evaluate_lvis_officially

FULL = size(1_000, 20_000)
OFFICIAL = (size(150, 1_500), size(300, 5_000))


def evaluate(inputs: Inputs, out: Path, *options: str) -> Usage:
    """Run the command; its numbers go to ``out``."""
    command = [str(Path(sys.executable).with_name("segrepro")), "evaluate", "lvis", "--iou-type", "segm"]
    command += ["--ground-truth", str(inputs.truth), "--detections", str(inputs.results), "--json", str(out)]
    out.unlink(missing_ok=True)
    return run([*command, *options])


def metrics(out: Path) -> dict[str, float | None]:
    found: dict[str, float | None] = json.loads(out.read_text())["metrics"]
    return found


@pytest.mark.timeout(3600)
def test_full_size(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    benchmark.extra_info["load_before"] = load_before()
    official: list[Usage] = []
    for num_images in OFFICIAL:
        (tmp_path / str(num_images)).mkdir()
        inputs = write_lvis(tmp_path / str(num_images), num_images)
        official.append(evaluate(inputs, tmp_path / "official.json", "--official"))
        evaluate(inputs, tmp_path / "ours.json", "--processes", "2")
        assert metrics(tmp_path / "ours.json") == pytest.approx(metrics(tmp_path / "official.json"), abs=1e-9)
    inputs = write_lvis(tmp_path, FULL)
    ours: list[Usage] = []
    benchmark.pedantic(
        lambda: ours.append(evaluate(inputs, tmp_path / "ours.json", "--processes", "2")), rounds=3, warmup_rounds=0
    )
    official_s = extrapolated([usage.seconds for usage in official])
    benchmark.extra_info["megabytes"] = round(sum(file.stat().st_size for file in (inputs.truth, inputs.results)) / 1e6)
    for num_images, usage in zip(OFFICIAL, official, strict=True):
        benchmark.extra_info[f"official_s_at_{num_images}"] = round(usage.seconds, 2)
    benchmark.extra_info["official_s_extrapolated"] = round(official_s, 1)
    benchmark.extra_info["times_faster_than_official"] = round(official_s / min(usage.seconds for usage in ours), 1)
    official_cpu_s = extrapolated([usage.cpu_s for usage in official])
    benchmark.extra_info["times_less_cpu"] = round(official_cpu_s / min(usage.cpu_s for usage in ours), 1)
    benchmark.extra_info["peak_mib"] = round(max(usage.peak_mib for usage in ours))
    benchmark.extra_info["official_peak_mib_extrapolated"] = round(extrapolated([usage.peak_mib for usage in official]))


def extrapolated(values: list[float]) -> float:
    """Continue the straight line through the values at ``OFFICIAL`` to ``FULL``."""
    (small, large), (low, high) = OFFICIAL, values
    return high + (high - low) / (large - small) * (FULL - large)


@pytest.fixture(scope="module")
def evaluation_inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """150 images, 1,203 classes, 1,875 instances, 15,000 detections."""
    return write_lvis(tmp_path_factory.mktemp("lvis"), 150)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_evaluation(benchmark: BenchmarkFixture, evaluation_inputs: Inputs, iou_type: Any) -> None:
    """A small problem in one process, without starting a program: reading, evaluating, summing up."""
    inputs = evaluation_inputs
    ours = benchmark.pedantic(
        lambda: evaluate_lvis(inputs.truth, inputs.results, iou_type).metrics(), rounds=3, warmup_rounds=1
    )
    assert ours == pytest.approx(evaluate_lvis_officially(inputs.truth, inputs.results, iou_type).metrics(), abs=1e-9)
    record_ratio(
        benchmark,
        min(
            seconds(lambda: evaluate_lvis_officially(inputs.truth, inputs.results, iou_type)) for _ in range(size(1, 3))
        ),
    )


def test_reading_and_checking(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """With `--full-size` 31,250 instances on 2,500 images, with outlines of about 30 points."""
    from lvis import LVIS

    file = write_lvis(tmp_path, size(1_000, 2_500), detections=1).truth
    benchmark.pedantic(read_lvis, (file,), rounds=2, warmup_rounds=1)
    LVIS(str(file))
    benchmark.extra_info["megabytes"] = round(file.stat().st_size / 1e6, 1)
    benchmark.extra_info["json_load_s"] = round(min(seconds(lambda: json.loads(file.read_text())) for _ in range(2)), 3)
    record_ratio(benchmark, min(seconds(lambda: LVIS(str(file))) for _ in range(2)))


def record_ratio(benchmark: BenchmarkFixture, official_s: float) -> None:
    """Note the official time and how many times it is ours."""
    benchmark.extra_info["official_s"] = round(official_s, 3)
    if benchmark.stats is not None:
        benchmark.extra_info["times_faster_than_official"] = round(official_s / benchmark.stats.stats.min, 2)

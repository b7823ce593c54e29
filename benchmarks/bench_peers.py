"""COCO and LVIS evaluation beside the fastest packages of the field, on the same synthetic files in the same run.

Each is a whole program, from files to numbers: ours the command with all its checks and two processes, the others the shortest script
that their manuals give. They are hotcoco 1.3 (MIT licence) and ultrafast-pycocotools 0.1.14 (BSD 2-clause licence), both written in
Rust, and only here: nothing of ours depends on them. Rounds go in turn, so that other work on the machine slows all alike. 1,000 images,
where nearly all is starting Python and loading modules (`--full-size`: 5,000 and 20,000), 100 detections an image, each with a box and a mask.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from benchmarks.synthetic_detections import Inputs, write_coco, write_lvis
from benchmarks.whole_program import Usage, load_before, run

NUM_IMAGES = size((1_000,), (5_000, 20_000))
ROUNDS = 3
WRITERS: dict[str, Callable[[Path, int], Inputs]] = {"coco": write_coco, "lvis": write_lvis}
LOADERS = {"hotcoco": "load_res", "ultrafast_pycocotools": "loadRes"}
SCRIPT = """
import sys
from {package} import COCO, COCOeval
truth = COCO({truth!r})
evaluator = COCOeval(truth, truth.{loader}({results!r}), {iou_type!r}{options})
evaluator.run()
open({out!r}, "w").write(repr([float(value) for value in evaluator.stats[:3]]))
"""


@pytest.fixture(scope="module", params=[(kind, number) for number in NUM_IMAGES for kind in WRITERS], ids=str)
def problem(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Inputs]:
    kind, num_images = request.param
    return kind, WRITERS[kind](tmp_path_factory.mktemp(kind), num_images)


def ours(kind: str, inputs: Inputs, iou_type: str, *options: str) -> Usage:
    command = [str(Path(sys.executable).with_name("segrepro")), "evaluate", kind, "--iou-type", iou_type]
    files = ["--ground-truth", str(inputs.truth), "--detections", str(inputs.results)]
    return run([*command, *files, "--processes", "2", *options])


def theirs(package: str, kind: str, inputs: Inputs, iou_type: str, out: Path) -> Usage:
    values = {"package": package, "loader": LOADERS[package], "iou_type": iou_type, "out": str(out)}
    values |= {"truth": str(inputs.truth), "results": str(inputs.results)}
    return run([sys.executable, "-c", SCRIPT.format(**values, options=", lvis_style=True" * (kind == "lvis"))])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_peers(benchmark: BenchmarkFixture, problem: tuple[str, Inputs], tmp_path: Path, iou_type: str) -> None:
    kind, inputs = problem
    packages = [pytest.importorskip(package).__name__ for package in LOADERS]
    benchmark.extra_info["load_before"] = load_before()
    runs: dict[str, list[Usage]] = {package: [] for package in packages}

    def their_round() -> None:
        for package in packages:
            runs[package].append(theirs(package, kind, inputs, iou_type, tmp_path / package))

    our_runs: list[Usage] = []
    benchmark.pedantic(lambda: our_runs.append(ours(kind, inputs, iou_type)), setup=their_round, rounds=ROUNDS)
    ours(
        kind, inputs, iou_type, "--json", str(tmp_path / "ours.json")
    )  # which takes a fingerprint of the files besides
    found = json.loads((tmp_path / "ours.json").read_text())["metrics"]
    for package in packages:
        numbers = json.loads((tmp_path / package).read_text())
        assert numbers == pytest.approx([found[name] for name in ("AP", "AP50", "AP75")], abs=1e-9), package
        benchmark.extra_info |= compared(package, our_runs, runs[package])
    benchmark.extra_info["cpu_s"] = round(least(our_runs, "cpu_s"), 2)
    benchmark.extra_info["peak_mib"] = round(max(one.peak_mib for one in our_runs))


def least(runs: list[Usage], field: str) -> float:
    return min(float(getattr(one, field)) for one in runs)


def compared(package: str, our_runs: list[Usage], runs: list[Usage]) -> dict[str, float | int]:
    """What a package took, and what share of that ours takes."""
    return {
        f"{package}_s": round(least(runs, "seconds"), 2),
        f"share_of_{package}_s": round(least(our_runs, "seconds") / least(runs, "seconds"), 2),
        f"share_of_{package}_cpu_s": round(least(our_runs, "cpu_s") / least(runs, "cpu_s"), 2),
        f"{package}_peak_mib": round(max(one.peak_mib for one in runs)),
    }

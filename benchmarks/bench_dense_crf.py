"""The dense CRF at 512 x 512 pixels beside pydensecrf, the field's C++ program, on the same pictures in the same run.

    pytest benchmarks/bench_dense_crf.py --benchmark-only

Attn2mask's settings: five iterations, both kernels. pydensecrf is no dependency: ``pip install cython && pip install --no-build-isolation
pydensecrf2`` builds it, and without it the comparison is skipped. Processor time, as medians of calls in turn.
"""

import statistics
import time
from importlib import import_module

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from methods.common.dense_crf.mean_field import infer
from methods.common.dense_crf.unary import energy_of_labels
from methods.diffumask_robust.crf import attn2mask_crf

SIDE_PX, ROUNDS = 512, 4


def picture(num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy disks on a plain ground, and a map of them that is a little off."""
    rng = np.random.default_rng(num_labels)
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    label_HW = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for label in range(1, num_labels):
        row, column, radius = (*rng.integers(80, SIDE_PX - 80, 2).tolist(), int(rng.integers(30, 80)))
        label_HW[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = label
    colour_K3 = rng.integers(40, 216, (num_labels, 3))
    image_HW3 = (colour_K3[label_HW] + rng.normal(0, 10, (SIDE_PX, SIDE_PX, 3))).clip(0, 255).astype(np.uint8)
    return image_HW3, np.roll(label_HW, (7, 5), (0, 1))


@pytest.mark.parametrize("num_labels", [2, 4, 21])
def test_dense_crf(benchmark: BenchmarkFixture, num_labels: int) -> None:
    settings = attn2mask_crf()
    image_HW3, label_HW = picture(num_labels)
    energy_LHW = energy_of_labels(label_HW, num_labels, settings.certainty)

    def ours() -> np.ndarray:
        return infer(energy_LHW, image_HW3, settings.crf)

    benchmark.pedantic(ours, rounds=ROUNDS, warmup_rounds=1)
    try:
        official = import_module("pydensecrf.densecrf")
    except ImportError:
        benchmark.extra_info["cpu_s"] = round(timed(ours)[0], 3)
        benchmark.extra_info["pydensecrf"] = "not installed"
        return

    def theirs() -> np.ndarray:
        crf = official.DenseCRF2D(SIDE_PX, SIDE_PX, num_labels)
        crf.setUnaryEnergy(np.ascontiguousarray(energy_LHW.reshape(num_labels, -1)))
        place, colour = settings.crf.smoothness, settings.crf.bilateral
        crf.addPairwiseGaussian(sxy=place.sigma_px, compat=place.weight)
        crf.addPairwiseBilateral(sxy=colour.sigma_px, srgb=colour.sigma_rgb, rgbim=image_HW3, compat=colour.weight)
        return np.array(crf.inference(settings.crf.iterations)).reshape(energy_LHW.shape)

    both = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
    seconds = [statistics.median(pair[who][0] for pair in both) for who in (0, 1)]
    difference = float(np.abs(both[0][0][1] - both[0][1][1]).max())
    assert difference < 1e-3
    benchmark.extra_info["cpu_s"] = round(seconds[0], 3)
    benchmark.extra_info["pydensecrf_cpu_s"] = round(seconds[1], 3)
    benchmark.extra_info["times_pydensecrf"] = round(seconds[0] / seconds[1], 2)
    benchmark.extra_info["largest_difference"] = difference


def timed(run) -> tuple[float, np.ndarray]:
    start = time.process_time()
    found = run()
    return time.process_time() - start, found

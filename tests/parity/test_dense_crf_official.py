"""The dense CRF against pydensecrf, where that is installed: the same lattice, so the same numbers up to rounding."""

import numpy as np
import pytest

from methods.common.dense_crf.config import BilateralKernel, DenseCrfConfig, SmoothnessKernel
from methods.common.dense_crf.mean_field import infer
from methods.common.dense_crf.unary import energy_of_labels


@pytest.mark.parametrize(("smooth", "bilateral", "iterations"), [(3, 10, 5), (0, 9, 10), (3, 0, 5), (3, 10, 1)])
@pytest.mark.parametrize("num_labels", [2, 5])
def test_probabilities_are_those_of_pydensecrf(
    num_labels: int, smooth: float, bilateral: float, iterations: int
) -> None:
    official = pytest.importorskip("pydensecrf.densecrf", reason="pydensecrf is not installed")
    rng = np.random.default_rng(num_labels)
    image = rng.integers(0, 256, (40, 52, 3)).astype(np.uint8) // 2 + np.arange(52, dtype=np.uint8)[:, None]
    energy = energy_of_labels(rng.integers(0, num_labels, image.shape[:2]), num_labels, 0.7)
    crf = official.DenseCRF2D(52, 40, num_labels)
    crf.setUnaryEnergy(np.ascontiguousarray(energy.reshape(num_labels, -1)))
    if smooth:
        crf.addPairwiseGaussian(sxy=3, compat=smooth)
    if bilateral:
        crf.addPairwiseBilateral(sxy=60, srgb=10, rgbim=np.ascontiguousarray(image), compat=bilateral)
    config = DenseCrfConfig(
        smoothness=SmoothnessKernel(weight=smooth),
        bilateral=BilateralKernel(weight=bilateral, sigma_px=60, sigma_rgb=10),
        iterations=iterations,
    )
    theirs = np.array(crf.inference(iterations)).reshape(energy.shape)
    assert np.abs(infer(energy, image, config) - theirs).max() < 1e-4


def test_unary_energies_are_those_of_its_helpers() -> None:
    helpers = pytest.importorskip("pydensecrf.utils", reason="pydensecrf is not installed")
    label = np.array([[0, 1, 2], [2, 1, 0]])
    theirs = helpers.unary_from_labels(label, 3, 0.7, zero_unsure=False)
    assert np.allclose(energy_of_labels(label, 3, 0.7).reshape(3, -1), theirs, atol=1e-6)

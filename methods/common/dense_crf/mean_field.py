"""Mean field of a dense CRF with Gaussian kernels and Potts' compatibility (Krähenbühl and Koltun 2011).

Each kernel is normalised on both sides: ``n_i sum_j k_ij n_j q_j`` with ``n_i = 1 / sqrt(sum_j k_ij)``, where j = i counts; as pydensecrf does by
default. All on the CPU, in float32.

Shape legend: L labels, H, W pixels, N = H W, D dimensions; 3 RGB.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.dense_crf.config import BilateralKernel, DenseCrfConfig
from methods.common.dense_crf.lattice import Floats, PermutohedralLattice

_LEAST_MASS = 1e-20


class _Kernel(NamedTuple):
    """One normalised kernel of an image."""

    weight: float
    lattice: PermutohedralLattice
    norm_N1: Floats

    def message(self, belief_NL: Floats) -> Floats:
        """Return what all pixels say to each."""
        heard: Floats = np.float32(self.weight) * self.norm_N1 * self.lattice.filter(self.norm_N1 * belief_NL)
        return heard


def infer(
    energy_LHW: NDArray[np.floating], image_HW3: NDArray[np.uint8], config: DenseCrfConfig
) -> NDArray[np.float32]:
    """Return the labels' probabilities after mean field, float32 [L, H, W]; their argmax is the label map.

    Args:
        energy_LHW: unary energies.
        image_HW3: the picture.
        config: kernels and iterations.

    Raises:
        ValueError: sizes differ, or an energy is no finite number.
    """
    num_labels, *size = energy_LHW.shape
    if image_HW3.shape != (*size, 3) or not np.isfinite(energy_LHW).all():
        raise ValueError(
            f"energies have shape {energy_LHW.shape}, the image {image_HW3.shape}; give [L, H, W], finite, and [H, W, 3]"
        )
    wanted_NL = -energy_LHW.reshape(num_labels, -1).T.astype(np.float32)
    kernels = _kernels(image_HW3, config) if config.iterations else []
    belief_NL = _softmax(wanted_NL)
    for _ in range(config.iterations):
        total_NL = wanted_NL.copy()
        for kernel in kernels:
            total_NL += kernel.message(belief_NL)
        belief_NL = _softmax(total_NL)
    return np.ascontiguousarray(belief_NL.T).reshape(energy_LHW.shape)


def _softmax(value_NL: Floats) -> Floats:
    shifted = np.exp(value_NL - value_NL.max(1, keepdims=True))
    normalised: Floats = shifted / shifted.sum(1, keepdims=True)
    return normalised


def _kernels(image_HW3: NDArray[np.uint8], config: DenseCrfConfig) -> list[_Kernel]:
    height, width = image_HW3.shape[:2]
    found = []
    if config.smoothness.weight > 0:
        lattice, norm_N1 = _place_lattice(height, width, config.smoothness.sigma_px)
        found.append(_Kernel(config.smoothness.weight, lattice, norm_N1))
    if config.bilateral.weight > 0:
        lattice = PermutohedralLattice(_place_and_colour(image_HW3, config.bilateral))
        found.append(_Kernel(config.bilateral.weight, lattice, _norm(lattice, height * width)))
    return found


@lru_cache(maxsize=4)
def _place_lattice(height: int, width: int, sigma_px: float) -> tuple[PermutohedralLattice, Floats]:
    """The lattice of places, which is the same for every picture of a size."""
    lattice = PermutohedralLattice(_places(height, width) / np.float32(sigma_px))
    return lattice, _norm(lattice, height * width)


def _places(height: int, width: int) -> Floats:
    """Column and row of each pixel, float32 [N, 2]."""
    row_HW, column_HW = np.mgrid[:height, :width].astype(np.float32)
    return np.stack((column_HW.ravel(), row_HW.ravel()), 1)


def _place_and_colour(image_HW3: NDArray[np.uint8], kernel: BilateralKernel) -> Floats:
    place_N2 = _places(*image_HW3.shape[:2]) / np.float32(kernel.sigma_px)
    colour_N3 = image_HW3.reshape(-1, 3).astype(np.float32) / np.float32(kernel.sigma_rgb)
    return np.concatenate((place_N2, colour_N3), 1)


def _norm(lattice: PermutohedralLattice, num_points: int) -> Floats:
    mass_N1 = lattice.filter(np.ones((num_points, 1), np.float32))
    norm_N1: Floats = 1 / np.sqrt(mass_N1 + np.float32(_LEAST_MASS))
    return norm_N1

"""Mean field of a dense CRF with Gaussian kernels and Potts' compatibility (Krähenbühl and Koltun 2011).

Each kernel is normalised on both sides: ``n_i sum_j k_ij n_j q_j`` with ``n_i = 1 / sqrt(sum_j k_ij)``, where j = i counts; as pydensecrf does by
default. All on the CPU, in float32.

Shape legend: L labels, H, W pixels, N = H W, D dimensions; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.dense_crf.config import BilateralKernel, DenseCrfConfig
from methods.common.dense_crf.lattice import Floats, PermutohedralLattice

_LEAST_MASS = 1e-20


class DenseCrf:
    """The kernels of one picture, made once for any number of unary energies."""

    def __init__(self, image_HW3: NDArray[np.uint8], config: DenseCrfConfig) -> None:
        """Make the kernels of a picture, uint8 RGB [H, W, 3]."""
        self._size, self._iterations = image_HW3.shape[:2], config.iterations
        self._kernels = _kernels(image_HW3, config) if config.iterations else []
        self._reach_N = sum((kernel.filter(_ones(kernel))[:, 0] for kernel in self._kernels), np.float32(0))

    def infer(self, energy_LHW: NDArray[np.floating], counts: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Return the labels' probabilities after mean field, float32 [L, H, W]; their argmax is the label map.

        Args:
            energy_LHW: unary energies.
            counts: how many labels of equal energies each one stands for, itself included; one by default. Such labels stay equal, so
                that the result is exactly what each of them would have.

        Raises:
            ValueError: the size is not the picture's, or an energy is no finite number.
        """
        num_labels, *size = energy_LHW.shape
        if tuple(size) != self._size or not np.isfinite(energy_LHW).all():
            raise ValueError(
                f"energies have shape {energy_LHW.shape}, the image {(*self._size, 3)}; give [L, H, W], finite, and [H, W, 3]"
            )
        wanted_LN = -energy_LHW.reshape(num_labels, -1).astype(np.float32)
        count_L = np.ones(num_labels, np.float32) if counts is None else np.asarray(counts, np.float32)
        belief_LN = _softmax(wanted_LN.copy(), count_L)
        for _ in range(self._iterations if self._kernels else 0):
            value_LN = self._messages(belief_LN, count_L)
            value_LN += wanted_LN
            belief_LN = _softmax(value_LN, count_L)
        return belief_LN.reshape(energy_LHW.shape)

    def _messages(self, belief_LN: Floats, count_L: Floats) -> Floats:
        """Return what all kernels tell each label, float32 [L, N].

        Probabilities add up to 1 and kernels are linear, so that the last label's message is what the kernels make of 1 without the others'.
        """
        first_NL = torch.from_numpy(belief_LN[:-1]).T.contiguous().numpy()
        heard_NL = self._kernels[0].filter(first_NL)
        for kernel in self._kernels[1:]:
            heard_NL += kernel.filter(first_NL)
        message_LN = np.empty_like(belief_LN)
        torch.from_numpy(message_LN[:-1]).copy_(
            torch.from_numpy(heard_NL).T
        )  # three times as fast as NumPy's transposed copy
        message_LN[-1] = (self._reach_N - count_L[:-1] @ message_LN[:-1]) / count_L[-1]
        return message_LN


def infer(
    energy_LHW: NDArray[np.floating], image_HW3: NDArray[np.uint8], config: DenseCrfConfig
) -> NDArray[np.float32]:
    """Return what :class:`DenseCrf` infers from the energies of one picture.

    Raises:
        ValueError: sizes differ, or an energy is no finite number.
    """
    if image_HW3.shape != (*energy_LHW.shape[1:], 3):
        raise ValueError(
            f"energies have shape {energy_LHW.shape}, the image {image_HW3.shape}; give [L, H, W], finite, and [H, W, 3]"
        )
    return DenseCrf(image_HW3, config).infer(energy_LHW)


def _softmax(value_LN: Floats, count_L: Floats) -> Floats:
    """Return probabilities, each of one of as many equal labels as its count says; may write into the values."""
    value_LN += np.log(count_L)[:, None]
    belief_LN: Floats = torch.from_numpy(value_LN).softmax(0).numpy()
    belief_LN /= count_L[:, None]
    return belief_LN


def _kernels(image_HW3: NDArray[np.uint8], config: DenseCrfConfig) -> list[PermutohedralLattice]:
    smoothness, bilateral = config.smoothness, config.bilateral
    found = []
    if smoothness.weight > 0:
        found.append(_place_kernel(*image_HW3.shape[:2], smoothness.sigma_px, smoothness.weight))
    if bilateral.weight > 0:
        found.append(_normalised(PermutohedralLattice(_place_and_colour(image_HW3, bilateral)), bilateral.weight))
    return found


@lru_cache(maxsize=4)
def _place_kernel(height: int, width: int, sigma_px: float, weight: float) -> PermutohedralLattice:
    """The kernel of places, which is the same for every picture of a size."""
    return _normalised(PermutohedralLattice(_places(height, width) / np.float32(sigma_px)), weight)


def _normalised(lattice: PermutohedralLattice, weight: float) -> PermutohedralLattice:
    """Normalise a kernel on both sides, and weight it."""
    mass_N = lattice.filter(_ones(lattice))[:, 0]
    lattice.scale(np.float32(weight**0.5) / np.sqrt(mass_N + np.float32(_LEAST_MASS)))
    return lattice


def _ones(lattice: PermutohedralLattice) -> Floats:
    return np.ones((lattice.num_points, 1), np.float32)


def _places(height: int, width: int) -> Floats:
    """Column and row of each pixel, float32 [N, 2]."""
    row_HW, column_HW = np.mgrid[:height, :width].astype(np.float32)
    return np.stack((column_HW.ravel(), row_HW.ravel()), 1)


def _place_and_colour(image_HW3: NDArray[np.uint8], kernel: BilateralKernel) -> Floats:
    place_N2 = _places(*image_HW3.shape[:2]) / np.float32(kernel.sigma_px)
    colour_N3 = image_HW3.reshape(-1, 3).astype(np.float32) / np.float32(kernel.sigma_rgb)
    return np.concatenate((place_N2, colour_N3), 1)

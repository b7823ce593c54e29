"""DiffuMask's dense CRFs (section 10.4). Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from methods.common.dense_crf.config import BilateralKernel, DenseCrfConfig, SmoothnessKernel
from methods.common.stage import Config


class MaskSmoothing(Config):
    """A dense CRF on a hard mask."""

    crf: DenseCrfConfig
    """Kernels and iterations."""
    certainty: Annotated[float, Field(gt=0, lt=1)]
    """Probability that a pixel's label is right; all other labels of the data set share the rest."""


def seed_smoothing() -> MaskSmoothing:
    """Return the one of AffinityNet's labels (section 10.4 [code])."""
    bilateral = BilateralKernel(weight=9, sigma_px=60, sigma_rgb=10)
    return MaskSmoothing(
        crf=DenseCrfConfig(smoothness=_smoothness(), bilateral=bilateral, iterations=10), certainty=0.7
    )


def threshold_smoothing() -> MaskSmoothing:
    """Return the one of the adaptive threshold (section 10.4 [code])."""
    bilateral = BilateralKernel(weight=10, sigma_px=80, sigma_rgb=13)
    return MaskSmoothing(
        crf=DenseCrfConfig(smoothness=_smoothness(), bilateral=bilateral, iterations=10), certainty=0.5
    )


def _smoothness() -> SmoothnessKernel:
    return SmoothnessKernel(weight=3, sigma_px=3)

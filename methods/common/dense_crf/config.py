"""Which kernels a dense CRF has and how long it runs."""

from __future__ import annotations

from pydantic import Field

from methods.common.stage import Config


class SmoothnessKernel(Config):
    """Neighbours in place have the same label."""

    weight: float = Field(default=3.0, ge=0)
    """How much it counts."""
    sigma_px: float = Field(default=3.0, gt=0)
    """Standard deviation in pixels."""


class BilateralKernel(Config):
    """Neighbours in place that look alike have the same label."""

    weight: float = Field(default=10.0, ge=0)
    """How much it counts."""
    sigma_px: float = Field(default=80.0, gt=0)
    """Standard deviation in pixels."""
    sigma_rgb: float = Field(default=13.0, gt=0)
    """Standard deviation of each colour channel, of 0 to 255."""


class DenseCrfConfig(Config):
    """A dense CRF with Potts' compatibility; a kernel of weight 0 is left out.

    Source: Krähenbühl and Koltun 2011; the numbers are those of its authors' program.
    """

    smoothness: SmoothnessKernel = SmoothnessKernel()
    """By place."""
    bilateral: BilateralKernel = BilateralKernel()
    """By place and colour."""
    iterations: int = Field(default=5, ge=0)
    """Steps of mean field; 0 leaves the unary term alone."""

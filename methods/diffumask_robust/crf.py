"""The dense CRFs of Attn2mask and DiffuMask, and labels after them (sections 5.3 and 10.4).

Shape legend: K scores or labels, H, W pixels; 3 RGB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from methods.common.dense_crf.config import BilateralKernel, DenseCrfConfig, SmoothnessKernel
from methods.common.stage import Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LabelCrf(Config):
    """A dense CRF on a hard label map."""

    crf: DenseCrfConfig = DenseCrfConfig()
    """Kernels and iterations."""
    certainty: float = Field(default=0.7, gt=0, lt=1)
    """Probability of the given label in the unary term. [C D14]"""


def attn2mask_crf() -> LabelCrf:
    """Return the CRF of Attn2mask's re-implementation. Off for VOC-sim, on for COCO-cap. Source: section 5.3 [R]."""
    return LabelCrf()


def diffumask_seed_crf() -> LabelCrf:
    """Return the CRF on AffinityNet's seeds. Source: section 10.4 [code]."""
    kernel = BilateralKernel(weight=9, sigma_px=60, sigma_rgb=10)
    return LabelCrf(crf=DenseCrfConfig(smoothness=SmoothnessKernel(), bilateral=kernel, iterations=10))


def diffumask_threshold_crf() -> LabelCrf:
    """Return the CRF of the adaptive threshold. Source: section 10.4 [code].

    Its certainty of 1/2 is no opinion where there are two labels: see :func:`relabel`.
    """
    return LabelCrf(crf=DenseCrfConfig(iterations=10), certainty=0.5)


def relabel(
    label_HW: NDArray[np.uint8], image_HW3: NDArray[np.uint8], num_labels: int, settings: LabelCrf
) -> NDArray[np.uint8]:
    """Return the label map after the CRF; one that has a single label, or whose unary term says nothing, stays.

    With certainty ``1 / num_labels`` every pixel wants every label alike, mean field stays there, and the argmax would be
    label 0 everywhere; the map is returned as it is instead [C D15].

    Args:
        label_HW: below ``num_labels``, or 255 for no opinion.
        image_HW3: the picture.
        num_labels: how many labels there are, background included.
        settings: kernels, iterations, certainty.

    Raises:
        ValueError: sizes differ, or a label is none.

    Source: section 5.3 [R].
    """
    import numpy as np

    from methods.common.dense_crf.mean_field import infer
    from methods.common.dense_crf.unary import energy_of_labels

    labels = np.unique(label_HW)
    says_nothing = abs(settings.certainty * num_labels - 1) < 1e-9
    if len(labels) < 2 or says_nothing:
        return label_HW
    energy_KHW = energy_of_labels(label_HW, num_labels, settings.certainty)
    found_HW: NDArray[np.uint8] = infer(energy_KHW, image_HW3, settings.crf).argmax(0).astype(np.uint8)
    return found_HW

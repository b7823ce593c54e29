"""How far a picture is from the one it should equal: PSNR, SSIM and LPIPS, by torchmetrics.

PSNR is 10 log10(1 / MSE) over all pixels and colours. SSIM is Wang et al. 2004 with its Gaussian window of 11 pixels and sigma 1.5,
on each colour, averaged over colours and all pixels; outside the picture it is mirrored, where the authors' code drops the border.
LPIPS is Zhang et al. 2018, version 0.1: distances of an ImageNet network's features, weighed by layers that come with torchmetrics. The
network's own weights are the user's; torchmetrics would download them, which is prevented.

Shape legend: N pictures, 3 colours, H, W pixels, I images.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.generated_images.image_folders import (
    FileForm,
    folder_notes,
    list_images,
    partners_of,
    read_rgb,
)
from methods.common.metrics.generated_images.network_batches import torch_device
from methods.common.tensor_file import read_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

LpipsNetwork = Literal["alex", "vgg", "squeeze"]

LPIPS_FILES: dict[LpipsNetwork, str] = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
"""torchvision's file of ImageNet weights for each network, below https://download.pytorch.org/models/."""
LPIPS_MIN_SIDE_PX = 32
"""Below, the deeper layers have nothing left to look at. Source: our choice."""
_TORCHVISION_NAMES: dict[LpipsNetwork, str] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
_SSIM_MIN_SIDE_PX = 6  # mirrored by half a window


def peak_signal_to_noise_ratio(image_N3HW: Tensor, reference_N3HW: Tensor) -> Tensor:
    """Return the PSNR of each picture in decibels, float64 (N,); infinite where both are equal.

    Args:
        image_N3HW: floats in [0, 1].
        reference_N3HW: the same.
    """
    from torchmetrics.image import PeakSignalNoiseRatio

    measure = PeakSignalNoiseRatio(data_range=1.0, reduction="none", dim=(1, 2, 3)).to(image_N3HW.device)
    ratio_N: Tensor = measure(image_N3HW.double(), reference_N3HW.double())
    return ratio_N


def structural_similarity(image_N3HW: Tensor, reference_N3HW: Tensor) -> Tensor:
    """Return the SSIM of each picture, float64 (N,), in [-1, 1]; 1 where both are equal.

    Args:
        image_N3HW: floats in [0, 1], at least 6 pixels a side.
        reference_N3HW: the same.
    """
    from torchmetrics.image import StructuralSimilarityIndexMeasure

    measure = StructuralSimilarityIndexMeasure(data_range=1.0, reduction="none").to(image_N3HW.device)
    similarity_N: Tensor = measure(image_N3HW.double(), reference_N3HW.double())
    return similarity_N


def load_lpips(
    weights: AnyPath, network: LpipsNetwork = "alex", device: torch.device | None = None
) -> LearnedPerceptualImagePatchSimilarity:
    """Return torchmetrics' LPIPS on weights that are there already; it takes pairs in [0, 1] and answers with one value a picture.

    Args:
        weights: torchvision's file of ImageNet weights (:data:`LPIPS_FILES`), or the folder that holds it under that name.
        network: whose features are compared; most papers print `alex`.
        device: where it runs; CPU by default.

    Raises:
        InputError: no such file, or not that network's weights.
    """
    from torchmetrics.functional.image import lpips
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    features = _features(as_path(weights), network)
    with patch.object(lpips, "_get_tv_model_features", lambda *_: features):  # it would download them
        measure = LearnedPerceptualImagePatchSimilarity(network, reduction="none", normalize=True)
    return measure.to(device) if device is not None else measure


def _features(weights: Path, network: LpipsNetwork) -> nn.Module:
    """Load the convolutions of a torchvision network; the classifier behind them is not built."""
    import torch
    import torchvision

    file = weights / LPIPS_FILES[network] if weights.is_dir() else weights
    remedy = f"download https://download.pytorch.org/models/{LPIPS_FILES[network]} and name it or its folder"
    tensors = read_tensors(file, remedy)
    with torch.device("meta"):
        features: nn.Module = torchvision.models.get_model(_TORCHVISION_NAMES[network], weights=None).features
    named = {name.removeprefix("features."): value for name, value in tensors.items() if name.startswith("features.")}
    try:
        features.load_state_dict(named, assign=True)
    except RuntimeError as error:
        raise InputError(f"{file} is not torchvision's {_TORCHVISION_NAMES[network]}; {remedy}") from error
    return features


@dataclass(frozen=True, eq=False, repr=False)
class PairedEvaluation:
    """What each pair of pictures has; 24 bytes an image."""

    image_ids: tuple[str, ...]
    value_I: dict[str, NDArray[np.float64]]
    """`PSNR` in decibels, `SSIM`, and `LPIPS` if it was asked for, of each image."""
    definition: str
    remarks: tuple[str, ...] = ()

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return the means over images; None for a PSNR that is infinite as an image that counts equals its reference."""
        return {name: _mean(value_I, weight_I) for name, value_I in self.value_I.items()}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """There are no classes."""
        return []

    def notes(self) -> list[str]:
        """Say what was converted, and which pictures equal their reference."""
        equal = np.count_nonzero(np.isinf(self.value_I["PSNR"]))
        of_equal = [f"{equal} of the {len(self.image_ids)} images equal their reference, with infinite PSNR"]
        return [*self.remarks, *(of_equal if equal else [])]


def _mean(value_I: NDArray[np.float64], weight_I: NDArray[np.float64] | None) -> float | None:
    weights = np.ones(len(value_I)) if weight_I is None else weight_I
    counted = weights > 0
    mean = np.average(value_I[counted], weights=weights[counted]) if counted.any() else np.nan
    return float(mean) if np.isfinite(mean) else None


def evaluate_paired(
    images: AnyPath,
    references: AnyPath,
    *,
    lpips_weights: AnyPath | None = None,
    network: LpipsNetwork = "alex",
    device: str = "cpu",
    progress: Progress | None = None,
) -> PairedEvaluation:
    """Compare each picture of a folder with the one of the same name in another, each pair at its own size.

    Args:
        images: folder of generated pictures.
        references: folder of what they should equal, by the same names; endings may differ.
        lpips_weights: see :func:`load_lpips`; None leaves LPIPS out.
        network: of LPIPS.
        device: torch device.
        progress: told (pairs done, pairs in all).

    Raises:
        InputError: a picture without partner, a faulty file, two pictures of different sizes or too small, no weights for
            LPIPS, or no such device.
    """
    folder, lpips_weights = list_images(as_path(images)), as_path(lpips_weights)
    partners = partners_of(folder, list_images(as_path(references)))
    place = torch_device(device)
    lpips = None if lpips_weights is None else load_lpips(lpips_weights, network, place)
    min_side_px = _SSIM_MIN_SIDE_PX if lpips is None else LPIPS_MIN_SIDE_PX
    rows, forms = [], []
    for done, paths in enumerate(zip(folder.paths, partners.paths, strict=True), start=1):
        image_13HW, reference_13HW, of_files = _read_pair(*paths, min_side_px)
        rows.append(_compare(image_13HW.to(place), reference_13HW.to(place), lpips))
        forms.append(of_files)
        if progress is not None:
            progress(done, len(folder.paths))
    return PairedEvaluation(
        folder.names,
        {name: np.array([row[name] for row in rows]) for name in rows[0]},
        _definition(None if lpips is None else network),
        (
            *folder_notes(folder, [form for form, _ in forms]),
            *folder_notes(partners, [form for _, form in forms]),
        ),
    )


def _read_pair(image: Path, reference: Path, min_side_px: int) -> tuple[Tensor, Tensor, tuple[FileForm, FileForm]]:
    """Read two pictures, float64 [1, 3, H, W] in [0, 1] each, and the forms of their files."""
    import torch

    read = [read_rgb(path) for path in (image, reference)]
    sizes = [one.picture.size for one in read]
    if sizes[0] != sizes[1]:
        (width, height), (other_width, other_height) = sizes
        raise InputError(
            f"{image} is {width}x{height} pixels and {reference} {other_width}x{other_height}; give pictures of one size"
        )
    if min(sizes[0]) < min_side_px:
        raise InputError(
            f"{image} is {sizes[0][0]}x{sizes[0][1]} pixels; give pictures of at least {min_side_px} a side"
        )
    first, second = (torch.from_numpy(np.array(one.picture)).permute(2, 0, 1)[None].double() / 255 for one in read)
    return first, second, (read[0].form, read[1].form)


def _compare(
    image_13HW: Tensor, reference_13HW: Tensor, lpips: LearnedPerceptualImagePatchSimilarity | None
) -> dict[str, float]:
    import torch

    found = {
        "PSNR": float(peak_signal_to_noise_ratio(image_13HW, reference_13HW)),
        "SSIM": float(structural_similarity(image_13HW, reference_13HW)),
    }
    if lpips is not None:
        with torch.inference_mode():
            found["LPIPS"] = float(lpips(image_13HW.float(), reference_13HW.float()))
    return found


def _definition(network: LpipsNetwork | None) -> str:
    of_lpips = "" if network is None else f", LPIPS 0.1 with {_TORCHVISION_NAMES[network]}"
    return f"torchmetrics {version('torchmetrics')}: PSNR over all pixels, SSIM with a Gaussian window of 11{of_lpips}, means over images"

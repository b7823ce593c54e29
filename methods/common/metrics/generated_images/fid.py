"""Fréchet Inception distance (FID) of two folders of images.

Definition: Gaussians are fitted to the Inception features of either folder, mean m and covariance S with n - 1;
FID = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). The last trace is the sum of the singular values of R1 R2^T, where
S = R^T R and R comes from the centred features by QR. No covariance is formed and no root of a tiny eigenvalue taken: the
usual root of the matrix product loses half of the digits where a covariance is singular, this does not.

Shape legend: N images, D features, R rows of a root, at most D.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.files import AnyPath, as_path
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.generated_images.image_folders import list_images

if TYPE_CHECKING:
    from methods.common.metrics.generated_images.inception import InceptionFeatures

MIN_IMAGES = 2048
"""As many images as features; below, a covariance is singular."""
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian fitted to features."""

    mean_D: NDArray[np.float64]
    root_RD: NDArray[np.float64]
    """R^T R is the covariance."""


def fit_gaussian(feature_ND: NDArray[np.floating], weight_N: NDArray[np.float64] | None = None) -> Gaussian | None:
    """Fit mean and unbiased covariance; None for fewer than two images.

    Args:
        feature_ND: features, one row an image.
        weight_N: how often each image counts; None counts each once.

    Memory: beside the features 0.3 GB for D = 2048, whatever N.
    """
    weights = np.ones(len(feature_ND)) if weight_N is None else weight_N
    total = weights.sum()
    if total < 2:
        return None
    mean_D = sum(weight_n @ rows for rows, weight_n in _parts(feature_ND, weights)) / total
    root_RD = np.zeros((0, feature_ND.shape[1]))
    for rows, weight_n in _parts(feature_ND, weights):
        centred = (rows - mean_D) * np.sqrt(weight_n / (total - 1))[:, None]
        root_RD = _shorten(np.concatenate([root_RD, centred]))
    return Gaussian(mean_D, root_RD)


def _parts(
    feature_ND: NDArray[np.floating], weight_N: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    counted = np.flatnonzero(weight_N)
    for start in range(0, len(counted), _ROWS_AT_ONCE):
        part = counted[start : start + _ROWS_AT_ONCE]
        yield feature_ND[part].astype(np.float64), weight_N[part]


def _shorten(root_RD: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a root of the same covariance with at most D rows."""
    if root_RD.shape[0] <= root_RD.shape[1]:
        return root_RD
    return np.asarray(np.linalg.qr(root_RD, mode="r"))


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """Return the squared Fréchet distance of two Gaussians, >= 0 up to rounding.

    Source: Dowson and Landau 1982; Heusel et al. 2017. The eigenvalues of S1 S2 = R1^T R1 R2^T R2 are the squared singular
    values of R1 R2^T, and zeros.
    """
    shift_D = one.mean_D - other.mean_D
    traces = np.square(one.root_RD).sum() + np.square(other.root_RD).sum()
    singular_R = np.linalg.svd(one.root_RD @ other.root_RD.T, compute_uv=False)
    return float(shift_D @ shift_D + traces - 2 * singular_R.sum())


@dataclass(frozen=True, eq=False, repr=False)
class FidEvaluation:
    """FID of generated images; images count by weight, the reference stays as it is.

    Memory: the features, 8 KiB an image, and 34 MB for the reference. Another set of weights takes about as long as the
    first one, seconds.
    """

    images: InceptionFeatures
    reference: InceptionFeatures

    depends_on_size: bool = True
    definition: str = (
        "FID as in pytorch-fid 0.3.0: pool features of the 2015-12-05 Inception network, images rescaled to 299x299 "
        "bilinearly without antialiasing, covariances with n - 1"
    )

    @property
    def image_ids(self) -> tuple[str, ...]:
        """File names of the generated images, without endings."""
        return self.images.names

    @cached_property
    def _reference(self) -> Gaussian:
        fitted = fit_gaussian(self.reference.feature_ND)
        assert fitted is not None, "the reference was checked"
        return fitted

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return ``FID``, from 0 up; None where fewer than two images count."""
        fitted = fit_gaussian(self.images.feature_ND, weight_I)
        return {"FID": None if fitted is None else frechet_distance(fitted, self._reference)}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """FID has no classes."""
        return []

    def notes(self) -> list[str]:
        """Say what limits the number."""
        notes = notes_of_both(self.images, self.reference)
        for features in (self.images, self.reference):
            notes += few_images_notes(features.folder, len(features.names))
        return notes


def notes_of_both(images: InceptionFeatures, reference: InceptionFeatures) -> list[str]:
    """Return what is to be said of either set, and whether both hold the same pictures in the same order."""
    notes = [*images.notes, *(note for note in reference.notes if note not in images.notes)]
    if np.array_equal(images.feature_ND, reference.feature_ND):
        notes.append(
            f"{images.folder} and {reference.folder} hold the same pictures, so that the distance says nothing"
        )
    return notes


def few_images_notes(folder: Path, num_images: int) -> list[str]:
    """Say what too few images do to FID, if they are too few."""
    if num_images >= MIN_IMAGES:
        return []
    return [
        f"{folder} has {num_images} images, fewer than {MIN_IMAGES:,}: its covariance is singular and FID far too high; compare "
        "with nothing but sets of exactly this size, or use kid"
    ]


def fid_of_features(
    images: InceptionFeatures, reference: InceptionFeatures, allow_few_images: bool = False
) -> FidEvaluation:
    """Return the FID of features that are there already; see :func:`evaluate_fid`."""
    for features in (images, reference):
        check_number_of_images(features.folder, len(features.names), allow_few_images)
    return FidEvaluation(images, reference)


def check_number_of_images(folder: Path, num_images: int, allow_few_images: bool) -> None:
    """Refuse too few images.

    Raises:
        InputError: fewer than 2,048, or 2 where few are allowed.
    """
    if num_images < 2:
        raise InputError(f"{folder} has one image, and a covariance needs two; give at least {MIN_IMAGES:,}")
    if num_images < MIN_IMAGES and not allow_few_images:
        raise InputError(
            f"{folder} has {num_images:,} images and FID needs {MIN_IMAGES:,}, or its covariance is singular; give more, "
            "use kid, or allow few images (--allow-few-images) for a number that compares with no other"
        )


def evaluate_fid(
    images: AnyPath,
    reference: AnyPath,
    weights: AnyPath,
    *,
    allow_few_images: bool = False,
    device: str = "cpu",
    num_threads: int = 1,
    progress: Progress | None = None,
) -> FidEvaluation:
    """Compare generated images with real ones.

    Args:
        images: folder of generated images.
        reference: folder of real images.
        weights: pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`.
        allow_few_images: whether fewer than 2,048 images a folder are taken, with a note.
        device: torch device of the network.
        num_threads: batches at work at the same time; the number does not change results.
        progress: told (images done, images in all) over both folders.

    Raises:
        InputError: too few images, an image that cannot be read, faulty weights, or no such device.
    """
    from methods.common.metrics.generated_images.inception import extract_features

    folders = list_images(as_path(images)), list_images(as_path(reference))
    for folder in folders:
        check_number_of_images(folder.folder, len(folder.paths), allow_few_images)
    generated, real = extract_features(
        folders, as_path(weights), device=device, num_threads=num_threads, progress=progress
    )
    return FidEvaluation(generated, real)

"""Kernel Inception distance (KID) of two folders of images.

Definition: the unbiased squared maximum mean discrepancy of Inception features under k(x, y) = (x.y / D + 1)^3, on random
subsets of either folder, without replacement within one; KID is the mean over subsets, KID_std their standard
deviation (divided by the number of subsets). The subsets are those that torch-fidelity draws for the same seed.

Shape legend: N generated images, M reference images, P images of a subset, D features, S subsets.
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
from methods.common.metrics.generated_images.fid import notes_of_both
from methods.common.metrics.generated_images.image_folders import list_images
from methods.common.metrics.generated_images.kid_sums import is_cheaper_at_once, kernel, sums_across, sums_within

if TYPE_CHECKING:
    from methods.common.metrics.generated_images.inception import InceptionFeatures


@dataclass(frozen=True)
class _SubsetKernels:
    """What one subset contributes, whatever the weights of its generated images."""

    chosen_P: NDArray[np.int64]
    """Which generated images it holds."""
    within_PP: NDArray[np.float64]
    """Kernel among them, 0 on the diagonal."""
    across_P: NDArray[np.float64]
    """Mean kernel of each with the reference images of the subset."""
    reference: float
    """Mean kernel among different reference images."""

    def discrepancy(self, weight_P: NDArray[np.float64]) -> float | None:
        """Return the squared discrepancy; None where fewer than two different images count.

        An image that counts twice makes no pair with itself: a weighted U-statistic.
        """
        total = weight_P.sum()
        num_pairs = total**2 - np.square(weight_P).sum()
        if num_pairs <= 0:
            return None
        within = weight_P @ self.within_PP @ weight_P / num_pairs
        return float(within + self.reference - 2 * (weight_P @ self.across_P) / total)


@dataclass(frozen=True, eq=False, repr=False)
class KidEvaluation:
    """KID of generated images; images count by weight within fixed subsets, the reference stays as it is.

    Memory: the features, 8 KiB an image. Resampling keeps the kernel of every subset, S x P^2 numbers: 0.8 GB by default.
    """

    images: InceptionFeatures
    reference: InceptionFeatures
    num_subsets: int
    subset_size: int
    seed: int
    depends_on_size: bool = False

    @property
    def definition(self) -> str:
        """What the numbers equal."""
        return (
            f"KID of Bińkowski et al. 2018 (unbiased, cubic kernel) over {self.num_subsets} subsets of {self.subset_size} images "
            f"drawn as in torch-fidelity 0.4 with seed {self.seed}, on the features of pytorch-fid 0.3.0"
        )

    @property
    def image_ids(self) -> tuple[str, ...]:
        """File names of the generated images, without endings."""
        return self.images.names

    def _chosen(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Draw the subsets of both folders."""
        generator = np.random.RandomState(self.seed)  # numpy keeps its stream as it is for ever
        for _ in range(self.num_subsets):
            chosen_P = generator.choice(len(self.images.names), self.subset_size, replace=False)
            yield chosen_P, generator.choice(len(self.reference.names), self.subset_size, replace=False)

    def _subsets(self) -> Iterator[_SubsetKernels]:
        for chosen_P, other_P in self._chosen():
            feature_PD = self.images.feature_ND[chosen_P].astype(np.float64)
            other_PD = self.reference.feature_ND[other_P].astype(np.float64)
            within_PP, among_PP = kernel(feature_PD, feature_PD), kernel(other_PD, other_PD)
            np.fill_diagonal(within_PP, 0)
            np.fill_diagonal(among_PP, 0)
            yield _SubsetKernels(
                chosen_P=chosen_P,
                within_PP=within_PP,
                across_P=kernel(feature_PD, other_PD).mean(axis=1),
                reference=float(among_PP.sum() / (self.subset_size * (self.subset_size - 1))),
            )

    @cached_property
    def _kept_subsets(self) -> list[_SubsetKernels]:
        return list(self._subsets())

    @cached_property
    def _official(self) -> dict[str, float | None]:
        sizes = len(self.images.names), len(self.reference.names), self.num_subsets, self.subset_size
        if is_cheaper_at_once(*sizes):
            return _summarise(self._discrepancies_at_once())
        ones_P = np.ones(self.subset_size)
        return _summarise([subset.discrepancy(ones_P) for subset in self._subsets()])

    def _discrepancies_at_once(self) -> list[float | None]:
        """Return what every subset's :meth:`_SubsetKernels.discrepancy` is, each picture counted once."""
        member_SN = np.zeros((self.num_subsets, len(self.images.names)))
        member_SM = np.zeros((self.num_subsets, len(self.reference.names)))
        for subset, (chosen_P, other_P) in enumerate(self._chosen()):
            member_SN[subset, chosen_P] = member_SM[subset, other_P] = 1
        one, other = (self.images.feature_ND, member_SN), (self.reference.feature_ND, member_SM)
        size = self.subset_size
        found_S = (sums_within(*one) + sums_within(*other)) / (size * (size - 1)) - 2 * sums_across(
            *one, *other
        ) / size**2
        return list(map(float, found_S))

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        """Return ``KID`` and ``KID_std``; None where no subset has two images that count.

        With weights ``KID`` alone: the other one tells about the subsets, not about the images.
        """
        if weight_I is None:
            return dict(self._official)
        found = _summarise([subset.discrepancy(weight_I[subset.chosen_P]) for subset in self._kept_subsets])
        return {"KID": found["KID"]}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        """KID has no classes."""
        return []

    def notes(self) -> list[str]:
        """Say what was converted or left out, and whether the sets differ at all."""
        return notes_of_both(self.images, self.reference)


def _summarise(discrepancies: list[float | None]) -> dict[str, float | None]:
    defined = [value for value in discrepancies if value is not None]
    if not defined:
        return {"KID": None, "KID_std": None}
    return {"KID": float(np.mean(defined)), "KID_std": float(np.std(defined))}


def kid_of_features(
    images: InceptionFeatures,
    reference: InceptionFeatures,
    num_subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> KidEvaluation:
    """Return the KID of features that are there already; see :func:`evaluate_kid`."""
    for features in (images, reference):
        check_number_of_images(features.folder, len(features.names), num_subsets, subset_size)
    return KidEvaluation(images, reference, num_subsets, subset_size, seed)


def check_number_of_images(folder: Path, num_images: int, num_subsets: int, subset_size: int) -> None:
    """Refuse subsets that a folder cannot fill.

    Raises:
        InputError: no subset, a subset of fewer than two images, or one larger than the folder.
    """
    if num_subsets < 1 or subset_size < 2:
        raise InputError(
            f"{num_subsets} subsets of {subset_size} images are too few; take at least 1 subset of 2 images"
        )
    if num_images < 2:
        raise InputError(f"{folder} has one image and a subset of kid needs at least two; give more")
    if num_images < subset_size:
        raise InputError(
            f"{folder} has {num_images:,} images and a subset of kid needs {subset_size:,}; give more, or take smaller "
            f"subsets (--subset-size {num_images})"
        )


def evaluate_kid(
    images: AnyPath,
    reference: AnyPath,
    weights: AnyPath,
    *,
    num_subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
    device: str = "cpu",
    num_threads: int = 1,
    progress: Progress | None = None,
) -> KidEvaluation:
    """Compare generated images with real ones; unbiased for few images too.

    Args:
        images: folder of generated images.
        reference: folder of real images.
        weights: pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`.
        num_subsets: how many subsets are averaged.
        subset_size: images of a subset, of either folder.
        seed: of the subsets.
        device: torch device of the network.
        num_threads: batches at work at the same time; the number does not change results.
        progress: told (images done, images in all) over both folders.

    Raises:
        InputError: fewer images than a subset, an image that cannot be read, faulty weights, or no such device.
    """
    from methods.common.metrics.generated_images.inception import extract_features

    folders = list_images(as_path(images)), list_images(as_path(reference))
    for folder in folders:
        check_number_of_images(folder.folder, len(folder.paths), num_subsets, subset_size)
    generated, real = extract_features(
        folders, as_path(weights), device=device, num_threads=num_threads, progress=progress
    )
    return KidEvaluation(generated, real, num_subsets, subset_size, seed)

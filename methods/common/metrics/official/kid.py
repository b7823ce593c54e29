"""KID by torch-fidelity, for whoever wants to check ours, or to compare with its numbers.

`KID` and `KID_std` are ours over again: the same pixels through its network, its subsets and its estimator. It scales pictures on
TensorFlow's grid itself; `KID_torch_fidelity` is what it gives then.

Shape legend: N images, D features.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from methods.common.files import AnyPath, as_path
from methods.common.metrics.generated_images.image_folders import ImageFolder, list_images
from methods.common.metrics.generated_images.kid import check_number_of_images
from methods.common.metrics.generated_images.network_batches import torch_device
from methods.common.metrics.official.package_evaluation import PackageEvaluation

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def evaluate_kid_officially(
    images: AnyPath,
    reference: AnyPath,
    weights: AnyPath,
    *,
    num_subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
    device: str = "cpu",
) -> PackageEvaluation:
    """Compare generated images with real ones; arguments as in :func:`evaluate_kid`.

    Raises:
        InputError: fewer images than a subset, an image that cannot be read, faulty weights, or no such device.
    """
    weights, folders = as_path(weights), (list_images(as_path(images)), list_images(as_path(reference)))
    for folder in folders:
        check_number_of_images(folder.folder, len(folder.paths), num_subsets, subset_size)
    from torch_fidelity import metric_kid

    from methods.common.metrics.generated_images.inception import weights_notes

    generated, real = (_features(folder, weights, torch_device(device)) for folder in folders)
    values: dict[str, float | None] = {}
    for name in generated:
        kid = metric_kid.kid_features_to_metric(
            generated[name],
            real[name],
            kid_subsets=num_subsets,
            kid_subset_size=subset_size,
            rng_seed=seed,
            verbose=False,
        )
        values |= {name: kid[metric_kid.KEY_METRIC_KID_MEAN], f"{name}_std": kid[metric_kid.KEY_METRIC_KID_STD]}
    return PackageEvaluation(
        f"torch-fidelity {version('torch-fidelity')} itself, {num_subsets} subsets of {subset_size} images drawn with seed {seed}: "
        "KID of images scaled as in pytorch-fid 0.3.0, KID_torch_fidelity of images scaled on TensorFlow's grid, as it does",
        folders[0].names,
        values,
        remarks=weights_notes(weights),
    )


def _features(folder: ImageFolder, weights: Path, device: torch.device) -> dict[str, Tensor]:
    """Return features of every image, float64 [N, D], by the name of the number that they are for."""
    import torch

    from methods.common.metrics.official import inception

    with inception.copied_weights(weights) as copy:
        network = inception.torch_fidelity_network(copy).to(device)
    same_pixels = inception.SamePixels(network)
    rows: dict[str, list[Tensor]] = {"KID": [], "KID_torch_fidelity": []}
    with torch.inference_mode():
        for image_N3HW in inception.picture_batches(folder, device):
            rows["KID"].append(same_pixels(image_N3HW).cpu())
            rows["KID_torch_fidelity"].append(network(image_N3HW)[0].double().cpu())
    return {name: torch.cat(parts) for name, parts in rows.items()}

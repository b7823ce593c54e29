"""FID by torchmetrics on torch-fidelity's network, for whoever wants to check ours, or to compare with numbers of those packages.

`FID` is ours over again: the same pixels through their network and their distance. The packages themselves scale pictures in other
ways and give other numbers for the same pictures: `FID_torchmetrics` is what torchmetrics gives as it is set, with antialiasing;
`FID_torch_fidelity` what torch-fidelity gives, which is torchmetrics without it: TensorFlow's grid.
"""

from __future__ import annotations

from importlib.metadata import version

from methods.common.files import AnyPath, as_path
from methods.common.metrics.generated_images.fid import check_number_of_images, few_images_notes
from methods.common.metrics.generated_images.image_folders import list_images
from methods.common.metrics.generated_images.network_batches import torch_device
from methods.common.metrics.official.package_evaluation import PackageEvaluation


def evaluate_fid_officially(
    images: AnyPath, reference: AnyPath, weights: AnyPath, *, allow_few_images: bool = False, device: str = "cpu"
) -> PackageEvaluation:
    """Compare generated images with real ones; arguments as in :func:`evaluate_fid`.

    Raises:
        InputError: too few images, an image that cannot be read, faulty weights, or no such device.
    """
    weights, folders = as_path(weights), (list_images(as_path(images)), list_images(as_path(reference)))
    for folder in folders:
        check_number_of_images(folder.folder, len(folder.paths), allow_few_images)
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    from methods.common.metrics.generated_images.inception import weights_notes
    from methods.common.metrics.official import inception

    place = torch_device(device)
    with inception.copied_weights(weights) as copy:
        distances = {
            "FID": FrechetInceptionDistance(inception.SamePixels(inception.torch_fidelity_network(copy))),
            "FID_torchmetrics": FrechetInceptionDistance(feature_extractor_weights_path=str(copy)),
            "FID_torch_fidelity": FrechetInceptionDistance(feature_extractor_weights_path=str(copy), antialias=False),
        }
    with torch.inference_mode():
        for distance in distances.values():
            distance.to(place)
        for folder, is_real in zip(folders, (False, True), strict=True):
            for image_N3HW in inception.picture_batches(folder, place):
                for distance in distances.values():
                    distance.update(image_N3HW, real=is_real)
        values: dict[str, float | None] = {name: float(distance.compute()) for name, distance in distances.items()}
    return PackageEvaluation(
        f"torchmetrics {version('torchmetrics')} itself, FrechetInceptionDistance on the network of torch-fidelity "
        f"{version('torch-fidelity')}: FID of images scaled as in pytorch-fid 0.3.0, FID_torchmetrics of images scaled with "
        "antialiasing, its default, FID_torch_fidelity of images scaled on TensorFlow's grid, as torch-fidelity does",
        folders[0].names,
        values,
        remarks=[
            *weights_notes(weights),
            *(note for folder in folders for note in few_images_notes(folder.folder, len(folder.paths))),
        ],
    )

"""torch-fidelity's Inception network with the weights that the user brings, for a second opinion on FID and KID.

Its network is the one of TensorFlow's `inception-2015-12-05` too and takes pytorch-fid's file, but scales pictures in its own way,
on TensorFlow's grid. :class:`SamePixels` puts pytorch-fid's scaling before it, so that it sees the very pixels that our network
sees. Nothing is downloaded: torch-fidelity does so only where it is given no file.

Shape legend: N images, H, W pixels, D = 2048 features.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from methods.common.metrics.generated_images.image_folders import ImageFolder, read_rgb
from methods.common.metrics.generated_images.inception import NUM_FEATURES, network_input, read_fid_weights

_BATCH = 16


@contextmanager
def copied_weights(weights: Path) -> Iterator[Path]:
    """Give a copy of pytorch-fid's file that holds its tensors alone, while the block runs.

    torch-fidelity would unpickle whatever a file holds, and run it; it gets this instead.

    Raises:
        InputError: no such file, no file of tensors, or tensors of another network.
    """
    state = read_fid_weights(weights)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(state, Path(folder) / "inception.pth")
        yield Path(folder) / "inception.pth"


def torch_fidelity_network(copy: Path) -> FeatureExtractorInceptionV3:
    """Return torch-fidelity's network: from pictures uint8 [N, 3, H, W] to a tuple with features float32 [N, D].

    Args:
        copy: what :func:`copied_weights` gives.
    """
    return FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(copy))


class SamePixels(nn.Module):
    """torch-fidelity's layers behind pytorch-fid's scaling."""

    num_features = NUM_FEATURES
    """torchmetrics asks for it."""

    def __init__(self, network: FeatureExtractorInceptionV3) -> None:
        super().__init__()
        layers = [layer for name, layer in network.named_children() if name != "fc"]
        self.layers = nn.Sequential(*layers, nn.Flatten())

    def forward(self, image_N3HW: Tensor) -> Tensor:
        """Return features, float64 [N, D], of pictures uint8 [N, 3, H, W]."""
        feature_ND: Tensor = self.layers(network_input(image_N3HW)).double()
        return feature_ND


def picture_batches(images: ImageFolder, device: torch.device) -> Iterator[Tensor]:
    """Yield the pictures of a folder in order, uint8 [N, 3, H, W]; where the size changes, a new batch begins.

    Raises:
        InputError: a picture cannot be read.
    """
    pictures = (torch.from_numpy(np.array(read_rgb(path).picture)).permute(2, 0, 1) for path in images.paths)
    for _, group in groupby(enumerate(pictures), key=lambda one: (one[0] // _BATCH, one[1].shape)):
        yield torch.stack([picture_3HW for _, picture_3HW in group]).to(device)

"""Pool features of the Inception network that FID and KID are defined on.

The network is that of TensorFlow's `inception-2015-12-05`, in the layout of pytorch-fid's file
`pt_inception-2015-12-05-6726825d.pth`. It differs from torchvision's in its weights, its 1,008 classes, its average pools,
which leave the padding out of the mean, and its last block, which pools by maximum.

Shape legend: N images, H, W pixels, D = 2048 features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import Inception3
from torchvision.models.inception import (
    BasicConv2d,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)

from methods.common.errors import InputError
from methods.common.files import file_sha256
from methods.common.metrics.evaluation import Progress
from methods.common.metrics.generated_images.image_folders import FileForm, ImageFolder, folder_notes, read_rgb
from methods.common.metrics.generated_images.network_batches import map_batches, torch_device
from methods.common.tensor_file import read_tensors

NUM_FEATURES = 2048
PUBLISHED_FILE = "pt_inception-2015-12-05-6726825d.pth"
PUBLISHED_SHA256_START = "6726825d"
"""The published file is named after the start of its SHA-256, as torch hub does."""
INPUT_PX = 299
_BATCH = 16
_NUM_CLASSES = 1008


@dataclass(frozen=True)
class InceptionFeatures:
    """Pool features of a folder of images; 8 KiB an image."""

    folder: Path
    names: tuple[str, ...]
    feature_ND: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    """What is to be said about images and weights."""


def _average_pool(image_NCHW: Tensor) -> Tensor:
    return functional.avg_pool2d(image_NCHW, 3, stride=1, padding=1, count_include_pad=False)


def _max_pool(image_NCHW: Tensor) -> Tensor:
    return functional.max_pool2d(image_NCHW, 3, stride=1, padding=1)


class _BlockA(InceptionA):  # type: ignore[misc]
    def _forward(self, x: Tensor) -> list[Tensor]:
        return [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(_average_pool(x)),
        ]


class _BlockC(InceptionC):  # type: ignore[misc]
    def _forward(self, x: Tensor) -> list[Tensor]:
        doubled = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        return [
            self.branch1x1(x),
            self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
            self.branch7x7dbl_5(self.branch7x7dbl_4(doubled)),
            self.branch_pool(_average_pool(x)),
        ]


class _BlockE(InceptionE):  # type: ignore[misc]
    pool = staticmethod(_average_pool)

    def _forward(self, x: Tensor) -> list[Tensor]:
        single, doubled = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(doubled),
            self.branch3x3dbl_3b(doubled),
            self.branch_pool(self.pool(x)),
        ]


def fid_inception() -> Inception3:
    """Return the network without weights of its own, in evaluation mode; it ends in 1,008 class scores."""
    blocks = [BasicConv2d, _BlockA, InceptionB, _BlockC, InceptionD, _BlockE, InceptionAux]
    network = Inception3(_NUM_CLASSES, aux_logits=False, inception_blocks=blocks, init_weights=False)
    network.Mixed_7c.pool = _max_pool
    return network.eval()


def load_fid_inception(weights: Path, device: torch.device) -> nn.Module:
    """Load the network from pytorch-fid's file, without its class scores and ready for speed.

    Returns:
        A module from images float32 [N, 3, 299, 299] in [-1, 1] to features float32 [N, D].

    Raises:
        InputError: no such file, no file of tensors, or tensors of another network.
    """
    network = fid_inception()
    network.load_state_dict(read_fid_weights(weights), strict=False)  # older files lack batch counters, nothing else
    network.fc = nn.Identity()
    for module in network.modules():
        if isinstance(module, BasicConv2d):
            module.conv, module.bn = fuse_conv_bn_eval(module.conv, module.bn), nn.Identity()
    loaded: nn.Module = network.requires_grad_(False).to(device, memory_format=torch.channels_last)
    return loaded


def read_fid_weights(weights: Path) -> dict[str, Tensor]:
    """Read the tensors of pytorch-fid's file; nothing in it is run.

    Raises:
        InputError: no such file, no file of tensors, or tensors of another network.
    """
    state = read_tensors(weights, f"give pytorch-fid's {PUBLISHED_FILE}")
    with torch.device("meta"):
        expected = fid_inception().state_dict()
    _check_layout(weights, state, expected)
    return state


def _check_layout(weights: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    advice = f"this is not the FID Inception network; give pytorch-fid's {PUBLISHED_FILE}"
    for name, tensor in expected.items():
        if name not in state and not name.endswith("num_batches_tracked"):
            raise InputError(f"{weights} has no tensor {name}: {advice}")
        if name in state and state[name].layout != torch.strided:
            raise InputError(f"{weights}: tensor {name} is sparse: {advice}")
        if name in state and state[name].shape != tensor.shape:
            shapes = f"{tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
            raise InputError(f"{weights}: tensor {name} has shape {shapes}: {advice}")
    unknown = next((name for name in state if name not in expected), None)
    if unknown is not None:
        raise InputError(f"{weights} has a tensor {unknown} too many: {advice}")


def weights_notes(weights: Path) -> list[str]:
    """Say that weights are not the published ones, if they are not."""
    digest = file_sha256(weights)
    if digest.startswith(PUBLISHED_SHA256_START):
        return []
    return [
        f"{weights} is not the published {PUBLISHED_FILE} (its SHA-256 starts with {digest[:8]}): the numbers compare with "
        "no published ones"
    ]


def network_input(image_N3HW: Tensor) -> Tensor:
    """Scale pictures, uint8 [N, 3, H, W], to what the network takes: RGB / 255, bilinear to 299x299, then to [-1, 1].

    The rescale is torch's, half-pixel centres, **without** antialiasing, as pytorch-fid does; clean-fid uses PIL's
    antialiased bicubic one, torchmetrics torch's antialiased bilinear one, torch-fidelity and TensorFlow's original another grid,
    so that their numbers differ.

    Returns:
        float32 [N, 3, 299, 299].
    """
    side = (INPUT_PX, INPUT_PX)
    scaled = functional.interpolate(image_N3HW.float().div_(255), size=side, mode="bilinear", align_corners=False)
    return scaled.mul_(2).sub_(1)


def read_inputs(paths: Sequence[Path]) -> tuple[Tensor, list[FileForm]]:
    """Read images as the network takes them, see :func:`network_input`.

    Returns:
        The images, float32 [N, 3, 299, 299], and the form of each file.
    """
    rows, forms = [], []
    for path in paths:
        image = read_rgb(path)
        image_HW3 = torch.from_numpy(np.array(image.picture))
        rows.append(network_input(image_HW3.permute(2, 0, 1)[None]))
        forms.append(image.form)
    return torch.cat(rows), forms


def extract_features(
    folders: Sequence[ImageFolder],
    weights: Path,
    *,
    device: str = "cpu",
    num_threads: int = 1,
    progress: Progress | None = None,
) -> list[InceptionFeatures]:
    """Run the network on every image of some folders.

    Args:
        folders: the folders.
        weights: pytorch-fid's file.
        device: torch device.
        num_threads: batches of 16 images at work at the same time; results do not depend on it.
        progress: told (images done, images in all) over all folders.

    Raises:
        InputError: faulty weights, an image that cannot be read, or no such device.
    """
    place = torch_device(device)
    network: Any = load_fid_inception(weights, place)
    num_images, of_weights = sum(len(images.paths) for images in folders), weights_notes(weights)

    def work(paths: Sequence[Path]) -> tuple[NDArray[np.float32], list[FileForm]]:
        input_NCHW, forms = read_inputs(paths)
        with torch.inference_mode():
            feature_ND = network(input_NCHW.to(place, memory_format=torch.channels_last))
        return feature_ND.cpu().numpy(), forms

    found: list[InceptionFeatures] = []
    for images in folders:
        report = _shifted(progress, sum(len(features.names) for features in found), num_images)
        results = map_batches(work, images.paths, _BATCH, num_threads, report)
        forms = [form for _, batch_forms in results for form in batch_forms]
        feature_ND = np.concatenate([batch_ND for batch_ND, _ in results])
        if not np.isfinite(feature_ND).all():
            raise InputError(
                f"{weights} gives features that are no numbers: it is damaged; give pytorch-fid's {PUBLISHED_FILE}"
            )
        notes = (*folder_notes(images, forms), *of_weights)
        found.append(InceptionFeatures(images.folder, images.names, feature_ND, notes))
    return found


def _shifted(progress: Progress | None, before: int, num_all: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(before + done, num_all)

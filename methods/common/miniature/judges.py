"""Judge networks: small classifiers of the world, with colour and in grey, that say what a picture shows."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.network_training import train_networks
from methods.common.miniature.provenance import TrainedPart
from methods.common.miniature.training_configs import JudgesConfig
from methods.common.miniature.web import web_sample
from methods.common.stage import Context, Inputs

COLOURS = ("colour", "grey")


def _block(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(width_out),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


class Judge(nn.Module):
    """A five-layer convolutional classifier.

    Args:
        grey: look at the mean of the colour channels only, shifted and scaled to each picture's own mean and deviation,
            so that neither hue nor exposure can help.
        width: channels of the first layer.
    """

    def __init__(self, grey: bool, width: int = 16) -> None:
        super().__init__()
        self.grey = grey
        self.features = nn.Sequential(
            _block(1 if grey else 3, width),
            _block(width, 2 * width),
            _block(2 * width, 4 * width),
            _block(4 * width, 4 * width),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * width * 16, 96), nn.ReLU(inplace=True), nn.Linear(96, len(CATEGORIES))
        )

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """Return class logits (N, 36) of RGB pictures (N, 3, 64, 64) in [0, 1]."""
        if self.grey:
            image_NCHW = image_NCHW.mean(1, keepdim=True)
            spread = image_NCHW.std((1, 2, 3), keepdim=True) + 1e-3
            image_NCHW = (image_NCHW - image_NCHW.mean((1, 2, 3), keepdim=True)) / (4 * spread)
        else:
            image_NCHW = image_NCHW - 0.5
        logits: Tensor = self.head(self.features(image_NCHW))
        return logits


def image_batch(images: list[NDArray[np.uint8]], device: torch.device) -> Tensor:
    """Stack (H, W, 3) bytes to a float (N, 3, H, W) batch in [0, 1]."""
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float() / 255.0


def augment(image_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Blur or sharpen, shift and add noise a little, as a decoder might; judges must not depend on crispness."""
    count = image_NCHW.shape[0]
    draws = torch.rand((3, count, 1, 1, 1), generator=generator).to(image_NCHW.device)
    blurred = nn.functional.avg_pool2d(nn.functional.pad(image_NCHW, (1, 1, 1, 1), mode="replicate"), 3, 1)
    mixed = image_NCHW + (draws[0] * 1.3 - 0.3) * (blurred - image_NCHW)
    noise = torch.randn(image_NCHW.shape, generator=generator).to(image_NCHW.device)
    return (mixed + 0.04 * draws[1] * noise + 0.1 * (draws[2] - 0.5)).clamp(0, 1)


def train_judges(inputs: Inputs, config: JudgesConfig, context: Context) -> TrainedPart:
    """Train both judges on the same pictures and write ``judges.safetensors``."""
    torch.manual_seed(context.seeds.derive("training", "judges", "start"))
    networks = {name: Judge(grey=name == "grey").to(context.device) for name in COLOURS}
    stream = context.seeds.derive("data", "judges")

    def loss_of_step(step: int) -> Tensor:
        size = config.optimizer.batch_size
        samples = [web_sample(stream, step * size + k, config.web) for k in range(size)]
        labels_N = torch.tensor([sample.scene.instances[0].category for sample in samples], device=context.device)
        generator = context.seeds.torch("training", "judges", step)
        image_NCHW = augment(image_batch([s.scene.image_HW3 for s in samples], context.device), generator)
        losses = [cross_entropy(network(image_NCHW), labels_N) for network in networks.values()]
        return losses[0] + losses[1]

    trained = train_networks(networks, config.optimizer, loss_of_step, context)
    tensors = {f"{name}.{key}": value for name, net in networks.items() for key, value in net.state_dict().items()}
    save_file(tensors, context.out / "judges.safetensors")
    return TrainedPart({"losses": trained.losses}, trained.cpu_seconds)


def load_judges(folder: Path, device: torch.device | None = None) -> dict[str, Judge]:
    """Return the judges in a folder, ``colour`` and ``grey``, in evaluation mode and float32."""
    tensors = load_file(folder / "judges.safetensors")
    judges = {}
    for name in COLOURS:
        judges[name] = Judge(grey=name == "grey")
        own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
        judges[name].load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in own.items()})
        judges[name].to(device or torch.device("cpu")).eval()
    return judges

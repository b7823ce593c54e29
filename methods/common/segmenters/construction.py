"""Building a network: weights drawn from a generator of one's own, or none at all, and colours that it normalises itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

NetworkT = TypeVar("NetworkT", bound=nn.Module)
Colour = tuple[float, float, float]
Size = tuple[int, int]


class PixelNorm(nn.Module):
    """Subtracts a mean from the RGB channels and divides them by a deviation; neither is part of the state dict."""

    def __init__(self, mean: Colour, std: Colour) -> None:
        super().__init__()
        self._colours = torch.tensor([mean, std], device="cpu")[:, :, None, None]
        self.register_buffer("mean", torch.zeros(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.zeros(3, 1, 1), persistent=False)
        self.reset()

    def reset(self) -> None:
        """Fill the buffers anew, which no file holds."""
        for buffer, colour_311 in zip((self.get_buffer("mean"), self.get_buffer("std")), self._colours, strict=True):
            if not buffer.is_meta:
                buffer.copy_(colour_311)

    def forward(self, image_N3HW: Tensor) -> Tensor:
        """Normalise float images with values 0..255."""
        return (image_N3HW - self.get_buffer("mean")) / self.get_buffer("std")


def normalise_and_pad(
    normalise: PixelNorm, image_NCHW: Tensor, image_sizes: Sequence[Size] | None, multiple: int
) -> tuple[Tensor, list[Size]]:
    """Normalise, clear everything outside each image, pad right and bottom with zeros to a multiple of some pixels.

    Args:
        normalise: of the network.
        image_NCHW: float32 RGB in [0, 255]; images of different sizes share the top left corner.
        image_sizes: (height, width) of each image; the whole batch size when None.
        multiple: of which both sides become.
    Returns:
        The images, and the size of each.
    """
    assert image_NCHW.ndim == 4, f"images have shape {tuple(image_NCHW.shape)}; give [B, 3, H, W]"
    batch, _, height, width = image_NCHW.shape
    sizes = [(height, width)] * batch if image_sizes is None else [(int(h), int(w)) for h, w in image_sizes]
    assert len(sizes) == batch, f"{len(sizes)} image sizes for a batch of {batch}"
    image = normalise(image_NCHW.float())
    if any(size != (height, width) for size in sizes):
        inside = torch.zeros(batch, 1, height, width, dtype=torch.bool, device=image.device)
        for row, (inside_height, inside_width) in enumerate(sizes):
            inside[row, :, :inside_height, :inside_width] = True
        image = image * inside
    return functional.pad(image, (0, -width % multiple, 0, -height % multiple)), sizes


@contextmanager
def weights_drawn_from(generator: torch.Generator | None) -> Iterator[None]:
    """Let torch's global generator, from which layers draw their weights, follow a generator; leave it as it was, then.

    Where there is no generator, the global one is used up as ever.
    """
    with torch.random.fork_rng(devices=[], enabled=generator is not None):
        if generator is not None:
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator, device=generator.device)))
        yield


def build_without_weights(build: Callable[[], NetworkT]) -> NetworkT:
    """Build a network on the CPU without drawing weights; the caller fills every entry of its state dict."""
    with torch.device("meta"):
        model = build()
    model.to_empty(device="cpu")
    for buffer in model.buffers():
        buffer.zero_()
    for module in model.modules():
        if isinstance(module, PixelNorm):
            module.reset()
    return model

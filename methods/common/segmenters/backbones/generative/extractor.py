"""The generative extractor e(G): an image through autoencoder and U-Net, once, at one time step, and the maps found on the way.

Shape legend: N images, C channels, H, W pixels, h, w cells of a map, T tokens, D text width.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from methods.common.segmenters.backbones.generative.config import ExtractorConfig
from methods.common.segmenters.backbones.generative.windows import read_windows
from methods.common.segmenters.saved import SavedWithConfig


class Extractor(SavedWithConfig[ExtractorConfig]):
    """Reads an image as the generator sees it; never trained by itself, always in evaluation mode.

    Only what the taps need is there: no text encoder, whose features of the one prompt are kept, no decoder unless it is tapped,
    nothing after the last tap.

    Example:
        >>> from methods.common.segmenters.backbones.generative.presets import generative_backbone, miniature_networks
        >>> extractor = Extractor(generative_backbone(miniature_networks()).extractor)
        >>> [tuple(maps.shape) for maps in extractor(torch.zeros(1, 3, 64, 64))]
        [(1, 32, 16, 16), (1, 64, 8, 8), (1, 96, 4, 4)]

    Source: InstSynth section 4.
    """

    config_type = ExtractorConfig

    def __init__(self, config: ExtractorConfig) -> None:
        """Build with random weights and a random text, drawn from torch's global generator."""
        from methods.common.segmenters.backbones.generative.networks import alpha_of, build_autoencoder, build_unet

        super().__init__()
        self.config = config
        networks, precision = config.networks, dtype_of(config)
        self.unet = nn.Module.to(build_unet(networks, config.taps), precision)
        vae_dtype = torch.float32 if precision is torch.float16 else precision
        self.vae = nn.Module.to(build_autoencoder(networks, config.taps), vae_dtype)
        self.register_buffer(
            "text_TD", torch.randn(networks.text_tokens, networks.unet.cross_attention_dim).to(precision)
        )
        self.alpha = alpha_of(networks.schedule, config.timestep)
        self.requires_grad_(False)
        self.eval()

    unet: Any
    """Up to the last tap."""
    vae: Any
    """The encoder, and the decoder where it is tapped."""

    def train(self, mode: bool = True) -> Extractor:
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, image_N3HW: Tensor) -> list[Tensor]:
        """Return the map of each tap, [N, C, h, w] float32 or in the U-Net's precision, in the order of the config.

        Args:
            image_N3HW: float32 RGB in [-1, 1]; both sides are multiples of the U-Net's coarsest cell.
        """
        coarsest = self.config.networks.coarsest_px
        height, width = image_N3HW.shape[2:]
        assert height % coarsest == width % coarsest == 0, f"sides {height} x {width} are no multiples of {coarsest}"
        if self.config.window_px is None:
            return self._read(image_N3HW)
        strides = [tap.stride_px for tap in self.config.tapped]
        return read_windows(self._read, image_N3HW, self.config.window_px, self.config.step_px, strides)

    def encode(self, image_N3HW: Tensor) -> Tensor:
        """Return scaled posterior means, which are its modes, [N, C, h, w]. Source: InstSynth section 4, items 1 and 2."""
        mean_NChw: Tensor = self.vae.encode(image_N3HW.to(self.vae.dtype)).latent_dist.mean
        return mean_NChw * self.config.networks.vae.scaling_factor

    def noised(self, latent_NChw: Tensor) -> Tensor:
        """Return latents as of the time step, with the same noise for every image [C InstSynth D59].

        It is drawn for one image's shape on the processor.
        """
        if self.config.noise == "none":
            return latent_NChw
        generator = torch.Generator("cpu").manual_seed(self.config.noise_seed)
        noise_Chw = torch.randn(latent_NChw.shape[1:], generator=generator, device="cpu").to(latent_NChw)
        return math.sqrt(self.alpha) * latent_NChw + math.sqrt(1 - self.alpha) * noise_Chw

    def _read(self, image_N3HW: Tensor) -> list[Tensor]:
        """Return the maps of an image or a window."""
        with listening(self, self.config.taps) as found:
            latent_NChw = self.encode(image_N3HW)
            if self.vae.decoder is not None:
                self.vae.decode(latent_NChw / self.config.networks.vae.scaling_factor)
            text_NTD = self.get_buffer("text_TD").expand(len(latent_NChw), -1, -1)
            noisy_NChw = self.noised(latent_NChw).to(self.unet.dtype)
            self.unet(noisy_NChw, self.config.timestep, encoder_hidden_states=text_NTD)
        return [found[name] for name in self.config.taps]

    def weights_sha256(self) -> str:
        """Return a checksum of everything that a map depends on beside the config: names, shapes and bytes of all weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def dtype_of(config: ExtractorConfig) -> torch.dtype:
    """Return the precision of the U-Net."""
    found: torch.dtype = getattr(torch, config.precision)
    return found


@contextmanager
def listening(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of some modules by name while the network runs; of a module with several outputs the first.

    Nothing stays on the modules, so that a network can be copied at any time.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: Any) -> None:
            found[name] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()

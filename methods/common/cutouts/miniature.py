"""The miniature cut-out network: a U-Net at half resolution, refined at full resolution.

Shape suffixes: N pictures, C channels, H, W pixels.
"""

import json
from pathlib import Path

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from methods.common.errors import InputError
from methods.common.files import write_atomic
from methods.common.growth import STORED
from methods.common.stage import Config

MODEL_TYPE = "miniature_cutout"


class MiniatureCutoutConfig(Config):
    """Architecture, as stored in ``config.json``."""

    model_type: str = Field(default=MODEL_TYPE, pattern=f"^{MODEL_TYPE}$")
    """Marks the folder's kind."""
    width: int = Field(default=16, ge=4)
    """Channels of the first level."""
    image_size_px: int = Field(default=64, ge=16, multiple_of=8)
    """Pictures are resized to a square of this side, and masks back."""


def _block(width_in: int, width_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (width_in, width_out):
        layers += [nn.Conv2d(channels, width_out, 3, padding=1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU(True)]
    return nn.Sequential(*layers)


class MiniatureCutout(nn.Module):
    """A small dichotomous segmenter with 0.1 million parameters at width 16.

    Source: our choice; it stands where the real runs have BiRefNet.
    """

    def __init__(self, config: MiniatureCutoutConfig | None = None) -> None:
        super().__init__()
        self.config = config or MiniatureCutoutConfig()
        width = self.config.width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)
        )
        self.down = nn.ModuleList([_block(width, width), _block(width, 2 * width), _block(2 * width, 3 * width)])
        self.up = nn.ModuleList([_block(5 * width, 2 * width), _block(3 * width, width)])
        self.coarse = nn.Conv2d(width, 4 * 8, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(8 + 3, 8, 3, padding=1), nn.ReLU(True), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(True)
        )
        self.mask = nn.Conv2d(8, 1, 1)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """Return mask logits (N, H, W) of RGB pictures in [0, 1] whose sides are multiples of 8."""
        centred_NCHW = image_NCHW * 2.0 - 1.0
        levels = [self.down[0](self.stem(centred_NCHW))]
        for block in self.down[1:]:
            levels.append(block(nn.functional.max_pool2d(levels[-1], 2)))
        features = levels[-1]
        for block, skip in zip(self.up, reversed(levels[:-1]), strict=True):
            features = block(torch.cat([interpolate(features, scale_factor=2.0), skip], 1))
        fine_NCHW = pixel_shuffle(self.coarse(features), 2)
        logits: Tensor = self.mask(self.refine(torch.cat([fine_NCHW, centred_NCHW], 1)))[:, 0]
        return logits

    @torch.no_grad()
    def soft_mask(self, image_NCHW: Tensor) -> Tensor:
        """Return foreground probabilities, float32 (N, H, W) in [0, 1], of RGB pictures (N, 3, H, W) in [0, 1].

        The network runs in evaluation mode and is left in the mode it was in.
        """
        mode, height, width = self.training, image_NCHW.shape[2], image_NCHW.shape[3]
        side = (self.config.image_size_px, self.config.image_size_px)
        self.eval()
        resized = image_NCHW.to(self.mask.weight).float()
        if (height, width) != side:
            resized = interpolate(resized, side, mode="bilinear", antialias=True)
        prob_NCHW = self(resized).sigmoid()[:, None]
        self.train(mode)
        if (height, width) != side:
            prob_NCHW = interpolate(prob_NCHW, (height, width), mode="bilinear", antialias=True)
        soft_NHW: Tensor = prob_NCHW[:, 0].clamp(0.0, 1.0)
        return soft_NHW

    def save_pretrained(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write ``config.json`` and ``model.safetensors``; floating-point numbers as ``dtype``."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            key: (value.to(dtype) if value.is_floating_point() else value).contiguous()
            for key, value in self.state_dict().items()
        }
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        write_atomic(folder / "config.json", json.dumps(self.config.model_dump(), indent=2).encode())

    @classmethod
    def from_pretrained(cls, folder: Path) -> "MiniatureCutout":
        """Load a folder that :meth:`save_pretrained` wrote, in float32 and evaluation mode.

        Raises:
            InputError: a file is missing or does not fit.
        """
        try:
            config = MiniatureCutoutConfig.model_validate_json((folder / "config.json").read_text(), context=STORED)
            model = cls(config)
            model.load_state_dict(load_file(folder / "model.safetensors"))
        except (OSError, ValidationError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{folder} is not a miniature cut-out network ({reason}); name a folder with a matching config.json "
                "and model.safetensors"
            ) from error
        return model.float().eval()

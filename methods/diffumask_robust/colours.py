"""Changes of colours after mixing (section 6.3). Holds no torch until images are changed.

Shape legend: N images of a share, H, W pixels; 3 RGB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from methods.common.stage import Config

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from methods.common.seeds import Seeds

Probability = Annotated[float, Field(ge=0, le=1)]


class ColourConfig(Config):
    """How colours change. Chances are [code]; how far they change no source says [C D44]."""

    jitter: Probability = 0.8
    """Chance to change brightness and contrast, and again to change hue, saturation and value."""
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Colours, in [0, 1], get a number in [-brightness, brightness] added."""
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Colours are multiplied by a number in [1 - contrast, 1 + contrast] before."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 20 / 180
    """The hue turns by up to this share of the circle, either way."""
    saturation: Annotated[float, Field(ge=0, lt=1)] = 30 / 255
    """The saturation is multiplied by a number in [1 - saturation, 1 + saturation]."""
    value: Annotated[float, Field(ge=0, lt=1)] = 20 / 255
    """The same for the brightness of the picture as a whole."""
    grey: Probability = 0.2
    """Chance to become grey."""
    blur: Probability = 0.5
    """Chance of a Gaussian blur with a kernel of 3 or 5 pixels."""


def change_colours(image_N3HW: Tensor, config: ColourConfig, seeds: Seeds, iteration: int, first: int) -> Tensor:
    """Change the colours of some images of a batch; each image's draws depend on the iteration and its place in the batch.

    Args:
        image_N3HW: float, 0..255.
        config: chances and strengths.
        seeds: axis ``training``.
        iteration: of the training.
        first: place of the first of these images in the whole batch.

    Returns:
        float, 0..255, [N, 3, H, W].
    Source: section 6.3 [code].
    """
    import torch

    changed = [
        _change(image_3HW / 255.0, config, seeds.numpy("training", "colours", iteration, first + place))
        for place, image_3HW in enumerate(image_N3HW)
    ]
    return torch.stack(changed).clamp(0, 1) * 255.0


def _change(image_3HW: Tensor, config: ColourConfig, rng: np.random.Generator) -> Tensor:
    """Change one image with values in [0, 1]."""
    from torchvision.transforms.v2 import functional

    def strength(most: float) -> float:
        return float(rng.uniform(-most, most))

    if rng.random() < config.jitter:
        factor, offset = 1 + strength(config.contrast), strength(config.brightness)
        image_3HW = (image_3HW * factor + offset).clamp(0, 1)
    if rng.random() < config.jitter:
        image_3HW = functional.adjust_hue(image_3HW, strength(config.hue))
        image_3HW = functional.adjust_saturation(image_3HW, 1 + strength(config.saturation))
        image_3HW = functional.adjust_brightness(image_3HW, 1 + strength(config.value))
    if rng.random() < config.grey:
        image_3HW = functional.rgb_to_grayscale(image_3HW, num_output_channels=3)
    if rng.random() < config.blur:
        image_3HW = functional.gaussian_blur(image_3HW, [3 + 2 * int(rng.integers(2))] * 2)
    return image_3HW

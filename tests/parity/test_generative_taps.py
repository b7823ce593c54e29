"""Features of the reference data's small Stable Diffusion, which has the real one's topology, against diffusers' own modules."""

from pathlib import Path

import pytest
import torch

from methods.common.segmenters.backbones.generative.loading import backbone_of, load_extractor, networks_of
from methods.common.segmenters.backbones.generative.presets import Preset
from tests.parity.tiny_stable_diffusion import tiny_stable_diffusion
from tests.unit.generative_folders import by_hand, images


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("generator")
    tiny_stable_diffusion(shared, 0).save_pretrained(place)
    return place


@pytest.mark.parametrize(
    ("preset", "strides"),
    [
        ("decoder", [8, 16, 32, 64]),
        # Ends of blocks on the way up, then blocks 5 and 7 of the encoder and 2 and 5 of the decoder.
        ("odise", [32, 16, 8, 8, 4, 8, 8, 4]),
        ("vpd", [8, 16, 32, 64]),
    ],
)
def test_taps_are_what_the_modules_give(folder: Path, preset: Preset, strides: list[int]) -> None:
    config = backbone_of(folder, preset=preset, width=32).extractor
    image = images(2, 64, 128)
    generator = torch.Generator().manual_seed(config.noise_seed)
    noise = torch.randn(4, 8, 16, generator=generator) if config.noise == "fixed" else None
    with torch.no_grad():
        found = load_extractor(config, folder)(image)
    wanted = by_hand(folder, image, config.taps, config.timestep, noise)
    assert [tap.stride_px for tap in config.tapped] == strides
    for maps, expected, tap in zip(found, wanted, config.tapped, strict=True):
        assert maps.shape == (2, tap.channels, 64 // tap.stride_px, 128 // tap.stride_px), tap.name
        assert (maps - expected).norm() <= 1e-5 * expected.norm(), tap.name


def test_it_is_a_stable_diffusion_1(folder: Path) -> None:
    networks = networks_of(folder)
    assert networks.unet.down_block_types == ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    assert (networks.vae.stride_px, networks.coarsest_px, networks.text_tokens) == (8, 64, 77)

"""Complete configs of generative backbones: the published choices of taps and time steps, and ours. Holds no torch."""

from __future__ import annotations

from typing import Literal, TypeVar

from methods.common.segmenters.backbones.generative.config import (
    UNIT,
    ExtractorConfig,
    GenerativeConfig,
    LevelConfig,
    check_strides,
)
from methods.common.segmenters.backbones.generative.networks_config import (
    AutoencoderShape,
    Networks,
    UNetShape,
    tap_of,
)
from methods.common.stage import Config

ConfigT = TypeVar("ConfigT", bound=Config)

Preset = Literal["decoder", "odise", "vpd"]
DIFFUSIONINST_STRIDES = (4, 8, 16, 32)


def stable_diffusion_1() -> Networks:
    """Return the networks of Stable Diffusion 1.1 to 1.5, which differ in weights alone."""
    return Networks()


def stable_diffusion_2() -> Networks:
    """Return those of Stable Diffusion 2 and 2.1, base: wider text, heads of 64 channels."""
    unet = UNetShape(cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True)
    return Networks(unet=unet)


def miniature_networks() -> Networks:
    """Return those of the repository's miniature: three levels, latents of stride 4, pooled text in the time embedding."""
    return Networks(
        unet=UNetShape(
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(32, 64, 96),
            layers_per_block=1,
            sample_size=16,
            cross_attention_dim=96,
            attention_head_dim=4,
            norm_num_groups=8,
            addition_embed_type="text",
            addition_embed_type_num_heads=4,
        ),
        vae=AutoencoderShape(
            block_out_channels=(16, 32, 64),
            layers_per_block=1,
            norm_num_groups=4,
            sample_size=64,
            scaling_factor=1.0,
            mid_block_add_attention=False,
        ),
        text_tokens=16,
    )


def decoder_taps(networks: Networks) -> tuple[str, ...]:
    """Return the last layer of each block on the U-Net's way up, before the block grows, finest first. InstSynth section 4, item 4."""
    kinds, layer = networks.unet.up_block_types, networks.unet.layers_per_block
    names = [
        f"unet.up_blocks.{block}.{'attentions' if kind.startswith('CrossAttn') else 'resnets'}.{layer}"
        for block, kind in enumerate(kinds)
    ]
    return tuple(reversed(names))


def odise_taps(networks: Networks) -> tuple[str, ...]:
    """Return what ODISE reads, finest last: U-Net output blocks 2, 5, 8 and 11, blocks 5 and 7 of the encoder, 2 and 5 of the decoder.

    Blocks are counted as in the original code, three to a block of ours on the U-Net's way up, two in the encoder, three in the
    decoder; smaller networks keep the places from the coarse end. Source: InstSynth section 4, item 2.
    """
    blocks, layers = len(networks.unet.up_block_types), networks.vae.layers_per_block
    last = len(networks.vae.block_out_channels) - 1
    return (
        *(f"unet.up_blocks.{block}" for block in range(blocks)),
        *(f"vae.encoder.down_blocks.{block}.resnets.{layers - 1}" for block in (last - 1, last)),
        *(f"vae.decoder.up_blocks.{block}.resnets.{layers}" for block in (0, 1)),
    )


def levels_of(taps: tuple[str, ...], networks: Networks, strides_px: tuple[int, ...]) -> tuple[LevelConfig, ...]:
    """Give each level the taps of its stride; taps finer or coarser than all levels go to the first and the last.

    A level without a tap reads those of the next finer or coarser stride that has some, the nearer one first, the coarser of two.
    Raises:
        ValueError: strides that do not double.

    Source: InstSynth section 4, item 4, for the level finer than all taps; the rest is our choice [C InstSynth D51].
    """
    check_strides(strides_px)
    by_level: dict[int, list[str]] = {stride: [] for stride in strides_px}
    for name in taps:
        own = tap_of(name, networks).stride_px
        by_level[min(max(own, strides_px[0]), strides_px[-1])].append(name)
    filled = {stride: names for stride, names in by_level.items() if names}

    def distance(found: int, wanted: int) -> tuple[float, int]:
        return max(found / wanted, wanted / found), -found

    return tuple(
        LevelConfig(stride_px=stride, taps=tuple(filled[min(filled, key=lambda found: distance(found, stride))]))
        for stride in strides_px
    )


def generative_backbone(
    networks: Networks,
    preset: Preset = "decoder",
    strides_px: tuple[int, ...] = DIFFUSIONINST_STRIDES,
    width: int = 256,
    taps: tuple[str, ...] | None = None,
    **extractor: object,
) -> GenerativeConfig:
    """Return a backbone by one of three sets of choices (InstSynth section 4).

    ``decoder`` (ours): last layer of every block on the U-Net's way up, time step 0 with fixed noise, frozen. ``odise``: the taps of
    :func:`odise_taps` at time step 0, frozen; the empty prompt instead of its text from the image [C InstSynth D52]. ``vpd``: taps as ``decoder`` at
    time step 1 without noise, U-Net tuned; without its maps of attention to class names, as the empty prompt names none [C InstSynth D53].

    Args:
        networks: of the generator.
        preset: which choices.
        strides_px: of the levels, finest first.
        width: channels of every level.
        taps: others than the preset's, which go to the levels of their strides.
        extractor: further fields of :class:`ExtractorConfig` that shall differ.
    """
    if taps is None:
        taps = odise_taps(networks) if preset == "odise" else decoder_taps(networks)
    choices: dict[str, object] = {"timestep": 1, "noise": "none"} if preset == "vpd" else {}
    document = {"networks": networks, "taps": taps, **choices, **extractor}
    return GenerativeConfig(
        extractor=ExtractorConfig.model_validate(document),
        levels=levels_of(taps, networks, strides_px),
        width=width,
        norm_groups=min(32, width // 4),
        tuning="all" if preset == "vpd" else "frozen",
    )


def on_generator(segmenter: ConfigT, backbone: GenerativeConfig) -> ConfigT:
    """Return a segmenter's config with a generator as its backbone: colours in [-1, 1], sides that the U-Net can halve.

    Raises:
        ValidationError: the segmenter reads levels of other number or strides.
    """
    document = segmenter.model_dump()
    multiple = max(backbone.output_strides[-1], backbone.extractor.networks.coarsest_px)
    images = {"pixel_mean": UNIT, "pixel_std": UNIT, "pad_multiple": multiple}
    return type(segmenter).model_validate({**document, "backbone": backbone, **images})

"""The generative extractor: what it reads, and of which image, noise and text; against the folder's own networks run by hand."""

import json

import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline

from methods.common.errors import InputError
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.segmenters.backbones.generative.config import ExtractorConfig
from methods.common.segmenters.backbones.generative.extractor import Extractor, listening
from methods.common.segmenters.backbones.generative.loading import (
    backbone_of,
    load_extractor,
    networks_of,
    strongest_heads,
)
from methods.common.segmenters.backbones.generative.networks import alpha_of, attentions, narrow_attention
from methods.common.segmenters.backbones.generative.networks_config import Networks, NoiseSchedule, tap_of
from methods.common.segmenters.backbones.generative.presets import (
    DIFFUSIONINST_STRIDES,
    generative_backbone,
    miniature_networks,
    stable_diffusion_1,
    stable_diffusion_2,
)
from methods.common.segmenters.backbones.generative.windows import read_windows, window_starts
from tests.unit.generative_folders import TAPS, by_hand, images, tiny_config, tiny_folder

EVERY_TAP = (
    *("unet.down_blocks.0", "unet.down_blocks.0.attentions.0", "unet.down_blocks.1.resnets.0", "unet.mid_block"),
    *("unet.up_blocks.0", "unet.up_blocks.0.resnets.0", "unet.up_blocks.1.attentions.1", "unet.up_blocks.1"),
    *("vae.encoder.down_blocks.0", "vae.encoder.down_blocks.1.resnets.0", "vae.encoder.mid_block"),
    *("vae.decoder.mid_block", "vae.decoder.up_blocks.0", "vae.decoder.up_blocks.1.resnets.1"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_folder(tmp_path_factory.mktemp("generator"))


def extractor_of(folder, taps=TAPS, **choices) -> Extractor:
    config = ExtractorConfig(networks=networks_of(folder), taps=taps, **choices)
    return load_extractor(config, folder)


@pytest.mark.parametrize(("timestep", "noise"), [(0, "fixed"), (261, "fixed"), (1, "none")])
def test_it_reads_what_the_pipelines_own_networks_compute(folder, timestep, noise) -> None:
    extractor = extractor_of(folder, EVERY_TAP, timestep=timestep, noise=noise, noise_seed=5)
    image = images()
    drawn = torch.randn(4, 8, 12, generator=torch.Generator().manual_seed(5)) if noise == "fixed" else None
    expected = by_hand(folder, image, EVERY_TAP, timestep, drawn)
    with torch.no_grad():
        found = extractor(image)
    for name, maps, wanted, tap in zip(EVERY_TAP, found, expected, extractor.config.tapped, strict=True):
        assert torch.allclose(maps, wanted, atol=1e-5), name
        assert maps.shape == (2, tap.channels, 16 // tap.stride_px, 24 // tap.stride_px), name


def test_the_miniature_is_read_as_its_own_networks_compute() -> None:
    folder, image = CHECKPOINTS / "stable_diffusion", images(1, 32, 64)
    config = backbone_of(folder).extractor
    drawn = torch.randn(4, 8, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = load_extractor(config, folder)(image)
    for maps, wanted, tap in zip(found, by_hand(folder, image, config.taps, 0, drawn), config.tapped, strict=True):
        assert torch.allclose(maps, wanted, atol=1e-4)
        assert maps.shape == (1, tap.channels, 32 // tap.stride_px, 64 // tap.stride_px)


def test_configs_describe_the_folders() -> None:
    assert networks_of(CHECKPOINTS / "stable_diffusion") == miniature_networks()


@pytest.mark.parametrize("timestep", [0, 1, 500, 999])
def test_the_noise_is_that_of_the_scheduler(folder, timestep) -> None:
    latent = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(3))
    schedule = DDPMScheduler.from_config(json.loads((folder / "scheduler/scheduler_config.json").read_text()))
    wanted = schedule.add_noise(latent, noise.expand_as(latent), torch.tensor([timestep, timestep]))
    found = extractor_of(folder, timestep=timestep, noise_seed=3).noised(latent)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_little_is_lost_at_the_first_step_and_nearly_all_at_the_last() -> None:
    assert alpha_of(NoiseSchedule(), 0) == pytest.approx(1 - 0.00085)
    assert alpha_of(NoiseSchedule(), 999) == pytest.approx(0.0047, abs=1e-4)
    assert alpha_of(NoiseSchedule(beta_schedule="linear", num_train_timesteps=2), 1) == pytest.approx(
        (1 - 0.00085) * (1 - 0.012)
    )


def test_two_images_together_are_the_two_alone(folder) -> None:
    extractor, image = extractor_of(folder, timestep=300), images()
    with torch.no_grad():
        together, first, second = extractor(image), extractor(image[:1]), extractor(image[1:])
    for both, one, two in zip(together, first, second, strict=True):
        assert torch.allclose(both, torch.cat([one, two]), atol=1e-5)
    assert (together[0][0] - together[0][1]).abs().max() > 1e-3


def test_nothing_that_the_taps_do_not_need_is_kept(folder) -> None:
    names = extractor_of(folder).state_dict()
    assert "text_TD" in names
    assert not [name for name in names if name.startswith(("vae.decoder", "vae.post_quant_conv", "unet.conv_out"))]
    coarse = extractor_of(folder, TAPS[1:]).state_dict()
    assert not [name for name in coarse if ".upsamplers." in name or name.startswith("unet.up_blocks.1")]
    decoding = extractor_of(folder, ("vae.decoder.up_blocks.0.resnets.0",)).state_dict()
    assert any(name.startswith("vae.decoder.up_blocks.0") for name in decoding)
    assert not [name for name in decoding if name.startswith(("vae.decoder.up_blocks.1", "unet.up_blocks"))]


def test_the_prompt_is_the_one_of_the_config(folder) -> None:
    empty, other = extractor_of(folder), extractor_of(folder, prompt="a cat")
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, requires_safety_checker=False)
    for extractor, prompt in ((empty, ""), (other, "a cat")):
        with torch.no_grad():
            text_1TD = pipeline.encode_prompt(prompt, "cpu", 1, False)[0]
        assert torch.equal(extractor.text_TD, text_1TD[0])
    image = images(1)
    with torch.no_grad():
        assert not torch.equal(empty(image)[0], other(image)[0])


@pytest.mark.parametrize(("precision", "close"), [("float16", 3e-3), ("bfloat16", 4e-2)])
def test_half_precision_is_close(folder, precision, close) -> None:
    image = images()
    with torch.no_grad():
        whole, half = extractor_of(folder)(image), extractor_of(folder, precision=precision)(image)
    for one, other in zip(whole, half, strict=True):
        assert other.dtype == getattr(torch, precision)
        assert (one - other.float()).norm() < close * one.norm()
        assert not torch.equal(one, other.float())


def test_windows_that_hold_the_image_are_the_whole(folder) -> None:
    image = images(1, 16, 24)
    with torch.no_grad():
        whole, held = extractor_of(folder)(image), extractor_of(folder, window_px=24)(image)
        parts = extractor_of(folder, window_px=16, window_step_px=8)(image)
    assert all(torch.equal(one, other) for one, other in zip(whole, held, strict=True))
    assert [maps.shape for maps in parts] == [maps.shape for maps in whole]
    assert not torch.equal(parts[0], whole[0])


def test_windows_cover_a_side_and_end_with_it() -> None:
    assert window_starts(16, 16, 8) == [0]
    assert window_starts(12, 16, 8) == [0]
    assert window_starts(20, 8, 4) == [0, 4, 8, 12]
    assert window_starts(20, 8, 8) == [0, 8, 12]


def test_overlapping_windows_are_averaged() -> None:
    calls = []

    def read(window):
        calls.append(tuple(window.shape[2:]))
        return [window[:, :1, ::2, ::2] + 10 * len(calls), window[:, :1, ::4, ::4]]

    image = torch.arange(12.0).expand(1, 3, 4, 12)
    fine, coarse = read_windows(read, image, 8, 4, (2, 4))
    assert calls == [(4, 8), (4, 8)]
    assert fine[0, 0, 0].tolist() == [10, 12, 14 + 5, 16 + 5, 28, 30]
    assert coarse[0, 0, 0].tolist() == [0, 4, 8]


def test_heads_that_give_nothing_can_go(folder) -> None:
    config = tiny_config(folder).extractor
    unet = load_extractor(config, folder).unet
    latent, text = torch.randn(1, 4, 8, 8), torch.randn(1, 16, 8)
    kept = {}
    with torch.no_grad():
        for number, (name, attention) in enumerate(attentions(unet)):
            gone = number % attention.heads
            width = attention.to_v.out_features // attention.heads
            attention.to_v.weight[gone * width : (gone + 1) * width] = 0
            kept[name] = [head for head in range(attention.heads) if head != gone]
        with listening(unet, ["up_blocks.1.attentions.1"]) as found:
            unet(latent, 3, encoder_hidden_states=text)
        whole = found["up_blocks.1.attentions.1"]
        share = (attention.heads - 1) / attention.heads
        assert strongest_heads(unet, share) == kept
        narrow_attention(unet, kept)
        with listening(unet, ["up_blocks.1.attentions.1"]) as found:
            unet(latent, 3, encoder_hidden_states=text)
    assert torch.allclose(found["up_blocks.1.attentions.1"], whole, atol=1e-5)
    assert all(attention.heads == len(kept[name]) for name, attention in attentions(unet))


def test_a_config_with_fewer_heads_is_filled_with_the_strongest(folder) -> None:
    networks = networks_of(folder).model_copy(update={"heads_kept": 0.5})
    narrow = load_extractor(ExtractorConfig(networks=networks, taps=TAPS), folder)
    whole = extractor_of(folder)
    chosen = strongest_heads(whole.unet, 0.5)
    for (name, few), (_, all_heads) in zip(attentions(narrow.unet), attentions(whole.unet), strict=True):
        assert few.heads == all_heads.heads / 2
        width = all_heads.to_q.out_features // all_heads.heads
        rows = torch.cat([torch.arange(head * width, (head + 1) * width) for head in chosen[name]])
        assert torch.equal(few.to_k.weight, all_heads.to_k.weight[rows])
        assert torch.equal(few.to_out[0].weight, all_heads.to_out[0].weight[:, rows])


def test_a_saved_extractor_is_the_same_and_a_place_to_load_from(folder, tmp_path) -> None:
    extractor, image = extractor_of(folder), images(1)
    extractor.save_pretrained(tmp_path / "extractor")
    again = load_extractor(extractor.config, tmp_path / "extractor")
    read = Extractor.from_pretrained(tmp_path / "extractor")
    assert again.weights_sha256() == read.weights_sha256() == extractor.weights_sha256()
    with torch.no_grad():
        assert all(torch.equal(one, other) for one, other in zip(extractor(image), again(image), strict=True))
    for change, message in (({"taps": TAPS[:1]}, "has taps"), ({"prompt": "cat"}, "has prompt '', wanted is 'cat'")):
        with pytest.raises(InputError, match=message):
            load_extractor(extractor.config.model_copy(update=change), tmp_path / "extractor")


def test_presets_are_the_published_choices() -> None:
    odise, vpd = (generative_backbone(stable_diffusion_1(), preset) for preset in ("odise", "vpd"))
    by_stride = {level.stride_px: level.taps for level in odise.levels}
    # LDM counts three output blocks to one of ours: 2, 5, 8 and 11 are the ends of up_blocks 0 to 3.
    assert by_stride[32] == ("unet.up_blocks.0",)
    assert by_stride[16] == ("unet.up_blocks.1",)
    assert set(by_stride[8]) == {
        *("unet.up_blocks.2", "unet.up_blocks.3"),
        *("vae.encoder.down_blocks.3.resnets.1", "vae.decoder.up_blocks.0.resnets.2"),
    }
    assert set(by_stride[4]) == {"vae.encoder.down_blocks.2.resnets.1", "vae.decoder.up_blocks.1.resnets.2"}
    assert (odise.extractor.timestep, odise.tuning, odise.extractor.prompt) == (0, "frozen", "")
    assert (vpd.extractor.timestep, vpd.extractor.noise, vpd.tuning) == (1, "none", "all")
    decoder = [(tap.channels, tap.stride_px) for tap in vpd.extractor.tapped]
    assert decoder == [(320, 8), (640, 16), (1280, 32), (1280, 64)]
    assert vpd.output_strides == DIFFUSIONINST_STRIDES
    assert vpd.levels[0].taps == vpd.levels[1].taps == ("unet.up_blocks.3.attentions.2",)
    assert stable_diffusion_2().unet.cross_attention_dim == 1024


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unet.up_blocks.7", "the U-Net has no up_blocks.7; name blocks"),
        ("unet.up_blocks.0.attentions.0", "has no up_blocks.0.attentions.0"),
        ("unet.down_blocks.0.resnets.2", "has no down_blocks.0.resnets.2"),
        ("vae.encoder.up_blocks.0", "the autoencoder has no encoder.up_blocks.0"),
        ("unet.conv_in", "is no block of U-Net or autoencoder"),
    ],
)
def test_blocks_that_are_not_there_are_named(name, message) -> None:
    with pytest.raises(ValueError, match=message):
        tap_of(name, Networks())


def test_a_pruned_unet_without_the_tapped_block_is_refused(tmp_path) -> None:
    folder = tiny_folder(tmp_path)
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "mid_block_type": None}))
    with pytest.raises(InputError, match="tiny_0 cannot be read as asked: the U-Net has no mid_block; name blocks"):
        backbone_of(folder, strides_px=(2, 4, 8, 16), width=32, taps=("unet.mid_block",))


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("unet", {"in_channels": 9}, "takes 9 channels and latents have 4; give a plain text-to-image model"),
        ("unet", {"attention_type": "gated"}, "config.json sets attention_type to 'gated'"),
        ("unet", {"down_block_types": ["AttnDownBlock2D", "DownBlock2D"]}, "is no Stable Diffusion 1 or 2"),
        ("scheduler", {"trained_betas": [0.1]}, "betas of its own"),
    ],
)
def test_other_generators_are_refused(tmp_path, part, change, message) -> None:
    folder = tiny_folder(tmp_path)
    path = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        networks_of(folder)


def test_a_generator_of_other_networks_is_refused(folder, tmp_path) -> None:
    config = generative_backbone(miniature_networks()).extractor
    with pytest.raises(
        InputError, match=r"the unet in .* has down_block_types .* give the generator that the config describes"
    ):
        load_extractor(config, folder)
    with pytest.raises(InputError, match="holds no generator; give a diffusers folder"):
        load_extractor(config, tmp_path)

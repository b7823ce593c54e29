"""Back ends behind one call: what each paints, one seed a picture, and clear words for what is wrong (InstSynth section 3)."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from methods.common.errors import InputError
from methods.common.generators.repainting import latents
from methods.common.generators.repainting.blended import BlendedLatent
from methods.common.generators.repainting.configs import (
    BlendedLatentConfig,
    CopyFromBankConfig,
    GligenConfig,
    IdentityConfig,
    InpaintingConfig,
    NoiseConfig,
    SolidConfig,
    low_memory,
)
from methods.common.generators.repainting.gligen import Gligen, gated_layers, grounding_tokens, latent_mask, mask_box
from methods.common.generators.repainting.inpainting import Inpainting
from methods.common.generators.repainting.interface import RepaintOrder, repaint
from methods.common.generators.repainting.load import load_back_end
from methods.common.generators.repainting.parts import SHARED_FILE, Parts, load_parts, unet_sha256
from tests.unit.tiny_pipelines import tiny_sdxl, tiny_stable_diffusion

CPU = torch.device("cpu")
SIDE = 16


def order(seed=1, prompt="a red car", side=24, class_name="car", source=""):
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), bool)
    mask[side // 4 : side // 2, side // 4 : side // 2] = True
    return RepaintOrder(rng.integers(0, 255, (side, side, 3), np.uint8), mask, prompt, class_name, seed, source)


def unet(**changes):
    torch.manual_seed(3)
    pipeline = tiny_stable_diffusion()
    return UNet2DConditionModel.from_config(pipeline.unet.config, **changes).eval()


def parts(**changes):
    base = tiny_stable_diffusion()
    return Parts(unet(**changes), base.vae, base.text_encoder, base.tokenizer, base.scheduler)


def blended(**changes):
    options = {"size_px": SIDE, "num_steps": 4, "precision": "float32", **changes}
    return BlendedLatent(tiny_stable_diffusion(), BlendedLatentConfig(**options), CPU)


def inpainting():
    pipeline = parts(in_channels=9).pipeline(StableDiffusionInpaintPipeline)
    return Inpainting(pipeline, InpaintingConfig(size_px=SIDE, num_steps=3))


def gligen(**changes):
    options = {"size_px": SIDE, "num_steps": 3, "max_entities": 3, **changes}
    networks = parts(in_channels=9, attention_type="gated")
    for gate in gated_layers(networks.unet):
        gate.alpha_attn.data.fill_(0.7)
    return Gligen(networks, GligenConfig(**options), CPU)


# -- the call ----------------------------------------------------------------------------------------------------------------


class Faulty:
    side_px = SIDE
    denoisings_per_picture = 0

    def __init__(self, picture, count=1):
        self.given = [picture] * count

    def paint(self, orders):
        return self.given


def test_another_size_nan_and_another_number_are_refused():
    with pytest.raises(
        InputError, match=r"Faulty gave a picture of shape \(16, 8, 3\) for the prompt 'a red car', not"
    ):
        repaint(Faulty(np.zeros((16, 8, 3), np.uint8)), [order()])
    with pytest.raises(
        InputError, match="Faulty gave numbers that are not finite for the prompt 'a red car'; try float32"
    ):
        repaint(Faulty(np.full((16, 16, 3), np.nan, np.float32)), [order()])
    with pytest.raises(InputError, match="Faulty gave 2 pictures for 1 orders"):
        repaint(Faulty(np.zeros((16, 16, 3), np.uint8), 2), [order()])


def test_floats_become_bytes_rounded_and_clipped():
    picture = np.zeros((16, 16, 3), np.float32)
    picture[0, 0] = (1.5, -1.0, 100.4 / 255)
    assert repaint(Faulty(picture), [order()])[0][0, 0].tolist() == [255, 0, 100]


def test_weights_that_overflow_are_told_by_one_sentence():
    back_end = blended()
    back_end._pipeline.vae.decoder.conv_out.bias.data.fill_(float("inf"))
    with pytest.raises(InputError, match="BlendedLatent gave numbers that are not finite"):
        repaint(back_end, [order()])


# -- without networks --------------------------------------------------------------------------------------------------------


def test_offline_back_ends_by_hand():
    one = order()
    load = lambda config: load_back_end(config, None, {}, CPU)  # noqa: E731
    assert np.array_equal(repaint(load(IdentityConfig()), [one])[0], one.crop_SS3)
    solid = repaint(load(SolidConfig(colour=(1, 2, 3))), [one])[0]
    noise = repaint(load(NoiseConfig()), [one, order(2), one])
    for picture in (solid, noise[0]):
        assert np.array_equal(picture[~one.mask_SS], one.crop_SS3[~one.mask_SS])
    assert (solid[one.mask_SS] == (1, 2, 3)).all()
    assert (noise[0][one.mask_SS] != one.crop_SS3[one.mask_SS]).mean() > 0.9
    assert np.array_equal(noise[0], noise[2])
    assert not np.array_equal(noise[0][one.mask_SS], noise[1][one.mask_SS])


class Given:
    def __init__(self, source, value, mask):
        self.source, self._value, self._mask = source, value, mask

    def load(self):
        return np.full((*self._mask.shape, 3), self._value, np.uint8), self._mask


def test_a_donor_is_another_of_the_class_scaled_to_the_box_by_its_own_mask():
    half = np.zeros((4, 4), bool)
    half[:, :2] = True
    bank = {"car": [Given("own", 1, half), Given("other", 200, half)], "bus": [Given("bus", 9, half)]}
    back_end = load_back_end(CopyFromBankConfig(), None, bank, CPU)
    for seed in range(8):
        one = order(seed, source="own")
        picture = repaint(back_end, [one])[0]
        assert (picture[6:12, 6:9] == 200).all()
        assert np.array_equal(picture[6:12, 9:12], one.crop_SS3[6:12, 9:12])
        assert np.array_equal(picture[:6], one.crop_SS3[:6])
    alone = order(source="bus", class_name="bus")
    assert np.array_equal(repaint(back_end, [alone])[0], alone.crop_SS3)


# -- diffusion: one seed a picture -------------------------------------------------------------------------------------------

MAKERS = {
    "blended": blended,
    "blended_noise_ddim": lambda: blended(start="noise", scheduler="ddim", background="after_step"),
    "inpainting": inpainting,
    "gligen_plms": gligen,
    "gligen_ddim": lambda: gligen(scheduler="ddim", grounding_share=0.3),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_picture_is_the_same_alone_and_in_any_batch(name):
    back_end = MAKERS[name]()
    orders = [order(5, "a red car"), order(6, "a man", 17), order(7, "a bus", 40)]
    torch.manual_seed(0)
    together = repaint(back_end, orders)
    torch.manual_seed(1)
    alone = [repaint(back_end, [one])[0] for one in orders[::-1]][::-1]
    other_seed = repaint(back_end, [orders[0]._replace(seed=99)])[0]
    for one, single in zip(together, alone, strict=True):
        assert one.shape == (SIDE, SIDE, 3)
        assert np.abs(one.astype(int) - single).max() <= 1
    assert np.abs(other_seed.astype(int) - together[0]).max() > 3
    with_prompt = repaint(back_end, [orders[0]._replace(prompt="zzz", class_name="zzz")])[0]
    assert not np.array_equal(with_prompt, together[0])


def test_sdxl_is_told_its_sizes_and_pooled_text():
    back_end = BlendedLatent(tiny_sdxl(), BlendedLatentConfig(size_px=SIDE, num_steps=4, precision="float32"), CPU)
    assert repaint(back_end, [order()])[0].shape == (SIDE, SIDE, 3)
    text = latents.encode_prompts(back_end._pipeline, ["a car", "a bus"], None, True, SIDE, CPU)
    assert [half.shape[0] for half in text.halves] == [2, 2]
    assert text.added["time_ids"].tolist() == [[SIDE, SIDE, 0, 0, SIDE, SIDE]] * 4
    assert not text.halves[0].any()  # SDXL's empty prompt is zeros
    assert text.halves[1].any()
    assert not text.added["text_embeds"][:2].any()


def test_denoiser_calls_are_counted():
    assert blended().denoisings_per_picture == 2 * (4 - 1)
    assert blended(guidance_scale=1.0, skip=0.6).denoisings_per_picture == 2
    assert inpainting().denoisings_per_picture == 6
    assert gligen(scheduler="ddim").denoisings_per_picture == 6
    assert gligen().denoisings_per_picture == 2 * 4  # PLMS takes one more
    assert (
        BlendedLatentConfig().num_steps - latents.first_step(latents.BlendedSampling(50, 0.25, "noise", "before_step"))
        == 38
    )


# -- diffusion: the sampler --------------------------------------------------------------------------------------------------


class Recorder:
    """Stands for a scheduler: steps subtract 1, noise is added at a known level."""

    init_noise_sigma = 1.0

    def __init__(self):
        self.noised_at = []

    def set_timesteps(self, count, device):
        self.timesteps = torch.arange(count * 10, 0, -10)

    def scale_model_input(self, latent, timestep):
        return latent

    def step(self, prediction, timestep, latent):
        return SimpleNamespace(prev_sample=latent - 1)

    def add_noise(self, source, noise, timesteps):
        self.noised_at.append(int(timesteps[0]))
        return source + timesteps.reshape(-1, 1, 1, 1).float() * 100


def run_sampler(background, start="noised_source", skip=0.25):
    scheduler, seen = Recorder(), []
    source = torch.zeros(1, 1, 2, 2)
    repaint_mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])

    def denoise(latent, timestep, number):
        seen.append((int(timestep), number))
        return latent

    sampling = latents.BlendedSampling(8, skip, start, background)
    painted = latents.sample_blended(scheduler, denoise, source, repaint_mask, latents.Streams([1]), sampling)
    return scheduler.noised_at, seen, painted[0, 0]


def test_as_released_the_background_has_the_level_before_the_step():
    noised_at, seen, painted = run_sampler("before_step")
    assert seen == [(60, 0), (50, 1), (40, 2), (30, 3), (20, 4), (10, 5)]
    assert noised_at == [60, 60, 50, 40, 30, 20, 10]
    assert painted.tolist() == [[6000.0 - 6, 1000.0], [1000.0, 1000.0]]


def test_the_other_rule_follows_the_step_and_ends_without_noise():
    noised_at, _, painted = run_sampler("after_step")
    assert noised_at == [60, 50, 40, 30, 20, 10]
    assert painted.tolist() == [[6000.0 - 6, 0.0], [0.0, 0.0]]


def test_from_noise_nothing_of_the_source_leaks_into_the_mask():
    noised_at, _, painted = run_sampler("after_step", "noise")
    assert noised_at == [50, 40, 30, 20, 10]
    assert abs(float(painted[0, 0]) + 6) < 4


@pytest.mark.parametrize(
    "scheduler_class", [DDIMScheduler, EulerDiscreteScheduler, PNDMScheduler, DPMSolverMultistepScheduler]
)
def test_a_perfect_denoiser_gives_the_source_back(scheduler_class):
    """A denoiser that knows the source: whatever scheduler, the painted part ends there, too."""
    scheduler = (
        scheduler_class(prediction_type="sample", beta_schedule="scaled_linear")
        if scheduler_class is not PNDMScheduler
        else None
    )
    if scheduler is None:
        scheduler = DDIMScheduler(prediction_type="sample", beta_schedule="scaled_linear", clip_sample=False)
    if hasattr(scheduler.config, "clip_sample"):
        scheduler.register_to_config(clip_sample=False)
    source = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 1, 4, 4)
    mask[:, :, :2] = 1
    for start in ("noise", "noised_source"):
        sampling = latents.BlendedSampling(20, 0.25, start, "after_step")
        painted = latents.sample_blended(scheduler, lambda *_: source, source, mask, latents.Streams([1, 2]), sampling)
        assert torch.allclose(painted, source, atol=0.08), start


def test_noise_of_a_picture_comes_from_its_seed_alone():
    like = torch.zeros(3, 4, 2, 2)
    together = latents.Streams([5, 6, 7]).noise_like(like)
    assert torch.equal(latents.Streams([6]).noise_like(like[:1])[0], together[1])


def test_latents_are_scaled_posterior_means():
    vae = tiny_stable_diffusion().vae
    image = latents.crops_to_unit([order()], SIDE, CPU)
    assert image.shape == (1, 3, SIDE, SIDE)
    assert -1 <= image.min() < -0.5 < 0.5 < image.max() <= 1
    with torch.no_grad():
        assert torch.allclose(latents.encode(vae, image), 0.5 * vae.encode(image).latent_dist.mean)
        assert latents.decode(vae, latents.encode(vae, image)).shape == (1, SIDE, SIDE, 3)


def test_guidance_by_hand():
    both = torch.tensor([[1.0], [3.0]])
    assert latents.guide(both, 2, 5.0).tolist() == [[11.0]]
    assert latents.guide(both, 1, 5.0) is both


def test_ddim_keeps_what_the_network_predicts():
    ddim = latents.ddim_like(EulerDiscreteScheduler(prediction_type="v_prediction"))
    assert ddim.config.prediction_type == "v_prediction"
    assert (ddim.config.beta_start, ddim.config.beta_end, ddim.config.clip_sample) == (0.00085, 0.012, False)


def test_an_inpainting_network_paints_from_text_alone_when_all_is_hidden():
    pipeline = parts(in_channels=9).pipeline(StableDiffusionPipeline)
    back_end = BlendedLatent(pipeline, BlendedLatentConfig(size_px=SIDE, num_steps=3, precision="float32"), CPU)
    hidden, grey = back_end._all_hidden(torch.zeros(2, 4, 8, 8))
    assert (hidden == 1).all()
    assert hidden.shape == (2, 1, 8, 8)
    assert torch.allclose(grey[1], latents.encode(pipeline.vae, torch.zeros(1, 3, SIDE, SIDE))[0])
    assert repaint(back_end, [order()])[0].shape == (SIDE, SIDE, 3)
    with pytest.raises(InputError, match="5 input channels; blended diffusion needs"):
        BlendedLatent(parts(in_channels=5).pipeline(StableDiffusionPipeline), BlendedLatentConfig(), CPU)


def test_defaults_are_those_of_the_run():
    blended_run, memory = BlendedLatentConfig(), low_memory()
    assert (blended_run.size_px, blended_run.guidance_scale, blended_run.skip, blended_run.start) == (
        1024,
        5.0,
        0.25,
        "noised_source",
    )
    assert (memory.size_px, memory.guidance_scale, memory.start, memory.scheduler) == (512, 7.5, "noise", "ddim")
    assert InpaintingConfig().guidance_scale == GligenConfig().guidance_scale == 7.5
    assert GligenConfig().negative_prompt.startswith("longbody, lowres")
    assert InpaintingConfig().negative_prompt is None


# -- inpainting and GLIGEN ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("darkest", [0, 200])
def test_the_stock_pipeline_sees_the_crop_without_its_mask(monkeypatch, darkest):
    """Also a bright crop, whose numbers the pipeline must not take for those of another range."""
    back_end, seen = inpainting(), []
    stock = back_end._pipeline.vae.encode
    monkeypatch.setattr(back_end._pipeline.vae, "encode", lambda image, **_: [seen.append(image), stock(image)][1])
    one = order()
    one = one._replace(crop_SS3=np.maximum(one.crop_SS3, np.uint8(darkest)))
    repaint(back_end, [one])
    mask = torch.from_numpy(latents.resize_mask(one.mask_SS, SIDE))
    shown = seen[0][0]
    assert not shown[:, mask].any()
    assert torch.allclose(shown[:, ~mask], latents.crops_to_unit([one], SIDE, CPU)[0][:, ~mask], atol=1e-5)


def test_networks_of_another_kind_are_refused():
    with pytest.raises(InputError, match="4 input channels, one for inpainting has 9"):
        Inpainting(parts().pipeline(StableDiffusionPipeline), InpaintingConfig())
    with pytest.raises(
        InputError, match="9 input channels and attention of type 'default'; grounded inpainting needs 9 and 'gated'"
    ):
        Gligen(parts(in_channels=9), GligenConfig(), CPU)


def two_parts():
    mask = np.zeros((20, 20), bool)
    mask[2:6, 3:8] = True
    mask[10:15, 12:19] = True
    return mask


def test_boxes_by_hand():
    assert mask_box(two_parts(), "union", 2) == (0.15, 0.1, 0.95, 0.75)
    assert mask_box(two_parts(), "first_contour", 2) in {(0.15, 0.1, 0.4, 0.3), (0.6, 0.5, 0.95, 0.75)}
    one = np.zeros((30, 30), bool)
    one[1, 1] = True
    assert mask_box(one, "first_contour", 2) == mask_box(one, "union", 2) == (0.03, 0.03, 0.07, 0.07)
    assert mask_box(one, "union", None) == (1 / 30, 1 / 30, 2 / 30, 2 / 30)
    assert mask_box(np.zeros((4, 4), bool), "first_contour", 2) == (0.0, 0.0, 0.0, 0.0)


def test_any_pixel_of_the_mask_counts_for_its_latent_cell():
    mask = np.zeros((16, 16), bool)
    mask[0, 0] = mask[7, 9] = True
    assert np.argwhere(latent_mask(mask, 16, 4)).tolist() == [[0, 0], [1, 2]]


def test_one_entity_and_null_tokens():
    tokens = grounding_tokens(torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 2), torch.ones(2, 8), 30)
    assert tokens["boxes"].shape == (2, 30, 4)
    assert tokens["masks"].sum(1).tolist() == [1.0, 1.0]
    assert not tokens["positive_embeddings"][:, 1:].any()
    assert tokens["boxes"][0, 0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_the_network_is_given_latent_kept_part_and_where_it_is_kept(monkeypatch):
    back_end, seen = gligen(scheduler="ddim", grounding_share=0.4), []
    network = back_end._pipeline.unet

    def forward(given, timestep, encoder_hidden_states, cross_attention_kwargs):
        seen.append((given, cross_attention_kwargs["gligen"], [gate.enabled for gate in back_end._gates]))
        return SimpleNamespace(sample=torch.zeros(len(given), 4, 8, 8))

    monkeypatch.setattr(network, "forward", forward)
    one = order()
    repaint(back_end, [one])
    given, grounding, _ = seen[0]
    keep = 1.0 - torch.from_numpy(latent_mask(one.mask_SS, SIDE, 8)).float()
    source = latents.encode(back_end._pipeline.vae, latents.crops_to_unit([one], SIDE, CPU))
    assert torch.equal(given[0, 8], keep)
    assert torch.allclose(given[1, 4:8], source[0] * keep, atol=1e-5)
    assert grounding["masks"].tolist() == [[0, 0, 0], [1, 0, 0]]  # the half without prompt has null tokens only
    assert grounding["boxes"][1, 0].tolist() == pytest.approx(mask_box(one.mask_SS, "union", 2))
    assert [all(enabled) for *_, enabled in seen] == [True, False, False]


def test_the_phrase_is_the_class_not_the_prompt():
    back_end = gligen(scheduler="ddim")
    same = back_end._grounding([order(prompt="a red car"), order(prompt="a white car")])["positive_embeddings"]
    other = back_end._grounding([order(class_name="bus")])["positive_embeddings"]
    assert torch.equal(same[2], same[3])
    assert not torch.equal(other[1, 0], same[2, 0])


def test_an_instance_of_two_parts_is_painted_in_both():
    one = order()._replace(mask_SS=two_parts(), crop_SS3=np.zeros((20, 20, 3), np.uint8))
    for rule in ("union", "first_contour"):
        back_end = gligen(scheduler="ddim", box=rule)
        painted = repaint(back_end, [one])[0].astype(int)
        decoded = np.abs(painted - painted[0, 0]).max(-1)
        assert min(decoded[3, 4], decoded[10, 12]) > 0


# -- folders -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("generator")
    tiny_stable_diffusion().save_pretrained(path / "base")
    return path


def test_a_saved_folder_paints_as_the_networks_it_was_saved_from(folder):
    config = BlendedLatentConfig(size_px=SIDE, num_steps=3, precision="float32")
    loaded = repaint(load_back_end(config, folder / "base", {}, CPU), [order()])[0]
    assert np.array_equal(loaded, repaint(BlendedLatent(tiny_stable_diffusion(), config, CPU), [order()])[0])
    assert len(unet_sha256(folder / "base")) == 64


def test_shared_parts_and_an_adapter_on_a_base(folder):
    networks = parts(in_channels=9, attention_type="gated")
    plain = unet(in_channels=9)
    plain.load_state_dict({k: v for k, v in networks.unet.state_dict().items() if k in plain.state_dict()})
    plain.save_pretrained(folder / "inpaint" / "unet")
    own = folder / "gated"
    networks.unet.save_config(own / "unet")
    from safetensors.torch import save_file

    added = {k: v for k, v in networks.unet.state_dict().items() if k not in plain.state_dict()}
    save_file(added, own / "unet" / "diffusion_pytorch_model.safetensors")
    shared = {part: f"../base/{part}" for part in ("vae", "text_encoder", "tokenizer", "scheduler")}
    (own / SHARED_FILE).write_text(json.dumps({**shared, "unet_base": "../inpaint/unet"}))
    loaded = load_parts(own, CPU, torch.float32)
    assert all(torch.equal(loaded.unet.state_dict()[k], v) for k, v in networks.unet.state_dict().items())
    config = GligenConfig(size_px=SIDE, num_steps=2, max_entities=2, precision="float32")
    assert repaint(load_back_end(config, own, {}, CPU), [order()])[0].shape == (SIDE, SIDE, 3)


def test_folders_that_lack_something_are_the_users_mistake(folder, tmp_path):
    with pytest.raises(InputError, match="has no unet: there is no folder"):
        load_parts(tmp_path, CPU, torch.float32)
    (tmp_path / SHARED_FILE).write_text("{")
    with pytest.raises(InputError, match=r"shared_parts\.json cannot be read"):
        load_parts(tmp_path, CPU, torch.float32)
    shared = {part: str(folder / "base" / part) for part in ("vae", "text_encoder", "tokenizer", "scheduler")}
    (tmp_path / SHARED_FILE).write_text(json.dumps(shared))
    (tmp_path / "unet").mkdir()
    with pytest.raises(InputError, match=r"the unet in .* cannot be loaded"):
        load_parts(tmp_path, CPU, torch.float32)

"""Guided sampling, against a sampling loop written out by hand and on every kind of pipeline and scheduler."""

import math
import sys
from pathlib import Path

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

sys.path.insert(0, str(Path(__file__).parent))
from tiny_pipelines import tiny_sd3, tiny_sdxl, tiny_stable_diffusion

from methods.common.errors import InputError
from methods.mrca.guidance import (
    EntropyGuidance,
    GuidanceConfig,
    NoiseLevel,
    class_entropy,
    clean_estimate,
    decode_latent,
    entropy_criterion,
    mix_clean_estimate,
    noise_level,
    relative_shift,
)

PIPELINES = {
    "stable_diffusion": tiny_stable_diffusion,
    "miniature": lambda: tiny_stable_diffusion("text"),
    "sdxl": tiny_sdxl,
    "sd3": tiny_sd3,
}


class Segmenter(torch.nn.Module):
    """Seven logits from an image, the last one background; sharp enough that the entropy has a slope."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.weight = torch.nn.Parameter(torch.randn(7, 3 * 16 * 16, generator=generator) * 0.2)

    def forward(self, image_NCHW):
        assert image_NCHW.min() >= 0
        assert image_NCHW.max() <= 1
        return (image_NCHW - 0.5).flatten(1) @ self.weight.T


def sample(pipeline, prompts=("a cat", "dog"), seeds=(1, 2), steps=6, scale=4.0):
    """Final latents of a run, each image from its own generator."""
    return pipeline(
        list(prompts),
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        num_inference_steps=steps,
        guidance_scale=scale,
        height=16,
        width=16,
        output_type="latent",
    ).images


def guided(pipeline, config=None, criterion=None, **options):
    guidance = EntropyGuidance(config or GuidanceConfig(period=2), criterion or entropy_criterion(Segmenter()))
    with guidance.attached(pipeline) as trace:
        latents = sample(pipeline, **options)
    return latents, trace


# ---- the kernels


def test_entropy_of_equal_logits_is_the_log_of_the_number_of_classes():
    assert class_entropy(torch.zeros(1, 1203)).item() == pytest.approx(7.092574, abs=1e-5)  # golden value
    # Probabilities 1/2, 1/4, 1/4: 0.5 ln 2 + 2 * 0.25 ln 4 = 1.5 ln 2.
    assert class_entropy(torch.tensor([[2.0, 1.0, 1.0]]) * math.log(2)).item() == pytest.approx(1.5 * math.log(2))


def test_background_is_left_out_of_the_entropy_unless_asked_for():
    logits = torch.tensor([[0.0, 0.0, 50.0]])
    image = torch.zeros(1, 3, 4, 4)
    assert entropy_criterion(lambda _: logits)(image).item() == pytest.approx(math.log(2))
    assert entropy_criterion(lambda _: logits, drop_background=False)(image).item() == pytest.approx(0, abs=1e-6)


def test_shift_has_its_norm_image_by_image_however_small_the_gradient():
    latent = torch.stack([torch.full((4, 2, 2), 2.0), torch.full((4, 2, 2), 5.0)])  # norms 8 and 20
    gradient = torch.zeros(2, 4, 2, 2)
    gradient[0, 0, 0, 0], gradient[1, 1, 1, 1] = 3.0, -1e-7
    shift = relative_shift(latent, gradient, 0.03)
    assert shift[0, 0, 0, 0].item() == pytest.approx(0.24)
    assert shift[1, 1, 1, 1].item() == pytest.approx(-0.6)
    assert torch.count_nonzero(shift) == 2
    assert torch.equal(relative_shift(latent, torch.zeros_like(latent), 0.03), torch.zeros_like(latent))


def perfect_prediction(scheduler, level, clean, noise):
    """What a perfect denoiser would say, from the textbook definition of each prediction type."""
    if level.is_flow:
        return noise - clean, "flow_prediction"
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return noise, kind
    if kind == "sample":
        return clean, kind
    size = math.hypot(level.signal, level.noise)
    return level.signal / size * noise - level.noise / size * clean, kind


VARIANCE_PRESERVING = [
    DDIMScheduler(prediction_type="epsilon"),
    DDIMScheduler(prediction_type="v_prediction"),
    DDIMScheduler(prediction_type="sample"),
    DDPMScheduler(),
    PNDMScheduler(skip_prk_steps=True),
    DPMSolverMultistepScheduler(),
    DPMSolverMultistepScheduler(prediction_type="v_prediction"),
    UniPCMultistepScheduler(),
]
UNSCALED = [
    EulerDiscreteScheduler(),
    EulerDiscreteScheduler(prediction_type="v_prediction", use_karras_sigmas=True),
    EulerAncestralDiscreteScheduler(),
]
FLOW = [
    FlowMatchEulerDiscreteScheduler(shift=3.0),
    DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction"),
]


@pytest.mark.parametrize("scheduler", VARIANCE_PRESERVING + UNSCALED + FLOW, ids=lambda s: type(s).__name__)
def test_clean_estimate_undoes_the_schedulers_own_noising(scheduler):
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 1, 4, 2, 2, generator=generator)
    scheduler.set_timesteps(5)
    timestep = scheduler.timesteps[2]
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        latent = scheduler.scale_noise(clean, timestep[None], noise)
    else:
        latent = scheduler.add_noise(clean, noise, timestep[None])
    level = noise_level(scheduler, timestep)
    prediction, kind = perfect_prediction(scheduler, level, clean, noise)
    assert torch.allclose(clean_estimate(latent, prediction, level, kind), clean, atol=1e-4)


def test_euler_tells_how_it_scales_the_denoisers_input():
    scheduler = EulerDiscreteScheduler()
    scheduler.set_timesteps(5)
    latent = torch.ones(1, 4, 2, 2)
    scaled = scheduler.scale_model_input(latent, scheduler.timesteps[0])
    assert torch.allclose(latent * noise_level(scheduler, scheduler.timesteps[0]).input_scale, scaled)


def test_unknown_schedulers_and_predictions_are_the_users_mistake():
    scheduler = HeunDiscreteScheduler()
    scheduler.set_timesteps(5)
    with pytest.raises(InputError, match="HeunDiscreteScheduler"):
        noise_level(scheduler, scheduler.timesteps[0])
    with pytest.raises(InputError, match="'velocity'"):
        clean_estimate(torch.zeros(1), torch.zeros(1), NoiseLevel(1, 1), "velocity")


def test_mixing_follows_the_original_method():
    latent, clean = torch.tensor([10.0]), torch.tensor([2.0])
    assert mix_clean_estimate(latent, clean, NoiseLevel(0.6, 0.8)).item() == pytest.approx(0.8 * 2 + 0.2 * 10)
    # The same state, unscaled: z = x0 + (0.8 / 0.6) eps is 1 / 0.6 as large.
    assert mix_clean_estimate(latent / 0.6, clean, NoiseLevel(1.0, 0.8 / 0.6)).item() == pytest.approx(3.6)
    with pytest.raises(InputError, match="flow"):
        mix_clean_estimate(latent, clean, NoiseLevel(0.5, 0.5, is_flow=True))


# ---- whole pipelines


def reference_loop(pipeline, criterion, steps, period, scale, seeds, prompts):
    """Guided sampling of Stable Diffusion with DDIM and noise prediction, or SD3, written out step by step."""
    is_flow = hasattr(pipeline, "transformer")
    if is_flow:
        text, no_text, pooled, no_pooled = pipeline.encode_prompt(list(prompts), None, None)
    else:
        text, no_text = pipeline.encode_prompt(list(prompts), "cpu", 1, True)
    scheduler, vae = pipeline.scheduler, pipeline.vae
    scheduler.set_timesteps(steps)
    z = torch.cat([torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

    def denoise(latent, t, embedding, pooled_embedding):
        if is_flow:
            times = t.expand(len(latent))
            return pipeline.transformer(latent, embedding, pooled_embedding, times, return_dict=False)[0]
        return pipeline.unet(latent, t, embedding, return_dict=False)[0]

    for index, t in enumerate(scheduler.timesteps):
        with torch.no_grad():
            unconditional = denoise(z, t, no_text, no_pooled if is_flow else None)
            conditional = denoise(z, t, text, pooled if is_flow else None)
        prediction = unconditional + scale * (conditional - unconditional)
        if index % period == 0:
            shifted = []
            for n in range(len(z)):  # each image for itself
                leaf = z[n : n + 1].clone().requires_grad_()
                output = denoise(leaf, t, text[n : n + 1], pooled[n : n + 1] if is_flow else None)
                if is_flow:
                    x0 = leaf - scheduler.sigmas[index] * output
                else:
                    abar = scheduler.alphas_cumprod[t]
                    x0 = (leaf - (1 - abar).sqrt() * output) / abar.sqrt()
                shift = vae.config.shift_factor or 0.0
                image = vae.decode(x0 / vae.config.scaling_factor + shift, return_dict=False)[0]
                (g,) = torch.autograd.grad(criterion((image / 2 + 0.5).clamp(0, 1)).sum(), leaf)
                shifted.append((leaf + 0.03 * leaf.norm() * g / g.norm()).detach())
            z = torch.cat(shifted)
        z = scheduler.step(prediction, t, z, return_dict=False)[0]
    return z


@pytest.mark.parametrize("kind", ["stable_diffusion", "sd3"])
def test_guided_pipeline_equals_the_loop_written_out(kind):
    pipeline = PIPELINES[kind]()
    criterion = entropy_criterion(Segmenter())
    latents, _ = guided(pipeline, GuidanceConfig(period=2), criterion, steps=5)
    expected = reference_loop(pipeline, criterion, 5, 2, 4.0, (1, 2), ("a cat", "dog"))
    assert torch.allclose(latents, expected, atol=2e-4)
    assert (latents - sample(pipeline, steps=5)).abs().max() > 0.01  # and guidance does something


@pytest.mark.parametrize("kind", PIPELINES)
def test_every_guided_step_shifts_by_omega_and_costs_one_call(kind):
    pipeline = PIPELINES[kind]()
    _, trace = guided(pipeline, GuidanceConfig(period=5), steps=12)
    assert [step.step_index for step in trace.steps] == [0, 5, 10]
    for step in trace.steps:
        assert step.relative_shift == pytest.approx((0.03, 0.03), rel=1e-5)
    assert trace.denoiser_calls == 12
    assert trace.extra_denoiser_calls == 3
    assert trace.denoiser_images == 12 * 2 * 2  # two images, two halves
    assert trace.extra_denoiser_images == 3 * 2
    assert [len(row) for row in trace.criterion_by_image()] == [3, 3]
    assert all(0 < value < math.log(6) for row in trace.criterion_by_image() for value in row)


def test_thirty_steps_have_six_guided_ones():
    _, trace = guided(tiny_stable_diffusion(), GuidanceConfig(), steps=30)
    assert [step.step_index for step in trace.steps] == [0, 5, 10, 15, 20, 25]


@pytest.mark.parametrize(
    "scheduler",
    [
        DDIMScheduler(clip_sample=False, prediction_type="v_prediction"),
        DPMSolverMultistepScheduler(use_karras_sigmas=True),
        EulerDiscreteScheduler(),
        EulerAncestralDiscreteScheduler(prediction_type="v_prediction"),
        UniPCMultistepScheduler(),
    ],
    ids=lambda s: type(s).__name__,
)
def test_guidance_works_with_the_usual_schedulers(scheduler):
    pipeline = tiny_stable_diffusion()
    pipeline.scheduler = scheduler
    latents, trace = guided(pipeline, GuidanceConfig(period=3), steps=6)
    assert torch.isfinite(latents).all()
    assert [step.step_index for step in trace.steps] == [0, 3]
    assert trace.steps[1].relative_shift == pytest.approx((0.03, 0.03), rel=1e-4)


def test_criterion_is_climbed_not_descended():
    pipeline = tiny_stable_diffusion()
    brightness = lambda image_NCHW: image_NCHW.mean(dim=(1, 2, 3))  # noqa: E731
    latents, _ = guided(pipeline, GuidanceConfig(period=1), brightness)
    plain = sample(pipeline)
    with torch.no_grad():
        brighter, before = (
            brightness(decode_latent(pipeline.vae, latents)),
            brightness(decode_latent(pipeline.vae, plain)),
        )
    assert (brighter > before + 0.01).all()


def test_omega_zero_is_the_plain_pipeline():
    pipeline = tiny_stable_diffusion()
    latents, trace = guided(pipeline, GuidanceConfig(relative_step=0))
    assert torch.equal(latents, sample(pipeline))
    assert trace.extra_denoiser_calls == 0
    assert trace.denoiser_calls == 6


def test_a_period_beyond_the_last_step_leaves_only_the_first():
    _, trace = guided(tiny_stable_diffusion(), GuidanceConfig(period=100))
    assert [step.step_index for step in trace.steps] == [0]


@pytest.mark.parametrize("kind", ["miniature", "sdxl", "sd3"])
def test_images_of_a_batch_do_not_influence_each_other(kind):
    pipeline = PIPELINES[kind]()
    together, _ = guided(pipeline)
    alone, _ = guided(pipeline, prompts=("dog",), seeds=(2,))
    assert torch.allclose(together[1:], alone, atol=2e-4)


def test_without_classifier_free_guidance_the_whole_batch_is_conditional():
    _, trace = guided(tiny_stable_diffusion(), scale=1.0)
    assert trace.denoiser_images == 6 * 2
    assert trace.steps[0].relative_shift == pytest.approx((0.03, 0.03), rel=1e-5)


def test_two_calls_in_one_context_both_start_at_step_zero():
    pipeline = tiny_stable_diffusion()
    with EntropyGuidance(GuidanceConfig(period=4), entropy_criterion(Segmenter())).attached(pipeline) as trace:
        sample(pipeline, steps=5)
        sample(pipeline, steps=5)
    assert [step.step_index for step in trace.steps] == [0, 4, 0, 4]
    assert [len(row) for row in trace.criterion_by_image()] == [2, 2, 2, 2]


def state(pipeline):
    weights = [weight for part in (pipeline.unet, pipeline.vae) for weight in part.parameters()]
    return {
        "scheduler": sorted(vars(pipeline.scheduler)),
        "hooks": len(pipeline.unet._forward_pre_hooks),
        "trainable": [weight.requires_grad for weight in weights],
        "gradients": [weight.grad is None for weight in weights],
    }


def test_everything_is_as_before_afterwards_and_no_weight_collects_a_gradient():
    pipeline, segmenter = tiny_stable_diffusion(), Segmenter()
    pipeline.vae.requires_grad_(False)
    sample(pipeline)  # the scheduler has its working attributes from now on
    before = state(pipeline)
    guided(pipeline, criterion=entropy_criterion(segmenter))
    assert state(pipeline) == before
    assert all(before["gradients"])
    assert segmenter.weight.grad is None


def test_everything_is_as_before_after_an_error():
    pipeline = tiny_stable_diffusion()
    sample(pipeline)
    before, plain = state(pipeline), sample(pipeline)

    def broken(image_NCHW):
        raise RuntimeError("no segmenter")

    with pytest.raises(RuntimeError, match="no segmenter"):
        guided(pipeline, criterion=broken)
    assert state(pipeline) == before
    assert torch.equal(sample(pipeline), plain)


def test_mixed_estimate_changes_the_result_and_is_refused_for_flow_matching():
    pipeline = tiny_stable_diffusion()
    mixed, _ = guided(pipeline, GuidanceConfig(period=2, mix_clean_estimate=True))
    plain, _ = guided(pipeline, GuidanceConfig(period=2))
    assert not torch.equal(mixed, plain)
    with pytest.raises(InputError, match="flow"):
        guided(tiny_sd3(), GuidanceConfig(mix_clean_estimate=True))


def test_half_precision_latents_and_networks_are_guided_too():
    pipeline = tiny_stable_diffusion().to(dtype=torch.bfloat16)
    latents, trace = guided(pipeline, steps=3)
    assert latents.dtype == torch.bfloat16
    assert trace.steps[0].relative_shift == pytest.approx((0.03, 0.03), rel=1e-4)
    assert pipeline.vae.dtype == torch.bfloat16

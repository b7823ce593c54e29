"""Criterion-guided sampling for diffusers pipelines: climb the entropy of a segmenter while denoising (section 3.4).

    guidance = EntropyGuidance(GuidanceConfig(), entropy_criterion(classify))
    with guidance.attached(pipeline) as trace:
        pipeline(prompt, num_inference_steps=30, guidance_scale=5.0)
    trace.criterion_by_image()

The shift of the latent has to happen *before* the scheduler's update, with the guided prediction computed before the
shift. Pipelines offer a callback only after the update, so the scheduler's ``step`` is wrapped for as long as the
context lasts, and a hook on the denoiser remembers the arguments of its last call, to repeat its conditional half.

Shape legend: N images, C latent channels, H and W latent or image size, K class logits.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from methods.common.errors import InputError
from methods.common.growth import Added
from methods.common.seeds import derive_seed
from methods.common.stage import Config

if TYPE_CHECKING:  # recipes read the config without loading torch
    import torch
    from torch import Tensor

    Criterion = Callable[[Tensor], Tensor]
    """Maps images, float32 [N, 3, H, W] in [0, 1], to one differentiable number each, (N,)."""


_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class GuidanceConfig(Config):
    """How often and how far the latent is shifted."""

    relative_step: float = Field(default=0.03, ge=0)
    """omega: L2 norm of a shift as a fraction of the latent's, image by image [R]. 0 switches guidance off."""
    period: int = Field(default=5, ge=1)
    """Shift at step indices 0, period, 2 * period, ... [R]."""
    mix_clean_estimate: bool = False
    """Mix the clean estimate with the noisy latent, as the original feedback guidance does; the SD3 port does not."""
    direction: Annotated[Literal["criterion", "random"], Added(neutral="criterion")] = "criterion"
    """``criterion``: along its gradient [P]. ``random``: a direction of its own for each image and step, so that what a shift of that size
    does by itself is known; it asks no segmenter [C D76]."""
    drop_background: Annotated[bool, Added(neutral=True)] = True
    """Leave the background's logit out of the criterion [C D8]; the release keeps it [R]."""
    latent_scale: Annotated[Literal["vae", "eighth"], Added(neutral="vae")] = "vae"
    """Before decoding: the VAE's own scale and shift [C D24], or 1/8 as the release has it [R]."""
    detector_input: Annotated[Literal["pixels", "normalised_twice"], Added(neutral="pixels")] = "pixels"
    """What the segmenter is given: pixels of 0 to 255 [C D25], or those of 0 to 1 normalised by ImageNet's statistics, to which it then
    applies its own, as in the release [R]."""
    branches: Annotated[Literal["conditional", "both"], Added(neutral="conditional")] = "conditional"
    """Whose clean estimates are judged: the conditional branch's [C D26], or the mean over both branches of classifier-free guidance, what
    the release's broadcasting comes to [R]."""


@dataclass(frozen=True)
class GuidedStep:
    """What one guided step saw and did, image by image."""

    step_index: int
    criterion: tuple[float, ...]
    """Criterion of the clean estimate before the shift; empty where directions are random."""
    relative_shift: tuple[float, ...]
    """Norm of the shift over norm of the latent; omega, or 0 where the gradient vanished."""


@dataclass
class GuidanceTrace:
    """Everything that happened inside one ``attached`` context."""

    steps: list[GuidedStep] = field(default_factory=list)
    denoiser_calls: int = 0
    """Ordinary calls by the pipeline."""
    extra_denoiser_calls: int = 0
    """Calls with gradient, one for each guided step."""
    denoiser_images: int = 0
    """Images in ordinary calls; classifier-free guidance counts an image twice."""
    extra_denoiser_images: int = 0
    """Images in calls with gradient."""

    def criterion_by_image(self) -> list[list[float]]:
        """Criterion of each image sampled, at each guided step in order."""
        by_index: dict[int, list[float]] = {}
        for step in self.steps:
            by_index.setdefault(step.step_index, []).extend(step.criterion)
        return [list(row) for row in zip(*(values for _, values in sorted(by_index.items())), strict=True)]


def class_entropy(logits_NK: Tensor) -> Tensor:
    """Entropy of softmax(logits) of each row, in nats, differentiable, (N,); at most ln K."""
    import torch

    log_prob_NK = torch.log_softmax(logits_NK.float(), dim=1)
    return -(log_prob_NK.exp() * log_prob_NK).sum(dim=1)


def entropy_criterion(classify: Callable[[Tensor], Tensor], drop_background: bool = True) -> Criterion:
    """Make the criterion of the paper: how unsure a segmenter is of a whole image.

    Args:
        classify: maps images in [0, 1], [N, 3, H, W], to logits [N, C + 1], the background last. A segmenter that wants
            0..255 needs ``lambda image_NCHW: segmenter.classify_whole_image(255 * image_NCHW)``. In evaluation mode.
        drop_background: leave out the last logit, which is never trained and is therefore noise [C D8]; [R] keeps it.

    Source: section 3.4, steps 5 and 6.
    """

    def criterion(image_NCHW: Tensor) -> Tensor:
        logits_NK = classify(image_NCHW)
        return class_entropy(logits_NK[:, :-1] if drop_background else logits_NK)

    return criterion


def normalised_twice(image_NCHW: Tensor) -> Tensor:
    """Normalise images in [0, 1] by ImageNet's statistics of that range: what the release gives a detector that then normalises again [R].

    Source: section 9, item 7.
    """
    mean, std = (image_NCHW.new_tensor(values).view(1, 3, 1, 1) for values in (_IMAGENET_MEAN, _IMAGENET_STD))
    return (image_NCHW - mean) / std


@dataclass(frozen=True)
class NoiseLevel:
    """How a noisy latent is made at one step: z = signal * x0 + noise * eps."""

    signal: float
    noise: float
    input_scale: float = 1.0
    """The denoiser is given z times this."""
    is_flow: bool = False


def _step_position(scheduler: Any, timestep: Any) -> int:
    """Position of the current step in the scheduler's own table of noise levels."""
    if scheduler.step_index is not None:
        return int(scheduler.step_index)
    if scheduler.begin_index is not None:
        return int(scheduler.begin_index)
    return int(scheduler.index_for_timestep(timestep))


def noise_level(scheduler: Any, timestep: Any) -> NoiseLevel:
    """Read the noise level of the step that a diffusers scheduler is about to make.

    Flow matching: z = (1 - sigma) x0 + sigma eps. The Euler and LMS family: z = x0 + sigma eps, with a scaled network
    input. DPM-Solver, UniPC, DEIS: from their sigmas, which may follow another spacing than the training schedule.
    DDIM, DDPM, PNDM: from the cumulative alphas.

    Raises:
        InputError: a scheduler that belongs to none of these families.
    """
    name = type(scheduler).__name__
    if hasattr(scheduler, "_sigma_to_alpha_sigma_t"):
        sigma = float(scheduler.sigmas[_step_position(scheduler, timestep)])
        if scheduler.config.get("use_flow_sigmas", False):
            return NoiseLevel(1 - sigma, sigma, is_flow=True)
        signal = (1 + sigma**2) ** -0.5
        return NoiseLevel(signal, sigma * signal)
    if name == "FlowMatchEulerDiscreteScheduler":
        sigma = float(scheduler.sigmas[_step_position(scheduler, timestep)])
        return NoiseLevel(1 - sigma, sigma, is_flow=True)
    if name in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "LMSDiscreteScheduler"):
        sigma = float(scheduler.sigmas[_step_position(scheduler, timestep)])
        return NoiseLevel(1.0, sigma, input_scale=(1 + sigma**2) ** -0.5)
    if name in ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler"):
        alpha_product = float(scheduler.alphas_cumprod[int(timestep)])
        return NoiseLevel(alpha_product**0.5, (1 - alpha_product) ** 0.5)
    raise InputError(
        f"entropy guidance knows no clean estimate for {name}; "
        "give the pipeline a DDIM, DPM-Solver, Euler or flow-matching Euler scheduler"
    )


def clean_estimate(latent: Tensor, prediction: Tensor, level: NoiseLevel, prediction_type: str) -> Tensor:
    """Estimate the noise-free latent from a noisy one and what the denoiser said of it.

    Args:
        latent: z, any shape.
        prediction: the denoiser's output, same shape.
        level: noise level of z.
        prediction_type: ``epsilon``, ``v_prediction``, ``sample``, or ``flow_prediction`` (velocity eps - x0).

    Source: section 3.4, step 3 [R][B]; ``v_prediction`` and ``sample`` follow from what they stand for [C D58], also
    for latents that are not scaled to unit variance.
    """
    if prediction_type == "flow_prediction":
        return latent - level.noise * prediction
    if prediction_type == "epsilon":
        return (latent - level.noise * prediction) * (1 / level.signal)
    if prediction_type == "v_prediction":
        size = math.hypot(level.signal, level.noise)
        return latent * (level.signal / size**2) - prediction * (level.noise / size)
    if prediction_type == "sample":
        return prediction
    raise InputError(f"entropy guidance knows no clean estimate for prediction type {prediction_type!r}")


def mix_clean_estimate(latent: Tensor, clean: Tensor, level: NoiseLevel) -> Tensor:
    """Return sqrt(1 - abar) * x0 + (1 - sqrt(1 - abar)) * z, the original method's estimate [B].

    ``z`` is taken at unit variance, as in the original, also for schedulers that keep it unscaled.
    """
    if level.is_flow:
        raise InputError("mix_clean_estimate is not defined for flow matching; set it to false")
    size = math.hypot(level.signal, level.noise)
    share = level.noise / size
    return share * clean + (1 - share) * latent / size


def relative_shift(latent_NCHW: Tensor, gradient_NCHW: Tensor, relative_step: float) -> Tensor:
    """Scale a gradient so that its norm is a fixed fraction of the latent's, image by image.

    The specification adds 1e-8 to the gradient's norm. We use 1e-8 as a lower bound of it instead, so that the fraction
    is exact unless the norm is smaller still [C D57]; a gradient of zero gives no shift.

    Returns:
        float32, same shape. Source: section 3.4, step 7.
    """
    axes = tuple(range(1, latent_NCHW.ndim))
    norm_N111 = latent_NCHW.float().square().sum(axes, keepdim=True).sqrt()
    gradient = gradient_NCHW.float()
    gradient_norm_N111 = gradient.square().sum(axes, keepdim=True).sqrt()
    return relative_step * norm_N111 * gradient / gradient_norm_N111.clamp_min(1e-8)


def random_direction(latent_NCHW: Tensor, seeds: Sequence[int], step_index: int) -> Tensor:
    """Draw a direction for each image from its own seed and the step, float32, normal in every element [C D76]."""
    import torch

    directions = []
    for latent_CHW, seed in zip(latent_NCHW, seeds, strict=True):
        generator = torch.Generator().manual_seed(derive_seed("random direction", seed, step_index))
        directions.append(torch.randn(latent_CHW.shape, generator=generator))
    return torch.stack(directions).to(latent_NCHW.device)


def decode_latent(vae: Any, latent_NCHW: Tensor, scale: Literal["vae", "eighth"] = "vae") -> Tensor:
    """Decode clean latents to images, float32 [N, 3, H, W] in [0, 1], with the VAE's own scale and shift, or scaled by 1/8.

    A half-precision VAE that must not decode in half precision (SDXL's) does so in float32 for the moment.
    """
    import torch

    config = vae.config
    if scale == "eighth":
        latent_NCHW = latent_NCHW / 8
    elif getattr(config, "latents_mean", None) is not None and getattr(config, "latents_std", None) is not None:
        mean = torch.tensor(config.latents_mean, device=latent_NCHW.device).view(1, -1, 1, 1)
        std = torch.tensor(config.latents_std, device=latent_NCHW.device).view(1, -1, 1, 1)
        latent_NCHW = latent_NCHW * std / config.scaling_factor + mean
    else:
        latent_NCHW = latent_NCHW / config.scaling_factor + (getattr(config, "shift_factor", None) or 0.0)
    dtype = vae.dtype
    needs_float32 = dtype == torch.float16 and bool(getattr(config, "force_upcast", False))
    if needs_float32:
        vae.to(torch.float32)
    image_NCHW: Tensor = vae.decode(latent_NCHW.to(vae.dtype), return_dict=False)[0]
    return (image_NCHW.float() / 2 + 0.5).clamp(0, 1)


class EntropyGuidance:
    """Shifts the latents of a pipeline towards a higher criterion, at every ``period``-th step.

    Works on pipelines with a ``unet`` or a ``transformer`` as denoiser, a ``vae`` and a scheduler of
    :func:`noise_level`: Stable Diffusion 1.x, SDXL, SD3 and the miniature. Images of a batch do not influence each other.

    Args:
        config: how often and how far.
        criterion: what is climbed; the sign is positive, entropy rises. None where directions are random.

    Source: section 3.4 [P][R].
    """

    def __init__(self, config: GuidanceConfig, criterion: Criterion | None) -> None:
        assert (criterion is None) == (config.direction == "random"), "a criterion, or random directions"
        self.config = config
        self.criterion = criterion

    @contextmanager
    def attached(self, pipeline: Any, seeds: Sequence[int] = ()) -> Iterator[GuidanceTrace]:
        """Guide every call of ``pipeline`` inside the context; leaves the pipeline as it was, also after an error.

        Args:
            pipeline: what samples.
            seeds: of each image of a call, for random directions.

        Yields:
            A trace that fills while the pipeline runs.
        """
        attachment = _Attachment(self.config, self.criterion, pipeline, seeds)
        attachment.start()
        try:
            yield attachment.trace
        finally:
            attachment.stop()


@dataclass
class _DenoiserCall:
    """The arguments of the denoiser's last call by the pipeline."""

    sample: Tensor
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def conditional_half(self, num_images: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments, without the latent, of the conditional branch: pipelines stack [unconditional, conditional]."""
        size = len(self.sample)
        assert size % num_images == 0, f"denoiser saw {size} latents for {num_images} images"
        args = tuple(_last_rows(value, size, num_images) for value in self.args)
        return args, {name: _last_rows(value, size, num_images) for name, value in self.kwargs.items()}


def _last_rows(value: Any, batch_size: int, num_rows: int) -> Any:
    """Take the last rows of every tensor whose first axis is the batch; look into dicts, lists and tuples."""
    import torch

    if isinstance(value, torch.Tensor):
        return value[-num_rows:] if value.ndim > 0 and len(value) == batch_size else value
    if isinstance(value, dict):
        return {name: _last_rows(item, batch_size, num_rows) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_last_rows(item, batch_size, num_rows) for item in value)
    return value


class _Attachment:
    """The hooks of one ``attached`` context."""

    def __init__(
        self, config: GuidanceConfig, criterion: Criterion | None, pipeline: Any, seeds: Sequence[int]
    ) -> None:
        self.config = config
        self.seeds = seeds
        self.criterion = criterion
        self.trace = GuidanceTrace()
        self.pipeline = pipeline
        self.scheduler = pipeline.scheduler
        self.denoiser: Any = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
        if not self.denoiser:
            raise InputError(f"{type(pipeline).__name__} has neither unet nor transformer, so it cannot be guided")
        self._num_steps_done = 0
        self._last_call: _DenoiserCall | None = None
        self._guiding = False

    def start(self) -> None:
        """Hook the denoiser, wrap the scheduler, freeze the networks so that no graph of their weights is kept."""
        assert "step" not in vars(self.scheduler), "this pipeline is guided already"
        self._hook = self.denoiser.register_forward_pre_hook(self._remember, with_kwargs=True)
        self.scheduler.step = self._wrap_step(self.scheduler.step)
        self.scheduler.set_timesteps = self._wrap_set_timesteps(self.scheduler.set_timesteps)
        networks = (self.denoiser, self.pipeline.vae)
        self._thawed = [weight for network in networks for weight in network.parameters() if weight.requires_grad]
        for weight in self._thawed:
            weight.requires_grad_(False)
        self._vae_dtype = self.pipeline.vae.dtype

    def stop(self) -> None:
        """Undo :meth:`start`."""
        self._hook.remove()
        del self.scheduler.step, self.scheduler.set_timesteps
        for weight in self._thawed:
            weight.requires_grad_(True)
        if self.pipeline.vae.dtype != self._vae_dtype:
            self.pipeline.vae.to(self._vae_dtype)
        self._last_call = None

    def _remember(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._guiding:
            return
        if args:
            self._last_call = _DenoiserCall(args[0], args[1:], kwargs)
        else:
            name = "hidden_states" if "hidden_states" in kwargs else "sample"
            self._last_call = _DenoiserCall(kwargs[name], (), {key: kwargs[key] for key in kwargs if key != name})
        self.trace.denoiser_calls += 1
        self.trace.denoiser_images += len(self._last_call.sample)

    def _wrap_set_timesteps(self, set_timesteps: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(set_timesteps)  # pipelines look at the signature
        def restart(*args: Any, **kwargs: Any) -> Any:
            self._num_steps_done = 0
            return set_timesteps(*args, **kwargs)

        return restart

    def _wrap_step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(step)

        @wraps(step)
        def guided_step(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            index, self._num_steps_done = self._num_steps_done, self._num_steps_done + 1
            if self.config.relative_step > 0 and index % self.config.period == 0:
                arguments = bound.arguments
                arguments["sample"] = self._shift(index, arguments["sample"], arguments["timestep"])
            return step(*bound.args, **bound.kwargs)

        return guided_step

    def _shift(self, index: int, latent_NCHW: Tensor, timestep: Any) -> Tensor:
        """Move each latent by omega of its norm along the gradient of its own criterion."""
        criterion: tuple[float, ...] = ()
        if self.criterion is None:
            gradient_NCHW = random_direction(latent_NCHW, self.seeds, index)
        else:
            gradient_NCHW, criterion_N = self._gradient(self.criterion, latent_NCHW, timestep)
            criterion = tuple(criterion_N.tolist())
        shift_NCHW = relative_shift(latent_NCHW, gradient_NCHW, self.config.relative_step)
        share_N = shift_NCHW.flatten(1).norm(dim=1) / latent_NCHW.float().flatten(1).norm(dim=1).clamp_min(1e-12)
        self.trace.steps.append(GuidedStep(index, criterion, tuple(share_N.tolist())))
        return (latent_NCHW.float() + shift_NCHW).to(latent_NCHW.dtype)

    def _gradient(self, criterion: Criterion, latent_NCHW: Tensor, timestep: Any) -> tuple[Tensor, Tensor]:
        """Gradient of the summed criterion in the latents, and the criterion of each image, both float32."""
        import torch

        self._guiding = True
        try:
            with torch.enable_grad():
                leaf_NCHW = latent_NCHW.detach().float().requires_grad_()
                judged = criterion(self._estimate_image(leaf_NCHW, timestep))
                criterion_N = judged.view(-1, len(leaf_NCHW)).mean(0)  # over the branches
                # Only the direction counts, and entropy's gradients are small enough to vanish in half precision.
                (gradient_NCHW,) = torch.autograd.grad(1024.0 * criterion_N.float().sum(), leaf_NCHW)
        finally:
            self._guiding = False
            if self.pipeline.vae.dtype != self._vae_dtype:
                self.pipeline.vae.to(self._vae_dtype)
        return gradient_NCHW / 1024.0, criterion_N.detach().float()

    def _estimate_image(self, latent_NCHW: Tensor, timestep: Any) -> Tensor:
        """Image, in [0, 1], that the denoiser's conditional branch believes a latent will become; or one of each branch, a branch after another."""
        assert self._last_call is not None, "the scheduler stepped before the denoiser was called"
        if self.config.branches == "both":
            latent_NCHW = latent_NCHW.repeat(len(self._last_call.sample) // len(latent_NCHW), 1, 1, 1)
        args, kwargs = self._last_call.conditional_half(len(latent_NCHW))
        level = noise_level(self.scheduler, timestep)
        scaled_NCHW = (latent_NCHW * level.input_scale).to(self._last_call.sample.dtype)
        output = self._call_denoiser(scaled_NCHW, args, kwargs)
        prediction_NCHW = output[:, : latent_NCHW.shape[1]].float()  # learned variances come after the prediction
        kind = "flow_prediction" if level.is_flow else self.scheduler.config.prediction_type
        clean_NCHW = clean_estimate(latent_NCHW, prediction_NCHW, level, kind)
        if self.config.mix_clean_estimate:
            clean_NCHW = mix_clean_estimate(latent_NCHW, clean_NCHW, level)
        return decode_latent(self.pipeline.vae, clean_NCHW, self.config.latent_scale)

    def _call_denoiser(self, scaled_NCHW: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        self.trace.extra_denoiser_calls += 1
        self.trace.extra_denoiser_images += len(scaled_NCHW)
        by_keyword = not args and "timestep" in kwargs
        if by_keyword:
            name = (
                "hidden_states" if "hidden_states" in inspect.signature(self.denoiser.forward).parameters else "sample"
            )
            output = self.denoiser(**{name: scaled_NCHW}, **kwargs)
        else:
            output = self.denoiser(scaled_NCHW, *args, **kwargs)
        prediction = output[0] if isinstance(output, tuple) else output.sample
        assert isinstance(prediction, type(scaled_NCHW))
        return prediction

"""Configs of every training of the miniature parts. Imports nothing heavy, so that plans can be made from them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from methods.common.growth import Added
from methods.common.miniature.street_classes import StreetConfig
from methods.common.miniature.world_config import SceneConfig, WebConfig
from methods.common.stage import Config
from methods.common.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn


class OptimizerConfig(Recipe):
    """AdamW with a warm-up, a flat part, and a cosine to zero at the last step."""

    num_steps: int = Field(ge=1)
    """Training steps."""
    batch_size: int = Field(ge=1)
    """Pictures per step."""
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's decay of matrices; vectors are not decayed."""
    beta2: float = Field(default=0.99, gt=0, lt=1)
    """AdamW's second moment decay; the first is 0.9."""
    warmup_steps: int = Field(default=50, ge=0)
    """Linear warm-up."""
    cosine_from: float = Field(default=0.4, ge=0, le=1)
    """Share of the steps after which the cosine starts."""
    max_gradient_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""

    rate_setting: ClassVar[str] = "optimizer.learning_rate"

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of a step counted from 0."""
        warm = min(1.0, (iteration + 1) / (self.warmup_steps + 1))
        start = self.cosine_from * self.num_steps
        share = min(1.0, max(0.0, (iteration - start) / max(1.0, self.num_steps - start)))
        return self.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * share))

    def build_optimizer(self, model: nn.Module) -> torch.optim.AdamW:
        """Return AdamW over all parameters that need a gradient; :meth:`set_rates` sets its rate."""
        import torch

        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.learning_rate, betas=(0.9, self.beta2), fused=True)

    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Scale all gradients down together, in place."""
        from torch import nn

        nn.utils.clip_grad_norm_(parameters, self.max_gradient_norm)


class VaeConfig(Config):
    """Training of the VAE."""

    optimizer: OptimizerConfig
    """Steps and rates; ``batch_size`` counts crops, whole pictures come in batches half as large."""
    num_pictures: int = Field(default=8000, ge=16)
    """Pictures of the web split that are drawn once and seen many times."""
    crop_px: int = Field(default=32, ge=16)
    """Side of the crops of the first part; cheaper and, at equal time, better."""
    crop_share: float = Field(default=0.7, ge=0, le=1)
    """Share of the steps that see crops."""
    kl_weight: float = Field(default=2e-4, ge=0)
    """Weight of the divergence, mean over latent numbers."""
    edge_weight: float = Field(default=0.5, ge=0)
    """Weight of the absolute error of picture gradients."""
    web: WebConfig = WebConfig()
    """Pictures."""


class FlatVaeConfig(Config):
    """Further training of the VAE's decoder on flat colours."""

    optimizer: OptimizerConfig
    """Steps and rates; ``batch_size`` counts crops."""
    num_pictures: int = Field(default=1500, ge=16)
    """Pictures of the web split that are drawn once and seen many times."""
    crop_px: int = Field(default=32, ge=16)
    """Side of the crops."""
    flat_share: float = Field(default=0.6, ge=0, le=1)
    """Share of the crops whose things and background have one random colour each."""
    edge_weight: float = Field(default=0.25, ge=0)
    """Weight of the absolute error of picture gradients."""
    web: WebConfig = WebConfig(single_share=0.5)
    """Pictures; half of them with several objects, so that many colours meet."""


class ClipConfig(Config):
    """Training of CLIP."""

    optimizer: OptimizerConfig
    """Steps and rates."""
    num_pictures: int = Field(default=30000, ge=64)
    """Pictures of the web split that are drawn once and seen many times."""
    dense_weight: float = Field(default=1.0, ge=0)
    """Weight of the auxiliary losses that give the vision tower a dense gradient; their heads are dropped."""
    web: WebConfig = WebConfig()
    """Pictures."""


class LatentsConfig(Config):
    """Which part of the web split the generator learns from."""

    num_pictures: int = Field(default=24000, ge=8)
    """Pictures, drawn and encoded once."""
    web: WebConfig = WebConfig()
    """Pictures."""


class GeneratorConfig(Config):
    """Training of U-Net and text encoder."""

    optimizer: OptimizerConfig
    """Steps and rates."""
    widths: tuple[int, ...] = (32, 64, 96)
    """Channels of the U-Net's levels; attention below the first."""
    ema_decay: float = Field(default=0.9985, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones kept."""
    empty_caption_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of captions left out, for classifier-free guidance."""
    snr_limit: float = Field(default=5.0, gt=0)
    """Loss weight of a timestep is (min(SNR, limit) + 1) / (SNR + 1), for v-prediction."""
    text_encoder_learns: Annotated[bool, Added(neutral=True)] = True
    """Whether the text encoder is trained too; else only the U-Net."""


class CutoutConfig(Config):
    """Training of the cut-out network."""

    optimizer: OptimizerConfig
    """Steps and rates."""
    num_pictures: int = Field(default=12000, ge=32)
    """Pictures of the web split that are drawn once and seen many times."""
    width: int = Field(default=16, ge=4)
    """Channels of the first level."""
    web: WebConfig = WebConfig(single_share=1.0)
    """Pictures; single objects, as this kind of network expects."""


class SamTrainingConfig(Config):
    """Training of the Segment Anything model."""

    optimizer: OptimizerConfig
    """Steps and rates."""
    num_pictures: int = Field(default=6000, ge=16)
    """Pictures of the web split that are drawn once and seen many times."""
    prompts_per_picture: int = Field(default=4, ge=2)
    """Objects asked for in each picture of a step, a third of them by a point and the others by a box."""
    box_jitter_px: float = Field(default=1.5, ge=0)
    """Standard deviation of the error of each side of a box."""
    dense_weight: float = Field(default=1.0, ge=0)
    """Weight of the auxiliary loss that gives the encoder a dense gradient; its head is dropped."""
    web: WebConfig = WebConfig(single_share=0.4)
    """Pictures; most with several objects, so that a prompt has something to choose."""


class SegmenterConfig(Config):
    """Pretraining of the instance segmenter on things that no category names."""

    optimizer: OptimizerConfig
    """Steps and rates."""
    max_objects: int = Field(default=4, ge=1)
    """Objects in a picture, from one on."""
    scene: SceneConfig = SceneConfig(max_radius_px=24.0)
    """Pictures; sizes are those of the data sets after their augmentation."""


class JudgesConfig(Config):
    """Training of both judges."""

    optimizer: OptimizerConfig
    """Steps and rates, the same for both."""
    web: WebConfig = WebConfig(single_share=1.0)
    """Pictures; judges see single objects only."""


class ThingsConfig(Config):
    """Which crops of the street the repainting generators learn from."""

    num_things: int = Field(default=5000, ge=8)
    """Crops, drawn and encoded once."""
    side_px: int = Field(default=64, ge=16)
    """Their side."""
    scene: StreetConfig = StreetConfig(evenness=1.0)
    """The scenes that they are cut from."""


class InpaintingTrainingConfig(Config):
    """Training of the inpainting U-Net and its text encoder."""

    optimizer: OptimizerConfig
    """Steps and rates."""
    ema_decay: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones kept."""
    empty_caption_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of captions left out, for classifier-free guidance."""
    plain_caption_share: float = Field(default=0.2, ge=0, le=1)
    """Share of captions that name the class only."""
    whole_share: float = Field(default=0.15, ge=0, le=1)
    """Share of the pictures that are hidden altogether, so that the network can paint from text alone."""
    kept_weight: float = Field(default=0.25, ge=0, le=1)
    """Weight of what is only copied, against 1 for what is painted."""
    snr_limit: float = Field(default=5.0, gt=0)
    """Loss weight of a timestep is (min(SNR, limit) + 1) / (SNR + 1), for v-prediction."""


class GligenTrainingConfig(InpaintingTrainingConfig):
    """Training of the gated layers and the first convolution."""

    empty_caption_share: float = Field(default=0.4, ge=0, lt=1)
    """Share of captions left out, so that the class must come from the grounding."""
    whole_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the pictures that are hidden altogether."""
    null_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of pictures without grounding, for classifier-free guidance."""
    max_entities: int = Field(default=4, ge=1)
    """Grounding tokens; the real GLIGEN has 30, all but one of them null tokens here, too."""


class StreetSegmenterConfig(Config):
    """Pretraining of the street's instance segmenter on things that no class of the street names."""

    optimizer: OptimizerConfig
    """Steps and rates."""
    scene: StreetConfig = StreetConfig(evenness=1.0, group_share=0.0)
    """The street; what stands on it is drawn otherwise."""
    crop_px: int = Field(default=64, ge=32)
    """Height of the crops; the width is twice that."""


class AssembleConfig(Config):
    """Nothing to choose."""


class SamplingConfig(Config):
    """How pictures are generated."""

    num_steps: int = 12
    """DPM-Solver++ steps."""
    guidance_scale: float = 3.5
    """Classifier-free guidance."""


class StreetReportConfig(Config):
    """How much is measured of the painters of the street."""

    things: ThingsConfig = ThingsConfig(num_things=96)
    """Held-out crops that are repainted."""
    real_things: ThingsConfig = ThingsConfig(num_things=2000)
    """Other crops, which say what a picture shows."""
    num_steps: int = Field(default=12, ge=1)
    """Denoising steps."""
    guidance_scale: float = Field(default=3.5, ge=0)
    """Classifier-free guidance."""


class ReportConfig(Config):
    """How much is measured."""

    num_renders_per_category: int = Field(default=20, ge=1)
    """Held-out renders for judges, VAE, cut-out and CLIP."""
    num_generated_per_category: int = Field(default=10, ge=1)
    """Generated pictures for the first prompt; the others get a third."""
    num_scenes: int = Field(default=200, ge=1)
    """Held-out scenes for Segment Anything."""
    num_attention: int = Field(default=48, ge=1, le=72)
    """Generated pictures for each of four backgrounds in the attention measurement."""
    sampling: SamplingConfig = SamplingConfig()
    """Sampling of all generated pictures."""
    web: WebConfig = WebConfig(single_share=1.0)
    """How held-out renders look."""
    scenes: WebConfig = WebConfig(single_share=0.4)
    """How held-out scenes look."""

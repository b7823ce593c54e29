"""Training recipes: optimiser, schedule, averaging, batch. They hold no torch until an optimiser is built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from methods.common.growth import Added
from methods.common.stage import Config
from methods.common.training.schedule import warmup_cosine

if TYPE_CHECKING:
    import torch
    from torch import nn

    from methods.common.segmenters.instance.interface import InstanceSegmenter

NonNegative = Annotated[float, Field(ge=0)]


class Recipe(Config):
    """By which settings gradients become a step."""

    rate_setting: ClassVar[str] = "recipe.base_lr"
    """Name of the setting of the learning rate, for messages."""

    @abstractmethod
    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration counted from 0."""

    @abstractmethod
    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Clip the gradients of the whole batch in place."""

    def set_rates(self, optimizer: torch.optim.Optimizer, iteration: int) -> None:
        """Set the rates of an iteration; a group with an ``lr_factor`` has a rate of its own."""
        for group in optimizer.param_groups:
            group["lr"] = self.rate_at(iteration) * group.get("lr_factor", 1.0)


class TrainingRecipe(Recipe):
    """How a segmenter is trained. Defaults are those of MRCA section 6.5."""

    iterations: Annotated[int, Field(ge=1)] = 90_000
    """Length of the schedule in optimiser steps; the cosine reaches 0 there. [R]"""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Images a step, over all processes. [R]"""
    base_lr: Annotated[float, Field(gt=0)] = 1e-4
    """Learning rate of AdamW that the cosine starts from. [R]"""
    backbone_lr_factor: Annotated[NonNegative, Added(neutral=1.0)] = 1.0
    """Learning rate of the backbone over that of the rest. [R] 1."""
    weight_decay: NonNegative = 1e-4
    """Of AdamW, on all parameters. [R][D]"""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of AdamW. [D]"""
    warmup_iterations: Annotated[int, Field(ge=0)] = 10_000
    """Steps in which the rate rises linearly to the cosine. [D]"""
    warmup_factor: Annotated[float, Field(ge=0, le=1)] = 1e-4
    """Rate of the first step over ``base_lr``. [D]"""
    clip_value: Annotated[float, Field(gt=0)] | None = 1.0
    """Every element of every gradient is clipped to [-value, value]. [R][D]"""
    backbone_autocast: Literal["none", "float16", "bfloat16"] = "float16"
    """Precision of backbone and pyramid; float16 needs loss scaling and is left out on the CPU. Heads stay float32. [R]"""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the averaged weights at every step. [R]"""
    ema_warmup: bool = False
    """Whether the decay starts low, for trainings of few steps. [C MRCA D52]"""
    repeat_threshold: Annotated[float, Field(ge=0, le=1)] = 0.001
    """Classes in a smaller share of the images are repeated by the sampler. [R]"""

    def rate_at(self, iteration: int) -> float:
        """Return the learning rate of an iteration counted from 0."""
        return warmup_cosine(iteration, self.base_lr, self.iterations, self.warmup_iterations, self.warmup_factor)

    def build_optimizer(self, model: InstanceSegmenter) -> torch.optim.AdamW:
        """Return AdamW over all parameters that need a gradient, at the rate of iteration 0."""
        import torch

        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        groups: list[dict[str, Any]] = [{"params": parameters}]
        if self.backbone_lr_factor != 1.0:
            of_backbone = {id(parameter) for parameter in model.backbone.parameters()}
            groups = [
                {"params": [one for one in parameters if id(one) not in of_backbone]},
                {"params": [one for one in parameters if id(one) in of_backbone], "lr_factor": self.backbone_lr_factor},
            ]
        return torch.optim.AdamW(
            groups, lr=self.rate_at(0), betas=self.betas, weight_decay=self.weight_decay, fused=True
        )

    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Clip every element, in place."""
        from torch import nn

        if self.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.clip_value)

    def autocast_dtype(self, device: torch.device) -> torch.dtype | None:
        """Return the autocast type for a device, or None for full precision."""
        import torch

        if self.backbone_autocast == "bfloat16":
            return torch.bfloat16
        return torch.float16 if self.backbone_autocast == "float16" and device.type == "cuda" else None

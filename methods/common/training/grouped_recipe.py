"""Recipe of segmenters whose backbone learns more slowly than the rest, and whose norms and embeddings do not decay: AdamW.

Holds no torch until an optimiser is built.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from methods.common.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

    from methods.common.segmenters.instance.interface import InstanceSegmenter
    from methods.common.segmenters.semantic.interface import SemanticSegmenter

NonNegative = Annotated[float, Field(ge=0)]


class GroupedRecipe(Recipe):
    """Optimiser, precision and clipping; subclasses add the schedule.

    Defaults are those of Mask2Former-R50 on ADE20K (SAM filter section 8), marks those of docs/papers/sam_filter.md.
    """

    iterations: Annotated[int, Field(ge=1)]
    """Length of the training in optimiser steps; the rate reaches 0 there. [P]"""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Images a step, over all processes. [MM]"""
    base_lr: Annotated[float, Field(gt=0)] = 1e-4
    """Learning rate of AdamW at the start. [MM]"""
    backbone_lr_factor: NonNegative = 0.1
    """Learning rate of the backbone over that of the rest. [MM]"""
    weight_decay: NonNegative = 0.05
    """Of AdamW, on all parameters but those of norms and ``undecayed``. [MM]"""
    undecayed: tuple[str, ...] = ("queries_embedder", "queries_features", "level_embed")
    """Parts of names; parameters whose name has a part that starts with one of them are not decayed: queries, and embeddings
    of queries and levels. [MM]"""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of AdamW. [MM]"""
    warmup_iterations: Annotated[int, Field(ge=0)] = 0
    """First iterations, in which the rate rises linearly. [MM] none; trainings of few steps may want some."""
    max_gradient_norm: Annotated[float, Field(gt=0)] | None = 0.01
    """All gradients together are scaled down to this norm. [MM][DD]"""
    autocast: Literal["none", "float16", "bfloat16"] = "none"
    """Precision of the network on CUDA; float16 is trained with loss scaling. On the CPU it stays float32. [MM] none."""

    def build_optimizer(self, model: SemanticSegmenter | InstanceSegmenter) -> torch.optim.AdamW:
        """Return AdamW over all parameters that need a gradient; :meth:`set_rates` sets its rates."""
        import torch

        groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
        of_backbone = {id(parameter) for parameter in model.backbone.parameters()}
        plain = self.names_without_decay(model)
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                groups.setdefault((id(parameter) in of_backbone, name in plain), []).append(parameter)
        options = [
            {
                "params": parameters,
                "weight_decay": 0.0 if undecayed else self.weight_decay,
                "lr_factor": self.backbone_lr_factor if in_backbone else 1.0,
            }
            for (in_backbone, undecayed), parameters in sorted(groups.items(), key=lambda item: item[0])
        ]
        return torch.optim.AdamW(options, lr=self.base_lr, betas=self.betas, fused=True)

    def clip_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Scale all gradients down together, in place."""
        from torch import nn

        if self.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.max_gradient_norm)

    def names_without_decay(self, model: nn.Module) -> set[str]:
        """Return the parameters that are not decayed: those of norms, and those that ``undecayed`` names."""
        from torch import nn

        norms = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
        names = {
            f"{prefix}.{name}" if prefix else name
            for prefix, module in model.named_modules()
            if isinstance(module, norms)
            for name, _ in module.named_parameters(recurse=False)
        }
        named = {
            name
            for name, _ in model.named_parameters()
            if any(part.startswith(self.undecayed) for part in name.split("."))
        }
        return names | named

    def autocast_dtype(self, device: torch.device) -> torch.dtype | None:
        """Return the autocast type for a device, or None for full precision."""
        import torch

        if device.type != "cuda" or self.autocast == "none":
            return None
        return torch.float16 if self.autocast == "float16" else torch.bfloat16

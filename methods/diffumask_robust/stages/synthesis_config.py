"""The complete config of sampling with attention by several presets."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from methods.common.generators.attention_presets import AttentionPreset, attn2mask
from methods.common.generators.sampling import SamplingConfig

_NAME = re.compile(r"[a-z0-9_-]+")


class SynthesizeAttentionConfig(SamplingConfig):
    """How pictures are sampled, and which heat maps are taken beside them. Work is a prompt."""

    num_steps: int = Field(default=100, ge=1)
    """Denoising steps. [R]"""
    guidance_scale: float = Field(default=7.5, ge=0)
    """Classifier-free guidance; at most 1 switches it off. Section 12 [C D41]"""
    negative_prompt: str | None = None
    """What guidance leads away from; None for nothing, as no source names one."""
    precision: Literal["float32", "bfloat16", "float16"] = "float16"
    """Precision of the networks on CUDA; float32 elsewhere. [C D41]"""
    presets: dict[str, AttentionPreset] = Field(default={"attn2mask": attn2mask()}, min_length=1)
    """Heat maps that are taken, by name; all of the same sampling run."""
    lora_rank: int | None = Field(default=None, ge=1)
    """Rank of the adapter of role ``lora``, whose updates are added to the generator; None for the generator as it is. Section 7"""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """Format of the pictures. [C D41]"""
    safety_checker: bool = False
    """Whether the checkpoint's own checker, if it has one, blanks pictures. [C D41]"""

    @model_validator(mode="after")
    def _names_are_folders(self) -> Self:
        for name in self.presets:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"a preset is named {name!r}; use small letters, digits, - and _, as it names a folder"
                )
        return self

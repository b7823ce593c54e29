"""The complete config of generation with attention capture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from methods.common.generators.sampling import SamplingConfig
from methods.common.stage import Config

NEGATIVE_PROMPT = (
    "ugly, tiled pattern, badly drawn hands, badly drawn feet, badly drawn face, cropped, out of frame, extra limbs, deformed body, "
    "blurry, grainy, watermark, signature, text, washed out, low contrast, underexposed"
)
"""Quality words; [DD] has one fixed list of such words, the wording is ours."""

_PUBLISHED_POWER = 4


class CaptureSteps(Config):
    """Which denoising steps count for attention maps. By default all, as published [DD]; fewer cost less."""

    first: int = Field(default=0, ge=0)
    """The first one, from 0."""
    last: int | None = Field(default=None, ge=0)
    """The last one; None for the end."""
    every: int = Field(default=1, ge=1)
    """From the first one on, each so-many-th."""

    def includes(self, step: int) -> bool:
        """Tell whether a step counts."""
        return step >= self.first and (self.last is None or step <= self.last) and (step - self.first) % self.every == 0


class SynthesizeConfig(SamplingConfig):
    """How pictures are sampled and masks are made. Scheduler and size are the checkpoint's own (512 px) [DD]; work is a prompt."""

    num_steps: int = Field(default=100, ge=1)
    """Denoising steps. [DD]"""
    guidance_scale: float = Field(default=7.5, ge=0)
    """Classifier-free guidance; at most 1 switches it off. [DD]"""
    negative_prompt: str | None = NEGATIVE_PROMPT
    """What guidance leads away from. [DD] in kind; None for nothing."""
    precision: Literal["float32", "bfloat16", "float16"] = "float16"
    """Precision of the networks on CUDA; float32 elsewhere. [DD]"""
    self_sides: tuple[int, ...] = Field(default=(64, 32), min_length=1)
    """Cells a side of self-attention. [P] 32 and 64"""
    cross_sides: tuple[int, ...] = Field(default=(8, 16, 32, 64), min_length=1)
    """Cells a side of cross-attention. [P] 8, 16, 32 and 64"""
    powers: tuple[int, ...] = Field(default=(4,), min_length=1)
    """Powers tau of self-attention. [DD] 4; 0 leaves cross-attention as it is."""
    key_prefix: str = ""
    """Before the class names in the text that cross-attention's keys come from. [DD] nothing: the text is the class prompt."""
    key_joiner: str = " "
    """Between two class names in that text. [DD] a space"""
    capture_steps: CaptureSteps = CaptureSteps()
    """Steps whose attention counts."""
    upper_threshold: float = Field(default=0.6, gt=0, le=1)
    """From here on a pixel has its class. [DD]"""
    lower_threshold: float = Field(default=0.5, gt=0, le=1)
    """Below it a pixel is background; from here to the upper threshold it is uncertain, 255. [DD]"""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """Format of the pictures. [DD] JPEG"""
    safety_checker: bool = False
    """Whether the checkpoint's own checker, if it has one, blanks pictures; off by our choice [C D39]."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.lower_threshold > self.upper_threshold:
            raise ValueError("lower_threshold is above upper_threshold")
        for name in ("self_sides", "cross_sides", "powers"):
            numbers = getattr(self, name)
            if len(set(numbers)) < len(numbers) or min(numbers) < (0 if name == "powers" else 1):
                raise ValueError(f"{name} must be different whole numbers, sides of at least 1")
        return self

    def variants(self) -> tuple[str, ...]:
        """Name every variant of the masks."""
        return tuple(
            variant_name(own, cross, power)
            for own in self.self_sides
            for cross in self.cross_sides
            for power in self.powers
        )


def variant_name(self_side: int, cross_side: int, power: int = _PUBLISHED_POWER) -> str:
    """Name of a variant: ``s32_c16``, or ``s32_c16_p1`` where the power is not the published one."""
    return f"s{self_side}_c{cross_side}" + ("" if power == _PUBLISHED_POWER else f"_p{power}")


@dataclass(frozen=True)
class Order:
    """One picture to make."""

    record: dict[str, Any]
    names: tuple[str, ...]
    """Of the class prompt, in order; repeated where they are."""
    seed: int

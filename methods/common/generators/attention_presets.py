"""How five methods make a heat map a class of cross-attention, as complete configs: what is read, how it is pooled and scaled.

Each has two named forms. ``as_meant`` follows the method's description, ``as_released`` the code that its authors published, where
that does otherwise (Attn2mask section 4.3). :mod:`methods.common.generators.attention_heat_maps` carries them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from methods.common.stage import Config

Form = Literal["as_meant", "as_released"]
_Reduction = Literal["sum", "mean"]


class AttentionPreset(Config):
    """Everything between attention layers and a map a class. Any field may be changed; the presets below are five settings of them."""

    pooling: Literal["layers", "layers_and_heads", "resolutions", "refinement"]
    """``layers``: every layer resized bilinearly, then pooled. ``layers_and_heads``: every layer and head resized bicubically, negatives set
    to 0, then averaged. ``resolutions``: the layers of a resolution averaged, resized bicubically to the picture, divided by its own
    maximum, then averaged, each piece by itself. ``refinement``: one resolution averaged, resized bicubically to that of
    self-attention, multiplied by its power."""
    scaling: Literal["min_max_then_resize", "resize_then_min_max", "resize_then_max", "none"]
    """How a map becomes one of the picture's size with values of about [0, 1]; ``none`` where pooling has done so."""
    steps: Literal["all", "middle"] | Annotated[int, Field(ge=0)] = "all"
    """Denoiser evaluations that count: all, number ``num_steps // 2`` alone (50 of 100), or that number alone, from 0."""
    half: Literal["conditional", "unconditional"] = "conditional"
    """The half of guidance whose queries are read."""
    keys: Literal["caption", "class_text", "word"] = "caption"
    """Text whose tokens are the keys: the caption, all class names of it in a text of their own, or each word as a text of its own."""
    activation: Literal["softmax", "scores"] = "softmax"
    """Probabilities, or the scaled scores before softmax."""
    softmax_over: Literal["encoder", "text"] = "encoder"
    """All tokens that the encoder reads, padding too, or those of the text with start and end token."""
    blocks: tuple[Literal["down", "mid", "up"], ...] = Field(default=("down", "up"), min_length=1)
    """Parts of the U-Net whose layers count."""
    cross_sides: tuple[int, ...] | None = None
    """Cells a side of the layers that count; None for all."""
    self_side: int = Field(default=32, ge=1)
    """Cells a side of self-attention, for ``refinement``."""
    power: int = Field(default=4, ge=0)
    """Power of self-attention, for ``refinement``."""
    map_side: int = Field(default=64, ge=1)
    """Cells a side to which layers are resized, for ``layers`` and ``layers_and_heads``."""
    time: _Reduction = "mean"
    """Over evaluations."""
    heads: _Reduction = "mean"
    """Over heads."""
    layers: _Reduction = "mean"
    """Over layers."""
    pieces: Literal["mean", "last"] = "mean"
    """Over the tokens of a class: their mean, or the last one alone."""
    search: Literal["words", "stripped_pieces", "listed_pieces", "word_number"] = "words"
    """How the tokens of a class are found: as whole words, or as DAAM, DiffuMask or Dataset Diffusion released it."""
    one_side_classes: tuple[tuple[str, int], ...] = ()
    """Classes that have one resolution only, and its cells a side, for ``resolutions``."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.pooling in ("resolutions", "refinement") and not self.cross_sides:
            raise ValueError(f"pooling {self.pooling!r} needs cross_sides")
        if self.pooling == "refinement" and len(self.cross_sides or ()) != 1:
            raise ValueError("refinement takes one of cross_sides")
        if self.pooling != "layers" and "sum" in (self.heads, self.layers):
            raise ValueError(
                f"pooling {self.pooling!r} averages heads and layers; only pooling 'layers' can add them up"
            )
        if (self.pooling == "resolutions") != (self.scaling == "none"):
            raise ValueError("scaling 'none' belongs to pooling 'resolutions', which scales each resolution itself")
        if (self.search == "word_number") > (self.keys == "class_text"):
            raise ValueError("words are counted in the class text; set keys to 'class_text'")
        return self

    def sides_for(self, class_names: Sequence[str]) -> tuple[int, ...] | None:
        """Return the resolutions that these classes need, largest first; None for all."""
        if self.cross_sides is None:
            return None
        alone = dict(self.one_side_classes)
        needed = {side for name in class_names for side in ([alone[name]] if name in alone else self.cross_sides)}
        return tuple(sorted(needed, reverse=True))

    def captures(self, call: int, num_steps: int) -> bool:
        """Tell whether a denoiser evaluation counts, from 0."""
        if self.steps == "all":
            return True
        return call == (num_steps // 2 if self.steps == "middle" else self.steps)


def attn2mask(form: Form = "as_meant", activation: Literal["softmax", "scores"] = "softmax") -> AttentionPreset:
    """Attn2mask: the evaluation in the middle of sampling alone. Source: Attn2mask section 4.2, equation (2) [R].

    As released in OVAM's re-implementation: queries of the unconditional half, softmax over the text without padding, heads and layers
    added up (layers averaged for scores), the last piece of a word (Attn2mask section 4.3).
    """
    if form == "as_meant":
        return AttentionPreset(pooling="layers", scaling="min_max_then_resize", steps="middle", activation=activation)
    return ovam(form, activation).model_copy(
        update={"scaling": "min_max_then_resize", "steps": "middle", "keys": "caption", "pieces": "last"}
    )


def ovam(form: Form = "as_meant", activation: Literal["softmax", "scores"] = "softmax") -> AttentionPreset:
    """OVAM with plain words: each word as a text of its own, everything added up. Source: Attn2mask sections 4.2 and 4.3 [code].

    As released: queries of the unconditional half. Either way layers are averaged for scores, as its own default is then.
    """
    return AttentionPreset(
        pooling="layers",
        scaling="resize_then_max",
        half="conditional" if form == "as_meant" else "unconditional",
        keys="word",
        activation=activation,
        softmax_over="text",
        time="sum",
        heads="sum",
        layers="sum" if activation == "softmax" else "mean",
    )


def daam(form: Form = "as_meant") -> AttentionPreset:
    """DAAM: negatives of the bicubic resize cut off a layer and head. Source: Attn2mask sections 4.2 and 4.3 [code].

    As released: pieces of a word count wherever they occur, also as parts of other words.
    """
    search: Literal["words", "stripped_pieces"] = "words" if form == "as_meant" else "stripped_pieces"
    return AttentionPreset(pooling="layers_and_heads", scaling="resize_then_min_max", time="sum", search=search)


def diffumask(form: Form = "as_meant") -> AttentionPreset:
    """DiffuMask: each resolution by its own maximum; four VOC classes have one resolution. Source: Attn2mask section 4.2 [code].

    The middle block is read too, for the classes with 8 cells a side; in Stable Diffusion 1.x no other layer is of that size.
    As released: a class is a list of pieces, which count wherever they occur (Attn2mask section 4.3).
    """
    return AttentionPreset(
        pooling="resolutions",
        scaling="none",
        blocks=("down", "mid", "up"),
        cross_sides=(64, 32, 16),
        search="words" if form == "as_meant" else "listed_pieces",
        one_side_classes=(("sofa", 8), ("train", 8), ("tvmonitor", 8), ("diningtable", 16)),
    )


def dataset_diffusion(form: Form = "as_meant") -> AttentionPreset:
    """Dataset Diffusion: attention to the class names, refined by self-attention. Source: Attn2mask section 4.2 [code].

    As released: words are counted as if each were one token (Attn2mask section 4.3).
    """
    return AttentionPreset(
        pooling="refinement",
        scaling="min_max_then_resize",
        keys="class_text",
        blocks=("down", "mid", "up"),
        cross_sides=(16,),
        search="words" if form == "as_meant" else "word_number",
    )

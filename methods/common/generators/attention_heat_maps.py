"""Heat maps of classes from one sampling call, by any attention preset.

    with PresetCapture(pipeline, attn2mask(), prompts, num_steps) as capture:
        images = generate_images(pipeline, captions, seeds, num_steps, guidance_scale)
    scaled_MHW = capture.heat_maps(0, (512, 512)).scaled_MHW

Only running sums are held: one map a piece and resolution, for DAAM one a piece, layer and head, for Dataset Diffusion one self-attention
matrix of R^4 numbers. For a class of one piece in Stable Diffusion 1.x at 512 pixels, float32, an image takes 21 KiB with Attn2mask, OVAM
and DiffuMask, 840 KiB with DAAM, 4.0 MiB with Dataset Diffusion, whatever the number of steps.

Shape legend: N images, M maps of one image (one a word), P pieces of words, Q cells, T tokens, s cells a side, H, W pixels (H heads in NHQP).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from methods.common.generators.attention_capture import AttentionCapture, Reading, encode_class_prompts
from methods.common.generators.attention_masks import class_maps, normalise, refine, resize
from methods.common.generators.attention_presets import AttentionPreset
from methods.common.generators.attention_words import (
    PromptWord,
    count_read_tokens,
    find_by_word_number,
    find_listed_pieces,
    find_stripped_pieces,
    find_words,
)
from methods.common.generators.class_prompts import NamedTokens, class_prompt, find_tokens


class AttentionPrompt(NamedTuple):
    """What one picture is painted from, and whose maps are wanted."""

    caption: str
    words: tuple[PromptWord, ...]


class HeatMaps(NamedTuple):
    """The maps of one picture, one a word, in order."""

    raw_MHW: Tensor
    """As pooled, before scaling: ``map_side`` cells a side, those of self-attention after refinement, the picture's with DiffuMask."""
    scaled_MHW: Tensor
    """At the picture's size, of about [0, 1]: bicubic resizing oversteps it. float32; 0 where the map is constant."""
    constant: tuple[str, ...]
    """Classes whose map says nothing: constant up to rounding, or with a value that is no finite number."""


class PresetCapture:
    """Attention maps by a preset; a context manager around one sampling call.

    Args:
        pipeline: any pipeline with a ``UNet2DConditionModel`` in ``unet`` and square latents.
        preset: what is read, and how.
        prompts: of the call's pictures, in order; each names at least one word.
        num_steps: denoising steps of the call.

    Raises:
        InputError: a prompt without its word or with the word beyond the encoder's limit; inside the block or at its end as
            :class:`AttentionCapture`.

    Source: Attn2mask sections 4.1 to 4.3.
    """

    def __init__(
        self, pipeline: Any, preset: AttentionPreset, prompts: Sequence[AttentionPrompt], num_steps: int
    ) -> None:
        self.preset = preset
        self._prompts = prompts
        self._pipeline = pipeline
        self._num_steps = num_steps
        self._named = [self._find(prompt, f"prompt {number}") for number, prompt in enumerate(prompts)]
        self._captures = self._make_captures()
        self._stack = ExitStack()

    def __enter__(self) -> PresetCapture:
        for capture in self._captures:
            self._stack.enter_context(capture)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def held_bytes(self) -> int:
        """Bytes of all running sums."""
        return sum(capture.held_bytes for capture in self._captures)

    @property
    def num_calls(self) -> int:
        """Denoiser evaluations so far."""
        return self._captures[0].num_calls

    def pooled_maps(self, index: int, size: tuple[int, int]) -> Tensor:
        """Return the maps of one picture as pooled, before scaling, [M, H, W], after the block.

        Args:
            index: number of the picture in the call.
            size: its height and width in pixels.
        """
        words = range(len(self._named[index]))
        return torch.stack([self.piece_maps(index, word, size).mean(0) for word in words])

    def heat_maps(self, index: int, size: tuple[int, int]) -> HeatMaps:
        """Return the maps of one picture, after the block.

        Args:
            index: number of the picture in the call.
            size: its height and width in pixels.
        """
        names = [word.class_name for word in self._prompts[index].words]
        return scale_maps(self.pooled_maps(index, size), names, self.preset, size)

    def piece_maps(self, index: int, word: int, size: tuple[int, int]) -> Tensor:
        """Return the pooled maps of one word's tokens apart, [P, H, W], before scaling; their mean is the word's map.

        With pieces "last", and with refinement, which multiplies the mean by self-attention, P is 1.

        Args:
            index: number of the picture in the call.
            word: number of the word in its prompt.
            size: height and width of the picture in pixels.
        """
        named, preset = self._named[index], self.preset
        apart = preset.keys == "word"
        capture = self._captures[word if apart else 0]
        first = 0 if apart else sum(len(name.positions) for name in named[:word])
        last = first + len(named[word].positions)
        places = slice(last - 1 if preset.pieces == "last" else first, last)
        if preset.pooling == "layers":
            return _pool_layers(capture, index, places, preset)
        if preset.pooling == "layers_and_heads":
            return _pool_heads(capture, index, places, preset)
        if preset.pooling == "resolutions":
            alone = dict(preset.one_side_classes).get(named[word].class_name)
            sides = (alone,) if alone is not None else preset.cross_sides
            assert sides is not None
            return _pool_resolutions(capture, index, places, sides, size)
        return _refine(capture, index, places, preset)

    def _find(self, prompt: AttentionPrompt, where: str) -> list[NamedTokens]:
        """The tokens of each word of a prompt, in the text that its keys come from."""
        tokenizer, preset = self._pipeline.tokenizer, self.preset
        assert prompt.words, f"{where} names no word"
        names = [word.class_name for word in prompt.words]
        if preset.search == "word_number":
            return find_by_word_number(names, tokenizer, where)
        if preset.keys == "class_text" and preset.search == "words":
            return find_tokens(names, tokenizer, where)
        search = {
            "words": find_words,
            "stripped_pieces": find_stripped_pieces,
            "listed_pieces": find_listed_pieces,
        }[preset.search]
        if preset.keys == "word":
            alone = [word._replace(spans=None) for word in prompt.words]
            return [search(word.word, [word], tokenizer, where)[0] for word in alone]
        text = prompt.caption if preset.keys == "caption" else class_prompt(names)
        return search(text, prompt.words, tokenizer, where)

    def _make_captures(self) -> list[AttentionCapture]:
        """One capture; where each word is a text of its own one a word, pictures without so many words reading an empty text."""
        if self.preset.keys == "caption":
            texts = [prompt.caption for prompt in self._prompts]
        elif self.preset.keys == "class_text":
            texts = [class_prompt([word.class_name for word in prompt.words]) for prompt in self._prompts]
        else:
            most = max(len(prompt.words) for prompt in self._prompts)
            return [self._capture_word(number) for number in range(most)]
        positions = tuple(tuple(place for name in named for place in name.positions) for named in self._named)
        return [self._capture(texts, positions)]

    def _capture_word(self, number: int) -> AttentionCapture:
        texts = [prompt.words[number].word if number < len(prompt.words) else "" for prompt in self._prompts]
        positions = tuple(named[number].positions if number < len(named) else () for named in self._named)
        return self._capture(texts, positions)

    def _capture(self, texts: Sequence[str], positions: tuple[tuple[int, ...], ...]) -> AttentionCapture:
        preset, tokenizer = self.preset, self._pipeline.tokenizer
        # Where the caption's own half is read, its keys are those that the layers use themselves.
        own_keys = preset.keys == "caption" and preset.half == "conditional"
        names = [word.class_name for prompt in self._prompts for word in prompt.words]
        reading = Reading(
            half=preset.half,
            blocks=preset.blocks,
            scores=preset.activation == "scores",
            apart=preset.pooling == "layers_and_heads",
            num_tokens=(
                tuple(count_read_tokens(text, tokenizer) for text in texts) if preset.softmax_over == "text" else None
            ),
            positions=positions,
        )
        return AttentionCapture(
            self._pipeline,
            None if own_keys else encode_class_prompts(self._pipeline, texts),
            (preset.self_side,) if preset.pooling == "refinement" else (),
            preset.sides_for(names),
            lambda call: preset.captures(call, self._num_steps),
            num_images=len(texts),
            reading=reading,
        )


def scale_maps(map_MHW: Tensor, class_names: Sequence[str], preset: AttentionPreset, size: tuple[int, int]) -> HeatMaps:
    """Bring pooled maps to a picture's size and to about [0, 1].

    A map that is constant up to rounding, or has a value that is no finite number, becomes 0 everywhere and is named.

    Args:
        map_MHW: pooled maps.
        class_names: of the maps, in order.
        preset: tells how.
        size: height and width of the picture in pixels.

    Source: Attn2mask sections 4.2 and 5.1; constant maps our choice [C SAM filter D37].
    """
    scaled_MHW, constant_M = normalise(map_MHW)
    clean_MHW = torch.where(constant_M[:, None, None], 0.0, map_MHW)
    if preset.scaling == "min_max_then_resize":
        resized = resize if preset.pooling == "refinement" else _bilinear
        scaled_MHW = resized(torch.where(constant_M[:, None, None], 0.0, scaled_MHW).float(), *size)
    elif preset.scaling == "resize_then_min_max":
        scaled_MHW, _ = normalise(resize(clean_MHW, *size))
    elif preset.scaling == "resize_then_max":
        scaled_MHW = _by_maximum(_bilinear(clean_MHW, *size))
    else:
        assert map_MHW.shape[1:] == size
        scaled_MHW = clean_MHW
    flat = [name for name, is_flat in zip(class_names, constant_M.tolist(), strict=True) if is_flat]
    return HeatMaps(map_MHW.float(), scaled_MHW.float(), tuple(flat))


def _pool_layers(capture: AttentionCapture, index: int, places: slice, preset: AttentionPreset) -> Tensor:
    """Pool all layers after a bilinear resize, [P, s, s]. Resizing is linear, so that the mean of a resolution may be resized."""
    total: Any = 0
    sides = capture.read_sides()
    for side in sides:
        factor = capture.num_layers(side) * (capture.num_heads(side) if preset.heads == "sum" else 1)
        map_Pss = _squared(capture.cross_attention(side)[index, :, places])
        total = total + factor * _bilinear(map_Pss, preset.map_side, preset.map_side)
    if preset.layers == "mean":
        total = total / sum(capture.num_layers(side) for side in sides)
    pooled: Tensor = total * _times(capture, preset)
    return pooled


def _pool_heads(capture: AttentionCapture, index: int, places: slice, preset: AttentionPreset) -> Tensor:
    """Average layers and heads after a bicubic resize of each and a cut at 0, [P, s, s]."""
    total: Any = 0
    count = 0
    for layer in capture.layers_apart():
        for map_QP in layer.mean_NHQP[index]:
            map_Pss = _squared(map_QP[:, places]) * _times(capture, preset)
            total = total + resize(map_Pss, preset.map_side, preset.map_side).clamp(min=0)
            count += 1
    pooled: Tensor = total / count
    return pooled


def _pool_resolutions(
    capture: AttentionCapture, index: int, places: slice, sides: Sequence[int], size: tuple[int, int]
) -> Tensor:
    """Average resolutions, each at the picture's size and by its own maximum, [P, H, W]."""
    fine = [resize(_squared(capture.cross_attention(side)[index, :, places]), *size) for side in sides]
    return torch.stack([_by_maximum(map_PHW) for map_PHW in fine]).mean(0)


def _refine(capture: AttentionCapture, index: int, places: slice, preset: AttentionPreset) -> Tensor:
    """Return ``S^power`` times the map of one word, float64 [1, s, s]."""
    assert preset.cross_sides is not None
    cross_QP = capture.cross_attention(preset.cross_sides[0])[index, :, places]
    word = NamedTokens("", tuple(range(cross_QP.shape[1])))
    map_1ss = resize(class_maps(cross_QP, [word]), preset.self_side, preset.self_side)
    self_QQ = capture.self_attention(preset.self_side)[index]
    refined_Q1 = refine(self_QQ, map_1ss.flatten(1).T, (preset.power,))[preset.power]
    return refined_Q1.T.reshape(1, preset.self_side, preset.self_side) * _times(capture, preset)


def _times(capture: AttentionCapture, preset: AttentionPreset) -> int:
    return capture.num_captured if preset.time == "sum" else 1


def _squared(map_QP: Tensor) -> Tensor:
    side = round(map_QP.shape[0] ** 0.5)
    return map_QP.T.reshape(-1, side, side)


def _bilinear(map_MHW: Tensor, height: int, width: int) -> Tensor:
    return interpolate(map_MHW[None], (height, width), mode="bilinear", align_corners=False)[0]


def _by_maximum(map_MHW: Tensor) -> Tensor:
    """Divide each map by its maximum; one without a value above 0 becomes 0."""
    high_M11 = map_MHW.amax((1, 2), keepdim=True)
    # A maximum that is no number stays one, and is told later.
    return torch.where(high_M11 <= 0, 0.0, map_MHW / high_M11)

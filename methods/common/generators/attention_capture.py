"""Mean attention maps of one sampling call of any Stable Diffusion pipeline, taken beside the image path.

What counts is a :class:`Reading`: which half of guidance, which blocks, probabilities or scores, which tokens, layers together or apart.

Nothing of the pipeline is replaced: hooks read what the attention layers' own query and key projections return, so pictures stay
exactly as they are without capture, whatever attention processor is in place.

Shape legend: N images, B latents denoised together (N, or 2 N with classifier-free guidance, conditional half last), H heads,
Q queries and K keys (latent cells, row after row), T tokens, D channels, C channels of all heads together; P places of a word, the tokens
that are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal, NamedTuple

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from methods.common.errors import InputError

WORKSPACE_BYTES = {"cuda": 128 * 2**20, "cpu": 2**20}
"""Probabilities of so many bytes are in memory at once, or those of one query where that is more. Our choice: a CPU is two to four times
faster while they stay in its cache, a GPU wants large pieces."""

Block = Literal["down", "mid", "up"]
Half = Literal["conditional", "unconditional"]


@dataclass(frozen=True)
class Reading:
    """What counts of attention. By default what Dataset Diffusion reads: probabilities of all blocks, conditional half."""

    half: Half = "conditional"
    """Whose queries: of the half of a guided batch that sees the prompt, or of the other one."""
    blocks: tuple[Block, ...] = ("down", "mid", "up")
    """Parts of the U-Net whose layers count."""
    scores: bool = False
    """Cross-attention: the scaled scores instead of their softmax."""
    apart: bool = False
    """Cross-attention: keep a sum a layer and head, instead of one a resolution."""
    num_tokens: tuple[int, ...] | None = None
    """Cross-attention: how many of each image's tokens, from the first, the softmax runs over; None for all."""
    positions: tuple[tuple[int, ...], ...] | None = None
    """Cross-attention: of each image the tokens that are kept, in this order; None for all."""

    @property
    def num_places(self) -> int | None:
        """P, the largest number of kept tokens of an image; None where all T are kept."""
        return None if self.positions is None else max(map(len, self.positions))

    @property
    def tells_images_apart(self) -> bool:
        """Whether each image is read in its own way."""
        return self.num_tokens is not None or self.positions is not None


class LayerMaps(NamedTuple):
    """The maps of one layer, heads apart."""

    name: str
    """Of the module in the U-Net."""
    side: int
    mean_NHQP: Tensor
    """Mean over the captured calls, float32."""


def encode_class_prompts(pipeline: Any, class_prompts: Sequence[str]) -> Tensor:
    """Encode class prompts as the pipeline encodes its prompts, [N, T, C], padded to the encoder's length."""
    text_NTC: Tensor = pipeline.encode_prompt(
        prompt=list(class_prompts),
        device=pipeline._execution_device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=False,
    )[0]
    return text_NTC


@dataclass
class _Sum:
    """A running sum of probabilities or scores, [N, Q, K], or [N, H, Q, K] where heads stay apart."""

    total: Tensor
    num_heads: int = 0
    """How many heads are in it, each layer and call counted."""
    num_layers: int = 0
    """How many layers are in it, each call counted."""

    @torch.no_grad()
    def add(self, query_NQC: Tensor, key_NKC: Tensor, heads: int, scale: float, reading: Reading | None = None) -> None:
        """Add every head of a layer; softmax in float32, as fused attention does it. Without a reading: all probabilities."""
        query_NHQD = _split_heads(query_NQC, heads).float() * scale
        key_NHDK = _split_heads(key_NKC, heads).float().transpose(2, 3)
        num_images, _, num_queries, _ = query_NHQD.shape
        limit = WORKSPACE_BYTES.get(query_NQC.device.type, WORKSPACE_BYTES["cuda"])
        at_once = 1 if reading is not None and reading.tells_images_apart else num_images
        for part in _chunks(num_images, heads, num_queries, key_NHDK.shape[3], limit, at_once):
            self._add_part(part, query_NHQD, key_NHDK, reading)
        self.num_heads += heads
        self.num_layers += 1

    def _add_part(
        self, part: tuple[slice, slice, slice], query_NHQD: Tensor, key_NHDK: Tensor, reading: Reading | None
    ) -> None:
        images, heads, queries = part
        keys = places = slice(None)
        positions: slice | list[int] = slice(None)
        if reading is not None and reading.num_tokens is not None:
            keys = places = slice(reading.num_tokens[images.start])
        if reading is not None and reading.positions is not None:
            positions = list(reading.positions[images.start])
            places = slice(len(positions))
        value_NHQK = query_NHQD[part] @ key_NHDK[images, heads, :, keys]
        if reading is None or not reading.scores:
            value_NHQK = value_NHQK.softmax(-1)
        value_NHQP = value_NHQK[..., positions]
        if self.total.dim() == 4:
            self.total[images, heads, queries, places] += value_NHQP
        else:
            self.total[images, queries, places] += value_NHQP.sum(1) if value_NHQP.shape[1] > 1 else value_NHQP[:, 0]


def _split_heads(projected_NQC: Tensor, heads: int) -> Tensor:
    """Return [N, H, Q, D]."""
    num_images, num_cells, _ = projected_NQC.shape
    return projected_NQC.reshape(num_images, num_cells, heads, -1).transpose(1, 2)


def _chunks(
    num_images: int, num_heads: int, num_queries: int, num_keys: int, limit_bytes: int, images_at_once: int
) -> Iterator[tuple[slice, slice, slice]]:
    """Cut a layer so that the probabilities of a part fit into the limit: whole images, or else heads, or else queries of one head."""
    fitting = max(1, limit_bytes // (4 * num_keys))
    queries = min(fitting, num_queries)
    heads = min(max(1, fitting // num_queries), num_heads)
    images = min(max(1, fitting // (num_queries * num_heads)), images_at_once)
    for first in range(0, num_images, images):
        for head in range(0, num_heads, heads):
            for query in range(0, num_queries, queries):
                yield slice(first, first + images), slice(head, head + heads), slice(query, query + queries)


class _Layer:
    """One attention layer whose projections are read."""

    def __init__(self, name: str, attention: Attention, capture: AttentionCapture) -> None:
        self.name = name
        self.attention = attention
        self.capture = capture
        self._block = name.partition("_")[0]
        self.is_cross = bool(attention.is_cross_attention)
        self._reads_keys = not self.is_cross or capture.text_NTC is None
        self.side: int | None = None
        self._query_NQC: Tensor | None = None
        self._key_NTC: Tensor | None = None

    def attach(self) -> list[RemovableHandle]:
        """Start to read."""
        handles = [self.attention.to_q.register_forward_hook(self._on_query)]
        if self._reads_keys:
            handles.append(self.attention.to_k.register_forward_hook(self._on_key))
        return handles

    @property
    def is_present(self) -> bool:
        """Whether it can be read: its block counts, and its query projection was called."""
        return self._block in self.capture.reading.blocks and self.side is not None

    @property
    def wanted(self) -> bool:
        """Whether its maps are asked for."""
        sides = self.capture.cross_sides if self.is_cross else self.capture.self_sides
        return self.is_present and (sides is None or self.side in sides)

    def _on_query(self, module: Any, inputs: Any, query_BQC: Tensor) -> None:
        self.side = isqrt(query_BQC.shape[1])
        if not self.wanted:
            return
        query_NQC = self.capture.own_half(query_BQC)
        if self._reads_keys:
            self._query_NQC = query_NQC
        else:
            self._add(query_NQC, self._class_key())

    def _on_key(self, module: Any, inputs: Any, key_BKC: Tensor) -> None:
        if self._query_NQC is not None:
            self._add(self._query_NQC, self.capture.own_half(key_BKC))
            self._query_NQC = None

    def _add(self, query_NQC: Tensor, key_NKC: Tensor) -> None:
        assert self.side is not None
        heads, reading = self.attention.heads, self.capture.reading if self.is_cross else None
        apart = reading is not None and reading.apart
        num_kept = key_NKC.shape[1] if reading is None or reading.num_places is None else reading.num_places
        shape = (query_NQC.shape[0], *((heads,) if apart else ()), query_NQC.shape[1], num_kept)
        total = self.capture.sum_of(self.is_cross, self.side, self.name if apart else "", shape, query_NQC.device)
        total.add(query_NQC, key_NKC, heads, self.attention.scale, reading)

    @torch.no_grad()
    def _class_key(self) -> Tensor:
        """The class prompts' keys; they are the same at every step."""
        if self._key_NTC is None:
            text_NTC = self.capture.text_NTC
            assert text_NTC is not None
            if self.attention.norm_cross:
                text_NTC = self.attention.norm_encoder_hidden_states(text_NTC)
            # Past its hooks: another capture beside this one may wait for the layer's own keys.
            self._key_NTC = self.attention.to_k.forward(text_NTC)
        return self._key_NTC


class AttentionCapture:
    """Mean self-attention and class-prompt cross-attention over steps, layers and heads; a context manager around one sampling call.

    Only running sums are held, in float32: R^4 numbers an image for self-attention at R cells a side, r^2 T for cross-attention at r; 64 and
    32 cells with all four cross sides take 70 MiB an image. Where a reading names tokens, T is their number; where it keeps layers apart,
    r^2 T is held for every layer and head. At calls that are not captured no hook is in place but one that counts calls.

    Args:
        pipeline: any pipeline with a ``UNet2DConditionModel`` in ``unet`` and square latents.
        text_NTC: the class prompts' embeddings (:func:`encode_class_prompts`): the keys of cross-attention. The image itself is driven by
            whatever the pipeline is called with. None: the keys are those of the caption that drives the image.
        self_sides: cells a side of the self-attention maps.
        cross_sides: cells a side of the cross-attention maps; None for all that the reading's blocks have.
        is_captured: tells from the number of a denoiser call, from 0, whether it counts; by default all do. Solvers that call the denoiser
            twice a step count twice.
        num_images: N, where no embeddings tell it.
        reading: what of the maps counts.

    Raises (inside the block or at its end):
        InputError: latents that are not square, another number of images than class prompts, a side that the network does not have, or an
            unconditional half without guidance.

    Source: SAM filter section 2.3 [DD]: conditional half only; keys of cross-attention from the class prompt, softmax
    over all of its tokens; mean over steps, heads and layers of a resolution.
    """

    def __init__(
        self,
        pipeline: Any,
        text_NTC: Tensor | None,
        self_sides: Sequence[int],
        cross_sides: Sequence[int] | None,
        is_captured: Callable[[int], bool] = lambda call: True,
        num_images: int | None = None,
        reading: Reading | None = None,
    ) -> None:
        num_images = num_images if text_NTC is None else text_NTC.shape[0]
        assert num_images is not None, "give embeddings, or the number of images"
        self.text_NTC = text_NTC
        self.num_images = num_images
        self.self_sides = frozenset(self_sides)
        self.cross_sides = None if cross_sides is None else frozenset(cross_sides)
        self.reading = reading or Reading()
        self.num_calls = 0
        """Denoiser calls so far."""
        self.num_captured = 0
        """Those of them that count."""
        self._unet = pipeline.unet
        self._is_captured = is_captured
        named = self._unet.named_modules()
        self._layers = [_Layer(name, module, self) for name, module in named if isinstance(module, Attention)]
        self._sums: dict[tuple[bool, int, str], _Sum] = {}
        self._unet_handles: list[RemovableHandle] = []
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> AttentionCapture:
        self._unet_handles = [
            self._unet.register_forward_pre_hook(self._before_call, with_kwargs=True),
            self._unet.register_forward_hook(self._after_call),
        ]
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._detach()
        for handle in self._unet_handles:
            handle.remove()
        if kind is None:
            if self.num_captured == 0:
                raise InputError(
                    f"none of the {self.num_calls} denoising steps is captured; choose steps below that number"
                )
            for found in self._sums.values():
                # A sum of its own a head holds one term a call.
                found.total /= found.num_heads if found.total.dim() == 3 else found.num_layers

    def self_attention(self, side: int) -> Tensor:
        """Return mean self-attention after the block, float32 [N, Q, K] with Q = K = side * side; rows sum to 1."""
        return self._sums[False, side, ""].total

    def cross_attention(self, side: int) -> Tensor:
        """Return mean attention to the class prompts' tokens after the block, float32 [N, Q, T] with Q = side * side.

        With ``positions`` in the reading, T is P, and an image's columns beyond its own positions are 0.
        """
        return self._sums[True, side, ""].total

    def read_sides(self) -> tuple[int, ...]:
        """Return the cells a side of all cross-attention that was read, largest first."""
        return tuple(sorted({side for is_cross, side, _ in self._sums if is_cross}, reverse=True))

    def num_layers(self, side: int) -> int:
        """Return how many cross-attention layers of a side were read."""
        return self._sums[True, side, ""].num_layers // self.num_captured

    def num_heads(self, side: int) -> int:
        """Return how many heads a cross-attention layer of a side has."""
        found = self._sums[True, side, ""]
        return found.num_heads // found.num_layers

    def layers_apart(self) -> list[LayerMaps]:
        """Return every layer's own maps, for a reading that keeps them apart."""
        return [LayerMaps(name, side, found.total) for (is_cross, side, name), found in self._sums.items() if is_cross]

    @property
    def held_bytes(self) -> int:
        """Bytes of all running sums."""
        return sum(found.total.nbytes for found in self._sums.values())

    def own_half(self, value_BQC: Tensor) -> Tensor:
        """Return the half of a guided batch that is read; all of it without guidance."""
        if self.reading.half == "conditional":
            return value_BQC[-self.num_images :]
        return value_BQC[: self.num_images]

    def sum_of(self, is_cross: bool, side: int, name: str, shape: tuple[int, ...], device: torch.device) -> _Sum:
        """Return the running sum of one resolution, or of one layer by its name, zero at first."""
        if (is_cross, side, name) not in self._sums:
            self._sums[is_cross, side, name] = _Sum(torch.zeros(shape, device=device))
        return self._sums[is_cross, side, name]

    def _before_call(self, unet: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        latent_BCHW = args[0] if args else kwargs["sample"]
        count, _, height, width = latent_BCHW.shape
        if height != width:
            raise InputError(
                f"attention maps need square pictures, but the latents have {height} x {width} cells; set one size for both sides"
            )
        if count not in (self.num_images, 2 * self.num_images):
            raise InputError(
                f"the pipeline denoises {count} latents for {self.num_images} prompts; ask for one picture a prompt"
            )
        if self.reading.half == "unconditional" and count == self.num_images:
            raise InputError(
                "the unconditional half's attention is asked for, but without guidance there is none; set a guidance scale above 1"
            )
        if self._is_captured(self.num_calls):
            self._handles = [handle for layer in self._layers for handle in layer.attach()]

    def _after_call(self, unet: Any, args: Any, output: Any) -> None:
        if self._handles:
            self._detach()
            if self.num_captured == 0:
                self._check_sides()
                self._layers = [layer for layer in self._layers if layer.wanted]
            self.num_captured += 1
        self.num_calls += 1

    def _detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _check_sides(self) -> None:
        for is_cross, asked in ((False, self.self_sides), (True, self.cross_sides)):
            layers = (layer for layer in self._layers if layer.is_cross == is_cross and layer.is_present)
            present = {layer.side for layer in layers if layer.side is not None}
            missing: frozenset[int] = frozenset() if asked is None else asked - present
            if missing or (asked is None and not present):
                kind = "cross" if is_cross else "self"
                where = f" at {_listed(missing)} cells a side" if missing else ""
                raise InputError(
                    f"the network has no {kind}-attention{where}: at this picture size it has "
                    f"{_listed(present) or 'none that can be read (unfuse its projections)'}; ask for those"
                )


def _listed(numbers: set[int] | frozenset[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers, reverse=True))

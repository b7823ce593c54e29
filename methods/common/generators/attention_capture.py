"""Mean attention maps of one sampling call of any Stable Diffusion pipeline, taken beside the image path.

Nothing of the pipeline is replaced: hooks read what the attention layers' own query and key projections return, so pictures stay
exactly as they are without capture, whatever attention processor is in place.

Shape legend: N images, B latents denoised together (N, or 2 N with classifier-free guidance, conditional half last), H heads,
Q queries and K keys (latent cells, row after row), T tokens, D channels, C channels of all heads together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from methods.common.errors import InputError

WORKSPACE_BYTES = 128 * 2**20
"""The probabilities of so many bytes are in memory at once, or those of one head of one image where that is more. Our choice."""


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
    """A running sum of probabilities [N, Q, K or T], and how many heads are in it."""

    total: Tensor
    num_heads: int = 0

    @torch.no_grad()
    def add(self, query_NQC: Tensor, key_NKC: Tensor, heads: int, scale: float) -> None:
        """Add the probabilities of every head; softmax in float32, as fused attention does it."""
        query_NHQD = _split_heads(query_NQC, heads).float() * scale
        key_NHDK = _split_heads(key_NKC, heads).float().transpose(2, 3)
        num_images, _, num_queries, _ = query_NHQD.shape
        for images, some_heads in _chunks(num_images, heads, num_queries, key_NHDK.shape[3]):
            prob_NHQK = (query_NHQD[images, some_heads] @ key_NHDK[images, some_heads]).softmax(-1)
            self.total[images] += prob_NHQK.sum(1) if prob_NHQK.shape[1] > 1 else prob_NHQK[:, 0]
        self.num_heads += heads


def _split_heads(projected_NQC: Tensor, heads: int) -> Tensor:
    """Return [N, H, Q, D]."""
    num_images, num_cells, _ = projected_NQC.shape
    return projected_NQC.reshape(num_images, num_cells, heads, -1).transpose(1, 2)


def _chunks(num_images: int, num_heads: int, num_queries: int, num_keys: int) -> Iterator[tuple[slice, slice]]:
    """Cut a layer so that the probabilities of a part fit into the workspace: whole images, or else heads of one image."""
    fitting = max(1, WORKSPACE_BYTES // (4 * num_queries * num_keys))
    images = max(1, fitting // num_heads)
    heads = num_heads if fitting >= num_heads else fitting
    for first in range(0, num_images, images):
        for head in range(0, num_heads, heads):
            yield slice(first, first + images), slice(head, head + heads)


class _Layer:
    """One attention layer whose projections are read."""

    def __init__(self, attention: Attention, capture: AttentionCapture) -> None:
        self.attention = attention
        self.capture = capture
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
    def wanted(self) -> bool:
        """Whether its maps are asked for."""
        return self.side in (self.capture.cross_sides if self.is_cross else self.capture.self_sides)

    def _on_query(self, module: Any, inputs: Any, query_BQC: Tensor) -> None:
        self.side = isqrt(query_BQC.shape[1])
        if not self.wanted:
            return
        query_NQC = query_BQC[-self.capture.num_images :]
        if self._reads_keys:
            self._query_NQC = query_NQC
        else:
            self._add(query_NQC, self._class_key())

    def _on_key(self, module: Any, inputs: Any, key_BKC: Tensor) -> None:
        if self._query_NQC is not None:
            self._add(self._query_NQC, key_BKC[-self.capture.num_images :])
            self._query_NQC = None

    def _add(self, query_NQC: Tensor, key_NKC: Tensor) -> None:
        assert self.side is not None
        shape = (*query_NQC.shape[:2], key_NKC.shape[1])
        total = self.capture.sum_of(self.is_cross, self.side, shape, query_NQC.device)
        total.add(query_NQC, key_NKC, self.attention.heads, self.attention.scale)

    @torch.no_grad()
    def _class_key(self) -> Tensor:
        """The class prompts' keys; they are the same at every step."""
        if self._key_NTC is None:
            text_NTC = self.capture.text_NTC
            assert text_NTC is not None
            if self.attention.norm_cross:
                text_NTC = self.attention.norm_encoder_hidden_states(text_NTC)
            self._key_NTC = self.attention.to_k(text_NTC)
        return self._key_NTC


class AttentionCapture:
    """Mean self-attention and class-prompt cross-attention over steps, layers and heads; a context manager around one sampling call.

    Only running sums are held, in float32: R^4 numbers an image for self-attention at R cells a side, r^2 T for cross-attention at r; 64 and
    32 cells with all four cross sides take 70 MiB an image. At steps that are not captured no hook is in place but one that counts steps.

    Args:
        pipeline: any pipeline with a ``UNet2DConditionModel`` in ``unet`` and square latents.
        text_NTC: the class prompts' embeddings (:func:`encode_class_prompts`): the keys of cross-attention. The image itself is driven by
            whatever the pipeline is called with. None: the keys are those of the caption that drives the image.
        self_sides: cells a side of the self-attention maps.
        cross_sides: cells a side of the cross-attention maps.
        is_captured: tells from the number of a denoiser call, from 0, whether it counts; by default all do. Solvers that call the denoiser
            twice a step count twice.
        num_images: N, where no embeddings tell it.

    Raises (inside the block or at its end):
        InputError: latents that are not square, another number of images than class prompts, or a side that the network does not have.

    Source: SAM filter section 2.3 [DD]: conditional half only; keys of cross-attention from the class prompt, softmax
    over all of its tokens; mean over steps, heads and layers of a resolution.
    """

    def __init__(
        self,
        pipeline: Any,
        text_NTC: Tensor | None,
        self_sides: Sequence[int],
        cross_sides: Sequence[int],
        is_captured: Callable[[int], bool] = lambda call: True,
        num_images: int | None = None,
    ) -> None:
        num_images = num_images if text_NTC is None else text_NTC.shape[0]
        assert num_images is not None, "give embeddings, or the number of images"
        self.text_NTC = text_NTC
        self.num_images = num_images
        self.self_sides = frozenset(self_sides)
        self.cross_sides = frozenset(cross_sides)
        self.num_calls = 0
        """Denoiser calls so far."""
        self.num_captured = 0
        """Those of them that count."""
        self._unet = pipeline.unet
        self._is_captured = is_captured
        self._layers = [_Layer(m, self) for m in self._unet.modules() if isinstance(m, Attention)]
        self._sums: dict[tuple[bool, int], _Sum] = {}
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
                found.total /= found.num_heads

    def self_attention(self, side: int) -> Tensor:
        """Return mean self-attention after the block, float32 [N, Q, K] with Q = K = side * side; rows sum to 1."""
        return self._sums[False, side].total

    def cross_attention(self, side: int) -> Tensor:
        """Return mean attention to the class prompts' tokens after the block, float32 [N, Q, T] with Q = side * side."""
        return self._sums[True, side].total

    def sum_of(self, is_cross: bool, side: int, shape: tuple[int, ...], device: torch.device) -> _Sum:
        """Return the running sum of one resolution, zero at first."""
        if (is_cross, side) not in self._sums:
            self._sums[is_cross, side] = _Sum(torch.zeros(shape, device=device))
        return self._sums[is_cross, side]

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
            present = {layer.side for layer in self._layers if layer.is_cross == is_cross and layer.side is not None}
            if asked - present:
                kind = "cross" if is_cross else "self"
                raise InputError(
                    f"the network has no {kind}-attention at {_listed(asked - present)} cells a side: at this picture size it has "
                    f"{_listed(present) or 'none that can be read (unfuse its projections)'}; ask for those"
                )


def _listed(numbers: set[int] | frozenset[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers, reverse=True))

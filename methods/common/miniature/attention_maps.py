"""Cross-attention of one word, recorded while a Stable Diffusion pipeline runs.

Shape suffixes: N pictures, H heads, Q queries (latent cells), T tokens.
"""

from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch import Tensor
from torch.nn.functional import interpolate


class _Recorder:
    """An attention processor that computes as usual and adds up the probabilities of chosen tokens."""

    def __init__(self, owner: "WordAttention") -> None:
        self.owner = owner
        self.plain = AttnProcessor()

    def __call__(
        self,
        attention: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        if encoder_hidden_states is not None and hidden_states.shape[1] == self.owner.num_cells:
            query = attention.head_to_batch_dim(attention.to_q(hidden_states))
            key = attention.head_to_batch_dim(attention.to_k(encoder_hidden_states))
            prob = attention.get_attention_scores(query, key)
            self.owner.add(prob.reshape(-1, attention.heads, *prob.shape[1:]))
        result: Tensor = self.plain(attention, hidden_states, encoder_hidden_states, **options)
        return result


class WordAttention:
    """Mean attention to one token over heads, steps and the layers with ``side`` x ``side`` cells.

    Use it around one call of the pipeline; only the half with the prompt counts under classifier-free guidance.

    Args:
        pipeline: its U-Net's processors are replaced while inside the ``with`` block.
        token_positions: the object word's position in each prompt's tokens.
        side: cells per side of the layers that count.
    """

    def __init__(self, pipeline: Any, token_positions: list[int], side: int = 8) -> None:
        self.unet = pipeline.unet
        self.positions_N = torch.tensor(token_positions)
        self.side = side
        self.num_cells = side * side
        self.sum_NQ = torch.zeros(len(token_positions), self.num_cells)

    def __enter__(self) -> "WordAttention":
        self._before = dict(self.unet.attn_processors)
        self.unet.set_attn_processor({name: _Recorder(self) for name in self._before})
        return self

    def __exit__(self, *error: object) -> None:
        self.unet.set_attn_processor(self._before)

    def add(self, prob_NHQT: Tensor) -> None:
        """Take in one layer at one step."""
        count = len(self.positions_N)
        conditional_NQT = prob_NHQT[-count:].mean(1).float().cpu()
        self.sum_NQ += conditional_NQT[torch.arange(count), :, self.positions_N]

    def maps(self, image_side: int) -> Tensor:
        """Return maps (N, H, W), enlarged bicubically and scaled to [0, 1] each."""
        coarse = self.sum_NQ.reshape(-1, 1, self.side, self.side)
        fine = interpolate(coarse, (image_side, image_side), mode="bicubic")[:, 0]
        low, high = fine.amin((1, 2), keepdim=True), fine.amax((1, 2), keepdim=True)
        return (fine - low) / (high - low).clamp(min=1e-12)

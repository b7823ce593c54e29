"""Cross-attention of one word of the caption, recorded while a Stable Diffusion pipeline runs.

Shape suffixes: N pictures, Q queries (latent cells), H, W pixels.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from methods.common.generators.attention_capture import AttentionCapture


class WordAttention:
    """Mean attention to one token over heads, steps and the layers with ``side`` x ``side`` cells.

    Use it around one call of the pipeline; only the half with the prompt counts under classifier-free guidance.

    Args:
        pipeline: whose U-Net is watched inside the ``with`` block.
        token_positions: the object word's position in each prompt's tokens.
        side: cells per side of the layers that count.
    """

    def __init__(self, pipeline: Any, token_positions: list[int], side: int = 8) -> None:
        self.positions_N = torch.tensor(token_positions)
        self.side = side
        self._capture = AttentionCapture(pipeline, None, (), (side,), num_images=len(token_positions))

    def __enter__(self) -> "WordAttention":
        self._capture.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._capture.__exit__(*error)

    def mean(self) -> Tensor:
        """Return the mean attention of each cell to the word (N, Q), after the block, on the CPU."""
        prob_NQT = self._capture.cross_attention(self.side).cpu()
        return prob_NQT[torch.arange(len(self.positions_N)), :, self.positions_N]

    def maps(self, image_side: int) -> Tensor:
        """Return maps (N, H, W), enlarged bicubically and scaled to [0, 1] each."""
        coarse = self.mean().reshape(-1, 1, self.side, self.side)
        fine = interpolate(coarse, (image_side, image_side), mode="bicubic")[:, 0]
        low, high = fine.amin((1, 2), keepdim=True), fine.amax((1, 2), keepdim=True)
        return (fine - low) / (high - low).clamp(min=1e-12)

"""Attention, feed-forward and perceptron layers of the decoder; each is followed by its residual sum and a layer norm.

Shape legend: N images, L and M tokens, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_TOKENS_AT_ONCE = 1024


class Attention(nn.Module):
    """Multi-head attention; query, key and value projections share one matrix, as in published weights."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.in_proj_bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query_NLC: Tensor, key_NMC: Tensor, value_NMC: Tensor, seen_NLM: Tensor | None = None) -> Tensor:
        """Return [N, L, C]; where a mask is given, each query sees only the keys at which it is true, at least one."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        query, key, value = (
            functional.linear(x, weight, bias).view(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for x, weight, bias in zip((query_NLC, key_NMC, value_NMC), weights, biases, strict=True)
        )
        mask = None if seen_NLM is None else seen_NLM[:, None]
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        y: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return y


class AttentionLayer(nn.Module):
    """Tokens attend to others; positions go to queries and keys, not to values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        x_NLC: Tensor,
        position_LC: Tensor,
        other_NMC: Tensor,
        other_position_MC: Tensor,
        seen_NLM: Tensor | None = None,
    ) -> Tensor:
        """Return [N, L, C]; positions may be common to all images."""
        attended = self.attention(x_NLC + position_LC, other_NMC + other_position_MC, other_NMC, seen_NLM)
        y: Tensor = self.norm(x_NLC + attended)
        return y


class FeedForwardLayer(nn.Module):
    """Two linear layers with ReLU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.xavier_uniform_(self.linear2.weight)

    def forward(self, x_NLC: Tensor) -> Tensor:
        """Return [N, L, C]. Without gradients on the CPU few tokens go through at once, so that they stay in its cache."""
        if torch.is_grad_enabled() or x_NLC.device.type != "cpu":
            return self._update(x_NLC)
        return torch.cat([self._update(part) for part in torch.split(x_NLC, _TOKENS_AT_ONCE, dim=1)], dim=1)

    def _update(self, x_NLC: Tensor) -> Tensor:
        y: Tensor = self.norm(x_NLC + self.linear2(torch.relu(self.linear1(x_NLC))))
        return y


def perceptron(width: int, outputs: int) -> nn.Sequential:
    """Return three linear layers with ReLU between, all but the last as wide as the input. Source: [FI]."""
    return nn.Sequential(
        nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )

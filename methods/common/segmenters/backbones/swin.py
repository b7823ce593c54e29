"""Swin transformer backbone; parameter names follow the published weights, so that they map one to one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.backbones.config import SwinConfig

DrawImages = Callable[[], Tensor]
"""Gives a new uniform random number in [0, 1) for each image."""

MASKED = -100.0
"""Added to attention logits between tokens that were not neighbours before the cyclic shift. Source: [D]."""


@lru_cache(maxsize=16)
def relative_position_index(window: int, device: torch.device) -> Tensor:
    """Return int64 [window^2, window^2]: row of the bias table for each pair of tokens of a window."""
    axis = torch.arange(window, device=device)
    y_T, x_T = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
    dy_TT = y_T[:, None] - y_T[None, :] + window - 1
    dx_TT = x_T[:, None] - x_T[None, :] + window - 1
    return dy_TT * (2 * window - 1) + dx_TT


def to_windows(x_BHWC: Tensor, window: int) -> Tensor:
    """Cut [B, H, W, C] into windows [B * H/window * W/window, window^2, C]."""
    batch, height, width, channels = x_BHWC.shape
    x = x_BHWC.view(batch, height // window, window, width // window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels)


def from_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Undo :func:`to_windows`."""
    x = windows.view(-1, height // window, width // window, window, window, windows.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[-1])


def shifted_window_mask(height: int, width: int, window: int, device: torch.device) -> Tensor:
    """Return float [num_windows, window^2, window^2] to add to the logits of shifted windows: 0 or -100."""
    shift = window // 2
    region_y = (torch.arange(height, device=device) >= height - window).long() + (
        torch.arange(height, device=device) >= height - shift
    ).long()
    region_x = (torch.arange(width, device=device) >= width - window).long() + (
        torch.arange(width, device=device) >= width - shift
    ).long()
    region_HW = region_y[:, None] * 3 + region_x[None, :]
    region_WT = to_windows(region_HW[None, :, :, None], window)[..., 0]
    return (region_WT[:, :, None] != region_WT[:, None, :]).float() * MASKED


class WindowAttention(nn.Module):
    """Multi-head attention inside windows, with a learned bias for each relative position."""

    def __init__(self, channels: int, window: int, heads: int) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x_WTC: Tensor, mask_WTT: Tensor | None) -> Tensor:
        """Attend within each of the windows [windows of the batch, tokens, C]; the mask repeats for every image."""
        windows, tokens, channels = x_WTC.shape
        qkv = self.qkv(x_WTC).view(windows, tokens, 3, self.heads, channels // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        index = relative_position_index(self.window, x_WTC.device).flatten()
        bias_hTT = self.relative_position_bias_table[index].view(tokens, tokens, self.heads).permute(2, 0, 1)
        bias = bias_hTT[None]
        if mask_WTT is not None:
            masks = mask_WTT.repeat(windows // len(mask_WTT), 1, 1)
            bias = bias + masks[:, None].to(bias.dtype)
        y = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        projected: Tensor = self.proj(y.transpose(1, 2).reshape(windows, tokens, channels))
        return projected


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to the last axis."""
        y: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return y


def drop_path(x_BHWC: Tensor, chance: float, draw: DrawImages | None) -> Tensor:
    """Zero the residual of whole images with the given chance and scale the others up."""
    drawn_B = torch.rand(len(x_BHWC), device=x_BHWC.device) if draw is None else draw()
    keep = (drawn_B >= chance)[:, None, None, None]
    return x_BHWC * (keep.to(x_BHWC.device, x_BHWC.dtype) / (1 - chance))


class SwinBlock(nn.Module):
    """Attention in (shifted) windows and an MLP, both with LayerNorm before and a shortcut."""

    def __init__(self, config: SwinConfig, channels: int, heads: int, shift: int, drop: float) -> None:
        super().__init__()
        self.window, self.shift, self.drop = config.window, shift, drop
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, config.window, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, channels * config.mlp_ratio)

    def _attend(self, x_BHWC: Tensor, mask_WTT: Tensor) -> Tensor:
        _, height, width, _ = x_BHWC.shape
        x = functional.pad(x_BHWC, (0, 0, 0, -width % self.window, 0, -height % self.window))
        padded_height, padded_width = x.shape[1:3]
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        windows = self.attn(to_windows(x, self.window), mask_WTT if self.shift else None)
        x = from_windows(windows, self.window, padded_height, padded_width)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), (1, 2))
        return x[:, :height, :width]

    def forward(self, x_BHWC: Tensor, mask_WTT: Tensor, draw: DrawImages | None) -> Tensor:
        """Keep the shape [B, H, W, C]."""
        chance = self.drop if self.training else 0.0
        y = self._attend(self.norm1(x_BHWC), mask_WTT)
        x = x_BHWC + (drop_path(y, chance, draw) if chance else y)
        z = self.mlp(self.norm2(x))
        return x + (drop_path(z, chance, draw) if chance else z)


class PatchMerging(nn.Module):
    """Halve height and width (padded to even), double the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        """Map [B, H, W, C] to [B, ceil(H/2), ceil(W/2), 2C]."""
        x = functional.pad(x_BHWC, (0, 0, 0, x_BHWC.shape[2] % 2, 0, x_BHWC.shape[1] % 2))
        corners = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        y: Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return y


class SwinStage(nn.Module):
    """Blocks whose windows are shifted every second time, and the merging that leads to the next stage."""

    def __init__(self, config: SwinConfig, stage: int, drops: list[float]) -> None:
        super().__init__()
        channels = config.embedding * 2**stage
        self.window = config.window
        self.blocks = nn.ModuleList(
            SwinBlock(config, channels, config.heads[stage], (block % 2) * (config.window // 2), drop)
            for block, drop in enumerate(drops)
        )
        last = stage == len(config.depths) - 1
        self.downsample = nn.Identity() if last else PatchMerging(channels)

    def forward(self, x_BHWC: Tensor, draw: DrawImages | None) -> Tensor:
        """Return the stage's output before merging."""
        height, width = (side + -side % self.window for side in x_BHWC.shape[1:3])
        mask = shifted_window_mask(height, width, self.window, x_BHWC.device)
        for block in self.blocks:
            x_BHWC = block(x_BHWC, mask, draw)
        return x_BHWC


class PatchEmbedding(nn.Module):
    """Linear projection of square patches, with LayerNorm."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.patch = config.patch_px
        self.proj = nn.Conv2d(3, config.embedding, config.patch_px, config.patch_px)
        self.norm = nn.LayerNorm(config.embedding)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        """Map an image batch to tokens [B, H/patch, W/patch, C]."""
        height, width = image_NCHW.shape[2:]
        image = functional.pad(image_NCHW, (0, -width % self.patch, 0, -height % self.patch))
        tokens: Tensor = self.norm(self.proj(image).permute(0, 2, 3, 1))
        return tokens


class Swin(nn.Module):
    """Swin transformer that returns the normalised outputs of its last stages.

    Source: MRCA section 6.1 [R].
    """

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.output_stages = config.output_stages
        self.patch_embed = PatchEmbedding(config)
        last = max(sum(config.depths) - 1, 1)
        drops = [config.drop_path * block / last for block in range(sum(config.depths))]
        starts = [sum(config.depths[:stage]) for stage in range(len(config.depths))]
        self.layers = nn.ModuleList(
            SwinStage(config, stage, drops[start : start + depth])
            for stage, (start, depth) in enumerate(zip(starts, config.depths, strict=True))
        )
        for stage in config.output_stages:
            self.add_module(f"norm{stage}", nn.LayerNorm(config.embedding * 2**stage))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image_NCHW: Tensor, draw: DrawImages | None = None) -> list[Tensor]:
        """Return the output stages, finest first, of a normalised float image batch.

        ``draw`` decides in training which residuals are dropped; torch's global generator when it is None.
        """
        x = self.patch_embed(image_NCHW)
        outputs = []
        for index, stage in enumerate(self.layers):
            assert isinstance(stage, SwinStage)
            x = stage(x, draw)
            if index in self.output_stages:
                outputs.append(getattr(self, f"norm{index}")(x).permute(0, 3, 1, 2).contiguous())
            x = stage.downsample(x)
        return outputs

"""Points that matching and loss look at: drawn anew for each image, mask and decoder layer.

Each image of a batch has its own random stream, whose seed is drawn for the whole batch in image order; so neither the number of
processes nor the targets of other images change its points.

Shape legend: N images, M masks, T targets, P points, H, W pixels; a point is (x, y) in [0, 1] of the padded image.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.training.batch_shard import BatchShare


def sample(maps_MCHW: Tensor, point_MP2: Tensor) -> Tensor:
    """Read maps [M, C, H, W] at points by bilinear interpolation, zero outside; [M, C, P]. Source: [M2F]."""
    grid_MP12 = (2 * point_MP2 - 1)[:, :, None]
    return functional.grid_sample(maps_MCHW, grid_MP12, mode="bilinear", align_corners=False)[..., 0]


class PointSource:
    """The random stream of one image."""

    def __init__(self, seed: int, device: torch.device, known_HW: Tensor | None) -> None:
        """Start the stream.

        Args:
            seed: of this image.
            device: where points are needed.
            known_HW: bool; where given and true somewhere, points lie on true pixels only, uniformly.
        """
        self._generator = torch.Generator(device).manual_seed(seed)
        self._device = device
        self._known_HW = known_HW
        self._pixels = torch.nonzero(known_HW) if known_HW is not None else None

    def draw(self, *shape: int) -> Tensor:
        """Return uniform points [*shape, 2], float32."""
        point = torch.rand(*shape, 2, device=self._device, generator=self._generator)
        if self._known_HW is None or self._pixels is None or not 0 < len(self._pixels) < self._known_HW.numel():
            return point
        return self._moved(point, self._known_HW, self._pixels)

    def _moved(self, point: Tensor, known_HW: Tensor, pixel_R2: Tensor) -> Tensor:
        """Draw points anew that lie where nothing is known; the others stay, so that the result is uniform again."""
        height, width = known_HW.shape
        x = (point[..., 0] * width).long().clamp(max=width - 1)
        y = (point[..., 1] * height).long().clamp(max=height - 1)
        unknown = ~known_HW[y, x]
        count = int(unknown.sum())
        rows = torch.randint(len(pixel_R2), (count,), device=self._device, generator=self._generator)
        inside = torch.rand(count, 2, device=self._device, generator=self._generator)
        xy = pixel_R2[rows].flip(-1) + inside
        point[unknown] = xy / xy.new_tensor([width, height])
        return point


def point_sources(
    known_NHW: Tensor | None, device: torch.device, generator: torch.Generator, share: BatchShare
) -> list[PointSource]:
    """Return the stream of each image of a share; the seeds are drawn for the whole batch."""
    seeds_B = torch.randint(2**62, (share.batch_size,), device=generator.device, generator=generator).tolist()
    seeds = seeds_B[share.first : share.first + share.count]
    return [PointSource(seed, device, None if known_NHW is None else known_NHW[row]) for row, seed in enumerate(seeds)]


def uncertain_points(logit_MHW: Tensor, candidate_MS2: Tensor, uniform_MR2: Tensor, num_uncertain: int) -> Tensor:
    """Return the candidates whose logit is nearest to 0, then the uniform points; [M, num_uncertain + R, 2]. Source: [M2F]."""
    with torch.no_grad():
        distance_MS = sample(logit_MHW[:, None], candidate_MS2)[:, 0].abs()
        best_MU = distance_MS.topk(num_uncertain, dim=1, largest=False).indices
        chosen_MU2 = candidate_MS2.gather(1, best_MU[:, :, None].expand(-1, -1, 2))
    return torch.cat([chosen_MU2, uniform_MR2], dim=1)

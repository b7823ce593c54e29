"""Queries where an object seems to be: the cells whose best class is most probable, local maxima first.

Shape legend: N images, K classes, C channels, Q queries, h, w cells of the middle map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.common.segmenters.fastinst.config import FastInstConfig

_OTHERS = tuple((dy, dx) for dy in (0, 1, 2) for dx in (0, 1, 2) if (dy, dx) != (1, 1))
"""Where the neighbours of a cell begin in a map with a border of one cell."""


@dataclass(frozen=True)
class Proposals:
    """What is chosen from the middle map.

    Attributes:
        class_logit_NKhw: [N, K + 1, h, w], the last class "no object".
        index_NQ: int64, y * w + x of the chosen cells, best first.
        value_NQ: what they were chosen by, the best class's probability plus 1 at local maxima.
        size: (h, w).
    """

    class_logit_NKhw: Tensor
    index_NQ: Tensor
    value_NQ: Tensor
    size: tuple[int, int]

    def gather(self, map_NChw: Tensor) -> Tensor:
        """Read a map [N or 1, C, h, w] at the chosen cells, [N, Q, C]."""
        cell_NLC = map_NChw.flatten(2).transpose(1, 2).expand(len(self.index_NQ), -1, -1)
        return cell_NLC.gather(1, self.index_NQ[:, :, None].expand(-1, -1, cell_NLC.shape[2]))

    def locations(self) -> Tensor:
        """Return where the chosen cells lie, (x, y) in [0, 1] from the first cell's centre to the last's, [N, Q, 2].

        Source: [FI], which then reads masks at these places as if 0 and 1 were the edges of the image.
        """
        height, width = self.size
        y_h, x_w = (torch.linspace(0, 1, side, device=self.index_NQ.device) for side in (height, width))
        row_NQ = torch.div(self.index_NQ, width, rounding_mode="floor")
        return torch.stack([x_w[self.index_NQ % width], y_h[row_NQ]], dim=-1)


def peaks(probability_Nhw: Tensor, class_Nhw: Tensor, threshold: float) -> Tensor:
    """Find the cells that no neighbour of the same class beats, bool [N, h, w].

    Args:
        probability_Nhw: of the best class of each cell.
        class_Nhw: that class.
        threshold: less probable cells are none.

    In the plane of a class only cells whose best class it is have a value, so that neighbours of other classes, like cells
    outside the map, do not count. Source: InstSynth section 7.2, step 1 [FI].
    """
    height, width = probability_Nhw.shape[1:]
    probability = functional.pad(probability_Nhw, (1, 1, 1, 1), value=-1.0)
    best_class = functional.pad(class_Nhw, (1, 1, 1, 1), value=-1)
    peak_Nhw = probability_Nhw >= threshold
    for dy, dx in _OTHERS:
        window = (slice(None), slice(dy, dy + height), slice(dx, dx + width))
        peak_Nhw = peak_Nhw & ((probability_Nhw >= probability[window]) | (best_class[window] != class_Nhw))
    return peak_Nhw


class QueryProposals(nn.Module):
    """Classifies every cell of the middle map, and chooses the queries.

    Source: InstSynth section 7.2, step 1 [FI].
    """

    def __init__(self, config: FastInstConfig) -> None:
        super().__init__()
        self.num_queries, self.threshold = config.num_queries, config.peak_threshold
        self.conv = nn.Conv2d(config.width, config.width, 3, padding=1)
        self.classifier = nn.Conv2d(config.width, config.num_classes + 1, 1)

    def forward(self, feature_NChw: Tensor) -> Proposals:
        """Choose the best cells of a map; ties are settled as ``torch.topk`` does."""
        logit_NKhw = self.classifier(torch.relu(self.conv(feature_NChw)))
        index_NQ, value_NQ = self.choose(logit_NKhw.detach())
        return Proposals(logit_NKhw, index_NQ, value_NQ, (feature_NChw.shape[2], feature_NChw.shape[3]))

    def choose(self, logit_NKhw: Tensor) -> tuple[Tensor, Tensor]:
        """Return the indices of the chosen cells and what they were chosen by, each [N, Q]."""
        probability_NKhw = logit_NKhw.float().softmax(dim=1)
        best_Nhw, class_Nhw = probability_NKhw[:, :-1].max(dim=1)
        value_NL = (best_Nhw + peaks(best_Nhw, class_Nhw, self.threshold).float()).flatten(1)
        value_NQ, index_NQ = value_NL.topk(min(self.num_queries, value_NL.shape[1]), dim=1)
        return index_NQ, value_NQ

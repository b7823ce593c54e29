"""The dual-path decoder: pixels and queries update each other, and predict masks and classes before the first layer and after each.

Shape legend: N images, Q queries that predict, A queries with the auxiliary ones, K classes, C channels, L = h * w cells of the
finest map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.fastinst.layers import AttentionLayer, FeedForwardLayer, perceptron
from methods.common.segmenters.fastinst.pixel_decoder import resize
from methods.common.segmenters.fastinst.proposals import Proposals, QueryProposals


@dataclass(frozen=True)
class Prediction:
    """What the queries predict at one depth.

    Attributes:
        class_logit_NQK: [N, Q, K + 1], the last column "no object"; None where nobody reads it: before the last layer in
            evaluation.
        mask_logit_NQhw: at the finest map's size.
    """

    class_logit_NQK: Tensor | None
    mask_logit_NQhw: Tensor


@dataclass(frozen=True)
class State:
    """Queries and pixels at one depth, [N, A, C] and [N, L, C]."""

    query_NAC: Tensor
    pixel_NLC: Tensor


@dataclass(frozen=True)
class Positions:
    """What is added to queries [N, A, C] and pixels [1, L, C] in attention."""

    query_NAC: Tensor
    pixel_1LC: Tensor


@dataclass(frozen=True)
class DecoderOutputs:
    """What the decoder makes of three maps.

    Attributes:
        proposals: the chosen queries.
        predictions: before the first layer and after each.
        states: after each layer.
        positions: of all layers.
        size: (h, w) of the finest map.
    """

    proposals: Proposals
    predictions: list[Prediction]
    states: list[State]
    positions: Positions
    size: tuple[int, int]


class DualPathLayer(nn.Module):
    """Pixels attend to queries, then queries to pixels and to each other.

    Source: InstSynth section 7.2, step 4 [FI].
    """

    def __init__(self, config: FastInstConfig) -> None:
        super().__init__()
        self.pixel_attention = AttentionLayer(config.width, config.heads)
        self.pixel_ffn = FeedForwardLayer(config.width, config.ffn_width)
        self.query_attention = AttentionLayer(config.width, config.heads)
        self.query_self_attention = AttentionLayer(config.width, config.heads)
        self.query_ffn = FeedForwardLayer(config.width, config.ffn_width)

    def forward(self, state: State, positions: Positions, seen_NAL: Tensor) -> State:
        """Update both; each query sees the pixels at which ``seen_NAL`` is true."""
        at_query, at_pixel = positions.query_NAC, positions.pixel_1LC
        pixel_NLC = self.pixel_ffn(self.pixel_attention(state.pixel_NLC, at_pixel, state.query_NAC, at_query))
        query_NAC = self.query_attention(state.query_NAC, at_query, pixel_NLC, at_pixel, seen_NAL)
        query_NAC = self.query_self_attention(query_NAC, at_query, query_NAC, at_query)
        return State(self.query_ffn(query_NAC), pixel_NLC)


class PredictionHead(nn.Module):
    """Classes and masks of the queries at one depth.

    Source: InstSynth section 7.2, step 5 [FI].
    """

    def __init__(self, config: FastInstConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.classes = perceptron(config.width, config.num_classes + 1)
        self.mask = perceptron(config.width, config.width)
        self.pixels = nn.Linear(config.width, config.width)

    def forward(self, state: State, num_predicting: int, size: tuple[int, int], with_classes: bool) -> Prediction:
        """Predict from the first ``num_predicting`` queries; a mask's logit is the product of its vector with the pixel's."""
        query_NQC = self.norm(state.query_NAC[:, :num_predicting])
        mask_NQL = self.mask(query_NQC) @ self.pixels(state.pixel_NLC).transpose(1, 2)
        return Prediction(self.classes(query_NQC) if with_classes else None, mask_NQL.unflatten(2, size))


def visible(inside_NQL: Tensor, num_auxiliary: int) -> Tensor:
    """Return where queries may look, bool [N, Q + auxiliary, L].

    A query looks inside its mask, one with an empty mask everywhere, and so do the auxiliary ones, which come last.
    Source: InstSynth section 7.2, step 4 [FI].
    """
    seen_NQL = inside_NQL | ~inside_NQL.any(dim=2, keepdim=True)
    images, _, cells = seen_NQL.shape
    return torch.cat([seen_NQL, seen_NQL.new_ones(images, num_auxiliary, cells)], dim=1)


class Decoder(nn.Module):
    """Everything after the pixel decoder.

    Source: InstSynth section 7.2 [FI].
    """

    def __init__(self, config: FastInstConfig) -> None:
        super().__init__()
        self.num_auxiliary = config.num_auxiliary
        self.proposals = QueryProposals(config)
        side = config.position_side
        self.position_grid = nn.Parameter(torch.empty(1, config.width, side, side))
        nn.init.normal_(self.position_grid, std=config.position_std)
        self.auxiliary_query = nn.Parameter(torch.empty(config.num_auxiliary, config.width))
        self.auxiliary_position = nn.Parameter(torch.empty(config.num_auxiliary, config.width))
        nn.init.normal_(self.auxiliary_query)
        nn.init.normal_(self.auxiliary_position)
        self.layers = nn.ModuleList(DualPathLayer(config) for _ in range(config.decoder_layers))
        self.heads = nn.ModuleList(PredictionHead(config) for _ in range(config.decoder_layers + 1))

    def forward(self, features: Sequence[Tensor]) -> DecoderOutputs:
        """Predict from three maps, finest first. In training all depths predict classes, otherwise the last alone."""
        finest, middle, _ = features
        size = (finest.shape[2], finest.shape[3])
        proposals: Proposals = self.proposals(middle)
        state, positions = self._begin(finest, middle, proposals)
        predictions, states = [self._predict(0, state, size)], []
        for depth, layer in enumerate(self.layers, start=1):
            inside_NQL = predictions[-1].mask_logit_NQhw.detach().flatten(2) >= 0
            state = layer(state, positions, visible(inside_NQL, self.num_auxiliary))
            states.append(state)
            predictions.append(self._predict(depth, state, size))
        return DecoderOutputs(proposals, predictions, states, positions, size)

    def guided(self, outputs: DecoderOutputs, inside_NQL: Tensor) -> list[Prediction]:
        """Send what each layer made through it once more, with given masks to look into, and predict with its head.

        Source: InstSynth section 7.3 [FI]: ground-truth mask-guided learning.
        """
        seen_NAL = visible(inside_NQL, self.num_auxiliary)
        return [
            self._predict(depth, layer(state, outputs.positions, seen_NAL), outputs.size)
            for depth, (layer, state) in enumerate(zip(self.layers, outputs.states, strict=True), start=1)
        ]

    def _begin(self, finest: Tensor, middle: Tensor, proposals: Proposals) -> tuple[State, Positions]:
        images = len(finest)
        auxiliary = (self.auxiliary_query, self.auxiliary_position)
        query_NQC = proposals.gather(middle)
        position_NQC = proposals.gather(resize(self.position_grid, middle.shape[2:]).to(query_NQC.dtype))
        query_NAC, position_NAC = (
            torch.cat([chosen, learned.expand(images, -1, -1).to(chosen.dtype)], dim=1)
            for chosen, learned in zip((query_NQC, position_NQC), auxiliary, strict=True)
        )
        position_1LC = resize(self.position_grid, finest.shape[2:]).flatten(2).transpose(1, 2)
        pixel_NLC = finest.flatten(2).transpose(1, 2)
        return State(query_NAC, pixel_NLC), Positions(position_NAC, position_1LC)

    def _predict(self, depth: int, state: State, size: tuple[int, int]) -> Prediction:
        with_classes = self.training or depth == len(self.layers)
        num_predicting = state.query_NAC.shape[1] - self.num_auxiliary
        prediction: Prediction = self.heads[depth](state, num_predicting, size, with_classes)
        return prediction

"""The text branch: from sentences to text queries, in training alone.

Shape legend: S sentences, L numbers of a sentence, N images, T sentences of an image, Q queries, C channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.oneformer.modeling_oneformer import OneFormerTextMapper, OneFormerTextTransformerLayer

from methods.common.segmenters.oneformer.config import OneFormerConfig, TextBranchConfig
from methods.common.segmenters.oneformer.head import library_config


class TextBranch(nn.Module):
    """Text transformer, projector, learned vectors, and the temperature of the contrastive loss.

    The library makes the mask that hides later words, and does not use it; the release does. So here each word sees those
    before it alone, and what follows the end token, from which a sentence is read, changes nothing. [OF]
    """

    def __init__(self, config: OneFormerConfig, text: TextBranchConfig) -> None:
        super().__init__()
        self.mapper = OneFormerTextMapper(library_config(config))
        self.logit_scale = nn.Parameter(torch.zeros(()))
        self._temperature = text.temperature
        self.set_temperature()
        _initialise(self.mapper)

    def set_temperature(self) -> None:
        """Set the scale of the contrastive loss to that of the initial temperature."""
        nn.init.constant_(self.logit_scale, math.log(1 / self._temperature))

    def forward(self, sentence_SL: Tensor, row_NT: Tensor) -> Tensor:
        """Return text queries, [N, Q, C].

        Args:
            sentence_SL: all sentences; each is encoded once, however often images use it.
            row_NT: the sentences of each image.
        """
        text_SC: Tensor = self.mapper.text_projector(self.encode(sentence_SL))
        queries_NTC = text_SC[row_NT]
        if self.mapper.prompt_ctx is None:
            return queries_NTC
        learned = self.mapper.prompt_ctx.weight.expand(len(row_NT), -1, -1)
        return torch.cat([queries_NTC, learned], dim=1)

    def encode(self, sentence_SL: Tensor) -> Tensor:
        """Return the transformer's output at the end token, the largest number, of each sentence, [S, C]."""
        encoder, end_S = self.mapper.text_encoder, sentence_SL.argmax(dim=1)
        length = int(end_S.max()) + 1
        x = encoder.token_embedding(sentence_SL[:, :length]) + encoder.positional_embedding[:length]
        for layer in encoder.transformer.layers:
            assert isinstance(layer, OneFormerTextTransformerLayer)
            x = _layer(layer, x)
        x = encoder.ln_final(x)
        out: Tensor = x[torch.arange(len(x), device=x.device), end_S]
        return out


def _layer(layer: OneFormerTextTransformerLayer, x_SLC: Tensor) -> Tensor:
    attention = layer.self_attn
    normed = layer.layer_norm1(x_SLC)
    joint = functional.linear(normed, attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = (
        part.reshape(*part.shape[:2], attention.num_heads, -1).transpose(1, 2) for part in joint.chunk(3, dim=2)
    )
    attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    x = x_SLC + attention.out_proj(attended.transpose(1, 2).flatten(2))
    out: Tensor = x + layer.mlp(layer.layer_norm2(x))
    return out


def _initialise(mapper: OneFormerTextMapper) -> None:
    """Source: [OF], as CLIP does it. Layers not named here keep PyTorch's initial weights."""
    encoder = mapper.text_encoder
    width, layers = encoder.width, len(encoder.transformer.layers)
    narrow = width**-0.5 * (2 * layers) ** -0.5
    for layer in encoder.transformer.layers:
        assert isinstance(layer, OneFormerTextTransformerLayer)
        nn.init.normal_(layer.self_attn.in_proj_weight, std=width**-0.5)
        nn.init.normal_(layer.self_attn.out_proj.weight, std=narrow)
        nn.init.normal_(layer.mlp.fc1.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(layer.mlp.fc2.weight, std=narrow)
    nn.init.normal_(encoder.token_embedding.weight, std=0.02)
    nn.init.normal_(encoder.positional_embedding, std=0.01)

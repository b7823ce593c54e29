"""The miniature SAM in the network of the original release: the same weights for another package."""

import re
from functools import partial
from typing import Any

from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

SIDE, PATCH, WIDTH = 64, 4, 64
_LAYERS_OF_HEADS = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}
_NAMES = (
    (r"^image_encoder\.", "vision_encoder."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"^vision_encoder\.blocks\.", "vision_encoder.layers."),
    (r"neck\.0\.", "neck.conv1."),
    (r"neck\.1\.", "neck.layer_norm1."),
    (r"neck\.2\.", "neck.conv2."),
    (r"neck\.3\.", "neck.layer_norm2."),
    (r"\.norm(\d|_final_attn)\.", r".layer_norm\1."),
    (r"pe_layer\.positional_encoding_gaussian_matrix$", "shared_embedding.positional_embedding"),
    (r"point_embeddings\.", "point_embed."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
)
"""Patterns in names of the release, and what transformers writes instead; applied in order."""


def network() -> Any:
    """Return the release's own classes at the miniature's sizes, without its weights."""
    encoder = ImageEncoderViT(
        depth=3,
        embed_dim=WIDTH,
        img_size=SIDE,
        mlp_ratio=2,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        num_heads=2,
        patch_size=PATCH,
        use_rel_pos=True,
        global_attn_indexes=(1,),
        window_size=8,
        out_chans=WIDTH,
    )
    prompts = PromptEncoder(WIDTH, (SIDE // PATCH, SIDE // PATCH), (SIDE, SIDE), 16)
    transformer = TwoWayTransformer(depth=2, embedding_dim=WIDTH, mlp_dim=128, num_heads=4)
    decoder = MaskDecoder(transformer_dim=WIDTH, transformer=transformer, iou_head_hidden_dim=64)
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]  # as the release's builders say
    return Sam(encoder, prompts, decoder, pixel_mean=mean, pixel_std=std).eval()


def release_state(by_transformers: Any) -> dict[str, Tensor]:
    """Return the tensors of a `SamModel` under the names of the release."""
    state = by_transformers.state_dict()
    return {name: state[_rename(name)] for name in network().state_dict()}


def _rename(name: str) -> str:
    """Return what transformers calls a tensor of the release."""
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return re.sub(
        r"(output_hypernetworks_mlps\.\d|iou_prediction_head)\.layers\.(\d)\.",
        lambda found: f"{found[1]}.{_LAYERS_OF_HEADS[found[2]]}.",
        name,
    )

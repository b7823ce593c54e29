"""Weights of the original Segment Anything release (``sam_vit_h_4b8939.pth`` and the like) in the network of transformers.

Only names differ. Sizes are read off the tensors; the rest is what the release's three builders share.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from methods.common.errors import InputError

_HEAD_CHANNELS = {768: 64, 1024: 64, 1280: 80}
"""Channels of an attention head by width of the encoder: ViT-B, ViT-L, ViT-H. Source: [SAM]."""
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


def rename(name: str) -> str:
    """Return what transformers calls a tensor of the release."""
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return re.sub(
        r"(output_hypernetworks_mlps\.\d|iou_prediction_head)\.layers\.(\d)\.",
        lambda found: f"{found[1]}.{_LAYERS_OF_HEADS[found[2]]}.",
        name,
    )


def config_of(state: Mapping[str, Tensor], num_heads: int | None = None) -> Any:
    """Read the sizes of a SAM off its tensors, by the release's names.

    Args:
        state: tensors.
        num_heads: heads of the encoder; None for those of the released sizes.
    """
    embed_1hwC = state["image_encoder.pos_embed"]
    width, spots = int(embed_1hwC.shape[3]), int(embed_1hwC.shape[1])
    patch = int(state["image_encoder.patch_embed.proj.weight"].shape[2])
    extents = {
        int(name.split(".")[2]): (int(tensor.shape[0]) + 1) // 2
        for name, tensor in state.items()
        if name.endswith("attn.rel_pos_h")
    }
    windows = [extent for extent in extents.values() if extent != spots]
    vision = transformers.SamVisionConfig(
        hidden_size=width,
        output_channels=int(state["image_encoder.neck.0.weight"].shape[0]),
        num_hidden_layers=len(extents),
        num_attention_heads=num_heads or width // _HEAD_CHANNELS[width],
        image_size=spots * patch,
        patch_size=patch,
        window_size=windows[0] if windows else 0,
        global_attn_indexes=sorted(layer for layer, extent in extents.items() if extent == spots),
        mlp_dim=int(state["image_encoder.blocks.0.mlp.lin1.weight"].shape[0]),
    )
    prompts = transformers.SamPromptEncoderConfig(image_size=spots * patch, patch_size=patch)
    return transformers.SamConfig(vision_config=vision, prompt_encoder_config=prompts)


def build_official(state: Mapping[str, Tensor], num_heads: int | None = None) -> Any:
    """Return transformers' ``SamModel`` with the tensors of a release, in evaluation mode.

    Raises:
        KeyError, RuntimeError: tensors are missing, unknown or of another shape.
    """
    model: Any = transformers.SamModel(config_of(state, num_heads))
    named = {rename(name): tensor for name, tensor in state.items()}
    named["shared_image_embedding.positional_embedding"] = named["prompt_encoder.shared_embedding.positional_embedding"]
    model.load_state_dict(named)
    return model.eval()


def load_official(path: Path) -> Any:
    """Load a ``.pth`` file of the release.

    Raises:
        InputError: it is not one, or it is damaged.
    """
    try:
        return build_official(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, AttributeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} holds no weights of the Segment Anything release ({reason}); download sam_vit_h_4b8939.pth or the like again"
        ) from error

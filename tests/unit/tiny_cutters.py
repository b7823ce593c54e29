"""X-Paste's cut-out networks of published kinds, random and small, as the files that stages load."""

from pathlib import Path

import torch
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPTokenizer,
    ViTImageProcessor,
)

from methods.common.cutouts.u2net import Level, U2Net

SMALL_DOWN = tuple(Level(depth, 16, 64) for depth in (7, 6, 5, 4, 0, 0))
SMALL_UP = tuple(Level(depth, 16, 64) for depth in (0, 4, 5, 6, 7))


def save_clipseg(folder: Path) -> None:
    """Save the class that the published weights fill, at a miniature size."""
    torch.manual_seed(0)
    vocab = {"c": 0, "c</w>": 1, "m": 2, "m</w>": 3, "x</w>": 4, "<|startoftext|>": 5, "<|endoftext|>": 6}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=[], model_max_length=8)
    config = CLIPSegConfig(
        text_config={
            "vocab_size": len(vocab), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 8, "bos_token_id": 5, "eos_token_id": 6, "pad_token_id": 6,
        },
        vision_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 32,
            "patch_size": 8,
        },
        projection_dim=16, reduce_dim=8, extract_layers=[0, 1, 2], decoder_num_attention_heads=2, decoder_intermediate_size=16,
        conditional_layer=0,
    )  # fmt: skip
    model = CLIPSegForImageSegmentation(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight") and parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)  # so that a word is felt
    model.save_pretrained(folder)
    CLIPSegProcessor(ViTImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)


def save_small_u2net(path: Path) -> None:
    """Save the official small network; what loads it must build the small one."""
    torch.manual_seed(0)
    torch.save(U2Net(SMALL_DOWN, SMALL_UP).state_dict(), path)

"""Folders of the real classes that plans load, with random weights and a few thousand parameters; BiRefNet as a stub of its code."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    BlipTextConfig,
    BlipVisionConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPVisionConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3Model,
    Sam3Processor,
    SwinConfig,
)

from methods.common.clip import ClipScorer
from methods.common.miniature.shipped import CHECKPOINTS
from tests.unit.tiny_pipelines import tiny_stable_diffusion


def tiny_detector(folder: Path) -> Path:
    """Grounding DINO with a text encoder, a Swin backbone and their processor."""
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "coin", "melon"]
    tokenizer = BertTokenizerFast(vocab={word: number for number, word in enumerate(words)}, do_lower_case=True)
    backbone = SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    text = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    config = GroundingDinoConfig(
        backbone_config=backbone.to_dict(), text_config=text.to_dict(), d_model=32, num_queries=6, encoder_layers=1,
        decoder_layers=2, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
        num_feature_levels=4, encoder_n_points=1, decoder_n_points=1, max_text_len=16,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": 96}
    GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder


def tiny_sam3(folder: Path) -> Path:
    """SAM 3 of pictures."""
    torch.manual_seed(0)
    vit = {
        "model_type": "sam3_vit_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 56, "patch_size": 14, "window_size": 2, "global_attn_indexes": [0],
        "pretrain_image_size": 56,
    }  # fmt: skip
    part = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text = CLIPTextConfig(
        vocab_size=1000, hidden_size=16, intermediate_size=16, projection_dim=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=32,
    )  # fmt: skip
    config = Sam3Config(
        vision_config={
            "backbone_config": vit, "fpn_hidden_size": 16, "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        text_config=text.to_dict(),
        geometry_encoder_config=part,
        detr_encoder_config=part,
        detr_decoder_config=part | {"num_queries": 5},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )  # fmt: skip
    Sam3Model(config).save_pretrained(folder)
    tokenizer = ClipScorer.from_pretrained(CHECKPOINTS / "clip").tokenizer
    Sam3Processor(Sam3ImageProcessor(size={"height": 56, "width": 56}), tokenizer).save_pretrained(folder)
    return folder


def tiny_blip(folder: Path) -> Path:
    """A BLIP captioner that knows ten letters."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", *"abcdefghij"]
    tokenizer = BertTokenizerFast(vocab={word: number for number, word in enumerate(words)})
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = BlipTextConfig(
        vocab_size=len(words),
        encoder_hidden_size=8,
        projection_dim=8,
        bos_token_id=5,
        eos_token_id=3,
        sep_token_id=3,
        pad_token_id=0,
        **sizes,
    )
    vision = BlipVisionConfig(image_size=16, patch_size=8, projection_dim=8, **sizes)
    torch.manual_seed(0)
    config = BlipConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8, image_text_hidden_size=8
    )
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 16, "width": 16}), tokenizer).save_pretrained(folder)
    return folder


def tiny_blip2(folder: Path) -> Path:
    """A BLIP-2 captioner that knows ten letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        Blip2QFormerConfig,
        Blip2VisionConfig,
        OPTConfig,
        PreTrainedTokenizerFast,
    )

    words = ["<pad>", "</s>", "<s>", "<unk>", "<image>", *"abcdefghij"]
    letters = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="<pad>", eos_token="</s>", bos_token="<s>", unk_token="<unk>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = OPTConfig(
        vocab_size=len(words),
        hidden_size=8,
        word_embed_proj_dim=8,
        ffn_dim=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
    )
    config = Blip2Config(
        vision_config=Blip2VisionConfig(image_size=16, patch_size=8, **sizes).to_dict(),
        qformer_config=Blip2QFormerConfig(vocab_size=len(words), encoder_hidden_size=8, **sizes).to_dict(),
        text_config=text.to_dict(),
        num_query_tokens=2,
        image_token_index=4,
    )
    torch.manual_seed(0)
    Blip2ForConditionalGeneration(config).save_pretrained(folder)
    looks = BlipImageProcessor(size={"height": 16, "width": 16})
    Blip2Processor(looks, tokenizer, num_query_tokens=2).save_pretrained(folder)
    return folder


def tiny_diffusion_with_checker(folder: Path, black: bool = True) -> Path:
    """Stable Diffusion 1 with a safety checker of its own class, to which every picture is unsafe if ``black``, else none."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    pipeline = tiny_stable_diffusion()
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = CLIPVisionConfig(image_size=16, patch_size=8, projection_dim=8, **sizes)
    text = CLIPTextConfig(projection_dim=8, vocab_size=54, **sizes)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    torch.manual_seed(0)
    checker = StableDiffusionSafetyChecker(config)
    for name in ("concept_embeds_weights", "special_care_embeds_weights"):
        getattr(checker, name).data.fill_(-2.0 if black else 2.0)  # what the cosine, at least -1, must pass
    size = {"height": 16, "width": 16}
    looks = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=size)
    pipeline.register_modules(safety_checker=checker, feature_extractor=looks)
    pipeline.register_to_config(requires_safety_checker=True)
    pipeline.save_pretrained(folder)
    return folder


BIREFNET_CONFIG = """
from transformers import PretrainedConfig


class BiRefNetConfig(PretrainedConfig):
    model_type = "SegformerForSemanticSegmentation"

    def __init__(self, bb_pretrained=False, **kwargs):
        self.bb_pretrained = bb_pretrained
        super().__init__(**kwargs)
"""
BIREFNET = """
import torch
from torch import nn
from transformers import PreTrainedModel

from .BiRefNet_config import BiRefNetConfig


class Config:  # what the network is built from; no config of transformers
    def __init__(self):
        self.channels = 4


class BiRefNet(PreTrainedModel):
    config_class = BiRefNetConfig

    def __init__(self, bb_pretrained=True, config=BiRefNetConfig()):
        super(BiRefNet, self).__init__(config)
        assert not config.bb_pretrained, "weights of the backbone would be downloaded"
        self.config = Config()
        drop_rates = [rate.item() for rate in torch.linspace(0, 0.2, 3)]
        self.dropout = nn.Dropout(drop_rates[1])
        self.bb = nn.Conv2d(3, self.config.channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(self.config.channels)
        self.head = nn.Conv2d(self.config.channels, 1, 1)

    def forward(self, x):
        features = self.dropout(self.norm(self.bb(x)))
        return [features, self.head(features)]
"""
"""The published pattern: a plain object takes the place of the config, ``post_init`` is never called, numbers are read off
tensors while the network is built, and the class is called with its config in the place of ``bb_pretrained``."""


def birefnet_stub(folder: Path, dtype: torch.dtype = torch.float16) -> Path:
    """A folder that brings its own code, as the published BiRefNet does, with random weights."""
    classes = {"AutoConfig": "BiRefNet_config.BiRefNetConfig", "AutoModelForImageSegmentation": "birefnet.BiRefNet"}
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["BiRefNet"], "auto_map": classes, "bb_pretrained": False, "torch_dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "BiRefNet_config.py").write_text(BIREFNET_CONFIG)
    (folder / "birefnet.py").write_text(BIREFNET)
    generator = torch.Generator().manual_seed(0)
    shapes = {"bb.weight": (4, 3, 3, 3), "bb.bias": (4,), "head.weight": (1, 4, 1, 1), "head.bias": (1,)}
    shapes |= {f"norm.{name}": (4,) for name in ("weight", "bias", "running_mean", "running_var")}
    tensors = {name: torch.rand(shape, generator=generator).to(dtype) for name, shape in shapes.items()}
    tensors["norm.num_batches_tracked"] = torch.tensor(7)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def keep_remote_code_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let code of model folders be copied there, not into the user's cache; what was imported from elsewhere is forgotten."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers_modules"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder))


def change_weights(path: Path, drop: str = "", reshape: str = "") -> None:
    """Take a tensor out of a safetensors file, or give one another shape."""
    tensors = load_file(path)
    if drop:
        del tensors[drop]
    if reshape:
        tensors[reshape] = torch.cat([tensors[reshape], tensors[reshape]])
    save_file(tensors, path, metadata={"format": "pt"})

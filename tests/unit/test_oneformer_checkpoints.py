"""Official names of OneFormer and the messages of the loader, on a small network with the official structure."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.backbones.config import ConvNeXtConfig
from methods.common.segmenters.backbones.convnext import ConvNeXt
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.official_weights import Place
from methods.common.segmenters.oneformer.model import OneFormer
from methods.common.segmenters.oneformer.official import infer_config, load_official
from methods.common.segmenters.oneformer.official_names import NAMES
from methods.common.segmenters.oneformer.presets import (
    oneformer_convnextl,
    oneformer_r50,
    oneformer_swinl,
    without_text,
)
from tests.unit.oneformer_scenes import config

PREDICTOR = "sem_seg_head.predictor."
ATTENTION = f"{PREDICTOR}transformer_self_attention_layers.1.self_attn."


@pytest.fixture(scope="module")
def network() -> OneFormer:
    model = OneFormer(config(), torch.Generator().manual_seed(0)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) * 0.2 + 0.5)
            assert name == "sentence_SL" or NAMES.official_name(name)
    return model


@pytest.fixture
def official(network: OneFormer) -> dict[str, Tensor]:
    parts: dict[str, dict[int, Tensor]] = {}
    for name, value in network.state_dict().items():
        if name != "sentence_SL":
            theirs = NAMES.official_name(name)
            third = next(place.third for place in NAMES.our_places(theirs) if place.ours == name)
            parts.setdefault(theirs, {})[third or 0] = value
    joined = {
        name: torch.cat([of[third] for third in sorted(of)]) if len(of) > 1 else of[0] for name, of in parts.items()
    }
    return joined | {"criterion.empty_weight": torch.ones(5)}


def test_loads_what_the_release_would_save(network: OneFormer, official: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"model": official, "iteration": 3}, tmp_path / "model.pth")
    loaded = load_official(tmp_path / "model.pth", config())
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert not loaded.training


def test_names_by_hand() -> None:
    ours = "head.transformer.decoder."
    expected = {
        "backbone.stages.2.26.pwconv1.weight": "backbone.stages.2.26.pwconv1.weight",
        "backbone.res3.0.shortcut.norm.bias": "backbone.layer2.0.downsample.1.bias",
        "task_mlp.layers.1.bias": "head.task_mlp.layers.1.0.bias",
        "text_encoder.transformer.resblocks.4.mlp.c_proj.weight": "text.mapper.text_encoder.transformer.layers.4.mlp.fc2.weight",
        "prompt_ctx.weight": "text.mapper.prompt_ctx.weight",
        "criterion.logit_scale": "text.logit_scale",
        f"{PREDICTOR}class_transformer.decoder.layers.1.multihead_attn.in_proj_weight": f"{ours}query_transformer.decoder.layers.1.multihead_attn.in_proj_weight",
        f"{PREDICTOR}transformer_cross_attention_layers.8.norm.bias": f"{ours}layers.8.cross_attn.norm.bias",
        f"{PREDICTOR}class_input_proj.bias": f"{ours}query_input_projection.bias",
        "sem_seg_head.pixel_decoder.adapter_1.norm.weight": "head.pixel_decoder.adapter_1.1.weight",
    }
    assert {name: NAMES.our_places(name)[0].ours for name in expected} == expected
    prefix = f"{ours}layers.1.self_attn.self_attn."
    places = [Place(f"{prefix}{part}_proj.weight", third) for third, part in enumerate("qkv")]
    assert NAMES.our_places(f"{ATTENTION}in_proj_weight") == places
    assert NAMES.our_places("something.else") == []


def test_query_key_and_value_keep_their_order(official: dict[str, Tensor]) -> None:
    official[f"{ATTENTION}in_proj_weight"] = torch.arange(3.0).repeat_interleave(64)[:, None].expand(192, 64)
    attention = load_official(official, config()).head.transformer.decoder.layers[1].self_attn.self_attn
    values = [part.weight.unique().tolist() for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
    assert values == [[0.0], [1.0], [2.0]]


def test_without_text_branch_its_weights_are_left_out(network: OneFormer, official: dict[str, Tensor]) -> None:
    loaded = load_official(official, without_text(config()))
    assert loaded.text is None
    for name in [name for name in official if name.startswith(("text_", "prompt_ctx", "criterion."))]:
        official.pop(name)
    again = load_official(official, without_text(config()))
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in again.state_dict().items())
    with pytest.raises(InputError, match=r"missing: .*text_encoder"):
        load_official(official, config())


def test_a_checkpoint_without_temperature_starts_at_the_initial_one(official: dict[str, Tensor]) -> None:
    official.pop("criterion.logit_scale")
    loaded = load_official(official, config())
    assert loaded.text is not None
    assert loaded.text.logit_scale.exp().item() == pytest.approx(1 / 0.07)


def test_problems_are_named(official: dict[str, Tensor]) -> None:
    official.pop(f"{ATTENTION}in_proj_bias")
    official["extra.weight"] = torch.zeros(2)
    official["task_mlp.layers.0.weight"] = torch.zeros(64, 77)
    with pytest.raises(InputError) as caught:
        load_official(official, config())
    message = str(caught.value)
    assert f"1 missing: {ATTENTION}in_proj_bias" in message
    assert "1 unexpected: extra.weight" in message
    assert "1 of another shape: task_mlp.layers.0.weight (64, 77) instead of (64, 16)" in message


def entries(first_layer: str, classes: int = 19, queries: int = 250, text: bool = True) -> dict[str, Tensor]:
    made = {
        f"{PREDICTOR}class_embed.weight": torch.zeros(classes + 1, 2),
        f"{PREDICTOR}query_embed.weight": torch.zeros(queries, 2),
    }
    made |= {"text_encoder.token_embedding.weight": torch.zeros(3, 2)} if text else {}
    return made | {first_layer: torch.zeros(1)}


def test_configs_are_told_from_entries() -> None:
    assert infer_config(entries("backbone.downsample_layers.0.0.weight")) == oneformer_convnextl()
    assert infer_config(entries("backbone.patch_embed.proj.weight", text=False)) == without_text(oneformer_swinl())
    assert infer_config(entries("backbone.stem.conv1.weight", queries=150)) == oneformer_r50()
    mapillary = infer_config(entries("backbone.downsample_layers.0.0.weight", classes=65))
    assert (len(mapillary.class_names), mapillary.class_names[64], mapillary.stuff_classes) == (65, "class 64", ())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"some.weight": torch.zeros(1)}, "no 'sem_seg_head.predictor.class_embed.weight', so it is no OneFormer"),
        (entries("backbone.patch_embed1.weight"), "no ResNet-50, Swin or ConvNeXt backbone; pass the config"),
    ],
)
def test_what_is_no_oneformer_is_said_so(weights: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_official(weights)


def test_imagenet_weights_go_into_convnext(tmp_path: Path) -> None:
    sizes = ConvNeXtConfig(depths=(1, 1, 1, 1), widths=(4, 8, 8, 8))
    source, backbone = ConvNeXt(sizes), ConvNeXt(sizes)
    weights = {name: value for name, value in source.state_dict().items() if not name.startswith("norm")}
    classifier = {name: torch.zeros(3) for name in ("norm.weight", "norm.bias", "head.weight", "head.bias")}
    torch.save({"model": weights | classifier}, tmp_path / "convnext.pth")
    load_backbone_weights(backbone, tmp_path / "convnext.pth")
    assert all(torch.equal(value, backbone.state_dict()[name]) for name, value in weights.items())
    weights.pop("stages.2.0.gamma")
    torch.save(weights, tmp_path / "less.pth")
    with pytest.raises(InputError, match=r"does not fit the ConvNeXt backbone: 1 missing: stages.2.0.gamma"):
        load_backbone_weights(backbone, tmp_path / "less.pth")

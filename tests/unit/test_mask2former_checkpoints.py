"""Official names and the messages of the loaders, on a narrow network with the official structure."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.backbones.config import ResNetConfig, SwinConfig
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.mask2former.config import Mask2FormerConfig
from methods.common.segmenters.mask2former.model import Mask2Former
from methods.common.segmenters.mask2former.official import load_official
from methods.common.segmenters.mask2former.official_names import NAMES
from methods.common.segmenters.official_weights import Place

CONFIG = Mask2FormerConfig(
    num_classes=3,
    backbone=ResNetConfig(
        blocks=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_width=4, norm="batch", output_stages=(0, 1, 2, 3)
    ),
    num_queries=5,
    feature_width=32,
    mask_width=16,
    hidden_width=16,
    encoder_layers=1,
    decoder_layers=2,
    heads=2,
    encoder_ffn_width=8,
    decoder_ffn_width=8,
    norm_groups=4,
)


def both(prefix: str) -> list[str]:
    return [f"{prefix}.weight", f"{prefix}.bias"]


def norm(prefix: str) -> list[str]:
    return [*both(prefix), f"{prefix}.running_mean", f"{prefix}.running_var", f"{prefix}.num_batches_tracked"]


def official_names() -> list[str]:
    """The names that detectron2 gives to such a network, written down independently of the loader's rules."""
    names = ["backbone.stem.conv1.weight", *norm("backbone.stem.conv1.norm")]
    for stage in (2, 3, 4, 5):
        for part in ("shortcut", "conv1", "conv2", "conv3"):
            prefix = f"backbone.res{stage}.0.{part}"
            names += [f"{prefix}.weight", *norm(f"{prefix}.norm")]
    pixel, predictor = "sem_seg_head.pixel_decoder", "sem_seg_head.predictor"
    for level in (0, 1, 2):
        names += [*both(f"{pixel}.input_proj.{level}.0"), *both(f"{pixel}.input_proj.{level}.1")]
    encoder = f"{pixel}.transformer.encoder.layers.0"
    for part in ("sampling_offsets", "attention_weights", "value_proj", "output_proj"):
        names += both(f"{encoder}.self_attn.{part}")
    for part in ("norm1", "linear1", "linear2", "norm2"):
        names += both(f"{encoder}.{part}")
    names += [f"{pixel}.transformer.level_embed", *both(f"{pixel}.mask_features")]
    for part in ("adapter_1", "layer_1"):
        names += [f"{pixel}.{part}.weight", *both(f"{pixel}.{part}.norm")]
    for layer in (0, 1):
        for kind, part in (("self", "self_attn"), ("cross", "multihead_attn")):
            prefix = f"{predictor}.transformer_{kind}_attention_layers.{layer}"
            names += [f"{prefix}.{part}.in_proj_weight", f"{prefix}.{part}.in_proj_bias"]
            names += [*both(f"{prefix}.{part}.out_proj"), *both(f"{prefix}.norm")]
        for part in ("linear1", "linear2", "norm"):
            names += both(f"{predictor}.transformer_ffn_layers.{layer}.{part}")
    names += [f"{predictor}.{part}.weight" for part in ("query_feat", "query_embed", "level_embed")]
    names += [*both(f"{predictor}.decoder_norm"), *both(f"{predictor}.class_embed")]
    for layer in (0, 1, 2):
        names += [*both(f"{predictor}.mask_embed.layers.{layer}"), *both(f"{predictor}.input_proj.{layer}")]
    return names


@pytest.fixture(scope="module")
def network() -> Mask2Former:
    model = Mask2Former(CONFIG, torch.Generator().manual_seed(5)).eval()
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) * 0.2 + 0.5)
    return model


@pytest.fixture
def official(network: Mask2Former) -> dict[str, Tensor]:
    state = network.state_dict()
    weights = {}
    for name in official_names():
        parts = [state[place.ours] for place in NAMES.our_places(name)]
        assert parts, name
        weights[name] = torch.cat(parts).clone() if len(parts) > 1 else parts[0].clone()
    return weights | {"criterion.empty_weight": torch.ones(4)}


def same(first: Mask2Former, second: Mask2Former) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def test_names_map_back(network: Mask2Former) -> None:
    names = {NAMES.official_name(name) for name in network.state_dict()}
    assert names == set(official_names())


def test_names_by_hand() -> None:
    assert NAMES.our_places("backbone.res3.0.shortcut.norm.bias") == [Place("encoder.layer2.0.downsample.1.bias")]
    assert NAMES.our_places("backbone.layers.2.blocks.1.attn.qkv.bias") == [
        Place("encoder.layers.2.blocks.1.attn.qkv.bias")
    ]
    joint = NAMES.our_places("sem_seg_head.predictor.transformer_self_attention_layers.4.self_attn.in_proj_bias")
    prefix = "head.transformer.decoder.layers.4.self_attn."
    assert joint == [Place(f"{prefix}{part}_proj.bias", third) for third, part in enumerate("qkv")]
    assert NAMES.our_places("sem_seg_head.predictor.static_query.weight") == NAMES.our_places(
        "sem_seg_head.predictor.query_feat.weight"
    )
    assert NAMES.our_places("something.else") == []


@pytest.mark.parametrize("form", ["tensors", "wrapped", "pth", "pkl"])
def test_loads_from_every_form(network: Mask2Former, official: dict[str, Tensor], tmp_path: Path, form: str) -> None:
    arrays = {name: value.numpy() for name, value in official.items()}
    if form == "tensors":
        loaded = load_official(official, CONFIG)
    elif form == "wrapped":
        loaded = load_official({"model": arrays, "__author__": "someone"}, CONFIG)
    elif form == "pth":
        torch.save({"model": official, "iteration": 3}, tmp_path / "model.pth")
        loaded = load_official(tmp_path / "model.pth", CONFIG)
    else:
        content = {"model": arrays, "__author__": "someone", "matching_heuristics": True}
        (tmp_path / "model.pkl").write_bytes(pickle.dumps(content))
        loaded = load_official(tmp_path / "model.pkl", CONFIG)
    assert same(loaded, network)
    assert not loaded.training


def test_query_key_and_value_keep_their_order(network: Mask2Former, official: dict[str, Tensor]) -> None:
    name = "sem_seg_head.predictor.transformer_self_attention_layers.1.self_attn.in_proj_weight"
    official[name] = torch.arange(3.0).repeat_interleave(16)[:, None].expand(48, 16)
    attention = load_official(official, CONFIG).head.transformer.decoder.layers[1].self_attn
    values = [part.weight.unique().tolist() for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
    assert values == [[0.0], [1.0], [2.0]]


def test_problems_are_named(official: dict[str, Tensor]) -> None:
    lost = [
        "sem_seg_head.pixel_decoder.mask_features.bias",
        "sem_seg_head.predictor.transformer_self_attention_layers.0.self_attn.in_proj_bias",
    ]
    for name in lost:
        official.pop(name)
    official["sem_seg_head.predictor.extra.weight"] = torch.zeros(2)
    official["backbone.stem.conv1.weight"] = torch.zeros(4, 3, 3, 3)
    with pytest.raises(InputError) as caught:
        load_official(official, CONFIG)
    message = str(caught.value)
    assert f"2 missing: {', '.join(lost)}" in message
    assert "1 unexpected: sem_seg_head.predictor.extra.weight" in message
    assert "1 of another shape: backbone.stem.conv1.weight (4, 3, 3, 3) instead of (4, 3, 7, 7)" in message


def test_more_layers_than_asked_for_are_unexpected(official: dict[str, Tensor]) -> None:
    fewer = CONFIG.model_copy(update={"decoder_layers": 1})
    with pytest.raises(InputError, match=r"18 unexpected: .*layers\.1.* and 10 more$"):
        load_official(official, fewer)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "holds no state dict"),
        ({"some.weight": torch.zeros(1)}, "no 'sem_seg_head.predictor.class_embed.weight', so it is no Mask2Former"),
        (
            {
                "sem_seg_head.predictor.class_embed.weight": torch.zeros(4, 2),
                "sem_seg_head.predictor.query_embed.weight": torch.zeros(4, 2),
            },
            "neither a ResNet-50 nor a Swin backbone",
        ),
    ],
)
def test_what_is_no_mask2former_is_said_so(weights: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_official(weights)


class Harmful:
    """Would run a command when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must not run",))


@pytest.mark.parametrize("content", [{"model": Harmful()}, {"model": np.array([Harmful()], dtype=object)}])
def test_a_pickle_that_runs_code_is_refused(
    tmp_path: Path, content: object, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"model\.pkl cannot be read as plain weights: it names builtins\.print"):
        load_official(tmp_path / "model.pkl")
    assert capsys.readouterr().out == ""


def test_a_damaged_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"model": np.zeros(4)})[:-6])
    with pytest.raises(InputError, match="cannot be read as plain weights"):
        load_official(tmp_path / "model.pkl")


def resnet_weights(network: Mask2Former) -> dict[str, Tensor]:
    """As torchvision names them."""
    weights = {name: torch.full_like(value, 0.25) for name, value in network.backbone.state_dict().items()}
    return weights | {"fc.weight": torch.zeros(7, 16), "fc.bias": torch.zeros(7)}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_imagenet_weights_go_into_the_backbone(tmp_path: Path, suffix: str) -> None:
    model = Mask2Former(CONFIG, torch.Generator().manual_seed(5))
    weights, head = resnet_weights(model), model.head.class_predictor.weight.clone()
    path = tmp_path / f"resnet{suffix}"
    if suffix == ".pth":
        torch.save(weights, path)
    else:
        save_file(weights, path)
    load_backbone_weights(model.encoder, path)
    values = [value for value in model.backbone.state_dict().values() if value.is_floating_point()]
    assert all(bool((value == 0.25).all()) for value in values)
    assert torch.equal(model.head.class_predictor.weight, head)


def test_norms_on_swins_outputs_keep_their_values(tmp_path: Path) -> None:
    backbone = SwinConfig(
        patch_px=2, window=4, embedding=16, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), output_stages=(0, 1, 2, 3)
    )
    model = Mask2Former(CONFIG.model_copy(update={"backbone": backbone}), torch.Generator().manual_seed(5))
    weights = {
        name: torch.full_like(value, 0.25)
        for name, value in model.backbone.state_dict().items()
        if name.split(".")[0] not in ("norm0", "norm1", "norm2", "norm3")
    }
    torch.save({"model": weights | {"norm.weight": torch.zeros(3), "head.bias": torch.zeros(3)}}, tmp_path / "swin.pth")
    load_backbone_weights(model.encoder, tmp_path / "swin.pth")
    state = model.backbone.state_dict()
    assert bool((state["norm2.weight"] == 1).all())
    assert bool((state["layers.1.blocks.0.mlp.fc1.weight"] == 0.25).all())


def test_other_backbone_weights_are_named(tmp_path: Path) -> None:
    model = Mask2Former(CONFIG, torch.Generator().manual_seed(5))
    weights = resnet_weights(model)
    weights.pop("layer1.0.conv1.weight")
    weights["layer9.0.conv1.weight"] = torch.zeros(1)
    torch.save(weights, tmp_path / "resnet.pth")
    with pytest.raises(
        InputError, match=r"ResNet backbone: 1 missing: layer1\.0\.conv1\.weight; 1 unexpected: layer9\."
    ):
        load_backbone_weights(model.encoder, tmp_path / "resnet.pth")
    (tmp_path / "torn.safetensors").write_bytes(b"123")
    with pytest.raises(InputError, match=r"torn\.safetensors cannot be read"):
        load_backbone_weights(model.encoder, tmp_path / "torn.safetensors")

"""Official names and the messages of the loader, on a narrow network with the official structure."""

from pathlib import Path

import pytest
import torch

from methods.common.errors import InputError
from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.backbones.weights import load_backbone_weights
from methods.common.segmenters.centernet2.config import (
    CascadeConfig,
    CenterNet2Config,
    MaskConfig,
    ProposalConfig,
    PyramidConfig,
)
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.official import load_official, official_name

CONFIG = CenterNet2Config(
    num_classes=4,
    backbone=ResNetConfig(blocks=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_width=4),
    pyramid=PyramidConfig(channels=8),
    proposals=ProposalConfig(norm_groups=2),
    cascade=CascadeConfig(fc_width=8),
    mask=MaskConfig(channels=8),
)


@pytest.fixture(scope="module")
def network() -> CenterNet2:
    return CenterNet2(CONFIG, torch.Generator().manual_seed(5)).eval()


@pytest.fixture
def official(network: CenterNet2) -> dict[str, torch.Tensor]:
    state = {official_name(name, CONFIG): value.clone() for name, value in network.state_dict().items()}
    unused = {
        "backbone.bottom_up.base.fc.weight": torch.zeros(3, 16),
        "backbone.bottom_up.base.bn1.num_batches_tracked": torch.tensor(0),
        "roi_heads.box_predictor.1.freq_weight": torch.zeros(4),
    }
    return state | unused


def same(first: CenterNet2, second: CenterNet2) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def test_names_by_hand() -> None:
    assert official_name("pyramid.output.1.weight", CONFIG) == "backbone.fpn_output4.weight"
    assert official_name("backbone.layer2.0.bn1.bias", CONFIG) == "backbone.bottom_up.base.layer2.0.bn1.bias"
    assert official_name("cascade.heads.2.regressor.weight", CONFIG) == "roi_heads.box_predictor.2.bbox_pred.weight"
    assert official_name("mask_head.convs.2.bias", CONFIG) == "roi_heads.mask_head.mask_fcn3.bias"


def test_every_entry_has_a_name_of_its_own(network: CenterNet2) -> None:
    names = [official_name(name, CONFIG) for name in network.state_dict()]
    assert len(set(names)) == len(names)


def test_state_dict_loads(network: CenterNet2, official: dict[str, torch.Tensor]) -> None:
    official["roi_heads.box_predictor.0.freq_weight"] = torch.tensor([1.0, 2, 3, 4])
    loaded = load_official(official, CONFIG)
    assert loaded.cascade.get_buffer("class_weight_C").tolist() == [1, 2, 3, 4]
    loaded.cascade.get_buffer("class_weight_C").fill_(1)
    assert same(network, loaded)
    assert not loaded.training


def test_averaged_weights_win_and_module_prefix_goes(
    network: CenterNet2, official: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    plain = {name: torch.zeros_like(value) for name, value in official.items()}
    averaged = {f"module.{name}": value for name, value in official.items()}
    torch.save({"model": plain, "model_ema": averaged, "iteration": 3}, tmp_path / "both.pth")
    assert same(network, load_official(tmp_path / "both.pth", CONFIG))
    torch.save({"model": averaged}, tmp_path / "one.pth")
    assert same(network, load_official(str(tmp_path / "one.pth"), CONFIG))


def test_faults_are_named(official: dict[str, torch.Tensor]) -> None:
    faulty = dict(official)
    del faulty["backbone.fpn_lateral3.bias"]
    faulty["roi_heads.extra"] = torch.zeros(1)
    faulty["roi_heads.mask_head.predictor.bias"] = torch.zeros(80)
    with pytest.raises(InputError) as caught:
        load_official(faulty, CONFIG)
    message = str(caught.value)
    assert "1 missing" in message
    assert "backbone.fpn_lateral3.bias" in message
    assert "unexpected: roi_heads.extra" in message
    assert "roi_heads.mask_head.predictor.bias (80,) instead of (1,)" in message


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_official(tmp_path / "nowhere.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(InputError, match="cannot be read"):
        load_official(tmp_path / "text.pth")
    torch.save({"epoch": 3, "other": [1]}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no state dict"):
        load_official(tmp_path / "other.pth")
    with pytest.raises(InputError, match="no CenterNet2 with a plain classifier"):
        load_official({"weight": torch.zeros(1)})


def test_pretrained_backbone(tmp_path: Path) -> None:
    source = CenterNet2(CONFIG, torch.Generator().manual_seed(1))
    weights = {name: value for name, value in source.backbone.state_dict().items()}
    torch.save({"state_dict": weights | {"fc.weight": torch.zeros(3, 16)}}, tmp_path / "resnet.pth")
    network = CenterNet2(CONFIG, torch.Generator().manual_seed(2))
    load_backbone_weights(network.backbone, tmp_path / "resnet.pth")
    loaded = network.backbone.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in weights.items())
    torch.save({name: value for name, value in weights.items() if name != "conv1.weight"}, tmp_path / "torn.pth")
    with pytest.raises(InputError, match=r"conv1\.weight"):
        load_backbone_weights(network.backbone, tmp_path / "torn.pth")

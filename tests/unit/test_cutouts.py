"""Cut-out networks: the miniature one, the BiRefNet wrapper, and the choice between them."""

import json

import pytest
import torch
from safetensors.torch import load_file

from methods.common.cutouts.birefnet import BiRefNetCutout
from methods.common.cutouts.load import load_cutout
from methods.common.cutouts.miniature import MiniatureCutout, MiniatureCutoutConfig
from methods.common.errors import InputError
from methods.common.miniature.measurements import cut, overlap, render_balanced
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.world_config import WebConfig
from tests.unit.tiny_models import BIREFNET, birefnet_stub, change_weights, keep_remote_code_in


def test_saved_and_loaded_network_gives_the_same_masks(tmp_path):
    torch.manual_seed(0)
    network = MiniatureCutout(MiniatureCutoutConfig(width=8)).eval()
    network.save_pretrained(tmp_path)
    image_NCHW = torch.rand(2, 3, 64, 64)
    loaded = load_cutout(tmp_path)
    assert isinstance(loaded, MiniatureCutout)
    assert torch.equal(loaded.soft_mask(image_NCHW), network.soft_mask(image_NCHW))


def test_float16_files_load_as_float32(tmp_path):
    MiniatureCutout(MiniatureCutoutConfig(width=4)).save_pretrained(tmp_path, torch.float16)
    assert {p.dtype for p in MiniatureCutout.from_pretrained(tmp_path).parameters()} == {torch.float32}


@pytest.mark.parametrize("size", [(64, 64), (100, 37), (512, 512)])
def test_mask_has_the_pictures_size_and_lies_between_0_and_1(size):
    soft_NHW = MiniatureCutout(MiniatureCutoutConfig(width=4)).soft_mask(torch.rand(1, 3, *size))
    assert soft_NHW.shape == (1, *size)
    assert 0.0 <= float(soft_NHW.min()) <= float(soft_NHW.max()) <= 1.0


def test_soft_mask_leaves_a_training_network_in_training_mode():
    network = MiniatureCutout(MiniatureCutoutConfig(width=4)).train()
    statistics = network.stem[1].running_mean.clone()
    network.soft_mask(torch.rand(1, 3, 64, 64))
    assert network.training
    assert torch.equal(network.stem[1].running_mean, statistics)


def test_missing_and_mismatching_files_are_one_clear_sentence(tmp_path):
    with pytest.raises(InputError, match=r"config\.json"):
        load_cutout(tmp_path)
    MiniatureCutout(MiniatureCutoutConfig(width=4)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"width": 8}))
    with pytest.raises(InputError, match="not a miniature cut-out network"):
        load_cutout(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="not a miniature cut-out network"):
        load_cutout(tmp_path)


@pytest.fixture
def modules_here(tmp_path_factory, monkeypatch):
    keep_remote_code_in(tmp_path_factory.mktemp("modules"), monkeypatch)


def test_foreign_code_needs_the_flag(tmp_path):
    birefnet_stub(tmp_path)
    (tmp_path / "birefnet.py").write_text("raise SystemExit('nothing here may run')")
    with pytest.raises(InputError, match="trust_remote_code"):
        load_cutout(tmp_path)


def test_the_published_pattern_of_birefnet_loads_with_the_weights_of_the_file(tmp_path, modules_here):
    folder = birefnet_stub(tmp_path / "BiRefNet-stub")
    cutter = load_cutout(folder, trust_remote_code=True)
    assert isinstance(cutter, BiRefNetCutout)
    stored, state = load_file(folder / "model.safetensors"), cutter.network.state_dict()
    assert {tensor.dtype for name, tensor in stored.items() if "tracked" not in name} == {torch.float16}
    assert set(state) == set(stored)
    assert all(torch.equal(state[name], tensor.to(state[name].dtype)) for name, tensor in stored.items())
    assert {parameter.dtype for parameter in cutter.network.parameters()} == {torch.float32}
    assert not any(module.training for module in cutter.network.modules())
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    image_NCHW = mean[:, None, None] + std[:, None, None] * 0.1 * torch.ones(1, 3, 512, 512)  # 0.1 once normalised
    weights = {name: tensor.float() for name, tensor in stored.items()}
    inner_4 = 0.1 * weights["bb.weight"].sum((1, 2, 3)) + weights["bb.bias"]
    normal_4 = (inner_4 - weights["norm.running_mean"]) / (weights["norm.running_var"] + 1e-5).sqrt()
    logit = (weights["head.weight"][0, :, 0, 0] * (normal_4 * weights["norm.weight"] + weights["norm.bias"])).sum()
    expected = (logit + weights["head.bias"][0]).sigmoid()
    assert torch.allclose(cutter.soft_mask(image_NCHW)[0, 1:-1, 1:-1], expected, atol=1e-4)


def test_a_birefnet_that_was_saved_again_takes_its_own_code_not_that_of_a_repository(tmp_path, modules_here):
    folder = birefnet_stub(tmp_path / "BiRefNet-saved")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {role: f"nobody/BiRefNet--{name}" for role, name in config["auto_map"].items()}
    (folder / "config.json").write_text(json.dumps(config))
    assert isinstance(load_cutout(folder, trust_remote_code=True), BiRefNetCutout)


def test_a_weight_that_two_names_share_lies_in_the_file_once(tmp_path, modules_here):
    folder = birefnet_stub(tmp_path / "BiRefNet-shared")
    (folder / "birefnet.py").write_text(
        BIREFNET.replace("    def forward", "        self.twin = self.head\n\n    def forward")
    )
    state = load_cutout(folder, trust_remote_code=True).network.state_dict()
    assert torch.equal(state["twin.weight"], load_file(folder / "model.safetensors")["head.weight"].float())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"drop": "head.weight"}, r"lacks 1 of the weights of BiRefNet, head\.weight among them"),
        ({"drop": "norm.running_var"}, r"lacks 1 of the weights of BiRefNet, norm\.running_var among them"),
        ({"reshape": "bb.bias"}, r"1 weights of BiRefNet in another shape, bb\.bias as \(8,\) instead of \(4,\)"),
    ],
)
def test_a_birefnet_without_all_of_its_weights_is_refused(tmp_path, modules_here, change, told):
    folder = birefnet_stub(tmp_path / f"BiRefNet-{len(told)}")
    change_weights(folder / "model.safetensors", **change)
    with pytest.raises(InputError, match=told):
        load_cutout(folder, trust_remote_code=True)


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("birefnet.py", BIREFNET.replace("self.channels = 4", "self.channels = self.absent"), "no attribute 'absent'"),
        ("config.json", '{"model_type": "segformer"}', "names no AutoConfig in its auto_map"),
        ("model.safetensors", "torn", "holds no BiRefNet"),
    ],
)
def test_what_fails_in_a_folder_of_birefnet_is_one_sentence(tmp_path, modules_here, file, text, told):
    folder = birefnet_stub(tmp_path / f"BiRefNet-{file.replace('.', '-')}")
    (folder / file).write_text(text)
    with pytest.raises(InputError, match=told) as refused:
        load_cutout(folder, trust_remote_code=True)
    assert "\n" not in str(refused.value)


def test_packages_that_foreign_code_lacks_are_named_with_the_extra(tmp_path, modules_here):
    classes = {"AutoConfig": "net.NetConfig", "AutoModelForImageSegmentation": "net.Net"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "net", "auto_map": classes}))
    (tmp_path / "net.py").write_text("import einops_of_another_name\n")
    with pytest.raises(InputError, match=r"einops_of_another_name.*install the extra `birefnet`") as told:
        load_cutout(tmp_path, trust_remote_code=True)
    assert "\n" not in str(told.value)


def test_birefnet_sees_imagenet_statistics_at_512_and_its_last_output_counts():
    seen = []

    def network(image_NCHW):
        seen.append(image_NCHW)
        return [torch.full((1, 1, 512, 512), 9.0), torch.zeros(1, 1, 512, 512)]

    image_NCHW = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None].expand(1, 3, 40, 60)
    soft_NHW = BiRefNetCutout(network, torch.device("cpu")).soft_mask(image_NCHW)
    assert seen[0].shape == (1, 3, 512, 512)
    assert float(seen[0].abs().max()) < 1e-5
    assert soft_NHW.shape == (1, 40, 60)
    assert torch.allclose(soft_NHW, torch.tensor(0.5), atol=1e-6)


def test_shipped_network_cuts_held_out_renders():
    pool = render_balanced(12345, 1, ("white", "grass", "brick", "water"), WebConfig())
    masks_NHW = cut(load_cutout(CHECKPOINTS / "cutout"), pool.images_NHW3)
    iou_N = overlap(masks_NHW, torch.from_numpy(pool.semantic_NHW) < 36)
    assert iou_N.mean() >= 0.95


def test_overlap_by_hand():
    mask_NHW = torch.tensor([[[1, 1, 0]], [[0, 0, 0]]], dtype=torch.bool)
    other_NHW = torch.tensor([[[0, 1, 1]], [[0, 0, 0]]], dtype=torch.bool)
    assert overlap(mask_NHW, other_NHW).tolist() == [pytest.approx(1 / 3), 1.0]

"""Cut-out networks: the miniature one, the BiRefNet wrapper, and the choice between them."""

import json

import pytest
import torch

from methods.common.cutouts.birefnet import BiRefNetCutout
from methods.common.cutouts.load import load_cutout
from methods.common.cutouts.miniature import MiniatureCutout, MiniatureCutoutConfig
from methods.common.errors import InputError
from methods.common.miniature.measurements import cut, overlap, render_balanced
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.world_config import WebConfig


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


def test_foreign_code_needs_the_flag_and_a_pinned_commit(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "SegformerForSemanticSegmentation"}))
    with pytest.raises(InputError, match="trust_remote_code"):
        load_cutout(tmp_path)
    with pytest.raises(InputError, match="commit"):
        BiRefNetCutout.from_pretrained("ZhengPeng7/BiRefNet", "main", trust_remote_code=True)


def test_packages_that_foreign_code_lacks_are_named_with_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
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

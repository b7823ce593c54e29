"""The whole network at the miniature size: shapes, batching, losses, determinism, saving."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from methods.common.errors import InputError
from methods.common.segmenters.backbones.config import SwinConfig
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature, centernet2_r50
from methods.common.segmenters.instance.interface import InstanceTarget


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model() -> CenterNet2:
    return CenterNet2(centernet2_miniature(5), seeded()).eval()


def square_target(size: int, classes: tuple[int, ...] = (1, 3)) -> InstanceTarget:
    masks = torch.zeros(len(classes), size, size, dtype=torch.bool)
    boxes = torch.zeros(len(classes), 4)
    for index in range(len(classes)):
        start = 8 + 20 * index
        masks[index, start : start + 16, 4:20] = True
        boxes[index] = torch.tensor([4.0, start, 20, start + 16])
    return InstanceTarget(boxes, torch.tensor(classes, dtype=torch.long), masks)


def picture(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=seeded(seed)) * 255


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 83), (16, 16)])
def test_any_image_size(model: CenterNet2, height: int, width: int) -> None:
    image = picture(1, 1, 3, height, width)
    outputs = model(image)
    rows, columns = -(-height // 16) * 4, -(-width // 16) * 4
    assert outputs.heat_map_logits[0].shape == (1, 1, rows, columns)
    assert outputs.distances[-1].shape == (1, 4, rows // 4, columns // 4)
    (found,) = model.detect(image)
    assert found.masks_NHW is not None
    assert found.masks_NHW.shape == (len(found), height, width)
    assert (found.boxes_N4[:, 2] <= width).all()
    assert (found.scores_N.diff() <= 0).all()
    assert found.classes_N.max() < 5


def test_batch_of_different_sizes_pads_with_zeros(model: CenterNet2) -> None:
    """Each image sees zeros outside of itself, whatever the batch holds there."""
    small = picture(2, 1, 3, 48, 32)
    batch = picture(3, 2, 3, 64, 64)
    batch[0, :, :48, :32] = small[0]
    prepared, sizes = model.prepare(batch, [(48, 32), (64, 64)])
    assert sizes == [(48, 32), (64, 64)]
    assert prepared[0, :, 48:].abs().sum() == prepared[0, :, :, 32:].abs().sum() == 0
    assert torch.equal(prepared[0, :, :48, :32], model.prepare(small)[0][0])
    found = model.detect(batch, [(48, 32), (64, 64)])
    assert found[0].masks_NHW is not None
    assert found[0].masks_NHW.shape[1:] == (48, 32)
    assert found[0].boxes_N4[:, 2].max() <= 32


def test_images_of_a_batch_do_not_mix(model: CenterNet2) -> None:
    images = picture(4, 3, 3, 64, 64)
    together = model.detect(images)
    alone = model.detect(images[1:2])[0]
    assert torch.allclose(together[1].scores_N, alone.scores_N, atol=1e-5)
    assert torch.allclose(together[1].boxes_N4, alone.boxes_N4, atol=1e-3)
    assert alone.masks_NHW is not None
    assert alone.masks_NHW.shape[1:] == (64, 64)
    assert model.detect(images, masks=False)[0].masks_NHW is None


def test_output_size_scales_boxes_and_masks(model: CenterNet2) -> None:
    image = picture(5, 1, 3, 64, 64)
    plain, doubled = model.detect(image)[0], model.detect(image, output_sizes=[(128, 96)])[0]
    assert torch.allclose(doubled.boxes_N4, plain.boxes_N4 * torch.tensor([1.5, 2, 1.5, 2]), atol=1e-3)
    assert doubled.masks_NHW is not None
    assert doubled.masks_NHW.shape[1:] == (128, 96)


def test_losses_with_and_without_instances(model: CenterNet2) -> None:
    model.train()
    empty = InstanceTarget(
        torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, 64, 64, dtype=torch.bool)
    )
    images = picture(6, 2, 3, 64, 64)
    for targets in ([square_target(64), empty], [empty, empty]):
        losses = model.losses(images, targets, seeded())
        assert set(losses) == {"heat_map_positive", "heat_map_negative", "proposal_box", "mask"} | {
            f"{kind}_{stage}" for kind in ("class", "box") for stage in (1, 2, 3)
        }
        total = torch.stack(list(losses.values())).sum()
        assert torch.isfinite(total)
        model.zero_grad()
        total.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        background_row = model.classifier_weight.grad
        assert background_row is not None
        assert background_row[-1].abs().sum() == 0
    assert losses["mask"] == losses["box_1"] == losses["proposal_box"] == 0
    model.zero_grad()
    model.eval()


def test_losses_depend_on_the_generator_only() -> None:
    network = CenterNet2(centernet2_miniature(5), seeded()).train()
    images, targets = picture(7, 2, 3, 64, 64), [square_target(64), square_target(64)]
    torch.manual_seed(1)
    first = {name: value.item() for name, value in network.losses(images, targets, seeded(3)).items()}
    torch.manual_seed(2)
    second = {name: value.item() for name, value in network.losses(images, targets, seeded(3)).items()}
    assert first == second


def test_training_makes_the_loss_fall() -> None:
    network = CenterNet2(centernet2_miniature(5), seeded()).train()
    images, targets = picture(8, 2, 3, 64, 64), [square_target(64), square_target(64, (0,))]
    for row, target in enumerate(targets):
        images[row] *= 0.2 + 0.8 * target.masks_NHW.any(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    totals = []
    for step in range(12):
        total = torch.stack(list(network.losses(images, targets, seeded(step)).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert sum(totals[-3:]) < 0.8 * sum(totals[:3])


def test_same_generator_same_weights() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = CenterNet2(centernet2_miniature(5), seeded(9)).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    second = CenterNet2(centernet2_miniature(5), seeded(9)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_whole_image_classification_is_differentiable(model: CenterNet2) -> None:
    image = picture(10, 2, 3, 64, 48).requires_grad_()
    logits = model.classify_whole_image(image)
    assert logits.shape == (2, 6)
    (gradient,) = torch.autograd.grad(logits[0].sum(), image)
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0
    outputs = model(image.detach())
    box = torch.tensor([[0.0, 0, 48, 64]])
    assert torch.allclose(logits, model.cascade.classify(outputs.features, [box, box]), atol=1e-5)


def test_class_counts_become_sampling_weights(model: CenterNet2) -> None:
    model.set_class_counts([1, 4, 9, 100, 0])
    assert model.cascade.get_buffer("class_weight_C").tolist() == [1, 2, 3, 10, 0]


def test_save_and_load(model: CenterNet2, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    loaded = CenterNet2.from_pretrained(tmp_path / "model")
    assert loaded.config == model.config
    image = picture(11, 1, 3, 64, 64)
    assert torch.equal(loaded.classify_whole_image(image), model.classify_whole_image(image))


def test_unreadable_folders_are_named(model: CenterNet2, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config.json cannot be read .*; give a folder that a segmenter"):
        CenterNet2.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model.safetensors cannot be read"):
        CenterNet2.from_pretrained(tmp_path)
    CenterNet2(centernet2_miniature(4)).save_pretrained(tmp_path / "other")
    weights.write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"does not fit its config.json"):
        CenterNet2.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"num_classes": 0}')
    with pytest.raises(InputError, match=r"config.json describes no CenterNet2Config: num_classes: "):
        CenterNet2.from_pretrained(tmp_path)


def test_tiny_swin_runs_any_size_and_drops_paths_by_generator() -> None:
    swin = SwinConfig(window=4, embedding=8, depths=(1, 2, 1), heads=(1, 2, 4), drop_path=0.5, output_stages=(0, 1, 2))
    config = CenterNet2Config.model_validate(centernet2_miniature(5).model_dump() | {"backbone": swin.model_dump()})
    network = CenterNet2(config, seeded()).train()
    images, targets = picture(12, 2, 3, 52, 71), [square_target(64), square_target(64)]
    runs = [network.pyramid_features(network.prepare(images)[0], seeded(seed))[0] for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert torch.isfinite(torch.stack(list(network.losses(images, targets, seeded()).values()))).all()


def test_configs_are_checked_and_load_no_torch() -> None:
    with pytest.raises(ValueError, match=r"pyramid 5 levels"):
        CenterNet2Config.model_validate(centernet2_r50().model_dump() | {"proposals": {"ranges_px": [(0, 80)]}})
    code = "import sys; import methods.common.segmenters.centernet2.presets, methods.common.training.recipe; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"

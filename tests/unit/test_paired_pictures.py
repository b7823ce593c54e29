"""PSNR, SSIM and LPIPS of paired pictures: by formula, by hand, and never by a download."""

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import get_model

from methods.common.errors import InputError
from methods.common.metrics.generated_images.paired import (
    LPIPS_FILES,
    LPIPS_MIN_SIDE_PX,
    LpipsNetwork,
    evaluate_paired,
    load_lpips,
    peak_signal_to_noise_ratio,
    structural_similarity,
)

MODELS: dict[LpipsNetwork, str] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_psnr_by_formula() -> None:
    image_N3HW, reference_N3HW = drawn(0, 3, 3, 9, 7), drawn(1, 3, 3, 9, 7)
    image_N3HW[1] = reference_N3HW[1]
    image_N3HW[2] = reference_N3HW[2] + 0.1  # 10 log10(1 / 0.01)
    found = peak_signal_to_noise_ratio(image_N3HW, reference_N3HW).tolist()
    squares = [
        (one - other) ** 2 for one, other in zip(image_N3HW[0].flatten(), reference_N3HW[0].flatten(), strict=True)
    ]
    assert found == [pytest.approx(10 * math.log10(len(squares) / float(sum(squares)))), math.inf, pytest.approx(20)]


def naive_ssim(image_HW: np.ndarray, reference_HW: np.ndarray) -> float:
    """Wang et al. 2004, equations 13 to 16, window by window; the picture is mirrored about its border pixels."""
    weight_11 = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weight = np.outer(weight_11, weight_11) / weight_11.sum() ** 2
    one, other = (np.pad(channel, 5, mode="reflect") for channel in (image_HW, reference_HW))
    c1, c2, found = 0.01**2, 0.03**2, []
    for row in range(image_HW.shape[0]):
        for column in range(image_HW.shape[1]):
            x, y = (padded[row : row + 11, column : column + 11] for padded in (one, other))
            mean_x, mean_y = (weight * x).sum(), (weight * y).sum()
            variance_x, variance_y = (weight * (x - mean_x) ** 2).sum(), (weight * (y - mean_y) ** 2).sum()
            covariance = (weight * (x - mean_x) * (y - mean_y)).sum()
            luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            found.append(luminance * (2 * covariance + c2) / (variance_x + variance_y + c2))
    return float(np.mean(found))


def test_ssim_equals_a_naive_one_and_is_one_for_equal_pictures() -> None:
    image_N3HW = drawn(2, 3, 3, 14, 19)
    reference_N3HW = (image_N3HW + 0.3 * drawn(3, 3, 3, 14, 19)).clamp(max=1)
    reference_N3HW[1] = image_N3HW[1]
    reference_N3HW[2] = 1 - image_N3HW[2]
    found = structural_similarity(image_N3HW, reference_N3HW)
    expected = [
        np.mean([naive_ssim(one.numpy(), other.numpy()) for one, other in zip(image_3HW, reference_3HW, strict=True)])
        for image_3HW, reference_3HW in zip(image_N3HW, reference_N3HW, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected, abs=1e-9)
    assert found[1] == pytest.approx(1, abs=1e-12)
    assert found[2] < 0 < found[0] < 0.95


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the convolutions under the published file names."""
    place = tmp_path_factory.mktemp("lpips")
    for seed, name in enumerate(("alex", "squeeze")):
        torch.manual_seed(seed)
        state = get_model(MODELS[name], weights=None).features.state_dict()
        torch.save({f"features.{key}": value for key, value in state.items()}, place / LPIPS_FILES[name])
    return place


def naive_lpips(folder: Path, image_13HW: Tensor, reference_13HW: Tensor) -> float:
    """Zhang et al. 2018, equation 1, after each of AlexNet's five rectifiers."""
    import torchmetrics

    layers = get_model("alexnet", weights=None).features
    state = torch.load(folder / LPIPS_FILES["alex"], weights_only=True)
    layers.load_state_dict({name.removeprefix("features."): value for name, value in state.items()})
    linear = torch.load(
        Path(torchmetrics.__path__[0]) / "functional/image/lpips_models/alex.pth", weights_only=True, map_location="cpu"
    )
    shift, scale = (torch.tensor(values)[:, None, None] for values in ([-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]))
    x, y = (((2 * picture.float() - 1) - shift) / scale for picture in (image_13HW, reference_13HW))
    total, level = 0.0, 0
    with torch.no_grad():
        for layer in layers:
            x, y = layer(x), layer(y)
            if isinstance(layer, nn.ReLU):
                difference = x / x.norm(dim=1, keepdim=True) - y / y.norm(dim=1, keepdim=True)
                weight_1C11 = linear[f"lin{level}.model.1.weight"]
                total += float((weight_1C11 * difference**2).sum(1).mean())
                level += 1
    assert level == 5
    return total


def test_lpips_on_weights_of_ones_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_download(*_: Any, **__: Any) -> None:
        raise AssertionError("a download was begun")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_download)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", no_download)
    image_13HW, reference_13HW = drawn(4, 1, 3, 64, 80), drawn(5, 1, 3, 64, 80)
    alex = load_lpips(str(folder))
    found = float(alex(image_13HW.float(), reference_13HW.float()))
    assert found == pytest.approx(naive_lpips(folder, image_13HW, reference_13HW), rel=1e-3)
    assert float(alex(image_13HW.float(), image_13HW.float())) == 0
    squeeze = load_lpips(folder / LPIPS_FILES["squeeze"], "squeeze")
    assert float(squeeze(image_13HW.float(), reference_13HW.float())) != pytest.approx(found, rel=1e-2)


def test_weights_that_are_not_there_are_one_sentence(
    folder: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    address = "download https://download.pytorch.org/models/vgg16-397923af.pth and name it or its folder"
    with pytest.raises(InputError, match=f"there is no file .*vgg16-397923af.pth; {address}"):
        load_lpips(folder, "vgg")
    with pytest.raises(InputError, match=f"alexnet-owt-7be5be79.pth is not torchvision's vgg16; {address}"):
        load_lpips(folder / LPIPS_FILES["alex"], "vgg")
    (tmp_path / "page.pth").write_text("<html>")
    with pytest.raises(InputError, match=r"page\.pth is no file of tensors; download"):
        load_lpips(tmp_path / "page.pth")
    (tmp_path / "page.pth").write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with pytest.raises(InputError, match=r"page\.pth is no file of tensors; download"):
        load_lpips(tmp_path / "page.pth")
    assert [str(one.message) for one in recwarn] == [], "torch warns of the form of the pickle"


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Path, Path]:
    """Two pairs of different sizes; the second pair is equal but for its form."""
    made, real = tmp_path / "made", tmp_path / "real"
    generator = np.random.default_rng(0)
    for place in (made, real):
        place.mkdir()
        Image.fromarray(generator.integers(0, 256, (40, 33, 3), np.uint8)).save(place / "a.png")
    grey_HW = generator.integers(0, 256, (36, 50), np.uint8)
    Image.fromarray(grey_HW).save(made / "b.png")
    Image.fromarray(np.stack([grey_HW] * 3, 2)).save(real / "b.bmp")
    return made, real


def test_folders_are_compared_pair_by_pair(pairs: tuple[Path, Path], folder: Path) -> None:
    told: list[tuple[int, int]] = []
    found = evaluate_paired(*pairs, lpips_weights=folder, progress=lambda *done: told.append(done))
    one, other = (
        torch.from_numpy(np.array(Image.open(place / "a.png"))).permute(2, 0, 1)[None].double() / 255 for place in pairs
    )
    of_first = {
        "PSNR": peak_signal_to_noise_ratio(one, other).item(),
        "SSIM": structural_similarity(one, other).item(),
        "LPIPS": float(load_lpips(folder)(one.float(), other.float())),
    }
    assert found.image_ids == ("a", "b")
    assert told == [(1, 2), (2, 2)]
    assert found.metrics(np.array([2.0, 0])) == pytest.approx(of_first)
    whole = found.metrics()
    assert whole["PSNR"] is None
    assert whole["SSIM"] == pytest.approx((of_first["SSIM"] + 1) / 2)
    assert whole["LPIPS"] == pytest.approx(of_first["LPIPS"] / 2)
    assert set(found.metrics(np.zeros(2)).values()) == {None}
    assert [note.split(" images")[0] for note in found.notes()] == ["1 of the 2"] * 2
    assert "infinite PSNR" in found.notes()[1]
    assert list(evaluate_paired(*pairs).metrics()) == ["PSNR", "SSIM"]


@pytest.mark.parametrize(
    ("size", "told"), [((33, 41), "a.png is 33x41 pixels and .*a.png 33x40; give"), ((33, 40), None)]
)
def test_pairs_have_one_size(pairs: tuple[Path, Path], size: tuple[int, int], told: str | None) -> None:
    Image.new("RGB", size).save(pairs[0] / "a.png")
    if told is None:
        evaluate_paired(*pairs)
    else:
        with pytest.raises(InputError, match=told):
            evaluate_paired(*pairs)


@pytest.mark.parametrize("network", ["alex", "squeeze"])
def test_small_pictures_are_refused_where_a_layer_would_see_nothing(
    tmp_path: Path, folder: Path, network: LpipsNetwork
) -> None:
    for side in (5, 6, LPIPS_MIN_SIDE_PX - 1, LPIPS_MIN_SIDE_PX):
        for name in ("made", "real"):
            (tmp_path / f"{name}{side}").mkdir()
            Image.new("RGB", (side, 50), (9, 9, 9 if name == "made" else 99)).save(tmp_path / f"{name}{side}" / "a.png")
    places = {side: (tmp_path / f"made{side}", tmp_path / f"real{side}") for side in (5, 6, 31, 32)}
    with pytest.raises(InputError, match="5x50 pixels; give pictures of at least 6 a side"):
        evaluate_paired(*places[5])
    assert evaluate_paired(*places[6]).metrics()["SSIM"] is not None
    with pytest.raises(InputError, match="31x50 pixels; give pictures of at least 32 a side"):
        evaluate_paired(*places[31], lpips_weights=folder, network=network)
    assert evaluate_paired(*places[32], lpips_weights=folder, network=network).metrics()["LPIPS"] is not None

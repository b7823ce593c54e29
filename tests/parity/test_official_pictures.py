"""FID, KID and CLIPScore beside the packages of the field, on the same files, weights and pixels."""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity.metrics
import torchmetrics.image.fid
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchmetrics.image.kid import KernelInceptionDistance

from methods.common.errors import InputError
from methods.common.metrics.generated_images.clip_scores import evaluate_clip_score_text
from methods.common.metrics.generated_images.fid import fid_of_features
from methods.common.metrics.generated_images.image_folders import list_images
from methods.common.metrics.generated_images.inception import InceptionFeatures, extract_features
from methods.common.metrics.generated_images.kid import kid_of_features
from methods.common.metrics.official.clip_score_text import evaluate_clip_score_text_officially
from methods.common.metrics.official.fid import evaluate_fid_officially
from methods.common.metrics.official.inception import copied_weights, picture_batches
from methods.common.metrics.official.kid import evaluate_kid_officially
from methods.common.miniature.shipped import CHECKPOINTS
from tests.parity.random_inception import random_inception

CLIP = CHECKPOINTS / "clip"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
HEIGHT, WIDTH = 360, 420
"""Larger than the network's 299, so that antialiasing counts."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(random_inception(), path)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Six pictures of soft blots each, in colours that differ between the folders, under fine grain."""
    place, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, tint in (("made", (90, 0, 0)), ("real", (0, 40, 90))):
        (place / name).mkdir()
        for index in range(6):
            blots = Image.fromarray(generator.integers(0, 256, (6, 7, 3), np.uint8)).resize((WIDTH, HEIGHT))
            pixels = np.asarray(blots, int) // 2 + generator.integers(0, 60, (HEIGHT, WIDTH, 3)) + np.array(tint) // 2
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / name / f"{index}.png")
    return place / "made", place / "real"


@pytest.fixture(scope="module")
def features(folders: tuple[Path, Path], weights: Path) -> list[InceptionFeatures]:
    """What our network makes of both folders."""
    return extract_features([list_images(folder) for folder in folders], weights)


class Pictures(Dataset):
    """A folder as torch-fidelity reads one."""

    def __init__(self, folder: Path) -> None:
        self.paths = list_images(folder).paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.array(Image.open(self.paths[index]))).permute(2, 0, 1)


def in_few_dimensions(*gaussians: tuple[np.ndarray, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Means and covariances in an orthonormal basis of the space that they fill, which is small for a few pictures; FID is the same in any."""
    gaussians = tuple((mean.astype(np.float64), cov.astype(np.float64)) for mean, cov in gaussians)
    probe_DR = np.random.default_rng(0).normal(size=(len(gaussians[0][0]), 12))
    filled_DR = np.hstack([part for mean, cov in gaussians for part in (mean[:, None], cov @ probe_DR)])
    basis_DR, _ = np.linalg.qr(filled_DR)
    small = [(basis_DR.T @ mean, basis_DR.T @ cov @ basis_DR) for mean, cov in gaussians]
    for (mean, cov), (small_mean, small_cov) in zip(gaussians, small, strict=True):
        assert np.trace(small_cov) == pytest.approx(np.trace(cov), rel=1e-9), "the basis misses a part"
        assert small_mean @ small_mean == pytest.approx(mean @ mean, rel=1e-9)
    return small


@pytest.fixture(scope="module")
def quick_roots() -> Iterator[None]:
    """Both packages take the root of a matrix of 2,048 rows, which lasts ten seconds and more; here they take it of few rows."""
    by_torchmetrics, by_torch_fidelity = (
        torchmetrics.image.fid._compute_fid,
        torch_fidelity.metrics.fid_statistics_to_metric,
    )

    def with_tensors(mean_1: Tensor, cov_1: Tensor, mean_2: Tensor, cov_2: Tensor) -> Tensor:
        small = in_few_dimensions((mean_1.numpy(), cov_1.numpy()), (mean_2.numpy(), cov_2.numpy()))
        return by_torchmetrics(*(torch.from_numpy(part) for gaussian in small for part in gaussian))

    def with_statistics(one: dict[str, np.ndarray], other: dict[str, np.ndarray], verbose: bool) -> dict[str, float]:
        small = in_few_dimensions((one["mu"], one["sigma"]), (other["mu"], other["sigma"]))
        return by_torch_fidelity(*({"mu": mean, "sigma": cov} for mean, cov in small), verbose)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchmetrics.image.fid, "_compute_fid", with_tensors)
        patch.setattr(torch_fidelity.metrics, "fid_statistics_to_metric", with_statistics)
        yield


@pytest.fixture(scope="module")
def of_torch_fidelity(folders: tuple[Path, Path], weights: Path, quick_roots: None) -> dict[str, float]:
    """What its own front door gives; subsets are drawn from the first input first."""
    return torch_fidelity.calculate_metrics(
        input1=Pictures(folders[0]),
        input2=Pictures(folders[1]),
        fid=True,
        kid=True,
        kid_subsets=10,
        kid_subset_size=5,
        rng_seed=3,
        feature_extractor_weights_path=str(weights),
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )


def test_three_tools_give_three_fids_and_ours_is_the_one_of_its_pixels(
    folders: tuple[Path, Path], weights: Path, features: list[InceptionFeatures], of_torch_fidelity: dict[str, float]
) -> None:
    ours = fid_of_features(*features, allow_few_images=True)
    official = evaluate_fid_officially(*folders, weights, allow_few_images=True)
    found = official.metrics()
    assert list(found) == ["FID", "FID_torchmetrics", "FID_torch_fidelity"]
    # Twelve pictures leave the covariances singular, where a matrix root keeps half of the digits.
    assert found["FID"] == pytest.approx(ours.metrics()["FID"], rel=1e-5)
    assert found["FID_torch_fidelity"] == pytest.approx(of_torch_fidelity["frechet_inception_distance"], rel=1e-4)
    for one, other in (
        ("FID", "FID_torchmetrics"),
        ("FID", "FID_torch_fidelity"),
        ("FID_torchmetrics", "FID_torch_fidelity"),
    ):
        assert abs(found[one] / found[other] - 1) > 1e-3, (one, other)  # type: ignore[operator]
    assert official.image_ids == ours.image_ids
    assert official.notes() == ours.notes()
    with pytest.raises(InputError, match="cannot be resampled"):
        official.metrics(np.ones(6))
    assert documented_fids() == {name: f"{value:.2f}" for name, value in found.items()}


def documented_fids() -> dict[str, str]:
    """The table in the passport of FID."""
    rows = re.findall(r"^\| `(FID\w*)` \|.*\| ([\d.]+) \|$", PAGE.read_text(), re.MULTILINE)
    return dict(rows)


def test_kid_of_torch_fidelity_and_of_torchmetrics(
    folders: tuple[Path, Path], weights: Path, features: list[InceptionFeatures], of_torch_fidelity: dict[str, float]
) -> None:
    options = {"num_subsets": 10, "subset_size": 5, "seed": 3}
    ours = kid_of_features(*features, **options)
    official = evaluate_kid_officially(*folders, weights, **options).metrics()
    assert ours.metrics() == pytest.approx({name: official[name] for name in ("KID", "KID_std")}, rel=1e-4)
    own = {"KID_torch_fidelity": "mean", "KID_torch_fidelity_std": "std"}
    assert {name: official[name] for name in own} == pytest.approx(
        {name: of_torch_fidelity[f"kernel_inception_distance_{kind}"] for name, kind in own.items()}, rel=1e-3
    )
    assert abs(official["KID_torch_fidelity"] / official["KID"] - 1) > 1e-3  # type: ignore[operator]
    # torchmetrics draws its subsets in its own way: of whole folders there is one.
    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # that it keeps all features
        whole = KernelInceptionDistance(torch.nn.Identity(), subsets=1, subset_size=6)
    for images, is_real in zip(features, (False, True), strict=True):
        whole.update(torch.from_numpy(images.feature_ND).double(), real=is_real)
    expected = kid_of_features(*features, num_subsets=1, subset_size=6).metrics()["KID"]
    assert float(whole.compute()[0]) == pytest.approx(expected, rel=1e-9)


def test_torch_fidelity_gets_tensors_alone_and_nothing_is_downloaded(
    folders: tuple[Path, Path], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Runs:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "it ran",)

    def no_download(*_: object, **__: object) -> None:
        raise AssertionError("a download was begun")

    monkeypatch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", no_download)
    torch.save(random_inception() | {"more": Runs()}, tmp_path / "evil.pth")
    for evaluate in (evaluate_fid_officially, evaluate_kid_officially):
        options = {"allow_few_images": True} if evaluate is evaluate_fid_officially else {"subset_size": 5}
        with pytest.raises(InputError, match=r"evil\.pth is no file of tensors"):
            evaluate(*folders, tmp_path / "evil.pth", **options)
        with pytest.raises(InputError, match=r"there is no file .*absent\.pth"):
            evaluate(*folders, tmp_path / "absent.pth", **options)
    assert not (tmp_path / "it ran").exists()
    with copied_weights(weights) as copy:
        assert set(torch.load(copy, weights_only=True)) == set(random_inception())
    assert not copy.exists()


def test_few_images_are_refused_by_the_packages_too(folders: tuple[Path, Path], weights: Path) -> None:
    with pytest.raises(InputError, match="has 6 images and FID needs 2,048"):
        evaluate_fid_officially(*folders, weights)
    with pytest.raises(InputError, match="has 6 images and a subset of kid needs 1,000"):
        evaluate_kid_officially(*folders, weights)


def test_batches_hold_the_very_pixels_in_order_whatever_their_sizes(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    sizes = [(4, 5)] * 17 + [(5, 4), (4, 5), (4, 5)]
    pixels = [generator.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    for index, pixel_HW3 in enumerate(pixels):
        Image.fromarray(pixel_HW3).save(tmp_path / f"{index:02d}.png")
    batches = list(picture_batches(list_images(tmp_path), torch.device("cpu")))
    assert [len(batch) for batch in batches] == [16, 1, 1, 2]
    read = [picture.permute(1, 2, 0).numpy() for batch in batches for picture in batch]
    assert all(np.array_equal(one, other) for one, other in zip(read, pixels, strict=True))


def test_clip_score_by_torchmetrics(tmp_path: Path) -> None:
    """A prompt of its own, one that is longer than CLIP reads, and pictures of several shapes."""
    generator = np.random.default_rng(2)
    prompts = {"a": "a photo of a coin", "b": "a moon", "c": "a coin " * 200, "d": "nothing of the kind"}
    (tmp_path / "made").mkdir()
    for index, name in enumerate(prompts):
        pixels = generator.integers(0, 256, (70 + index, 96 - 3 * index, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "made" / f"{name}.png")
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    places = tmp_path / "made", tmp_path / "prompts.json", CLIP
    for prefix in ("", "A photo depicts "):
        ours = evaluate_clip_score_text(*places, prefix=prefix)
        official = evaluate_clip_score_text_officially(*places, prefix=prefix)
        assert official.metrics() == pytest.approx(ours.metrics(), abs=2e-6)
        assert official.image_ids == ours.image_ids


def test_clip_score_counts_what_is_positive_of_each_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([(40.0, 40.0), (-20.0, 0.0)])
    monkeypatch.setattr("methods.common.metrics.official.clip_score_text._scores", lambda *_: next(scores))
    (tmp_path / "made").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (8, 8)).save(tmp_path / "made" / f"{name}.png")
    (tmp_path / "p.txt").write_text("one\ntwo\n")
    found = evaluate_clip_score_text_officially(tmp_path / "made", tmp_path / "p.txt", CLIP).metrics()
    assert found == {"clip_score_text": pytest.approx(2.5 * 0.2), "mean_cosine": pytest.approx(0.1)}

"""Metrics on whole images: Fréchet distance, Inception features, KID, and scores of generated masks.

    OMP_NUM_THREADS=1 pytest benchmarks/bench_image_metrics.py --benchmark-only

Each stands beside what one would run otherwise, in the same run: scipy's root of the covariance product as in pytorch-fid's
formula; the network without folded normalisation, in torch's default layout; torchmetrics' KID; one boolean mask
a class; and for masks on disk the decoding of the same files.
"""

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image
from torchmetrics.image.kid import poly_mmd

from benchmarks.processor_time import processor_s
from benchmarks.sizes import size
from benchmarks.whole_program import seconds
from methods.common.datasets.png_labels import read_labels
from methods.common.metrics.generated_images.fid import fit_gaussian, frechet_distance
from methods.common.metrics.generated_images.inception import InceptionFeatures, fid_inception, load_fid_inception
from methods.common.metrics.generated_images.kid import kid_of_features
from methods.common.metrics.label_maps.mask_quality import (
    agreement_of_label_maps,
    agreement_with_masks,
    evaluate_mask_quality,
)
from methods.common.metrics.label_maps.png_folders import pair_by_name

SIDE = 512
NUM_CLASSES = 21


def inception_like(num_images, shift, seed):
    """Features that are sparse, positive and correlated, like pooled activations, float32 [N, 2048]."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(num_images, 256)) @ np.random.default_rng(0).normal(size=(256, 2048)) / 40
    return np.maximum(mixed + 0.3 * rng.normal(size=(num_images, 2048)) + 0.1 + shift, 0).astype(np.float32)


def root_formula(one_ND, other_ND):
    shift = one_ND.mean(0) - other_ND.mean(0)
    one, other = np.cov(one_ND, rowvar=False), np.cov(other_ND, rowvar=False)
    return shift @ shift + np.trace(one) + np.trace(other) - 2 * np.trace(scipy.linalg.sqrtm(one @ other).real)


@pytest.mark.parametrize("num_images", [1000, *([5000] if size(0, 1) else [])])
def test_frechet_distance(benchmark, num_images):
    """From features to the number; with 1,000 images the covariances are singular."""
    one, other = inception_like(num_images, 0, 1), inception_like(num_images, 0.02, 2)
    ours = benchmark.pedantic(
        lambda: frechet_distance(fit_gaussian(one), fit_gaussian(other)), rounds=size(1, 3), warmup_rounds=size(0, 1)
    )
    theirs = []
    usual_s = seconds(lambda: theirs.append(root_formula(one.astype(np.float64), other.astype(np.float64))))
    benchmark.extra_info["matrix_root_s"] = round(usual_s, 2)
    benchmark.extra_info["times_faster"] = round(usual_s / benchmark.stats.stats.min, 1)
    benchmark.extra_info["relative_difference"] = f"{abs(ours - theirs[0]) / ours:.1e}"


def test_kid(benchmark):
    """5,000 images in 100 subsets of 1,000 (without `--full-size` 1,500 in subsets of 300), against torchmetrics in processor time.

    torchmetrics computes in the features' single precision unless it is told otherwise, ours in single precision of what features
    differ from their mean; both errors are those against double precision.
    """
    num_images = size(1_500, 5_000)
    one, other = (
        InceptionFeatures(None, tuple(map(str, range(num_images))), inception_like(num_images, shift, seed))
        for shift, seed in ((0, 1), (0.02, 2))
    )
    ours = kid_of_features(one, other, subset_size=num_images // 5)
    benchmark.pedantic(ours.metrics, rounds=1)
    ours_s = processor_s(lambda: kid_of_features(one, other, subset_size=num_images // 5).metrics(), 2)

    def theirs(kind: type) -> float:
        """A tenth of the subsets."""
        rng, total = np.random.RandomState(2020), 0.0
        x_ND, y_ND = (torch.from_numpy(features.feature_ND.astype(kind)) for features in (one, other))
        for _ in range(10):
            x, y = (torch.from_numpy(rng.choice(num_images, num_images // 5, replace=False)) for _ in range(2))
            total += float(poly_mmd(x_ND[x], y_ND[y]))
        return total / 10

    for kind in (np.float32, np.float64):
        name = f"torchmetrics_{np.dtype(kind).name}"
        benchmark.extra_info[f"{name}_cpu_s"] = round(10 * processor_s(lambda kind=kind: theirs(kind), 2), 2)
        benchmark.extra_info[f"times_less_cpu_than_{name}"] = round(benchmark.extra_info[f"{name}_cpu_s"] / ours_s, 1)
    benchmark.extra_info["cpu_s"] = round(ours_s, 2)
    few = kid_of_features(one, other, num_subsets=10, subset_size=num_images // 5).metrics()["KID"]
    assert few == pytest.approx(theirs(np.float64), rel=1e-9)
    errors = [ours.metrics()["KID"] / ours.metrics(np.ones(num_images))["KID"] - 1, theirs(np.float32) / few - 1]
    assert abs(errors[0]) < 1e-5
    benchmark.extra_info["relative_error"], benchmark.extra_info["torchmetrics_float32_relative_error"] = (
        f"{abs(error):.1e}" for error in errors
    )


@pytest.mark.parametrize("layout", ["ours", "plain"])
def test_inception_features(benchmark, tmp_path, layout):
    """A batch of 16 on one core."""
    torch.manual_seed(0)
    network = fid_inception()
    if layout == "ours":
        torch.save(network.state_dict(), tmp_path / "weights.pth")
        network = load_fid_inception(tmp_path / "weights.pth", torch.device("cpu"))
    images = torch.rand(16, 3, 299, 299)
    if layout == "ours":
        images = images.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        benchmark.pedantic(lambda: network(images), rounds=size(2, 3), warmup_rounds=1)
    benchmark.extra_info["images_per_s"] = round(16 / benchmark.stats.stats.min, 2)


def drawn_labels(rng):
    """Up to four ellipses of three classes, uint8 [512, 512]."""
    y, x = np.mgrid[:SIDE, :SIDE]
    label_HW = np.zeros((SIDE, SIDE), np.uint8)
    for class_id in rng.choice(np.arange(1, NUM_CLASSES), 3, replace=False).repeat([2, 1, 1]):
        (cy, cx), (ry, rx) = rng.uniform(60, SIDE - 60, 2), rng.uniform(30, 140, 2)
        label_HW[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] = class_id
    return label_HW


@pytest.fixture(scope="module")
def masks():
    """Generated maps with an uncertain band, and reference maps a few pixels off."""
    rng, pairs = np.random.default_rng(0), []
    for _ in range(64):
        reference = drawn_labels(rng)
        generated = np.roll(reference, rng.integers(-8, 9, 2), (0, 1))
        generated[(generated != np.roll(generated, 3, 1))] = 255
        pairs.append((generated, reference))
    return pairs


def plain_scores(generated, reference):
    valid, found, both_sum, either_sum = generated != 255, [], 0, 0
    for class_id in range(NUM_CLASSES):
        own, other = (generated == class_id) & valid, (reference == class_id) & valid
        both, either = (own & other).sum(), (own | other).sum()
        found.append(both / either if either else np.nan)
        both_sum, either_sum = both_sum + both, either_sum + either
    own, other = (generated != 0) & valid, (reference != 0) & valid
    return np.nanmean(found[1:]), both_sum / either_sum, np.nanmean(found), (own & other).sum() / (own | other).sum()


def test_scores_of_label_maps_in_memory(benchmark, masks):
    """Pairs of 512x512, 21 classes, on one core."""

    def score():
        return [agreement_of_label_maps(*pair, NUM_CLASSES).scores() for pair in masks]

    benchmark.pedantic(score, rounds=5, warmup_rounds=1)
    plain_s = seconds(lambda: [plain_scores(*pair) for pair in masks])
    benchmark.extra_info["images_per_s"] = round(len(masks) / benchmark.stats.stats.min)
    benchmark.extra_info["class_by_class_images_per_s"] = round(len(masks) / plain_s)


def test_scores_with_masks_in_memory(benchmark, masks):
    """A label map of 512x512 with a boolean mask for each of its classes, on one core."""
    asked = [(generated, {int(c): reference == c for c in np.unique(reference) if c}) for generated, reference in masks]

    def score():
        return [agreement_with_masks(generated, masks, NUM_CLASSES).scores() for generated, masks in asked]

    benchmark.pedantic(score, rounds=5, warmup_rounds=1)
    benchmark.extra_info["images_per_s"] = round(len(asked) / benchmark.stats.stats.min)


def decode(pair):
    read_labels(pair.ground_truth)
    read_labels(pair.prediction)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_mask_quality_of_folders(benchmark, masks, tmp_path, num_processes):
    """1,024 pairs of 512x512 gray PNG from disk; one process beside decoding alone."""
    folders = tmp_path / "generated", tmp_path / "reference"
    for side, folder in enumerate(folders):
        folder.mkdir()
        for index in range(1024):
            Image.fromarray(masks[index % len(masks)][side]).save(folder / f"{index:05d}.png")
    pairs = pair_by_name(folders[1], folders[0])
    benchmark.pedantic(
        lambda: evaluate_mask_quality(*folders, NUM_CLASSES, num_processes=num_processes),
        rounds=size(2, 3),
        warmup_rounds=1,
    )
    benchmark.extra_info["images_per_s"] = round(len(pairs) / benchmark.stats.stats.min)
    if num_processes == 1:
        decoding_s = min(seconds(lambda: [decode(pair) for pair in pairs]) for _ in range(3))
        benchmark.extra_info["times_decoding"] = round(benchmark.stats.stats.min / decoding_s, 2)

"""FID and KID against their formulas, on features; the network has its own file."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from methods.common.errors import InputError
from methods.common.metrics.bootstrap import paired_bootstrap
from methods.common.metrics.generated_images.fid import (
    MIN_IMAGES,
    FidEvaluation,
    Gaussian,
    evaluate_fid,
    fid_of_features,
    fit_gaussian,
    frechet_distance,
)
from methods.common.metrics.generated_images.inception import InceptionFeatures
from methods.common.metrics.generated_images.kid import evaluate_kid, kid_of_features


def features_of(feature_ND, folder="made"):
    return InceptionFeatures(Path(folder), tuple(f"{i:05d}" for i in range(len(feature_ND))), np.float32(feature_ND))


def by_matrix_root(one_ND, other_ND):
    """The formula as it is usually computed."""
    shift = one_ND.mean(0) - other_ND.mean(0)
    one, other = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (one_ND, other_ND))
    return shift @ shift + np.trace(one + other - 2 * scipy.linalg.sqrtm(one @ other).real)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dimensions=st.integers(1, 12),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    spread=st.floats(0, 2),
)
def test_distance_equals_the_matrix_root_where_that_is_exact(seed, dimensions, scale, spread):
    rng = np.random.default_rng(seed)
    axes = 10.0 ** -(spread * rng.random(dimensions))
    one, other = (scale * (rng.normal(size=(40, dimensions)) * axes + shift) for shift in (0, rng.normal()))
    ours = frechet_distance(fit_gaussian(one), fit_gaussian(other))
    assert ours == pytest.approx(by_matrix_root(one, other), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    variances=st.lists(
        st.tuples(st.sampled_from([0.0, 1e-6, 0.5, 1.0, 40.0]), st.sampled_from([0.0, 1e-6, 0.5, 2.0])),
        min_size=2,
        max_size=14,
    ),
)
def test_distance_is_exact_for_singular_covariances(seed, variances):
    """Covariances with common axes: the distance is the sum of (s - t)^2 over axes, also where s or t is 0."""
    variance_D2 = np.array(variances)
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(variances),) * 2))
    one, other = (Gaussian(np.zeros(len(axes)), np.sqrt(variance)[:, None] * axes.T) for variance in variance_D2.T)
    exact = np.square(np.sqrt(variance_D2[:, 0]) - np.sqrt(variance_D2[:, 1])).sum()
    assert frechet_distance(one, other) == pytest.approx(exact, rel=1e-9, abs=1e-12 * variance_D2.sum())


def test_fewer_images_than_features_keep_all_digits():
    """Common axes again, now from rows; where the covariance product is singular the usual root is right to some 7 digits."""
    rng = np.random.default_rng(5)
    axes, _ = np.linalg.qr(rng.normal(size=(60, 20)))
    spread_2D = rng.uniform(0.1, 2, (2, 20))
    shift = 0.1 * rng.normal(size=60)

    def rows(number, spread_D):
        drawn = rng.normal(size=(number, 20))
        uncorrelated, _ = np.linalg.qr(drawn - drawn.mean(0))
        return np.sqrt(number - 1) * (uncorrelated * spread_D) @ axes.T

    one, other = rows(30, spread_2D[0]) + shift, rows(25, spread_2D[1])
    exact = shift @ shift + np.square(spread_2D[0] - spread_2D[1]).sum()
    ours = frechet_distance(fit_gaussian(one), fit_gaussian(other))
    assert ours == pytest.approx(exact, rel=1e-12)
    assert ours == pytest.approx(by_matrix_root(one, other), rel=1e-5)


def test_a_gaussian_has_the_mean_and_unbiased_covariance_of_repeated_rows(monkeypatch):
    monkeypatch.setattr("methods.common.metrics.generated_images.fid._ROWS_AT_ONCE", 7)
    rng = np.random.default_rng(1)
    rows, weights = rng.normal(size=(40, 5)) + 3, rng.integers(0, 4, 40).astype(float)
    fitted, repeated = fit_gaussian(rows, weights), np.repeat(rows, weights.astype(int), axis=0)
    assert np.allclose(fitted.mean_D, repeated.mean(0), rtol=1e-13)
    assert np.allclose(fitted.root_RD.T @ fitted.root_RD, np.cov(repeated, rowvar=False), rtol=1e-12)
    assert fit_gaussian(rows, np.eye(40)[0]) is None


def test_fid_of_a_set_with_itself_is_nothing_and_weights_of_one_change_nothing():
    rng = np.random.default_rng(2)
    one, other = features_of(rng.random((50, 20))), features_of(rng.random((60, 20)) + 0.1)
    assert FidEvaluation(one, one).metrics()["FID"] == pytest.approx(0, abs=1e-12)
    evaluation = FidEvaluation(one, other)
    assert evaluation.metrics(np.ones(50)) == evaluation.metrics()
    assert evaluation.metrics()["FID"] == pytest.approx(by_matrix_root(one.feature_ND, other.feature_ND), rel=1e-5)
    weights = rng.integers(0, 3, 50).astype(float)
    repeated = features_of(np.repeat(one.feature_ND, weights.astype(int), axis=0))
    assert evaluation.metrics(weights)["FID"] == pytest.approx(FidEvaluation(repeated, other).metrics()["FID"])
    assert evaluation.metrics(np.eye(50)[3]) == {"FID": None}


def test_sets_of_other_pictures_can_be_compared():
    """Pictures of two generators have no pairs, and names that are equal by chance make none where the others differ."""
    rng = np.random.default_rng(7)
    reference = features_of(rng.normal(size=(200, 3)))
    near, far = (features_of(rng.normal(size=(number, 3)) + shift) for number, shift in ((90, 0.2), (110, 1.0)))
    with pytest.raises(InputError, match="90 and 110 images"):
        paired_bootstrap(FidEvaluation(near, reference), FidEvaluation(far, reference), 5, 0)
    equal = InceptionFeatures(Path("far"), tuple(f"far{i}" for i in range(90)), far.feature_ND[:90])
    fid = paired_bootstrap(FidEvaluation(near, reference), FidEvaluation(equal, reference), 200, 0)
    assert list(fid) == ["FID"]
    assert fid["FID"].low < fid["FID"].difference < fid["FID"].high < 0
    kid = [kid_of_features(images, reference, num_subsets=3, subset_size=80) for images in (near, far)]
    compared = paired_bootstrap(*kid, 100, 0)
    assert list(compared) == ["KID"]
    assert compared["KID"].low < compared["KID"].difference < compared["KID"].high < 0
    assert not compared["KID"].is_biased


def test_few_images_are_refused_or_noted():
    enough, few = features_of(np.zeros((MIN_IMAGES, 4))), features_of(np.zeros((MIN_IMAGES - 1, 4)), "few")
    assert fid_of_features(enough, features_of(np.ones((MIN_IMAGES, 4)))).notes() == []
    for pair in ((few, enough), (enough, few)):
        with pytest.raises(InputError, match="few has 2,047 images and FID needs 2,048"):
            fid_of_features(*pair)
        (note,) = fid_of_features(*pair, allow_few_images=True).notes()
        assert "few has 2047 images" in note
    with pytest.raises(InputError, match="one image"):
        fid_of_features(features_of(np.zeros((1, 4))), few, allow_few_images=True)


def kid_naively(one_ND, other_ND, num_subsets, subset_size, seed):
    """Every pair one by one, on the subsets that torch-fidelity draws."""
    rng, found = np.random.RandomState(seed), []
    for _ in range(num_subsets):
        chosen = rng.choice(len(one_ND), subset_size, replace=False)
        x, y = np.float64(one_ND[chosen]), np.float64(other_ND[rng.choice(len(other_ND), subset_size, replace=False)])

        def kernel(a, b):
            return (sum(a * b) / len(a) + 1) ** 3

        pairs = [(i, j) for i in range(subset_size) for j in range(subset_size)]
        among = [kernel(x[i], x[j]) + kernel(y[i], y[j]) for i, j in pairs if i != j]
        found.append(np.mean(among) - 2 * np.mean([kernel(x[i], y[j]) for i, j in pairs]))
    return {"KID": np.mean(found), "KID_std": np.std(found)}


def test_kid_equals_the_sum_over_pairs():
    rng = np.random.default_rng(4)
    one, other = features_of(rng.random((14, 6))), features_of(rng.random((11, 6)) * 2)
    evaluation = kid_of_features(one, other, num_subsets=5, subset_size=9, seed=11)
    expected = kid_naively(one.feature_ND, other.feature_ND, 5, 9, 11)
    assert evaluation.metrics() == pytest.approx(expected, rel=1e-9)
    assert kid_of_features(one, other, 5, 9, seed=12).metrics() != evaluation.metrics()
    assert evaluation.metrics(np.ones(14)) == {"KID": pytest.approx(evaluation.metrics()["KID"], rel=1e-12)}


def test_kid_is_unbiased_for_few_images():
    rng = np.random.default_rng(6)
    found = [
        kid_of_features(features_of(rng.random((10, 8))), features_of(rng.random((10, 8))), 1, 10).metrics()["KID"]
        for _ in range(400)
    ]
    assert abs(np.mean(found)) < 4 * np.std(found) / 20
    assert min(found) < 0 < max(found)


def test_weighted_kid_leaves_out_pairs_of_an_image_with_itself():
    rng = np.random.default_rng(8)
    one, other = features_of(rng.random((7, 5))), features_of(rng.random((7, 5)) + 0.3)
    weights = np.array([2.0, 0, 1, 3, 0, 1, 0])
    evaluation = kid_of_features(one, other, num_subsets=1, subset_size=7)
    x, y = np.float64(one.feature_ND), np.float64(other.feature_ND)
    k_xx, k_xy, k_yy = ((a @ b.T / 5 + 1) ** 3 for a, b in ((x, x), (x, y), (y, y)))
    pair_weight = np.outer(weights, weights) * (1 - np.eye(7))
    expected = (pair_weight * k_xx).sum() / pair_weight.sum() + (k_yy.sum() - np.trace(k_yy)) / 42
    expected -= 2 * (weights @ k_xy.mean(1)) / weights.sum()
    assert evaluation.metrics(weights)["KID"] == pytest.approx(expected, rel=1e-12)
    assert evaluation.metrics(np.eye(7)[0]) == {"KID": None}


def test_a_subset_larger_than_a_folder_is_one_sentence():
    few = features_of(np.zeros((5, 4)), "few")
    with pytest.raises(InputError, match=r"few has 5 images and a subset of kid needs 1,000.*--subset-size 5"):
        kid_of_features(few, few)
    with pytest.raises(InputError, match="too few"):
        kid_of_features(few, few, num_subsets=0, subset_size=5)


@pytest.mark.parametrize("evaluate", [evaluate_fid, evaluate_kid])
def test_folders_are_counted_before_the_network_is_read(tmp_path, evaluate):
    for name in ("made", "real", "empty"):
        (tmp_path / name).mkdir()
    for name in ("made", "real"):
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.png")
    with pytest.raises(InputError, match=r"made has (1|one) image"):
        evaluate(tmp_path / "made", tmp_path / "real", tmp_path / "absent.pth")
    with pytest.raises(InputError, match="empty holds no image"):
        evaluate(tmp_path / "made", tmp_path / "empty", tmp_path / "absent.pth")
    with pytest.raises(InputError, match="there is no folder of images"):
        evaluate(tmp_path / "nowhere", tmp_path / "real", tmp_path / "absent.pth")

"""How shapes grow, what masks hold, what noise does to them."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.sam_filter.mask_noise import mask_overlap
from methods.sam_filter.perlin import draw_noise
from methods.sam_filter.rings import ShapeCategory, grow_rings
from methods.sam_filter.segrcdb import draw_categories
from methods.sam_filter.semseg_fdsl import SemSegFdsl, SemSegFdslConfig
from methods.sam_filter.visual_atoms import VisualAtoms, VisualAtomsConfig, draw_atom_categories

RADIAL = ShapeCategory(
    label=9,
    num_vertices=24,
    num_rings=30,
    noise_strength=2.5,
    spacing=0.07,
    start_radius=20,
    stretch_x=1.5,
    stretch_y=1.25,
)
CENTRE = (200.5, 100.0)
ANGLE_V = 2 * np.pi * np.arange(24) / 24
COS_SIN_V2 = np.stack([np.cos(ANGLE_V), np.sin(ANGLE_V)], axis=1)
RING_K11 = np.arange(1, 31)[:, None, None]


def offsets(category: ShapeCategory, noise_KV2: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Where the vertices are, seen from the start ring."""
    start_V2 = scale * category.start_radius * COS_SIN_V2 * [category.stretch_x, category.stretch_y]
    return grow_rings(category, CENTRE, noise_KV2, scale) - start_V2 - CENTRE


def test_without_noise_rings_grow_by_noise_strength_and_spacing() -> None:
    expected = RING_K11 * (2.5 + 0.07) * COS_SIN_V2
    assert offsets(RADIAL, np.zeros((30, 24, 2))) == pytest.approx(expected)
    assert offsets(RADIAL, np.zeros((30, 24, 2)), scale=0.5) == pytest.approx(0.5 * expected)


def test_with_noise_the_mean_stays_and_the_variance_grows_linearly() -> None:
    rng = np.random.default_rng(0)
    grown = [offsets(RADIAL, draw_noise(30 * 24 * 2, rng).reshape(30, 24, 2)) for _ in range(1000)]
    steep_V2 = np.abs(COS_SIN_V2) > 0.2  # elsewhere the division would blow up rounding
    along_IKN = np.stack(grown)[:, :, steep_V2] / COS_SIN_V2[steep_V2]
    assert along_IKN.mean(axis=(0, 2)) == pytest.approx(RING_K11.ravel() * 2.57, rel=0.02)
    assert along_IKN.var(axis=0).mean(axis=1) == pytest.approx(RING_K11.ravel() * (2 * 2.5 * 0.330) ** 2, rel=0.05)


def test_neighbouring_vertices_move_independently() -> None:
    noise = draw_noise(200_000, np.random.default_rng(1))
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.01


@given(st.integers(0, 11), st.integers(0, 11))
@settings(max_examples=30, deadline=None)
def test_waves_have_energy_at_their_frequencies_only(first: int, second: int) -> None:
    waves = replace(RADIAL, frequencies=(first, second))
    wave_V = 0.5 * np.sin(first * ANGLE_V) + 0.5 * np.sin(second * ANGLE_V)
    grown_KV2 = offsets(waves, np.zeros((30, 24, 2)))
    assert grown_KV2 == pytest.approx(RING_K11 * (2.57 + wave_V)[:, None] * COS_SIN_V2, abs=1e-9)
    radial_V = (grown_KV2[-1] * COS_SIN_V2).sum(axis=1)
    energy = np.abs(np.fft.rfft(radial_V))
    assert set(np.flatnonzero(energy > 1e-6).tolist()) <= {0, first, second}


def test_atoms_have_less_noise_than_radial_contours() -> None:
    noise_KV2 = draw_noise(30 * 24 * 2, np.random.default_rng(0)).reshape(30, 24, 2)
    waves = replace(RADIAL, frequencies=(0, 0))
    growth = RING_K11 * 2.57 * COS_SIN_V2
    assert 2 * (offsets(waves, noise_KV2) - growth) == pytest.approx(offsets(RADIAL, noise_KV2) - growth)


def test_parameters_keep_their_ranges() -> None:
    for one in draw_atom_categories(300, seed=1):
        assert 200 <= one.num_vertices <= 1000
        assert 1 <= one.num_rings <= 200
        assert 10 <= one.start_radius <= 60
        assert one.frequencies is not None
        assert one.frequencies[0] != one.frequencies[1] or one.frequencies == (0, 0)
        assert all(0 <= frequency <= 20 for frequency in one.frequencies)
    assert draw_categories(10) == draw_categories(254)[:10]
    assert draw_categories(10, seed=1) != draw_categories(10)


def small(**changes: object) -> SemSegFdsl:
    given = {"size_px": 96, "shape_scale": 0.2, "shapes_per_image": 6, "num_categories": 20, **changes}
    return SemSegFdsl(SemSegFdslConfig.model_validate(given), 50, seed=2)


@pytest.mark.parametrize("contour", ["RC", "VA", "RC+VA"])
def test_lines_of_picture_and_mask_coincide(contour: str) -> None:
    for index in range(10):
        image_HW3, mask_HW = small(contour=contour)[index]
        assert (image_HW3.shape, image_HW3.dtype, mask_HW.dtype) == ((96, 96, 3), np.uint8, np.uint8)
        lit_HW = image_HW3[..., 0] > 0
        assert not (lit_HW & (mask_HW == 0)).any()
        assert ((mask_HW > 0) & ~lit_HW).mean() < 0.1
        assert mask_HW.max() <= 20


def test_a_picture_depends_on_its_own_number_alone() -> None:
    drawn = small(contour="RC+VA", mask_noise="N1")
    longer = SemSegFdsl(drawn.config, 5000, seed=2)
    for index in (7, 3, 7):
        for ours, theirs in zip(drawn[index], longer[index], strict=True):
            assert (ours == theirs).all()
    assert (drawn[3][0] != drawn[4][0]).any()
    assert (drawn[3][0] != SemSegFdsl(drawn.config, 50, seed=3)[3][0]).any()
    with pytest.raises(IndexError):
        drawn[50]


def test_mask_settings_leave_the_picture_alone() -> None:
    clean = small()[5][0]
    for changes in ({"mask_mode": "M2"}, {"mask_mode": "M3", "mask_noise": "N3"}, {"mask_noise": "N2"}):
        assert (small(**changes)[5][0] == clean).all()


def test_contours_share_all_that_is_not_contour() -> None:
    radial, waves, both = small(), small(contour="VA"), small(contour="RC+VA")
    assert [replace(one, frequencies=None) for one in waves.categories] == list(radial.categories)
    assert both.categories == radial.categories[:10] + waves.categories[10:]
    ranged = small(contour="VA", wave_ranges="visual_atoms")
    assert all(200 <= one.num_vertices <= 1000 for one in ranged.categories)
    assert [one.frequencies for one in ranged.categories] == [one.frequencies for one in waves.categories]
    mixed = small(contour="RC+VA", mixing="shapes")
    images = {name: one[5][0].tobytes() for name, one in (("mixed", mixed), ("RC", radial), ("VA", waves))}
    assert len(set(images.values())) == 3
    assert mixed[5][1].max() <= 20


def test_a_shape_with_one_ring_has_no_band() -> None:
    drawn = small(mask_mode="M2")
    drawn.__dict__["radial_categories"] = tuple(replace(one, num_rings=1) for one in drawn.radial_categories)
    image_HW3, mask_HW = drawn[0]
    assert image_HW3.any()
    assert not mask_HW.any()


def test_a_shift_moves_the_mask_as_a_whole() -> None:
    changes = {"shapes_per_image": 1, "mask_noise_px": 8}
    moved = 0
    for index in range(12):
        clean, noisy = small(**changes)[index][1], small(**changes, mask_noise="N2")[index][1]
        inner = clean[16:-16, 16:-16]
        found = [
            (dy, dx)
            for dy in range(-8, 9)
            for dx in range(-8, 9)
            if (noisy[16 + dy : 80 + dy, 16 + dx : 80 + dx] == inner).all()
        ]
        assert found
        assert any(math.hypot(*vector) <= 8.8 for vector in found)
        moved += (0, 0) not in found
    assert moved >= 6


def test_resizing_dilates_or_erodes() -> None:
    changes = {"shapes_per_image": 1, "mask_mode": "M3", "mask_noise_px": 5}
    larger = smaller = 0
    for index in range(20):
        clean, noisy = (small(**changes, mask_noise=noise)[index][1] > 0 for noise in ("none", "N3"))
        assert (clean <= noisy).all() or (noisy <= clean).all()
        larger += noisy.sum() > clean.sum()
        smaller += noisy.sum() < clean.sum()
    assert larger >= 4
    assert smaller >= 4


@pytest.mark.parametrize(("mode", "noise"), [("M1", "N1"), ("M1", "N2"), ("M2", "N3"), ("M3", "N1")])
def test_more_noise_means_less_overlap(mode: str, noise: str) -> None:
    weak, strong = (small(mask_mode=mode, mask_noise=noise, mask_noise_px=px).overlap_with_clean(12) for px in (1, 15))
    assert 0 < strong < weak < 1


def test_overlap_by_hand() -> None:
    clean, noisy = np.array([[0, 1, 1, 2]], np.uint8), np.array([[1, 1, 0, 2]], np.uint8)
    assert mask_overlap(clean, noisy) == pytest.approx((1 / 3 + 1) / 2)
    assert mask_overlap(clean * 0, clean * 0) == 1.0


def test_noise_that_does_not_fit_the_mode() -> None:
    with pytest.raises(ValidationError, match="M1 has only lines"):
        SemSegFdslConfig(mask_noise="N3")


def test_a_torch_data_loader_reads_them() -> None:
    from torch.utils.data import DataLoader

    image_NHW3, mask_NHW = next(iter(DataLoader(small(), batch_size=4)))  # type: ignore[arg-type]
    assert (tuple(image_NHW3.shape), tuple(mask_NHW.shape)) == ((4, 96, 96, 3), (4, 96, 96))
    atoms = VisualAtoms(VisualAtomsConfig(num_categories=3, size_px=64, shape_scale=0.1), 8)
    image_NHW3, label_N = next(iter(DataLoader(atoms, batch_size=8)))  # type: ignore[arg-type]
    assert label_N.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert (pickle.loads(pickle.dumps(atoms))[4][0] == image_NHW3[4].numpy()).all()

"""The drawn data sets against a renderer written straight from the formulas, one line at a time, and against measured statistics."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from methods.sam_filter.perlin import draw_noise
from methods.sam_filter.rings import ShapeCategory
from methods.sam_filter.segrcdb import draw_categories
from methods.sam_filter.semseg_fdsl import SemSegFdsl, SemSegFdslConfig
from methods.sam_filter.visual_atoms import VisualAtoms, VisualAtomsConfig

Vertex = tuple[float, float]


def formula_rings(category: ShapeCategory, centre: Vertex, noise_KV2: np.ndarray) -> list[list[Vertex]]:
    """SAM filter sections 5.2 and 6.2, vertex by vertex."""
    count, p, w = category.num_vertices, category.noise_strength, category.spacing
    angles = [2 * math.pi * j / count for j in range(count)]
    x = [category.start_radius * category.stretch_x * math.cos(t) + centre[0] for t in angles]
    y = [category.start_radius * category.stretch_y * math.sin(t) + centre[1] for t in angles]
    rings = []
    for ring in noise_KV2.tolist():
        for j, (t, noise) in enumerate(zip(angles, ring, strict=True)):
            if category.frequencies is None:
                delta_x, delta_y = (p * (2 * n - 1) for n in noise)
            else:
                first, second = (0.5 * math.sin(f * t) for f in category.frequencies)
                delta_x, delta_y = (p * (n - 1) - first - second for n in noise)
            x[j] -= math.cos(t) * (delta_x - w)
            y[j] -= math.sin(t) * (delta_y - w)
        rings.append(list(zip(x, y, strict=True)))
    return rings


def draw_ring(canvas: ImageDraw.ImageDraw, ring: list[Vertex], ink: int) -> None:
    for start, end in zip(ring, ring[1:] + ring[:1], strict=True):
        canvas.line((*start, *end), fill=ink, width=1)


def paint_mask(canvas: ImageDraw.ImageDraw, mode: str, rings: list[list[Vertex]], label: int) -> None:
    if mode == "M1":
        for ring in rings:
            draw_ring(canvas, ring, label)
    elif mode == "M3":
        canvas.polygon(rings[-1], fill=label)
    elif len(rings) > 1:
        canvas.polygon(rings[-1], fill=label)
        canvas.polygon(rings[0], fill=0)
        draw_ring(canvas, rings[0], label)
        draw_ring(canvas, rings[-1], label)


def formula_picture(
    categories: list[ShapeCategory], size: int, mode: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """SAM filter section 5.3: image and mask drawn apart; the random numbers are taken in the product's order."""
    image, mask = (Image.new("L", (size, size)) for _ in range(2))
    image_canvas, mask_canvas = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    for category in categories:
        u, v = rng.integers(-size, size, 2, endpoint=True)
        greys = rng.bytes(category.num_rings)
        noise = draw_noise(category.num_rings * category.num_vertices * 2, rng)
        noise_KV2 = noise.reshape(category.num_rings, category.num_vertices, 2)
        rings = formula_rings(category, ((size + u) / 2, (size + v) / 2), noise_KV2)
        for ring, grey in zip(rings, greys, strict=True):
            draw_ring(image_canvas, ring, grey)
        paint_mask(mask_canvas, mode, rings, category.label)
    return np.asarray(image), np.asarray(mask)


@pytest.mark.parametrize("mode", ["M1", "M2", "M3"])
@pytest.mark.parametrize("contour", ["RC", "VA", "RC+VA"])
def test_every_pixel_is_that_of_the_formula(contour: str, mode: str) -> None:
    config = SemSegFdslConfig(contour=contour, mask_mode=mode, shapes_per_image=12)  # type: ignore[arg-type]
    drawn = SemSegFdsl(config, 3, seed=4)
    for index in range(2):
        rng = drawn.seeds.numpy("generation", "sam_filter", "shapes", index)
        chosen = [drawn.categories[number] for number in rng.integers(0, 254, 12)]
        image, mask = formula_picture(chosen, 512, mode, rng)
        image_HW3, mask_HW = drawn[index]
        assert (image_HW3 == image[..., None]).all()
        assert (mask_HW == mask).all()
        assert mask.any()


def test_every_pixel_of_an_atom_is_that_of_the_formula() -> None:
    drawn = VisualAtoms(VisualAtomsConfig(num_categories=20), 60)
    for index in (0, 7, 43):
        category = drawn.categories[index % 20]
        rng = drawn.seeds.numpy("generation", "sam_filter", "atoms", index)
        image, _ = formula_picture([category], 512, "M1", rng)
        picture, label = drawn[index]
        assert (picture == image[..., None]).all()
        assert label == category.label == index % 20


def test_categories_are_those_of_the_reference_stream() -> None:
    categories = draw_categories()
    expected = [
        (186, 3.56098, 0.00405, 32, 49, 1.48593, 1.91823),
        (177, 1.43220, 0.08917, 13, 31, 1.50469, 1.28184),
        (140, 3.19761, 0.09873, 34, 40, 1.98279, 1.81022),
    ]
    for one, numbers in zip(categories, expected, strict=False):
        drawn = (one.num_vertices, one.noise_strength, one.spacing, one.start_radius, one.num_rings)
        assert (*drawn, one.stretch_x, one.stretch_y) == pytest.approx(numbers, abs=5e-6)
    assert [one.label for one in categories] == list(range(1, 255))
    assert np.mean([one.num_vertices for one in categories]) == pytest.approx(103.4, abs=0.05)
    assert max(one.num_vertices for one in categories) == 432
    assert np.mean([one.num_rings for one in categories]) == pytest.approx(25.6, abs=0.05)
    assert sum(one.num_rings == 1 for one in categories) == 5


def test_the_noise_has_the_measured_distribution() -> None:
    noise = draw_noise(400_000, np.random.default_rng(0))
    quantiles = np.quantile(noise, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    assert quantiles == pytest.approx([-0.83, -0.58, -0.15, 0.0, 0.14, 0.62, 0.85], abs=0.01)
    assert noise.mean() == pytest.approx(0, abs=0.003)
    assert noise.std() == pytest.approx(0.3297, abs=0.002)
    assert 0.94 < np.abs(noise).max() < 0.96


def read_statistics(shared: Path) -> dict[tuple[str, str], tuple[float, float]]:
    with (shared / "papers/sam_filter/renderer_reference_stats.csv").open() as file:
        return {
            (row["generator"], row["quantity"]): (float(row["mean"]), float(row["sd"] or 0))
            for row in csv.DictReader(file)
        }


def assert_same_population(values: list[float], mean: float, sd: float, num_reference: int) -> None:
    """The means differ by less than 4 standard errors, and the spreads by less than 40 %."""
    standard_error = sd * math.sqrt(1 / len(values) + 1 / num_reference)
    assert abs(np.mean(values) - mean) < 4 * standard_error + 0.0005 * mean  # the reference is rounded
    assert 0.6 * sd < np.std(values) < 1.4 * sd


@pytest.mark.parametrize("mode", ["M1", "M2", "M3"])
def test_density_is_that_of_the_reference(mode: str, shared: Path) -> None:
    reference = read_statistics(shared)
    drawn = SemSegFdsl(SemSegFdslConfig(mask_mode=mode), 60)  # type: ignore[arg-type]
    covered, visible, unlabelled = [], [], []
    for index in range(len(drawn)):
        grey, mask = drawn.draw(index)
        covered.append(float((mask > 0).mean()))
        visible.append(float(len(np.unique(mask[mask > 0]))))
        unlabelled.append(float(((grey > 0) & (mask == 0)).mean()))
    assert_same_population(covered, *reference[f"segrcdb_{mode}", "foreground_fraction"], 180)
    assert_same_population(visible, *reference[f"segrcdb_{mode}", "distinct_categories_visible"], 180)
    share, _ = reference[f"segrcdb_{mode}", "fraction_lit_in_image_but_background_in_mask"]
    assert np.mean(unlabelled) == pytest.approx(share, rel=0.2, abs=0)


def test_density_of_atoms_is_that_of_the_reference(shared: Path) -> None:
    mean, sd = read_statistics(shared)["visualatom", "lit_fraction"]
    drawn = VisualAtoms(VisualAtomsConfig(), 300)
    assert_same_population([float((drawn.draw(index) > 0).mean()) for index in range(300)], mean, sd, 600)

"""Colours of classes: palettes, drawing masks in them and reading them back, and clean-up."""

import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from methods.common.datasets.label_conventions import ADE20K
from methods.common.errors import InputError
from methods.seggen.clean_up import clean_up, connected_regions, smallest_region_px
from methods.seggen.colour_coding import decode, edges, encode, encode_segments
from methods.seggen.colour_pictures import read_colour_picture
from methods.seggen.dataset_palettes import ROAD, SKYSCRAPER, ade20k_colours, check_distinct, coco_panoptic_colours
from methods.seggen.decoded_instances import decoded_segments
from methods.seggen.nearest_colour import NearestColours
from methods.seggen.palettes import VOID, WHITE, Palette, PaletteConfig, build_palette, lattice_colour

KINDS = ("seggen", "spread", "dataset", "random")
SHOWN = {
    **{"wall": (0, 0, 51), "building": (0, 0, 102), "sky": (0, 0, 153), "floor": (0, 0, 204), "tree": (0, 0, 255)},
    **{"ceiling": (51, 0, 0), "road": (51, 0, 51), "bed": (51, 0, 102), "person": (102, 0, 51)},
    **{"car": (153, 0, 153), "painting": (153, 0, 255), "lamp": (0, 51, 51), "pillow": (153, 51, 204)},
    "clock": (0, 204, 255),
}
"""Colours of ADE20K's classes in the authors' pictures (SegGen section 4.1)."""


def palette(kind: str = "seggen", num_classes: int = 150, edge: bool = False, seed: int = 0) -> Palette:
    return build_palette(PaletteConfig(kind=kind, edge=edge, seed=seed), num_classes)


def entries(chosen: Palette) -> np.ndarray:
    return np.vstack([chosen.colours_K3, [chosen.void], *([chosen.edge] if chosen.edge else [])]).astype(np.int64)


def apart(colour_N3: np.ndarray) -> np.ndarray:
    """Distance of each colour to its nearest other."""
    distance_NN = np.sqrt(((colour_N3[:, None].astype(float) - colour_N3) ** 2).sum(-1))
    np.fill_diagonal(distance_NN, np.inf)
    return distance_NN.min(1)


def test_the_paper_s_palette_has_the_colours_that_were_seen() -> None:
    colour_K3 = palette().colours_K3
    assert {name: tuple(colour_K3[ADE20K.class_names.index(name)].tolist()) for name in SHOWN} == SHOWN
    assert apart(colour_K3).min() == np.median(apart(colour_K3)) == 51
    coco = palette(num_classes=133, edge=True)
    bear, cow = 21, 19  # contiguous numbers from 0
    assert [tuple(coco.colours_K3[k].tolist()) for k in (bear, cow)] == [(153, 0, 204), (153, 0, 102)]
    assert coco.edge == (255, 153, 102), "peach, as seen"
    assert palette(edge=True).edge == WHITE, "a class of ADE20K has the peach"


def test_spread_is_farthest_first_and_keeps_black_and_white() -> None:
    colour_K3 = palette("spread", edge=True).colours_K3.astype(int)
    assert apart(colour_K3).min() >= 51
    lattice_N3 = np.array([lattice_colour(number) for number in range(216)])
    assert len(np.unique(lattice_N3, axis=0)) == 216
    before = [np.array(VOID), np.array(WHITE)]
    for colour in colour_K3[:40]:
        nearest_N = np.min([((lattice_N3 - one) ** 2).sum(1) for one in before], axis=0)
        assert min(((colour - one) ** 2).sum() for one in before) == nearest_N.max()
        before.append(colour)


def test_the_data_sets_own_palettes_are_what_the_page_says_of_them() -> None:
    published, coco = ade20k_colours(repaired=False), coco_panoptic_colours()
    assert published[ROAD].tolist() == published[SKYSCRAPER].tolist() == [140, 140, 140]
    assert (ADE20K.class_names[ROAD], ADE20K.class_names[SKYSCRAPER]) == ("road", "skyscraper")
    assert np.median(apart(published)) == 10
    assert (apart(published) < 15).mean() == pytest.approx(0.82, abs=0.005)
    assert (round(apart(coco).min(), 1), round(np.median(apart(coco)), 1)) == (19.4, 41.1)
    assert palette("dataset").colours_K3[SKYSCRAPER].tolist() == [140, 140, 200]
    assert (palette("dataset", 133).colours_K3 == coco).all()
    said = r"classes 'road' and 'skyscraper' share the colour \(140, 140, 140\).*\(140, 140, 200\)"
    with pytest.raises(InputError, match=said):
        check_distinct(published, ADE20K.class_names)
    with pytest.raises(InputError, match="classes number 6 and number 48 share"):
        check_distinct(published)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_classes", [1, 20, 133, 150])
def test_all_colours_of_a_palette_differ(kind: str, num_classes: int) -> None:
    for edge in (False, True):
        chosen = palette(kind, num_classes, edge)
        assert chosen.num_classes == num_classes
        assert len(np.unique(entries(chosen), axis=0)) == num_classes + 1 + edge
        assert (chosen.void, chosen.edge is not None) == (VOID, edge)


def test_random_palettes_depend_on_their_seed() -> None:
    one, other = palette("random", 200, seed=1), palette("random", 200, seed=2)
    assert (one.colours_K3 == palette("random", 200, seed=1).colours_K3).all()
    assert (one.colours_K3 != other.colours_K3).any()


@pytest.mark.parametrize(
    ("kind", "most", "edge"),
    [("seggen", 215, False), ("seggen", 214, True), ("spread", 214, True), ("dataset", 150, False)],
)
def test_a_palette_says_when_it_has_too_few_colours(kind: str, most: int, edge: bool) -> None:
    assert palette(kind, most, edge).num_classes == most
    with pytest.raises(InputError, match=f"'{kind}' has colours for {most} classes, not for {most + 1}"):
        palette(kind, most + 1, edge)


def test_numbers_of_classes_that_no_mask_has() -> None:
    for count in (0, 255):
        with pytest.raises(InputError, match=f"a mask of {count} classes"):
            palette("random", count)
    with pytest.raises(ValidationError):
        PaletteConfig(kind="rainbow")


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("seggen", {6: 0.01, 8: 0.35, 10: 2.5, 15: 19.9, 20: 40.9}),
        ("spread", {6: 0.0, 8: 0.2, 10: 2.1, 15: 17.2, 20: 36.7}),
        ("published", {0: 0.7, 2: 1.4, 4: 13.5, 6: 28.0, 8: 39.7, 10: 47.9, 15: 61.4, 20: 69.5}),
    ],
)
def test_wrong_pixels_under_noise_are_those_of_the_page(name: str, shares: dict[int, float]) -> None:
    """Within four standard errors of two samples of 20,000, for the page does not say in which order its numbers were drawn."""
    chosen = Palette(ade20k_colours(repaired=False), VOID, None) if name == "published" else palette(name)
    for deviation, percent in shares.items():
        rng = np.random.default_rng(0)
        label_N = rng.integers(0, 150, 20_000).astype(np.uint8)
        noisy_N3 = chosen.colours_K3[label_N] + rng.normal(0, deviation, (20_000, 3))
        image_HW3 = np.clip(np.round(noisy_N3), 0, 255).astype(np.uint8)[None]
        wrong = float((decode(image_HW3, chosen).label_HW[0] != label_N).mean())
        share = max(percent / 100, 1e-4)
        assert wrong == pytest.approx(percent / 100, abs=4 * np.sqrt(2 * share * (1 - share) / 20_000) + 5e-4), (
            deviation
        )


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 150),
    st.booleans(),
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3))),
)
def test_the_table_finds_what_comparing_all_colours_finds(
    kind: str, num_classes: int, edge: bool, image_HW3: np.ndarray
) -> None:
    chosen = palette(kind, num_classes, edge)
    colour_E3 = entries(chosen)
    squared_HWE = ((image_HW3[:, :, None].astype(int) - colour_E3) ** 2).sum(-1)
    order_HWE = np.argsort(squared_HWE, axis=-1, kind="stable")
    first_HW, second_HW = NearestColours(colour_E3.astype(np.uint8)).find(image_HW3)
    assert (first_HW == order_HWE[..., 0]).all()
    assert (second_HW == order_HWE[..., 1]).all()
    found = decode(image_HW3, chosen)
    sorted_HWE = np.sqrt(np.sort(squared_HWE, axis=-1))
    np.testing.assert_allclose(found.nearest_HW, sorted_HWE[..., 0], rtol=1e-6)
    np.testing.assert_allclose(found.second_HW, sorted_HWE[..., 1], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_stays_right_as_it_fills(kind: str) -> None:
    chosen = palette(kind, 150, edge=True)
    table = NearestColours(entries(chosen).astype(np.uint8))
    rng = np.random.default_rng(0)
    for _ in range(3):
        image_HW3 = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        squared_HWE = ((image_HW3[:, :, None].astype(int) - entries(chosen)) ** 2).sum(-1)
        assert (table.find(image_HW3)[0] == squared_HWE.argmin(-1)).all()


MAPS = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.sampled_from([0, 1, 7, 19, 255])
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.booleans(), MAPS)
def test_what_is_drawn_is_read_back_and_void_stays_void(kind: str, edge: bool, label_HW: np.ndarray) -> None:
    chosen = palette(kind, 20, edge)
    image_HW3 = encode(label_HW, chosen)
    assert (image_HW3[label_HW == 255] == 0).all()
    found = decode(image_HW3, chosen)
    assert (found.label_HW == label_HW).all()
    assert not found.edge_HW.any()
    assert (found.nearest_HW == 0).all()
    assert (found.second_HW > 0).all()


@settings(max_examples=60, deadline=None)
@given(MAPS, st.integers(1, 4), st.sampled_from(KINDS))
def test_edges_change_nothing_beyond_themselves(label_HW: np.ndarray, width_px: int, kind: str) -> None:
    chosen = palette(kind, 20, edge=True)
    image_HW3 = encode_segments(label_HW, label_HW.astype(np.int32), chosen, width_px)
    edge_HW = edges(label_HW, width_px)
    found = decode(image_HW3, chosen)
    assert (found.edge_HW == edge_HW).all()
    assert (found.label_HW[~edge_HW] == label_HW[~edge_HW]).all()
    if edge_HW.all():
        assert (found.label_HW == 255).all(), "edges alone say nothing"
        return
    for row, column in np.argwhere(edge_HW)[:20]:
        squared = [((row - y) ** 2 + (column - x) ** 2, label_HW[y, x]) for y, x in np.argwhere(~edge_HW)]
        nearest = {label for distance, label in squared if distance == min(squared)[0]}
        assert found.label_HW[row, column] in nearest


def test_widths_of_edges_by_hand() -> None:
    segment_HW = np.array([[1, 1, 1, 1, 2, 2, 2, 2]])
    drawn = {width: edges(segment_HW, width)[0].astype(int).tolist() for width in (1, 2, 3, 4)}
    assert drawn == {
        1: [0, 0, 0, 1, 0, 0, 0, 0],
        2: [0, 0, 0, 1, 1, 0, 0, 0],
        3: [0, 0, 1, 1, 1, 0, 0, 0],
        4: [0, 0, 1, 1, 1, 1, 0, 0],
    }
    upright = edges(segment_HW.T, 2)[:, 0].astype(int).tolist()
    assert upright == drawn[2]
    assert not edges(np.ones((4, 4), int), 4).any()
    corner_HW = np.array([[1, 1], [1, 2]])
    assert edges(corner_HW, 2).astype(int).tolist() == [[0, 1], [1, 1]], "neighbours over a corner are none"


def test_pixels_far_from_every_colour_are_left_out_where_that_is_asked_for() -> None:
    chosen = palette(num_classes=20)
    image_HW3 = np.array([[[0, 0, 51], [0, 0, 60], [0, 40, 80]]], np.uint8)
    assert decode(image_HW3, chosen).label_HW.tolist() == [[0, 0, 1]]
    assert decode(image_HW3, chosen, max_distance=9).label_HW.tolist() == [[0, 0, 255]]
    assert decode(image_HW3, chosen, max_distance=8.9).label_HW.tolist() == [[0, 255, 255]]


def test_small_regions_go_to_the_label_along_most_of_their_border() -> None:
    label_HW = np.full((8, 8), 3, np.uint8)
    label_HW[:, 4:] = 5
    label_HW[2, 2] = 7
    label_HW[4, 3:6] = 9  # 4 sides to 5, 4 to 3: the smaller number
    label_HW[6, 4:7] = 11
    cleaned_HW = clean_up(label_HW, 4)
    assert (cleaned_HW[2, 2], cleaned_HW[6, 4:7].tolist()) == (3, [5] * 3)
    assert (cleaned_HW[4, 3:6] == 3).all() == (_sides(label_HW, 9)[3] >= _sides(label_HW, 9)[5])
    assert (clean_up(label_HW, 1) == label_HW).all()
    assert (clean_up(label_HW, 2)[4, 3:6] == 9).all(), "three pixels are not fewer than two"


def _sides(label_HW: np.ndarray, label: int) -> dict[int, int]:
    counts: dict[int, int] = {}
    for row, column in np.argwhere(label_HW == label):
        for y, x in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= y < label_HW.shape[0] and 0 <= x < label_HW.shape[1] and label_HW[y, x] != label:
                counts[int(label_HW[y, x])] = counts.get(int(label_HW[y, x]), 0) + 1
    return counts


def test_small_regions_among_small_ones_wait_for_them() -> None:
    label_HW = np.full((6, 10), 2, np.uint8)
    label_HW[2:4, 3:5] = [[4, 6], [8, 10]]
    label_HW[2, 3] = 12
    assert (clean_up(label_HW, 5) == 2).all()
    inner_HW = np.full((7, 7), 2, np.uint8)
    inner_HW[2:5, 2:5] = 4
    inner_HW[3, 3] = 6  # touches the ring of 8 alone
    assert (clean_up(inner_HW, 9) == 2).all()
    assert (clean_up(inner_HW, 8) == np.where(inner_HW == 6, 4, inner_HW)).all()
    checkered_HW = (np.indices((4, 4)).sum(0) % 2).astype(np.uint8)
    assert (clean_up(checkered_HW, 5) == checkered_HW).all(), "nothing large to go to"


def test_void_is_never_cleaned_into_a_class() -> None:
    label_HW = np.full((6, 6), 1, np.uint8)
    label_HW[2, 2] = 255
    assert (clean_up(label_HW, 10) == label_HW).all()
    label_HW[:], label_HW[3, 3] = 255, 4
    assert (clean_up(label_HW, 10) == 255).all()


@settings(max_examples=40, deadline=None)
@given(MAPS, st.integers(0, 30))
def test_clean_up_leaves_large_regions_and_no_small_one_beside_them(label_HW: np.ndarray, min_px: int) -> None:
    region_HW, cleaned_HW = connected_regions(label_HW), clean_up(label_HW, min_px)
    assert (region_HW == brute_regions(label_HW)).all()
    area_R = np.bincount(region_HW.ravel())
    stays_HW = (area_R[region_HW] >= min_px) | (label_HW == 255)
    assert (cleaned_HW[stays_HW] == label_HW[stays_HW]).all()
    assert set(np.unique(cleaned_HW)) <= set(np.unique(label_HW))
    if stays_HW.any():
        after = np.bincount(connected_regions(cleaned_HW).ravel())
        small = after[connected_regions(cleaned_HW)] < min_px
        assert (cleaned_HW[small] == 255).all(), "what is small now is void"


def brute_regions(label_HW: np.ndarray) -> np.ndarray:
    """Regions by filling, numbered in the order of their first pixels."""
    found_HW = np.full(label_HW.shape, -1)
    number = 0
    for row, column in np.ndindex(label_HW.shape):
        if found_HW[row, column] >= 0:
            continue
        open_pixels = [(row, column)]
        while open_pixels:
            y, x = open_pixels.pop()
            inside = 0 <= y < label_HW.shape[0] and 0 <= x < label_HW.shape[1]
            if inside and found_HW[y, x] < 0 and label_HW[y, x] == label_HW[row, column]:
                found_HW[y, x] = number
                open_pixels += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        number += 1
    return found_HW


def test_the_smallest_region_follows_the_area() -> None:
    sizes = [smallest_region_px(side, side) for side in (64, 512, 768)]
    assert sizes == [0, 20, 45]
    assert smallest_region_px(512, 1024) == 40


def test_touching_instances_are_parted_by_their_edge() -> None:
    class_HW = np.full((16, 20), 0, np.uint8)
    class_HW[4:12, 3:17] = 1
    segment_HW = class_HW.astype(np.int32)
    segment_HW[4:12, 10:17] = 2
    class_HW[:2], segment_HW[:2] = 255, 9
    class_HW[14, 1], segment_HW[14, 1] = 1, 7
    chosen = palette(num_classes=2, edge=True)
    found = decode(encode_segments(class_HW, segment_HW, chosen, 2), chosen)
    id_HW, segments = decoded_segments(found, (False, True), 6)
    assert [one.label for one in segments] == [0, 1, 1]
    left, right = id_HW[8, 5], id_HW[8, 14]
    assert left != right
    assert (id_HW[6:10, 4:10] == left).all()
    assert (id_HW[6:10, 10:16] == right).all(), "the edge goes to both sides"
    assert (id_HW[0] == 0).all(), "void is no segment"
    assert [one.area_px for one in segments] == [(id_HW == one.id).sum() for one in segments]
    _, without = decoded_segments(found, (False, True), 31)
    assert [one.label for one in without] == [0], "instances below the least area are dropped"


def test_what_cannot_be_drawn_or_read_is_one_sentence() -> None:
    chosen = palette(num_classes=20, edge=True)
    label_HW = np.zeros((4, 5), np.uint8)
    label_HW[1, 3] = 20
    with pytest.raises(
        InputError, match=r"class 20 at row 1, column 3, but the palette has colours for 20 classes, 0 to 19"
    ):
        encode(label_HW, chosen)
    with pytest.raises(InputError, match=r"map of classes is 5x4 pixels and the map of segments 4x5"):
        encode_segments(np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.int32), chosen, 2)
    for empty in (np.zeros((0, 5), np.uint8), np.zeros((5, 0), np.uint8)):
        with pytest.raises(InputError, match=re.escape(f"no pixels, its shape is {empty.shape}")):
            encode(empty, chosen)
    with pytest.raises(InputError, match=r"no pixels, its shape is \(0, 4, 3\)"):
        decode(np.zeros((0, 4, 3), np.uint8), chosen)
    for shape in ((4, 5), (4, 5, 4)):
        with pytest.raises(InputError, match=re.escape(f"(H, W, 3), not {shape}; give it in RGB")):
            decode(np.zeros(shape, np.uint8), chosen)
    void_HW = np.full((4, 5), 255, np.uint8)
    assert (decode(encode(void_HW, chosen), chosen).label_HW == 255).all(), "a picture of void is void"
    assert (clean_up(void_HW, 50) == 255).all()


def test_a_mask_saved_as_jpeg_is_refused_under_any_name(tmp_path: Path) -> None:
    chosen = palette(num_classes=20)
    label_HW = np.kron(np.arange(16).reshape(4, 4), np.ones((10, 10))).astype(np.uint8)
    label_HW[:3] = 255
    place = tmp_path / "mask.png"
    cv2.imwrite(str(place), encode(label_HW, chosen)[..., ::-1])
    assert (read_colour_picture(place, chosen) == label_HW).all()
    _, coded = cv2.imencode(".jpg", encode(label_HW, chosen)[..., ::-1])
    place.write_bytes(coded.tobytes())
    with pytest.raises(InputError, match=r"mask\.png is a JPEG, which changes colours"):
        read_colour_picture(place, chosen)
    cv2.imwrite(str(place), cv2.imdecode(coded, cv2.IMREAD_COLOR))
    with pytest.raises(
        InputError, match=r"of 1,600 pixels in no colour of the palette, the first at row .* once saved as JPEG"
    ):
        read_colour_picture(place, chosen)
    place.write_text("no picture")
    with pytest.raises(InputError, match="is not a picture"):
        read_colour_picture(place, chosen)


def test_neighbours_in_the_lattice_are_one_and_six_classes_away() -> None:
    colour_K3 = palette().colours_K3.astype(int)
    for one, other in pairwise(range(1, 6)):
        assert abs(colour_K3[one - 1] - colour_K3[other - 1]).sum() == 51
    assert abs(colour_K3[0] - colour_K3[6]).sum() == 51

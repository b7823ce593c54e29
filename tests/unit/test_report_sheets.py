"""Sheets of pictures: every tile lies where its row and column are, and what is drawn over it is what the records say."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reports.figures import PALETTE
from reports.label_maps import agreement, coloured
from reports.sample_sheets import cut_out_sheet, instance_sheet, label_map_columns, label_map_rows, label_map_tiles
from reports.samples import CutOutSample, InstanceSample, LabelMapSample, save_sample
from reports.sheets import Outline, Sheet, SheetRow, Strip, Tile, draw_sheet

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (4, 4)) -> Tile:
    return Tile(Image.new("RGB", size, colour))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def box(picture_HW3: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, upper, right and lower end of what has about this colour."""
    rows, columns = np.nonzero((np.abs(picture_HW3 - colour) < 40).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


# --- layout


def test_tiles_lie_in_rows_and_columns_of_fixed_pixels(tmp_path):
    rows = [SheetRow([Strip([plain(RED), plain(GREEN)])]), SheetRow([Strip([]), Strip([plain(BLUE)])])]
    assert draw_sheet(Sheet(rows, tile_px=50), tmp_path / "sheet.png")
    picture = pixels(tmp_path / "sheet.png")
    assert picture.shape[:2] == (2 * 50 + 6, 2 * (2 * 50 + 6) + 18)
    assert box(picture, RED) == (0, 0, 50, 50)
    assert box(picture, GREEN) == (56, 0, 106, 50)
    assert box(picture, BLUE) == (124, 56, 174, 106)  # under the second strip: the first one is empty


def test_names_heads_captions_and_a_legend_get_room(tmp_path):
    strip = Strip([plain(RED)], "words")
    sheet = Sheet([SheetRow([strip], "row")], 50, ["head"], legend={"a": "#000000"})
    draw_sheet(sheet, tmp_path / "sheet.png")
    picture = pixels(tmp_path / "sheet.png")
    left, upper, right, lower = box(picture, RED)
    assert (right - left, lower - upper) == (50, 50)
    assert (picture[upper:lower, :left] < 100).any(), "a name at the left"
    assert (picture[:upper, left:right] < 100).any(), "a head above"
    assert (picture[lower:, left:right] < 150).any(), "a caption below"


def test_pictures_of_any_shape_are_fitted_into_their_tile(tmp_path):
    draw_sheet(Sheet([SheetRow([Strip([plain(RED, (8, 4)), plain(BLUE, (1, 500))])])], 48), tmp_path / "sheet.png")
    picture = pixels(tmp_path / "sheet.png")
    assert box(picture, RED) == (0, 12, 48, 36)
    assert box(picture, BLUE) == (54 + 23, 0, 54 + 24, 48)


def test_an_outline_runs_along_the_edge_of_its_region(tmp_path):
    region_HW = np.zeros((10, 10), bool)
    region_HW[2:5, 3:9] = True
    tile = Tile(Image.new("RGB", (10, 10), "white"), (Outline(region_HW, "#ff0000", width_pt=2.4),))
    draw_sheet(Sheet([SheetRow([Strip([tile])])], 100), tmp_path / "sheet.png")
    left, upper, right, lower = box(pixels(tmp_path / "sheet.png"), RED)
    assert np.abs(np.array([left, upper, right, lower]) - [30, 20, 90, 50]).max() <= 3


def test_nothing_to_draw_leaves_no_file(tmp_path):
    path = tmp_path / "sheet.png"
    assert not draw_sheet(Sheet([SheetRow([])]), path)
    assert not cut_out_sheet([], path)
    assert not instance_sheet([], path)
    assert not label_map_rows([], (), path)
    assert not label_map_columns([], path)
    assert not path.exists()


# --- samples


def test_cut_outs_stand_on_grey_and_many_rows_are_thinned(tmp_path):
    rgba_HW4 = np.zeros((6, 12, 4), np.uint8)
    rgba_HW4[:, :6] = (*RED, 255)
    path = save_sample(tmp_path / "made", "object", rgba_HW4)
    samples = [CutOutSample(arm="a", row=f"round {n}", category="cup", path=path) for n in range(30)]
    assert cut_out_sheet(samples, tmp_path / "sheet.png", most_rows=3)
    picture = pixels(tmp_path / "sheet.png")
    assert picture.shape[0] == 22 + 3 * (72 + 6) - 6
    assert box(picture[:100], RED)[2] - box(picture[:100], RED)[0] == pytest.approx(36, abs=2)
    assert picture[30, -4].tolist() == [222, 222, 222]


def test_a_column_of_cut_outs_is_of_one_class_and_has_a_hole_where_a_row_has_none(tmp_path):
    def sample(row: str, category: str, colour: tuple[int, int, int]) -> CutOutSample:
        path = save_sample(tmp_path / "made", f"{row}-{category}-{colour[0]}", np.full((8, 8, 3), colour, np.uint8))
        return CutOutSample(arm="a", row=row, category=category, path=path)

    samples = [
        *(sample("round 1", "cup", RED), sample("round 1", "cup", (9, 9, 9)), sample("round 1", "tent", BLUE)),
        sample("round 2", "tent", BLUE),
    ]
    assert cut_out_sheet(samples, tmp_path / "sheet.png")
    picture = pixels(tmp_path / "sheet.png")
    side = picture.shape[1] - (2 * 72 + 18)  # names of rows
    assert box(picture, RED) == (side, 22, side + 72, 22 + 72)
    assert box(picture, BLUE) == (side + 90, 22, side + 162, 22 + 78 + 72)
    assert (picture[22 + 78 :, side : side + 72] == 255).all()


def test_pasted_and_real_instances_have_their_colours(tmp_path):
    instances_HW = np.zeros((20, 20), np.uint8)
    instances_HW[4:9, 4:9], instances_HW[12:17, 12:17] = 1, 2
    paths = [
        save_sample(tmp_path, "image", np.full((20, 20, 3), 255, np.uint8)),
        save_sample(tmp_path, "map", instances_HW),
    ]
    sample = InstanceSample(arm="a", caption="", path=paths[0], instances_path=paths[1], pasted=(2,))
    assert instance_sheet([sample], tmp_path / "sheet.png")
    picture = pixels(tmp_path / "sheet.png")[28:]  # below the legend
    scale = 234 / 20
    assert np.abs(np.array(box(picture, rgb(PALETTE[5]))) - np.array([4, 4, 9, 9]) * scale).max() <= 3
    assert np.abs(np.array(box(picture, rgb(PALETTE[1]))) - np.array([12, 12, 17, 17]) * scale).max() <= 3


def label_maps(folder: Path, sides: tuple[int, int, int]) -> LabelMapSample:
    image, *maps = (save_sample(folder, str(n), np.zeros((side, side), np.uint8)) for n, side in enumerate(sides))
    return LabelMapSample(group="best", path=image, label_paths=tuple(maps))


def test_a_map_of_another_size_is_noticed(tmp_path):
    assert len(label_map_tiles(label_maps(tmp_path, (8, 8, 8)), compare=True)) == 4
    with pytest.raises(AssertionError, match=r"2\.png has another size"):
        label_map_tiles(label_maps(tmp_path, (8, 8, 9)))


def test_groups_stand_in_columns_also_where_one_is_shorter(tmp_path):
    paths = {name: save_sample(tmp_path, name, np.full((4, 4, 3), c, np.uint8)) for name, c in COLOURS.items()}
    zeros = save_sample(tmp_path, "zeros", np.zeros((4, 4), np.uint8))
    groups = {"red": "a", "green": "b", "blue": "b"}
    samples = [LabelMapSample(group=groups[name], path=path, label_paths=(zeros,)) for name, path in paths.items()]
    assert label_map_columns(samples, tmp_path / "sheet.png")
    picture = pixels(tmp_path / "sheet.png")
    second = 2 * (108 + 6) - 6 + 18
    assert box(picture, RED)[:2] == (0, 22)
    assert box(picture, GREEN)[:2] == (second, 22)
    assert box(picture, BLUE)[:2] == (second, 22 + 108 + 6)


# --- label maps


def test_agreement_compares_classes_and_leaves_uncertain_pixels_pale():
    image_HW3 = np.full((1, 5, 3), 100, np.uint8)
    first_HW = np.array([[3, 3, 0, 255, 0]], np.uint8)
    second_HW = np.array([[3, 4, 4, 4, 0]], np.uint8)
    both, differs, second, uncertain, nothing = agreement(image_HW3, first_HW, second_HW)[0].tolist()
    assert np.argmax(both) == 1  # green
    assert np.argmax(differs) == 0  # orange
    assert np.argmax(second) == 2  # blue
    assert uncertain == nothing == [178, 178, 178]  # grey 100 half way to white, rounded


def test_every_label_has_a_colour_of_its_own():
    colours = np.asarray(coloured(np.arange(256, dtype=np.uint8)[None]))[0]
    assert len(np.unique(colours, axis=0)) == 256
    assert colours[255].tolist() == [255, 255, 255]

"""Both ways to decode a label PNG give the same numbers: libdeflate with the loop in C, and OpenCV."""

import struct
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.datasets import png_labels
from methods.common.datasets.png_labels import read_labels, read_rgb_ids
from methods.common.errors import InputError
from tests.unit.test_png_folders import part

GRAY, RGB, PALETTE = 0, 2, 3


def png_of_rows(
    filtered: bytes, width: int, height: int, bits: int, colour: int, cuts: int = 1, interlace: int = 0
) -> bytes:
    """A PNG of these filtered rows, its pixels in so many chunks."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    palette = part(b"PLTE", bytes(768)) if colour == PALETTE else b""
    deflated = zlib.compress(filtered)
    bounds = [len(deflated) * cut // cuts for cut in range(cuts + 1)]
    pixels = b"".join(part(b"IDAT", deflated[start:end]) for start, end in pairwise(bounds))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + palette + pixels + part(b"IEND", b"")


@pytest.fixture
def only_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_labels, "_decode_plain", lambda png: None)


KINDS = [(8, GRAY, 1), (16, GRAY, 2), (8, PALETTE, 1), (8, RGB, 3)]


@pytest.mark.parametrize(("bits", "colour", "num_bytes"), KINDS, ids=["gray", "gray16", "palette", "rgb"])
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), width=st.integers(1, 40), height=st.integers(1, 12), high=st.sampled_from([2, 256])
)
def test_every_filter_is_undone_as_opencv_does(
    tmp_path_factory: pytest.TempPathFactory,
    bits: int,
    colour: int,
    num_bytes: int,
    seed: int,
    width: int,
    height: int,
    high: int,
) -> None:
    """Rows of random bytes below random filters are a valid PNG, whatever they show."""
    rng = np.random.default_rng(seed)
    rows = [
        bytes([filter_]) + rng.integers(0, high, width * num_bytes, np.uint8).tobytes()
        for filter_ in rng.integers(0, 5, height)
    ]
    path = tmp_path_factory.mktemp("png") / "a.png"
    path.write_bytes(png_of_rows(b"".join(rows), width, height, bits, colour, cuts=int(rng.integers(1, 4))))
    read = read_rgb_ids if colour == RGB else read_labels
    plain = png_labels._decode_plain(png_labels._read_checked(path))
    assert plain is not None, "the quick way refuses a plain file"
    found = read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png_labels, "_decode_plain", lambda png: None)
        expected = read(path)
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


def test_of_neighbours_that_are_as_near_the_one_above_comes_before_the_corner(tmp_path: Path) -> None:
    """By hand: left 5, above 2, corner 4: 5 + 2 - 4 = 3, as near to 2 as to 4."""
    (tmp_path / "a.png").write_bytes(png_of_rows(bytes([0, 4, 2]) + bytes([4, 1, 0]), 2, 2, 8, GRAY))
    assert read_labels(tmp_path / "a.png").tolist() == [[4, 2], [5, 2]]


def test_what_is_uncommon_is_left_to_opencv(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_of_rows(bytes([0, 0b00011011]), 4, 1, 2, GRAY))
    assert png_labels._decode_plain(png_labels._read_checked(path)) is None
    assert read_labels(path).tolist() == [[0, 1, 2, 3]]
    path.write_bytes(png_of_rows(bytes([0, 7]), 1, 1, 8, GRAY, interlace=1))
    assert png_labels._decode_plain(png_labels._read_checked(path)) is None
    assert read_labels(path).tolist() == [[7]]


@pytest.mark.parametrize("bits", [0, 3, 12, 24, 255])
def test_a_depth_that_png_has_not_is_refused(tmp_path: Path, bits: int) -> None:
    width = 8
    (tmp_path / "a.png").write_bytes(png_of_rows(bytes(1 + width * bits // 8), width, 1, bits, GRAY))
    with pytest.raises(InputError, match=r"a\.png (is damaged|cannot be decoded)"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("rows", "size"),
    [(bytes([5, 1, 2]), (2, 1)), (bytes([0, 1, 2]), (2, 2)), (bytes([0, 1]), (60_000, 60_000))],
    ids=["no such filter", "too few rows", "a header that lies"],
)
def test_pixels_that_contradict_their_header_are_refused(tmp_path: Path, rows: bytes, size: tuple[int, int]) -> None:
    (tmp_path / "a.png").write_bytes(png_of_rows(rows, *size, 8, GRAY))
    assert png_labels._decode_plain(png_labels._read_checked(tmp_path / "a.png")) is None
    with pytest.raises(InputError, match=r"a\.png (is damaged|cannot be decoded)"):
        read_labels(tmp_path / "a.png")


def test_pixels_with_something_between_them_are_refused(tmp_path: Path) -> None:
    whole = png_of_rows(bytes([0, 1, 2]), 2, 1, 8, GRAY, cuts=2)
    second = whole.rindex(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(whole[:second] + part(b"tEXt", b"a\0b") + whole[second:])
    with pytest.raises(InputError, match=r"a\.png is damaged"):
        read_labels(tmp_path / "a.png")


def test_a_header_that_lies_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20,000 x 20,000 pixels only a few bytes are there."""
    (tmp_path / "a.png").write_bytes(png_of_rows(bytes(20), 20_000, 20_000, 8, GRAY))
    asked: list[int] = []
    monkeypatch.setattr(png_labels.deflate, "zlib_decompress", lambda data, size: asked.append(size) or bytearray())
    assert png_labels._decode_plain(png_labels._read_checked(tmp_path / "a.png")) is None
    assert asked == []


@pytest.mark.usefixtures("only_opencv")
def test_without_the_loop_colours_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_of_rows(bytes([0, 1, 2, 3]), 1, 1, 8, RGB))
    assert read_rgb_ids(tmp_path / "a.png").tolist() == [[1 + 2 * 256 + 3 * 65536]]

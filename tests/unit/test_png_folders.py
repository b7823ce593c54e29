"""Reading label maps exactly, pairing folders, counting pairs of labels, working in processes."""

import os
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from methods.common.datasets.image_lists import read_image_list
from methods.common.datasets.png_labels import read_labels, read_rgb_ids
from methods.common.errors import InputError
from methods.common.metrics.label_maps import png_folders
from methods.common.metrics.label_maps.confusion import count_pairs, pool_images
from methods.common.metrics.label_maps.png_folders import list_png_files, map_images, pair_by_name


def png(rows: list[bytes], width: int, bits: int, colour: int, *before: bytes, data: bytes | None = None) -> bytes:
    """A PNG byte by byte, each row unfiltered."""
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows)) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + b"".join([part(b"IHDR", header), *before, part(b"IDAT", pixels), part(b"IEND", b"")])


def part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PALETTE = part(b"PLTE", bytes(range(48)))


@pytest.mark.parametrize(
    ("file", "labels"),
    [
        (png([bytes([0, 1, 2, 255])], 4, 8, 0), [0, 1, 2, 255]),
        (png([bytes([0, 1, 2, 255])], 4, 8, 0, part(b"tRNS", b"\0\1")), [0, 1, 2, 255]),
        (png([struct.pack(">HH", 1000, 65535)], 2, 16, 0), [1000, 65535]),
        (png([bytes([0, 1, 2, 255])], 4, 8, 3, PALETTE), [0, 1, 2, 255]),
        (png([bytes([0, 1, 2, 3])], 4, 8, 3, PALETTE, part(b"tRNS", b"\0")), [0, 1, 2, 3]),
        (png([bytes([0x12, 0x3F])], 4, 4, 3, PALETTE), [1, 2, 3, 15]),
        (png([bytes([0b00011011])], 4, 2, 3, PALETTE), [0, 1, 2, 3]),
        (png([bytes([0b01011011])], 8, 1, 0), [0, 1, 0, 1, 1, 0, 1, 1]),
        (png([bytes([0x12, 0x3F])], 4, 4, 0), [1, 2, 3, 15]),
        (png([bytes([0b00011011])], 4, 2, 0), [0, 1, 2, 3]),
    ],
)
def test_labels_are_the_stored_numbers(tmp_path: Path, file: bytes, labels: list[int]) -> None:
    (tmp_path / "a.png").write_bytes(file)
    assert read_labels(tmp_path / "a.png").tolist() == [labels]


def test_ids_in_colours(tmp_path: Path) -> None:
    colours = bytes([1, 2, 3, 255, 0, 0, 255, 255, 255])
    gamma = part(b"gAMA", struct.pack(">I", 20000))
    (tmp_path / "a.png").write_bytes(png([colours], 3, 8, 2, gamma))
    assert read_rgb_ids(tmp_path / "a.png").tolist() == [[1 + 2 * 256 + 3 * 65536, 255, 16777215]]


GOOD = png([bytes(range(200))] * 50, 200, 8, 0)
PIXELS = GOOD.index(b"IDAT") + 8
FAULTY = {
    "is not a PNG file": b"\xff\xd8\xff\xe0 some JPEG",
    "is empty; write it again": b"",
    "is truncated;": GOOD[:5],
    "is truncated": GOOD[:-30],
    "is truncated; write": GOOD[: PIXELS + 4],
    r"is truncated; write it": GOOD[:-12],
    r"is damaged \(a checksum is wrong\)": GOOD[:PIXELS] + bytes([GOOD[PIXELS] ^ 1]) + GOOD[PIXELS + 1 :],
    r"is damaged \(its pixels cannot": png([bytes(200)] * 50, 200, 8, 0, data=zlib.compress(bytes(70))),
    r"is damaged \(its pixels": png([bytes(200)] * 50, 200, 8, 3, PALETTE, data=zlib.compress(bytes(20 * 201))),
    r"is damaged \(it has no header": GOOD[:8] + part(b"IEND", b""),
    "is RGB with 8 bits, not a label map of one channel; save class ids": png([bytes(6)], 2, 8, 2),
    "is gray with transparency with 8 bits, not": png([bytes(4)], 2, 8, 4),
}


@pytest.mark.parametrize(("message", "file"), FAULTY.items())
def test_faulty_files(tmp_path: Path, message: str, file: bytes) -> None:
    (tmp_path / "a.png").write_bytes(file)
    with pytest.raises(InputError, match=f"a.png {message}") as raised:
        read_labels(tmp_path / "a.png")
    assert "\n" not in str(raised.value)


def test_faulty_ids(tmp_path: Path) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "gray.png")
    with pytest.raises(InputError, match=r"gray\.png is gray with 8 bits; ids must be stored as 8-bit RGB"):
        read_rgb_ids(tmp_path / "gray.png")
    with pytest.raises(InputError, match=r"none.png cannot be read \(No such file or directory\)"):
        read_rgb_ids(tmp_path / "none.png")


def folders(tmp_path: Path, truths: list[str], predicted: list[str]) -> tuple[Path, Path]:
    for folder, names in (("truth", truths), ("predicted", predicted)):
        (tmp_path / folder).mkdir()
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
    return tmp_path / "truth", tmp_path / "predicted"


def test_pairs_have_equal_paths(tmp_path: Path) -> None:
    truth, predicted = folders(tmp_path, ["b.png", "x/a.png", "notes.txt", "._b.png"], ["x/a.png", "b.png"])
    assert pair_by_name(truth, predicted) == [
        ("b", truth / "b.png", predicted / "b.png"),
        ("x/a", truth / "x" / "a.png", predicted / "x" / "a.png"),
    ]


def test_image_lists(tmp_path: Path) -> None:
    names = tmp_path / "list.txt"
    names.write_text("2007_000033\n\n x/a.JPEG  x/a.png\nb.v2.jpg\n2007_000042 -1\n")
    assert read_image_list(names) == ["2007_000033", "x/a", "b.v2", "2007_000042"]
    truth, predicted = folders(tmp_path, ["a.png", "b.png", "c.png"], ["c.png", "a.png", "d.png"])
    names.write_text("c\na\n")
    assert [pair.name for pair in pair_by_name(truth, predicted, names)] == ["c", "a"]


@pytest.mark.parametrize(
    ("truths", "predicted", "listed", "message"),
    [
        (["a.png", "b.png"], ["a.png"], None, "no prediction .*predicted/b.png, and 1 of 2 are missing"),
        (["a.png"], ["a.png", "z.png"], None, "prediction .*predicted/z.png has no ground truth in .*truth; remove it"),
        (["a_gt.png"], ["a_pred.png"], None, "other names than those in .*: a_pred.png there, a_gt.png here"),
        ([], ["a.png"], None, "no .png file in .*truth"),
        (["a.png"], ["a.jpg"], None, "no .png file in .*predicted"),
        (["a.png"], ["a.png"], "b\n", "list.txt names 'b', but there is no .*truth/b.png"),
        (["a.png"], ["a.png"], "a\na\n", "list.txt names 'a' twice"),
        (["a.png"], ["a.png"], "\n", "list.txt is empty"),
    ],
)
def test_faulty_folders(
    tmp_path: Path, truths: list[str], predicted: list[str], listed: str | None, message: str
) -> None:
    places = folders(tmp_path, truths, predicted)
    names = tmp_path / "list.txt" if listed is not None else None
    if names is not None:
        names.write_text(listed)
    with pytest.raises(InputError, match=message) as raised:
        pair_by_name(*places, names)
    assert "\n" not in str(raised.value)


def test_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*nowhere"):
        pair_by_name(tmp_path / "nowhere", tmp_path)
    with pytest.raises(InputError, match=r"list .*nothing\.txt cannot be read"):
        read_image_list(tmp_path / "nothing.txt")


def test_lists_name_files_as_they_are(tmp_path: Path) -> None:
    truth, predicted = folders(tmp_path, ["my cat.png", "a.png", "my.png"], ["my cat.png", "a.png", "my.png"])
    names = tmp_path / "list.txt"
    names.write_text("my cat\n./a.png\nmy dog\n")
    assert [pair.name for pair in pair_by_name(truth, predicted, names)] == ["my cat", "a", "my"]


def test_links_are_followed_but_not_back(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "maps" / name).mkdir(parents=True)
        (tmp_path / "maps" / name / "1.png").touch()
    (tmp_path / "maps" / "a" / "again").symlink_to(tmp_path / "maps")
    (tmp_path / "maps" / "a" / "b").symlink_to(tmp_path / "maps" / "b")
    (tmp_path / "maps" / "b" / "a").symlink_to(tmp_path / "maps" / "a")
    assert sorted(list_png_files(tmp_path / "maps")) == ["a/1", "a/b/1", "b/1", "b/a/1", "c/1"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(place: str) -> object:
        if str(place).endswith("locked"):
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"locked cannot be read \(Permission denied\); make it readable"):
        list_png_files(tmp_path)


def test_the_greatest_label_beside_none(tmp_path: Path) -> None:
    """A pair of labels then needs a bit more than each of them has."""
    greatest = np.array([[0, 65535]], np.uint16)
    for maps in ((np.zeros((1, 2), np.uint8), greatest), (greatest, np.zeros((1, 2), np.uint8))):
        pairs = count_pairs(*maps)
        found = list(zip(pairs.first_P.tolist(), pairs.second_P.tolist(), pairs.count_P.tolist(), strict=True))
        assert found == [(int(a), int(b), 1) for a, b in zip(*(one[0] for one in maps), strict=True)]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 9), st.integers(0, 40)),
    kinds=st.tuples(*[st.sampled_from([np.uint8, np.uint16, np.uint32])] * 2),
    num_labels=st.sampled_from([1, 3, 200, 60_000, (1 << 31) - 1]),
    repeat=st.sampled_from([1, 30]),
    seed=st.integers(0, 1000),
)
def test_pairs_are_counted(shape: tuple, kinds: tuple, num_labels: int, repeat: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (
        np.repeat(generator.integers(0, min(num_labels, np.iinfo(kind).max) + 1, shape), repeat, axis=1).astype(kind)
        for kind in kinds
    )
    found = count_pairs(first, second)
    expected = sorted(Counter(zip(first.ravel().tolist(), second.ravel().tolist(), strict=True)).items())
    assert list(zip(*(part.tolist() for part in found), strict=True)) == [(*pair, n) for pair, n in expected]


def test_pooling_by_weight() -> None:
    count_I2 = np.array([[1, 2], [10, 20], [100, 200]])
    assert pool_images(count_I2, None).tolist() == [111, 222]
    assert pool_images(count_I2, np.array([2.0, 0.0, 1.0])).tolist() == [102, 204]


def root_of(number: int) -> float:
    if number < 0:
        raise InputError(f"number {number} has no root")
    return number**0.5


@pytest.mark.parametrize("num_processes", [1, 2])
def test_work_in_processes(num_processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_folders, "ALONE_S", 0)
    told: list[tuple[int, int]] = []
    found = map_images(root_of, range(50), num_processes, lambda done, total: told.append((done, total)))
    assert found == [number**0.5 for number in range(50)]
    assert told == sorted(set(told))
    assert told[-1] == (50, 50)
    assert len(told) >= 4
    with pytest.raises(InputError, match="number -4 has no root"):
        map_images(root_of, [1, 2, 3, -4, 5, -6, 7, -8] * 4, num_processes)


def process_after_a_while(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def test_processes_are_started_for_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_folders, "ALONE_S", 5.0)
    assert set(map_images(process_after_a_while, range(3), 2)) == {os.getpid()}
    monkeypatch.setattr(png_folders, "ALONE_S", 0.05)
    others = set(map_images(process_after_a_while, range(150), 2)) - {os.getpid()}
    assert 1 <= len(others) <= 2


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux tells its threads")
def test_only_a_process_with_one_thread_is_copied() -> None:
    code = (
        "import threading\n"
        "from methods.common.metrics.processes import start_method\n"
        "alone = start_method([]).get_start_method()\n"
        "done = threading.Event()\n"
        "threading.Thread(target=done.wait).start()\n"
        "print(alone, start_method([]).get_start_method())\n"
        "done.set()\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["fork", "forkserver"]

"""The object pool on disk: round trip, random access, several processes, damage, own cut-outs."""

import multiprocessing
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from methods.common.errors import InputError
from methods.common.objects import shard_reading, shards
from methods.common.objects.cutout_folders import list_cutouts, read_cutout
from methods.common.objects.pool import (
    ObjectPool,
    PooledObject,
    StoredObject,
    write_pool_shard,
)
from methods.common.objects.shards import is_whole_shard, shard_path, write_missing_shards, write_pool


def make_object(number, category_id=1, round_index=1):
    rng = np.random.default_rng(number)
    rgba = rng.integers(0, 256, (5 + number % 7, 4 + number % 5, 4), dtype=np.uint8)
    return PooledObject(rgba, category_id, round_index, f"photo of thing {number}", 2**62 + number, 20.5 + number)


def same(one, other):
    return np.array_equal(one.rgba_HW4, other.rgba_HW4) and (
        (one.category_id, one.round_index, one.prompt, one.image_seed, one.clip_score)
        == (other.category_id, other.round_index, other.prompt, other.image_seed, other.clip_score)
    )


@pytest.fixture
def pool_folder(tmp_path):
    """70 objects in three shards, one of them empty."""
    objects = [make_object(number, category_id=10 + number % 3, round_index=1 + number // 40) for number in range(70)]
    assert write_pool_shard(tmp_path / "pool" / "pool-00000.parquet", objects[:40]) == 40
    write_pool_shard(tmp_path / "pool" / "pool-00001.parquet", [])
    write_pool_shard(tmp_path / "pool" / "pool-00002.parquet", objects[40:])
    return tmp_path / "pool", objects


def test_every_object_comes_back_in_any_order(pool_folder):
    folder, objects = pool_folder
    pool = ObjectPool.open(folder)
    assert len(pool) == 70
    for index in [69, 0, 40, 39, 16, 15, 33]:
        assert same(pool[index], objects[index])
    assert all(same(one, other) for one, other in zip(pool, objects, strict=True))
    assert pool.category_id.tolist() == [item.category_id for item in objects]
    assert pool.round_index.tolist() == [item.round_index for item in objects]
    assert pool.image_seed.tolist() == [item.image_seed for item in objects]
    with pytest.raises(IndexError):
        pool[70]


def test_a_selection(pool_folder):
    folder, objects = pool_folder
    pool = ObjectPool.open([folder])
    second_round = pool.select(pool.round_index == 2)
    assert len(second_round) == 30
    assert same(second_round[4], objects[44])
    assert pool.select(np.array([68, 2]))[1].prompt == "photo of thing 2"


def test_folders_and_files_keep_their_order(pool_folder, tmp_path):
    folder, objects = pool_folder
    write_pool_shard(tmp_path / "own.parquet", [make_object(500)])
    pool = ObjectPool.open([tmp_path / "own.parquet", folder])
    assert pool[0].prompt == "photo of thing 500"
    assert same(pool[70], objects[69])


def _read(pool, index, queue):
    queue.put(pool[index].prompt)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_a_pool_that_was_opened_here(pool_folder, method):
    folder, _ = pool_folder
    pool = ObjectPool.open(folder)
    assert pool[3].prompt == "photo of thing 3"
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    reader = context.Process(target=_read, args=(pool, 50, queue))
    reader.start()
    assert queue.get(timeout=60) == "photo of thing 50"
    reader.join()
    assert pickle.loads(pickle.dumps(pool))[7].prompt == "photo of thing 7"


def test_more_shards_than_may_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_reading, "_MAX_OPEN_FILES", 3)
    for number in range(8):
        write_pool_shard(shard_path(tmp_path, number), [make_object(number)])
    rewrite_as_before(shard_path(tmp_path, 6))
    pool = ObjectPool.open(tmp_path)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    order = [0, 7, 3, 6, 0, *range(8), 6, 1]
    assert [pool[index].image_seed - 2**62 for index in order] == order
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) <= before + 4


def test_equal_objects_give_equal_bytes_and_plain_parquet(tmp_path):
    for name in ("one", "two"):
        write_pool_shard(tmp_path / f"{name}.parquet", [make_object(number) for number in range(20)])
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    table = pq.read_table(tmp_path / "one.parquet")
    assert table.num_rows == 20
    assert table["png"][0].as_py().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.parquet", "two.parquet"]  # nothing left aside


def test_a_failed_write_leaves_the_old_shard(tmp_path):
    path = tmp_path / "pool.parquet"
    write_pool_shard(path, [make_object(1)])

    def interrupted():
        yield make_object(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pool_shard(path, interrupted())
    assert ObjectPool.open(path)[0].prompt == "photo of thing 1"


def test_empty_missing_and_foreign_pools_are_the_users_mistake(tmp_path):
    write_pool_shard(tmp_path / "empty" / "pool.parquet", [])
    with pytest.raises(InputError, match=r"empty: no object passed the filter"):
        ObjectPool.open(tmp_path / "empty")
    assert len(ObjectPool.open(tmp_path / "empty", allow_empty=True)) == 0
    with pytest.raises(InputError, match="no object pool at"):
        ObjectPool.open(tmp_path / "absent")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        ObjectPool.open(tmp_path / "torn.parquet")
    table = pq.read_table(tmp_path / "empty" / "pool.parquet").drop_columns(["prompt"])
    pq.write_table(table, tmp_path / "foreign.parquet")
    with pytest.raises(InputError, match="column 'prompt' is missing"):
        ObjectPool.open(tmp_path / "foreign.parquet")


# ---- layouts


def rewrite_as_before(path):
    """The layout of earlier versions: no lengths, groups of four."""
    table = pq.read_table(path).drop_columns(["png_bytes", "prompt_bytes"])
    pq.write_table(table, path, row_group_size=4, compression="none", use_dictionary=False, write_statistics=False)


LAYOUTS = {
    "earlier": rewrite_as_before,
    "compressed": lambda path: pq.write_table(pq.read_table(path), path, row_group_size=9),
    "dictionary": lambda path: pq.write_table(pq.read_table(path), path, compression="none"),
    "many_pages": lambda path: pq.write_table(
        pq.read_table(path), path, compression="none", use_dictionary=False, data_page_size=64, write_batch_size=2
    ),
    "other_order": lambda path: pq.write_table(
        pq.read_table(path).select(sorted(pq.read_schema(path).names)), path, compression="zstd", row_group_size=7
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_shards_of_another_layout_read_alike(pool_folder, layout):
    folder, objects = pool_folder
    LAYOUTS[layout](shard_path(folder, 0))
    pool = ObjectPool.open(folder)
    for index in (39, 0, 40, 17, 4, 69):
        assert same(pool[index], objects[index])


def read_through_arrow(*arguments):
    raise AssertionError("our own layout is read at known places")


@pytest.mark.parametrize("bytes_per_group", [1, 1000, 10**9])
def test_values_are_found_whatever_the_groups(tmp_path, monkeypatch, bytes_per_group):
    monkeypatch.setattr(shards, "_BYTES_PER_GROUP", bytes_per_group)
    monkeypatch.setattr(shard_reading.ShardFiles, "_read_through_arrow", read_through_arrow)
    objects = [replace(make_object(number), prompt="ä" * (number % 5)) for number in range(30)]
    write_pool_shard(tmp_path / "pool.parquet", objects)
    assert (pq.read_metadata(tmp_path / "pool.parquet").num_row_groups == 1) == (bytes_per_group == 10**9)
    assert all(same(one, other) for one, other in zip(ObjectPool.open(tmp_path), objects, strict=True))


def test_a_shard_larger_than_a_group(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_reading.ShardFiles, "_read_through_arrow", read_through_arrow)
    stored = [
        StoredObject(bytes([number % 251]) * (number % 7), 1, 1, str(number), number, 0.5) for number in range(2500)
    ]
    write_pool_shard(tmp_path / "pool.parquet", stored)
    assert list(ObjectPool.open(tmp_path).read_all()) == stored


# ---- resuming


def test_a_writer_goes_on_with_the_first_shard_that_is_missing_or_torn(tmp_path):
    made = []

    def make(number):
        made.append(number)
        if number == 3 and made.count(3) == 1:
            raise KeyboardInterrupt
        return [make_object(10 * number + index) for index in range(10)]

    with pytest.raises(KeyboardInterrupt):
        write_missing_shards(tmp_path, range(6), make)
    assert made == [0, 1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"pool-0000{number}.parquet" for number in range(3)]
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    shard_path(tmp_path, 1).write_bytes(whole[shard_path(tmp_path, 1)][:-9])
    assert write_missing_shards(tmp_path, range(6), make) == 4
    assert made[4:] == [1, 3, 4, 5]
    assert write_missing_shards(tmp_path, range(6), make) == 0
    assert all(path.read_bytes() == data for path, data in whole.items())
    assert [item.image_seed - 2**62 for item in ObjectPool.open(tmp_path).read_all()] == list(range(60))


def test_any_flipped_bit_of_a_value_is_noticed(tmp_path):
    path = tmp_path / "pool.parquet"
    write_pool_shard(path, [make_object(number) for number in range(12)])
    data = path.read_bytes()
    assert is_whole_shard(path, 12)
    assert not is_whole_shard(path, 11)
    entry = ObjectPool.open(path)._index_N[5]
    for place in (entry["png_start"] + 3, entry["prompt_start"], entry["png_start"] - 4):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        assert not is_whole_shard(path)
    assert not is_whole_shard(tmp_path / "absent.parquet")


def test_a_shard_cut_short_under_a_reader_is_the_users_mistake(pool_folder):
    folder, _ = pool_folder
    pool = ObjectPool.open(folder)
    os.truncate(shard_path(folder, 2), 100)
    with pytest.raises(InputError, match=r"pool-00002\.parquet is damaged"):
        pool[69]


def test_a_stream_becomes_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "OBJECTS_PER_SHARD", 4)
    for count, names in [(0, 1), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)]:
        stored = [make_object(number).encode() for number in range(count)]
        write_pool(tmp_path / str(count), iter(stored))
        assert sorted(path.name for path in (tmp_path / str(count)).iterdir()) == [
            f"pool-0000{number}.parquet" for number in range(names)
        ]
        assert list(ObjectPool.open(tmp_path / str(count), allow_empty=True).read_all()) == stored


# ---- own cut-outs


NAMES = {5: "trash_can", 2: "cup"}


def read_folder_of_cutouts(folder, names):
    return (read_cutout(folder, *item) for item in list_cutouts(folder, names))


def save_cutout(path, mode="RGBA", opaque=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    rgba = np.zeros((10, 12, 4), np.uint8)
    rgba[3:6, 4:9] = (200, 100, 50, 255 if opaque else 0)
    Image.fromarray(rgba).convert(mode).save(path)


@pytest.fixture
def cutouts(tmp_path):
    save_cutout(tmp_path / "cup" / "b.png")
    save_cutout(tmp_path / "cup" / "a.PNG")
    save_cutout(tmp_path / "trash can" / "x.png")
    (tmp_path / "cup" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_own_cutouts_come_by_class_tightly_cropped(cutouts):
    found = list(read_folder_of_cutouts(cutouts, NAMES))
    assert [(item.category_id, item.prompt) for item in found] == [
        (2, "cup/a.PNG"),
        (2, "cup/b.png"),
        (5, "trash can/x.png"),
    ]
    assert found[0].rgba_HW4.shape == (3, 5, 4)
    assert (found[0].rgba_HW4 == (200, 100, 50, 255)).all()
    assert (found[0].round_index, found[0].image_seed) == (0, 0)
    assert np.isnan(found[0].clip_score)


def test_palette_pictures_with_transparency_are_fine(cutouts):
    save_cutout(cutouts / "cup" / "a.PNG", mode="P")
    palette = Image.open(cutouts / "cup" / "b.png").convert("P")
    palette.save(cutouts / "cup" / "b.png", transparency=palette.getpixel((0, 0)))
    (cutouts / "cup" / "a.PNG").unlink()
    assert next(read_folder_of_cutouts(cutouts, NAMES)).rgba_HW4.shape == (3, 5, 4)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: save_cutout(folder / "dog" / "a.png"), r"no class of the annotation file is called 'dog'"),
        (lambda folder: [path.unlink() for path in folder.glob("*/*")], r"holds no cut-out; .*trash_can"),
        (lambda folder: save_cutout(folder / "cup" / "a.PNG", mode="RGB"), r"a\.PNG is RGB, without transparency"),
        (lambda folder: save_cutout(folder / "cup" / "a.PNG", opaque=False), r"a\.PNG is transparent everywhere"),
        (
            lambda folder: (folder / "cup" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n"),
            r"b\.png (is not a picture|cannot be read)",
        ),
        (
            lambda folder: (folder / "cup" / "b.png").write_bytes((folder / "cup" / "b.png").read_bytes()[:70]),
            r"b\.png cannot be read",
        ),
    ],
)
def test_bad_cutouts_are_the_users_mistake(cutouts, spoil, message):
    spoil(cutouts)
    with pytest.raises(InputError, match=message):
        list(read_folder_of_cutouts(cutouts, NAMES))


def test_the_layout_is_checked_before_the_first_object(cutouts):
    with pytest.raises(InputError, match="no class of the annotation file is called 'cup'"):
        read_folder_of_cutouts(cutouts, {9: "horse"})
    with pytest.raises(InputError, match="no folder of cut-outs"):
        read_folder_of_cutouts(cutouts / "absent", NAMES)

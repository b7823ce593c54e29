"""A pool of 100,000 4 KB objects, with `--full-size` of a million: written by two array jobs, opened, read at random; beside what one would do without it.

    pytest benchmarks/bench_pool.py --benchmark-only

Needs 0.5 GB in the temporary folder, at full size 4.3 GB. Objects are 32 x 32 RGBA noise, which PNG cannot shrink: 4.2 KB each as stored.
A raw read gives the PNG bytes and all columns of one object at a random index, as Python values; a decoded read gives pixels.
`per_cpu_s` counts CPU time of the reading process, so a busy machine does not hide what the code costs. `private_mb` is
anonymous resident memory (RssAnon) of a fresh reader after its reads, `file_mb` what it maps of files (RssFile, here shared
libraries: the pool maps nothing). Files are in the page cache, but for the reads called cold, before which it drops them.

The alternatives are a folder of PNG files, one directory a thousand, with its index in memory, and Parquet read by
`ParquetFile.read_row_group` in groups of four, each with 50,000 of the same objects.
"""

import multiprocessing
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.sizes import size
from methods.common.objects.pool import ObjectPool
from methods.common.objects.shards import PooledObject, write_missing_shards

NUM_SHARDS, PER_SHARD = size(100, 1000), 1000
NUM_JOBS = 2
NUM_OTHER = 50_000
SPAWN = multiprocessing.get_context("spawn")

pytestmark = pytest.mark.timeout(3600)


def make_objects(number):
    """Stub generator: the objects of one shard."""
    rng = np.random.default_rng(number)
    for index, rgba in enumerate(rng.integers(0, 256, (PER_SHARD, 32, 32, 4), dtype=np.uint8)):
        seed = number * PER_SHARD + index
        yield PooledObject(rgba, seed % 1203, 1 + seed % 4, f"a photo of a single thing {seed % 1203}", seed, 27.5)


def write_job(folder, job):
    return write_missing_shards(folder, range(job, NUM_SHARDS, NUM_JOBS), make_objects)


def in_processes(work, arguments):
    with ProcessPoolExecutor(len(arguments), SPAWN) as pool:
        return list(pool.map(work, arguments))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    yield folder / "pool"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def folder(place):
    in_processes(partial(write_job, place), range(NUM_JOBS))
    return place


def test_write_the_pool(benchmark, place):
    written = benchmark.pedantic(lambda: in_processes(partial(write_job, place), range(NUM_JOBS)), rounds=1)
    assert sum(written) == NUM_SHARDS
    size = sum(path.stat().st_size for path in place.iterdir())
    benchmark.extra_info["objects_per_s"] = round(NUM_SHARDS * PER_SHARD / benchmark.stats["min"])
    benchmark.extra_info["bytes_per_object"] = size / NUM_SHARDS / PER_SHARD


def test_go_on_with_everything_written(benchmark, folder):
    """Every page's checksum is compared."""
    written = benchmark.pedantic(lambda: in_processes(partial(write_job, folder), range(NUM_JOBS)), rounds=1)
    assert sum(written) == 0


def test_open_the_pool(benchmark, folder):
    pool = benchmark.pedantic(lambda: ObjectPool.open(folder), rounds=3)
    assert len(pool) == NUM_SHARDS * PER_SHARD


def memory_mb():
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        name: int(lines[key].split()[0]) / 1024 for name, key in (("private_mb", "RssAnon"), ("file_mb", "RssFile"))
    }


def read_at_random(folder, num_reads, decode, seed):
    """One reader: what it costs to open the pool and read from it."""
    before = memory_mb()["private_mb"]
    pool = ObjectPool.open(folder)
    read = pool.__getitem__ if decode else pool.read
    order = np.random.default_rng(seed).integers(0, len(pool), num_reads).tolist()
    read(order[0])
    wall, cpu = time.perf_counter(), time.process_time()
    for index in order:
        found = read(index)
        assert found.image_seed == index
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "reads_per_s": num_reads / wall,
        "reads_per_cpu_s": num_reads / cpu,
        **memory_mb(),
        "private_mb_before_opening": before,
    }


@pytest.mark.parametrize("num_readers", [1, 2])
@pytest.mark.parametrize("decode", [False, True], ids=["raw", "decoded"])
def test_random_reads(benchmark, folder, num_readers, decode):
    work = partial(read_at_random, folder, 100_000, decode)
    found = benchmark.pedantic(lambda: in_processes(work, range(num_readers)), rounds=1)
    for name in found[0]:
        least = name.startswith("reads")
        benchmark.extra_info[f"{'least' if least else 'most'}_{name}"] = (min if least else max)(
            reader[name] for reader in found
        )
    assert benchmark.extra_info["most_private_mb"] < 500


def test_cold_random_reads(benchmark, folder):
    def forget():
        for path in folder.iterdir():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    pool = ObjectPool.open(folder)
    order = np.random.default_rng(2).integers(0, len(pool), 5000).tolist()
    benchmark.pedantic(lambda: [pool.read(index) for index in order], setup=forget, rounds=2)
    benchmark.extra_info["reads_per_s"] = len(order) / benchmark.stats["min"]


@pytest.fixture(scope="module")
def others(folder):
    """Some of the objects as PNG files and in row groups of four."""
    pool, other = ObjectPool.open(folder), folder.with_name("others")
    stored = [pool.read(index) for index in range(NUM_OTHER)]
    for index, item in enumerate(stored):
        path = other / "png" / f"{index // 1000}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.png)
    table = pa.table({name: [getattr(item, name) for item in stored] for name in stored[0]._fields})
    pq.write_table(table, other / "groups.parquet", row_group_size=4, compression="none", use_dictionary=False)
    return other, [tuple(item[1:]) for item in stored], [item.png for item in stored]


@pytest.mark.parametrize("version", ["pool", "png_files", "read_row_group"])
def test_random_raw_reads_of_fifty_thousand(benchmark, folder, others, version):
    other, columns, pngs = others
    pool = ObjectPool.open(folder).select(np.arange(NUM_OTHER))
    groups = pq.ParquetFile(other / "groups.parquet", memory_map=True)

    def from_files(index):
        return (other / "png" / f"{index // 1000}" / f"{index}.png").read_bytes(), *columns[index]

    def from_groups(index):
        table = groups.read_row_group(index // 4, use_threads=False)
        return tuple(table[name][index % 4].as_py() for name in table.column_names)

    read = {"pool": pool.read, "png_files": from_files, "read_row_group": from_groups}[version]
    order = np.random.default_rng(1).integers(0, NUM_OTHER, 10_000).tolist()
    found = benchmark.pedantic(lambda: [read(index) for index in order], rounds=3)
    assert [item[0] for item in found] == [pngs[index] for index in order]
    benchmark.extra_info["reads_per_s"] = len(order) / benchmark.stats["min"]

"""Training images in memory: one room for all processes, filled once, never passed."""

from methods.common.segmenters.image_cache import ImageCache, num_readers


def used(cache: ImageCache[bytes], *sizes: int) -> list[int]:
    """Ask for one item after another, of these sizes; returns the numbers of those that were read, from 0."""
    read = []
    for number, size in enumerate(sizes):
        cache.get(number, lambda number=number, size=size: read.append(number) or bytes(size))
    return read


def test_what_fits_is_read_once_and_stays() -> None:
    cache = ImageCache(len, 10)
    assert used(cache, 4, 4, 4, 2) == [0, 1, 2, 3]
    assert used(cache, 4, 4, 4, 2) == [2], "8 bytes are kept, then 2 more fit, 4 more never did"


def test_a_process_has_its_part_of_the_room_however_often_it_is_told() -> None:
    cache = ImageCache(len, 12)
    for _ in range(3):
        cache.divide_among(4)
    assert cache.room_bytes == 3
    assert used(cache, 2, 2, 1) == [0, 1, 2]
    assert used(cache, 2, 2, 1) == [1]
    cache.divide_among(2)
    assert used(cache, 2, 2, 1) == [1]
    assert used(cache, 2, 2, 1) == []


def test_what_no_longer_fits_is_given_up() -> None:
    cache = ImageCache(len, 12)
    used(cache, 4, 4, 4)
    cache.divide_among(2)
    assert used(cache, 4, 4, 4) == [1, 2]


def test_readers_are_the_workers_of_every_process_of_the_team() -> None:
    assert (num_readers(1, 0), num_readers(1, 8), num_readers(4, 0), num_readers(4, 16)) == (1, 8, 4, 64)

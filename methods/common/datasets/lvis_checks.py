"""Every check on the content of an LVIS file, vectorised over the whole file; a broken rule names all records that break it.

Tolerance: outlines and boxes may pass the image's border by 2 pixels or 1 % of the side, whichever is more, as hand-drawn
ones do (our choice). What lies outside is cut off when the outline is rasterised.
"""

from array import array
from collections.abc import Iterable, Sequence
from copy import copy
from itertools import chain, islice
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.faulty_records import FaultyRecordsError, plural
from methods.common.datasets.record_rules import LARGEST_ID, absence, look_alikes, whole_fault, whole_numbers
from methods.common.datasets.rle import rle_fault, runs_to_rle, sum_runs
from methods.common.errors import InputError

Records = list[dict[str, Any]]

OVERHANG_PX = 2.0
OVERHANG_SHARE = 0.01


class PolygonStore:
    """All outlines of a file in one buffer: while the JSON is parsed, each annotation's lists become (first, count).

    That keeps the memory of a file with a million outlines near the size of its numbers.
    """

    def __init__(self) -> None:
        self._numbers = array("d")
        self._ends = array("q", [0])

    def absorb(self, record: dict[str, Any]) -> dict[str, Any]:
        """Take over the outlines of one parsed JSON object; leave anything that is not a list of number lists."""
        polygons = record.get("segmentation")
        if isinstance(polygons, list):
            try:
                packed = [array("d", polygon) for polygon in polygons]
            except (TypeError, OverflowError):
                return record
            record["segmentation"] = (len(self._ends) - 1, len(packed))
            for polygon in packed:
                self._numbers.extend(polygon)
                self._ends.append(len(self._numbers))
        return record

    def outlines(self, first_M: Sequence[int], count_M: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the outlines of M objects; those of others, which only look like records, stay behind.

        Args:
            first_M: number of the first outline of each object.
            count_M: how many it has.

        Returns:
            Their coordinates, one outline after the other, and where each begins, with the end.
        """
        numbers = np.frombuffer(self._numbers, np.float64) if self._numbers else np.zeros(0)
        ends = np.frombuffer(self._ends, np.int64)
        if sum(count_M) == len(ends) - 1:
            return numbers, ends
        chosen = [index for first, count in zip(first_M, count_M, strict=True) for index in range(first, first + count)]
        pieces = [numbers[ends[index] : ends[index + 1]] for index in chosen]
        return np.concatenate([np.zeros(0), *pieces]), np.cumsum([0, *map(len, pieces)], dtype=np.int64)


class RecordTable:
    """The records of one list in the file, with the means to read a column of them and to blame one of them."""

    def __init__(self, file: Path, kind: str, records: Any) -> None:
        self.file, self.kind = file, kind
        whole = plural(kind)
        if not isinstance(records, list):
            raise InputError(
                f"{file}: `{whole}` is not a list, so this is no annotation file of COCO or LVIS; see docs/own-data.md"
            )
        self.records: Records = records
        self._number_of: Sequence[int] = range(len(records))
        self._num_in_file = len(records)
        for index, record in enumerate(records):
            if not isinstance(record, dict):
                raise InputError(f"{file}: entry {index} of `{whole}` is not an object; write it as in LVIS v1")

    def without(self, rows: Sequence[int]) -> Self:
        """Return the table without the records of these places."""
        left, gone = copy(self), set(rows)
        kept = [index for index in range(len(self.records)) if index not in gone]
        left.records = [self.records[index] for index in kept]
        left._number_of = [self._number_of[index] for index in kept]
        return left

    def blame(self, index: int, field: str, fault: str, remedy: str) -> NoReturn:
        """Raise the one sentence about one record."""
        self.blame_all([index], field, fault, remedy)

    def blame_all(self, rows: Sequence[int], field: str, fault: str, remedy: str) -> NoReturn:
        """Raise the one sentence about records that break a rule alike, at least one.

        Raises:
            FaultyRecordsError: always.
        """
        where = self.file, self.kind, self._num_in_file
        raise FaultyRecordsError(where, [self._name(row) for row in rows], rows, (field, fault, remedy))

    def _name(self, index: int) -> str:
        record = self.records[index]
        return f"{record['id']!r:.40}" if "id" in record else f"number {self._number_of[index]} without id"

    def blame_first(self, faulty: NDArray[np.bool_], field: str, fault: str, remedy: str) -> None:
        """Raise about the records marked faulty, if there is one."""
        if faulty.any():
            self.blame_all(np.flatnonzero(faulty).tolist(), field, fault, remedy)

    def values(self, field: str, kinds: tuple[type, ...], wanted: str) -> list[Any]:
        """Read one required field, every value exactly of one of ``kinds``."""
        try:
            values = [record[field] for record in self.records]
        except KeyError:
            rows = [row for row, record in enumerate(self.records) if field not in record]
            self.blame_all(rows, field, absence(field, self.records[rows[0]]), f"add it ({wanted})")
        if not set(map(type, values)) <= set(kinds):
            rows = [row for row, value in enumerate(values) if type(value) not in kinds]
            self.blame_all(rows, field, f"is {values[rows[0]]!r:.60}", f"write {wanted}")
        return values

    def integers(self, field: str, minimum: int = 0, maximum: int = LARGEST_ID) -> NDArray[np.int64]:
        """Read one required column of whole numbers of a range; `1.0` is 1."""
        found = whole_numbers(self.values(field, (int, float), "a whole number"))
        rows = [row for row, number in enumerate(found) if number is None or not minimum <= number <= maximum]
        if rows:
            self.blame_all(rows, field, *(whole_fault(self.records[rows[0]][field], minimum, maximum) or ("", "")))
        return np.array(found, np.int64)

    def numbers(self, field: str) -> NDArray[np.float64]:
        """Read one required column of numbers."""
        values = self.values(field, (int, float), "a number")
        try:
            return np.array(values, np.float64)
        except OverflowError:
            beyond = [row for row, value in enumerate(values) if abs(value) > _GREATEST]
            self.blame_all(beyond, field, "is greater than any number that files may hold", "write the real value")

    def flags(self, field: str) -> NDArray[np.bool_]:
        """Read one optional column of 0 and 1, which may be written `true`, or `1.0`; what is missing or null is 0."""
        values = [0 if record.get(field) is None else record[field] for record in self.records]
        rows = [row for row, value in enumerate(values) if value not in (0, 1)]
        if rows:
            self.blame_all(rows, field, f"is {values[rows[0]]!r:.40}", "write 0 or 1")
        return np.array(values, bool)

    def check_names(self, known: Iterable[str]) -> Self:
        """Refuse records with a field that looks like a known one and says what that does not, so that it would be passed over; return the table.

        Raises:
            FaultyRecordsError: some have one.
        """
        for name, field in look_alikes(set().union(*self.records), known).items():
            rows = [row for row, record in enumerate(self.records) if name in record and not _says(record, name, field)]
            if rows:
                fault, remedy = f"looks like `{field}`, which alone is read", f"call it `{field}`, or take it out"
                self.blame_all(rows, name, fault, remedy)
        return self

    def unique_ids(self) -> NDArray[np.int64]:
        """Read the ids; none may occur twice."""
        ids = self.integers("id")
        order = np.argsort(ids, kind="stable")
        again = np.zeros(len(ids), bool)
        again[order[1:]] = ids[order][1:] == ids[order][:-1]
        self.blame_first(again, "id", "is used by an earlier record too", f"give every {self.kind} an id of its own")
        return ids

    def id_lists(self, field: str, known_ids: NDArray[np.int64]) -> list[tuple[int, ...]]:
        """Read a required list of category ids for each record."""
        lists = self.values(field, (list,), "a list of category ids, [] if there is none")
        flat = list(chain.from_iterable(lists))
        owner = np.repeat(np.arange(len(lists)), list(map(len, lists)))
        numbers = whole_numbers(flat)
        faulty = np.array([number is None or abs(number) > LARGEST_ID for number in numbers], bool)
        if not faulty.any():
            faulty = ~np.isin(np.array(numbers, np.int64), known_ids)
        if faulty.any():
            worst = int(np.argmax(faulty))
            self.blame_all(
                np.unique(owner[faulty]).tolist(),
                field,
                f"names category {flat[worst]!r:.40}, which is not among the file's `categories`",
                _CORRECT_ID,
            )
        rest = iter(np.array(numbers, np.int64).tolist())
        return [tuple(islice(rest, len(values))) for values in lists]


def _says(record: dict[str, Any], name: str, field: str) -> bool:
    """Whether one field says the same as another one of its record."""
    return field in record and bool(record[name] == record[field])


FIELDS = {
    "category": ("id", "name", "frequency"),
    "image": ("id", "width", "height", "file_name", "coco_url", "neg_category_ids", "not_exhaustive_category_ids"),
    "annotation": ("id", "image_id", "category_id", "segmentation", "area", "bbox", "iscrowd", "ignore"),
}
"""What is read of each kind of record, beside texts that change nothing."""

_GREATEST = int(np.finfo(np.float64).max)
_CORRECT_ID = "correct the id or add the record"


def references(table: RecordTable, field: str, known_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Read a column of ids that must all be in ``known_ids``; return positions in it.

    ``known_ids`` in file order, any values.
    """
    ids = table.integers(field)
    order = np.argsort(known_ids)
    place = np.minimum(np.searchsorted(known_ids[order], ids), len(known_ids) - 1)
    found = order[place]
    wrong = known_ids[found] != ids
    if wrong.any():
        index = int(np.argmax(wrong))
        whole = "images" if field == "image_id" else "categories"
        table.blame_first(wrong, field, f"is {ids[index]}, which is not among the file's `{whole}`", _CORRECT_ID)
    return found


def boxes(table: RecordTable, width_N: NDArray[np.int64], height_N: NDArray[np.int64]) -> NDArray[np.float64]:
    """Read and check the boxes (x, y, width, height); return float64 [N, 4]. Sizes are those of each one's image."""
    values = table.values("bbox", (list,), "a box [x, y, width, height]")
    flat = _flat_numbers(values)
    if flat is None or set(map(len, values)) - {4}:
        rows = [row for row, box in enumerate(values) if len(box) != 4 or _flat_numbers([box]) is None]
        table.blame_all(rows, "bbox", f"is {values[rows[0]]!r:.60}", _BOX_REMEDY)
    box_N4 = np.frombuffer(flat, np.float64).reshape(-1, 4) if flat else np.zeros((0, 4))
    check_boxes(table, box_N4, width_N, height_N)
    return box_N4


def check_boxes(
    table: RecordTable, box_N4: NDArray[np.float64], width_N: NDArray[np.int64], height_N: NDArray[np.int64]
) -> None:
    """Check that boxes have finite numbers and sizes of at least 0, and lie in their images."""
    endless_N = np.logical_or.reduce(~np.isfinite(box_N4), axis=1)
    negative_N = np.logical_or.reduce(box_N4[:, 2:] < 0, axis=1)
    table.blame_first(endless_N, "bbox", "holds a number that is not finite", _BOX_REMEDY)
    table.blame_first(negative_N, "bbox", "has a negative size", _BOX_REMEDY)
    low_N2, high_N2 = box_N4[:, :2], box_N4[:, :2] + box_N4[:, 2:]
    outside = _beyond(low_N2, high_N2, np.stack([width_N, height_N], 1))
    table.blame_first(outside, "bbox", "lies outside its image", _BOX_REMEDY)


_BOX_REMEDY = "write [x, y, width, height] in pixels of the image"


def _flat_numbers(lists: Sequence[Iterable[Any]]) -> "array[float] | None":
    try:
        return array("d", chain.from_iterable(lists))
    except (TypeError, OverflowError):
        return None


def _beyond(low_N2: NDArray[np.float64], high_N2: NDArray[np.float64], side_N2: NDArray[np.int64]) -> NDArray[np.bool_]:
    slack_N2 = np.maximum(OVERHANG_PX, OVERHANG_SHARE * side_N2)
    beyond: NDArray[np.bool_] = ((low_N2 < -slack_N2) | (high_N2 > side_N2 + slack_N2)).any(1)
    return beyond


def areas(table: RecordTable) -> NDArray[np.float64]:
    """Read and check the areas, square pixels."""
    area_N = table.numbers("area")
    check_areas(table, area_N)
    return area_N


def check_areas(table: RecordTable, area_N: NDArray[np.float64]) -> None:
    """Check that areas are finite and at least 0."""
    remedy = "write the mask's area in square pixels"
    table.blame_first(~(np.isfinite(area_N) & (area_N >= 0)), "area", "is negative or not finite", remedy)


def segmentations(
    table: RecordTable, store: PolygonStore, width_N: NDArray[np.int64], height_N: NDArray[np.int64]
) -> list[Any]:
    """Check every mask; return a tuple of outlines or a compressed mask for each record."""
    remedy = "write a list of polygons [x0, y0, x1, y1, ...] or a mask with `size` and `counts`"
    values = table.values("segmentation", (tuple, dict, list), "a list of polygons or a run-length mask")
    malformed = np.array([isinstance(value, list) for value in values], bool)
    table.blame_first(malformed, "segmentation", "is not a list of lists of numbers", remedy)
    outlined = np.array([isinstance(value, tuple) for value in values], bool)
    rows = np.flatnonzero(outlined)
    num_outlines = [values[row][1] for row in rows]
    numbers, ends = store.outlines([values[row][0] for row in rows], num_outlines)
    check_outlines(table, rows, np.array(num_outlines, np.int64), numbers, ends, width_N, height_N)
    faulty: dict[str, list[int]] = {}
    for row in np.flatnonzero(~outlined).tolist():
        checked = _check_rle(values[row], int(height_N[row]), int(width_N[row]))
        if isinstance(checked, str):
            faulty.setdefault(checked, []).append(row)
        else:
            values[row] = checked
    for fault, owners in faulty.items():
        table.blame_all(owners, "segmentation", fault, "encode the mask at the size of its image")
    _check_rle_areas(table, np.flatnonzero(~outlined), values)
    outlines = iter(np.split(numbers, ends[1:-1]))
    for row, count in zip(rows.tolist(), num_outlines, strict=True):
        values[row] = tuple(islice(outlines, count))
    return values


def check_outlines(
    table: RecordTable,
    rows: NDArray[np.int64],
    count_M: NDArray[np.int64],
    numbers: NDArray[np.float64],
    ends: NDArray[np.int64],
    width_N: NDArray[np.int64],
    height_N: NDArray[np.int64],
) -> None:
    """Check the outlines of some records.

    Args:
        table: all N records.
        rows: the M records that have outlines, in file order.
        count_M: how many each has.
        numbers: the coordinates of all outlines, one outline after the other.
        ends: offsets into ``numbers``, one more than there are outlines.
        width_N: widths of the images of all records, pixels.
        height_N: heights.
    """

    def blame_first(faulty_P: NDArray[np.bool_], fault: str, remedy: str) -> None:
        if faulty_P.any():
            table.blame_all(np.unique(owner_P[faulty_P]).tolist(), "segmentation", fault, remedy)

    if (count_M == 0).any():
        table.blame_all(rows[count_M == 0].tolist(), "segmentation", "is empty", _DROP_OR_DRAW)
    owner_P, length_P = np.repeat(rows, count_M), np.diff(ends)
    assert len(owner_P) == len(length_P), "outlines outside the annotations"
    blame_first(length_P % 2 == 1, "has a polygon with an odd number of coordinates", _PAIRS)
    blame_first(length_P < 6, "has a polygon with fewer than 6 numbers", _PAIRS)
    finite_P = np.logical_and.reduceat(np.isfinite(numbers), ends[:-1]) if len(length_P) else owner_P > 0
    blame_first(~finite_P, "holds a coordinate that is not finite", _PAIRS)
    if not len(length_P):
        return
    point_Q2, start_P = numbers.reshape(-1, 2), ends[:-1] // 2
    side_P2 = np.stack([width_N[owner_P], height_N[owner_P]], 1)
    low_P2, high_P2 = np.minimum.reduceat(point_Q2, start_P), np.maximum.reduceat(point_Q2, start_P)
    blame_first(_beyond(low_P2, high_P2, side_P2), "lies outside its image", "keep its points inside the image")
    # A shape is empty when none of its outlines encloses anything inside the image.
    flat_P = (np.minimum(high_P2, side_P2) <= np.maximum(low_P2, 0)).any(1)
    flat_P |= _enclosed_area(point_Q2, start_P) == 0
    solid = np.zeros(len(table.records), bool)
    solid[owner_P[~flat_P]] = True
    blame_first(~solid[owner_P], "encloses no area", _DROP_OR_DRAW)


def _enclosed_area(point_Q2: NDArray[np.float64], start_P: NDArray[np.int64]) -> NDArray[np.float64]:
    """Area inside each outline by the shoelace formula, relative to its first point for precision."""
    length_P = np.diff(np.append(start_P, len(point_Q2)))
    centred_Q2 = point_Q2 - np.repeat(point_Q2[start_P], length_P, axis=0)
    following = np.arange(1, len(point_Q2) + 1)
    following[start_P + length_P - 1] = start_P
    cross_Q = centred_Q2[:, 0] * centred_Q2[following, 1] - centred_Q2[following, 0] * centred_Q2[:, 1]
    area_P: NDArray[np.float64] = np.abs(np.add.reduceat(cross_Q, start_P)) / 2
    return area_P


def _check_rle(value: dict[str, Any], height: int, width: int) -> dict[str, Any] | str:
    """Check form, size and plain run lists, and say what is wrong; the text of compressed masks is checked later, all at once."""
    counts = value.get("counts")
    if isinstance(counts, str) and value.get("size") == [height, width]:
        return {"size": [height, width], "counts": counts}
    fault = rle_fault(value, height, width)
    return fault or dict(runs_to_rle(value["counts"], height, width))


def _check_rle_areas(table: RecordTable, rows: NDArray[np.int64], values: list[Any]) -> None:
    sums = sum_runs([values[row]["counts"] for row in rows])
    expected = np.array([values[row]["size"][0] * values[row]["size"][1] for row in rows], np.int64)
    for faulty, fault in (
        (~sums.sound | (sums.covered != expected), "has run lengths that do not add up to its image"),
        (sums.area == 0, "is an empty mask"),
    ):
        if faulty.any():
            table.blame_all(rows[faulty].tolist(), "segmentation", fault, _DROP_OR_DRAW)


_PAIRS = "write x0, y0, x1, y1, ... with at least three points"
_DROP_OR_DRAW = "draw the mask or drop the annotation"

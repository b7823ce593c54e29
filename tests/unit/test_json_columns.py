"""Large files read by parts: whatever the layout, the same records come out, or None asks for the slow way."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from methods.common.metrics.detection.json_columns import (
    FilePart,
    as_array,
    lines_of,
    parts_of_annotations,
    parts_of_list,
    read_table,
    take_apart,
)

SCHEMA = pa.schema([pa.field("image_id", pa.int64(), nullable=False), pa.field("score", pa.float64(), nullable=False)])


def records(count: int) -> list[dict[str, Any]]:
    return [
        {"image_id": index, "score": index / 7, "segmentation": {"size": [3, 4], "counts": "0\\`o" * (index % 5)}}
        for index in range(count)
    ]


def read_records(parts: list[FilePart]) -> list[dict[str, Any]]:
    return [json.loads(line) for part in parts for line in lines_of(part).text.tobytes().split(b"\n") if line.strip()]


LAYOUTS = {
    "usual": lambda content: json.dumps(content),
    "tight": lambda content: json.dumps(content, separators=(",", ":")),
    "a record a line": lambda content: "[\n" + ",\n".join(map(json.dumps, content)) + "\n]\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("part_bytes", [1, 300, 10**6])
def test_parts_hold_all_records_once(tmp_path: Path, layout: str, part_bytes: int) -> None:
    file = tmp_path / "results.json"
    file.write_text(LAYOUTS[layout](records(40)))
    parts = parts_of_list(file, part_bytes)
    assert parts is not None
    tables = [read_table(lines_of(part), SCHEMA) for part in parts]
    assert len(parts) == {1: 40, 10**6: 1}.get(part_bytes, len(parts)) > (part_bytes == 300)
    assert np.concatenate([as_array(table["image_id"]) for table in tables if table]).tolist() == list(range(40))
    scores = np.concatenate([as_array(table["score"]) for table in tables if table])
    assert scores.tolist() == [index / 7 for index in range(40)]
    assert read_records(parts) == records(40)


@pytest.mark.parametrize("text", ["[]", " [ ] \n"])
def test_an_empty_list_has_no_parts(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    assert parts_of_list(tmp_path / "results.json", 100) == []


@pytest.mark.parametrize("text", ["", "{}", "[1, 2]", "[{]", '[{"image_id": 1}', "3"])
def test_other_files_are_left_to_the_slow_way(tmp_path: Path, text: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    parts = parts_of_list(file, 100)
    assert parts is None or [read_table(lines_of(part), SCHEMA) for part in parts] == [None]
    assert parts_of_list(tmp_path / "absent.json", 100) is None


ODD = [
    {"image_id": 1.5, "score": 1},
    {"image_id": True, "score": 1},
    {"image_id": "1", "score": 1},
    {"image_id": 2**70, "score": 1},
    {"image_id": None, "score": 1},
    {"image_id": 1},
    {"image_id": 1, "score": "0.5"},
    {"image_id": 1, "score": 1, "note": [{"a": 1}, {"b": 2}]},
    {"image_id": 1, "score": 1, "note": "a}, {b"},
]


@pytest.mark.parametrize("odd", ODD, ids=[json.dumps(odd)[:40] for odd in ODD])
@pytest.mark.parametrize("part_bytes", [1, 10**6])
def test_an_odd_record_is_left_to_the_slow_way(tmp_path: Path, odd: dict[str, Any], part_bytes: int) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps([*records(3), odd, *records(3)]))
    parts = parts_of_list(file, part_bytes)
    assert parts is not None
    assert None in [read_table(lines_of(part), SCHEMA) for part in parts]


def test_whole_numbers_are_numbers_and_other_fields_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps([{"score": 1, "extra": [1, {"a": None}], "image_id": 5}]))
    (part,) = parts_of_list(file, 100) or []
    table = read_table(lines_of(part), SCHEMA)
    assert table is not None
    assert (as_array(table["image_id"]).tolist(), as_array(table["score"]).tolist()) == ([5], [1.0])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("marked", [[], [0], [3, 4, 8], list(range(9))])
def test_records_with_a_mark_are_taken_apart(tmp_path: Path, layout: str, marked: list[int]) -> None:
    content = [
        record | ({"iscrowd": {"counts": 1}} if place in marked else {}) for place, record in enumerate(plain(9))
    ]
    file = tmp_path / "results.json"
    file.write_text(LAYOUTS[layout](content))
    (part,) = parts_of_list(file, 10**6) or []
    found = take_apart(lines_of(part), b'"counts"')
    assert found is not None
    kept, apart = found
    assert apart == [(place, content[place]) for place in marked]
    assert kept.num_records == 9 - len(marked)
    if kept.num_records:
        table = read_table(kept, SCHEMA)
        assert table is not None
        assert as_array(table["image_id"]).tolist() == [place for place in range(9) if place not in marked]


def plain(count: int) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key != "segmentation"} for record in records(count)]


@pytest.mark.parametrize("layout", ["usual", "tight"])
@pytest.mark.parametrize("order", [("annotations", "images"), ("images", "annotations")])
def test_annotations_are_cut_out_of_their_file(tmp_path: Path, layout: str, order: tuple[str, str]) -> None:
    content: Any = {
        "info": {"description": 'not "annotations": [{"id": 1}]'},
        "annotations": records(9),
        "images": [{"id": 3}],
    }
    content = {"info": content["info"]} | {key: content[key] for key in order}
    file = tmp_path / "truth.json"
    file.write_text(LAYOUTS[layout](content))
    found = parts_of_annotations(file, 100)
    assert found is not None
    rest, parts = found
    assert rest == content | {"annotations": []}
    assert read_records(parts) == records(9)


def test_annotations_with_lists_of_objects_are_left_to_the_slow_way(tmp_path: Path) -> None:
    file = tmp_path / "truth.json"
    file.write_text(json.dumps({"annotations": [{"id": 1, "parts": [{"a": 1}]}, {"id": 2}], "images": []}))
    assert parts_of_annotations(file, 100) is None

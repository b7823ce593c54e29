"""Large files read by parts: whatever the layout, the same records come out, or None asks for the slow way."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from methods.common.compiled.records import read_detections
from methods.common.metrics.detection.json_columns import FilePart, parts_of_annotations, parts_of_list


def records(count: int) -> list[dict[str, Any]]:
    shape = {"size": [3, 4], "counts": "0\\`o"}
    return [
        {"image_id": index, "category_id": 3, "score": index / 7, "bbox": [index, 0.5, 2, 3e1], "segmentation": shape}
        for index in range(count)
    ]


def read_records(parts: list[FilePart]) -> list[dict[str, Any]]:
    return [record for part in parts for record in json.loads(b"[" + part.read().tobytes() + b"]")]


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
    found = [read_detections(part.read(), with_masks=False) for part in parts]
    assert len(parts) == {1: 40, 10**6: 1}.get(part_bytes, len(parts)) > (part_bytes == 300)
    assert np.concatenate([one.image_id_N for one in found if one]).tolist() == list(range(40))
    assert np.concatenate([one.score_N for one in found if one]).tolist() == [index / 7 for index in range(40)]
    assert np.concatenate([one.box_N4 for one in found if one]).tolist() == [record["bbox"] for record in records(40)]
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
    assert parts is None or [read_detections(part.read(), with_masks=False) for part in parts] == [None]
    assert parts_of_list(tmp_path / "absent.json", 100) is None


USUAL = {"image_id": 1, "category_id": 2, "score": 1, "bbox": [0, 0, 1, 1]}
ODD = [
    USUAL | {"image_id": 1.5},
    USUAL | {"image_id": 1.0},
    USUAL | {"image_id": -1},
    USUAL | {"image_id": True},
    USUAL | {"image_id": "1"},
    USUAL | {"image_id": 2**70},
    USUAL | {"image_id": None},
    {key: value for key, value in USUAL.items() if key != "score"},
    USUAL | {"score": "0.5"},
    USUAL | {"score": float("nan")},
    USUAL | {"bbox": [0, 0, 1]},
    USUAL | {"bbox": [0, 0, 1, 1, 1]},
    USUAL | {"bbox": [0, 0, 1, None]},
    USUAL | {"note": "a}, {b"},
    USUAL | {"a\\b": 1},
]


@pytest.mark.parametrize("odd", ODD, ids=[json.dumps(odd)[:60] for odd in ODD])
@pytest.mark.parametrize("part_bytes", [1, 10**6])
def test_an_odd_record_is_left_to_the_slow_way(tmp_path: Path, odd: dict[str, Any], part_bytes: int) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps([*records(3), odd, *records(3)]))
    parts = parts_of_list(file, part_bytes)
    assert parts is not None
    assert None in [read_detections(part.read(), with_masks=False) for part in parts] or (
        "note" in odd and part_bytes > 1  # a text is cut only where the parts are short
    )


def test_whole_numbers_are_numbers_and_other_fields_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    extra = {"extra": [1, {"a": None, "b": '\u00e9"\\'}], "text": "ü"}
    file.write_text(json.dumps([extra | USUAL | {"score": 1}], ensure_ascii=False))
    (part,) = parts_of_list(file, 100) or []
    found = read_detections(part.read(), with_masks=False)
    assert found is not None
    assert (found.image_id_N.tolist(), found.category_id_N.tolist(), found.score_N.tolist()) == ([1], [2], [1.0])


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

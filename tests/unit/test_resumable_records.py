"""Records that grow in a file: what is kept of a torn one, and lists that are what JSON would write."""

import json

import pytest

from methods.common.errors import InputError
from methods.common.resumable_records import GrowingList, append_lines, keep_lines, read_lines
from methods.common.state_file import Checkpoints


def test_lines_that_are_no_records_are_named(tmp_path):
    with pytest.raises(InputError, match="is missing"):
        read_lines(tmp_path / "prompts.jsonl")
    (tmp_path / "prompts.jsonl").write_text('{"id": "0"}\n[1]\n')
    with pytest.raises(InputError, match=r"prompts\.jsonl, line 2 is no JSON object"):
        read_lines(tmp_path / "prompts.jsonl")


def test_lines_are_kept_up_to_the_first_torn_one(tmp_path):
    path = tmp_path / "lines.jsonl"
    append_lines(path, [{"a": "ä"}, {"b": 2}, {"c": 3}])
    assert keep_lines(path, 2) == [{"a": "ä"}, {"b": 2}]
    path.write_bytes(path.read_bytes()[:-3])
    assert keep_lines(path, 5) == [{"a": "ä"}]
    assert read_lines(path) == [{"a": "ä"}]


def test_a_last_line_without_its_end_is_read_but_not_kept(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\r\n{"b": 2}')
    assert read_lines(path) == [{"a": 1}, {"b": 2}]
    assert keep_lines(path, 2) == [{"a": 1}]
    assert path.read_bytes() == b'{"a": 1}\r\n'
    assert keep_lines(tmp_path / "absent.jsonl", 3) == []
    assert (tmp_path / "absent.jsonl").read_bytes() == b""


@pytest.mark.parametrize("records", [[], [{"score": 0.1}], [{"a": "ä"}, {"b": [1.5, None]}, {}]])
def test_a_growing_list_is_what_json_would_write(tmp_path, records):
    with GrowingList(tmp_path / "list.json", Checkpoints(tmp_path / "checkpoints")) as grown:
        for record in records:
            grown.extend([record], 1)
        grown.close()
    assert (tmp_path / "list.json").read_text() == json.dumps(records)


def test_a_list_goes_on_from_its_newest_checkpoint(tmp_path):
    path, checkpoints = tmp_path / "list.json", Checkpoints(tmp_path / "checkpoints")
    with GrowingList(path, checkpoints) as grown:
        grown.extend([1, 2], 1)
        grown.save()
        grown.extend([3], 1)
    assert path.read_bytes() == b"[1, 2, 3"
    with GrowingList(path, checkpoints) as again:
        assert (again.done, again.length) == (1, 2)
        again.extend([4], 1)
        again.close()
    assert json.loads(path.read_bytes()) == [1, 2, 4]
    path.write_bytes(b"[1, 9, 4]")
    with GrowingList(path, checkpoints) as anew:
        assert (anew.done, anew.length, path.stat().st_size) == (0, 0, 0)
    assert checkpoints.load() is None

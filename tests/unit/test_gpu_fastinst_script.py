"""The script that times FastInst on a GPU runs, on a miniature and without compiling."""

import json
from pathlib import Path

import pytest

from benchmarks.gpu_fastinst import main


@pytest.mark.slow
def test_it_writes_a_row_for_each_batch_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.json"
    main(["--tiny", "--batches", "2", "--rounds", "1", "--backend", "eager", "--out", str(out)])
    rows = json.loads(out.read_text())
    assert [row["batch"] for row in rows] == [2]
    for row in rows:
        assert row["config"] == "miniature"
        assert row["float32_images_per_s"] > 0
        assert row["bfloat16_compiled_images_per_s"] > 0
        assert row["compiled_float32_largest_difference"] < 1e-3
    assert json.loads(capsys.readouterr().out) == rows[0]

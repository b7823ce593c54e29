"""The SAM filter on the robust paper's labels: which pictures stay, by numbers that were found by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from methods.common.datasets.rle import encode_mask
from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.diffumask_robust.label_files import LABELS, LABELS_FILE, TRUSTED
from methods.diffumask_robust.stages.filter_masks import FilterMasksConfig, filter_masks
from tests.unit.test_diffumask_robust_stage_values import ramp, write_labels, write_pairs

LABEL = np.array([[1, 1, 0, 0]])
FOUND = {"a": [1, 0, 0, 0], "b": [1, 1, 0, 0], "c": [1, 1, 1, 1], "d": [1, 1, 1, 0], "e": [0, 0, 0, 0]}
"""What the prompter finds: with the label above S1 is 1/2, 1, 1/2, 2/3 and 0."""
SCORES = {"a": 0.5, "b": 1.0, "d": 2 / 3, "e": 0.0}


def cells(folder: Path, dropped: str = "c", names: str = "abcde") -> Inputs:
    """Pictures of one class with the same label, what is found in each, and one of no use."""
    pairs = write_pairs(folder / "pairs", {name: ramp([0, 0, 0, 1]) for name in names}, {name: [1] for name in names})
    trusted = dict.fromkeys(names, np.array([[True, False, True, False]]))
    labels = write_labels(folder / "labels", dict.fromkeys(names, LABEL), trusted, dropped)
    named = folder / "named"
    named.mkdir()
    lines = [{"id": name, "masks": {"coin": encode_mask(np.array([FOUND[name]], bool))}} for name in names]
    (named / "named_masks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Inputs({"pairs": [pairs], "labels": [labels], "named": [named]})


def run(inputs: Inputs, config: FilterMasksConfig, out: Path, seed: int = 0) -> tuple[dict, dict[str, str]]:
    """Run the stage; returns its record and why each picture goes."""
    out.mkdir()
    record = filter_masks(inputs, config, LocalContext(out, Seeds(generation=seed)))
    lines = [json.loads(line) for line in (out / LABELS_FILE).read_text().splitlines()]
    assert {line["id"]: line["score"] for line in lines if line["id"] != "c"} == pytest.approx(SCORES)
    return record, {line["id"]: line["dropped"] for line in lines}


def test_the_half_that_agrees_best_stays_without_those_of_no_use(tmp_path: Path) -> None:
    record, dropped = run(cells(tmp_path), FilterMasksConfig(), tmp_path / "out")
    assert [name for name, why in dropped.items() if not why] == ["b", "d"]
    assert dropped["c"] == "no use"
    assert "0.500" in dropped["a"]
    assert {path.stem for path in (tmp_path / "out" / LABELS).iterdir()} == {"b", "d"}
    assert {path.stem for path in (tmp_path / "out" / TRUSTED).iterdir()} == {"b", "d"}
    assert (record["num_images"], record["num_kept"]) == (4, 2)
    assert record["score_before"] == pytest.approx(sum(SCORES.values()) / 4)
    assert record["score_kept"] == pytest.approx((1 + 2 / 3) / 2)


def test_chance_keeps_as_many_and_another_seed_keeps_others(tmp_path: Path) -> None:
    inputs = cells(tmp_path)
    kept = set()
    for seed in range(6):
        record, dropped = run(inputs, FilterMasksConfig(rule="random"), tmp_path / f"out{seed}", seed)
        assert record["num_kept"] == 2
        assert dropped["c"] == "no use"
        kept.add("".join(name for name, why in dropped.items() if not why))
    assert len(kept) > 1


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    inputs = cells(tmp_path)
    with pytest.raises(InputError, match=r"of 4 pictures of use a share of 0\.2 is none"):
        run(inputs, FilterMasksConfig(kept_share=0.2), tmp_path / "few")
    (tmp_path / "named" / "named_masks.jsonl").write_text("")
    with pytest.raises(InputError, match=r"0 lines of named_masks\.jsonl come with 5 pairs"):
        run(inputs, FilterMasksConfig(), tmp_path / "none")
    lines = [{"id": name, "masks": {"coin": encode_mask(np.ones((2, 2), bool))}} for name in "abcde"]
    (tmp_path / "named" / "named_masks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="segment these pictures, not others"):
        run(inputs, FilterMasksConfig(), tmp_path / "other")

"""A small store with finished runs of two arms, every number in it known by the label of its cell, and the planners that ask for them."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from methods.common.training.history_files import HISTORY_FILE, PACE_FILE
from reproductions.harness.cell import Cell
from reproductions.harness.logs import log_path
from reproductions.harness.store import Store
from reproductions.mrca.plan import SeedPlanner
from reproductions.mrca.recipe import mini
from tests.unit.plan_edges import outside
from tests.unit.told_store import number

ITERATIONS = 200


def planners(seeds: Iterable[int]) -> list[SeedPlanner]:
    places = outside("generator", "xpaste_generator", "cutter", "clip")
    return [SeedPlanner(mini(), seed, places) for seed in seeds]


def finish(store: Store, cells: Iterable[Cell]) -> None:
    """Leave what runs of these cells would have left, as far as a report looks at it."""
    for cell in cells:
        folder = store.cell_folder(cell)
        folder.mkdir(parents=True)
        record = {"told": number(cell.label, "told"), "metrics_mask": {"AP": number(cell.label, "AP")}, "many": [1, 2]}
        (folder / "result.json").write_text(json.dumps(record))
        (folder / "provenance.json").write_text(json.dumps(_provenance(cell.label)))
        if cell.stage.kind == "train":
            write_history(folder, cell.label)
        if cell.stage.kind == "evaluate":
            _write_pictures(folder / "samples")
        (folder / "seal.json").write_text("{}")
        log_path(store, cell.id).write_text(f"begins\n{cell.label} says <script>alert('{cell.label}')</script>\n")


def first_loss(label: str) -> float:
    return float(number(label, "loss"))


def _provenance(label: str) -> dict[str, object]:
    seconds = float(number(label, "seconds"))
    attempt = {"started_utc": "2026-01-02T03:04:05+00:00", "host": "node-7", "wall_s": 3 * seconds, "outcome": "done"}
    return {
        "commit": "0123456789abcdef",
        "dirty_diff_sha256": None,
        "host": "node-7",
        "num_cpus": 4,
        "gpu": None,
        "packages": {},
        "started_utc": "2026-01-02T03:04:05+00:00",
        "wall_s": 3 * seconds,
        "cpu_s": seconds,
        "peak_memory_mib": number(label, "memory"),
        "processes": 1,
        "attempts": [attempt],
    }


def write_history(folder: Path, label: str) -> None:
    iteration = np.arange(ITERATIONS, dtype=np.int32)
    loss = first_loss(label) * np.ones(ITERATIONS)
    columns = {"loss": loss, "learning_rate": np.linspace(1.0, 0.0, ITERATIONS)}
    columns |= {"loss/a": 0.25 * loss, "loss/b": 0.75 * loss, "gradient_norm": np.full(ITERATIONS, np.nan)}
    parquet.write_table(pa.table({"iteration": iteration, **columns}), folder / HISTORY_FILE)
    pace = {"seconds": np.full(ITERATIONS, 0.5), "memory_mib": np.ones(ITERATIONS)}
    parquet.write_table(pa.table({"iteration": iteration, **pace}), folder / PACE_FILE)


def _write_pictures(folder: Path) -> None:
    folder.mkdir()
    image_HW3 = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(image_HW3).save(folder / "00_image.png")
    for words in ("truth", "predicted"):
        Image.fromarray(np.eye(4, dtype=np.uint8)).save(folder / f"00_{words}.png")

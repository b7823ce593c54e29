"""Collects the runs behind a report from the store: every cell once, what it wrote down, and how an arm's differ from its neighbour's."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.drill import Attempt, ClassScores, Curve, Details, RunDetails, RunDifference, SeedRuns, ShownImage
from reports.records import Report
from reproductions.harness.cell import Cell
from reproductions.harness.find import Search
from reproductions.harness.logs import log_path
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.harness.why import causes
from reproductions.study.arms import Arm
from reproductions.study.collector import machine_seconds
from reproductions.study.planner import CellsT, HowT, SeedPlanner, StudyT

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG_LINES, _LOG_BYTES, _LINE_CHARACTERS = 12, 4096, 240
"""What of a log is shown: its end."""
_CURVE_POINTS = 60
"""Of each curve; more cannot be told apart in a small drawing."""
_MOST_CLASSES = 60
"""Listed with their scores: the lowest and the highest."""
_MOST_DIFFERENCES = 40
_MOST_NUMBERS = 24
_CONFIG_DIGITS = 12
_FINGERPRINT, _SHOWN_DIGITS = re.compile("[0-9a-f]{40,64}"), 12


def collect_details(
    planners: Sequence[SeedPlanner[StudyT, HowT, CellsT]],
    arms: Sequence[Arm[HowT]],
    plan: Plan,
    store: Store,
    report: Report,
) -> Details:
    """Return the runs of a study's arms.

    Args:
        planners: one a seed.
        arms: those that were asked for.
        plan: that holds all of their cells.
        store: where they are.
        report: judged records, whose claims say which arms are neighbours.
    """
    search = Search({plan.name: plan}, store)
    evaluations = {
        (planner.index, arm.id): evaluation
        for planner in planners
        for arm in arms
        if (evaluation := planner.arm(arm).evaluation) is not None
    }
    first = planners[0].index
    wanted = {key: _behind(evaluation) for key, evaluation in evaluations.items()}
    configs: dict[str, str] = {}
    pictured = {evaluation.id for (seed, _), evaluation in evaluations.items() if seed == first}
    used = {cell.id for cells in wanted.values() for cell in cells}
    runs = {cell.id: _run(cell, store, configs, cell.id in pictured) for cell in plan if cell.id in used}
    seeds = []
    for (seed, arm), cells in wanted.items():
        other = neighbour(report, arm)
        rival = evaluations.get((seed, other)) if other is not None else None
        found = list(causes(rival, cells[0], search)) if rival is not None else []
        seeds.append(
            SeedRuns(
                arm=arm,
                backbone=planners[0].study.backbone,
                seed=seed,
                runs=tuple(cell.id for cell in cells),
                neighbour=other if other is not None and rival is not None else "",
                differences=tuple(
                    RunDifference(
                        label=one.label, kind=one.kind, path=one.path, here=_words(one.right), there=_words(one.left)
                    )
                    for one in found[:_MOST_DIFFERENCES]
                ),
                differences_left_out=max(0, len(found) - _MOST_DIFFERENCES),
            )
        )
    return Details(runs=runs, configs=configs, seeds=tuple(seeds))


def neighbour(report: Report, arm: str) -> str | None:
    """Return the arm that a claim compares this one with, else the first of the tables; None for an arm that stands alone."""
    for claim in report.claims:
        for item in claim.evidence:
            if item.left is not None and item.right is not None and item.left != item.right and arm == item.left:
                return item.right
    first = next((known.id for known in report.arms), None)
    return None if first == arm else first


def _behind(evaluation: Cell) -> list[Cell]:
    """A cell and all that it is made from, users before inputs."""
    return list(reversed(list(Plan("", (evaluation,)))))


def _words(value: Any) -> str:
    """A leaf of an identity as text; of a fingerprint its first digits."""
    if isinstance(value, str):
        return value[:_SHOWN_DIGITS] if _FINGERPRINT.fullmatch(value) else value
    return json.dumps(value, ensure_ascii=False)


def _run(cell: Cell, store: Store, configs: dict[str, str], with_pictures: bool) -> RunDetails:
    """Everything that is shown of one cell; its config goes into ``configs``."""
    text = json.dumps(cell.identity["config"], indent=1, ensure_ascii=False)
    config = hashlib.sha256(text.encode()).hexdigest()[:_CONFIG_DIGITS]
    configs[config] = text
    asked = {
        "id": cell.id,
        "label": cell.label,
        "stage": cell.stage.name,
        "kind": cell.stage.kind,
        "version": cell.stage.version,
        "config": config,
        "seeds": cell.identity["seeds"],
        "inputs": {role: tuple(ids) for role, ids in cell.identity["inputs"].items()},
        "outside": cell.identity["external"],
        "log": _last_lines(log_path(store, cell.id)),
    }
    if not store.is_complete(cell):
        failure = store.failure(cell.id)
        state, message = ("not finished", "") if failure is None else ("failed", failure.message)
        return RunDetails(**asked, state=state, message=message)
    folder, record = store.cell_folder(cell), store.record(cell)
    return RunDetails(
        **asked,
        state="done",
        **_how_it_went(store.provenance(cell)),
        numbers=_numbers(record),
        curves=tuple(_curves(folder, _batch_size(cell.identity["config"]))) if cell.stage.kind == "train" else (),
        classes=tuple(_class_scores(folder, record)) if cell.stage.kind == "evaluate" else (),
        images=tuple(_images(folder)) if with_pictures else (),
    )


def _how_it_went(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "commit": found["commit"] or "unknown",
        "dirty": found["dirty_diff_sha256"] or "",
        "host": found["host"],
        "device": found["gpu"] or f"CPU, {found['num_cpus']} cores",
        "started": found["started_utc"],
        "wall_s": found["wall_s"],
        "machine_s": machine_seconds(found),
        "on_gpu": bool(found["gpu"]),
        "memory_mib": found["peak_memory_mib"],
        "attempts": tuple(
            Attempt(started=one["started_utc"], host=one["host"], seconds=one["wall_s"], outcome=one["outcome"])
            for one in found["attempts"]
        ),
    }


def _last_lines(path: Path) -> tuple[str, ...]:
    """The end of a log, without reading what is before."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(line[:_LINE_CHARACTERS] for line in text.splitlines()[-_LOG_LINES:])


def _numbers(record: Mapping[str, Any]) -> dict[str, float | str | None]:
    """The numbers and names at the top of a record, and those of small groups in it such as ``metrics_box``."""

    def pairs() -> Iterator[tuple[str, float | str | None]]:
        for name, value in record.items():
            if isinstance(value, dict) and name not in ("iou", "class_ap"):
                for inner, number in value.items():
                    if number is None or isinstance(number, int | float):
                        yield f"{name}.{inner}", number
            elif value is None or isinstance(value, int | float | str):
                yield name, value

    return dict(islice(pairs(), _MOST_NUMBERS))


# --- curves -----------------------------------------------------------------------------------------------------


def _batch_size(config: Any) -> int | None:
    """Images an iteration: of the recipe, at whatever depth the config holds it; None where there is none."""
    if not isinstance(config, dict):
        return None
    if "iterations" in config and isinstance(config.get("batch_size"), int):
        return int(config["batch_size"])
    return next((found for value in config.values() if (found := _batch_size(value)) is not None), None)


def _curves(folder: Path, batch_size: int | None) -> Iterator[Curve]:
    """Loss, its parts, rate and gradient norm, and images a second; nothing for a training of before there were histories."""
    from methods.common.training.history_files import HISTORY_FILE, PACE_FILE

    columns = _columns(folder / HISTORY_FILE)
    iteration = columns.pop("iteration", None)
    if iteration is None or not len(iteration):
        return
    parts = [name for name in columns if name.startswith("loss/")]
    order = ["loss", *(parts if len(parts) > 1 else []), "learning_rate", "gradient_norm"]
    for name in order:
        if name in columns:
            yield _curve(name, iteration, columns[name])
    seconds = _columns(folder / PACE_FILE).get("seconds")
    if seconds is not None and len(seconds) == len(iteration):
        per_step = 1.0 if batch_size is None else float(batch_size)
        name = "iterations a second" if batch_size is None else "images a second"
        yield _curve(name, iteration, _smoothed_rate(seconds, per_step))


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    """A Parquet file's columns as arrays; none where it is not there."""
    from pyarrow import parquet

    if not path.is_file():
        return {}
    table = parquet.ParquetFile(path).read(use_threads=False)
    return {name: table[name].to_numpy() for name in table.column_names}


def _smoothed_rate(seconds: NDArray[Any], per_step: float) -> NDArray[Any]:
    """Images a second over windows of a fortieth of the training: single steps jump."""
    import numpy as np

    width = max(1, len(seconds) // (_CURVE_POINTS // 2))
    means = np.convolve(np.nan_to_num(seconds), np.ones(width) / width, mode="same")
    counts = np.convolve(np.isfinite(seconds), np.ones(width) / width, mode="same")
    with np.errstate(divide="ignore", invalid="ignore"):
        rate: NDArray[Any] = per_step * counts / means
    return rate


def _curve(name: str, iteration: NDArray[Any], values: NDArray[Any]) -> Curve:
    """Thin a column to evenly spaced means, so that noise does not depend on which iterations are picked; short ones stay whole."""
    import numpy as np

    edges = np.linspace(0, len(values), min(_CURVE_POINTS, len(values)) + 1).astype(int)
    spans = list(pairwise(edges))
    shown = [values[start:stop][np.isfinite(values[start:stop])] for start, stop in spans]
    return Curve(
        name=name,
        iterations=tuple(int(iteration[stop - 1]) for _, stop in spans),
        values=tuple(float(f"{part.mean():.6g}") if len(part) else None for part in shown),
    )


# --- evaluations ------------------------------------------------------------------------------------------------


_CLASS_SCORES = {"ap_box": "AP of box, %", "ap_mask": "AP of mask, %", "pq": "PQ, %", "iou": "IoU, %"}
"""Columns that evaluations write by class, in words."""


def _class_scores(folder: Path, record: Mapping[str, Any]) -> Iterator[ClassScores]:
    """IoU by class of label maps, AP by class of detections, panoptic quality by class of segments."""
    from methods.common.metrics.score_files import CLASSES_FILE

    if isinstance(record.get("iou"), dict):
        yield _listed("IoU, %", record["iou"])
        return
    columns = _columns(folder / CLASSES_FILE)
    names = columns.pop("class", ())
    for title, values in columns.items():
        words = _CLASS_SCORES.get(title)
        if words is not None:
            yield _listed(words, dict(zip(map(str, names), map(_finite, values), strict=True)))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _listed(title: str, scores: Mapping[str, float | None]) -> ClassScores:
    """All classes in their order, or of many the lowest and the highest, by score."""
    if len(scores) <= _MOST_CLASSES:
        return ClassScores(title=title, scores=dict(scores))
    known = sorted((value, name) for name, value in scores.items() if value is not None)
    half = _MOST_CLASSES // 2
    kept = known if len(known) <= _MOST_CLASSES else known[:half] + known[-half:]
    return ClassScores(title=title, scores={name: value for value, name in kept}, left_out=len(scores) - len(kept))


def _images(folder: Path) -> Iterator[ShownImage]:
    """The images that an evaluation kept: its best and worst, else the evenly spread samples of before."""
    from methods.common.metrics.score_files import SHOWN_FILE

    listing = folder / SHOWN_FILE
    if listing.is_file():
        for note in json.loads(listing.read_text()):
            pictures = {words: listing.parent / file for words, file in note["pictures"].items()}
            yield ShownImage(title=note["title"], pictures=pictures)
        return
    for image in sorted((folder / "samples").glob("*_image.png")):
        files = {words: image.with_name(image.name.replace("_image", f"_{words}")) for words in ("truth", "predicted")}
        if all(path.is_file() for path in files.values()):
            pictures = {"image": image, "truth": files["truth"], "prediction": files["predicted"]}
            yield ShownImage(title="one of evenly spread images", pictures=pictures)

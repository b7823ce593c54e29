"""What every paper's report collects from finished cells: where they came from, and how long they took."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from reports.records import Provenance
from reproductions.harness.cell import Cell
from reproductions.harness.store import Store


def provenance(store: Store, cells: Iterable[Cell]) -> Provenance:
    """Sum up where the finished ones of these cells came from."""
    found = [store.provenance(cell) for cell in cells if store.is_complete(cell)]
    states = sorted({(item["commit"] or "unknown", item["dirty_diff_sha256"] or "") for item in found})
    packages = {name: version for item in found for name, version in item["packages"].items() if version}
    return Provenance(
        commit=", ".join(sorted({commit for commit, _ in states})) or "unknown",
        dirty=", ".join(sorted({dirty[:12] for _, dirty in states if dirty})) or None,
        packages=packages,
        hosts=tuple(sorted({item["host"] for item in found})),
        devices=tuple(sorted({item["gpu"] or f"CPU, {item['num_cpus']} cores" for item in found})),
        started=min((item["started_utc"] for item in found), default=""),
        finished=max((_finished(item) for item in found), default=""),
        cells=len(found),
        store=store.root.name,
    )


def seconds(store: Store, cells: Iterable[Cell]) -> float:
    """Add up the wall time of finished cells, all attempts."""
    return float(sum(store.provenance(cell)["wall_s"] for cell in cells))


def _finished(found: dict[str, Any]) -> str:
    """When a cell's last attempt ended, ISO 8601."""
    last = found["attempts"][-1]
    ended = datetime.fromisoformat(last["started_utc"]) + timedelta(seconds=last["wall_s"])
    return ended.isoformat(timespec="seconds")

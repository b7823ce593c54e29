"""Which weights from outside a report rests on, by the checksums of their files."""

from __future__ import annotations

from collections.abc import Iterable

from reports.records import Weights
from reproductions.harness.fingerprint import Fingerprints
from reproductions.harness.store import Store
from reproductions.requirements.need import Need

_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pkl", ".npz")
_NO_WEIGHTS = frozenset({"data", "objects"})
"""Roles of what is no network; a data set has too many files to name."""


def weights_used(needs: Iterable[Need], store: Store) -> tuple[Weights, ...]:
    """Name the weights behind a plan, each file with its SHA-256.

    The fingerprint of a place is part of the identity of every cell that reads it, so finished cells of the plan were made with these very
    files. A store that exists remembers what was hashed.

    Args:
        needs: of the plan; all places are there.
        store: of the plan.
    """
    fingerprints = Fingerprints(store.root / "fingerprints.json" if store.is_there else None)
    found = [
        Weights(role=need.role, what=need.what, files=files)
        for need in needs
        if need.role not in _NO_WEIGHTS and (files := fingerprints.files(need.place, _SUFFIXES))
    ]
    fingerprints.save()
    return tuple(found)

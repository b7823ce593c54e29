"""Stored outputs of an official model with formula-made weights and input, and where a key table's entries go in ours."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from methods.common.segmenters.official_weights import OfficialNames
from tests.parity.formula import formula_image, formula_state, key_table, shape_of


class Golden:
    """The stored outputs of one model, and what it was given."""

    def __init__(self, shared: Path, stem: str) -> None:
        self.values = dict(np.load(shared / "parity" / f"{stem}_public.npz"))
        self.weights = formula_state(shared, stem, int(self.values["salt"]))
        height, width, *constants = self.values["image_h_w_a_b_p_q"]
        self.image = formula_image(int(height), int(width), *constants)

    def difference(self, name: str, ours: Tensor) -> float:
        """Largest difference of a value of ours."""
        expected = self.values[name]
        assert ours.shape == expected.shape, name
        return float(np.abs(ours.detach().numpy() - expected).max())

    def check(self, name: str, ours: Tensor, relative: float) -> None:
        """Compare a value of ours, relative to the largest of the stored ones."""
        found = self.difference(name, ours) / np.abs(self.values[name]).max()
        assert found < relative, f"{name}: {found}"


def placed_entries(shared: Path, stem: str, names: OfficialNames) -> dict[str, tuple[int, ...]]:
    """Shape of each of our entries that an official one of the table fills; each has exactly one place, and leads back to it."""
    placed: dict[str, tuple[int, ...]] = {}
    for row in key_table(shared, stem):
        if names.unused.fullmatch(row["name"]):
            continue
        places, shape = names.our_places(row["name"]), shape_of(row)
        assert len(places) in (1, 3), row["name"]
        for place in places:
            assert place.ours not in placed, place
            assert names.official_name(place.ours) == row["name"]
            placed[place.ours] = (shape[0] // len(places), *shape[1:]) if shape else ()
    return placed


def entries_without_values(shared: Path, stem: str) -> dict[str, Tensor]:
    """Every entry of a key table as a tensor of its shape that holds nothing."""
    return {row["name"]: torch.empty(shape_of(row), device="meta") for row in key_table(shared, stem)}

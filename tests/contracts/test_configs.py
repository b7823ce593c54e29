"""Every config that a paper's plan holds, at every tier: it survives JSON as it is, and refuses what it does not know."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reproductions.harness.cell import Cell, canonical_json
from tests.contracts.papers import TIERS, Shape, known_papers, parts_of, plan, shape_of


def every_shape() -> dict[str, Cell]:
    """One cell of each shape at each tier, by paper, tier and label."""
    found: dict[tuple[str, Shape], tuple[str, Cell]] = {}
    for paper_id in known_papers():
        for tier in TIERS:
            for cell in plan(paper_id, tier):
                found.setdefault((tier, shape_of(cell)), (f"{paper_id}, {tier}: {cell.label}", cell))
    return dict(found.values())


@pytest.fixture(scope="module")
def cells() -> dict[str, Cell]:
    return every_shape()


def test_it_survives_json(cells: dict[str, Cell]) -> None:
    for label, cell in cells.items():
        document = cell.config.model_dump(mode="json")
        again = type(cell.config).model_validate(document)
        assert again == cell.config, label
        assert canonical_json(again.model_dump(mode="json")) == canonical_json(document), label
        assert Cell(cell.stage, again, cell.seeds, label, cell.inputs, cell.external).id == cell.id, label


def test_unknown_keys_are_refused_however_deep(cells: dict[str, Cell]) -> None:
    for label, cell in cells.items():
        for way, _ in parts_of(cell.config):
            document = cell.config.model_dump(mode="json")
            _part(document, way)["surely_unknown"] = label
            with pytest.raises(ValidationError, match="surely_unknown"):
                type(cell.config).model_validate(document)


def test_nothing_in_it_can_be_changed(cells: dict[str, Cell]) -> None:
    for cell in cells.values():
        for _, part in parts_of(cell.config):
            for name in list(type(part).model_fields)[:1]:
                with pytest.raises(ValidationError, match="frozen"):
                    setattr(part, name, None)


def test_every_field_is_described(cells: dict[str, Cell]) -> None:
    undescribed = {
        f"{type(part).__name__}.{name}"
        for cell in cells.values()
        for _, part in parts_of(cell.config)
        for name, field in type(part).model_fields.items()
        if not field.description
    }
    assert undescribed == set()


def _part(document: Any, way: tuple[str | int, ...]) -> dict[str, Any]:
    for step in way:
        document = document[step]
    return document

"""What decides a cell's identity, and what does not; why two cells differ."""

import hashlib
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from methods.common.errors import InputError
from methods.common.growth import Added, identity_document
from methods.common.seeds import Seeds
from methods.common.stage import Config, Context, Inputs, Record, Stage
from reproductions.harness.cell import Cell, External, canonical_json, check_record
from reproductions.harness.fingerprint import Fingerprints
from reproductions.harness.launcher import prepare, run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.harness.why import ABSENT, Difference, differences
from tests.harness.toy import DRAW, SHARDS, DrawConfig, ShardsConfig, WalkConfig, draw_cell, walk_cell


def test_the_identity_is_this_document() -> None:
    """A golden value: a change of format would orphan every store."""
    cell = draw_cell(3)
    assert canonical_json(cell.identity) == (
        '{"config":{"pause_s":0.0,"size":8},"external":{},"format":1,"inputs":{},"seeds":{"data":3},'
        '"stage":"toy_draw","version":1}'
    )
    assert cell.id == "2f6a87df1125b200e3f7cbf93da176b30a147fb42768e83204696ac912e2f28a"


class Plain(Config):
    share: float | None = 0.5
    width: int | float = 3


class Grown(Config):
    share: Annotated[float | None, Added(neutral=0.5)] = 0.5
    width: int | float = 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Plain(width=1), Plain(width=1.0)),
        (Plain(), Grown()),
        (Plain(share=None), Plain.model_construct(share=0.0)),
    ],
)
def test_configs_that_only_look_alike_stay_apart_however_often_they_are_planned(one: Config, other: Config) -> None:
    cells = [
        Cell(replace(DRAW, config_type=type(config)), config, Seeds(data=seed), "draw")
        for seed in (5, 6)
        for config in (one, other)
    ]
    assert len({cell.id for cell in cells}) == 4
    for cell in cells:
        assert cell.identity["config"] == identity_document(cell.config)
        assert cell.id == hashlib.sha256(canonical_json(cell.identity).encode()).hexdigest()


def test_infinity_is_refused_though_its_place_was_none_before() -> None:
    assert Cell(replace(DRAW, config_type=Plain), Plain(share=None), Seeds(data=5), "draw").id
    with pytest.raises(ValueError, match="JSON"):
        Cell(replace(DRAW, config_type=Plain), Plain(share=math.inf), Seeds(data=5), "draw").id  # noqa: B018


def test_defaults_are_part_of_it() -> None:
    def stage(default: int) -> Cell:
        class ThingConfig(Config):
            size: int = Field(default=default)
            """A size."""

        def run(inputs: Inputs, config: ThingConfig, context: Context) -> Record:
            return {}

        return Cell(Stage("thing", 1, ThingConfig, run), ThingConfig(), Seeds(), "thing")

    assert stage(1).id == stage(1).id
    assert stage(1).id != stage(2).id, "an edited default is another config"


def test_what_is_part_of_it_and_what_is_not() -> None:
    plain = draw_cell()
    assert Cell(DRAW, DrawConfig(), Seeds(), "another label", cost_s=99.0).id == plain.id
    assert Cell(DRAW, DrawConfig(size=8), Seeds(), "x").id == plain.id, "a default written out is the same config"
    assert Cell(DRAW, DrawConfig(), Seeds(training=7, generation=7), "x").id == plain.id, "it draws from data only"
    assert Cell(DRAW, DrawConfig(), Seeds(data=7), "x").id != plain.id
    assert Cell(DRAW, DrawConfig(size=9), Seeds(), "x").id != plain.id
    newer = Stage(DRAW.name, 2, DRAW.config_type, DRAW.run, DRAW.seed_axes)
    assert Cell(newer, DrawConfig(), Seeds(), "x").id != plain.id
    assert walk_cell(0, draw_cell(0)).id != walk_cell(0, draw_cell(1)).id != walk_cell(0).id
    here, there = External(Path("/here"), "abc"), External(Path("/there"), "abc")
    with_data = [Cell(DRAW, DrawConfig(), Seeds(), "x", external={"data": place}) for place in (here, there)]
    assert with_data[0].id == with_data[1].id != plain.id
    assert (
        Cell(DRAW, DrawConfig(), Seeds(), "x", external={"data": External(Path("/here"), "abd")}).id != with_data[0].id
    )


def test_unknown_keys_and_foreign_configs_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        DrawConfig(sise=3)  # type: ignore[call-arg]
    with pytest.raises(AssertionError, match="config of another stage"):
        Cell(SHARDS, DrawConfig(), Seeds(), "x")


def test_a_newer_version_of_the_code_does_not_run_an_older_plan(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = draw_cell()
    prepare(Plan("toy", (cell,)), store)
    spec = store.read_spec(cell.id)
    assert spec.stage() is DRAW
    monkeypatch.setattr("tests.harness.toy.DRAW", Stage("toy_draw", 2, DrawConfig, DRAW.run, ("data",)))
    with pytest.raises(ValueError, match="no stage 'toy_draw' of version 1"):
        spec.stage()


def test_a_plan_holds_each_cell_once_inputs_first() -> None:
    draw = draw_cell()
    plan = Plan("toy", (walk_cell(1, draw), walk_cell(2, draw), draw_cell()))
    assert [cell.label for cell in plan] == ["draw/0", "walk/1", "walk/2"]
    chain = Plan("toy", (draw_cell(5), walk_cell(1, draw)))
    assert [cell.label for cell in chain.by_urgency()] == ["draw/0", "draw/5", "walk/1"]


def test_a_folder_without_a_seal_is_no_finished_cell(store: Store) -> None:
    plan = Plan("toy", (draw_cell(), draw_cell(1)))
    assert plan.missing(store) == list(plan)
    run_in_process(plan, store, lambda: None)
    assert plan.missing(store) == []
    (store.cell_folder(plan.targets[1]) / "seal.json").unlink()
    assert plan.missing(store) == [plan.targets[1]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_keeps_the_value_and_is_its_own_fixed_point(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    check_record(value)


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_canonical_json_forgets_the_order_of_keys(value: dict[str, object]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@given(JSON, JSON)
def test_two_documents_differ_just_when_their_canonical_json_does(left: object, right: object) -> None:
    assert (canonical_json(left) != canonical_json(right)) == bool(list(differences(left, right)))


@pytest.mark.parametrize("value", [math.nan, math.inf, [1, {"a": -math.inf}]])
def test_numbers_that_are_none_are_refused(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)
    with pytest.raises(ValueError, match="only finite numbers"):
        check_record({"value": value})


def test_keys_that_are_not_text_are_refused() -> None:
    with pytest.raises(ValueError, match="key 3 at classes is not text"):
        check_record({"classes": {3: 0.5}})


# -- fingerprints ------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "1.png").write_bytes(b"one")
    (folder / "train.json").write_text("{}")
    return folder


def test_a_fingerprint_is_of_the_content_not_of_the_place(data: Path, tmp_path: Path) -> None:
    before = Fingerprints().of(data, "data")
    data.rename(tmp_path / "moved")
    after = Fingerprints().of(tmp_path / "moved", "data")
    assert before.fingerprint == after.fingerprint
    assert before.path != after.path
    (tmp_path / "moved" / ".cache").write_text("hidden files do not count")
    assert Fingerprints().of(tmp_path / "moved", "data").fingerprint == before.fingerprint
    (tmp_path / "moved" / "images" / "1.png").rename(tmp_path / "moved" / "images" / "2.png")
    assert Fingerprints().of(tmp_path / "moved", "data").fingerprint != before.fingerprint, "names count"


def test_a_linked_folder_counts_by_its_content(data: Path, tmp_path: Path) -> None:
    plain = Fingerprints().of(data, "data").fingerprint
    (data / "images").rename(tmp_path / "elsewhere")
    (data / "images").symlink_to(tmp_path / "elsewhere")
    assert Fingerprints().of(data, "data").fingerprint == plain
    (tmp_path / "elsewhere" / "1.png").write_bytes(b"two")
    assert Fingerprints().of(data, "data").fingerprint != plain
    (data / "images" / "loop").symlink_to(data)
    Fingerprints().of(data, "data")  # comes to an end


def test_the_memory_sees_an_edit_whose_time_was_put_back(data: Path, tmp_path: Path) -> None:
    memory = tmp_path / "fingerprints.json"
    first = Fingerprints(memory)
    before = first.of(data, "data").fingerprint
    first.save()
    assert Fingerprints(memory).of(data, "data").fingerprint == before
    image = data / "images" / "1.png"
    status = image.stat()
    image.write_bytes(b"eno")
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Fingerprints(memory).of(data, "data").fingerprint != before


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1}', '{"'])
def test_a_damaged_memory_is_only_a_cache(text: str, data: Path, tmp_path: Path) -> None:
    memory = tmp_path / "fingerprints.json"
    memory.write_text(text)
    assert Fingerprints(memory).of(data, "data") == Fingerprints().of(data, "data")


def test_missing_and_empty_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the weights is missing: there is no .*/nowhere"):
        Fingerprints().of(tmp_path / "nowhere", "the weights")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no file"):
        Fingerprints().of(tmp_path / "empty", "the data")


# -- why ---------------------------------------------------------------------------------------------------------------


def test_differences_name_the_place() -> None:
    left = {"config": {"size": 8, "sizes": [1, 2], "new": None, "one": 1}, "seeds": {"data": 0}}
    right = {"config": {"size": 9, "sizes": [1, 3], "one": 1.0}, "seeds": {"data": 0}}
    assert list(differences(left, right)) == [
        Difference("config.new", None, ABSENT),
        Difference("config.one", 1, 1.0),
        Difference("config.size", 8, 9),
        Difference("config.sizes[1]", 2, 3),
    ]


def test_walk_configs_round_trip_through_a_spec(store: Store) -> None:
    cell = walk_cell(2, draw_cell(1), steps=7, step_s=0.25)
    prepare(Plan("toy", (cell,)), store)
    spec = store.read_spec(cell.id)
    assert spec.config() == WalkConfig(steps=7, step_s=0.25)
    assert spec.needs == [draw_cell(1).id]
    assert ShardsConfig() == ShardsConfig.model_validate(ShardsConfig().model_dump(mode="json"))

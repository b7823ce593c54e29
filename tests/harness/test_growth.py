"""A config that grows keeps the results that its new field's neutral value leaves as they were, and no others."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, create_model, field_validator

from methods.common.growth import Added, identity_document, read_stored
from methods.common.seeds import Seeds
from methods.common.segmenters.saved import CONFIG_FILE, read_config
from methods.common.stage import Config, Stage
from methods.mrca.paste import PasteConfig
from methods.mrca.stages.pasting import MrcaPasting, NoPasting, XPastePasting
from methods.mrca.stages.train import TrainConfig
from reproductions.harness.cell import Cell
from reproductions.harness.find import Search
from reproductions.harness.launcher import prepare, run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.harness.why import ABSENT, Difference, explain
from reproductions.study.registry import load_paper
from reproductions.study.request import Request
from tests.harness import toy
from tests.harness.toy import WALK, WalkConfig, draw_cell


class WalkWithWind(WalkConfig):
    """The toy's config of a later day."""

    wind: Annotated[float, Added(neutral=0)] = Field(default=2.0, ge=0)
    """Push in every step."""


def walks(config_type: type[WalkConfig], monkeypatch: pytest.MonkeyPatch, **config: Any) -> Plan:
    """Two walks and what they start from, as code with this config type plans them."""
    stage = Stage(WALK.name, WALK.version, config_type, WALK.run, WALK.seed_axes, kind=WALK.kind)
    monkeypatch.setattr(toy, "WALK", stage)
    cells = [
        Cell(stage, config_type(steps=3, **config), Seeds(training=seed), f"walk/{seed}", {"start": [draw_cell(seed)]})
        for seed in range(2)
    ]
    return Plan("toy", tuple(cells))


def test_finished_cells_survive_a_new_field_just_at_its_neutral_value(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_in_process(walks(WalkConfig, monkeypatch), store, lambda: None).exit_code == 0
    assert walks(WalkWithWind, monkeypatch, wind=0.0).missing(store) == []
    for config in ({}, {"wind": 2.0}, {"wind": 1.0}):
        missing = walks(WalkWithWind, monkeypatch, **config).missing(store)
        assert [cell.label for cell in missing] == ["walk/0", "walk/1"], "inputs of these cells are still there"
    assert walks(WalkConfig, monkeypatch).missing(store) == [], "removed again"

    class WalkOfAnotherDefault(WalkWithWind):
        step_s: float = 0.001

    assert len(walks(WalkOfAnotherDefault, monkeypatch, wind=0.0).missing(store)) == 2


def test_cells_that_were_made_with_the_field_survive_its_removal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_in_process(walks(WalkWithWind, monkeypatch, wind=0.0), store, lambda: None).exit_code == 0
    assert walks(WalkConfig, monkeypatch).missing(store) == []


def test_a_plan_of_before_is_read_as_neutral_and_not_as_the_new_default(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = walks(WalkConfig, monkeypatch).targets[0]
    prepare(Plan("toy", (cell,)), store)
    walks(WalkWithWind, monkeypatch)
    assert store.read_spec(cell.id).config() == WalkWithWind(steps=3, wind=0.0)


def test_a_new_default_survives_the_way_to_a_worker(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    [cell, _] = walks(WalkWithWind, monkeypatch).targets
    prepare(Plan("toy", (cell,)), store)
    assert store.read_spec(cell.id).config() == WalkWithWind(steps=3, wind=2.0)


def test_why_names_the_new_field(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(walks(WalkConfig, monkeypatch), store)
    for config, expected in ({"wind": 0.0}, []), ({}, [Difference("config.wind", ABSENT, 2.0)]):
        search = Search({"toy": walks(WalkWithWind, monkeypatch, **config)}, store)
        assert explain("walk/0", None, search)[2] == expected


# -- at any depth ------------------------------------------------------------------------------------------------------


class Soft(PasteConfig):
    feather_px: Annotated[float, Added(neutral=0.0)] = Field(default=2.0, ge=0)
    """Width of the soft rim."""


def grown(pasting: type[Config]) -> type[Config]:
    """The pasting rule as it would be, had :class:`PasteConfig` the new field."""
    return create_model(pasting.__name__, __base__=pasting, paste=(Soft, Soft()))


def test_every_training_of_a_paper_survives_a_field_deep_in_its_config(store: Store) -> None:
    rules: Any = NoPasting | grown(XPastePasting) | grown(MrcaPasting)
    later = create_model(
        "Later", __base__=TrainConfig, pasting=(rules, Field(default=NoPasting(), discriminator="kind"))
    )
    plan = load_paper("mrca").plan(Request("mrca", store, tier="smoke", num_seeds=1))
    trains = [cell for cell in plan if isinstance(cell.config, TrainConfig)]
    assert {cell.config.pasting.kind for cell in trains} == {"none", "xpaste", "mrca"}
    for cell in trains:
        document = cell.identity["config"]
        again = read_stored(later, document)
        assert identity_document(again) == document
        if cell.config.pasting.kind != "none":
            assert again.pasting.paste.feather_px == 0.0
            changed = again.model_dump(mode="json")
            changed["pasting"]["paste"]["feather_px"] = 1.0
            with_rim = identity_document(later.model_validate(changed))
            paste = {**document["pasting"]["paste"], "feather_px": 1.0}
            assert with_rim == {**document, "pasting": {**document["pasting"], "paste": paste}}


class Round(Config):
    kind: Literal["round"] = "round"
    radius_px: float = 1.0
    softness: Annotated[float | None, Added(neutral=None)] = 0.5


class Square(Config):
    kind: Literal["square"] = "square"
    side_px: float = 1.0


class Drawing(Config):
    """Of today: a union, tuples and dicts of configs, and whole configs that came later."""

    one: Round | Square = Field(default=Square(), discriminator="kind")
    several: tuple[Round, ...] = ()
    named: dict[str, list[Round]] = {}
    pair: tuple[Square, Round] | None = None
    background: Annotated[Round | None, Added(neutral=None)] = Round()
    frame: Annotated[
        Round | Square, Field(discriminator="kind"), Added(neutral={"kind": "round", "radius_px": 0.0})
    ] = Square()


def test_a_field_is_found_in_unions_tuples_dicts_and_added_configs() -> None:
    old, new = Round(softness=None), Round()
    was, now = {"kind": "round", "radius_px": 1.0}, {"kind": "round", "radius_px": 1.0, "softness": 0.5}
    square = {"kind": "square", "side_px": 1.0}
    nothing = {"background": None, "frame": Round(radius_px=0.0, softness=None)}
    drawing = Drawing(one=old, several=(old, new), named={"a": [old], "b": [new, old]}, pair=(Square(), old), **nothing)
    document = {"one": was, "several": [was, now], "named": {"a": [was], "b": [now, was]}, "pair": [square, was]}
    assert identity_document(drawing) == document
    assert read_stored(Drawing, document) == drawing
    for name, value, written in [
        ("background", old, was),
        ("background", new, now),
        ("frame", Square(), square),
        ("frame", Round(radius_px=0.0), {"kind": "round", "radius_px": 0.0, "softness": 0.5}),
    ]:
        changed = drawing.model_copy(update={name: value})
        assert identity_document(changed) == {**document, name: written}
        assert read_stored(Drawing, identity_document(changed)) == changed


def test_neutral_is_compared_as_an_identity_compares() -> None:
    class Either(Config):
        late: Annotated[bool | int, Added(neutral=False)] = True

    assert identity_document(Either(late=False)) == {}
    assert identity_document(Either(late=0)) == {"late": 0}, "to a stage it may not be the same"


def test_a_config_in_a_stored_folder_is_read_as_neutral_too(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text(json.dumps({"kind": "round", "radius_px": 3.0}))
    assert read_config(tmp_path, Round) == Round(radius_px=3.0, softness=None)


def test_outside_a_store_a_field_that_is_left_out_takes_its_default() -> None:
    assert Round.model_validate({"kind": "round"}).softness == 0.5


VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-3, 3),
    float: st.floats(-3, 3),
    str: st.text(max_size=2),
    bool: st.booleans(),
    float | None: st.none() | st.floats(0, 1),
    tuple[int, ...]: st.lists(st.integers(0, 3), max_size=2).map(tuple),
}
"""What a field may hold, by its type."""


@st.composite
def growths(draw: st.DrawFn, depth: int = 2) -> tuple[Config, Config]:
    """A config of today, and the same one of later days: fields are added at any depth, all at their neutral values."""
    today: dict[str, Any] = {}
    later: dict[str, Any] = {}
    values: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for index in range(draw(st.integers(1, 3))):
        name = f"field_{index}"
        if depth and draw(st.booleans()):
            old, new = draw(growths(depth=depth - 1))
            shape = draw(st.sampled_from(["plain", "tuple", "dict", "either"]))
            today[name], values[0][name] = _shaped(shape, old)
            later[name], values[1][name] = _shaped(shape, new)
        else:
            of = draw(st.sampled_from(list(VALUES)))
            today[name] = later[name] = (of, ...)
            values[0][name] = values[1][name] = draw(VALUES[of])
    if draw(st.booleans()):
        of = draw(st.sampled_from(list(VALUES)))
        values[1]["added"] = draw(VALUES[of])
        later["added"] = (Annotated[of, Added(neutral=values[1]["added"])], draw(VALUES[of]))
    types = create_model("Today", __base__=Config, **today), create_model("Later", __base__=Config, **later)
    return types[0](**values[0]), types[1](**values[1])


def _shaped(shape: str, config: Config) -> tuple[tuple[Any, Any], Any]:
    of = type(config)
    if shape == "tuple":
        return (tuple[of, ...], ...), (config, config)
    if shape == "dict":
        return (dict[str, list[of]], ...), {"a": [config], "b": []}
    return (of | None if shape == "either" else of, ...), config


@settings(max_examples=20, deadline=None)  # an example makes a dozen classes
@given(growths())
def test_growth_at_neutral_values_changes_no_identity(grown: tuple[Config, Config]) -> None:
    today, later = grown
    document = identity_document(today)
    assert document == today.model_dump(mode="json"), "nothing was added to it"
    assert identity_document(later) == document
    assert read_stored(type(later), document) == later
    for name in ("added",) if "added" in type(later).model_fields else ():
        changed = later.model_copy(update={name: type(later).model_fields[name].default})
        same = json.dumps(getattr(changed, name)) == json.dumps(getattr(later, name))
        assert (identity_document(changed) == document) == same
        assert read_stored(type(later), identity_document(changed)) == changed


# -- what cannot be added ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "default", "told"),
    [
        (Annotated[int, Field(ge=0), Added(neutral=-1)], 1, "-1 does not fit .*greater than or equal to 0"),
        (Annotated[int, Added(neutral="some")], 1, "'some' does not fit"),
        (Annotated[Literal["a", "b"], Added(neutral="c")], "a", "'c' does not fit"),
        (Annotated[int, Added(neutral="3")], 1, "'3' would be stored as 3; declare that"),
        (Annotated[int, Added(neutral=0)], ..., "is required"),
        (Annotated[float, Added(neutral=float("nan"))], 0.0, "not plain JSON"),
        (Annotated[Square | None, Added(neutral=Square())], None, "not plain JSON"),
        (
            Annotated[Square | None, Added(neutral={"kind": "square"})],
            None,
            r"stored as .*'side_px': 1.0\}; declare that",
        ),
        (Annotated[int, Added(neutral=0), Added(neutral=1)], 1, "2 neutral values"),
        (Annotated[Literal["a"], Added(neutral="a")], "a", "a tag cannot be added"),
        (tuple[Annotated[int, Added(neutral=0)], ...], (), "only a whole field"),
        (Annotated[int, Added(neutral=0)] | None, None, "only a whole field"),
    ],
)
def test_what_cannot_work_is_refused_when_the_class_is_made(annotation: Any, default: Any, told: str) -> None:
    with pytest.raises(TypeError, match=rf"Wrong\.late.*{told}"):
        create_model("Wrong", __base__=Config, late=(annotation, default))


def test_a_config_has_a_say_about_its_neutral_value() -> None:
    with pytest.raises(TypeError, match=r"Even\.late: its neutral value 3 does not fit .*not even"):

        class Even(Config):
            needed: int
            late: Annotated[int, Added(neutral=3)] = 2

            @field_validator("late")
            @classmethod
            def _is_even(cls, value: int) -> int:
                if value % 2:
                    raise ValueError("not even")
                return value


class Waiting(Config):
    """Complete only when the name below is there."""

    later: Annotated["NotYet | None", Added(neutral=7)] = None  # noqa: F821


def test_a_class_that_is_completed_later_is_looked_at_then() -> None:
    class NotYet(Config):
        pass

    with pytest.raises(TypeError, match=r"Waiting\.later: its neutral value 7 does not fit"):
        Waiting.model_rebuild(_types_namespace={"NotYet": NotYet})
